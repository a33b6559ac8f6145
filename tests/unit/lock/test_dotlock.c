/* SPDX-License-Identifier: ISC */
#include <holdfast/lock_dot.h>

#include <dirent.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <holdfast/clock.h>
#include "lock/dotlock_file.h"
#include <holdfast/fd.h>
#include "hf_test.h"
#include <holdfast/lockset.h>
#include "stopped.h"
#include "base/sys.h"
#include "lock/lock_kind.h"

struct held {
	struct hf_lockset *set;
	struct hf_lock *lock;
};

static enum hf_status take_for(struct held *held, const char *path, int64_t limit,
			       struct hf_err *err)
{
	struct hf_wait wait = {.deadline = hf_deadline_in(limit)};

	held->set = hf_lockset_new();
	held->lock = hf_lockset_add(held->set, &hf_lock_dot, path, HF_LOCK_EXCLUSIVE, err);
	return held->lock ? hf_lockset_acquire(held->set, &wait, err) : err->status;
}

static enum hf_status take(struct held *held, struct hf_err *err)
{
	return take_for(held, "d", 20 * HF_SECOND, err);
}

static void give_back(struct held *held)
{
	hf_lockset_free(held->set);
}

/* Nothing but these: how many entries the directory has, "d" apart. */
static int litter(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(dir)))
		count += strncmp(entry->d_name, ".holdfast.", 10) == 0;
	closedir(dir);
	return count;
}

