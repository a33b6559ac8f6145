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

#include <holdfast/path.h>
#include <holdfast/proc.h>

/* The look at one process. */
struct look {
	struct hf_lock_table *table;
	pid_t pid;
	bool ok;
};

bool hf_grow(void *at, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 4;
	void **array = at, *new;

	if (count < *room)
		return true;
	new = realloc(*array, more * size);
	if (!new)
		return false;
	*array = new;
	*room = more;
	return true;
}

static struct hf_locked_file *find(const struct hf_lock_table *table, const struct hf_lock_id *id,
				   enum hf_lock_type type)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->at[i].type == type && hf_lock_id_equal(&table->at[i].id, id))
			return &table->at[i];
	return NULL;
}

const struct hf_locked_file *hf_lock_table_find(const struct hf_lock_table *table,
						const struct hf_lock_id *id, enum hf_lock_type type)
{
	return find(table, id, type);
}

/* The entry for this record, which is made if it is new; NULL: no memory. */
static struct hf_locked_file *entry(struct hf_lock_table *table, const struct hf_lock_entry *record)
{
	struct hf_locked_file *locked = find(table, &record->id, record->type);

	if (locked)
		return locked;
	if (!hf_grow(&table->at, table->count, &table->room, sizeof(*table->at)))
		return NULL;
	locked = &table->at[table->count++];
	*locked = (struct hf_locked_file){.id = record->id, .type = record->type};
	return locked;
}

static bool add_holder(struct hf_locked_file *locked, pid_t pid, int fd, enum hf_via via,
		       const struct hf_lock_entry *record)
{
	if (!hf_grow(&locked->holders, locked->holder_count, &locked->holder_room,
		     sizeof(*locked->holders)))
		return false;
	locked->holders[locked->holder_count++] =
		(struct hf_lock_table_holder){pid, fd, via, *record};
	return true;
}

static bool add_waiter(struct hf_locked_file *locked, const struct hf_lock_entry *record)
{
	if (!hf_grow(&locked->waiters, locked->waiter_count, &locked->waiter_room,
		     sizeof(*locked->waiters)))
		return false;
	locked->waiters[locked->waiter_count++] =
		(struct hf_lock_table_holder){record->pid, -1, HF_VIA_REPORTED, *record};
	return true;
}

/* One lock, as two records tell of it? */
static bool same_lock(const struct hf_lock_entry *a, const struct hf_lock_entry *b)
{
	return a->type == b->type && a->pid == b->pid && a->exclusive == b->exclusive &&
	       a->start == b->start && a->last == b->last && hf_lock_id_equal(&a->id, &b->id);
}

/* A file that was made without a name, as a dotlock's record is, is shown as "/dir/#INODE" for
 * ever. The name that it has by now is looked for in that directory. */
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

/* What the descriptor is open on, as its holder's mount namespace names it. */
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

/* T1. A process with two descriptors of one lock holds it once. */
static bool see(void *context, int fd, const struct hf_lock_entry *record)
{
	struct look *look = context;
	struct hf_locked_file *locked = entry(look->table, record);

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

/* The descriptors of all processes. */
static bool look_at_all(struct hf_lock_table *table)
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
		if (!hf_lock_held_by_any(look.pid, see, &look) && errno != ENOENT &&
		    errno != ESRCH)
			table->hidden = true;
	}
	closedir(dir);
	return look.ok;
}

static bool is_explained(const struct hf_lock_table *table, const struct hf_lock_entry *record)
{
	const struct hf_locked_file *locked = find(table, &record->id, record->type);

	if (!locked)
		return false;
	for (size_t i = 0; i < locked->holder_count; i++)
		if (same_lock(&locked->holders[i].record, record))
			return true;
	/* ours, which no other has inherited */
	return locked->own && record->pid == getpid();
}

static bool is_listed(const struct hf_lock_entries *records, const struct hf_lock_entry *record)
{
	for (size_t i = 0; i < records->count; i++)
		if (!records->at[i].waits && same_lock(&records->at[i], record))
			return true;
	return false;
}

