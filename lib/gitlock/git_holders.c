/* SPDX-License-Identifier: ISC */
#include "gitlock/git_holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "gitlock/git_mountns.h"
#include "stale/evidence.h"
#include <holdfast/clock.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>

enum { SEARCH_MS = 500 };

/* Where a process works, relative to the lock's repository. */
enum where { HERE, ELSEWHERE, UNSEEN };

struct search {
	const struct hf_git_holder_query *of;
	struct stat common, git;
	char worktree[PATH_MAX]; /* the configured worktree, or "" */
	bool unclear;		 /* the configuration includes other files */
	struct hf_git_holders *found;
};

bool hf_git_is_name(const char *name)
{
	if (name[0] == '.') /* the name of a wrapped program */
		name++;
	return strcmp(name, "git") == 0 || strncmp(name, "git-", 4) == 0 ||
	       strncmp(name, "git.", 4) == 0 || strcmp(name, "scalar") == 0;
}

static bool is_other_writer(const char *name)
{
	static const char *const names[] = {"java", "jgit", "jj", "gix", "ein", "gitui"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

uint64_t hf_git_ticks(void)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	return (uint64_t)up.tv_sec * ticks + (uint64_t)up.tv_nsec * ticks / 1000000000;
}

/* Return true if a user ID of the process is uid (gitlock/U2); false also if the process is gone.
 * IDs that the user namespace does not map compare equal here: they are unknown, and the process
 * could be the maker. */
static bool has_uid(pid_t pid, uid_t uid)
{
	char path[32], line[256];
	bool has = false, read = false;
	unsigned int id[4];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return errno != ENOENT && errno != ESRCH;
	while (!read && fgets(line, sizeof(line), f))
		read = sscanf(line, "Uid: %u %u %u %u", &id[0], &id[1], &id[2], &id[3]) == 4;
	fclose(f);
	for (int i = 0; read && i < 4; i++)
		has |= id[i] == uid;
	return has;
}

/* Return HERE unless the repository at this path, which the process names, is certainly another
 * one. */
static enum where locate_named_repository(const struct search *s, const char *path)
{
	struct hf_gitdir *theirs = malloc(sizeof(*theirs));
	enum where where = HERE;
	struct stat common, git;

	if (theirs && hf_gitdir_find(theirs, path, NULL) == HF_OK &&
	    sys_fstatat(AT_FDCWD, theirs->common, &common, 0) == 0 &&
	    sys_fstatat(AT_FDCWD, theirs->git, &git, 0) == 0 &&
	    (!hf_same_inode(&common, &s->common) ||
	     (s->of->index && !hf_same_inode(&git, &s->git))))
		where = ELSEWHERE;
	free(theirs);
	return where;
}

/* Call each() for the strings of /proc/PID/NAME, until it returns false. HERE: all were read. */
static enum where read_strings(pid_t pid, const char *name,
			       bool (*each)(void *context, const char *string), void *context)
{
	char path[40], *string = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT || errno == ESRCH ? ELSEWHERE : UNSEEN;
	errno = 0;
	while (getdelim(&string, &size, '\0', f) > 0)
		if (!each(context, string))
			break;
	free(string);
	if (ferror(f) && errno != ESRCH) {
		fclose(f);
		return UNSEEN;
	}
	fclose(f);
	return HERE;
}

/* The result of reading a process's environment and arguments. */
struct named {
	const struct search *s;
	enum where git_dir; /* HERE or ELSEWHERE; UNSEEN: nothing names a repository */
	bool mentions;	    /* an argument names our worktree or repository */
	bool takes_dir;	    /* the next argument belongs to --git-dir */
	bool by_option;	    /* --git-dir has set git_dir, so GIT_DIR does not count */
};

/* Note a repository that the process names. A relative path is resolved from the process's present
 * directory; that is the top of the intended worktree only for ".git". */
static void note_named_dir(struct named *w, const char *dir)
{
	if (dir[0] == '/')
		w->git_dir = locate_named_repository(w->s, dir);
	else if (strcmp(dir, ".git") != 0 && strcmp(dir, ".") != 0)
		w->git_dir = HERE;
}

static bool note_variable(void *context, const char *string)
{
	struct named *w = context;

	if (strncmp(string, "GIT_DIR=", 8) == 0 && !w->by_option)
		note_named_dir(w, string + 8);
	else if (strncmp(string, "GIT_COMMON_DIR=", 15) == 0 && w->git_dir == UNSEEN)
		note_named_dir(w, string + 15);
	else if (strncmp(string, "GIT_WORK_TREE=", 14) == 0 && w->git_dir == UNSEEN)
		w->git_dir = string[14] == '/' ? locate_named_repository(w->s, string + 14) : HERE;
	else if (strncmp(string, "GIT_CONFIG", 10) == 0 && strcasestr(string, "worktree"))
		w->git_dir = HERE;
	return true;
}

/* The last --git-dir counts, but a similar argument may belong to something else. */
static void note_git_dir_option(struct named *w, const char *dir)
{
	if (!w->by_option || w->git_dir != HERE)
		note_named_dir(w, dir);
	w->by_option = w->git_dir != UNSEEN;
}

static bool note_argument(void *context, const char *string)
{
	struct named *w = context;
	const struct hf_gitdir *git = w->s->of->git;

	if (w->takes_dir)
		note_git_dir_option(w, string);
	w->takes_dir = strcmp(string, "--git-dir") == 0;
	if (strncmp(string, "--git-dir=", 10) == 0)
		note_git_dir_option(w, string + 10);
	else if ((strncmp(string, "--work-tree", 11) == 0 ||
		  strncasecmp(string, "core.worktree", 13) == 0) &&
		 w->git_dir == UNSEEN)
		w->git_dir = HERE;
	w->mentions |=
		(git->worktree[0] && strstr(string, git->worktree)) || strstr(string, git->common);
	return true;
}

/* Return true if the process's paths mean the same files as ours. */
static bool shares_mounts(pid_t pid)
{
	char path[40];
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	if (stat(path, &theirs) < 0 || stat("/proc/self/ns/mnt", &ours) < 0 ||
	    !hf_same_inode(&theirs, &ours))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	return stat(path, &theirs) == 0 && stat("/", &ours) == 0 && hf_same_inode(&theirs, &ours);
}

static bool path_is_below(const char *path, const char *top)
{
	size_t size = strlen(top);

	return size > 1 && strncmp(path, top, size) == 0 && (!path[size] || path[size] == '/');
}

/* Open a regular file, or a link to one; NULL: it is not one. Opening a FIFO would block
 * indefinitely. */
static FILE *open_file(const char *path)
{
	int fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	struct stat st;
	FILE *f = NULL;

	if (fd >= 0 && sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f = fdopen(fd, "r");
	if (fd >= 0 && !f)
		sys_close(fd);
	return f;
}

/* Read core.worktree from one file, as far as possible without all of git-config(1). */
static void read_worktree_config(struct search *s, const char *dir, const char *name)
{
	char path[PATH_MAX], line[PATH_MAX];
	FILE *f;

	if (!hf_gitdir_join(path, dir, name) || !(f = open_file(path)))
		return;
	while (fgets(line, sizeof(line), f)) {
		char *at = line + strspn(line, " \t"), *end;

		s->unclear |= strncasecmp(at, "[include", 8) == 0;
		if (strncasecmp(at, "worktree", 8) != 0)
			continue;
		at += 8 + strspn(at + 8, " \t");
		if (*at++ != '=')
			continue;
		at += strspn(at, " \t\"");
		end = at + strcspn(at, "\"\r\n");
		while (end > at && end[-1] == ' ')
			end--;
		*end = '\0';
		s->unclear |=
			!hf_gitdir_join(path, s->of->git->git, at) || !realpath(path, s->worktree);
	}
	fclose(f);
}

/* Locate the working directory (gitlock/U4). *none: it is in no repository. */
static enum where locate_cwd(const struct search *s, pid_t pid, bool *none)
{
	char link[40], path[PATH_MAX];
	struct stat there, named;
	struct hf_gitdir *theirs;

	*none = false;
	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	if (stat(link, &there) < 0)
		return errno == ENOENT || errno == ESRCH ? ELSEWHERE : UNSEEN;
	/* a removed directory, or one of another mount namespace */
	if (!realpath(link, path) || stat(path, &named) < 0 || !hf_same_inode(&there, &named))
		return !s->worktree[0] && !s->unclear && hf_git_is_apart(s->of->git, pid)
			       ? ELSEWHERE
			       : HERE;
	if (path_is_below(path, s->worktree) ||
	    (path_is_below(path, s->of->git->worktree) && !s->of->index))
		return HERE;
	theirs = malloc(sizeof(*theirs));
	*none = theirs && hf_gitdir_find(theirs, path, NULL) != HF_OK;
	free(theirs);
	if (*none)
		return path_is_below(path, s->of->git->worktree) || s->unclear ? HERE : ELSEWHERE;
	return locate_named_repository(s, path);
}

static enum where locate_process(const struct search *s, pid_t pid, bool is_git)
{
	struct named w = {.s = s, .git_dir = UNSEEN};
	bool none;
	enum where where = locate_cwd(s, pid, &none), read;

	if (where == UNSEEN || (where == HERE && !none && !is_git))
		return where;
	read = read_strings(pid, "cmdline", note_argument, &w);
	if (read != HERE)
		return read;
	if (!is_git)
		return where == HERE || w.mentions ? HERE : ELSEWHERE;
	read = read_strings(pid, "environ", note_variable, &w);
	if (read != HERE)
		return read;
	if (w.git_dir == UNSEEN)
		return where;
	return shares_mounts(pid) ? w.git_dir : HERE;
}

/* Read the process. Return false if it is gone, or with *unseen set if it may not be read. */
static bool read_process(pid_t pid, struct hf_proc *proc, pid_t *unseen)
{
	if (hf_proc_read(pid, proc))
		return true;
	if (errno != ENOENT && errno != ESRCH)
		*unseen = pid;
	return false;
}

static void inspect_possible_maker(const struct search *s, pid_t pid)
{
	struct hf_proc proc, now;
	enum where where;
	pid_t shown;
	bool is_git;

	if (!read_process(pid, &proc, &s->found->unseen))
		return;
	is_git = hf_git_is_name(proc.name);
	if ((!is_git && !is_other_writer(proc.name)) || !has_uid(pid, s->of->st.st_uid) ||
	    (s->of->seen && proc.start > s->of->seen) || hf_proc_is_zombie(&proc) ||
	    (!s->of->inheritable && hf_evidence_is_later(&proc, &s->of->st)))
		return;
	shown = hf_proc_shown(pid);
	where = locate_process(s, shown, is_git);
	/* a process that exits during the inspection shows only half of itself */
	if (!read_process(pid, &now, &s->found->unseen) || now.start != proc.start ||
	    hf_proc_is_zombie(&now))
		return;
	/* a process whose main thread has exited shows nothing */
	if (hf_proc_shown(pid) != shown)
		where = UNSEEN;
	switch (where) {
	case HERE:
		if (hf_proc_is_ancestor(pid))
			s->found->ancestor = pid;
		else
			s->found->other = pid;
		break;
	case UNSEEN:
		s->found->unseen = pid;
		break;
	case ELSEWHERE:
		break;
	}
}

static bool begin_search(struct search *s)
{
	const struct hf_gitdir *git = s->of->git;

	if (sys_fstatat(AT_FDCWD, git->common, &s->common, 0) < 0 ||
	    sys_fstatat(AT_FDCWD, git->git, &s->git, 0) < 0)
		return false;
	read_worktree_config(s, git->common, "config");
	read_worktree_config(s, git->git, "config.worktree");
	return true;
}

bool hf_git_works_elsewhere(const struct hf_gitdir *git, pid_t pid)
{
	const struct hf_git_holder_query of = {.git = git};
	struct search s = {.of = &of};

	return begin_search(&s) && locate_process(&s, hf_proc_shown(pid), true) == ELSEWHERE;
}

void hf_git_holders_find(const struct hf_git_holder_query *of, struct hf_git_holders *holders)
{
	struct search s = {.of = of, .found = holders};
	int64_t end = hf_now() + SEARCH_MS * HF_MS;
	struct dirent *entry;
	DIR *proc;

	*holders = (struct hf_git_holders){.hurried = true};
	if (!begin_search(&s) || !(proc = opendir("/proc")))
		return;
	while (!holders->other && (entry = readdir(proc)) && hf_now() < end)
		if (isdigit((unsigned char)entry->d_name[0]) && atoi(entry->d_name) != getpid())
			inspect_possible_maker(&s, atoi(entry->d_name));
	holders->hurried = hf_now() >= end;
	closedir(proc);
}
