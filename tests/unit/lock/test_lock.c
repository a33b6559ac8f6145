/* SPDX-License-Identifier: ISC */
#include <holdfast/lock.h>

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <holdfast/fd.h>
#include "hf_test.h"
#include "lender.h"
#include "lock/lock_kind.h"

static struct hf_lock lock;
static struct hf_err err;

static enum hf_status open_lock(const char *path, int access)
{
	lock = (struct hf_lock){.path = path, .mode = HF_LOCK_EXCLUSIVE, .fd = -1};
	return hf_lock_open(&lock, access, &err);
}

static int count_lines(const char *path, const char *word)
{
	FILE *stream = fopen(path, "r");
	char line[64], name[32];
	int count = 0;

	assert_non_null(stream);
	while (fgets(line, sizeof(line), stream))
		count += sscanf(line, "%*d %31s", name) == 1 && strcmp(name, word) == 0;
	fclose(stream);
	return count;
}

static void an_absent_file_is_created(void **state)
{
	struct stat st;

	(void)state;
	umask(027);
	assert_status(HF_OK, open_lock("new", O_RDONLY), &err);
	assert_int_equal(stat("new", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_ino, lock.st.st_ino);
	assert_true(lock.fd >= HF_FD_BASE);
	assert_int_equal(fcntl(lock.fd, F_GETFD), FD_CLOEXEC);
	hf_lock_close(&lock);
	assert_int_equal(lock.fd, -1);
}

static void an_existing_file_stays_as_it_is(void **state)
{
	struct stat before, after;

	(void)state;
	put_file("data", "text");
	assert_int_equal(stat("data", &before), 0);
	assert_status(HF_OK, open_lock("data", O_RDWR), &err);
	hf_lock_close(&lock);
	assert_int_equal(stat("data", &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim));
	assert_file("data", "text");
}

static void a_directory_and_the_end_of_a_dangling_link(void **state)
{
	(void)state;
	assert_int_equal(mkdir("dir", 0777), 0);
	assert_status(HF_OK, open_lock("dir", O_RDONLY), &err);
	hf_lock_close(&lock);
	assert_int_equal(symlink("target", "link"), 0);
	assert_status(HF_OK, open_lock("link", O_RDONLY), &err);
	hf_lock_close(&lock);
	assert_true(is_there("target"));
}

static void a_fifo_is_not_even_opened(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("fifo", 0666), 0);
	put_file("log", "");
	setenv("HOLDFAST_FAULT_LOG", "log", 1);
	assert_status(HF_DATA, open_lock("fifo", O_RDONLY), NULL);
	unsetenv("HOLDFAST_FAULT_LOG");
	assert_string_equal(err.message, "cannot lock 'fifo': it is a FIFO");
	assert_int_equal(count_lines("log", "openat"), 0);
	assert_int_equal(count_lines("log", "fstatat"), 1);
}

static void a_socket_and_a_device_are_refused(void **state)
{
	struct sockaddr_un address = {AF_UNIX, "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_status(HF_DATA, open_lock("socket", O_RDONLY), NULL);
	assert_status(HF_DATA, open_lock("/dev/null", O_RDONLY), NULL);
	assert_int_equal(lock.fd, -1);
}

static void a_file_that_cannot_be_opened_is_refused(void **state)
{
	(void)state;
	assert_status(HF_CANTCREAT, open_lock("none/l", O_RDONLY), NULL);
	assert_string_equal(err.message,
			    "cannot open lock file 'none/l': No such file or directory");
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_status(HF_CANTCREAT, open_lock("loop", O_RDONLY), NULL);
	setenv("HOLDFAST_FAULT", "openat#1+:EMFILE", 1);
	assert_status(HF_OS, open_lock("x", O_RDONLY), NULL);
	setenv("HOLDFAST_FAULT", "fstat#1+:EIO", 1);
	assert_status(HF_IO, open_lock("x", O_RDONLY), NULL);
	unsetenv("HOLDFAST_FAULT");
	assert_int_equal(lock.fd, -1);
}

static void recheck_notices_another_inode_and_an_absent_one(void **state)
{
	(void)state;
	assert_status(HF_OK, open_lock("l", O_RDONLY), &err);
	assert_int_equal(hf_lock_recheck(&lock), HF_OK);
	put_file("m", "");
	assert_int_equal(rename("m", "l"), 0);
	assert_int_equal(hf_lock_recheck(&lock), HF_NO);
	assert_int_equal(unlink("l"), 0);
	assert_int_equal(hf_lock_recheck(&lock), HF_NO);
	hf_lock_close(&lock);
}

/* As if it were handed down: another description of "l", named in the environment. */
static int inherit(int operation)
{
	char name[16];
	int fd = open("l", O_RDONLY | O_CREAT, 0666);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, operation), 0);
	snprintf(name, sizeof(name), "%d", fd);
	setenv(HF_FD_ENV, name, 1);
	return fd;
}

