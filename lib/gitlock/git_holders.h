/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_HOLDERS_H
#define HF_GIT_HOLDERS_H

/*
 * Find the processes that could have made a lock of a Git repository and are alive.
 *
 * Git writes no PID into its locks, and during the hooks of a commit no process has index.lock
 * open. Therefore every process is inspected; README.md has the conditions (gitlock/U1 to U4). A
 * stopped process is alive; a zombie is dead.
 *
 * A snapshot; takes half a second at most. Changes and waits for nothing. Thread-safe.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "gitlock/gitdir.h"

/* A lock that was seen and is kept open. As long as it is open, its path can name another file, but
 * no other file can have its inode number. */
struct hf_git_seen {
	int fd;		/* -1: none was seen */
	uint64_t ticks; /* since boot, when it was seen */
};

struct hf_git_holder_query {
	const struct hf_gitdir *git;
	bool index;	  /* the lock is that of git->index */
	bool inheritable; /* its maker may have left it to a child */
	struct stat st;	  /* of the lock */
	uint64_t seen;	  /* ticks since boot; 0: unknown */
};

struct hf_git_holders {
	pid_t other;	/* a possible maker that is not an ancestor of this process; 0: none */
	pid_t ancestor; /* a possible maker that is an ancestor */
	pid_t unseen;	/* a possible maker that may not be inspected */
	bool hurried;	/* the time was over before all processes were inspected */
};

void hf_git_holders_find(const struct hf_git_holder_query *of, struct hf_git_holders *holders);

/* Return true if this Git certainly works in another repository (gitlock/U4). */
bool hf_git_works_elsewhere(const struct hf_gitdir *git, pid_t pid);

/* Return true if the name is that of a Git. */
bool hf_git_is_name(const char *name);

/* Return the present time in the unit of process start times: ticks since boot. */
uint64_t hf_git_ticks(void);

#endif
