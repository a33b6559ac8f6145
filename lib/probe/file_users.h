/* SPDX-License-Identifier: ISC */
#ifndef HF_LOOKERS_H
#define HF_LOOKERS_H

/*
 * Who has to do with a file, other than by flock(2)?
 *
 *	writer	has the file open for writing, or holds a lock on it
 *	worker	has the directory as its working directory; this process and its ancestors, which
 *		wait for it, do not count
 *	inner	is known by a given PID inside a PID namespace below ours
 *
 * A descriptor that only reads is nobody's: those who wait and those who look have one.
 *
 * Whether there is a writer the kernel knows: a read lease (fcntl(2), F_SETLEASE) can be had only
 * while nobody has the file open for writing, in whatever namespace, and F_OFD_GETLK tells of locks
 * by fcntl. The lease is given back at once; who opens the file in that moment waits for that long,
 * and we get a SIGURG, which is nothing. Only a file's owner and root can have leases; others look
 * at what /proc shows. So do all, to name a writer.
 *
 * hidden: a process was passed over, since it may not be looked at, is not shown (hidepid, an outer
 * PID namespace), or the half second that the look may take was over. Then "nobody" means nobody
 * that was seen.
 *
 * A snapshot. Nothing is changed or waited for. Thread-safe.
 */

#include <stdbool.h>
#include <sys/types.h>

struct hf_file_users {
	bool written; /* there is a writer, even if none is named */
	pid_t writer, worker, inner; /* one each; 0: none */
	bool hidden;
};

/* fd: the file, open for reading only. place: the directory, or -1. inner: the PID, or 0. */
void hf_file_users_find(int fd, int place, pid_t inner, struct hf_file_users *lookers);

#endif