static void an_inherited_lock_is_proved(void **state)
{
	int fd = inherit(LOCK_EX);

	(void)state;
	assert_status(HF_OK, open_lock("l", O_RDONLY), &err);
	assert_status(HF_OK, hf_lock_inherit(&lock, &err), &err);
	assert_int_equal(lock.inherited, fd);
	/* one of our own, whose number the environment happens to name */
	assert_int_equal(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
	assert_status(HF_OK, hf_lock_inherit(&lock, &err), &err);
	assert_int_equal(lock.inherited, -1);
	assert_int_equal(fcntl(fd, F_SETFD, 0), 0);
	assert_int_equal(flock(fd, LOCK_UN), 0);
	assert_status(HF_OK, hf_lock_inherit(&lock, &err), &err);
	assert_int_equal(lock.inherited, -1);
	hf_lock_close(&lock);
	close(fd);
	unsetenv(HF_FD_ENV);
}

static void an_inherited_shared_lock_is_not_enough_for_exclusive(void **state)
{
	int fd = inherit(LOCK_SH);

	(void)state;
	assert_status(HF_OK, open_lock("l", O_RDONLY), &err);
	assert_status(HF_USAGE, hf_lock_inherit(&lock, &err), NULL);
	lock.mode = HF_LOCK_SHARED;
	assert_status(HF_OK, hf_lock_inherit(&lock, &err), &err);
	assert_int_equal(lock.inherited, fd);
	hf_lock_close(&lock);
	close(fd);
	unsetenv(HF_FD_ENV);
}

/* Ask the lender for the lock on "l". */
static enum hf_status borrow(struct lender lender)
{
	struct rival rival;
	enum hf_status status;

	put_file("l", "");
	rival = rival_start(lend, &lender);
	assert_hears(&rival, 'l');
	assert_status(HF_OK, open_lock("l", O_RDONLY), &err);
	lock.inherited = -1;
	status = hf_lock_borrow(&lock, NULL, &err);
	hf_lock_close(&lock);
	if (lock.inherited >= 0)
		close(lock.inherited);
	assert_int_equal(rival_end(&rival), 0);
	return status;
}

static void a_lent_lock_is_proved(void **state)
{
	struct lender lender = {.named = "l", .lent = "l", .operation = LOCK_EX};

	(void)state;
	assert_status(HF_OK, borrow(lender), &err);
	assert_true(lock.borrowed && lock.inherited >= HF_FD_BASE);
	lender.operation = LOCK_SH;
	assert_status(HF_USAGE, borrow(lender), NULL);
	assert_int_equal(lock.inherited, -1);
	lender.operation = 0;
	assert_status(HF_NO, borrow(lender), NULL);
	lender.lent = "other";
	lender.operation = LOCK_EX;
	assert_status(HF_NO, borrow(lender), NULL);
	assert_int_equal(lock.inherited, -1);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_absent_file_is_created),
	cmocka_unit_test(an_existing_file_stays_as_it_is),
	cmocka_unit_test(a_directory_and_the_end_of_a_dangling_link),
	cmocka_unit_test(a_fifo_is_not_even_opened),
	cmocka_unit_test(a_socket_and_a_device_are_refused),
	cmocka_unit_test(a_file_that_cannot_be_opened_is_refused),
	cmocka_unit_test(recheck_notices_another_inode_and_an_absent_one),
	cmocka_unit_test(an_inherited_lock_is_proved),
	cmocka_unit_test(an_inherited_shared_lock_is_not_enough_for_exclusive),
	cmocka_unit_test(a_lent_lock_is_proved),
};

HF_TEST_MAIN(tests)
