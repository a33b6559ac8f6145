/* SPDX-License-Identifier: ISC */
#include "wait/ancestor_locks.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/proc_text.h"

enum { MAX_ANCESTORS = 1000 }; /* a longer chain is a cycle of reused PIDs */

struct collect {
	struct hf_ancestor_locks *family;
	const struct hf_lock_entries *records;
	pid_t pid, keeper; /* the process whose locks are read, or for which they are kept */
	bool ok;
};

static bool collect(void *context, int fd, const struct hf_lock_entry *record)
{
	struct collect *c = context;
	const struct hf_ancestor_lock lock = {c->pid, c->keeper, fd, *record};

	c->ok = hf_array_append(&c->family->at, &c->family->count, &lock, sizeof(lock));
	return c->ok;
}

static void collect_from(struct collect *c, pid_t holder)
{
	if (hf_lock_held_by(holder, HF_FLOCK_ONLY, collect, c))
		return;
	c->family->hidden = true;
	for (size_t k = 0; c->records && k < c->records->count && c->ok; k++)
		if (!c->records->at[k].waits && c->records->at[k].pid == holder)
			collect(c, -1, &c->records->at[k]);
}

bool hf_ancestor_locks_read(struct hf_ancestor_locks *family, pid_t pid,
			    const struct hf_lock_entries *records, struct hf_keepers *keepers)
{
	struct collect c = {.family = family, .records = records, .pid = pid};
	struct hf_proc proc;

	*family = (struct hf_ancestor_locks){NULL, 0, false};
	c.ok = hf_proc_mounted();
	for (int i = 0; i < MAX_ANCESTORS && c.pid > 0 && c.ok; i++) {
		c.keeper = 0;
		collect_from(&c, c.pid);
		for (size_t k = 0; keepers && k < keepers->count && c.ok; k++) {
			if (keepers->at[k].owner != c.pid ||
			    !hf_keeper_is_believed(&keepers->at[k]))
				continue;
			c.keeper = keepers->at[k].pid;
			collect_from(&c, c.keeper);
		}
		c.pid = hf_proc_read(c.pid, &proc) ? proc.parent : 0;
	}
	if (!c.ok)
		hf_ancestor_locks_free(family);
	return c.ok;
}

void hf_ancestor_locks_free(struct hf_ancestor_locks *family)
{
	free(family->at);
	*family = (struct hf_ancestor_locks){NULL, 0, false};
}

/* Return true if this process has other threads than the waiting and the watching one. */
static bool has_threads(void)
{
	struct stat st;

	return stat("/proc/self/task", &st) == 0 && st.st_nlink > 2 + 2;
}

/* Return true if the entry is a lock on this file that conflicts. */
static bool conflicts_with(const struct hf_ancestor_lock *owner, const struct hf_lock_id *id,
			   bool exclusive)
{
	if (!hf_lock_id_equal(&owner->record.id, id) || !(owner->record.exclusive || exclusive))
		return false;
	return owner->pid != getpid() || owner->record.pid != owner->pid || !has_threads();
}

static const struct hf_ancestor_lock *find_eldest(const struct hf_ancestor_locks *family,
						  const struct hf_lock_id *id, bool exclusive,
						  bool kept_too)
{
	const struct hf_ancestor_lock *eldest = NULL;

	for (size_t i = 0; i < family->count; i++)
		if ((kept_too || !family->at[i].keeper) &&
		    conflicts_with(&family->at[i], id, exclusive))
			eldest = &family->at[i];
	return eldest;
}

const struct hf_ancestor_lock *hf_ancestor_lock_find(const struct hf_ancestor_locks *family,
						     const struct hf_lock_id *id, bool exclusive)
{
	return find_eldest(family, id, exclusive, true);
}

/* Read the first word of /proc/PID/name; "" if it cannot be read. */
static void read_word(pid_t pid, const char *name, char *out, size_t size)
{
	hf_proc_text(out, size, "/proc/%d/%s", (int)pid, name);
	out[strcspn(out, " \n")] = '\0';
}

