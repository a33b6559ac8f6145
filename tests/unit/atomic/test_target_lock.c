/* SPDX-License-Identifier: ISC */
#include "atomic/target_lock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "hf_test.h"
#include "waits.h"

/* Open, lock, close again all but the lock. */
static enum hf_status lock(const char *path, unsigned int flags, int *fd, struct stat *st,
			   struct hf_err *err)
{
	struct hf_wait wait = {.deadline = hf_deadline_in(20 * HF_SECOND)};
	struct hf_target target;
	enum hf_status status = hf_target_open(&target, path, flags, err);

	if (status == HF_OK)
		status = hf_target_lock(&target, &wait, fd, st, err);
	hf_target_close(&target);
	return status;
}

static void a_free_target_is_locked(void **state)
{
	struct hf_err err;
	struct stat st;
	int fd;

	(void)state;
	put_file("f", "text");
	assert_status(HF_OK, lock("f", 0, &fd, &st, &err), &err);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	assert_file("f", "text");
}

static void an_absent_target_is_no_input(void **state)
{
	struct hf_err err;
	struct stat st;
	int fd;

	(void)state;
	assert_status(HF_NOINPUT, lock("absent", 0, &fd, &st, &err), &err);
	assert_int_equal(fd, -1);
	assert_string_equal(err.message, "cannot open 'absent': No such file or directory");
	assert_false(is_there("absent"));
}

static void a_target_that_is_no_regular_file_is_refused_unopened(void **state)
{
	static const char *const names[] = {"fifo", "dir", "socket", "/dev/null", "link"};
	struct sockaddr_un address = {AF_UNIX, "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct hf_err err;
	struct stat st;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(mkfifo("fifo", 0666), 0);
	assert_int_equal(mkdir("dir", 0777), 0);
	assert_int_equal(symlink("f", "link"), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char wanted[80];

		assert_status(HF_DATA, lock(names[i], HF_TARGET_NO_FOLLOW, &fd, &st, &err), &err);
		snprintf(wanted, sizeof(wanted), "cannot use '%s': not a regular file", names[i]);
		assert_string_equal(err.message, wanted);
		assert_int_equal(fd, -1);
	}
}

static int lock_without_privilege(const struct rival *self, void *arg)
{
	struct hf_err err;
	struct stat st;
	int fd;

	(void)self;
	(void)arg;
	if (seteuid(65534) < 0)
		return 99;
	if (lock("writable", 0, &fd, &st, &err) != HF_OK ||
	    (fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY || hf_fd_held(fd) != HF_HELD_EXCLUSIVE)
		return 98;
	return lock("secret", 0, &fd, &st, &err) == HF_NOPERM && fd == -1 ? 0 : 97;
}

static void a_target_that_may_only_be_written_is_locked_too(void **state)
{
	struct rival rival;

	(void)state;
	require_root();
	put_file("writable", "");
	put_file("secret", "");
	assert_int_equal(chmod("writable", 0222), 0);
	assert_int_equal(chmod("secret", 0), 0);
	assert_int_equal(chmod(".", 0755), 0);
	rival = rival_start(lock_without_privilege, NULL);
	assert_int_equal(rival_end(&rival), 0);
}

static int hold_and_replace(const struct rival *self, void *arg)
{
	const char *const *names = arg;
	int fd = open_lock(names[0]);

	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	if (!await_waiter(getppid()))
		return 98;
	return names[1] ? rename(names[1], names[0]) : unlink(names[0]);
}

static void a_target_replaced_during_the_wait_is_locked_again(void **state)
{
	static const char *const names[] = {"old", "new"};
	struct stat st, now;
	struct rival rival;
	struct hf_err err;
	int fd;

	(void)state;
	put_file("old", "old");
	put_file("new", "newer");
	rival = rival_start(hold_and_replace, (void *)names);
	assert_hears(&rival, 'h');
	assert_status(HF_OK, lock("old", 0, &fd, &st, &err), &err);
	assert_int_equal(rival_end(&rival), 0);
	assert_int_equal(stat("old", &now), 0);
	assert_true(hf_same_inode(&st, &now));
	assert_int_equal(st.st_size, 5);
	assert_int_equal(hf_fd_held(fd), HF_HELD_EXCLUSIVE);
	close(fd);
}

static void a_target_removed_during_the_wait_is_absent(void **state)
{
	static const char *const names[] = {"removed", NULL};
	struct rival rival;
	struct hf_err err;
	struct stat st;
	int fd;

	(void)state;
	put_file("removed", "");
	rival = rival_start(hold_and_replace, (void *)names);
	assert_hears(&rival, 'h');
	assert_status(HF_NOINPUT, lock("removed", 0, &fd, &st, &err), &err);
	assert_int_equal(fd, -1);
	assert_int_equal(rival_end(&rival), 0);
}

static int lock_below(const struct rival *self, void *arg)
{
	struct hf_err err;
	struct stat st;
	int fd;

	(void)self;
	if (lock(arg, 0, &fd, &st, &err) != HF_USAGE || fd != -1)
		return 99;
	return strstr(err.advice, "lock 'below.lock' instead: a lock on a file that is replaced "
				  "protects nothing")
		       ? 0
		       : 98;
}

static void a_target_that_an_ancestor_holds_is_refused_with_advice(void **state)
{
	struct rival rival;
	int fd;

	(void)state;
	fd = open_lock("below");
	assert_int_equal(flock(fd, LOCK_EX), 0);
	rival = rival_start(lock_below, (void *)"below");
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_free_target_is_locked),
	cmocka_unit_test(an_absent_target_is_no_input),
	cmocka_unit_test(a_target_that_is_no_regular_file_is_refused_unopened),
	cmocka_unit_test(a_target_that_may_only_be_written_is_locked_too),
	cmocka_unit_test(a_target_replaced_during_the_wait_is_locked_again),
	cmocka_unit_test(a_target_removed_during_the_wait_is_absent),
	cmocka_unit_test(a_target_that_an_ancestor_holds_is_refused_with_advice),
};

HF_TEST_MAIN(tests)
