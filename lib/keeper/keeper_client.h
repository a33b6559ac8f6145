/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_ASK_H
#define HF_KEEPER_ASK_H

/*
 * Asking a keeper: the side of lock-release and lock-renew, of whoever tells who holds what, and of
 * the commands that run under what is kept (keeperd/keeper_start.h has the protocol).
 *
 * A handle says which process the keeper is, and proves that one was given it:
 *
 *	k1-PID-START-PIDNS-NONCE	k1-4711-123456-4026531836-9f86d081884c7d65
 *
 * PID and start time name one process of this boot, so a handle that is older reaches nobody; the
 * nonce is asked by the keeper itself. It is not secret from the user's own processes.
 *
 * A keeper that is stopped, or that is busy giving back, may not answer: then it is HF_BUSY after
 * 10 s at most; for borrowing after 1 s, for a look after 0.2 s. Where many ask at once one waits
 * for one's turn as long. Nothing is changed here but what a keeper is asked to do. Signals restart
 * what they interrupt. Thread-safe; not async-signal-safe.
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

/* HF_USAGE: it is none. */
enum hf_status hf_handle_parse(const char *text, struct hf_handle *handle, struct hf_err *err);

/* HF_OK: *state is what it keeps. HF_NO: pid is no keeper, or none of this PID or network
 * namespace. HF_NOPERM: it is another user's. HF_BUSY: it does not answer. */
enum hf_status hf_keeper_ask(pid_t pid, struct hf_keeper_answer *state, struct hf_err *err);

/* What is kept, one after the other; *at begins as 0. false: that was the last. */
struct hf_keeper_lock {
	const char *kind, *path; /* in *state; path is absolute */
	unsigned long long device, inode;
	bool exclusive, lent;
};
bool hf_keeper_next(const struct hf_keeper_answer *state, size_t *at, struct hf_keeper_lock *lock);

/* HF_OK: it did so. HF_NO: the lock was lost before: the keeper is gone, or what it kept was taken
 * from it. HF_USAGE: a time to live that it cannot have, or a handle that it did not give.
 * HF_NOPERM: it is another user's, or in another PID or network namespace. HF_BUSY. */
enum hf_status hf_keeper_release(const struct hf_handle *handle, struct hf_err *err);
enum hf_status hf_keeper_renew(const struct hf_handle *handle, int64_t ttl, struct hf_err *err);

/*
 * Somebody has this inode locked: is it a keeper, of this user, whose owner is an ancestor of this
 * process? Two or three dozen microseconds where there is none.
 */
struct hf_keeper_loan {
	pid_t keeper, owner;
	bool lends; /* it is of this user, and has answered */
	int fds[HF_KEEPER_LENT_MAX]; /* the caller's; what they hold is to be proved */
	int count;
};
bool hf_keeper_borrow(const struct stat *inode, struct hf_keeper_loan *loan);

/* The same, and nothing is lent: count is 0. A foreign user's counts here, if he is root or the
 * owner's own user. */
bool hf_keeper_find(const struct stat *inode, struct hf_keeper_loan *loan);

#endif
