/* SPDX-License-Identifier: ISC */
#ifndef HF_WAITFOR_H
#define HF_WAITFOR_H

/*
 * Who holds a lock, and who waits for one: the kernel's own records, read to judge and to tell,
 * never to decide whether a lock is free.
 *
 *	/proc/locks		1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
 *				1: -> FLOCK  ADVISORY  WRITE 4712 fe:00:1234 0 EOF
 *	/proc/PID/fdinfo/N	lock:	1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF
 *
 * The first lists all locks and (behind "->", deeper ones further in) all waiters. Its PID is that
 * of the process which *took* the lock. That one may be dead, its number even used again, while a
 * child holds the lock by an inherited descriptor; inside a PID namespace such a lock is not listed
 * at all, nor is one of another namespace. The second shows what a descriptor holds, whoever took
 * it, but may be read only for one's own processes. Where /proc/locks has no answer that fdinfo
 * confirms, every process is searched for the descriptor, for half a second at most; then the
 * holder is "a process that you may not see". Reading /proc/locks costs the whole system a little,
 * and with n waiters for one lock it is n²/2 bytes long: it is never read on a fast path.
 *
 * A file's device in both is that of its super block, which on btrfs is not stat's; the mount's
 * line in /proc/self/mountinfo has it.
 *
 * Everything here is a snapshot: a lock that moves on while one looks is described as it was. Never
 * blocks. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <holdfast/proc.h>

/* A file as the kernel's records name it. */
struct hf_lock_id {
	unsigned int major, minor;
	unsigned long long inode;
};

enum hf_lock_type {
	HF_LOCK_FLOCK, /* flock(2) */
	HF_LOCK_POSIX, /* fcntl(2), of a process */
	HF_LOCK_OFD,   /* fcntl(2), of a description, as flock(2)'s are */
};

struct hf_lock_entry {
	struct hf_lock_id id;
	enum hf_lock_type type;
	pid_t pid; /* who took it, or waits for it; <= 0: not to be seen from here */
	bool waits;
	bool exclusive;
	int64_t start, last; /* bytes; INT64_MAX: to the end, however far it grows */
};

/* The byte by which one who waits for a dotlock marks it (lock/dotlock_queue.h): no lock to be told
 * of. Whoever asks for locks by fcntl(2) asks for the bytes before it. */
#define HF_WAITER_MARK (INT64_MAX - 1)

/* One line of /proc/locks, or what stands behind "lock:" in fdinfo. false: not about such a lock
 * (a lease, a line that is not understood). The second: not about flock(2). */
bool hf_lock_parse_any(const char *line, struct hf_lock_entry *record);
bool hf_lock_parse(const char *line, struct hf_lock_entry *record);

/* How the records name fd's file. false: /proc does not tell. */
bool hf_lock_id_of(int fd, struct hf_lock_id *id);

static inline bool hf_lock_id_equal(const struct hf_lock_id *a, const struct hf_lock_id *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

/* All of /proc/locks, or what of it is about flock(2). false, with errno: it cannot be read. */
struct hf_lock_entries {
	struct hf_lock_entry *at;
	size_t count;
};
bool hf_lock_entries_read_any(struct hf_lock_entries *records);
bool hf_lock_entries_read(struct hf_lock_entries *records);
void hf_lock_entries_free(struct hf_lock_entries *records);

/* Calls each() for every lock that a descriptor of pid holds, until it returns false. false: the
 * descriptors may not be looked at, or there is no such process (errno). The second: for flock(2)
 * only. */
typedef bool hf_lock_each(void *context, int fd, const struct hf_lock_entry *record);
bool hf_lock_held_by_any(pid_t pid, hf_lock_each *each, void *context);
bool hf_lock_held_by(pid_t pid, hf_lock_each *each, void *context);

/* A living process that holds a lock on fd's file, not this one; 0: none that may be seen. */
pid_t hf_lock_holder(int fd);

#endif
