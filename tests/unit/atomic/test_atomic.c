/* SPDX-License-Identifier: ISC */
#include <holdfast/atomic.h>

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>

#include "base/copy.h"
#include "base/sys.h"
#include "hf_test.h"
#include "waits.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>

static struct hf_atomic_options options;
static struct hf_atomic *a;
static struct hf_err err;

/* what the last transaction said */
static bool replaced;
static int validator;

/* End the transaction, if there is one. */
static void end(void)
{
	hf_atomic_end(a);
	a = NULL;
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(system("chmod -R u+rwX . && rm -rf ./* .holdfast.*"), 0);
	umask(022);
	options = (struct hf_atomic_options){0};
	put_file("f", "old");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unsetenv("HOLDFAST_FAULT");
	end();
	return 0;
}

static void fault(const char *rules)
{
	hf_fault_reset();
	setenv("HOLDFAST_FAULT", rules, 1);
}

static bool has_litter(void)
{
	DIR *dir = opendir(".");
	struct dirent *entry;
	bool found = false;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		found |= strncmp(entry->d_name, ".holdfast.", 10) == 0;
	closedir(dir);
	return found;
}

static enum hf_status begin(const char *path)
{
	return hf_atomic_begin(&a, path, &options, &err);
}

static enum hf_status commit(const char *text)
{
	enum hf_status status = hf_write_all(hf_atomic_fd(a), text, strlen(text), "f", &err);

	if (status == HF_OK)
		status = hf_atomic_commit(a, &err);
	replaced = hf_atomic_replaced(a);
	validator = hf_atomic_validator(a);
	return status;
}

/* From beginning to end. */
static enum hf_status replace(const char *path, const char *text)
{
	enum hf_status status = begin(path);