static void taken_and_given_back(void **state)
{
	struct held one, two;
	struct hf_err err;
	struct stat st;

	(void)state;
	assert_status(HF_OK, take(&one, &err), &err);
	assert_int_equal(stat("d", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(hf_fd_held(one.lock->fd), HF_HELD_EXCLUSIVE);
	assert_status(HF_BUSY, take_for(&two, "./d", 0, &err), &err);
	give_back(&two);
	assert_true(is_there("d"));
	assert_false(hf_dot_lost(one.lock));
	give_back(&one);
	assert_false(is_there("d"));
	assert_int_equal(litter(), 0);
}

/* lock/D1: also under a umask that would keep others from looking. */
static void the_record_can_be_read(void **state)
{
	mode_t old = umask(0777);
	struct hf_lock_owner_info record;
	struct held held;
	struct hf_err err;
	struct stat st;

	(void)state;
	assert_status(HF_OK, take(&held, &err), &err);
	umask(old);
	assert_int_equal(stat("d", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	hf_lock_owner_read(held.lock->fd, &record);
	assert_int_equal(record.form, HF_OWNER_HOLDFAST);
	assert_int_equal(record.owner.pid, getpid());
	give_back(&held);
}

static void refuses_a_path_that_is_no_dotlock(void **state)
{
	struct held held;
	struct hf_err err;

	(void)state;
	assert_int_equal(symlink("nowhere", "link"), 0);
	assert_status(HF_DATA, take_for(&held, "link", 0, &err), &err);
	give_back(&held);
	assert_false(is_there("nowhere"));
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_status(HF_DATA, take_for(&held, "fifo", 0, &err), &err);
	give_back(&held);
	assert_status(HF_DATA, take_for(&held, "/", 0, &err), &err);
	give_back(&held);
	assert_status(HF_DATA, take_for(&held, "/dev/null", 0, &err), &err);
	give_back(&held);
	assert_status(HF_CANTCREAT, take_for(&held, "no/where", 0, &err), &err);
	give_back(&held);
	held.set = hf_lockset_new();
	held.lock = hf_lockset_add(held.set, &hf_lock_dot, "d", HF_LOCK_SHARED, &err);
	assert_status(HF_USAGE, hf_lockset_acquire(held.set, &(struct hf_wait){0}, &err), &err);
	give_back(&held);
}

static int hold(const struct rival *self, void *arg)
{
	struct held held;
	struct hf_err err;

	(void)arg;
	if (take(&held, &err) != HF_OK)
		return 1;
	rival_say(self, 'h');
	rival_hear(self);
	give_back(&held);
	return 0;
}

static void a_waiter_gets_it_when_the_holder_is_killed(void **state)
{
	struct rival holder = rival_start(hold, NULL), waiter;
	struct hf_err err;
	struct held held;

	(void)state;
	assert_hears(&holder, 'h');
	assert_status(HF_BUSY, take_for(&held, "d", 50 * HF_MS, &err), &err);
	give_back(&held);
	waiter = rival_start(hold, NULL);
	kill(holder.pid, SIGKILL);
	rival_end(&holder);
	assert_hears(&waiter, 'h');
	assert_status(HF_BUSY, take_for(&held, "d", 0, &err), &err);
	give_back(&held);
	rival_tell(&waiter, 'g');
	assert_int_equal(rival_end(&waiter), 0);
	assert_false(is_there("d"));
	assert_int_equal(litter(), 0);
}

/* Another program's lock: of a PID that lives, until that dies or removes it. */
static int own_plainly(const struct rival *self, void *arg)
{
	FILE *file = fopen("d", "w");

	(void)arg;
	fprintf(file, "%d\n", getpid());
	fclose(file);
	rival_say(self, 'h');
	if (rival_hear(self) == 'u')
		unlink("d");
	return 0;
}

static void waits_for_another_programs_lock(void **state)
{
	struct hf_err err;
	struct held held;

	(void)state;
	require_first_pid_namespace();
	for (int dies = 0; dies < 2; dies++) {
		struct rival owner = rival_start(own_plainly, NULL), waiter;

		assert_hears(&owner, 'h');
		assert_status(HF_BUSY, take_for(&held, "d", 30 * HF_MS, &err), &err);
		assert_non_null(strstr(err.message, "lives"));
		give_back(&held);
		waiter = rival_start(hold, NULL);
		rival_tell(&owner, dies ? 'd' : 'u');
		rival_end(&owner);
		assert_hears(&waiter, 'h');
		rival_tell(&waiter, 'g');
		assert_int_equal(rival_end(&waiter), 0);
		assert_false(is_there("d"));
	}
}

static void an_empty_file_is_held(void **state)
{
	struct held held;
	struct hf_err err;

	(void)state;
	put_file("d", "");
	assert_status(HF_BUSY, take_for(&held, "d", 30 * HF_MS, &err), &err);
	give_back(&held);
	assert_file("d", "");
	unlink("d");
}

static void a_lost_dotlock_is_noticed(void **state)
{
	struct held held;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, take(&held, &err), &err);
	unlink("d");
	assert_true(hf_dot_lost(held.lock));
	put_file("d", "1\n");
	assert_true(hf_dot_lost(held.lock));
	give_back(&held);
	assert_file("d", "1\n");
	unlink("d");
}

/* lock/D5. */
static void is_touched_by(const struct hf_lock *lock)
{
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct stat st;

	assert_int_equal(utimensat(AT_FDCWD, "d", old, 0), 0);
	hf_dot_touch(lock);
	assert_int_equal(stat("d", &st), 0);
	assert_true(st.st_mtime > 1000);
}

static void touching(void **state)
{
	struct held held;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, take(&held, &err), &err);
	is_touched_by(held.lock);
	give_back(&held);
}

/* lock/D5: a process that inherited or borrowed it may outlive the process that took it. */
static void an_inherited_dotlock_is_touched(void **state)
{
	struct hf_lock inherited;
	struct held held;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, take(&held, &err), &err);
	inherited = *held.lock;
	inherited.inherited = held.lock->fd;
	inherited.fd = -1;
	is_touched_by(&inherited);
	give_back(&held);
}

/* lock/D3: the holder is dead, and what it started has the descriptor. */
static int leave_a_child(const struct rival *self, void *arg)
{
	struct held held;
	struct hf_err err;

	(void)arg;
	if (take(&held, &err) != HF_OK)
		return 1;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, 0);
		rival_say(self, 'h');
		rival_hear(self);
		_exit(0);
	}
	pause();
	return 0;
}

/* A lock file written long ago would seem abandoned, and have a wrong time. */
static void a_record_written_long_ago_is_updated(void **state)
{
	const struct timespec old[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct hf_dot_new new = {.fd = -1};
	struct hf_lock_owner_info record;
	struct hf_target target;
	struct hf_err err;
	struct stat st;
	int fd;

	(void)state;
	assert_status(HF_OK, hf_target_open(&target, "staged", HF_TARGET_ANY_NAME, &err), &err);
	assert_status(HF_OK, hf_dot_stage(&target, &new, &err), &err);
	assert_int_equal(futimens(new.fd, old), 0);
	new.written -= 2 * HF_SECOND;
	new.record.taken = 1000;
	assert_status(HF_OK, hf_dot_link(&target, &new, &fd, &err), &err);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_mtime > 1000);
	hf_lock_owner_read(fd, &record);
	assert_true(record.taken > 1000);
	assert_true(hf_dot_remove(&target, fd));
	assert_false(is_there("staged"));
	close(fd);
	hf_target_close(&target);
}

