/* SPDX-License-Identifier: ISC */
#include "status/status_file.h"

#include "stale/lock_owner.h"
#include "hf_test.h"
#include "waits.h"

static struct hf_lock_status list;

/* The rows of this path, after a new scan. */
static const struct hf_status_row *look_at(const char *path)
{
	struct hf_err err;

	hf_status_free(&list);
	assert_status(HF_OK, hf_status_start(&list, &err), &err);
	assert_status(HF_OK, hf_status_path(&list, path, &err), &err);
	assert_true(list.count >= 1);
	return &list.rows[0];
}

#define assert_row(path, kind_, state_)                                                            \
	do {                                                                                       \
		const struct hf_status_row *row_ = look_at(path);                                  \
                                                                                                   \
		assert_int_equal(list.count, 1);                                                   \
		assert_string_equal(row_->kind, (kind_));                                          \
		assert_string_equal(hf_verdict_name(row_->state), (state_));                  \
		assert_non_null(row_->reasons);                                                    \
	} while (0)

static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

/* status/I2, status/I3 */
static void the_type_and_content_of_a_file_determine_its_kind(void **state)
{
	char text[64];

	(void)state;
	require_first_pid_namespace();
	assert_row("nothing", "absent", "free");
	put_file("empty", "");
	assert_row("empty", "file", "free");
	put_file("data", "some\ndata\n");
	assert_row("data", "file", "free");
	put_file("procmail", "0");
	assert_row("procmail", "dotlock", "unknown");
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	put_file("alive", text);
	assert_row("alive", "pidfile", "held");
	assert_int_equal(list.rows[0].holder_count, 1);
	assert_int_equal(list.rows[0].holders[0].via, HF_VIA_EVIDENCE);
	snprintf(text, sizeof(text), "%d\n", (int)dead_pid());
	put_file("dead", text);
	assert_row("dead", "pidfile", "stale");
	for (size_t i = 0; i < 4; i++) {
		static const char *const hostile[] = {"-1\n", "2147483648\n", "99999999999999\n",
						      "1 2\n"};

		put_file("hostile", hostile[i]);
		assert_row("hostile", "file", "free");
	}
	assert_int_equal(symlink("dead", "link"), 0);
	assert_row("link", "file", "free");
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_row("dangling", "absent", "free");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_row("fifo", "file", "free");
}

static void a_directory_can_be_one(void **state)
{
	(void)state;
	require_first_pid_namespace();
	assert_int_equal(mkdir("made", 0755), 0);
	assert_row("made", "directory", "unknown");
	put_file("made/data", "");
	assert_row("made", "file", "free");
	assert_int_equal(mkdir("x.lock", 0755), 0);
	put_file("x.lock/data", "");
	assert_row("x.lock/", "directory", "unknown");
	put_file("made/pid", "4194304\n");
	assert_row("made", "directory", "stale");
	assert_row("/", "file", "free");
}

static int hold_record(const struct rival *self, void *arg)
{
	struct hf_lock_owner_info record;
	char text[HF_LOCK_OWNER_MAX];
	int fd = open_lock(arg);
	size_t size;

	hf_lock_owner_make(&record);
	size = hf_lock_owner_format(&record, text);
	if (write(fd, text, size) != (ssize_t)size || flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

/* status/I1 and status/I2 of one file are one row. */
static void a_locked_record_is_held_by_the_process_that_locked_it(void **state)
{
	struct rival holder = rival_start(hold_record, (void *)"record");
	struct hf_err err;
	size_t found = 0;

	(void)state;
	assert_hears(&holder, 'h');
	assert_row("record", "dotlock", "held");
	assert_int_equal(list.rows[0].holders[0].pid, holder.pid);
	assert_int_equal(list.rows[0].holders[0].via, HF_VIA_TAKEN);
	assert_true(list.rows[0].taken > 0);
	assert_false(list.rows[0].mine);

	hf_status_free(&list);
	assert_status(HF_OK, hf_status_start(&list, &err), &err);
	assert_status(HF_OK, hf_status_all(&list, &err), &err);
	for (size_t i = 0; i < list.count; i++)
		if (list.rows[i].holder_count && list.rows[i].holders[0].pid == holder.pid) {
			assert_string_equal(list.rows[i].kind, "dotlock");
			found++;
		}
	assert_int_equal(found, 1);
	rival_end(&holder);
	assert_row("record", "dotlock", "stale");
}

static void a_file_locked_in_two_ways_has_two_rows(void **state)
{
	struct flock range = {.l_type = F_WRLCK};
	struct rival holder = rival_start(hold, (void *)"two");
	int fd;

	(void)state;
	assert_hears(&holder, 'h');
	assert_int_equal(symlink("two", "to-two"), 0);
	assert_row("to-two", "flock", "held");
	fd = open_lock("two");
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &range), 0);
	look_at("two");
	assert_int_equal(list.count, 2);
	assert_string_equal(list.rows[1].kind, "ofd");
	assert_true(list.rows[1].mine);
	assert_false(list.rows[0].mine);
	close(fd);
	rival_end(&holder);
}

static int look_under_it(const struct rival *self, void *arg)
{
	struct hf_err err;

	(void)self;
	if (hf_status_start(&list, &err) != HF_OK || hf_status_path(&list, arg, &err) != HF_OK)
		return 99;
	return list.count == 1 && list.rows[0].mine ? 0 : 98;
}

static void an_ancestors_lock_is_mine(void **state)
{
	int fd = open_lock("ancestor");
	struct rival child;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	child = rival_start(look_under_it, (void *)"ancestor");
	assert_int_equal(rival_end(&child), 0);
	close(fd);
}

static int look_as_nobody(const struct rival *self, void *arg)
{
	struct hf_err err;

	(void)self;
	(void)arg;
	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 99;
	if (hf_status_start(&list, &err) != HF_OK || hf_status_path(&list, "secret", &err) != HF_OK)
		return 98;
	if (list.count != 1 || list.rows[0].state != HF_VERDICT_UNKNOWN)
		return 97;
	return hf_status_path(&list, "closed/x", &err) == HF_NOPERM ? 0 : 96;
}

static void a_file_that_may_not_be_read_is_not_judged(void **state)
{
	struct rival looker;

	(void)state;
	require_root();
	chmod(".", 0755);
	put_file("secret", "1\n");
	chmod("secret", 0600);
	assert_int_equal(mkdir("closed", 0700), 0);
	looker = rival_start(look_as_nobody, NULL);
	assert_int_equal(rival_end(&looker), 0);
}

static void invalid_paths_are_refused(void **state)
{
	struct hf_err err;

	(void)state;
	hf_status_free(&list);
	assert_status(HF_OK, hf_status_start(&list, &err), &err);
	assert_int_equal(hf_status_path(&list, "", &err), HF_USAGE);
	assert_int_equal(hf_status_path(&list, "no/such", &err), HF_CANTCREAT);
	put_file("file", "");
	assert_int_equal(hf_status_path(&list, "file/x", &err), HF_CANTCREAT);
	assert_int_equal(list.count, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_type_and_content_of_a_file_determine_its_kind),
	cmocka_unit_test(a_directory_can_be_one),
	cmocka_unit_test(a_locked_record_is_held_by_the_process_that_locked_it),
	cmocka_unit_test(a_file_locked_in_two_ways_has_two_rows),
	cmocka_unit_test(an_ancestors_lock_is_mine),
	cmocka_unit_test(a_file_that_may_not_be_read_is_not_judged),
	cmocka_unit_test(invalid_paths_are_refused),
};

HF_TEST_MAIN(tests)