	if (status == HF_OK)
		status = commit(text);
	end();
	return status;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void the_new_content_comes_whole_and_not_before(void **state)
{
	char read_back[4] = "";

	(void)state;
	assert_status(HF_OK, begin("f"), &err);
	assert_false(has_litter());
	assert_status(HF_OK, hf_write_all(hf_atomic_fd(a), "ne", 2, "f", &err), &err);
	assert_file("f", "old");
	assert_status(HF_OK, commit("w"), &err);
	assert_true(replaced);
	assert_file("f", "new");
	assert_int_equal(pread(hf_atomic_fd(a), read_back, 3, 0), 3);
	assert_string_equal(read_back, "new");
	assert_int_equal(hf_fd_held(hf_atomic_fd(a)), HF_HELD_NONE);
	end();
	end();
	assert_false(has_litter());
}

static void an_end_without_a_commit_changes_nothing(void **state)
{
	(void)state;
	assert_status(HF_OK, begin("f"), &err);
	assert_status(HF_OK, hf_atomic_lock(a, &err), &err);
	assert_status(HF_OK, hf_write_all(hf_atomic_fd(a), "new", 3, "f", &err), &err);
	errno = 4711;
	end();
	assert_int_equal(errno, 4711);
	assert_file("f", "old");
	assert_false(has_litter());
	assert_status(HF_CANTCREAT, begin("nowhere/f"), &err);
	end();
}

static void an_absent_file_is_created_as_the_umask_says(void **state)
{
	(void)state;
	umask(027);
	assert_status(HF_OK, replace("g", "new"), &err);
	assert_file("g", "new");
	assert_int_equal(mode_of("g"), 0640);
	options.mode = "600";
	assert_status(HF_OK, replace("h", "new"), &err);
	assert_int_equal(mode_of("h"), 0600);
}

static void modes_are_those_of_chmod(void **state)
{
	(void)state;
	assert_int_equal(chmod("f", 0640), 0);
	assert_status(HF_OK, replace("f", "1"), &err);
	assert_int_equal(mode_of("f"), 0640);
	options.mode = "o+r,g-r";
	assert_status(HF_OK, replace("f", "2"), &err);
	assert_int_equal(mode_of("f"), 0604);
	options.mode = "0751";
	assert_status(HF_OK, replace("f", "3"), &err);
	assert_int_equal(mode_of("f"), 0751);
	options.mode = "rubbish";
	assert_status(HF_USAGE, replace("f", "4"), &err);
	assert_file("f", "3");
}

static void an_empty_content_is_refused_without_allow_empty(void **state)
{
	(void)state;
	assert_status(HF_DATA, replace("f", ""), &err);
	assert_string_equal(err.message, "refusing to replace 'f': the new content is empty");
	assert_status(HF_DATA, replace("g", ""), &err);
	assert_string_equal(err.message, "refusing to create 'g': the new content is empty");
	assert_file("f", "old");
	assert_false(is_there("g"));
	options.allow_empty = true;
	assert_status(HF_OK, replace("f", ""), &err);
	assert_file("f", "");
}

static void a_target_created_since_is_replaced_with_its_attributes(void **state)
{
	(void)state;
	assert_status(HF_OK, begin("g"), &err);
	put_file("g", "theirs");
	assert_int_equal(chmod("g", 0751), 0);
	assert_status(HF_OK, commit("ours"), &err);
	assert_file("g", "ours");
	assert_int_equal(mode_of("g"), 0751);
	end();

	/* and a target that disappears is recreated */
	assert_int_equal(chmod("f", 0600), 0);
	assert_status(HF_OK, begin("f"), &err);
	unlink("f");
	assert_status(HF_OK, commit("ours"), &err);
	assert_int_equal(mode_of("f"), 0644);
	assert_file("f", "ours");
}

/* It is there when we begin, seems absent when we open it to lock it, and is there when we link. */
static void a_lost_race_to_create_starts_again(void **state)
{
	(void)state;
	assert_int_equal(chmod("f", 0751), 0);
	fault("fstatat#2:ENOENT");
	assert_status(HF_OK, replace("f", "new"), &err);
	assert_file("f", "new");
	assert_int_equal(mode_of("f"), 0751);
	assert_false(has_litter());

	options.if_match = "absent";
	unlink("f");
	assert_status(HF_OK, begin("f"), &err);
	put_file("f", "theirs");
	assert_status(HF_NO, commit("ours"), &err);
	assert_file("f", "theirs");
	end();
	assert_false(has_litter());
}

static void a_content_made_from_nothing_or_from_the_old_is_not_put_over_a_newer(void **state)
{
	(void)state;
	assert_status(HF_OK, begin("g"), &err);
	assert_status(HF_NOINPUT, hf_atomic_lock(a, &err), &err);
	assert_string_equal(err.message, "'g' does not exist");
	put_file("g", "theirs");
	assert_status(HF_BUSY, commit("ours"), &err);
	assert_int_equal(err.errnum, EEXIST);
	assert_file("g", "theirs");
	end();

	assert_status(HF_OK, begin("f"), &err);
	assert_status(HF_OK, hf_atomic_lock(a, &err), &err);
	put_file("other", "theirs");
	assert_int_equal(rename("other", "f"), 0);
	assert_status(HF_BUSY, commit("ours"), &err);
	assert_int_equal(err.errnum, EEXIST);
	assert_file("f", "theirs");
	end();
	assert_false(has_litter());
}

static void the_target_is_locked_only_for_the_commit(void **state)
{
	struct rival rival;
	int fd;

	(void)state;
	assert_status(HF_OK, begin("f"), &err);
	fd = open("f", O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	rival = rival_start(hold, (char *)"f");
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, commit("new"), &err);
	assert_file("f", "old");
	rival_end(&rival);
	end();
	assert_status(HF_OK, replace("f", "new"), &err);
}

static void an_equal_content_is_left_alone(void **state)
{
	struct stat before, after;

	(void)state;
	options.skip_same = true;
	assert_int_equal(stat("f", &before), 0);
	assert_status(HF_OK, replace("f", "old"), &err);
	assert_false(replaced);
	assert_int_equal(stat("f", &after), 0);
	assert_true(hf_same_inode(&before, &after));
	assert_status(HF_OK, replace("f", "new"), &err);
	assert_true(replaced);
	assert_file("f", "new");
	/* staged under a name, too */
	fault("openat#2:EOPNOTSUPP");
	assert_status(HF_OK, replace("f", "new"), &err);
	assert_false(replaced);
	assert_false(has_litter());
}

static void a_validator_decides(void **state)
{
	(void)state;
	options.validate = "grep -q good \"$1\"";
	assert_status(HF_DATA, replace("f", "bad"), &err);
	assert_true(validator != 0);
	assert_file("f", "old");
	assert_status(HF_OK, replace("f", "good"), &err);
	assert_file("f", "good");
	/* its changes count: the file is checked, and synced, after it */
	options.validate = ": >\"$1\"";
	assert_status(HF_DATA, replace("f", "good"), &err);
	assert_string_equal(err.message, "refusing to replace 'f': the new content is empty");
}

static void a_link_is_followed_or_replaced(void **state)
{
	char to[8] = "";

	(void)state;
	assert_int_equal(symlink("f", "link"), 0);
	assert_status(HF_OK, replace("link", "new"), &err);
	assert_file("f", "new");
	assert_int_equal(readlink("link", to, sizeof(to)), 1);
	options.no_follow = true;
	assert_status(HF_OK, replace("link", "newer"), &err);
	assert_file("f", "new");
	assert_file("link", "newer");
	assert_int_equal(readlink("link", to, sizeof(to)), -1);
	assert_int_equal(mode_of("link"), 0644);
}

/* A caller that has opened and locked the target. */
static void the_callers_lock_stays_the_callers(void **state)
{
	struct hf_target target;
	struct stat st;
	int fd;

	(void)state;
	assert_status(HF_OK, hf_target_open(&target, "f", 0, &err), &err);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_status(HF_OK, hf_atomic_begin_at(&a, &target, fd, &st, &options, &err), &err);
	assert_status(HF_OK, commit("new"), &err);
	end();
	assert_file("f", "new");
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_int_equal(fcntl(target.dir, F_GETFD), FD_CLOEXEC);
	close(fd);
	hf_target_close(&target);

	assert_status(HF_OK, hf_target_open(&target, "g", 0, &err), &err);
	assert_status(HF_OK, hf_atomic_begin_at(&a, &target, -1, NULL, &options, &err), &err);
	put_file("g", "theirs");
	assert_status(HF_BUSY, commit("ours"), &err);
	assert_int_equal(err.errnum, EEXIST);
	assert_file("g", "theirs");
	hf_target_close(&target);
}

/* The steps that were called, as letters. */
static enum hf_status note_step(void *context, enum hf_atomic_step step, uint32_t number,
				struct hf_err *e)
{
	char *steps = context;