/* A dotlock of ours under this name; its descriptor. */
static int make_dotlock(const struct hf_target *target)
{
	struct hf_dot_new new = {.fd = -1};
	struct hf_err err;
	int fd;

	assert_status(HF_OK, hf_dot_link(target, &new, &fd, &err), &err);
	return fd;
}

/* A released file is removed, unless the name belongs to another file by now, or another
 * description of the lent file is still locked. */
static void a_release_removes_only_our_own_file(void **state)
{
	struct hf_target target;
	struct hf_err err;
	int fd, other;

	(void)state;
	assert_status(HF_OK, hf_target_open(&target, "given", HF_TARGET_ANY_NAME, &err), &err);
	hf_dot_give_back(&target, make_dotlock(&target));
	assert_false(is_there("given"));

	fd = make_dotlock(&target);
	other = recreate_locked("given");
	assert_false(hf_dot_remove(&target, fd));
	assert_int_equal(flock(other, LOCK_UN), 0);
	hf_dot_give_back(&target, fd);
	assert_true(names("given", other));
	close(other);
	unlink("given");

	fd = make_dotlock(&target);
	other = dup(fd);
	hf_dot_give_back(&target, fd);
	assert_true(names("given", other));
	close(other);
	unlink("given");
	hf_target_close(&target);
}

static void no_takeover_while_it_is_inherited(void **state)
{
	struct rival holder = rival_start(leave_a_child, NULL);
	struct held held;
	struct hf_err err;

	(void)state;
	assert_hears(&holder, 'h');
	kill(holder.pid, SIGKILL);
	waitpid(holder.pid, NULL, 0);
	assert_status(HF_BUSY, take_for(&held, "d", 50 * HF_MS, &err), &err);
	give_back(&held);
	close(holder.tell);
	close(holder.hear);
	assert_status(HF_OK, take(&held, &err), &err);
	give_back(&held);
}

static void leave_a_dead_one(void)
{
	struct rival holder = rival_start(hold, NULL);

	assert_hears(&holder, 'h');
	kill(holder.pid, SIGKILL);
	rival_end(&holder);
	assert_true(is_there("d"));
}

/* How many calls the fault table has seen in this process and those it comes from. */
static int calls_so_far(void)
{
	FILE *log;
	int n = 0;

	unlink("log");
	setenv("HOLDFAST_FAULT_LOG", "log", 1);
	sys_close(-1);
	unsetenv("HOLDFAST_FAULT_LOG");
	log = fopen("log", "r");
	if (!log || fscanf(log, "%d", &n) != 1)
		_exit(98);
	fclose(log);
	return n;
}

/* arg is a rule; a number N without a name is the N-th call from here. */
static int take_under_fault(const struct rival *self, void *arg)
{
	const char *rule = arg;
	char text[64];
	struct held held;
	struct hf_err err;

	if (*rule >= '0' && *rule <= '9')
		snprintf(text, sizeof(text), "%d%s", calls_so_far() + atoi(rule),
			 strchr(rule, ':'));
	else
		snprintf(text, sizeof(text), "%s", rule);
	setenv("HOLDFAST_FAULT", text, 1);
	if (take_for(&held, "d", 20 * HF_SECOND, &err) == HF_OK) {
		rival_say(self, 'h');
		if (strstr(rule, "stop"))
			raise(SIGSTOP); /* it stops in any case */
		rival_hear(self);
	}
	give_back(&held);
	return 0;
}

/* Killed at every call of taking (a free one; a stale one) and of giving back: the next one gets
 * it, and no file is left. */
static void killed_anywhere(void **state)
{
	struct held held;
	struct hf_err err;

	(void)state;
	for (int stale = 0; stale < 2; stale++) {
		bool died = true;

		for (int n = 1; died; n++) {
			struct rival rival;
			char fault[32];

			if (stale)
				leave_a_dead_one();
			snprintf(fault, sizeof(fault), "%d:kill", n);
			rival = rival_start(take_under_fault, fault);
			if (rival_hear(&rival) == 'h')
				rival_tell(&rival, 'g');
			died = rival_end(&rival) == 128 + SIGKILL;
			assert_true(died || n > 15);
			assert_status(HF_OK, take(&held, &err), &err);
			assert_int_equal(litter(), 0);
			give_back(&held);
			assert_false(is_there("d"));
		}
	}
}

