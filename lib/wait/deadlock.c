/* SPDX-License-Identifier: ISC */
#include "wait/deadlock.h"

#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc_text.h"
#include <holdfast/clock.h>

enum { NONE = -1, MAX_NAMED = 8, LOOK_MS = 500 };

/* The search goes from waiter to waiter; from[i] is the one before i, NONE while i is not
 * reached. Waiters are indices into records. */
struct search {
	const struct hf_lock_entries *records;
	struct hf_keepers *keepers;
	const struct hf_ancestor_locks *family; /* that of this process */
	int me;
	int *from, *queue;
	int64_t end;
};

static const struct hf_lock_entry *waiter(const struct search *s, int i)
{
	return &s->records->at[i];
}

/* Return the lock of this family for which the waiter waits. */
static const struct hf_ancestor_lock *find_in_family(const struct hf_ancestor_locks *family,
						     const struct hf_lock_entry *waits)
{
	return hf_ancestor_lock_find(family, &waits->id, waits->exclusive);
}

/* Reach every waiter that holds back waiter i. */
static void reach_waiters(struct search *s, int i, int *queued)
{
	const struct hf_lock_entry *w = waiter(s, i);
	struct hf_ancestor_locks family;

	for (int k = 0; k < (int)s->records->count && hf_now() < s->end; k++) {
		const struct hf_lock_entry *v = waiter(s, k);

		/* a process that waits for the same lock does not hold it */
		if (!v->waits || v->pid <= 0 || s->from[k] != NONE ||
		    hf_lock_id_equal(&v->id, &w->id))
			continue;
		if (!hf_ancestor_locks_read(&family, v->pid, s->records, s->keepers))
			continue;
		if (find_in_family(&family, w)) {
			s->from[k] = i;
			s->queue[(*queued)++] = k;
		}
		hf_ancestor_locks_free(&family);
	}
}

/* Return the last waiter of a cycle, which waits for this family; NONE: there is no cycle. */
static int find_cycle(struct search *s)
{
	int queued = 0;

	s->from[s->me] = s->me;
	s->queue[queued++] = s->me;
	for (int done = 0; done < queued; done++) {
		int i = s->queue[done];

		if (i != s->me && find_in_family(s->family, waiter(s, i)))
			return i;
		reach_waiters(s, i, &queued);
	}
	return NONE;
}

/* Return true if a process waits for this family. Usually none does, and no search is needed. */
static bool is_waited_for(const struct search *s)
{
	for (int i = 0; i < (int)s->records->count; i++)
		if (waiter(s, i)->waits && i != s->me && find_in_family(s->family, waiter(s, i)))
			return true;
	return false;
}

/* Return the entry in which pid waits for this lock. */
static int find_waiter(const struct hf_lock_entries *records, pid_t pid,
		       const struct hf_lock_id *id)
{
	for (int i = 0; i < (int)records->count; i++)
		if (records->at[i].waits && records->at[i].pid == pid &&
		    hf_lock_id_equal(&records->at[i].id, id))
			return i;
	return NONE;
}

/* Return true if all waiters of the cycle still wait (wait/C3): one that stopped may have been the
 * victim. */
static bool cycle_still_waits(const struct search *s, int last)
{
	struct hf_lock_entries now;
	bool closed = hf_lock_entries_read(&now, HF_FLOCK_ONLY);

	for (int i = last; closed && i != s->me; i = s->from[i])
		closed = find_waiter(&now, waiter(s, i)->pid, &waiter(s, i)->id) != NONE;
	hf_lock_entries_free(&now);
	return closed;
}

/* Return true if it is a waiter of this library, which can be a victim (wait/C2). */
static bool can_be_victim(pid_t pid)
{
	char path[32], name[32];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = hf_proc_text(name, sizeof(name), "/proc/%d/task/%s/comm", (int)pid,
				     entry->d_name) > 0 &&
			strcmp(name, HF_WATCH_NAME "\n") == 0;
	if (dir)
		closedir(dir);
	return found;
}

static bool is_younger(pid_t a, pid_t b)
{
	struct hf_proc p, q;

	if (!hf_proc_read(a, &p) || !hf_proc_read(b, &q))
		return false;
	return p.start != q.start ? p.start > q.start : a > b;
}

static bool is_victim(const struct search *s, int last)
{
	pid_t mine = waiter(s, s->me)->pid;

	for (int i = last; i != s->me; i = s->from[i])
		if (is_younger(waiter(s, i)->pid, mine) && can_be_victim(waiter(s, i)->pid))
			return false;
	return true;
}