	(void)e;
	assert_int_equal(number, 0);
	assert_true(is_there(".holdfast.f.side"));
	strcat(steps, step == HF_STEP_LINKED ? "L" : "U");
	return strlen(steps) > 1 && steps[0] == '!' ? HF_IO : HF_OK;
}

static void each_step_is_reported(void **state)
{
	char steps[8] = "";

	(void)state;
	options.side = "side";
	options.step = note_step;
	options.step_context = steps;
	assert_status(HF_OK, replace("f", "new"), &err);
	assert_string_equal(steps, "L");
	assert_false(has_litter());

	strcpy(steps, "");
	fault("renameat2#1:EIO");
	assert_status(HF_IO, replace("f", "newer"), &err);
	assert_string_equal(steps, "LU");
	assert_false(has_litter());

	/* a step that cannot be noted leaves the name */
	strcpy(steps, "!");
	fault("1000:EIO");
	assert_status(HF_IO, replace("f", "newer"), &err);
	assert_string_equal(steps, "!LU");
	assert_true(is_there(".holdfast.f.side"));
	assert_file("f", "new");

	/* and the fixed name is that of a file staged under another, too */
	strcpy(steps, "");
	fault("openat#2:EOPNOTSUPP");
	assert_status(HF_OK, replace("f", "newer"), &err);
	assert_string_equal(steps, "L");
	assert_file("f", "newer");
	assert_false(has_litter());
}

/* Fail every call, with every kind of temporary file: old or new, true status, no leftover. */
static void every_failure_leaves_old_or_new(void **state)
{
	static const char *const errors[] = {"EIO", "ENOSPC", "EINTR", "EACCES", "EMFILE"};
	char rules[64];

	(void)state;
	for (int way = 0; way < 4; way++) {
		for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
			for (int n = 1; n < 60; n++) {
				enum hf_status status;

				unlink("f");
				if (way < 2)
					put_file("f", "old");
				snprintf(rules, sizeof(rules), "%s%d:%s",
					 way % 2 ? "openat#2:EOPNOTSUPP," : "", n, errors[e]);
				fault(rules);
				status = replace("f", "new");
				unsetenv("HOLDFAST_FAULT");
				if (status == HF_OK || status == HF_UNCERTAIN)
					assert_file("f", "new");
				else if (way < 2)
					assert_file("f", "old");
				else
					assert_false(is_there("f"));
				assert_false(has_litter());
			}
		}
	}
}

