/* SPDX-License-Identifier: ISC */
#ifndef HF_ATOMIC_H
#define HF_ATOMIC_H

/*
 * Atomic files: replace a file, or leave it.
 *
 * At every instant, through SIGKILL, ENOSPC and a power cut, the target is the whole old or the
 * whole new content. HF_OK from the commit means that the new content is durable.
 *
 * Protocol, with the state after each step:
 *
 *	begin	open an unnamed file (O_TMPFILE) in the target's directory          BEGUN
 *	stage	the caller writes to fd                                             STAGED
 *	commit	is it empty, does the validator accept it?
 *		lock the target, settle what dead appenders left there, and ask
 *		whether it may be replaced (target_claim.h)                                LOCKED
 *		give the new file the old one's attributes, and fsync it;
 *		link it to the temporary name ".holdfast.NAME.tmp" (on btrfs this
 *		comes before the fsync)                                             LINKED
 *		rename it over the target; if it was made from the target's old
 *		content, exchange the two, so that it replaces that very file       RENAMED
 *		fsync the directory; close, which unlocks                           DONE
 *	abort	from any state but the last two: the file disappears with its descriptor
 *
 * A1  The content is durable before the target's name leads to it.
 * A2  The temporary name exists only while its maker holds flock on the temporary inode, which it
 *     takes before linking. Whoever finds the name and can lock that inode has found litter of a
 *     dead one, and removes it; so the next run leaves nothing behind.
 * A3  The target is replaced only under its own lock, after the recheck of its inode.
 * A4  An absent target is created by linking the unnamed file to it, which replaces nothing; on
 *     EEXIST the commit starts again with the target that is there now.
 * A5  HF_OK only after the directory's fsync. If that fails, the new content is visible but may
 *     not survive a power cut: HF_UNCERTAIN.
 * A6  A failed fsync of the file is final (the kernel marks the pages clean): the new content is
 *     discarded and the old kept.
 *
 * Where O_TMPFILE is not to be had (NFS, FAT, some FUSE), the file is staged under
 * ".holdfast.NAME.XXXXXXXX.tmp", flocked by its maker; begin looks through the directory for such
 * names that nobody locks and removes them.
 *
 * Blocks: only holdfast tools and flock users of the target itself, and only from LOCKED on; never
 * a reader. SIGKILL in LINKED leaves the temporary name until the next run; in RENAMED, nothing.
 * Signals: none are handled; dying is aborting. EINTR is retried. Thread-safe for different
 * transactions; with a validator, for single-threaded tools (atomic/validate.h). Not
 * async-signal-safe.
 *
 * Errors: HF_CANTCREAT no such directory, read-only; HF_NOPERM; HF_DATA refused (not a regular
 * file, hard links, an empty result, a live SQLite database, a validator's no); HF_NO if-match;
 * HF_BUSY the lock, or the target is another than when the content was made; HF_USAGE an ancestor
 * holds the lock; HF_IO; HF_UNCERTAIN. In every case but the last the old content stands.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include <holdfast/lock_wait.h>
#include <holdfast/path.h>

enum hf_sync {
	HF_SYNC_FULL, /* file and directory: durable */
	HF_SYNC_DATA, /* the file only: whole after a power cut, but perhaps the old one */
	HF_SYNC_NONE, /* no sync: atomic for readers, nothing promised for a power cut */
};

/* For who keeps a record of the transaction's course: see hf_atomic_options.step. */
enum hf_atomic_step {
	HF_STEP_LINKED, /* it has its temporary name, and is about to be renamed over the target */
	HF_STEP_UNLINKING, /* that failed, and the temporary name is about to be taken away */
};

