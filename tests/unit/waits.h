/* SPDX-License-Identifier: ISC */
#ifndef HF_TEST_WAITS_H
#define HF_TEST_WAITS_H

/*
 * Events around flock(2) that a test can await. A process that waits for a lock is seen in
 * /proc/locks, which has no event of its own: it is read again and again, for ten seconds at most.
 */

#include <stdbool.h>
#include <sys/file.h>
#include <time.h>

#include "hf_test.h"

/* Does pid wait for a flock(2) lock now? */
static inline bool waits(pid_t pid)
{
	FILE *f = fopen("/proc/locks", "r");
	char line[4096], *arrow;
	bool found = false;
	int waiter;

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f)) {
		arrow = strstr(line, "-> FLOCK");
		found = arrow && sscanf(arrow, "-> FLOCK %*s %*s %d", &waiter) == 1 &&
			waiter == pid;
	}
	fclose(f);
	return found;
}

static inline void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static inline bool await_waiter(pid_t pid)
{
	for (int i = 0; i < 10000; i++, nap())
		if (waits(pid))
			return true;
	return false;
}

static inline int open_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	return fd;
}

/* An open lock by a number above those of a rival's pipes. */
static inline int open_high(const char *path)
{
	int low = open_lock(path), high = fcntl(low, F_DUPFD, 100);

	assert_true(high >= 100);
	close(low);
	return high;
}

/* A rival that holds arg's lock, says 'h', and gives it back when it hears a byte or the end. */
static inline int hold(const struct rival *self, void *arg)
{
	int fd = open_lock(arg);

	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

/* One that gives it back when it sees its parent wait. */
static inline int hold_until_awaited(const struct rival *self, void *arg)
{
	int fd = open_lock(arg);

	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'h');
	return await_waiter(getppid()) ? 0 : 98;
}

#endif
