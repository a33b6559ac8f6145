/* SPDX-License-Identifier: ISC */
#include "stale/evidence.h"

#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>

#include <holdfast/clock.h>
#include "hf_test.h"
#include <holdfast/proc.h>

static struct hf_evidence evidence;

/* Judge file "l", with nothing else declared than these. */
static enum hf_verdict judge(int64_t stale_after, bool alone)
{
	int fd = open("l", O_RDONLY | O_CLOEXEC), place = open(".", O_RDONLY | O_CLOEXEC);
	struct hf_stale_query of = {
		.fd = fd, .place = place, .stale_after = stale_after, .alone = alone};

	assert_true(fd >= 0);
	hf_evidence_judge(&of, &evidence);
	close(fd);
	close(place);
	return evidence.verdict;
}

#define assert_judged(wanted, text) \
	do { \
		enum hf_verdict got = judge(HF_NEVER, false); \
		const char *last = evidence.count ? evidence.reason[evidence.count - 1] : ""; \
 \
		if (got != (wanted) || !strstr(last, (text))) \
			print_error("%s: %s\n", hf_verdict_name(got), last); \
		assert_int_equal(got, (wanted)); \
		assert_non_null(strstr(last, (text))); \
	} while (0)

/* The record of this process, changed. */
static void put_record(void (*change)(struct hf_lock_owner_info *record))
{
	struct hf_lock_owner_info record;
	char text[HF_LOCK_OWNER_MAX];
	size_t size;
	FILE *file;

	hf_lock_owner_make(&record);
	if (change)
		change(&record);
	size = hf_lock_owner_format(&record, text);
	file = fopen("l", "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
}

/* A PID of no process: of a child that has been reaped. */
static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void die(struct hf_lock_owner_info *r)
{
	r->owner.pid = dead_pid();
}

static void be_another(struct hf_lock_owner_info *r)
{
	r->owner.start--;
}

static void be_of_the_future(struct hf_lock_owner_info *r)
{
	r->owner.start += 1000000000;
}

static void be_of_another_boot(struct hf_lock_owner_info *r)
{
	r->owner.boot[0] = r->owner.boot[0] == '0' ? '1' : '0';
}

static void be_of_another_host(struct hf_lock_owner_info *r)
{
	be_of_another_boot(r);
	strcpy(r->owner.host, "else\033where");
}

static void be_of_another_namespace(struct hf_lock_owner_info *r)
{
	die(r);
	r->owner.pidns++;
}

static void know_nothing(struct hf_lock_owner_info *r)
{
	die(r);
	r->owner.boot[0] = '\0';
	r->owner.pidns = 0;
}

static void a_record_of_ours(void **state)
{
	(void)state;
	put_record(NULL);
	assert_judged(HF_VERDICT_HELD, "lives");
	assert_int_equal(evidence.pid, getpid());
	put_record(die);
	assert_judged(HF_VERDICT_STALE, "is dead");
	put_record(be_another);
	assert_judged(HF_VERDICT_STALE, "is used again");
	put_record(be_of_the_future);
	assert_judged(HF_VERDICT_HELD, "lives");
	put_record(be_of_another_boot);
	assert_judged(HF_VERDICT_STALE, "earlier boot");
	put_record(be_of_another_host);
	assert_judged(HF_VERDICT_UNKNOWN, "not this host");
	assert_non_null(strstr(evidence.reason[0], "else?where"));
	put_record(be_of_another_namespace);
	assert_judged(HF_VERDICT_UNKNOWN, "another PID namespace");
	put_record(know_nothing);
	assert_judged(HF_VERDICT_UNKNOWN, "boot is not known");
}

static void a_plain_pid(void **state)
{
	char text[32];

	(void)state;
	require_first_pid_namespace();
	snprintf(text, sizeof(text), "%d\n", getpid());
	put_file("l", text);
	assert_judged(HF_VERDICT_HELD, "lives");
	put_file("l", "1\n");
	assert_judged(HF_VERDICT_HELD, "lives");
	snprintf(text, sizeof(text), "%d\n", dead_pid());
	put_file("l", text);
	assert_judged(HF_VERDICT_STALE, "is dead");
	put_file("l", "-1\n");
	assert_judged(HF_VERDICT_UNKNOWN, "not a PID");
	put_file("l", "2147483648\n");
	assert_judged(HF_VERDICT_UNKNOWN, "not a PID");
}

static void a_zombie_is_dead(void **state)
{
	char text[32];
	siginfo_t info;
	pid_t pid;

	(void)state;
	require_first_pid_namespace();
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	snprintf(text, sizeof(text), "%d\n", pid);
	put_file("l", text);
	assert_judged(HF_VERDICT_STALE, "zombie");
	waitpid(pid, NULL, 0);
}

/* Holds the file as `arg` says until it is asked to go on. */
static int hold(const struct rival *self, void *arg)
{
	const char *how = arg;
	int fd = open("l", *how == 'w' ? O_WRONLY : O_RDWR);

	if (*how == 'f' && flock(fd, LOCK_SH) < 0)
		return 1;
	if (*how == 'l' && lockf(fd, F_LOCK, 0) < 0)
		return 1;
	if (*how == 'r') {
		close(fd);
		fd = open("l", O_RDONLY);
	}
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

static void while_held(char how, enum hf_verdict wanted, const char *why)
{
	struct rival rival = rival_start(hold, &how);

	assert_hears(&rival, 'h');
	assert_judged(wanted, why);
	if (how != 'r')
		assert_int_equal(evidence.pid, rival.pid);
	rival_tell(&rival, 'g');
	assert_int_equal(rival_end(&rival), 0);
}

/* stale/E1, stale/E5. */
static void a_process_that_has_it_open_is_found(void **state)
{
	char text[32];

	(void)state;
	require_first_pid_namespace();
	snprintf(text, sizeof(text), "%d\n", dead_pid());
	put_file("l", text);
	while_held('f', HF_VERDICT_HELD, "flock");
	while_held('w', HF_VERDICT_HELD, "open for writing");
	while_held('l', HF_VERDICT_HELD, "open for writing, or locked");
	while_held('r', HF_VERDICT_STALE, "is dead");
}

static void make_old(int seconds)
{
	struct timespec times[2];

	clock_gettime(CLOCK_REALTIME, &times[0]);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, "l", times, 0), 0);
}