/* Stopped at every call while another process takes it: never both. */
static void stopped_anywhere(void **state)
{
	bool stopped = true;

	(void)state;
	for (int n = 1; stopped; n++) {
		struct rival rival;
		struct held held;
		struct hf_err err;
		char fault[32];
		int status;

		leave_a_dead_one();
		snprintf(fault, sizeof(fault), "%d:stop", n);
		rival = rival_start(take_under_fault, fault);
		assert_int_equal(waitpid(rival.pid, &status, WUNTRACED), rival.pid);
		assert_true(WIFSTOPPED(status));
		fcntl(rival.hear, F_SETFL, O_NONBLOCK);
		stopped = rival_hear(&rival) != 'h';
		assert_true(stopped || n > 15);
		/* it has the stale one's lock, or does not */
		if (take_for(&held, "d", 5 * HF_MS, &err) == HF_OK) {
			assert_true(stopped);
			kill(rival.pid, SIGCONT);
			assert_int_equal(rival_hear(&rival), -1);
			assert_false(hf_dot_lost(held.lock));
		}
		give_back(&held);
		kill(rival.pid, SIGCONT);
		fcntl(rival.hear, F_SETFL, 0);
		if (stopped)
			assert_hears(&rival, 'h');
		assert_status(HF_BUSY, take_for(&held, "d", 0, &err), &err);
		give_back(&held);
		kill(rival.pid, SIGKILL);
		rival_end(&rival);
		assert_status(HF_OK, take(&held, &err), &err);
		give_back(&held);
		assert_int_equal(litter(), 0);
	}
}

/* lock/D4: a program that keeps to no rule replaces the stale one just before the exchange. */
static void another_programs_lock_is_put_back(void **state)
{
	struct rival rival;
	char text[32];
	int status;

	(void)state;
	leave_a_dead_one();
	rival = rival_start(take_under_fault, (void *)"renameat2#1:stop");
	assert_int_equal(waitpid(rival.pid, &status, WUNTRACED), rival.pid);
	snprintf(text, sizeof(text), "%d\n", getpid());
	put_file("d.new", text);
	assert_int_equal(rename("d.new", "d"), 0);
	kill(rival.pid, SIGCONT);
	assert_int_equal(rival_hear(&rival), -1);
	assert_int_equal(rival_end(&rival), 0);
	assert_file("d", text);
	assert_int_equal(litter(), 0);
	unlink("d");
}

struct crowd {
	const char *fault;
	int rounds;
	volatile int *inside, *count;
};

static int contend(const struct rival *self, void *arg)
{
	const struct crowd *crowd = arg;
	struct held held;
	struct hf_err err;

	if (crowd->fault)
		setenv("HOLDFAST_FAULT", crowd->fault, 1);
	rival_hear(self);
	for (int i = 0; i < crowd->rounds; i++) {
		if (take_for(&held, "d", 60 * HF_SECOND, &err) != HF_OK)
			return 1;
		if (__atomic_add_fetch(crowd->inside, 1, __ATOMIC_SEQ_CST) != 1)
			return 2;
		++*crowd->count;
		if (hf_dot_lost(held.lock))
			return 3;
		__atomic_sub_fetch(crowd->inside, 1, __ATOMIC_SEQ_CST);
		give_back(&held);
	}
	return 0;
}

/* 50 contenders of 20 rounds each: one at a time, and all come to their end. */
static void a_crowd(void **state)
{
	enum { CONTENDERS = 50, ROUNDS = 20 };
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct crowd crowd = {.rounds = ROUNDS, .inside = &shared[0], .count = &shared[1]};
	struct rival rivals[CONTENDERS];

	(void)state;
	leave_a_dead_one();
	for (int i = 0; i < CONTENDERS; i++)
		rivals[i] = rival_start(contend, &crowd);
	for (int i = 0; i < CONTENDERS; i++)
		rival_tell(&rivals[i], 'g');
	for (int i = 0; i < CONTENDERS; i++)
		assert_int_equal(rival_end(&rivals[i]), 0);
	assert_int_equal(*crowd.count, CONTENDERS * ROUNDS);
	assert_false(is_there("d"));
	assert_int_equal(litter(), 0);
}

