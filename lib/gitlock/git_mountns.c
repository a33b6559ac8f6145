/* SPDX-License-Identifier: ISC */
#include "gitlock/git_mountns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "stale/evidence.h"
#include <holdfast/path.h>

enum { MAX_LEVELS = 1000 };

enum found { NOTHING, ANOTHER, UNCLEAR };

struct ours {
	struct stat at[3];
	int count;
};

static int open_path_dir(int at, const char *path, int flags)
{
	return sys_openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC | flags, 0);
}

/* Only where inodes identify directories (gitlock/P3). */
static bool add_dir(struct ours *ours, const char *path)
{
	int fd = open_path_dir(AT_FDCWD, path, 0);
	bool ok = fd >= 0 && hf_inodes_identify(fd) && sys_fstat(fd, &ours->at[ours->count++]) == 0;

	hf_close(fd);
	return ok;
}

static bool open_own_dirs(struct ours *ours, const struct hf_gitdir *git)
{
	ours->count = 0;
	return add_dir(ours, git->git) && add_dir(ours, git->common) &&
	       (!git->worktree[0] || add_dir(ours, git->worktree));
}

/* Return true if the directory belongs to our repository (gitlock/P2). */
static bool is_own_dir(const struct ours *ours, const struct stat *st)
{
	for (int i = 0; i < ours->count; i++)
		if (hf_same_inode(&ours->at[i], st))
			return true;
	return false;
}

static bool has_entry(int dir, const char *name, mode_t type)
{
	struct stat st;

	return sys_fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (!type || (st.st_mode & S_IFMT) == type);
}

static bool lacks_entry(int dir, const char *name)
{
	return !has_entry(dir, name, 0) && errno == ENOENT;
}

/* Classify .git in this directory (gitlock/P1, gitlock/P4). */
static enum found classify_dir(int dir, const struct ours *ours)
{
	bool another;
	struct stat st;
	int git;

	if (lacks_entry(dir, ".git"))
		return lacks_entry(dir, "HEAD") ? NOTHING : UNCLEAR;
	git = open_path_dir(dir, ".git", O_NOFOLLOW);
	if (git < 0)
		return UNCLEAR;
	another = hf_inodes_identify(git) && sys_fstat(git, &st) == 0 && !is_own_dir(ours, &st) &&
		  has_entry(git, "HEAD", S_IFREG) && has_entry(git, "objects", S_IFDIR) &&
		  has_entry(git, "refs", S_IFDIR) && lacks_entry(git, "commondir");
	sys_close(git);
	return another ? ANOTHER : UNCLEAR;
}

/* Open the working directory. Return -1 if it was removed or may not be opened. */
static int open_cwd(pid_t pid)
{
	static const char removed[] = " (deleted)";
	char link[40], path[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	n = sys_readlinkat(AT_FDCWD, link, path, sizeof(path) - 1);
	if (n < 0)
		return -1;
	path[n] = '\0';
	if ((size_t)n >= strlen(removed) && strcmp(path + n - strlen(removed), removed) == 0)
		return -1;
	return open_path_dir(AT_FDCWD, link, 0);
}

bool hf_git_is_apart(const struct hf_gitdir *git, pid_t pid)
{
	enum found found = NOTHING;
	struct stat st, above;
	struct ours ours;
	int dir, parent;
	bool top = false;

	if (!open_own_dirs(&ours, git) || (dir = open_cwd(pid)) < 0)
		return false;
	for (int level = 0; !top && level < MAX_LEVELS; level++) {
		enum found here = classify_dir(dir, &ours);

		if (here == UNCLEAR || sys_fstat(dir, &st) < 0 || is_own_dir(&ours, &st))
			break;
		if (here == ANOTHER)
			found = ANOTHER;
		parent = open_path_dir(dir, "..", 0);
		if (parent < 0 || sys_fstat(parent, &above) < 0) {
			hf_close(parent);
			break;
		}
		sys_close(dir);
		dir = parent;
		top = hf_same_inode(&st, &above);
	}
	sys_close(dir);
	return top && found == ANOTHER;
}
