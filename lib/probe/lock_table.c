/* SPDX-License-Identifier: ISC */
#include "probe/lock_table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include <holdfast/path.h>
#include <holdfast/proc.h>

/* The scan of one process. */
struct look {
	struct hf_lock_table *table;
	pid_t pid;
	bool ok;
};

struct hf_locked_file *hf_lock_table_find(const struct hf_lock_table *table,
					  const struct hf_lock_id *id, enum hf_lock_type type)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->at[i].type == type && hf_lock_id_equal(&table->at[i].id, id))
			return &table->at[i];
	return NULL;
}

/* Return the row for this lock entry, which is added if it is new; NULL if out of memory. */
static struct hf_locked_file *find_or_add_row(struct hf_lock_table *table,
					      const struct hf_lock_entry *record)
{
	struct hf_locked_file *locked = hf_lock_table_find(table, &record->id, record->type);

	if (locked)
		return locked;
	locked = hf_array_add(&table->at, &table->count, sizeof(*locked));
	if (locked)
		*locked = (struct hf_locked_file){.id = record->id, .type = record->type};
	return locked;
}

static bool add_holder(struct hf_locked_file *locked, pid_t pid, int fd, enum hf_via via,
		       const struct hf_lock_entry *record)
{
	const struct hf_lock_table_holder holder = {pid, fd, via, *record};

	return hf_array_append(&locked->holders, &locked->holder_count, &holder, sizeof(holder));
}

static bool add_waiter(struct hf_locked_file *locked, const struct hf_lock_entry *record)
{
	const struct hf_lock_table_holder waiter = {record->pid, -1, HF_VIA_REPORTED, *record};

	return hf_array_append(&locked->waiters, &locked->waiter_count, &waiter, sizeof(waiter));
}

/* Return true if the two entries describe one lock. */
static bool same_lock(const struct hf_lock_entry *a, const struct hf_lock_entry *b)
{
	return a->type == b->type && a->pid == b->pid && a->exclusive == b->exclusive &&
	       a->start == b->start && a->last == b->last && hf_lock_id_equal(&a->id, &b->id);
}

/* /proc shows a file that was created without a name, such as a dotlock's, as "/dir/#INODE", also
 * after it has a name. Search that directory for the name. */
