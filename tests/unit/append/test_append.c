/* SPDX-License-Identifier: ISC */
#include <holdfast/append.h>

#include <sched.h>
#include <sys/file.h>

#include <holdfast/clock.h>
#include "hf_test.h"
#include "base/sys.h"

static struct hf_append_options options(bool in_place)
{
	return (struct hf_append_options){.file.wait.deadline = hf_deadline_in(20 * HF_SECOND),
					  .in_place = in_place};
}

static enum hf_status append(const char *path, const char *text, bool in_place, struct hf_err *err)
{
	struct hf_append_options o = options(in_place);
	struct hf_append_record record = {.data = text, .size = strlen(text), .fd = -1};

	return hf_append(path, &record, &o, err);
}

static void appends_by_replacement_and_in_place(void **state)
{
	struct hf_err err;

	(void)state;
	unlink("f");
	assert_status(HF_OK, append("f", "one\n", false, &err), &err);
	assert_status(HF_OK, append("f", "two\n", true, &err), &err);
	assert_status(HF_OK, append("f", "three\n", false, &err), &err);
	assert_file("f", "one\ntwo\nthree\n");
	unlink("f");
	assert_status(HF_OK, append("f", "one\n", true, &err), &err);
	assert_file("f", "one\n");
	assert_false(is_there(".holdfast.f.batch"));
}

static void a_record_in_a_file(void **state)
{
	struct hf_append_options o = options(false);
	struct hf_append_record record = {.offset = 4, .size = 4};
	struct hf_err err;

	(void)state;
	put_file("f", "old\n");
	put_file("source", "not new\n");
	record.fd = open("source", O_RDONLY);
	assert_status(HF_OK, hf_append("f", &record, &o, &err), &err);
	o.in_place = true;
	assert_status(HF_OK, hf_append("f", &record, &o, &err), &err);
	assert_file("f", "old\nnew\nnew\n");
	close(record.fd);
}

struct rival_append {
	const char *text, *fault;
	bool in_place;
};

static int append_as_rival(const struct rival *self, void *arg)
{
	const struct rival_append *r = arg;
	struct hf_err err;

	(void)self;
	hf_fault_reset();
	if (r->fault)
		setenv("HOLDFAST_FAULT", r->fault, 1);
	return (int)append("f", r->text, r->in_place, &err);
}

