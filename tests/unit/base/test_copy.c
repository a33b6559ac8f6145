/* SPDX-License-Identifier: ISC */
#include "base/copy.h"

#include <errno.h>
#include <sys/socket.h>

#include "hf_test.h"

static struct hf_err err;

/* A new empty file, open. */
static int empty_file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	return fd;
}

/* A file of this many bytes that follow no period of a buffer. */
static int made_file(const char *name, size_t size)
{
	static unsigned char bytes[3 * 1024 * 1024];
	int fd = empty_file(name);

	assert_true(size <= sizeof(bytes));
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	assert_status(HF_OK, hf_write_all(fd, bytes, size, name, &err), &err);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void assert_same(int a, int b, bool wanted)
{
	bool same;

	assert_status(HF_OK, hf_same_content(a, b, &same, "f", &err), &err);
	assert_int_equal(same, wanted);
}

static void a_file_is_copied_whole(void **state)
{
	static const size_t sizes[] = {0, 1, 65536, 65537, 3 * 1024 * 1024};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int in = made_file("in", sizes[i]), out = empty_file("out");

		assert_true(lseek(in, (off_t)sizes[i] / 2, SEEK_SET) >= 0);
		assert_status(HF_OK, hf_copy_file(in, out, "in", "out", &err), &err);
		assert_int_equal(lseek(out, 0, SEEK_CUR), sizes[i]);
		assert_int_equal(lseek(in, 0, SEEK_CUR), sizes[i] / 2);
		assert_same(in, out, true);
		close(in);
		close(out);
	}
}

static void a_file_is_copied_where_the_kernel_cannot(void **state)
{
	int in = made_file("in", 200000), out = empty_file("out");

	(void)state;
	setenv("HOLDFAST_FAULT", "ioctl_int#1+:EOPNOTSUPP,copy_file_range#1+:EXDEV", 1);
	assert_status(HF_OK, hf_copy_file(in, out, "in", "out", &err), &err);
	unsetenv("HOLDFAST_FAULT");
	assert_same(in, out, true);
	close(in);
	close(out);
}

static void an_early_end_is_confirmed(void **state)
{
	int in = made_file("in", 200000), out = empty_file("out");

	(void)state;
	/* "skip" returns 0, as the call itself does for files of /proc */
	setenv("HOLDFAST_FAULT", "ioctl_int#1+:EOPNOTSUPP,copy_file_range#1+:skip", 1);
	assert_status(HF_OK, hf_copy_file(in, out, "in", "out", &err), &err);
	unsetenv("HOLDFAST_FAULT");
	assert_same(in, out, true);
	close(in);
	close(out);
	in = open("/proc/self/status", O_RDONLY);
	out = empty_file("out");
	assert_status(HF_OK, hf_copy_stream(in, out, NULL, "in", "out", &err), &err);
	assert_true(lseek(out, 0, SEEK_CUR) > 100);
	close(in);
	close(out);
}

static void a_stream_is_copied_from_its_offset(void **state)
{
	int in = empty_file("in"), out = empty_file("out");
	int64_t size;

	(void)state;
	assert_int_equal(write(in, "head tail", 9), 9);
	assert_int_equal(lseek(in, 5, SEEK_SET), 5);
	assert_int_equal(write(out, "old ", 4), 4);
	assert_status(HF_OK, hf_copy_stream(in, out, &size, "in", "out", &err), &err);
	assert_int_equal(size, 4);
	assert_file("out", "old tail");
	assert_int_equal(lseek(in, 0, SEEK_CUR), 9);
	close(in);
	close(out);
}

/* Send what `arg` reads through our descriptor, in pieces, and slowly enough to be waited for. */
static int send_file(const struct rival *self, void *arg)
{
	int *fds = arg;
	char buffer[30000];
	ssize_t n;

	rival_say(self, 's');
	while ((n = read(fds[0], buffer, sizeof(buffer))) > 0)
		if (hf_write_all(fds[1], buffer, (size_t)n, "pipe", NULL) != HF_OK)
			return 99;
	return 0;
}

static void check_stream(int ends[2], int flags)
{
	int in = made_file("in", 1000000), out = empty_file("out");
	struct rival sender = rival_start(send_file, (int[2]){in, ends[1]});
	int64_t size;

	close(ends[1]);
	fcntl(ends[0], F_SETFL, flags);
	assert_status(HF_OK, hf_copy_stream(ends[0], out, &size, NULL, "out", &err), &err);
	assert_int_equal(size, 1000000);
	assert_same(in, out, true);
	assert_hears(&sender, 's');
	assert_int_equal(rival_end(&sender), 0);
	close(ends[0]);
	close(in);
	close(out);
}

