/* SPDX-License-Identifier: ISC */
#include "keeper/keeper_protocol.h"
#include "keeperd/keeper_start.h"

#include <poll.h>
#include <sys/pidfd.h>

#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "hf_test.h"
#include <holdfast/lock_dot.h>
#include <holdfast/lock_file.h>
#include "waits.h"

static struct hf_err err;

static enum hf_status acquire(void *context, struct hf_lockset *set, const struct hf_wait *wait,
			      struct hf_err *e)
{
	const struct hf_lock_ops *ops = context;

	if (!hf_lockset_add(set, ops ? ops : &hf_lock_file, "l", HF_LOCK_EXCLUSIVE, e))
		return e->status;
	return hf_lockset_acquire(set, wait, e);
}

static bool is_free(void)
{
	int fd = open_lock("l");
	bool got = flock(fd, LOCK_EX | LOCK_NB) == 0;

	close(fd);
	return got;
}

static struct hf_keeper_plan plan_for(pid_t owner, int64_t within)
{
	return (struct hf_keeper_plan){.owner = owner,
				       .ttl = HF_NEVER,
				       .acquire = acquire,
				       .wait.deadline = hf_deadline_in(within)};
}

/* Until the process has ended. */
static void await_end(pid_t pid)
{
	struct pollfd polled = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	if (polled.fd < 0)
		return;
	assert_int_equal(poll(&polled, 1, 20000), 1);
	close(polled.fd);
}

static void it_holds_until_it_is_asked_to_release(void **state)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 0);
	struct hf_keeper_answer answer;
	struct hf_keeper_lock lock;
	struct hf_kept kept;
	size_t at = 0;

	(void)state;
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	assert_false(is_free());
	assert_status(HF_OK, hf_keeper_leave(&kept, &err), &err);
	assert_status(HF_OK, hf_keeper_ask(kept.handle.pid, &answer, &err), &err);
	assert_int_equal(answer.owner, getppid());
	assert_int_equal(answer.pid, kept.handle.pid);
	assert_true(answer.left == HF_NEVER);
	assert_int_equal(answer.locks, 1);
	assert_true(hf_keeper_next(&answer, &at, &lock));
	assert_string_equal(lock.kind, "file");
	assert_string_equal(strrchr(lock.path, '/'), "/l");
	assert_int_equal(lock.path[0], '/');
	assert_true(lock.exclusive && !lock.lent);
	assert_false(hf_keeper_next(&answer, &at, &lock));
	assert_status(HF_OK, hf_keeper_release(&kept.handle, &err), &err);
	assert_true(is_free());
	assert_status(HF_NO, hf_keeper_release(&kept.handle, &err), NULL);
	waitpid(kept.handle.pid, NULL, 0);
}

static void an_unpublished_lock_is_released(void **state)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 0);
	struct hf_kept kept;

	(void)state;
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	hf_keeper_abandon(&kept);
	assert_true(is_free());
	/* the starter dies instead */
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	close(kept.socket);
	await_end(kept.handle.pid);
	assert_true(is_free());
	waitpid(kept.handle.pid, NULL, 0);
}

static void a_busy_lock_fails_and_leaves_no_process(void **state)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 20 * HF_MS);
	struct rival rival = rival_start(hold, "l");
	struct hf_kept kept;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, hf_keeper_start(&plan, &kept, &err), NULL);
	assert_non_null(strstr(err.message, ": held by PID "));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the rival only */
	rival_tell(&rival, 'x');
	assert_int_equal(rival_end(&rival), 0);
}

/* Starts a keeper, sends its PID, and is killed at some point, or ends by itself. */
static int start_for_me(const struct rival *self, void *arg)
{
	struct hf_keeper_plan plan = plan_for(getppid(), HF_NEVER);
	struct hf_kept kept;

	(void)arg;
	rival_say(self, 's');
	if (hf_keeper_start(&plan, &kept, &err) != HF_OK)
		return 99;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

/* A child of pid that waits for a lock. */
static void await_waiting_child(pid_t pid)
{
	char path[64];
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	while (!child) {
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		if (fscanf(f, "%d", &child) != 1)
			child = 0;
		fclose(f);
	}
	assert_true(await_waiter(child));
}

/* keeperd/K2: the starter is killed while the keeper waits in the queue. */
static void a_killed_starter_takes_the_wait_along(void **state)
{
	struct rival holder = rival_start(hold, "l"), starter;
	int status;

	(void)state;
	assert_hears(&holder, 'h');
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	starter = rival_start(start_for_me, NULL);
	assert_hears(&starter, 's');
	await_waiting_child(starter.pid);
	kill(starter.pid, SIGKILL);
	assert_int_equal(rival_end(&starter), 128 + SIGKILL);
	/* the keeper, which is our child now, ends though the lock is held still */
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	rival_tell(&holder, 'x');
	assert_int_equal(rival_end(&holder), 0);
}

static void a_dotlock_names_the_keeper(void **state)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 0);
	struct hf_kept kept;
	char line[32];
	FILE *f;

	(void)state;
	unlink("l");
	plan.context = (void *)(uintptr_t)&hf_lock_dot;
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	f = fopen("l", "r");
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(atoi(line), kept.handle.pid);
	hf_keeper_abandon(&kept);
	assert_false(is_there("l"));
}

