/* SPDX-License-Identifier: ISC */
#include <holdfast/symlink.h>

#include <sys/file.h>

#include "hf_test.h"
#include "waits.h"
#include "base/sys.h"

static struct hf_atomic_options options;
static struct hf_err err;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf ./* .holdfast.*"), 0);
	options = (struct hf_atomic_options){0};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("HOLDFAST_FAULT");
	return 0;
}

static void fault(const char *rules)
{
	hf_fault_reset();
	setenv("HOLDFAST_FAULT", rules, 1);
}

static enum hf_status make(const char *to)
{
	return hf_atomic_symlink("l", to, &options, &err);
}

static void assert_link(const char *name, const char *to)
{
	char found[64] = "";

	assert_true(readlink(name, found, sizeof(found) - 1) >= 0);
	assert_string_equal(found, to);
}

static void a_link_comes_into_any_place(void **state)
{
	(void)state;
	assert_status(HF_OK, make("one"), &err);
	assert_link("l", "one");
	assert_status(HF_OK, make("two"), &err);
	assert_link("l", "two");
	unlink("l");
	put_file("l", "a file");
	assert_status(HF_OK, make("three"), &err);
	assert_link("l", "three");
	assert_false(is_there(".holdfast.l.tmp"));
	options.parents = true;
	assert_status(HF_OK, hf_atomic_symlink("d/e/l", "far", &options, &err), &err);
	assert_link("d/e/l", "far");
}

static void a_target_that_must_stay_is_not_replaced(void **state)
{
	(void)state;
	mkdir("l", 0777);
	assert_status(HF_DATA, make("x"), &err);
	assert_string_equal(err.message, "refusing to replace 'l': it is a directory");
	rmdir("l");
	put_file("l", "x");
	assert_int_equal(link("l", "l2"), 0);
	assert_status(HF_DATA, make("x"), &err);
	options.break_links = true;
	assert_status(HF_OK, make("x"), &err);
	assert_file("l2", "x");
	options.if_match = "absent";
	assert_status(HF_NO, make("y"), &err);
	assert_link("l", "x");
	unlink("l");
	assert_status(HF_OK, make("y"), &err);
}

static void the_same_is_left_alone_and_the_old_is_kept_when_asked(void **state)
{
	struct stat before, after;

	(void)state;
	assert_status(HF_OK, make("one"), &err);
	assert_int_equal(lstat("l", &before), 0);
	options.skip_same = true;
	assert_status(HF_OK, make("one"), &err);
	assert_int_equal(lstat("l", &after), 0);
	assert_true(hf_same_inode(&before, &after));
	assert_status(HF_OK, make("one more"), &err);
	options.backup = "~";
	assert_status(HF_OK, make("two"), &err);
	assert_link("l", "two");
	assert_link("l~", "one more");
}

static void a_file_that_is_locked_is_waited_for(void **state)
{
	struct rival rival;

	(void)state;
	put_file("l", "x");
	rival = rival_start(hold, (char *)"l");
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, make("x"), &err);
	assert_file("l", "x");
	rival_end(&rival);
	assert_status(HF_OK, make("x"), &err);
}

static void litter_makes_way(void **state)
{
	(void)state;
	mkdir(".holdfast.l.tmp", 0700);
	assert_int_equal(symlink("dead", ".holdfast.l.tmp/link"), 0);
	assert_status(HF_OK, make("one"), &err);
	assert_link("l", "one");
	put_file(".holdfast.l.tmp", "dead");
	assert_status(HF_OK, make("two"), &err);
	assert_link("l", "two");
	assert_false(is_there(".holdfast.l.tmp"));
	assert_int_equal(mkfifo(".holdfast.l.tmp", 0600), 0);
	assert_status(HF_OK, make("three"), &err);
	assert_link("l", "three");
	unlink(".holdfast.l.tmp");
}

static void creating_replaces_nothing(void **state)
{
	(void)state;
	/* it seems absent when we open it to lock it: then the rename must not replace */
	put_file("l", "theirs");
	fault("fstatat#3:ENOENT");
	assert_status(HF_OK, make("ours"), &err);
	assert_link("l", "ours");
	unlink("l");
	/* and without RENAME_NOREPLACE, as on NFS */
	fault("renameat2#1:EINVAL");
	assert_status(HF_OK, make("ours"), &err);
	assert_link("l", "ours");
	assert_false(is_there(".holdfast.l.tmp"));
}

static void every_failure_leaves_old_or_new(void **state)
{
	static const char *const errors[] = {"EIO", "ENOSPC", "EACCES"};
	char rules[64];

	(void)state;
	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (int n = 1; n < 40; n++) {
			enum hf_status status;

			unlink("l");
			assert_int_equal(symlink("old", "l"), 0);
			snprintf(rules, sizeof(rules), "%d:%s", n, errors[e]);
			fault(rules);
			status = make("new");
			unsetenv("HOLDFAST_FAULT");
			assert_link("l", status == HF_OK || status == HF_UNCERTAIN ? "new" : "old");
		}
	}
	assert_status(HF_OK, make("newer"), &err);
	assert_false(is_there(".holdfast.l.tmp"));
}

#define LINK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	LINK_TEST(a_link_comes_into_any_place),
	LINK_TEST(a_target_that_must_stay_is_not_replaced),
	LINK_TEST(the_same_is_left_alone_and_the_old_is_kept_when_asked),
	LINK_TEST(a_file_that_is_locked_is_waited_for),
	LINK_TEST(litter_makes_way),
	LINK_TEST(creating_replaces_nothing),
	LINK_TEST(every_failure_leaves_old_or_new),
};

HF_TEST_MAIN(tests)
