/* SPDX-License-Identifier: ISC */
#include "atomic/sqlite_live.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/proc.h>
#include "probe/sqlite_locks.h"
#include "base/sys.h"

enum {
	MIN_SIZE = 512, /* the smallest page, and no database is smaller than a page */
};

static bool is_database(int fd)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)];

	return sys_pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       memcmp(head, magic, sizeof(head)) == 0;
}

static bool has_beside(const struct hf_target *target, const char *suffix)
{
	char name[2 * NAME_MAX];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", target->name, suffix);
	return sys_fstatat(target->dir, name, &st, 0) == 0 && st.st_size > 0;
}

const char *hf_sqlite_beside(const struct hf_target *target)
{
	return has_beside(target, "-wal")	? "-wal"
	       : has_beside(target, "-journal") ? "-journal"
						: NULL;
}

/* Return true if /proc/PID/fd, at this path, has a descriptor of the file. */
static bool is_open_in(const char *path, const struct stat *st)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat open;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = fstatat(dirfd(dir), entry->d_name, &open, 0) == 0 &&
			hf_same_inode(&open, st);
	closedir(dir);
	return found;
}

/* Return a process other than this one that has the file open; 0: none that can be seen. */
static pid_t find_opener(const struct stat *st)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t pid, found = 0;
	char path[32];

	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = atoi(entry->d_name);
		snprintf(path, sizeof(path), "/proc/%d/fd", pid);
		if (pid != getpid() && is_open_in(path, st))
			found = pid;
	}
	closedir(dir);
	return found;
}

bool hf_sqlite_live(const struct hf_target *target, int fd, const struct stat *st, char *why,
		    size_t size)
{
	const char *beside;
	char opener[320];
	pid_t pid;

	if (st->st_size < MIN_SIZE || !is_database(fd))
		return false;
	beside = hf_sqlite_beside(target);
	if (beside) {
		snprintf(why, size, "its %s file has content", beside);
	} else if (hf_sqlite_is_locked(fd)) {
		snprintf(why, size, "it is locked");
	} else {
		pid = find_opener(st);
		if (!pid)
			return false;
		hf_proc_describe(opener, sizeof(opener), pid);
		snprintf(why, size, "%s has it open", opener);
	}
	return true;
}
