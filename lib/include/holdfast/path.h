/* SPDX-License-Identifier: ISC */
#ifndef HF_PATH_H
#define HF_PATH_H

/*
 * Paths: from the name a user gave to the directory and the entry that will be changed.
 *
 * A file that is replaced is replaced in its directory, and the directory must be synced; so a
 * target is an open directory and a name in it, found once. All later work is relative to that
 * descriptor: renaming the directory meanwhile does no harm.
 *
 * A symbolic link is followed to its end, as `>` would follow it: the link stays and its target is
 * replaced; a dangling link's target is created; more than 40 links are a loop. The kernel's rule
 * for links in sticky directories (fs.protected_symlinks, proc(5)) is applied here too, since
 * following by hand would go around it: in a sticky directory that others can write to, a link is
 * followed only if it belongs to us or to the directory's owner.
 *
 * Side files: what a crash must find again lies beside the target under a name derived from it,
 * ".holdfast.NAME.WHAT"; a NAME too long for that is cut and marked with a hash. Such a name is no
 * target itself: the next run on NAME would remove the file, or take it for its own.
 *
 * Errors: HF_CANTCREAT no such directory, or a loop; HF_NOPERM; HF_DATA for a path that cannot name
 * a file ("", "dir/", ".", "..") or names a side file. Nothing is created except by
 * HF_TARGET_PARENTS, whose directories are synced into their parents, deepest last. Thread-safe;
 * not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <holdfast/err.h>

enum hf_target_flags {
	HF_TARGET_NO_FOLLOW = 1, /* the last component is the target even if it is a link */
	HF_TARGET_PARENTS = 2,	 /* create missing directories, 0777 & ~umask */
	HF_TARGET_NO_SYNC = 4,	 /* the directory need not be readable, and cannot be synced then */
	HF_TARGET_ANY_NAME = 8,	 /* nothing is put beside it (a lock): side files' names too */
};

struct hf_target {
	int dir;		 /* O_DIRECTORY; O_RDONLY, or O_PATH with HF_TARGET_NO_SYNC */
	char name[NAME_MAX + 1]; /* the entry in it */
	const char *path;	 /* as the user wrote it, for messages; borrowed from the caller */
	unsigned int flags;	 /* with which it was opened */
};

enum hf_status hf_target_open(struct hf_target *target, const char *path, unsigned int flags,
			      struct hf_err *err);
void hf_target_close(struct hf_target *target);

/* Does the path still lead to the directory that is open, and to this name in it? HF_NO: it does
 * not; the directory was moved, removed or replaced, and all begins again with hf_target_open(). An
 * instant's answer. */
enum hf_status hf_target_verify_path(const struct hf_target *target, struct hf_err *err);

/* Return true if the target's directory was removed since it was opened. Then err says so, with
 * HF_BUSY, since trying again can help. Otherwise errno is kept. */
bool hf_target_removed(const struct hf_target *target, struct hf_err *err);

/* ".holdfast.NAME.WHAT" into out; WHAT is at most 40 bytes. Returns out. */
char *hf_target_side(const struct hf_target *target, const char *what, char out[NAME_MAX + 1]);

/* A directory of several users, as `like` is: made with its mode and, as far as we may, its owner
 * and group, before it has its name, so that a kill leaves none that only we can use. HF_OK: there
 * is one, ours or another's. HF_OS: errno says why. */
enum hf_status hf_shared_dir(int dir, const char *name, const struct stat *like);

/* Refuse an empty path: HF_USAGE. */
enum hf_status hf_path_empty(struct hf_err *err);

/* Are these one inode? */
static inline bool hf_same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Does this name in dir, no link followed, stand for the open file? An instant's answer: lock what
 * must not change. */
bool hf_names_inode(int dir, const char *name, int fd);

#endif
