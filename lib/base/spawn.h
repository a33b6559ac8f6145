/* SPDX-License-Identifier: ISC */
#ifndef HF_SPAWN_H
#define HF_SPAWN_H

/*
 * Run a command, and handle signals while it runs.
 *
 *	hf_spawn(&child, &command, &err)
 *	hf_supervise(&child, io, &err)
 *	hf_exit_as(child.wait_status)
 *
 * The command stays in our process group. hf_spawn() blocks all signals that can be forwarded
 * before the command exists; hf_supervise() forwards those that a process sent (README.md has the
 * table). The command is found as glibc's execvp(3) does (a file without "#!" runs with /bin/sh),
 * and started with vfork(2) and the original signal mask. Exit status if it cannot run: 127 not
 * found, 126 otherwise.
 *
 * For single-threaded programs: signals are process-wide. A crash leaves nothing.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <holdfast/err.h>

struct hf_command {
	char **argv;
	int in, out;	   /* its standard input and output; -1: ours */
	const int *keep;   /* close-on-exec descriptors that it inherits, under the same numbers */
	size_t keep_count;
};

struct hf_child {
	pid_t pid;
	sigset_t old_mask;
	int wait_status; /* of waitpid(2), when it has exited */
	/* The last HUP, INT, QUIT or TERM during its run; 0: none. The command may have ended
	 * without reacting to it: do not start another one. */
	int asked;
};

/* Reset an ignored SIGCHLD: otherwise the kernel reaps children, and their PIDs may be reused while
 * this process uses them. */
void hf_reset_sigchld(void);

/* Raise the soft limit on descriptors to this number, or to the hard limit if that is lower.
 * Commands start with the limit with which this process started. */
void hf_raise_limit(size_t descriptors);

/* Set the limit of commands before a posix_spawn(3), and restore ours after it. */
void hf_lower_limit(bool lower);

/* Check that this many more descriptors can be opened, before a step that must not fail. HF_OS:
 * they cannot. */
enum hf_status hf_check_limit(size_t descriptors, struct hf_err *err);

/* Start the command. HF_NOT_FOUND, HF_CANNOT_RUN: it cannot be run. HF_OS: no process could be
 * made. After a failure the signal mask is restored. */
enum hf_status hf_spawn(struct hf_child *child, const struct hf_command *command,
			struct hf_err *err);

/* Become the command instead. Returns only on failure, with errno. */
void hf_exec(char *const *argv);

/* Work of hf_supervise() while the command runs: when fd is readable, ready(context) is called,
 * until it returns another status than HF_OK (HF_NO is the normal end). */
struct hf_io {
	int fd;
	enum hf_status (*ready)(void *context, struct hf_err *err);
	void *context;
	bool ends_with_command; /* do not wait for its end when the command has exited */
};

/*
 * Wait until the command has exited and io (or NULL) has ended. HF_OK: child->wait_status is set.
 * If ready() fails, it must close its reading end; the command is still waited for (it receives
 * SIGPIPE at its next write), and ready()'s status and err are returned. The signal mask is
 * restored.
 */
enum hf_status hf_supervise(struct hf_child *child, const struct hf_io *io, struct hf_err *err);

/* Return true if this process ignores the signal. */
bool hf_signal_is_ignored(int signo);

/* Return the exit status of a wait status: its own, or 128 + the signal. */
int hf_exit_status(int wait_status);

/* End this process as the command ended: with its exit status, or by the same signal. As PID 1,
 * exit with 128 + the signal. Streams are flushed first; atexit() functions are not called. */
_Noreturn void hf_exit_as(int wait_status);

#endif
