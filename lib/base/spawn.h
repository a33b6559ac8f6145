/* SPDX-License-Identifier: ISC */
#ifndef HF_SPAWN_H
#define HF_SPAWN_H

/*
 * Running a command, and standing between it and the signals.
 *
 * The command stays in our process group, so that the terminal's signals reach both, and job
 * control works. hf_spawn() blocks all signals that can be forwarded before the command exists, so
 * none falls into the gap; hf_supervise() takes them in turn:
 *
 *	- one that a process sent (si_code says so) is forwarded to the command;
 *	- one of the terminal's own (Ctrl-C) is not: the command had it already;
 *	- stop signals stop us as well, continue signals are forwarded;
 *	- SIGCHLD: the command has ended, or (as PID 1) an orphan is reaped.
 *
 * hf_exit_as() ends this process as its command ended: by the same signal, with the core dump
 * suppressed, so that a shell loop around a tool stops at Ctrl-C (a tool that exits 130 instead
 * lets the loop go on).
 *
 * The command is looked for as glibc's execvp(3) does (a file without "#!" runs by /bin/sh), and
 * started by vfork(2), with the signal mask that we were started with. Exit status where it cannot
 * be run: 127 not found, 126 otherwise.
 *
 * For single-threaded tools: signals are process-wide. No crash state.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <holdfast/err.h>

struct hf_command {
	char **argv;
	int in, out;	   /* descriptors for its standard input and output; -1: ours */
	const int *keep;   /* close-on-exec descriptors that it inherits, under the same numbers */
	size_t keep_count;
};

struct hf_child {
	pid_t pid;
	sigset_t old_mask;
	int wait_status; /* as of waitpid(), when it has ended */
	/* The last HUP, INT, QUIT or TERM that came while it ran; 0: none. The command may have
	 * been past heeding it: whoever starts another one ends instead. */
	int asked;
};

/* Where SIGCHLD is ignored the kernel reaps our children behind our back, and their PIDs are used
 * again while we know them: from here on it is not. */
void hf_reset_sigchld(void);

/* Raise the soft limit on descriptors to this number, or as far as the hard limit lets. Commands
 * are started with the limit that this process was started with. */
void hf_raise_limit(size_t descriptors);

/* Around a posix_spawn(3): the limit of commands, and then ours again. */
void hf_lower_limit(bool lower);

/* Are so many more descriptors left? Without them a step that must not fail could. HF_OS: no. */
enum hf_status hf_check_limit(size_t descriptors, struct hf_err *err);

/* A message "cannot run 'x': why", and status 126 or 127 (cast), or HF_OS (no process to be had).
 * On failure the signal mask is restored. */
enum hf_status hf_spawn(struct hf_child *child, const struct hf_command *command,
			struct hf_err *err);

/* Become the command instead. Returns only when that fails, with errno. */
void hf_exec(char *const *argv);

/* What hf_supervise() does while the command runs: when fd can be read, ready(context) is called,
 * until it returns something other than HF_OK (HF_NO is the normal end). */
struct hf_io {
	int fd;
	enum hf_status (*ready)(void *context, struct hf_err *err);
	void *context;
	bool ends_with_command; /* the end is not waited for when the command has ended */
};

/*
 * Wait until the command has ended and io (or NULL) is at its end. HF_OK: child->wait_status tells.
 * If ready() fails, the reading end is closed by the caller's ready(), the command is waited for
 * all the same (it gets SIGPIPE at its next write), and ready's status and err are returned.
 * The signal mask is restored.
 */
enum hf_status hf_supervise(struct hf_child *child, const struct hf_io *io, struct hf_err *err);

/* Exit status of a wait status: its own, or 128 + the signal. */
int hf_exit_status(int wait_status);

/* End this process as the command ended: exit status, or death by the same signal. As PID 1 exits
 * 128 + the signal. Streams are flushed first; atexit() functions are not run. */
_Noreturn void hf_exit_as(int wait_status);

#endif