/* Not the test itself: it is their ancestor, and waiting for an ancestor is refused. */
static int hold(const struct rival *self, void *arg)
{
	int fd = open("f", O_RDONLY);

	(void)arg;
	if (flock(fd, LOCK_EX) < 0)
		return 1;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

/* So many wait for f, in the kernel's queue. */
static void await_waiters(int wanted)
{
	char inode[32], line[256];
	struct stat st;
	int found;

	assert_int_equal(stat("f", &st), 0);
	snprintf(inode, sizeof(inode), ":%lu ", (unsigned long)st.st_ino);
	do {
		FILE *locks = fopen("/proc/locks", "r");

		found = 0;
		while (fgets(line, sizeof(line), locks))
			found += strstr(line, "-> FLOCK") && strstr(line, inode);
		fclose(locks);
		sched_yield();
	} while (found < wanted);
}

/* Three hand their records over; the first of them leads, and this happens to it. */
static void a_failing_leader(const char *fault, bool in_place, int first_status)
{
	struct rival_append appends[] = {
		{"one\n", fault, in_place}, {"two\n", NULL, in_place}, {"three\n", NULL, in_place}};
	struct rival rivals[3], holder;
	char content[64] = "";
	int fd;

	unlink("f");
	put_file("f", "old\n");
	holder = rival_start(hold, NULL);
	assert_hears(&holder, 'h');
	for (int i = 0; i < 3; i++) {
		rivals[i] = rival_start(append_as_rival, &appends[i]);
		await_waiters(i + 1);
	}
	rival_tell(&holder, 'g'); /* the others have its pipe too: no end of file */
	assert_int_equal(rival_end(&holder), 0);
	assert_int_equal(rival_end(&rivals[0]), first_status);
	assert_int_equal(rival_end(&rivals[1]), HF_OK);
	assert_int_equal(rival_end(&rivals[2]), HF_OK);
	fd = open("f", O_RDONLY);
	assert_true(read(fd, content, sizeof(content) - 1) > 0);
	close(fd);
	/* an acknowledged record is there, once; a dead appender's record may be */
	assert_non_null(strstr(content, "two\n"));
	assert_non_null(strstr(content, "three\n"));
	assert_null(strstr(strstr(content, "two\n") + 1, "two\n"));
	assert_null(strstr(strstr(content, "three\n") + 1, "three\n"));
	if (first_status == HF_OK)
		assert_non_null(strstr(content, "one\n"));
	else if (first_status != 128 + SIGKILL)
		assert_null(strstr(content, "one\n"));
	/* what a dead one left is gone after the next run */
	assert_status(HF_OK, append("f", "next\n", in_place, NULL), NULL);
	assert_false(is_there(".holdfast.f.batch"));
	assert_false(is_there(".holdfast.f.append"));
	assert_false(is_there(".holdfast.f.spool"));
}

static void a_leader_that_dies(void **state)
{
	(void)state;
	a_failing_leader("renameat2#1:kill", false, 128 + SIGKILL);
	a_failing_leader("renameat2#2:kill", false, 128 + SIGKILL);
	a_failing_leader("fsync#2:kill", false, 128 + SIGKILL);
	a_failing_leader("fdatasync#1:kill", true, 128 + SIGKILL);
	a_failing_leader("unlinkat#1:kill", true, 128 + SIGKILL);
}

static void a_leader_that_fails_fails_for_itself(void **state)
{
	(void)state;
	a_failing_leader("fsync#1:EIO", false, HF_IO);
	a_failing_leader("renameat2#2:EIO", false, HF_IO);
	a_failing_leader("fdatasync#1:EIO", true, HF_IO);
}

static void a_leader_that_has_no_trouble(void **state)
{
	(void)state;
	a_failing_leader(NULL, false, HF_OK);
	a_failing_leader(NULL, true, HF_OK);
}

struct hasty {
	enum hf_sync sync;
	const char *mode;
};

static int append_hastily(const struct rival *self, void *arg)
{
	const struct hasty *hasty = arg;
	struct hf_append_options o = options(false);
	struct hf_append_record record = {.data = "hasty\n", .size = 6, .fd = -1};

	(void)self;
	o.file.sync = hasty->sync;
	o.file.mode = hasty->mode;
	return (int)hf_append("f", &record, &o, NULL);
}

/* append/P6: it would be synced less, or have another mode, than its owner asked for. */
static void an_appender_with_other_options_writes_alone(void **state)
{
	struct hasty ways[] = {{HF_SYNC_NONE, NULL}, {HF_SYNC_DATA, NULL}, {HF_SYNC_FULL, "600"}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct rival holder, hasty;

		put_file("f", "old\n");
		holder = rival_start(hold, NULL);
		assert_hears(&holder, 'h');
		hasty = rival_start(append_hastily, &ways[i]);
		await_waiters(1);
		assert_false(is_there(".holdfast.f.spool"));
		rival_tell(&holder, 'g');
		assert_int_equal(rival_end(&holder), 0);
		assert_int_equal(rival_end(&hasty), HF_OK);
		assert_file("f", "old\nhasty\n");
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(appends_by_replacement_and_in_place),
	cmocka_unit_test(a_record_in_a_file),
	cmocka_unit_test(a_leader_that_has_no_trouble),
	cmocka_unit_test(a_leader_that_dies),
	cmocka_unit_test(a_leader_that_fails_fails_for_itself),
	cmocka_unit_test(an_appender_with_other_options_writes_alone),
};
HF_TEST_MAIN(tests)