/* Return true if SIGCHLD is blocked: a supervisor that reads its command's output keeps it for
 * later. */
static bool blocks_sigchld(pid_t pid)
{
	unsigned long long mask = 0;
	char text[16384], *line;

	hf_proc_text(text, sizeof(text), "/proc/%d/status", (int)pid);
	line = strstr(text, "\nSigBlk:");
	return line && sscanf(line, " SigBlk: %llx", &mask) == 1 && mask >> (SIGCHLD - 1) & 1;
}

/* Return true if the process waits for a child, in wait4, waitid, or like supervisors for SIGCHLD;
 * or if that is unknown. */
static bool awaits_child(pid_t pid)
{
	static const char *const places[] = {"do_wait", "do_sigtimedwait", "sigsuspend"};
	static const long calls[] = {SYS_wait4, SYS_waitid, SYS_rt_sigtimedwait, SYS_rt_sigsuspend};
	char word[64];

	if (blocks_sigchld(pid))
		return true;
	read_word(pid, "wchan", word, sizeof(word));
	if (word[0] && strcmp(word, "0") != 0) {
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
			if (strncmp(word, places[i], strlen(places[i])) == 0)
				return true;
		return false;
	}
	/* running, hidden, or a kernel without wchan names */
	read_word(pid, "syscall", word, sizeof(word));
	if (!word[0])
		return true;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (word[0] >= '0' && word[0] <= '9' && atol(word) == calls[i])
			return true;
	return false;
}

/* Return true if its descriptor is the same pipe as ours. */
static bool same_pipe(pid_t pid, int theirs, int ours)
{
	char path[48], a[64], b[64];
	ssize_t n, m;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, theirs);
	n = readlink(path, a, sizeof(a));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ours);
	m = readlink(path, b, sizeof(b));
	return n > 5 && n == m && memcmp(a, b, (size_t)n) == 0 && memcmp(a, "pipe:", 5) == 0;
}

/* Return true if it reads what we write, or writes what we read: then it may be waiting for us. */
static bool is_piped_to_us(pid_t pid)
{
	return same_pipe(pid, 0, 1) || same_pipe(pid, 0, 2) || same_pipe(pid, 1, 0) ||
	       same_pipe(pid, 2, 0);
}

/* Return true if this thread of pid has another living child, which does not wait for us. */
static bool thread_has_other_child(pid_t pid, const char *thread, pid_t child)
{
	char path[64];
	struct hf_proc proc;
	bool found = false;
	FILE *f;
	int other;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, thread);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fscanf(f, "%d", &other) == 1)
		found = other != child && hf_proc_read(other, &proc) && !hf_proc_is_zombie(&proc) &&
			!is_piped_to_us(other);
	fclose(f);
	return found;
}

/* Return true if the process has another child: a shell that waits for any child may wait for that
 * one. */
static bool has_other_child(pid_t pid, pid_t child)
{
	char path[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		found = entry->d_name[0] != '.' &&
			thread_has_other_child(pid, entry->d_name, child);
	closedir(dir);
	return found;
}

bool hf_ancestor_waits_for_us(pid_t ancestor)
{
	struct hf_proc proc = {.pid = getpid(), .parent = getppid()};

	for (int i = 0; i < MAX_ANCESTORS && proc.parent != ancestor; i++)
		if (proc.parent <= 0 || !hf_proc_read(proc.parent, &proc))
			break;
	return awaits_child(ancestor) && !has_other_child(ancestor, proc.pid);
}

const struct hf_ancestor_lock *hf_ancestor_self_deadlock(const struct hf_ancestor_locks *family,
							 const struct hf_lock_id *id,
							 bool exclusive)
{
	bool deadlocked = false;

	for (size_t i = 0; i < family->count && !deadlocked; i++)
		deadlocked = !family->at[i].keeper &&
			     conflicts_with(&family->at[i], id, exclusive) &&
			     (family->at[i].pid == getpid() ||
			      hf_ancestor_waits_for_us(family->at[i].pid));
	return deadlocked ? find_eldest(family, id, exclusive, false) : NULL;
}
