/* SPDX-License-Identifier: ISC */
#ifndef HF_TEST_H
#define HF_TEST_H

/*
 * What the unit tests share, on top of cmocka: one include, a main, files, and rivals.
 *
 *	static void parses_units(void **state)
 *	{
 *		struct hf_err err;
 *		int64_t d;
 *
 *		(void)state;
 *		assert_status(HF_OK, hf_parse_duration("250ms", &d, &err), &err);
 *		assert_int_equal(d, 250 * HF_MS);
 *	}
 *
 *	static const struct CMUnitTest tests[] = {
 *		cmocka_unit_test(parses_units),
 *	};
 *	HF_TEST_MAIN(tests)
 *
 * A test program runs in a fresh empty directory, under sanitizers, with the fault table compiled
 * in. It may leave files; it is killed, with what it started, when it runs over its time.
 *
 * A rival is a second process that says "I hold it now" by a byte over a pipe, and waits for a byte
 * that lets it go on: tests wait for events, and never sleep. It dies with the test.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above */
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <holdfast/err.h>

/* Unbuffered, so that a forked child never prints the parent's results once more. */
#define HF_TEST_MAIN(tests)                                                                        \
	int main(void)                                                                             \
	{                                                                                          \
		setvbuf(stdout, NULL, _IONBF, 0);                                                  \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}

/* On failure, shows what err says. */
#define assert_status(wanted, call, err)                                                           \
	hf_test_status((wanted), (call), (err), #call, __FILE__, __LINE__)

static inline void hf_test_status(enum hf_status wanted, enum hf_status got,
				  const struct hf_err *err, const char *call, const char *file,
				  int line)
{
	if (wanted == got)
		return;
	print_error("%s: status %d, wanted %d: %s\n", call, (int)got, (int)wanted,
		    err && got != HF_OK ? err->message : "");
	_fail(file, line);
}

/* The file holds exactly this text. */
#define assert_file(path, text) hf_test_file((path), (text), __FILE__, __LINE__)

static inline void hf_test_file(const char *path, const char *text, const char *file, int line)
{
	char found[65536];
	FILE *stream = fopen(path, "r");
	size_t n;

	if (!stream) {
		print_error("%s cannot be opened\n", path);
		_fail(file, line);
		return;
	}
	n = fread(found, 1, sizeof(found) - 1, stream);
	fclose(stream);
	found[n] = '\0';
	if (n != strlen(text) || memcmp(found, text, n) != 0) {
		print_error("%s holds \"%s\", wanted \"%s\"\n", path, found, text);
		_fail(file, line);
	}
}

/* Make the file, or empty it, and write the text. */
static inline void put_file(const char *path, const char *text)
{
	FILE *stream = fopen(path, "w");

	assert_non_null(stream);
	assert_true(fputs(text, stream) >= 0);
	assert_int_equal(fclose(stream), 0);
}

static inline bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/*
 * What a test needs beyond an ordinary user's rights. A test calls these first. Where that is not
 * available the test is skipped, and tests/run shows the reason.
 */
static inline void hf_test_need(bool available, const char *what)
{
	if (available)
		return;
	print_message("# skip: needs %s\n", what);
	skip();
}

static inline void require_root(void)
{
	hf_test_need(geteuid() == 0, "root");
}

/* May a process have namespaces of these kinds of its own, and mount? */
static inline bool hf_test_may_unshare(int kinds)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(unshare(kinds) < 0 ||
		      ((kinds & CLONE_NEWNS) &&
		       (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
			mount("none", "/proc", "tmpfs", 0, NULL) < 0)));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static inline void require_mount(void)
{
	hf_test_need(hf_test_may_unshare(CLONE_NEWNS), "to mount: root with CAP_SYS_ADMIN");
}

/* In another, no process that lives elsewhere is seen, and little is proved stale. */
static inline void require_first_pid_namespace(void)
{
	char name[64];
	ssize_t n = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);

	name[n > 0 ? n : 0] = '\0';
	hf_test_need(strcmp(name, "pid:[4026531836]") == 0, "the first PID namespace");
}

static inline void require_pid_namespace(void)
{
	hf_test_need(hf_test_may_unshare(CLONE_NEWPID),
		     "to make a PID namespace: root with CAP_SYS_ADMIN");
}

struct rival {
	pid_t pid;
	int hear; /* bytes that it says */
	int tell; /* bytes that it waits for */
};

/* In the rival. */
static inline void rival_say(const struct rival *self, char byte)
{
	if (write(self->tell, &byte, 1) != 1)
		_exit(99);
}

/* In either: the next byte; -1 when the other has gone. */
static inline int rival_hear(const struct rival *other)
{
	char byte;

	return read(other->hear, &byte, 1) == 1 ? byte : -1;
}

/* Start a rival that runs body(itself, arg) and exits with what that returns. */
static inline struct rival rival_start(int (*body)(const struct rival *self, void *arg), void *arg)
{
	struct rival rival;
	int up[2], down[2];

	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	assert_int_equal(pipe2(down, O_CLOEXEC), 0);
	rival.pid = fork();
	assert_true(rival.pid >= 0);
	if (rival.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(up[0]);
		close(down[1]);
		rival = (struct rival){.pid = getpid(), .hear = down[0], .tell = up[1]};
		_exit(body(&rival, arg));
	}
	close(up[1]);
	close(down[0]);
	rival.hear = up[0];
	rival.tell = down[1];
	return rival;
}

/* The rival says this byte, sooner or later. */
#define assert_hears(rival, byte) assert_int_equal(rival_hear(rival), (byte))

/* Let the rival go on. */
static inline void rival_tell(const struct rival *rival, char byte)
{
	assert_int_equal(write(rival->tell, &byte, 1), 1);
}

/* Close the pipes, wait until it ends; its exit status, or 128 + signal. */
static inline int rival_end(struct rival *rival)
{
	int status;

	close(rival->hear);
	close(rival->tell);
	assert_int_equal(waitpid(rival->pid, &status, 0), rival->pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
