/* SPDX-License-Identifier: ISC */
#ifndef HF_FILE_USERS_H
#define HF_FILE_USERS_H

/*
 * Which processes use a file, or a directory, other than by flock(2)?
 *
 *	writer	has the file open for writing, or holds a lock on it
 *	worker	has the directory as its working directory; this process and its ancestors,
 *		which wait for it, do not count
 *	inner	has a given PID inside a PID namespace below this one
 *
 * A descriptor that is open for reading only does not count. If `hidden` is set, a process was
 * passed over: "no user" then means none among the visible processes. README.md says why.
 *
 * A snapshot; takes half a second at most. May raise SIGURG, which is ignored by default. Changes
 * and waits for nothing. Thread-safe.
 */

#include <stdbool.h>
#include <sys/types.h>

struct hf_file_users {
	bool written; /* there is a writer, even if none is named */
	pid_t writer, worker, inner; /* one of each kind; 0: none */
	bool hidden;
};

/* fd: the file, open for reading only. place: the directory, or -1. inner: the PID, or 0. */
void hf_file_users_find(int fd, int place, pid_t inner, struct hf_file_users *lookers);

#endif