static void only_an_ancestor_can_be_the_owner(void **state)
{
	struct rival rival = rival_start(hold, "other");
	struct hf_keeper_plan plan = plan_for(rival.pid, 0);
	struct hf_kept kept;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_USAGE, hf_keeper_start(&plan, &kept, &err), NULL);
	plan.owner = getpid();
	assert_status(HF_USAGE, hf_keeper_start(&plan, &kept, &err), NULL);
	rival_tell(&rival, 'x');
	plan.owner = rival.pid;
	assert_int_equal(rival_end(&rival), 0);
	assert_status(HF_USAGE, hf_keeper_start(&plan, &kept, &err), NULL);
}

static void its_time_to_live(void **state)
{
	struct hf_keeper_plan plan = plan_for(0, 0);
	struct hf_keeper_answer answer;
	struct hf_kept kept;

	(void)state;
	plan.ttl = 3600 * HF_SECOND;
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	assert_status(HF_OK, hf_keeper_leave(&kept, &err), &err);
	assert_status(HF_OK, hf_keeper_renew(&kept.handle, 7200 * HF_SECOND, &err), &err);
	assert_status(HF_OK, hf_keeper_ask(kept.handle.pid, &answer, &err), &err);
	assert_true(answer.left > 7000 * HF_SECOND && answer.left <= 7200 * HF_SECOND);
	assert_status(HF_OK, hf_keeper_renew(&kept.handle, 0, &err), &err);
	assert_status(HF_USAGE, hf_keeper_renew(&kept.handle, HF_NEVER, &err), NULL);
	assert_status(HF_OK, hf_keeper_renew(&kept.handle, HF_MS, &err), &err);
	await_end(kept.handle.pid);
	assert_true(is_free());
	assert_status(HF_NO, hf_keeper_renew(&kept.handle, 0, &err), NULL);
	waitpid(kept.handle.pid, NULL, 0);
}

static void a_handle_with_another_nonce_is_refused(void **state)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 0);
	struct hf_handle forged;
	struct hf_kept kept;

	(void)state;
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	assert_status(HF_OK, hf_keeper_leave(&kept, &err), &err);
	forged = kept.handle;
	forged.nonce++;
	assert_status(HF_USAGE, hf_keeper_release(&forged, &err), NULL);
	assert_status(HF_USAGE, hf_keeper_renew(&forged, HF_MS, &err), NULL);
	assert_false(is_free());
	assert_status(HF_OK, hf_keeper_release(&kept.handle, &err), &err);
	waitpid(kept.handle.pid, NULL, 0);
}

/* Connects, and says nothing; or what is no question. */
static int connect_to(const struct hf_handle *h)
{
	struct sockaddr_un address;
	socklen_t size = hf_keeper_name(&address, h->pidns, h->pid, h->start);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&address, size), 0);
	return fd;
}

/* keeperd/K7. */
static void clients_that_say_nothing_do_not_hold_it_up(void **state)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 0);
	struct hf_keeper_answer answer;
	struct hf_kept kept;
	int silent[3 * 8], fd;

	(void)state;
	assert_status(HF_OK, hf_keeper_start(&plan, &kept, &err), &err);
	assert_status(HF_OK, hf_keeper_leave(&kept, &err), &err);
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		silent[i] = connect_to(&kept.handle);
	fd = connect_to(&kept.handle);
	assert_int_equal(send(fd, "nonsense", 8, 0), 8);
	assert_true(recv(fd, &answer, sizeof(answer), 0) > 0);
	assert_int_equal(answer.status, HF_DATA);
	close(fd);
	assert_status(HF_OK, hf_keeper_release(&kept.handle, &err), &err);
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		close(silent[i]);
	waitpid(kept.handle.pid, NULL, 0);
}