static bool find_name(char path[PATH_MAX], const struct stat *file)
{
	enum { MAX_NAMES = 10000 };
	char *name = strrchr(path, '/');
	bool found = false;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (!name || name[1] != '#' || !file->st_nlink)
		return false;
	*++name = '\0';
	dir = opendir(path);
	for (int i = 0; dir && !found && i < MAX_NAMES && (entry = readdir(dir)); i++)
		found = entry->d_ino == file->st_ino &&
			(size_t)(name - path) + strlen(entry->d_name) < PATH_MAX &&
			fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			hf_same_inode(&st, file) && strcpy(name, entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* Set the path of the file as the holder's mount namespace names it. */
static void find_path(struct hf_locked_file *locked, pid_t pid, int fd)
{
	static const char gone[] = " (deleted)";
	const size_t more = sizeof(gone) - 1;
	char link[48], path[PATH_MAX + sizeof(gone)];
	struct stat open, named;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || stat(link, &open) < 0)
		return;
	path[n] = '\0';
	if (stat(path, &named) < 0 || !hf_same_inode(&open, &named)) {
		if ((size_t)n > more && strcmp(path + (size_t)n - more, gone) == 0)
			path[(size_t)n - more] = '\0';
		locked->deleted = !find_name(path, &open);
	}
	locked->path = strdup(path);
}

/* Add the process as a holder (probe/T1). With two descriptors of one lock it is one holder. */
static bool see_holder(void *context, int fd, const struct hf_lock_entry *record)
{
	struct look *look = context;
	struct hf_locked_file *locked = find_or_add_row(look->table, record);

	look->ok = locked;
	if (!locked)
		return false;
	if (look->pid == getpid()) {
		locked->own = true;
		return true;
	}
	for (size_t i = locked->holder_count; i-- > 0;)
		if (locked->holders[i].pid == look->pid &&
		    same_lock(&locked->holders[i].record, record))
			return true;
	look->ok = add_holder(locked, look->pid, fd,
			      record->pid == look->pid || record->type == HF_LOCK_POSIX
				      ? HF_VIA_TAKEN
				      : HF_VIA_INHERITED,
			      record);
	if (look->ok && !locked->path)
		find_path(locked, look->pid, fd);
	return look->ok;
}

/* Read the descriptors of all processes. */
static bool scan_processes(struct hf_lock_table *table)
{
	struct look look = {.table = table, .ok = true};
	DIR *dir = opendir("/proc");
	struct dirent *name;

	if (!dir)
		return false;
	while (look.ok && (name = readdir(dir))) {
		look.pid = atoi(name->d_name);
		if (look.pid <= 0)
			continue;
		if (!hf_lock_held_by(look.pid, HF_ALL_LOCKS, see_holder, &look) &&
		    errno != ENOENT && errno != ESRCH)
			table->hidden = true;
	}
	closedir(dir);
	return look.ok;
}

static bool is_explained(const struct hf_lock_table *table, const struct hf_lock_entry *record)
{
	const struct hf_locked_file *locked = hf_lock_table_find(table, &record->id, record->type);

	if (!locked)
		return false;
	for (size_t i = 0; i < locked->holder_count; i++)
		if (same_lock(&locked->holders[i].record, record))
			return true;
	/* the lock is this process's, and no other process inherited it */
	return locked->own && record->pid == getpid();
}

static bool is_listed(const struct hf_lock_entries *records, const struct hf_lock_entry *record)
{
	for (size_t i = 0; i < records->count; i++)
		if (!records->at[i].waits && same_lock(&records->at[i], record))
			return true;
	return false;
}

/* Return true if a process that may not be inspected exists. hidepid hides it from /proc. */
static bool process_exists(pid_t pid)
{
	struct hf_proc proc;

	if (hf_proc_read(pid, &proc))
		return !hf_proc_is_zombie(&proc);
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* Add a holder for a lock that no descriptor explains (probe/T2). */
static bool explain_entry(struct hf_lock_table *table, const struct hf_lock_entry *record)
{
	struct look look = {.table = table, .pid = record->pid, .ok = true};
	bool reported = false;
	struct hf_locked_file *locked;

	if (record->pid > 0 && !hf_lock_held_by(record->pid, HF_ALL_LOCKS, see_holder, &look)) {
		table->hidden = true;
		reported = process_exists(record->pid);
	}
	/* the taker may have taken the lock again since it was inspected */
	if (!look.ok || is_explained(table, record))
		return look.ok;
	locked = find_or_add_row(table, record);
	return locked && add_holder(locked, reported ? record->pid : 0, -1,
				    reported ? HF_VIA_REPORTED : HF_VIA_UNSEEN, record);
}

/* Add the waiters, and the locks that were listed before and after the scan (probe/T3). */
static bool explain_rest(struct hf_lock_table *table, const struct hf_lock_entries *before)
{
	struct hf_lock_entries after = {NULL, 0};
	bool read = false, ok = true;

	for (size_t i = 0; i < before->count && ok; i++) {
		const struct hf_lock_entry *record = &before->at[i];
		struct hf_locked_file *locked;

		if (record->waits) {
			locked = find_or_add_row(table, record);
			ok = locked && add_waiter(locked, record);
			continue;
		}
		if (is_explained(table, record))
			continue;
		if (!read)
			read = ok = hf_lock_entries_read(&after, HF_ALL_LOCKS);
		if (ok && is_listed(&after, record))
			ok = explain_entry(table, record);
	}
	hf_lock_entries_free(&after);
	return ok;
}

struct again {
	const struct hf_lock_entry *record;
	bool found;
};

static bool compare_entry(void *context, int fd, const struct hf_lock_entry *record)
{
	struct again *again = context;

	(void)fd;
	again->found = same_lock(again->record, record);
	return !again->found;
}

/* Return true if the two locks exclude each other. */
static bool locks_conflict(const struct hf_lock_table_holder *a,
			   const struct hf_lock_table_holder *b)
{
	return a->record.pid != b->record.pid && (a->record.exclusive || b->record.exclusive) &&
	       a->record.start <= b->record.last && b->record.start <= a->record.last;
}

/* Leave out the holders that no longer hold the lock (probe/T4). */
static void drop_former_holders(struct hf_locked_file *locked)
{
	bool in_doubt = false;
	size_t kept = 0;

	for (size_t i = 0; i < locked->holder_count && !in_doubt; i++)
		for (size_t k = i + 1; k < locked->holder_count && !in_doubt; k++)
			in_doubt = locks_conflict(&locked->holders[i], &locked->holders[k]);
	for (size_t i = 0; i < locked->holder_count && in_doubt; i++) {
		struct hf_lock_table_holder *holder = &locked->holders[i];
		struct again again = {.record = &holder->record};

		if (holder->fd < 0 ||
		    (hf_lock_held_by(holder->pid, HF_ALL_LOCKS, compare_entry, &again) &&
		     again.found))
			locked->holders[kept++] = *holder;
	}
	if (in_doubt)
		locked->holder_count = kept;
}

bool hf_lock_table_read(struct hf_lock_table *table)
{
	struct hf_lock_entries before;
	bool ok;

	*table = (struct hf_lock_table){NULL, 0, false};
	errno = 0;
	if (!hf_proc_mounted()) {
		if (errno != EMFILE && errno != ENFILE)
			errno = ENOENT;
		return false;
	}
	if (!hf_lock_entries_read(&before, HF_ALL_LOCKS))
		return false;
	ok = scan_processes(table) && explain_rest(table, &before);
	hf_lock_entries_free(&before);
	for (size_t i = 0; i < table->count && ok; i++)
		drop_former_holders(&table->at[i]);
	if (!ok)
		hf_lock_table_free(table);
	return ok;
}

void hf_lock_table_free(struct hf_lock_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		free(table->at[i].path);
		free(table->at[i].holders);
		free(table->at[i].waiters);
	}
	free(table->at);
	*table = (struct hf_lock_table){NULL, 0, false};
}
