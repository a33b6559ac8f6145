/* SPDX-License-Identifier: ISC */
#ifndef HF_TARGET_CHECK_H
#define HF_TARGET_CHECK_H

/*
 * Claim a target: take its lock, recover unfinished appends, then check whether it may be
 * replaced.
 *
 *	hf_target_rules_check(), hf_target_peek(), hf_target_claim(), replace it
 *	with the caller's lock: hf_target_recover(), hf_target_check()
 *
 * The target is absent, a regular file, or, with links, a symbolic link. A file is locked
 * (target_lock.h), and refused if it must not be replaced (README.md). A symbolic link has no
 * lock. if_match is checked against the locked content. Errors: those of the modules; HF_DATA with
 * advice for a refusal; HF_NO if if_match does not match. After an error nothing is held. Only the
 * name of an unfinished backup (backup.h) is removed. Blocks to the deadline of the wait. A crash
 * releases the lock. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/lock_wait.h>
#include <holdfast/path.h>

struct hf_target_rules {
	bool links;	      /* replace a symbolic link itself */
	bool hard_links;      /* permit a file with several names */
	bool keeps_old;	      /* the new content is made from the old */
	const char *backup;   /* suffix of the backup to be made, or NULL */
	const char *if_match; /* SHA-256 or "absent"; NULL: any */
};

struct hf_target_claim {
	bool present;	/* the target exists */
	bool is_link;	/* it is a symbolic link */
	int fd;		/* the locked file, or -1 */
	struct stat st; /* of the target, if present */
};

/* Return HF_USAGE if if_match is malformed, or the backup's name cannot be a file name. */
enum hf_status hf_target_rules_check(const struct hf_target *target,
				     const struct hf_target_rules *rules, struct hf_err *err);

/* Find out, without a lock, whether the target exists and is of a kind that can be replaced. */
enum hf_status hf_target_peek(struct hf_target_claim *claim, const struct hf_target *target,
			      const struct hf_target_rules *rules, struct hf_err *err);

enum hf_status hf_target_claim(struct hf_target_claim *claim, const struct hf_target *target,
			       const struct hf_target_rules *rules, const struct hf_wait *wait,
			       struct hf_err *err);

/* The same in two steps, for a target that the caller has locked or found absent. First recover
 * what a dead leader of appends left (spool/append_recovery.h). If permission for that is missing,
 * return HF_NOPERM, unless the new content keeps nothing of the old one. */
enum hf_status hf_target_recover(const struct hf_target_claim *claim,
				 const struct hf_target *target,
				 const struct hf_target_rules *rules, const struct hf_wait *wait,
				 struct hf_err *err);

/* Then check the target. */
enum hf_status hf_target_check(const struct hf_target_claim *claim, const struct hf_target *target,
			       const struct hf_target_rules *rules, struct hf_err *err);

/* For the image of a database: refuse if a log of an earlier database is beside its name. SQLite
 * would read that log into the image. (If that database still exists, it is live, and
 * hf_target_check() refuses it.) */
enum hf_status hf_target_check_image(const struct hf_target *target, struct hf_err *err);

#endif
