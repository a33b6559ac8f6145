/* SPDX-License-Identifier: ISC */
#ifndef HF_PROC_LOCKS_H
#define HF_PROC_LOCKS_H

/*
 * Lock entries of the kernel: which process holds a lock, which one waits for it.
 *
 *	/proc/locks		1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
 *				1: -> FLOCK  ADVISORY  WRITE 4712 fe:00:1234 0 EOF
 *	/proc/PID/fdinfo/N	lock:	1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
 *
 * README.md compares the two sources. Use them for messages and judgements, never to decide whether
 * a lock is free, and never on a fast path: /proc/locks has n²/2 bytes for n waiters of one lock.
 *
 * Every result is a snapshot. Never blocks. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <holdfast/proc.h>

/* A file as lock entries name it. */
struct hf_lock_id {
	unsigned int major, minor;
	unsigned long long inode;
};

enum hf_lock_type {
	HF_LOCK_FLOCK, /* flock(2) */
	HF_LOCK_POSIX, /* fcntl(2), of a process */
	HF_LOCK_OFD,   /* fcntl(2), of an open file description, as flock(2)'s are */
};

/* Which entries a function passes on. */
enum hf_lock_types { HF_FLOCK_ONLY, HF_ALL_LOCKS };

struct hf_lock_entry {
	struct hf_lock_id id;
	enum hf_lock_type type;
	pid_t pid; /* the taker or the waiter; <= 0: not visible from here */
	bool waits;
	bool exclusive;
	int64_t start, last; /* bytes; INT64_MAX: to the end of the file, however far it grows */
};

/* The byte with which a waiter of a dotlock marks it (lock/dotlock_queue.h). It is not reported as
 * a lock. A caller that tests for fcntl(2) locks tests the bytes before it. */
#define HF_WAITER_MARK (INT64_MAX - 1)

/* Parse one line of /proc/locks, or the text after "lock:" in fdinfo. Return false for a lease or a
 * line that is not understood. */
bool hf_lock_parse(const char *line, struct hf_lock_entry *record);

/* Set *id to the name of fd's file in lock entries. Return false if /proc does not tell. */
bool hf_lock_id_of(int fd, struct hf_lock_id *id);

static inline bool hf_lock_id_equal(const struct hf_lock_id *a, const struct hf_lock_id *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

/* Read /proc/locks. Return false with errno if it cannot be read. */
struct hf_lock_entries {
	struct hf_lock_entry *at;
	size_t count;
};
bool hf_lock_entries_read(struct hf_lock_entries *records, enum hf_lock_types types);
void hf_lock_entries_free(struct hf_lock_entries *records);

/* Call each() for every lock that a descriptor of pid holds, until it returns false. Return false
 * with errno if the process is gone or its descriptors may not be inspected. */
typedef bool hf_lock_each(void *context, int fd, const struct hf_lock_entry *record);
bool hf_lock_held_by(pid_t pid, enum hf_lock_types types, hf_lock_each *each, void *context);

/* Return a living process, other than this one, that holds a flock(2) lock on fd's file; 0 if none
 * is visible. */
pid_t hf_lock_holder(int fd);

#endif
