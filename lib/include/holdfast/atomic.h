/* SPDX-License-Identifier: ISC */
#ifndef HF_ATOMIC_H
#define HF_ATOMIC_H

/*
 * Atomic files: replace a file, or leave it as it is.
 *
 *	hf_atomic_begin()	open an unnamed file in the target's directory
 *	hf_atomic_lock()	optional: lock the target now, to read it first
 *	write to a->fd
 *	hf_atomic_prepare()	optional: do all of the commit that can be refused
 *	hf_atomic_commit()	put the new file in the target's place
 *	hf_atomic_end()		close a->fd after the commit, or abort in any state
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
	/* Called during the commit. An error at HF_STEP_LINKED aborts; an error at
	 * HF_STEP_UNLINKING leaves the temporary name for the next run. NULL: not called. */
	enum hf_status (*step)(void *context, enum hf_atomic_step step, struct hf_err *err);
	void *step_context;
};

struct hf_atomic {
	struct hf_target target;
	const struct hf_atomic_options *options;
	int fd;		  /* the new file; -1 if none is open */
	int old;	  /* the locked target; -1 before the lock, or if it is absent */
	struct stat st;	  /* of old */
	bool present;	  /* the target exists */
	bool is_link;	  /* it is a symbolic link, which is itself replaced */
	bool borrowed;	  /* target and old belong to the caller */
	bool early;	  /* the target was found, or found absent, before the content was made */
	bool made_absent; /* created for an absent target: mode 0666 & ~umask, default ACL */
	bool syncs_late;  /* to be synced when it has its temporary name (btrfs) */
	bool prepared;	  /* checked, with its attributes, and synced, before the commit */
	bool replaced;	  /* after a commit: false if skip_same kept the target */
	int validator;	  /* wait status of a validator that refused, or 0 */
	char temporary[NAME_MAX + 1]; /* its name in the directory, or "" */
	uint32_t number;	      /* with step: the number in that name */
};

/* Open the target's directory and a new file in it. path and options must stay valid as long as *a.
 */
enum hf_status hf_atomic_begin(struct hf_atomic *a, const char *path,
			       const struct hf_atomic_options *options, struct hf_err *err);

/* The same for a caller that has already locked the target: old (with *st) is its descriptor, or -1
 * (with NULL) if it is absent. Both, and target, stay the caller's, locked and open after the
 * commit. */
enum hf_status hf_atomic_begin_at(struct hf_atomic *a, const struct hf_target *target, int old,
				  const struct stat *st, const struct hf_atomic_options *options,
				  struct hf_err *err);

/* Take the target's lock now instead of in the commit (for read, change, replace). a->old and a->st
 * then describe it. HF_NOINPUT: the target is absent, and nothing is locked. */
enum hf_status hf_atomic_lock(struct hf_atomic *a, struct hf_err *err);

/* Do now all steps of the commit that need space or may be refused: the checks, the attributes, and
 * the sync of the content. The commit then only gives the new file its name. The target must be
 * locked, or found absent, already (hf_atomic_lock(), hf_atomic_begin_at()). After a failure the
 * transaction is over. */
enum hf_status hf_atomic_prepare(struct hf_atomic *a, struct hf_err *err);

/* Put the new file in place. HF_BUSY with errnum EEXIST: the target that hf_atomic_lock() or
 * hf_atomic_begin_at() found, or found absent, was replaced or created by a program that does not
 * lock it. The content was made from a file that is gone; begin again. Whatever is returned, the
 * transaction is over and everything is closed except a->fd. After HF_OK and HF_UNCERTAIN it still
 * reads the new content, and hf_atomic_end() closes it. */
enum hf_status hf_atomic_commit(struct hf_atomic *a, struct hf_err *err);

/* Abort (in any state), or release what a commit has kept. Idempotent; keeps errno. */
void hf_atomic_end(struct hf_atomic *a);

#endif
