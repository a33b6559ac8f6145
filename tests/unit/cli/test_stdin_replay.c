/* SPDX-License-Identifier: ISC */
#include "cli/stdin_replay.h"

#include <errno.h>

#include "hf_test.h"

/* Run sh -c script with what r replays; its exit status. */
static int run(struct hf_stdin_replay *r, const char *script)
{
	struct hf_command c = {.argv = (char *[]){(char *)"sh", (char *)"-c", (char *)script, NULL},
			       .out = -1};
	struct hf_child child = {.wait_status = -1};
	struct hf_err err;

	assert_status(HF_OK, hf_stdin_replay_begin(r, &c.in, &err), &err);
	assert_status(HF_OK, hf_spawn(&child, &c, &err), &err);
	hf_stdin_replay_started(r);
	assert_status(HF_OK, hf_supervise(&child, r->io, &err), &err);
	hf_stdin_replay_end(r);
	return hf_exit_status(child.wait_status);
}

static int count_open(void)
{
	int n = 0;

	for (int fd = 3; fd < 100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void a_file_is_read_from_its_offset(void **state)
{
	int before, fd;
	struct hf_stdin_replay r;
	char rest[8] = "";

	(void)state;
	put_file("f", "abcdef");
	fd = open("f", O_RDONLY | O_CLOEXEC);
	before = count_open();
	assert_int_equal(lseek(fd, 2, SEEK_SET), 2);
	hf_stdin_replay_open(&r, fd);
	assert_int_equal(r.kind, HF_REPLAY_FILE);
	assert_int_equal(run(&r, "test \"$(cat)\" = cdef"), 0);
	assert_int_equal(run(&r, "test \"$(head -c 2)\" = cd"), 0);
	assert_null(r.io);
	hf_stdin_replay_close(&r);
	assert_int_equal(read(fd, rest, sizeof(rest)), 2);
	assert_string_equal(rest, "ef");
	assert_int_equal(count_open(), before);
	close(fd);
}

/* One that is gone from its directory, and may not be opened for reading again. */
static int replay_unreadable(const struct rival *self, void *arg)
{
	struct hf_stdin_replay r;
	int fd = open(arg, O_RDONLY | O_CLOEXEC);

	(void)self;
	if (fd < 0 || fchmod(fd, 0) < 0 || seteuid(65534) < 0)
		return 99;
	hf_stdin_replay_open(&r, fd);
	if (run(&r, "test \"$(cat)\" = text") != 0 || run(&r, "test \"$(cat)\" = text") != 0)
		return 98;
	hf_stdin_replay_close(&r);
	return 0;
}

static void a_file_that_cannot_be_reopened_is_rewound(void **state)
{
	struct rival rival;

	(void)state;
	require_root();
	put_file("text", "text");
	rival = rival_start(replay_unreadable, (void *)"text");
	assert_int_equal(rival_end(&rival), 0);
}

static void a_pipe_is_kept_and_its_rest_comes_when_it_is_there(void **state)
{
	int ends[2], before;
	struct hf_stdin_replay r;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	before = count_open();
	hf_stdin_replay_open(&r, ends[0]);
	assert_int_equal(r.kind, HF_REPLAY_STREAM);
	/* nothing has come, and none of these wait for it */
	assert_int_equal(run(&r, "exit 3"), 3);
	assert_int_equal(write(ends[1], "one\ntwo\n", 8), 8);
	assert_int_equal(run(&r, "read x; test $x = one"), 0);
	assert_int_equal(run(&r, "read x; read y; test $x$y = onetwo"), 0);
	assert_int_equal(write(ends[1], "three\n", 6), 6);
	close(ends[1]);
	assert_int_equal(run(&r, "test \"$(cat | tr '\\n' ,)\" = one,two,three,"), 0);
	assert_int_equal(run(&r, "test \"$(cat | tr '\\n' ,)\" = one,two,three,"), 0);
	assert_true(r.can_again);
	hf_stdin_replay_close(&r);
	assert_int_equal(count_open(), before - 1);
	close(ends[0]);
}

static void any_other_input_is_inherited(void **state)
{
	struct hf_stdin_replay r;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), in;

	(void)state;
	hf_stdin_replay_open(&r, fd);
	assert_int_equal(hf_stdin_replay_begin(&r, &in, NULL), HF_OK);
	assert_int_equal(in, -1);
	hf_stdin_replay_close(&r);
	close(fd);
	hf_stdin_replay_open(&r, fd);
	assert_int_equal(hf_stdin_replay_begin(&r, &in, NULL), HF_OK);
	assert_int_equal(in, -1);
	hf_stdin_replay_close(&r);
}

static void a_run_that_could_not_begin_leaves_nothing_open(void **state)
{
	int ends[2], before, in;
	struct hf_stdin_replay r;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	before = count_open();
	hf_stdin_replay_open(&r, ends[0]);
	assert_int_equal(hf_stdin_replay_begin(&r, &in, NULL), HF_OK);
	hf_stdin_replay_end(&r);
	assert_int_equal(count_open(), before);
	hf_stdin_replay_close(&r);
	close(ends[0]);
	close(ends[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_file_is_read_from_its_offset),
	cmocka_unit_test(a_file_that_cannot_be_reopened_is_rewound),
	cmocka_unit_test(a_pipe_is_kept_and_its_rest_comes_when_it_is_there),
	cmocka_unit_test(any_other_input_is_inherited),
	cmocka_unit_test(a_run_that_could_not_begin_leaves_nothing_open),
};

HF_TEST_MAIN(tests)