/* stale/E7. Hidden processes are declared away, since not every machine shows all to a test. */
static void age_comes_last(void **state)
{
	(void)state;
	require_first_pid_namespace();
	put_file("l", "0");
	make_old(600);
	assert_judged(HF_VERDICT_UNKNOWN, "procmail");
	assert_int_equal(judge(HF_SECOND * 300, true), HF_VERDICT_STALE);
	assert_int_equal(judge(HF_SECOND * 900, true), HF_VERDICT_UNKNOWN);
	make_old(-600);
	assert_int_equal(judge(0, true), HF_VERDICT_UNKNOWN);
	put_file("l", "rubbish\n");
	make_old(600);
	assert_int_equal(judge(HF_SECOND * 300, false), HF_VERDICT_UNKNOWN);
	assert_int_equal(judge(HF_SECOND * 300, true), HF_VERDICT_STALE);
	put_record(NULL);
	make_old(600);
	assert_int_equal(judge(HF_SECOND * 300, true), HF_VERDICT_HELD);
	put_record(be_of_another_host);
	make_old(600);
	assert_int_equal(judge(HF_SECOND * 300, false), HF_VERDICT_UNKNOWN);
	assert_int_equal(judge(HF_SECOND * 300, true), HF_VERDICT_STALE);
}

static int stay(const struct rival *self, void *arg)
{
	(void)arg;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

/* stale/E6. */
static void a_process_that_works_there_is_found(void **state)
{
	struct rival rival;

	(void)state;
	require_first_pid_namespace();
	put_file("l", "");
	make_old(600);
	rival = rival_start(stay, NULL);
	assert_hears(&rival, 'h');
	assert_int_equal(judge(HF_SECOND * 300, true), HF_VERDICT_HELD);
	assert_int_equal(evidence.pid, rival.pid);
	rival_tell(&rival, 'g');
	rival_end(&rival);
	assert_int_equal(judge(HF_SECOND * 300, true), HF_VERDICT_STALE);
}

/* What a power cut leaves: a name without content, and the mark. */
static void a_torn_record(void **state)
{
	struct hf_process_id self;
	char mark[200];

	(void)state;
	hf_process_id_self(&self);
	unlink("l");
	put_file("l", "");
	snprintf(mark, sizeof(mark), "%s %s", self.boot, self.host);
	assert_int_equal(setxattr("l", HF_DOT_XATTR, mark, strlen(mark), 0), 0);
	assert_judged(HF_VERDICT_UNKNOWN, "of this boot");
	mark[0] = mark[0] == '0' ? '1' : '0';
	assert_int_equal(setxattr("l", HF_DOT_XATTR, mark, strlen(mark), 0), 0);
	assert_judged(HF_VERDICT_STALE, "earlier boot");
	assert_int_equal(setxattr("l", HF_DOT_XATTR, "x\n", 2, 0), 0);
	assert_judged(HF_VERDICT_UNKNOWN, "not known");
	unlink("l");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_record_of_ours), cmocka_unit_test(a_plain_pid),
	cmocka_unit_test(a_zombie_is_dead), cmocka_unit_test(a_process_that_has_it_open_is_found),
	cmocka_unit_test(age_comes_last),   cmocka_unit_test(a_process_that_works_there_is_found),
	cmocka_unit_test(a_torn_record),
};
HF_TEST_MAIN(tests)
