/* SPDX-License-Identifier: ISC */
#ifndef HF_ATOMIC_H
#define HF_ATOMIC_H

/*
 * Atomic files: replace a file, or leave it as it is.
 *
 *	hf_atomic_begin()	open an unnamed file in the target's directory
 *	hf_atomic_lock()	optional: lock the target now, to read it first
 *	write to hf_atomic_fd()
 *	hf_atomic_prepare()	optional: do all of the commit that can be refused
 *	hf_atomic_commit()	put the new file in the target's place
 *	hf_atomic_end()		abort, unless the commit has succeeded, and free
 *
 * A call in another order fails with HF_BUG.
 *
 * At every instant, through SIGKILL, ENOSPC and a power cut, the target has the whole old or the
 * whole new content. HF_OK from the commit means that the new content is durable: the file is
 * synced before the target's name leads to it, and the directory afterwards. If only the directory
 * cannot be synced, the new content is visible but may not survive a power cut: HF_UNCERTAIN. If
 * the file cannot be synced, the new content is discarded and the old content kept.
 *
 * The commit checks that the new content is not empty, runs the validator, locks the target with
 * flock(2), finishes or removes what a killed appender left there, checks if_match and whether the
 * target may be replaced, and gives the new file the owner, mode and attributes of the old one. It
 * then renames the new file over the target. An absent target is created without replacing a file
 * that another process creates at the same time; the commit then starts again with that file.
 * Content that was made from the old content replaces only the very file from which it was made.
 *
 * Before the rename the new file has the temporary name ".holdfast.NAME.tmp" for a moment, or,
 * where the file system has no O_TMPFILE (NFS, FAT, some FUSE), ".holdfast.NAME.XXXXXXXX.tmp" from
 * the beginning. Its maker locks it. A process that is killed leaves at most this name, and the
 * next run removes it.
 *
 * Blocks: on holdfast tools and flock(2) users of the target, to the deadline of the wait, in the
 * commit or in hf_atomic_lock(). Readers never block. A validator is waited for without a limit.
 *
 * Signals: none are handled; a process that dies has aborted. EINTR is retried. Different
 * transactions may run in different threads; with a validator, only in single-threaded programs,
 * since the signals of the program are passed on to it. Not async-signal-safe. Not for a process
 * that has the target open through SQLite.
 *
 * Errors; in every case but the last the old content is kept:
 *
 *	HF_CANTCREAT	no such directory, or a read-only one
 *	HF_NOPERM	permission is missing
 *	HF_DATA		refused: not a regular file, several hard links, an empty result, a live
 *			SQLite database, or the validator refused
 *	HF_NO		if_match does not match
 *	HF_BUSY		the lock is not free, or the content was made from another file
 *	HF_USAGE	an ancestor of this process holds the lock
 *	HF_IO		an input or output error
 *	HF_UNCERTAIN	replaced, but the directory could not be synced
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/lock_wait.h>
#include <holdfast/path.h>

enum hf_sync {
	HF_SYNC_FULL, /* file and directory: durable */
	HF_SYNC_DATA, /* the file only: whole after a power cut, but perhaps the old content */
	HF_SYNC_NONE, /* no sync: atomic for readers, no promise for a power cut */
};

/* For a caller that records the steps of the commit: see hf_atomic_options.step. */
enum hf_atomic_step {
	HF_STEP_LINKED,	   /* the file has its temporary name, and is about to replace the target */
	HF_STEP_UNLINKING, /* that failed, and the temporary name is about to be removed */
};

struct hf_atomic; /* a transaction */

struct hf_atomic_options {
	struct hf_wait wait; /* for the target's lock */
	enum hf_sync sync;
	bool no_follow;	      /* replace a symbolic link itself */
	bool parents;	      /* make missing directories */
	bool allow_empty;     /* accept an empty result */
	bool break_links;     /* if the target has several hard links: replace this name only */
	bool skip_same;	      /* if the content is equal: HF_OK, and the target is not replaced */
	const char *mode;     /* as for chmod(1); NULL: the old file's mode, or 0666 & ~umask */
	const char *backup;   /* suffix: keep the old content as FILE+suffix; NULL: no backup */
	const char *if_match; /* SHA-256 of the content to replace, or "absent"; NULL: any */
	const char *validate; /* shell command that must accept the new file ($1); NULL: none */

