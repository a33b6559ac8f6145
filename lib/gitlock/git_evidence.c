/* SPDX-License-Identifier: ISC */
#include "gitlock/git_evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include <holdfast/clock.h>
#include <holdfast/path.h>

enum { HEAD_SIZE = 64 };

#define say(...) hf_evidence_say(__VA_ARGS__)
#define OURS "holdfast "

/* Decide if the file is holdfast's own lock (gitlock/G2). */
static bool judge_own_lock(const struct hf_stale_query *of, struct hf_evidence *e)
{
	char head[HEAD_SIZE] = "", who[HF_OWNER_SIZE];

	hf_lock_owner_read(of->fd, &e->record);
	if (sys_pread(of->fd, head, sizeof(head) - 1, 0) < 0)
		return false;
	if (e->record.form != HF_OWNER_HOLDFAST && strncmp(head, OURS, strlen(OURS)) != 0)
		return false;
	say(e, "it is holdfast's own, which every holder locks with flock(2)");
	if (hf_is_shared_fs(of->fd) && !of->alone) {
		say(e, "%s may still live: this is a network file system",
		    e->record.form == HF_OWNER_HOLDFAST
			    ? hf_evidence_owner(who, sizeof(who), &e->record)
			    : "its holder");
		return true;
	}
	say(e, "no process has it locked");
	e->verdict = HF_VERDICT_STALE;
	return true;
}

/* Read the PID in the note of the lock: "index~pid.lock" of "index.lock". Return 0 if there is
 * none. */
static pid_t read_pid_note(const struct hf_git_stale_query *git)
{
	char name[NAME_MAX + 8], text[32] = "";
	int size = (int)strlen(git->name) - (int)strlen(".lock"), pid = 0, fd;

	if (size <= 0)
		return 0;
	snprintf(name, sizeof(name), "%.*s~pid.lock", size, git->name);
	fd = sys_openat(git->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	if (sys_read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "pid %d", &pid) != 1)
		pid = 0;
	sys_close(fd);
	return pid;
}

/* Decide if a PID that the lock names is a living Git (gitlock/G3). */
static bool judge_pid(pid_t pid, const char *where, struct hf_evidence *e)
{
	struct hf_proc proc;
	char who[512];

	if (pid <= 0 || pid > HF_PID_MAX)
		return false;
	if (!hf_proc_read(pid, &proc) || hf_proc_is_zombie(&proc)) {
		say(e, "PID %d, which %s names, does not exist", (int)pid, where);
		return false;
	}
	if (!hf_git_is_name(proc.name)) {
		say(e, "PID %d, which %s names, is not a Git any more", (int)pid, where);
		return false;
	}
	say(e, "%s, which %s names, lives", hf_proc_describe(who, sizeof(who), pid), where);
	return hf_evidence_set_held(e, pid);
}

static bool judge_named_pids(const struct hf_git_stale_query *git, struct hf_evidence *e)
{
	int pid = 0;

	if (judge_pid(read_pid_note(git), "its note", e))
		return true;
	if (sscanf(git->name, "next-index-%d.lock", &pid) == 1 && judge_pid(pid, "its name", e))
		return true;
	/* Git does not write a PID into the lock: the process may be any program */
	return e->record.form == HF_OWNER_PID_ONLY && judge_pid(e->record.owner.pid, "it", e);
}

/* Return when the file was first seen; 0 if unknown (gitlock/U3). */
static uint64_t first_seen(const struct hf_git_seen *seen, const struct stat *st)
{
	struct stat known;

	if (!seen || seen->fd < 0 || sys_fstat(seen->fd, &known) < 0 || !hf_same_inode(&known, st))
		return 0;
	return seen->ticks;
}

/* Decide if a possible maker lives (gitlock/G5). *lost: only the age can decide. */
static bool judge_possible_makers(const struct hf_stale_query *of,
				  const struct hf_git_stale_query *git, struct hf_evidence *e,
				  bool *lost)
{
	struct hf_git_holder_query query = {.git = git->git,
					    .index = git->index,
					    .inheritable =
						    strcmp(git->name, "maintenance.lock") == 0};
	struct hf_git_holders holders;
	char who[512];

	if (sys_fstat(of->fd, &query.st) < 0) {
		*lost = true;
		return false;
	}
	query.seen = first_seen(git->seen, &query.st);
	hf_git_holders_find(&query, &holders);
	if (holders.other || holders.ancestor) {
		pid_t pid = holders.other ? holders.other : holders.ancestor;

		say(e, "%s, which could have made it, lives",
		    hf_proc_describe(who, sizeof(who), pid));
		return hf_evidence_set_held(e, pid);
	}
	if (holders.unseen)
		say(e, "PID %d could have made it, and may not be inspected", (int)holders.unseen);
	else if (holders.hurried)
		say(e, "there are too many processes to inspect");
	*lost |= holders.unseen || holders.hurried;
	return false;
}

/* Return true if the path no longer leads to the lock's directory, as when the repository was
 * found. */
static bool repository_moved(const struct hf_git_stale_query *git)
{
	char dir[PATH_MAX];
	struct stat named, open;
	const char *slash = strrchr(git->path, '/');
	int n = snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - git->path) : 0, git->path);

	return n <= 0 || n >= PATH_MAX || sys_fstatat(AT_FDCWD, dir, &named, 0) < 0 ||
	       sys_fstat(git->dir, &open) < 0 || !hf_same_inode(&named, &open);
}

/* Return true if no proof is possible, and say why (gitlock/G6, gitlock/G7). */
static bool cannot_prove(const struct hf_stale_query *of, const struct hf_git_stale_query *git,
			 struct hf_evidence *e)
{
	char head[4] = "";
	ssize_t n = sys_pread(of->fd, head, sizeof(head), 0);

	if (hf_is_shared_fs(of->fd))
		say(e, "its holder may be on another host: this is a network file system");
	else if (e->hidden)
		say(e, "not every process may be inspected from here");
	else if (repository_moved(git))
		say(e, "its repository was moved in the meantime");
	else if (git->index && n != 0 && memcmp(head, "DIRC", n > 0 && n < 4 ? (size_t)n : 4) != 0)
		say(e, "it is not what Git writes there");
	else
		return false;
	return true;
}

void hf_git_evidence_judge(const struct hf_stale_query *of, const struct hf_git_stale_query *git,
			   struct hf_evidence *e)
{
	bool lost = false;
	struct stat st;

	*e = (struct hf_evidence){.verdict = HF_VERDICT_UNKNOWN};
	if (sys_fstat(of->fd, &st) < 0) {
		say(e, "it cannot be inspected");
		return;
	}
	if (hf_evidence_by_flock(of, e) || judge_own_lock(of, e) || judge_named_pids(git, e) ||
	    hf_evidence_by_users(of, 0, false, e) || judge_possible_makers(of, git, e, &lost))
		return;
	if (lost || cannot_prove(of, git, e)) {
		if (of->alone && of->stale_after != HF_NEVER)
			hf_evidence_by_age(of, &st, e);
		return;
	}
	say(e, "no process that could have made it lives");
	e->verdict = HF_VERDICT_STALE;
}