/* HF_BUG, and nothing is changed. */
static void a_call_out_of_order_is_refused(void **state)
{
	(void)state;
	assert_status(HF_OK, begin("f"), &err);
	assert_status(HF_BUG, hf_atomic_prepare(a, &err), &err);
	assert_string_equal(err.message, "cannot prepare 'f': wrong order of calls");
	assert_status(HF_OK, hf_atomic_lock(a, &err), &err);
	assert_status(HF_BUG, hf_atomic_lock(a, &err), &err);
	assert_status(HF_OK, hf_write_all(hf_atomic_fd(a), "new", 3, "f", &err), &err);
	assert_status(HF_OK, hf_atomic_prepare(a, &err), &err);
	assert_status(HF_BUG, hf_atomic_prepare(a, &err), &err);
	assert_file("f", "old");
	assert_status(HF_OK, hf_atomic_commit(a, &err), &err);
	assert_status(HF_BUG, hf_atomic_commit(a, &err), &err);
	assert_true(hf_atomic_replaced(a));
	assert_file("f", "new");
	end();
	assert_status(HF_OK, begin("f"), &err);
	assert_status(HF_DATA, hf_atomic_commit(a, &err), &err);
	assert_status(HF_BUG, hf_atomic_commit(a, &err), &err);
	assert_int_equal(hf_atomic_fd(a), -1);
	assert_file("f", "new");
	assert_false(has_litter());
}

#define ATOMIC_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	ATOMIC_TEST(a_call_out_of_order_is_refused),
	ATOMIC_TEST(the_new_content_comes_whole_and_not_before),
	ATOMIC_TEST(an_end_without_a_commit_changes_nothing),
	ATOMIC_TEST(an_absent_file_is_created_as_the_umask_says),
	ATOMIC_TEST(modes_are_those_of_chmod),
	ATOMIC_TEST(an_empty_content_is_refused_without_allow_empty),
	ATOMIC_TEST(a_target_created_since_is_replaced_with_its_attributes),
	ATOMIC_TEST(a_lost_race_to_create_starts_again),
	ATOMIC_TEST(a_content_made_from_nothing_or_from_the_old_is_not_put_over_a_newer),
	ATOMIC_TEST(the_target_is_locked_only_for_the_commit),
	ATOMIC_TEST(an_equal_content_is_left_alone),
	ATOMIC_TEST(a_validator_decides),
	ATOMIC_TEST(a_link_is_followed_or_replaced),
	ATOMIC_TEST(the_callers_lock_stays_the_callers),
	ATOMIC_TEST(each_step_is_reported),
	ATOMIC_TEST(every_failure_leaves_old_or_new),
};

HF_TEST_MAIN(tests)
