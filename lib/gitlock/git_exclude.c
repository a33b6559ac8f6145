/* SPDX-License-Identifier: ISC */
#include "gitlock/git_exclude.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/access.h"
#include "base/copy.h"
#include "base/sys.h"
#include "gitlock/gitdir.h"
#include <holdfast/atomic.h>
#include <holdfast/clock.h>

enum { MAX_SIZE = 1 << 20 }; /* a larger info/exclude is left alone */

static bool path_is_below(const char *path, const char *top)
{
	size_t size = strcmp(top, "/") == 0 ? 0 : strlen(top);

	return strncmp(path, top, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

static bool has_control(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < ' ' || *path == 0x7f)
			return true;
	return false;
}

/* Write "/DIR/NAME" from the top of the worktree, escaped, and a newline. Return false if it is not
 * below the top, or too long. */
static bool format_line(char *out, size_t size, const char *top, const char *dir, const char *name)
{
	size_t skip = strcmp(top, "/") == 0 ? 0 : strlen(top), used = 0;
	char path[PATH_MAX];

	if (!path_is_below(dir, top) || !hf_gitdir_join(path, dir[skip] ? dir + skip : "/", name) ||
	    has_control(path))
		return false;
	for (const char *s = path; *s; s++) {
		if (used + 4 > size)
			return false;
		if (strchr("\\*?[", *s) || (*s == ' ' && !s[1]))
			out[used++] = '\\';
		out[used++] = *s;
	}
	out[used++] = '\n';
	out[used] = '\0';
	return true;
}

static bool has_line(const char *text, size_t size, const char *line)
{
	size_t n = strlen(line);

	for (const char *s = text; s && n <= size - (size_t)(s - text);) {
		if (memcmp(s, line, n) == 0)
			return true;
		s = memchr(s, '\n', size - (size_t)(s - text));
		if (s)
			s++;
	}
	return false;
}

static bool put(const struct hf_atomic *a, const char *text, size_t size)
{
	return hf_write_all(hf_atomic_fd(a), text, size, "", NULL) == HF_OK;
}

/* Write the old content and the line. Return false if the file has the line already, or
 * cannot be written. */
static bool add_line(struct hf_atomic *a, const char *line)
{
	enum hf_status status = hf_atomic_lock(a, NULL);
	void *old = NULL;
	size_t size = 0;
	bool done;

	if (status == HF_OK)
		status = hf_read_all(hf_atomic_old(a, NULL), MAX_SIZE, &old, &size, "", NULL);
	else if (status == HF_NOINPUT)
		status = HF_OK;
	done = status == HF_OK && !has_line(old, size, line) && put(a, old, size) &&
	       (size == 0 || ((char *)old)[size - 1] == '\n' || put(a, "\n", 1)) &&
	       put(a, line, strlen(line));
	free(old);
	return done;
}

static bool is_own(const struct stat *st)
{
	return hf_same_user(st->st_uid, geteuid()) || HF_WITHOUT(exclude_owner);
}

/* Open `name` as a directory, without following a link, except one that leads to dir itself. -1: it
 * is absent, or another user's. */
static int open_own(int dir, const char *name)
{
	int fd = sys_openat(dir, name,
			    O_RDONLY | O_DIRECTORY | O_CLOEXEC |
				    (dir == AT_FDCWD || HF_WITHOUT(exclude_link) ? 0 : O_NOFOLLOW),
			    0);
	struct stat st;

	if (fd >= 0 && sys_fstat(fd, &st) == 0 && is_own(&st))
		return fd;
	hf_close(fd);
	return -1;
}

/* Open the directory info/ of a repository that belongs to the caller; -1: it does not. */
static int open_info(const struct hf_gitdir *git)
{
	int common = open_own(AT_FDCWD, git->common), info = -1;
	struct stat st;

	if (common < 0)
		return -1;
	if (sys_fstatat(AT_FDCWD, git->worktree, &st, 0) == 0 && is_own(&st)) {
		(void)!sys_mkdirat(common, "info", 0777);
		info = open_own(common, "info");
	}
	sys_close(common);
	if (info < 0)
		return -1;
	if (sys_fstatat(info, "exclude", &st, AT_SYMLINK_NOFOLLOW) < 0
		    ? errno == ENOENT
		    : HF_WITHOUT(exclude_link) || (S_ISREG(st.st_mode) && is_own(&st)))
		return info;
	sys_close(info);
	return -1;
}

void hf_git_exclude(int dir, const char *name)
{
	struct hf_atomic_options options = {.wait = {.deadline = hf_deadline_in(HF_SECOND)},
					    .sync = HF_SYNC_DATA,
					    .no_follow = !HF_WITHOUT(exclude_link)};
	char path[PATH_MAX], line[PATH_MAX];
	struct hf_gitdir git;
	struct hf_atomic *a;
	int info;
	ssize_t n;

	snprintf(line, sizeof(line), "/proc/self/fd/%d", dir);
	n = sys_readlinkat(AT_FDCWD, line, path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = '\0';
	if (hf_gitdir_find(&git, path, NULL) != HF_OK || !git.worktree[0] ||
	    path_is_below(path, git.git) || path_is_below(path, git.common) ||
	    !format_line(line, sizeof(line), git.worktree, path, name))
		return;
	info = open_info(&git);
	if (info < 0)
		return;
	/* by the descriptor, since the path may lead elsewhere now; if another process creates the
	 * file first, its line is as good */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/exclude", info);
	if (hf_atomic_begin(&a, path, &options, NULL) == HF_OK) {
		if (add_line(a, line))
			hf_atomic_commit(a, NULL);
		hf_atomic_end(a);
	}
	sys_close(info);
}
