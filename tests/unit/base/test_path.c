/* SPDX-License-Identifier: ISC */
#include <holdfast/path.h>

#include <errno.h>
#include <limits.h>

#include "hf_test.h"

static struct hf_target target;
static struct hf_err err;

static enum hf_status open_target(const char *path, unsigned int flags)
{
	return hf_target_open(&target, path, flags, &err);
}

/* The target is this name in this directory. */
static void assert_target(const char *dir, const char *name)
{
	struct stat wanted, found;

	assert_int_equal(stat(dir, &wanted), 0);
	assert_int_equal(fstat(target.dir, &found), 0);
	assert_true(hf_same_inode(&wanted, &found));
	assert_string_equal(target.name, name);
	hf_target_close(&target);
	assert_int_equal(target.dir, -1);
	hf_target_close(&target);
}

static void a_path_is_a_directory_and_a_name(void **state)
{
	(void)state;
	mkdir("d", 0777);
	assert_status(HF_OK, open_target("f", 0), &err);
	assert_target(".", "f");
	assert_status(HF_OK, open_target("d/f", 0), &err);
	assert_target("d", "f");
	assert_status(HF_OK, open_target("d//f", 0), &err);
	assert_target("d", "f");
	assert_status(HF_OK, open_target("/f", 0), &err);
	assert_target("/", "f");
	assert_status(HF_OK, open_target("d/../two\nlines", 0), &err);
	assert_target(".", "two\nlines");
}

