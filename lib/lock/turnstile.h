/* SPDX-License-Identifier: ISC */
#ifndef HF_TURNSTILE_H
#define HF_TURNSTILE_H

/*
 * A turnstile: an empty file beside a database, or in a repository, whose flock(2) is the queue of
 * all holdfast users that want to write there.
 *
 *	DB-turnstile			beside the database, whatever name led to it
 *	COMMON/holdfast/turnstile	in the directory that all worktrees share
 *
 * README.md has the rules lock/N1 to N6. Waiting is that of holdfast/lock_wait.h. A holder's death
 * frees it, unless a command that inherited it lives. Errors: HF_NOPERM and others: it cannot be
 * created or opened. Not thread-safe, like struct hf_lock.
 */

#include "lock/lock_kind.h"
#include <holdfast/path.h>

#define HF_SQLITE_TURNSTILE "-turnstile"
#define HF_GIT_TURNSTILE "/holdfast/turnstile"

/* Open the turnstile at->name in at->dir, or create it with the owner and mode of `like`, into
 * lock->fd and lock->st. at->path is for messages. like is the database, opened in any way; -1: it
 * is absent, and the mode is 0644 & ~umask. HF_NO: it may not be used (lock/N2); err has the
 * reason, with HF_NOPERM, or with HF_DATA if the owner is trusted. */
enum hf_status hf_turnstile_open(struct hf_lock *lock, const struct hf_target *at, int like,
				 struct hf_err *err);

/* The same, but do not create an absent one: HF_NOINPUT. */
enum hf_status hf_turnstile_find(struct hf_lock *lock, const struct hf_target *at, int like,
				 struct hf_err *err);

/* Give a notice with the text of err, once. For a caller that goes on after HF_NO. */
void hf_turnstile_ignored(const struct hf_err *err);

/* Return true if no process can hold the turnstile: it is absent, or may not be used (lock/N2). */
bool hf_turnstile_is_unusable(const struct hf_target *at, int like);

/* Take the turnstile: the take of a kind whose kind_data begins with the turnstile's struct
 * hf_target. Nothing is taken if lock->fd is -1 (lock/N6). A database's turnstile is not waited for
 * under a lock of a repository: HF_USAGE. HF_NO: the name names another inode now. */
enum hf_status hf_turnstile_take(struct hf_lock *lock, const struct hf_wait *wait,
				 struct hf_err *err);

/* Return HF_OK if this process may wait for the database `path`. HF_USAGE: it has inherited a
 * turnstile or frozen index of a repository, or, with asks_keepers, a keeper holds one for an
 * ancestor. That reads all sockets (keeper/keeper_list.h): do it before a wait, not for every
 * lock. */
enum hf_status hf_turnstile_check_order(const char *path, bool asks_keepers, struct hf_err *err);

/* The may_wait of a database: the same, with keepers, unless an ancestor holds the lock. */
enum hf_status hf_turnstile_may_wait(const struct hf_lock *lock, struct hf_err *err);

/* Unlock (lock/N5) and close. */
void hf_turnstile_release(struct hf_lock *lock);

#endif