/* Write the name by which pid has the file open, or "a lock". */
static void name_lock(char *out, size_t size, pid_t pid, const struct hf_lock_id *id)
{
	char path[64 + NAME_MAX], target[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	ssize_t n;

	snprintf(out, size, "another lock");
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, entry->d_name);
		if (stat(path, &st) < 0 || st.st_ino != id->inode)
			continue;
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		snprintf(out, size, "'%.200s'", target);
		break;
	}
	if (dir)
		closedir(dir);
}

/* Find the lock for which waiter w waits in the family of waiter v. */
static struct hf_ancestor_lock find_owner(const struct search *s, const struct hf_lock_entry *w,
					  pid_t v)
{
	struct hf_ancestor_lock owner = {.pid = v};
	const struct hf_ancestor_lock *found;
	struct hf_ancestor_locks family;

	if (hf_ancestor_locks_read(&family, v, s->records, s->keepers)) {
		found = find_in_family(&family, w);
		if (found)
			owner = *found;
		hf_ancestor_locks_free(&family);
	}
	return owner;
}

/* Describe one edge: which process holds the lock of waiter i, and for what it waits. */
static void describe_edge(const struct search *s, int i, int k, char *out, size_t size)
{
	const struct hf_lock_entry *v = waiter(s, k);
	struct hf_ancestor_lock owner = find_owner(s, waiter(s, i), v->pid);
	char who[300], lock[300], link[64] = "which";

	if (owner.pid != v->pid)
		snprintf(link, sizeof(link), "under %s PID %d",
			 owner.keeper ? "whose owner" : "which", (int)v->pid);
	else if (owner.keeper)
		snprintf(link, sizeof(link), "whose owner");
	name_lock(lock, sizeof(lock), v->pid, &v->id);
	snprintf(out, size, "%s,%s %s waits for %s, held by ",
		 hf_proc_name(who, sizeof(who), owner.keeper ? owner.keeper : owner.pid),
		 owner.keeper ? " a keeper," : "", link, lock);
}

/* Describe the last edge, which ends in this process's own family. */
static void describe_own_edge(const struct hf_ancestor_lock *own, char *out, size_t size)
{
	char who[300], keeper[300];

	if (own && own->keeper)
		snprintf(out, size, "%s, the keeper of %s%s",
			 hf_proc_name(keeper, sizeof(keeper), own->keeper),
			 own->pid == getpid() ? "this command"
					      : hf_proc_name(who, sizeof(who), own->pid),
			 own->pid == getpid() ? "" : ", this command's own ancestor");
	else if (own && own->pid != getpid())
		snprintf(out, size, "%s, this command's own ancestor",
			 hf_proc_name(who, sizeof(who), own->pid));
	else
		snprintf(out, size, "this command");
}

/* Describe the cycle. from[] leads from the last waiter back to this one, so it is reversed. */
static void describe_cycle(const struct search *s, int last, char *text, size_t size)
{
	int chain[MAX_NAMED], n = 0;
	size_t used;

	for (int i = last; i != s->me && n < MAX_NAMED; i = s->from[i])
		chain[n++] = i;
	used = (size_t)snprintf(text, size, "it is held by ");
	for (int k = n - 1, i = s->me; k >= 0 && used < size; i = chain[k--]) {
		describe_edge(s, i, chain[k], text + used, size - used);
		used += strlen(text + used);
	}
	if (used < size)
		describe_own_edge(find_in_family(s->family, waiter(s, last)), text + used,
				  size - used);
}

enum hf_deadlock hf_deadlock_find(int fd, const struct hf_lock_entries *records,
				  struct hf_keepers *keepers,
				  const struct hf_ancestor_locks *family, char *text, size_t size)
{
	struct search s = {.records = records,
			   .keepers = keepers,
			   .family = family,
			   .end = hf_now() + LOOK_MS * HF_MS};
	enum hf_deadlock result = HF_DEADLOCK_NONE;
	struct hf_lock_id id;
	int last = NONE;

	if (!hf_lock_id_of(fd, &id) || (s.me = find_waiter(records, getpid(), &id)) == NONE ||
	    !is_waited_for(&s))
		return HF_DEADLOCK_NONE;
	s.from = malloc(records->count * sizeof(*s.from));
	s.queue = malloc(records->count * sizeof(*s.queue));
	if (s.from && s.queue) {
		for (size_t i = 0; i < records->count; i++)
			s.from[i] = NONE;
		last = find_cycle(&s);
	}
	if (last != NONE)
		result = is_victim(&s, last) ? HF_DEADLOCK_VICTIM : HF_DEADLOCK_OTHER;
	if (result == HF_DEADLOCK_VICTIM && text)
		describe_cycle(&s, last, text, size);
	else if (result == HF_DEADLOCK_VICTIM && !cycle_still_waits(&s, last))
		result = HF_DEADLOCK_NONE;
	free(s.from);
	free(s.queue);
	return result;
}
