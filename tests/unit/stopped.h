/* SPDX-License-Identifier: ISC */
#ifndef HF_TEST_STOPPED_H
#define HF_TEST_STOPPED_H

/*
 * A rival that stops before a call of the fault table (base/sys.h), so that the test can change
 * what lies around it between a check and its use.
 *
 *	struct stopped remover = {"flock#1:stop", remove_it, "l"};
 *	struct rival rival = rival_stopped(&remover);
 *
 *	replace("l");
 *	rival_continue(&rival);
 *	assert_int_equal(rival_end(&rival), HF_NO);
 */

#include "hf_test.h"
#include "base/sys.h"

struct stopped {
	const char *faults; /* one of them is a stop; calls are counted from the rival's start */
	int (*body)(const struct rival *self, void *arg);
	void *arg;
};

static inline int run_with_faults(const struct rival *self, void *arg)
{
	const struct stopped *stopped = arg;

	setenv("HOLDFAST_FAULT", stopped->faults, 1);
	hf_fault_reset();
	return stopped->body(self, stopped->arg);
}

/* Start it, and return once it is stopped. */
static inline struct rival rival_stopped(struct stopped *stopped)
{
	struct rival rival = rival_start(run_with_faults, stopped);
	int status;

	assert_int_equal(waitpid(rival.pid, &status, WUNTRACED), rival.pid);
	assert_true(WIFSTOPPED(status));
	return rival;
}

static inline void rival_continue(const struct rival *rival)
{
	assert_int_equal(kill(rival->pid, SIGCONT), 0);
}

/* Put a new, empty file in the place of path, and return it locked; the old inode stays in use
 * where the rival has it open, so that the new one has another number. */
static inline int recreate_locked(const char *path)
{
	int fd;

	assert_int_equal(unlink(path), 0);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	return fd;
}

/* Does path name the file that fd is open on? */
static inline bool names(const char *path, int fd)
{
	struct stat named, open;

	return stat(path, &named) == 0 && fstat(fd, &open) == 0 && named.st_ino == open.st_ino &&
	       named.st_dev == open.st_dev;
}

#endif
