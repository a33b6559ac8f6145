/* SPDX-License-Identifier: ISC */
#include "base/tempfile.h"

#include <dirent.h>
#include <sys/file.h>

#include "hf_test.h"
#include "stopped.h"
#include "base/sys.h"

static struct hf_target target;
static struct hf_err err;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(system("rm -rf ./* .holdfast.*"), 0);
	assert_status(HF_OK, hf_target_open(&target, "f", 0, &err), &err);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("HOLDFAST_FAULT");
	hf_target_close(&target);
	return 0;
}

/* These faults, counted from here. */
static void fault(const char *rules)
{
	hf_fault_reset();
	setenv("HOLDFAST_FAULT", rules, 1);
}

/* How many entries has the directory? */
static int entries(void)
{
	DIR *dir = opendir(".");
	int count = -2;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void a_new_file_has_no_name_until_it_gets_one(void **state)
{
	char name[NAME_MAX + 1];
	int fd;

	(void)state;
	assert_status(HF_OK, hf_tempfile_open(&target, 0640, &fd, name, &err), &err);
	assert_string_equal(name, "");
	assert_int_equal(entries(), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_status(HF_OK, hf_tempfile_link(&target, fd, "f", &err), &err);
	assert_file("f", "x");
	assert_status(HF_NO, hf_tempfile_link(&target, fd, "f", &err), &err);
	close(fd);
}

static void without_unnamed_files_it_has_one_and_holds_it(void **state)
{
	char name[NAME_MAX + 1];
	struct stat st;
	int fd;

	(void)state;
	umask(022);
	fault("openat#1:EOPNOTSUPP");
	assert_status(HF_OK, hf_tempfile_open(&target, 0666, &fd, name, &err), &err);
	assert_int_equal(entries(), 1);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(strncmp(name, ".holdfast.f.", 12), 0);
	assert_int_equal(hf_tempfile_reap(&target, name), HF_BUSY);
	assert_true(is_there(name));
	close(fd);
	assert_int_equal(hf_tempfile_reap(&target, name), HF_OK);
	assert_int_equal(entries(), 0);
}

static void litter_of_the_dead_is_removed_and_the_living_are_left(void **state)
{
	char name[NAME_MAX + 1], living[NAME_MAX + 1];
	int fd, other;

	(void)state;
	put_file(".holdfast.f.0123abcd.tmp", "litter");
	put_file(".holdfast.f.0123abcd.tmp2", "no litter");
	put_file(".holdfast.f.0123ABCD.tmp", "no litter");
	put_file(".holdfast.g.0123abcd.tmp", "another's");
	put_file(".holdfast.f.tmp", "not looked for here");
	strcpy(living, ".holdfast.f.89abcdef.tmp");
	put_file(living, "living");
	other = open(living, O_RDWR);
	assert_int_equal(flock(other, LOCK_EX), 0);
	fault("openat#1:EOPNOTSUPP");
	assert_status(HF_OK, hf_tempfile_open(&target, 0600, &fd, name, &err), &err);
	assert_true(is_there(name));
	unlink(name);
	close(fd);
	close(other);
	assert_false(is_there(".holdfast.f.0123abcd.tmp"));
	assert_true(is_there(living));
	assert_int_equal(entries(), 5);
}

static void a_name_lost_to_a_reaping_process_is_recreated(void **state)
{
	char name[NAME_MAX + 1];
	int fd;

	(void)state;
	fault("openat#1:EOPNOTSUPP,flock#1:EAGAIN");
	assert_status(HF_OK, hf_tempfile_open(&target, 0600, &fd, name, &err), &err);
	assert_true(is_there(name));
	assert_int_equal(entries(), 1);
	close(fd);
	fault("openat#1:EOPNOTSUPP,flock#1+:EAGAIN");
	assert_status(HF_CANTCREAT, hf_tempfile_open(&target, 0600, &fd, name, &err), &err);
	assert_int_equal(fd, -1);
	assert_string_equal(name, "");
}

static void a_name_comes_by_proc_where_the_kernel_wants_it_so(void **state)
{
	char name[NAME_MAX + 1];
	int fd;

	(void)state;
	assert_status(HF_OK, hf_tempfile_open(&target, 0600, &fd, name, &err), &err);
	fault("linkat#1+:ENOENT");
	assert_status(HF_CANTCREAT, hf_tempfile_link(&target, fd, "f", &err), &err);
	fault("linkat#1:ENOENT");
	assert_status(HF_OK, hf_tempfile_link(&target, fd, "f", &err), &err);
	assert_true(is_there("f"));
	fault("linkat#1:ENOENT");
	assert_status(HF_NO, hf_tempfile_link(&target, fd, "f", &err), &err);
	fault("linkat#1:ENOSPC");
	assert_status(HF_IO, hf_tempfile_link(&target, fd, "g", &err), &err);
	close(fd);
}

static void a_file_that_cannot_be_a_leftover_is_not_judged(void **state)
{
	(void)state;
	assert_int_equal(hf_tempfile_reap(&target, "absent"), HF_OK);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(hf_tempfile_reap(&target, "fifo"), HF_NOPERM);
	assert_int_equal(symlink("x", "link"), 0);
	assert_int_equal(hf_tempfile_reap(&target, "link"), HF_NOPERM);
	assert_int_equal(entries(), 2);
}

static void a_directory_with_a_link_is_litter_too(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(".holdfast.f.tmp", 0700), 0);
	assert_int_equal(symlink("x", ".holdfast.f.tmp/link"), 0);
	fd = open(".holdfast.f.tmp", O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(hf_tempfile_reap(&target, ".holdfast.f.tmp"), HF_BUSY);
	close(fd);
	assert_int_equal(hf_tempfile_reap(&target, ".holdfast.f.tmp"), HF_OK);
	assert_int_equal(entries(), 0);
}

static int reap(const struct rival *self, void *arg)
{
	(void)self;
	return hf_tempfile_reap(&target, arg);
}

/* The reaper has opened a leftover, and by the time it locks it the name belongs to another file,
 * whether that one is locked or not. */
static void the_reaper_leaves_a_name_that_was_recreated(void **state)
{
	static char name[] = ".holdfast.f.0123abcd.tmp";

	(void)state;
	for (int locked = 0; locked < 2; locked++) {
		struct stopped reaper = {"flock#1:stop", reap, name};
		struct rival rival;
		int fd;

		put_file(name, "leftover");
		rival = rival_stopped(&reaper);
		fd = recreate_locked(name);
		if (!locked)
			assert_int_equal(flock(fd, LOCK_UN), 0);
		rival_continue(&rival);
		assert_int_equal(rival_end(&rival), HF_BUSY);
		assert_true(names(name, fd));
		close(fd);
	}
}

static int stage(const struct rival *self, void *arg)
{
	char name[NAME_MAX + 1];
	int fd;

	(void)arg;
	if (hf_tempfile_open(&target, 0600, &fd, name, NULL) != HF_OK)
		return 99;
	rival_say(self, 's');
	rival_hear(self);
	return hf_names_inode(target.dir, name, fd) ? 0 : 98;
}

/* The only entry of the directory; the name is static. */
static const char *only_entry(void)
{
	static char name[NAME_MAX + 1];
	DIR *dir = opendir(".");
	struct dirent *entry;

	assert_non_null(dir);
	name[0] = '\0';
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_REG)
			snprintf(name, sizeof(name), "%s", entry->d_name);
	closedir(dir);
	return name;
}

/* A reaper removes a new file in the instant before its maker locks it, and another process makes
 * one of that name. */
static void a_maker_sees_that_its_new_name_was_recreated(void **state)
{
	struct stopped maker = {"openat#1:EOPNOTSUPP,flock#1:stop", stage, NULL};
	struct rival rival = rival_stopped(&maker);
	const char *name = only_entry();
	int fd = recreate_locked(name);

	(void)state;
	rival_continue(&rival);
	assert_hears(&rival, 's');
	rival_tell(&rival, 'x');
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

#define STAGE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	STAGE_TEST(a_new_file_has_no_name_until_it_gets_one),
	STAGE_TEST(without_unnamed_files_it_has_one_and_holds_it),
	STAGE_TEST(litter_of_the_dead_is_removed_and_the_living_are_left),
	STAGE_TEST(a_name_lost_to_a_reaping_process_is_recreated),
	STAGE_TEST(a_name_comes_by_proc_where_the_kernel_wants_it_so),
	STAGE_TEST(a_file_that_cannot_be_a_leftover_is_not_judged),
	STAGE_TEST(a_directory_with_a_link_is_litter_too),
	STAGE_TEST(the_reaper_leaves_a_name_that_was_recreated),
	STAGE_TEST(a_maker_sees_that_its_new_name_was_recreated),
};

HF_TEST_MAIN(tests)
