/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_CLIENT_H
#define HF_KEEPER_CLIENT_H

/*
 * The client side of a keeper: ask it, renew or release its locks, and borrow them.
 *
 * lock-release and lock-renew name a keeper by its handle. lock-status asks a keeper by its PID. A
 * command that finds a lock taken asks for the keeper of an ancestor. README.md describes the
 * messages and the handle.
 *
 * A keeper that is stopped or busy may not answer. Then the functions return HF_BUSY after 10 s,
 * hf_keeper_ask() after 0.2 s; borrowing ends after 1 s for each keeper. Nothing changes except
 * what the keeper is asked to do. Interrupted calls are restarted. Thread-safe; not
 * async-signal-safe.
 */

#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/err.h>
#include "keeper/keeper_protocol.h"

struct hf_handle {
	pid_t pid;
	uint64_t start, pidns, nonce;
};
enum { HF_HANDLE_SIZE = 80 };

char *hf_handle_format(char out[HF_HANDLE_SIZE], const struct hf_handle *handle);

/* Return HF_USAGE if text is not a handle. */
enum hf_status hf_handle_parse(const char *text, struct hf_handle *handle, struct hf_err *err);

/* Ask the keeper with this PID for its state. HF_OK: *state is the answer. HF_NO: pid is not a
 * keeper of this PID and network namespace. HF_NOPERM: the keeper belongs to another user. HF_BUSY:
 * it does not answer. HF_DATA: it is of another version. */
enum hf_status hf_keeper_ask(pid_t pid, struct hf_keeper_answer *state, struct hf_err *err);

/* Read the next lock of an answer. Start with *at = 0. Return false after the last lock. */
struct hf_keeper_lock {
	const char *kind, *path; /* in *state; path is absolute */
	unsigned long long device, inode;
	bool exclusive, lent;
};
bool hf_keeper_next(const struct hf_keeper_answer *state, size_t *at, struct hf_keeper_lock *lock);

/*
 * Release all locks of the keeper, or restart its time to live (ttl in nanoseconds; 0: as before;
 * HF_NEVER: unlimited). HF_OK: done. HF_NO: the lock was lost earlier, because the keeper is gone
 * or another process took the lock from it. HF_USAGE: the keeper cannot have this time to live, or
 * did not give out this handle. HF_NOPERM: the keeper belongs to another user, or is in another PID
 * or network namespace. HF_BUSY: the keeper does not answer. HF_DATA: it is of another version.
 */
enum hf_status hf_keeper_release(const struct hf_handle *handle, struct hf_err *err);
enum hf_status hf_keeper_renew(const struct hf_handle *handle, int64_t ttl, struct hf_err *err);

/* Another process holds a lock on this inode. Return true if it is a keeper of this user whose
 * owner is an ancestor of this process, with the descriptors that it lends. The caller closes
 * them, and must prove that they hold the lock. Takes 20 to 40 microseconds if no keeper holds
 * the inode. */
struct hf_keeper_loan {
	pid_t keeper, owner;
	bool lends;		     /* it belongs to this user and has answered */
	int fds[HF_KEEPER_LENT_MAX]; /* owned by the caller */
	int count;
};
bool hf_keeper_borrow(const struct stat *inode, struct hf_keeper_loan *loan);

/* Do the same without borrowing: count is 0. A foreign keeper counts too, if it runs as root or as
 * the owner's user (keeper/Y2). */
bool hf_keeper_find(const struct stat *inode, struct hf_keeper_loan *loan);

#endif