static void a_pipe_and_a_socket_are_read_to_their_end(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	check_stream(ends, 0);
	assert_int_equal(pipe(ends), 0);
	check_stream(ends, O_NONBLOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	check_stream(ends, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	check_stream(ends, O_NONBLOCK);
	/* through the buffer, for file systems that cannot splice */
	setenv("HOLDFAST_FAULT", "splice#1+:EINVAL", 1);
	assert_int_equal(pipe(ends), 0);
	check_stream(ends, 0);
	unsetenv("HOLDFAST_FAULT");
}

static void a_failure_is_not_taken_for_the_end(void **state)
{
	int in = made_file("in", 100000), out = empty_file("out"),
	    full = open("/dev/full", O_WRONLY);
	int writable = open("in", O_WRONLY), dir = open(".", O_RDONLY);
	char buffer[8];
	size_t n;

	(void)state;
	assert_status(HF_IO, hf_copy_stream(in, full, NULL, "in", "out", &err), &err);
	assert_string_equal(err.message, "cannot write 'out': No space left on device");
	assert_status(HF_IO, hf_write_all(full, "x", 1, NULL, &err), &err);
	assert_string_equal(err.message, "cannot write standard output: No space left on device");
	assert_status(HF_NOINPUT, hf_copy_stream(writable, out, NULL, NULL, "out", &err), &err);
	assert_string_equal(err.message, "standard input is closed");
	assert_status(HF_NOINPUT, hf_copy_stream(-1, out, NULL, NULL, "out", &err), &err);
	assert_status(HF_NOPERM, hf_copy_stream(writable, out, NULL, "in", "out", &err), &err);
	assert_status(HF_DATA, hf_copy_stream(dir, out, NULL, NULL, "out", &err), &err);
	assert_string_equal(err.message, "cannot read standard input: Is a directory");
	assert_status(HF_DATA, hf_read_full(dir, buffer, 8, &n, "d", &err), &err);

	setenv("HOLDFAST_FAULT", "copy_file_range#1+:EINVAL,read#1+:EIO", 1);
	assert_status(HF_IO, hf_copy_stream(in, out, NULL, "in", "out", &err), &err);
	setenv("HOLDFAST_FAULT", "copy_file_range#1+:ENOSPC", 1);
	assert_status(HF_IO, hf_copy_stream(in, out, NULL, "in", "out", &err), &err);
	assert_non_null(strstr(err.message, "cannot write 'out'"));
	unsetenv("HOLDFAST_FAULT");
	assert_int_equal(lseek(out, 0, SEEK_END), 0);
	close(in);
	close(out);
	close(full);
	close(writable);
	close(dir);
}

static void reading_is_full_up_to_the_end(void **state)
{
	int ends[2];
	char buffer[8];
	size_t n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "123", 3), 3);
	assert_int_equal(write(ends[1], "4567", 4), 4);
	close(ends[1]);
	assert_status(HF_OK, hf_read_full(ends[0], buffer, 4, &n, NULL, &err), &err);
	assert_int_equal(n, 4);
	assert_memory_equal(buffer, "1234", 4);
	assert_status(HF_OK, hf_read_full(ends[0], buffer, 8, &n, NULL, &err), &err);
	assert_int_equal(n, 3);
	assert_status(HF_OK, hf_read_full(ends[0], buffer, 8, &n, NULL, &err), &err);
	assert_int_equal(n, 0);
	close(ends[0]);
}

static void writing_at_a_place_leaves_the_offset(void **state)
{
	int fd = empty_file("f");

	(void)state;
	assert_status(HF_OK, hf_write_all(fd, "abcdef", 6, "f", &err), &err);
	assert_status(HF_OK, hf_pwrite_all(fd, "XY", 2, 2, "f", &err), &err);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 6);
	assert_file("f", "abXYef");
	close(fd);
}

static void contents_are_compared(void **state)
{
	int a = made_file("a", 200000), b = made_file("b", 200000);

	(void)state;
	assert_same(a, b, true);
	assert_int_equal(pwrite(b, "?", 1, 199999), 1);
	assert_same(a, b, false);
	assert_int_equal(ftruncate(b, 199999), 0);
	assert_same(a, b, false);
	close(a);
	close(b);
	a = empty_file("a");
	b = empty_file("b");
	assert_same(a, b, true);
	close(a);
	close(b);
}

static void a_hash_is_that_of_the_whole_file(void **state)
{
	char hex[65];
	int fd = empty_file("f");

	(void)state;
	assert_status(HF_OK, hf_sha256(fd, hex, "f", &err), &err);
	assert_string_equal(hex,
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_status(HF_OK, hf_sha256(fd, hex, "f", &err), &err);
	assert_string_equal(hex,
			    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	close(fd);
	/* a million times "a", as in FIPS 180-2 */
	fd = empty_file("f");
	for (int i = 0; i < 1000; i++) {
		char a[1000];

		memset(a, 'a', sizeof(a));
		assert_int_equal(write(fd, a, sizeof(a)), sizeof(a));
	}
	assert_status(HF_OK, hf_sha256(fd, hex, "f", &err), &err);
	assert_string_equal(hex,
			    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_file_is_copied_whole),
	cmocka_unit_test(a_file_is_copied_where_the_kernel_cannot),
	cmocka_unit_test(an_early_end_is_confirmed),
	cmocka_unit_test(a_stream_is_copied_from_its_offset),
	cmocka_unit_test(a_pipe_and_a_socket_are_read_to_their_end),
	cmocka_unit_test(a_failure_is_not_taken_for_the_end),
	cmocka_unit_test(reading_is_full_up_to_the_end),
	cmocka_unit_test(writing_at_a_place_leaves_the_offset),
	cmocka_unit_test(contents_are_compared),
	cmocka_unit_test(a_hash_is_that_of_the_whole_file),
};

HF_TEST_MAIN(tests)