/* keeperd/K6, in a grandchild of the owner: borrow, say so, and hold. */
static int borrow(const struct rival *self, void *arg)
{
	struct hf_lockset *set = hf_lockset_new();
	struct hf_wait wait = {.deadline = HF_NOWAIT};
	const int *fds;

	if (acquire(arg, set, &wait, &err) != HF_OK || hf_lockset_fds(set, &fds) != 1)
		return 99;
	rival_say(self, 'b');
	rival_hear(self);
	hf_lockset_free(set);
	return 0;
}

/* Owns a keeper, whose borrower is one of its children; is killed. */
static int own(const struct rival *self, void *arg)
{
	struct hf_keeper_plan plan = plan_for(getppid(), 0);
	struct hf_kept kept;
	char pid[16];
	pid_t owner = getpid();

	plan.context = arg;
	/* as lock-acquire does for its parent */
	if (fork() == 0) {
		plan.owner = owner;
		_exit(hf_keeper_start(&plan, &kept, &err) != HF_OK ||
		      hf_keeper_leave(&kept, &err) != HF_OK);
	}
	wait(NULL);
	snprintf(pid, sizeof(pid), "%d", (int)owner);
	if (fork() == 0)
		_exit(borrow(self, arg));
	pause();
	return 0;
}

/* It is above the owner. A client of this library would not even ask. */
static void nothing_is_lent_to_this_process(void)
{
	struct hf_keeper_question q = {.form = HF_KEEPER_FORM, .what = HF_KEEPER_BORROW};
	struct hf_keeper_answer answer;
	struct sockaddr_un address;
	struct ucred peer;
	struct pollfd polled = {.fd = -1, .events = POLLIN};
	int fds[HF_KEEPER_LENT_MAX], count = -1;
	struct stat st;
	socklen_t size;

	assert_int_equal(stat("l", &st), 0);
	q.device = st.st_dev;
	q.inode = st.st_ino;
	size = hf_keeper_lock_name(&address, st.st_dev, st.st_ino, 0);
	assert_status(HF_OK, hf_keeper_reach(&polled.fd, &address, size, HF_SECOND, &peer), NULL);
	assert_true(hf_keeper_send(polled.fd, &q, sizeof(q), NULL, 0));
	assert_int_equal(poll(&polled, 1, 20000), 1);
	assert_true(hf_keeper_receive(polled.fd, &answer, sizeof(answer), fds, &count) > 0);
	assert_int_equal(count, 0);
	close(polled.fd);
}

static void what_was_lent_is_held_when_the_owner_dies(const struct hf_lock_ops *ops)
{
	struct rival owner = rival_start(own, (void *)(uintptr_t)ops);
	int status;

	assert_hears(&owner, 'b');
	nothing_is_lent_to_this_process();
	kill(owner.pid, SIGKILL);
	assert_int_equal(waitpid(owner.pid, &status, 0), owner.pid);
	/* the keeper, which no other process can reap */
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_false(is_free());
	close(owner.tell);
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(is_free());
	close(owner.hear);
}

static void a_lent_file_lock_outlives_the_owner(void **state)
{
	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	what_was_lent_is_held_when_the_owner_dies(&hf_lock_file);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void a_lent_dotlock_outlives_the_owner(void **state)
{
	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	unlink("l");
	what_was_lent_is_held_when_the_owner_dies(&hf_lock_dot);
	assert_true(is_there("l"));
	unlink("l");
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_holds_until_it_is_asked_to_release),
	cmocka_unit_test(an_unpublished_lock_is_released),
	cmocka_unit_test(a_busy_lock_fails_and_leaves_no_process),
	cmocka_unit_test(a_killed_starter_takes_the_wait_along),
	cmocka_unit_test(a_dotlock_names_the_keeper),
	cmocka_unit_test(only_an_ancestor_can_be_the_owner),
	cmocka_unit_test(its_time_to_live),
	cmocka_unit_test(a_handle_with_another_nonce_is_refused),
	cmocka_unit_test(clients_that_say_nothing_do_not_hold_it_up),
	cmocka_unit_test(a_lent_file_lock_outlives_the_owner),
	cmocka_unit_test(a_lent_dotlock_outlives_the_owner),
};
HF_TEST_MAIN(tests)
