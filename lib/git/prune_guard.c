/* SPDX-License-Identifier: ISC */
#include "git/prune_guard.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gitlock/git_holders.h"
#include <holdfast/proc.h>
#include "git/object_batch.h"
#include "base/sys.h"

/* hours that a gc.pid of another host counts, as in Git */
enum { GC_HOURS = 12 };

bool hf_repo_has_all(const struct hf_repo *repo)
{
	for (size_t i = 0; i < repo->made_count; i++)
		if (!hf_object_is_loose(repo, repo->made[i]))
			return false;
	return true;
}

/* ---- is a prune running? -------------------------------------------------------------------- */

/* Return true if this Git has "prune" or "gc" among its arguments, or if they may not be read. */
static bool has_word(pid_t pid, const char *const words[])
{
	char path[32], line[4096];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	n = fd < 0 ? -1 : sys_read(fd, line, sizeof(line) - 1);
	if (fd >= 0)
		sys_close(fd);
	if (n < 0)
		return errno != ENOENT && errno != ESRCH;
	line[n] = '\0';
	for (const char *word = line; word < line + n; word += strlen(word) + 1)
		for (size_t i = 0; words[i]; i++)
			if (strcmp(word, words[i]) == 0)
				return true;
	return false;
}

/* Return true if the process is a Git: by its program, which is one system call, or by its name if
 * it is another user's. */
static bool is_git(int proc, const char *pid)
{
	char path[NAME_MAX + 8], exe[PATH_MAX], *name;
	struct hf_proc process;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/exe", pid);
	n = sys_readlinkat(proc, path, exe, sizeof(exe) - 1);
	if (n < 0)
		return errno != ENOENT && errno != ESRCH && hf_proc_read(atoi(pid), &process) &&
		       hf_git_is_name(process.name);
	exe[n] = '\0';
	name = strrchr(exe, '/');
	name = name ? name + 1 : exe;
	name[strcspn(name, " ")] = '\0'; /* "git (deleted)" */
	return hf_git_is_name(name);
}

static bool works_here(const struct hf_repo *repo, pid_t pid)
{
	struct hf_gitdir git;

	return hf_gitdir_find(&git, repo->gitdir, NULL) != HF_OK ||
	       !hf_git_works_elsewhere(&git, pid);
}

static bool git_is_running(const struct hf_repo *repo, const char *const words[], bool ancestors)
{
	struct dirent *entry;
	bool seen = false;
	DIR *dir = opendir("/proc");

	if (!dir)
		return false;
	while (!seen && (entry = readdir(dir)))
		seen = isdigit((unsigned char)entry->d_name[0]) &&
		       is_git(dirfd(dir), entry->d_name) && has_word(atoi(entry->d_name), words) &&
		       works_here(repo, atoi(entry->d_name)) &&
		       (ancestors || !hf_proc_is_ancestor(atoi(entry->d_name)));
	closedir(dir);
	return seen;
}

/* Return true if gc.pid, "PID HOST", names another host, or cannot be read. A process of this host
 * is seen in /proc, or dead. */
static bool gc_pid_names_host(const struct hf_repo *repo)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = sys_openat(repo->common, "gc.pid", flags, 0);
	char text[512] = "", host[256] = "", ours[256] = "";
	struct stat st;
	bool is;

	/* a link or a socket is none of Git's */
	if (fd < 0)
		return errno != ENOENT && errno != ELOOP && errno != ENXIO && errno != ENODEV;
	is = sys_fstat(fd, &st) < 0;
	if (!is && S_ISREG(st.st_mode)) {
		ssize_t n = sys_read(fd, text, sizeof(text) - 1);

		/* what cannot be read may name a host */
		is = n < 0 ||
		     (sscanf(text, "%*d %255s", host) == 1 &&
		      gethostname(ours, sizeof(ours) - 1) == 0 && strcmp(host, ours) != 0 &&
		      time(NULL) - st.st_mtime < (time_t)GC_HOURS * 3600);
	}
	sys_close(fd);
	return is;
}

bool hf_repo_is_pruned(const struct hf_repo *repo)
{
	static const char *const words[] = {"prune", "gc", NULL};

	return gc_pid_names_host(repo) || git_is_running(repo, words, true);
}

bool hf_keep_is_switched(const struct hf_repo *repo)
{
	static const char *const words[] = {"checkout", "switch",      "reset",	 "stash",  "rebase",
					    "merge",	"pull",	       "revert", "bisect", "am",
					    "cherry-pick", "read-tree", NULL};

	return git_is_running(repo, words, false);
}

/* ---- pack and report ------------------------------------------------------------------------ */

static enum hf_status fail_removed(const struct hf_repo *repo, struct hf_err *err)
{
	hf_fail(err, HF_BUSY,
		"cannot store objects in '%s': a 'git gc' or 'git prune' removes them",
		hf_repo_name(repo));
	hf_advise(err, "try again when it has ended");
	hf_advise(err, "with --prune=now or --expire=now, run it under: lock-run --git '%s'",
		  hf_repo_name(repo));
	return HF_BUSY;
}

/* Return true if this status can mean a missing object. An I/O error or lack of memory keeps its
 * status even if objects were removed in the meantime. */
static bool is_absence(enum hf_status status)
{
	return status == HF_DATA || status == HF_CANTCREAT || status == HF_NOINPUT;
}

enum hf_status hf_prune_pack(struct hf_repo *repo, struct hf_err *err)
{
	enum hf_status status = repo->ops->pack(repo, err);

	return is_absence(status) && !hf_repo_has_all(repo) ? fail_removed(repo, err) : status;
}

enum hf_status hf_prune_explain(const struct hf_repo *repo, enum hf_status status,
				struct hf_err *err)
{
	return is_absence(status) && hf_objects_vanished(repo) ? fail_removed(repo, err) : status;
}