/* A process that may not be looked at: is it there? hidepid shows nothing of one that is. */
static bool lives(pid_t pid)
{
	struct hf_proc proc;

	if (hf_proc_read(pid, &proc))
		return !hf_proc_is_zombie(&proc);
	return kill(pid, 0) == 0 || errno == EPERM;
}

/* T2. */
static bool explain(struct hf_lock_table *table, const struct hf_lock_entry *record)
{
	struct look look = {.table = table, .pid = record->pid, .ok = true};
	bool reported = false;
	struct hf_locked_file *locked;

	if (record->pid > 0 && !hf_lock_held_by_any(record->pid, see, &look)) {
		table->hidden = true;
		reported = lives(record->pid);
	}
	/* it can have taken the lock anew since it was looked at */
	if (!look.ok || is_explained(table, record))
		return look.ok;
	locked = entry(table, record);
	return locked && add_holder(locked, reported ? record->pid : 0, -1,
				    reported ? HF_VIA_REPORTED : HF_VIA_UNSEEN, record);
}

/* T3. */
static bool explain_rest(struct hf_lock_table *table, const struct hf_lock_entries *before)
{
	struct hf_lock_entries after = {NULL, 0};
	bool read = false, ok = true;

	for (size_t i = 0; i < before->count && ok; i++) {
		const struct hf_lock_entry *record = &before->at[i];
		struct hf_locked_file *locked;

		if (record->waits) {
			locked = entry(table, record);
			ok = locked && add_waiter(locked, record);
			continue;
		}
		if (is_explained(table, record))
			continue;
		if (!read)
			read = ok = hf_lock_entries_read_any(&after);
		if (ok && is_listed(&after, record))
			ok = explain(table, record);
	}
	hf_lock_entries_free(&after);
	return ok;
}

struct again {
	const struct hf_lock_entry *record;
	bool found;
};

static bool see_again(void *context, int fd, const struct hf_lock_entry *record)
{
	struct again *again = context;

	(void)fd;
	again->found = same_lock(again->record, record);
	return !again->found;
}

/* Can these not both be held? */
static bool exclude(const struct hf_lock_table_holder *a, const struct hf_lock_table_holder *b)
{
	return a->record.pid != b->record.pid && (a->record.exclusive || b->record.exclusive) &&
	       a->record.start <= b->record.last && b->record.start <= a->record.last;
}

/* T4. */
static void settle(struct hf_locked_file *locked)
{
	bool in_doubt = false;
	size_t kept = 0;

	for (size_t i = 0; i < locked->holder_count && !in_doubt; i++)
		for (size_t k = i + 1; k < locked->holder_count && !in_doubt; k++)
			in_doubt = exclude(&locked->holders[i], &locked->holders[k]);
	for (size_t i = 0; i < locked->holder_count && in_doubt; i++) {
		struct hf_lock_table_holder *holder = &locked->holders[i];
		struct again again = {.record = &holder->record};

		if (holder->fd < 0 || (hf_lock_held_by_any(holder->pid, see_again, &again) &&
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

	*table = (struct hf_lock_table){NULL, 0, 0, false};
	errno = 0;
	if (!hf_proc_mounted()) {
		if (errno != EMFILE && errno != ENFILE)
			errno = ENOENT;
		return false;
	}
	if (!hf_lock_entries_read_any(&before))
		return false;
	ok = look_at_all(table) && explain_rest(table, &before);
	hf_lock_entries_free(&before);
	for (size_t i = 0; i < table->count && ok; i++)
		settle(&table->at[i]);
	if (!ok)
		hf_lock_table_free(table);
	return ok;
}

void hf_lock_table_free(struct hf_lock_table *table)
{
	int saved = errno;

	for (size_t i = 0; i < table->count; i++) {
		free(table->at[i].path);
		free(table->at[i].holders);
		free(table->at[i].waiters);
	}
	free(table->at);
	*table = (struct hf_lock_table){NULL, 0, 0, false};
	errno = saved;
}
