/* SPDX-License-Identifier: ISC */
#ifndef HF_CLAIM_H
#define HF_CLAIM_H

/*
 * Claiming a target: its lock, and then the question whether it may be replaced.
 *
 * What there is under the name is one of three things: nothing; a file, which is locked
 * (atomic/target_lock.h) and looked at (atomic/target_check.h); or, where links are not followed, a
 * symbolic link, which has no lock of its own. if_match is asked of the content that is locked, so
 * that between the answer and the replacement nobody who keeps to the lock can change it.
 *
 * Appends that a dead leader left are settled before that question (spool/append_recovery.h). If
 * they cannot be, for want of permission, a content that keeps nothing of the old one may replace
 * it all the same.
 *
 * Errors: those of the modules; HF_NO: it is not what if_match says. On any of them nothing is
 * held. Blocks to the wait's deadline. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/lock_wait.h>
#include <holdfast/path.h>

struct hf_target_rules {
	bool links;	      /* a symbolic link is replaced itself */
	bool hard_links;      /* a file with several names may be replaced */
	bool keeps_old;	      /* the new content is made from the old one */
	const char *backup;   /* suffix of a backup that is going to be made, or NULL */
	const char *if_match; /* SHA-256 or "absent"; NULL: any */
};

struct hf_target_claim {
	bool present;	/* there is something */
	bool is_link;	/* namely a symbolic link */
	int fd;		/* the file, locked; -1 otherwise */
	struct stat st; /* of what is present */
};

/* Can if_match be understood? */
enum hf_status hf_target_rules_check(const struct hf_target_rules *rules, struct hf_err *err);

/* Without locking: what is there, and is it of a kind that can be replaced? */
enum hf_status hf_target_claim_peek(struct hf_target_claim *claim, const struct hf_target *target,
				    const struct hf_target_rules *rules, struct hf_err *err);

enum hf_status hf_target_claim_acquire(struct hf_target_claim *claim,
				       const struct hf_target *target,
				       const struct hf_target_rules *rules,
				       const struct hf_wait *wait, struct hf_err *err);

/* The same for a target that the caller has locked, or found absent, in two steps. First settle
 * what a dead leader of appends left (spool/append_recovery.h). If that is not permitted,
 * HF_NOPERM, unless the new content keeps nothing of the old one. */
enum hf_status hf_claim_settle(const struct hf_target_claim *claim, const struct hf_target *target,
			       const struct hf_target_rules *rules, const struct hf_wait *wait,
			       struct hf_err *err);

/* Then answer the questions. */
enum hf_status hf_target_claim_check(const struct hf_target_claim *claim,
				     const struct hf_target *target,
				     const struct hf_target_rules *rules, struct hf_err *err);

#endif