/* Two dotlocks of two sets, named in opposite order: taken in one order, they never deadlock. */
static int take_two(const struct rival *self, void *arg)
{
	const char *const *names = arg;
	struct hf_err err;

	rival_hear(self);
	for (int i = 0; i < 50; i++) {
		struct hf_wait wait = {.deadline = hf_deadline_in(20 * HF_SECOND)};
		struct hf_lockset *set = hf_lockset_new();

		hf_lockset_add(set, &hf_lock_dot, names[0], HF_LOCK_EXCLUSIVE, &err);
		hf_lockset_add(set, &hf_lock_dot, names[1], HF_LOCK_EXCLUSIVE, &err);
		if (hf_lockset_acquire(set, &wait, &err) != HF_OK)
			return 1;
		hf_lockset_free(set);
	}
	return 0;
}

static void one_order(void **state)
{
	const char *ab[] = {"a", "b"}, *ba[] = {"./b", "a"};
	struct rival one = rival_start(take_two, ab), two = rival_start(take_two, ba);

	(void)state;
	rival_tell(&one, 'g');
	rival_tell(&two, 'g');
	assert_int_equal(rival_end(&one), 0);
	assert_int_equal(rival_end(&two), 0);
	assert_false(is_there("a"));
	assert_false(is_there("b"));
}

/* A file system that exchanges nothing. */
static void without_exchange(void **state)
{
	struct rival rival;

	(void)state;
	leave_a_dead_one();
	rival = rival_start(take_under_fault, (void *)"renameat2#1:EINVAL");
	assert_hears(&rival, 'h');
	rival_tell(&rival, 'g');
	assert_int_equal(rival_end(&rival), 0);
	assert_false(is_there("d"));
	assert_int_equal(litter(), 0);
}

/* Any one call of taking a stale one and giving it back fails (EOPNOTSUPP: also a file system
 * without unnamed files): it is taken or not, the next one gets it, and no file is left. */
static void failing_anywhere(void **state)
{
	static const char *const actions[] = {"EIO", "ENOSPC", "EINTR", "EOPNOTSUPP", "EACCES"};
	int taken = 0, refused = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		for (int n = 1; n < 36; n++) {
			struct rival rival;
			struct held held;
			struct hf_err err;
			char fault[32];

			leave_a_dead_one();
			snprintf(fault, sizeof(fault), "%d:%s", n, actions[i]);
			rival = rival_start(take_under_fault, fault);
			if (rival_hear(&rival) == 'h') {
				taken++;
				assert_status(HF_BUSY, take_for(&held, "d", 0, &err), &err);
				give_back(&held);
				rival_tell(&rival, 'g');
			} else {
				refused++;
			}
			assert_int_equal(rival_end(&rival), 0);
			assert_status(HF_OK, take(&held, &err), &err);
			assert_int_equal(litter(), 0);
			give_back(&held);
			assert_false(is_there("d"));
		}
	}
	assert_true(taken > 0 && refused > 0);
}

static const struct CMUnitTest tests[] = {
	/* first, since they count calls by name, and the count is inherited */
	cmocka_unit_test(another_programs_lock_is_put_back),
	cmocka_unit_test(without_exchange),
	cmocka_unit_test(taken_and_given_back),
	cmocka_unit_test(the_record_can_be_read),
	cmocka_unit_test(refuses_a_path_that_is_no_dotlock),
	cmocka_unit_test(a_waiter_gets_it_when_the_holder_is_killed),
	cmocka_unit_test(waits_for_another_programs_lock),
	cmocka_unit_test(an_empty_file_is_held),
	cmocka_unit_test(a_lost_dotlock_is_noticed),
	cmocka_unit_test(touching),
	cmocka_unit_test(an_inherited_dotlock_is_touched),
	cmocka_unit_test(a_record_written_long_ago_is_updated),
	cmocka_unit_test(a_release_removes_only_our_own_file),
	cmocka_unit_test(no_takeover_while_it_is_inherited),
	cmocka_unit_test(killed_anywhere),
	cmocka_unit_test(stopped_anywhere),
	cmocka_unit_test(a_crowd),
	cmocka_unit_test(one_order),
	cmocka_unit_test(failing_anywhere),
};
HF_TEST_MAIN(tests)