static void a_path_must_name_a_file(void **state)
{
	static const char *const bad[] = {"d/", ".", "..", "d/.", "d/..", "/", "//"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_status(HF_DATA, open_target(bad[i], 0), &err);
	assert_status(HF_USAGE, open_target("", 0), &err);
	assert_status(HF_CANTCREAT, open_target("nowhere/f", 0), &err);
	assert_non_null(strstr(err.advice, "--parents"));
	put_file("file", "");
	assert_status(HF_CANTCREAT, open_target("file/f", 0), &err);
}

static void the_longest_name_is_accepted_and_a_longer_one_refused(void **state)
{
	char name[NAME_MAX + 2], path[PATH_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[NAME_MAX + 1] = '\0';
	assert_status(HF_USAGE, open_target(name, 0), &err);
	name[NAME_MAX] = '\0';
	assert_status(HF_OK, open_target(name, 0), &err);
	assert_target(".", name);
	memset(path, '/', sizeof(path));
	path[PATH_MAX - 1] = 'f';
	path[PATH_MAX] = '\0';
	assert_status(HF_USAGE, open_target(path, 0), &err);
}

static void links_are_followed_to_their_end(void **state)
{
	char cwd[PATH_MAX];

	(void)state;
	mkdir("far", 0777);
	assert_int_equal(symlink("far/one", "near"), 0);
	assert_int_equal(symlink("two", "far/one"), 0);
	assert_status(HF_OK, open_target("near", 0), &err);
	assert_target("far", "two"); /* dangling: it will be created */
	put_file("far/two", "");
	assert_status(HF_OK, open_target("near", 0), &err);
	assert_target("far", "two");
	assert_status(HF_OK, open_target("near", HF_TARGET_NO_FOLLOW), &err);
	assert_target(".", "near");

	assert_non_null(getcwd(cwd, sizeof(cwd) - 8));
	strcat(cwd, "/far/two");
	assert_int_equal(symlink(cwd, "absolute"), 0);
	assert_status(HF_OK, open_target("absolute", 0), &err);
	assert_target("far", "two");

	assert_int_equal(symlink("nowhere/f", "broken"), 0);
	assert_status(HF_CANTCREAT, open_target("broken", 0), &err);
}

static void a_loop_of_links_is_noticed(void **state)
{
	char from[16], to[16];

	(void)state;
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_status(HF_CANTCREAT, open_target("loop", 0), &err);
	assert_int_equal(err.errnum, ELOOP);
	assert_status(HF_OK, open_target("loop", HF_TARGET_NO_FOLLOW), &err);
	hf_target_close(&target);
	for (int i = 0; i < 41; i++) { /* chain.0 is followed 41 times, chain.1 40 times */
		snprintf(from, sizeof(from), "chain.%d", i);
		snprintf(to, sizeof(to), "chain.%d", i + 1);
		assert_int_equal(symlink(to, from), 0);
	}
	assert_status(HF_CANTCREAT, open_target("chain.0", 0), &err);
	assert_status(HF_OK, open_target("chain.1", 0), &err);
	assert_target(".", "chain.41");
}

static void others_links_in_sticky_directories_are_not_followed(void **state)
{
	(void)state;
	require_root();
	mkdir("sticky", 0777);
	assert_int_equal(symlink("f", "sticky/theirs"), 0);
	assert_int_equal(lchown("sticky/theirs", 1, 1), 0);
	assert_int_equal(symlink("f", "sticky/ours"), 0);
	assert_int_equal(chmod("sticky", 01777), 0);
	assert_status(HF_NOPERM, open_target("sticky/theirs", 0), &err);
	assert_status(HF_OK, open_target("sticky/ours", 0), &err);
	assert_target("sticky", "f");
	assert_int_equal(chmod("sticky", 0777), 0);
	assert_status(HF_OK, open_target("sticky/theirs", 0), &err);
	assert_target("sticky", "f");
}

static void missing_directories_are_made_when_asked(void **state)
{
	struct stat st;

	(void)state;
	umask(022);
	assert_status(HF_OK, open_target("new/newer//newest/f", HF_TARGET_PARENTS), &err);
	assert_target("new/newer/newest", "f");
	assert_int_equal(stat("new/newer", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_status(HF_OK, open_target("new/newer/newest/f", HF_TARGET_PARENTS), &err);
	assert_target("new/newer/newest", "f");
}

static void side_names_are_no_targets_but_may_be_locks(void **state)
{
	(void)state;
	assert_status(HF_DATA, open_target(".holdfast.f.tmp", 0), &err);
	assert_string_equal(err.message,
			    "'.holdfast.f.tmp' is a name that holdfast reserves for its "
			    "own files");
	assert_status(HF_DATA, open_target("./.holdfast.x", HF_TARGET_NO_FOLLOW), &err);
	assert_int_equal(symlink(".holdfast.f.bak", "to-side"), 0);
	assert_status(HF_DATA, open_target("to-side", 0), &err);
	assert_status(HF_OK, open_target(".holdfast.f.tmp", HF_TARGET_ANY_NAME), &err);
	assert_target(".", ".holdfast.f.tmp");
	assert_status(HF_OK, open_target(".holdfast-quarantine", 0), &err);
	assert_target(".", ".holdfast-quarantine");
}

static void side_names_stay_names(void **state)
{
	char side[NAME_MAX + 1], other[NAME_MAX + 1];
	struct hf_target t = {.dir = -1, .name = "f"};

	(void)state;
	assert_string_equal(hf_target_side(&t, "tmp", side), ".holdfast.f.tmp");
	memset(t.name, 'n', NAME_MAX);
	hf_target_side(&t, "tmp", side);
	assert_int_equal(strlen(side), NAME_MAX);
	t.name[NAME_MAX - 1] = 'm'; /* where it is cut off */
	hf_target_side(&t, "tmp", other);
	assert_int_equal(strlen(other), NAME_MAX);
	assert_string_not_equal(side, other);
	assert_string_equal(other + NAME_MAX - 4, ".tmp");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_path_is_a_directory_and_a_name),
	cmocka_unit_test(a_path_must_name_a_file),
	cmocka_unit_test(the_longest_name_is_accepted_and_a_longer_one_refused),
	cmocka_unit_test(links_are_followed_to_their_end),
	cmocka_unit_test(a_loop_of_links_is_noticed),
	cmocka_unit_test(others_links_in_sticky_directories_are_not_followed),
	cmocka_unit_test(missing_directories_are_made_when_asked),
	cmocka_unit_test(side_names_are_no_targets_but_may_be_locks),
	cmocka_unit_test(side_names_stay_names),
};

HF_TEST_MAIN(tests)