struct hf_atomic_options {
	struct hf_wait wait; /* for the target's lock */
	enum hf_sync sync;
	bool no_follow;	      /* replace a symbolic link itself */
	bool parents;	      /* make missing directories */
	bool allow_empty;     /* an empty result is meant */
	bool break_links;     /* a target with several hard links: replace this name only */
	bool skip_same;	      /* an equal content is left alone: HF_OK, nothing is replaced */
	const char *mode;     /* chmod(1)'s notation, or NULL: the old one's, or 0666 & ~umask */
	const char *backup;   /* suffix: the old content stays as FILE+suffix; NULL: none */
	const char *if_match; /* SHA-256 of the content to be replaced, or "absent"; NULL: any */
	const char *validate; /* shell command that must accept the staged file ($1); NULL: none */

	/* The temporary name is ".holdfast.NAME.SIDE", or has a number (base/side_file.h); NULL:
	 * "tmp". Only for a target that exists. */
	const char *side;
	/* Called in the course of the commit. An error at LINKED aborts; one at UNLINKING leaves
	 * the temporary name to be found by the next one. NULL: not called. */
	enum hf_status (*step)(void *context, enum hf_atomic_step step, struct hf_err *err);
	void *step_context;
};

struct hf_atomic {
	struct hf_target target;
	const struct hf_atomic_options *options;
	int fd;		  /* the new file; -1 when none is open */
	int old;	  /* the target, locked; -1 before LOCKED, or when it is absent */
	struct stat st;	  /* of old */
	bool present;	  /* there is a target */
	bool is_link;	  /* namely a symbolic link, which is itself replaced */
	bool borrowed;	  /* target and old are the caller's */
	bool early;	  /* the target was found, or found absent, before the content was made */
	bool made_absent; /* created for an absent target: mode 0666 & ~umask, default ACL */
	bool syncs_late;  /* the sync of A1 is due when it has its temporary name */
	bool prepared;	  /* checked, with its attributes, and synced, before the commit */
	bool replaced;	  /* after a commit: false when skip_same left it alone */
	int validator;	  /* wait status of a validator that refused, or 0 */
	char temporary[NAME_MAX + 1]; /* the name it has in the directory, or "" */
	uint32_t number;	      /* with step: of that name (base/side_file.h) */
};

/* Open the target's directory and a new file in it. path and options must live as long as *a. */
enum hf_status hf_atomic_begin(struct hf_atomic *a, const char *path,
			       const struct hf_atomic_options *options, struct hf_err *err);

/* The same for one who has found and locked the target already: old (with *st) is its descriptor,
 * -1 (with NULL) an absent one. Both, and target, stay the caller's, locked and open after the
 * commit. */
enum hf_status hf_atomic_begin_at(struct hf_atomic *a, const struct hf_target *target, int old,
				  const struct stat *st, const struct hf_atomic_options *options,
				  struct hf_err *err);

/* Take the target's lock now instead of at the commit (for read, change, replace). HF_NOINPUT: the
 * target is absent, and nothing is locked. a->old and a->st then describe it. */
enum hf_status hf_atomic_lock(struct hf_atomic *a, struct hf_err *err);

/* Do now, of the commit, all that needs space or may be refused: the checks, the attributes, and
 * the sync of the content. The commit then only gives the new file its name. For a target that is
 * locked, or found absent, already (hf_atomic_lock(), hf_atomic_begin_at()); on failure the
 * transaction is over. */
enum hf_status hf_atomic_prepare(struct hf_atomic *a, struct hf_err *err);

/* Put the new file in place. Where hf_atomic_lock() or hf_atomic_begin_at() found the target absent
 * and it is there now, or what they found has been replaced by somebody who does not lock it:
 * HF_BUSY with errnum EEXIST. The content was made from what is no more; begin again.
 * Whatever it returns, the transaction is over and everything closed, but a->fd, which after HF_OK
 * and HF_UNCERTAIN still reads the new content and is closed by hf_atomic_end(). */
enum hf_status hf_atomic_commit(struct hf_atomic *a, struct hf_err *err);

/* Abandon it (in any state), or after a commit release what is left. Idempotent; keeps errno. */
void hf_atomic_end(struct hf_atomic *a);

#endif
