/* SPDX-License-Identifier: ISC */
#ifndef HF_PATH_H
#define HF_PATH_H

/*
 * Paths: from a user's path to the directory and the entry that will be changed.
 *
 * A file is replaced in its directory, and the directory must be synced. A target is therefore an
 * open directory and a name in it, resolved once. All later work is relative to that descriptor, so
 * renaming the directory does no harm.
 *
 * A symbolic link is followed to its end, as `>` does: the link stays and the file that it names is
 * replaced; the target of a dangling link is created; more than 40 links are a loop. The kernel's
 * rule for links in sticky directories (fs.protected_symlinks, proc(5)) is applied here too: in a
 * sticky directory in which others may write, a link is followed only if it belongs to the caller
 * or to the directory's owner.
 *
 * Side files: files that must be found after a crash are beside the target under the name
 * ".holdfast.NAME.WHAT"; a NAME that is too long is cut, and a hash is added. Such a name cannot be
 * a target: the next run on NAME would remove the file, or use it.
 *
 * Errors: HF_CANTCREAT: the directory does not exist, or a loop. HF_NOPERM. HF_DATA: a path that
 * cannot name a file ("", "dir/", ".", "..") or that names a side file. Nothing is created, except
 * with HF_TARGET_PARENTS; new directories are synced into their parents, the deepest last.
 * Thread-safe; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/err.h>

enum hf_target_flags {
	HF_TARGET_NO_FOLLOW = 1, /* the last component is the target even if it is a link */
	HF_TARGET_PARENTS = 2,	 /* create missing directories, 0777 & ~umask */
	HF_TARGET_NO_SYNC = 4,	 /* the directory need not be readable; it cannot be synced then */
	HF_TARGET_ANY_NAME = 8,	 /* no side file is made (a lock): accept side files' names too */
};

struct hf_target {
	int dir;		 /* O_DIRECTORY; O_RDONLY, or O_PATH with HF_TARGET_NO_SYNC */
	char name[NAME_MAX + 1]; /* the entry in it */
	const char *path;	 /* as the user wrote it, for messages; borrowed from the caller */
	unsigned int flags;	 /* those of hf_target_open() */
};

enum hf_status hf_target_open(struct hf_target *target, const char *path, unsigned int flags,
			      struct hf_err *err);
void hf_target_close(struct hf_target *target);

/* Check that the path still leads to the open directory, and to this name in it. HF_NO: it does
 * not; the directory was moved, removed or replaced, and the caller starts again with
 * hf_target_open(). The result is a snapshot. */
enum hf_status hf_target_verify_path(const struct hf_target *target, struct hf_err *err);

/* Return true if the target's directory was removed since it was opened. err then says so, with
 * HF_BUSY, since trying again can help. Otherwise errno does not change. */
bool hf_target_removed(const struct hf_target *target, struct hf_err *err);

/* Write ".holdfast.NAME.WHAT" to out; WHAT has at most 40 bytes. Return out. */
char *hf_target_side(const struct hf_target *target, const char *what, char out[NAME_MAX + 1]);

/* Make a directory that several users share, with the mode of `like` and, as far as permitted, its
 * owner and group. It has these before it has its name, so that a kill leaves none that only this
 * user can use. HF_OK: it exists, ours or another process's. HF_OS: errno is the reason. */
enum hf_status hf_shared_dir(int dir, const char *name, const struct stat *like);

/* Report an empty path. Return HF_USAGE. */
enum hf_status hf_path_empty(struct hf_err *err);

/* Return true if both are one inode. */
static inline bool hf_same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Return true if this name in dir, with no link followed, names the open file. It may change at any
 * time: lock what must not change. */
bool hf_names_inode(int dir, const char *name, int fd);

#endif