	/* The temporary name is ".holdfast.NAME.SIDE", or has a number; NULL: "tmp". Only for a
	 * target that exists. */
	const char *side;
	/* Called during the commit; number is the one in the temporary name, or 0. An error at
	 * HF_STEP_LINKED aborts; an error at HF_STEP_UNLINKING leaves the temporary name for the
	 * next run. NULL: not called. */
	enum hf_status (*step)(void *context, enum hf_atomic_step step, uint32_t number,
			       struct hf_err *err);
	void *step_context;
};

/* Make a transaction: open the target's directory and a new file in it. path and options must stay
 * valid as long as *a. Free it with hf_atomic_end(). After a failure *a is NULL. */
enum hf_status hf_atomic_begin(struct hf_atomic **a, const char *path,
			       const struct hf_atomic_options *options, struct hf_err *err);

/* The same for a caller that has already locked the target: old (with *st) is its descriptor, or -1
 * (with NULL) if it is absent. Both, and target, stay the caller's, locked and open after the
 * commit. */
enum hf_status hf_atomic_begin_at(struct hf_atomic **a, const struct hf_target *target, int old,
				  const struct stat *st, const struct hf_atomic_options *options,
				  struct hf_err *err);

/* Take the target's lock now instead of in the commit (for read, change, replace).
 * hf_atomic_old() then returns it. HF_NOINPUT: the target is absent, and nothing is locked. */
enum hf_status hf_atomic_lock(struct hf_atomic *a, struct hf_err *err);

/* Do now all steps of the commit that need space or may be refused: the checks, the attributes, and
 * the sync of the content. The commit then only gives the new file its name. The target must be
 * locked, or found absent, already (hf_atomic_lock(), hf_atomic_begin_at()). After a failure the
 * transaction is over. */
enum hf_status hf_atomic_prepare(struct hf_atomic *a, struct hf_err *err);

/* Put the new file in place. HF_BUSY with errnum EEXIST: the target that hf_atomic_lock() or
 * hf_atomic_begin_at() found, or found absent, was replaced or created by a program that does not
 * lock it. The content was made from a file that is gone; begin again. Whatever is returned, the
 * transaction is over and everything is closed, except that after HF_OK and HF_UNCERTAIN
 * hf_atomic_fd() still reads the new content. */
enum hf_status hf_atomic_commit(struct hf_atomic *a, struct hf_err *err);

/* Abort, unless the commit has succeeded, and free *a, which may be NULL. Keep errno. */
void hf_atomic_end(struct hf_atomic *a);

/* Return the descriptor of the new file, or -1 after a failed prepare or commit. */
int hf_atomic_fd(const struct hf_atomic *a);

const struct hf_target *hf_atomic_target(const struct hf_atomic *a);

/* Return the descriptor of the locked target, or -1 if it is absent, a symbolic link or not locked
 * now. If st is not NULL, *st is the target's state. */
int hf_atomic_old(const struct hf_atomic *a, struct stat *st);

/* Return true if the target existed when it was last checked: in begin, lock or commit. */
bool hf_atomic_present(const struct hf_atomic *a);

/* Return true if the commit has put the new file in place; false if skip_same kept the target. */
bool hf_atomic_replaced(const struct hf_atomic *a);

/* Return the wait status of the validator that refused the new file, or 0. */
int hf_atomic_validator(const struct hf_atomic *a);

/* Return the new file's name in the target's directory, NAME_MAX + 1 bytes, or "". A caller that
 * gives the file another name, or keeps this one, sets it to ""; the transaction then removes no
 * name. */
char *hf_atomic_temporary(struct hf_atomic *a);

#endif
