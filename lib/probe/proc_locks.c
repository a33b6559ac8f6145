/* SPDX-License-Identifier: ISC */
#include "probe/proc_locks.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/proc_text.h"
#include <holdfast/clock.h>

enum {
	SEARCH_MS = 500,
};

/* Parse a byte position, or "EOF". Numbers that the kernel cannot have written are refused. */
static bool parse_byte(const char *text, int64_t *byte)
{
	char *end;

	if (strcmp(text, "EOF") == 0) {
		*byte = INT64_MAX;
		return true;
	}
	errno = 0;
	*byte = strtoll(text, &end, 10);
	return end != text && !*end && !errno && *byte >= 0;
}

bool hf_lock_parse(const char *line, struct hf_lock_entry *record)
{
	static const char *const types[] = {
		[HF_LOCK_FLOCK] = "FLOCK", [HF_LOCK_POSIX] = "POSIX", [HF_LOCK_OFD] = "OFDLCK"};
	char type[8], kind[16], mode[8], start[24], last[24];
	const char *s = line;
	int pid;

	while (*s >= '0' && *s <= '9')
		s++;
	if (s == line || *s != ':')
		return false;
	s += 1 + strspn(s + 1, " ");
	*record = (struct hf_lock_entry){.waits = strncmp(s, "->", 2) == 0};
	if (record->waits)
		s += 2;
	if (sscanf(s, " %7s %15s %7s %d %x:%x:%llu %23s %23s", type, kind, mode, &pid,
		   &record->id.major, &record->id.minor, &record->id.inode, start, last) != 9 ||
	    !parse_byte(start, &record->start) || !parse_byte(last, &record->last))
		return false;
	if (record->start == HF_WAITER_MARK)
		return false;
	record->pid = pid;
	record->exclusive = strcmp(mode, "READ") != 0;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		record->type = (enum hf_lock_type)i;
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

static bool is_of(const struct hf_lock_entry *record, enum hf_lock_types types)
{
	return types == HF_ALL_LOCKS || record->type == HF_LOCK_FLOCK;
}

/* Set the device of a mount's super block. */
static bool device_of_mount(int mount, struct hf_lock_id *id)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;
	int number;

	while (f && !found && getline(&line, &size, f) > 0)
		found = sscanf(line, "%d %*d %u:%u", &number, &id->major, &id->minor) == 3 &&
			number == mount;
	free(line);
	if (f)
		fclose(f);
	return found;
}

bool hf_lock_id_of(int fd, struct hf_lock_id *id)
{
	char text[256], *line;
	struct stat st;
	int mount = -1;

	if (fstat(fd, &st) < 0 || hf_proc_text(text, sizeof(text), "/proc/self/fdinfo/%d", fd) <= 0)
		return false;
	id->inode = st.st_ino;
	line = strstr(text, "\nmnt_id:");
	if (line)
		sscanf(line, " mnt_id: %d ino: %llu", &mount, &id->inode); /* ino: Linux 5.14 */
	if (mount < 0 || !device_of_mount(mount, id)) {
		id->major = major(st.st_dev);
		id->minor = minor(st.st_dev);
	}
	return true;
}

bool hf_lock_entries_read(struct hf_lock_entries *records, enum hf_lock_types types)
{
	FILE *f = fopen("/proc/locks", "re");
	char *line = NULL;
	size_t size = 0;
	bool ok = f;

	*records = (struct hf_lock_entries){NULL, 0};
	while (ok && getline(&line, &size, f) > 0) {
		struct hf_lock_entry record;

		if (hf_lock_parse(line, &record) && is_of(&record, types))
			ok = hf_array_append(&records->at, &records->count, &record,
					     sizeof(record));
	}
	free(line);
	if (f)
		fclose(f);
	if (!ok)
		hf_lock_entries_free(records);
	return ok;
}

void hf_lock_entries_free(struct hf_lock_entries *records)
{
	free(records->at);
	*records = (struct hf_lock_entries){NULL, 0};
}

/* Return true if a descriptor in a process's "fd" directory can hold a lock. This costs a tenth of
 * reading fdinfo, and most descriptors are pipes and sockets. *closed: no descriptor of this
 * process may be inspected. */
static bool may_hold(int dir, const char *fd, bool *closed)
{
	char to[64];
	ssize_t n = readlinkat(dir, fd, to, sizeof(to));

	*closed = n < 0 && (errno == EACCES || errno == EPERM);
	return n > 0 && to[0] == '/' && !(n == 9 && memcmp(to, "/dev/null", 9) == 0);
}

/* Call each() for the locks of this descriptor. Return false if each() did. */
static bool each_lock_of_fd(pid_t pid, const char *fd, enum hf_lock_types types, hf_lock_each *each,
			    void *context)
{
	char path[NAME_MAX + 32], line[256];
	struct hf_lock_entry record;
	bool go_on = true;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, fd);
	f = fopen(path, "re");
	while (f && go_on && fgets(line, sizeof(line), f))
		if (strncmp(line, "lock:\t", 6) == 0 && hf_lock_parse(line + 6, &record) &&
		    is_of(&record, types))
			go_on = each(context, atoi(fd), &record);
	if (f)
		fclose(f);
	return go_on;
}

bool hf_lock_held_by(pid_t pid, enum hf_lock_types types, hf_lock_each *each, void *context)
{
	char path[32];
	struct dirent *entry;
	bool go_on = true, closed = false;
	DIR *dir;

	pid = hf_proc_shown(pid);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (go_on && !closed && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && may_hold(dirfd(dir), entry->d_name, &closed))
			go_on = each_lock_of_fd(pid, entry->d_name, types, each, context);
	closedir(dir);
	return true;
}

struct sought {
	struct hf_lock_id id;
	bool found;
};

static bool compare_id(void *context, int fd, const struct hf_lock_entry *record)
{
	struct sought *sought = context;

	(void)fd;
	sought->found = hf_lock_id_equal(&record->id, &sought->id);
	return !sought->found;
}

/* Return true if a descriptor of pid holds the lock; `otherwise` if pid may not be inspected. */
static bool process_holds(pid_t pid, const struct hf_lock_id *id, bool otherwise)
{
	struct sought sought = {.id = *id};

	return hf_lock_held_by(pid, HF_FLOCK_ONLY, compare_id, &sought) ? sought.found : otherwise;
}

/* Search all other processes for one that inherited the lock. */
static pid_t search_holder(const struct hf_lock_id *id)
{
	int64_t end = hf_now() + SEARCH_MS * HF_MS;
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (dir && !found && hf_now() < end && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && pid != getpid() && process_holds(pid, id, false))
			found = pid;
	}
	if (dir)
		closedir(dir);
	return found;
}

pid_t hf_lock_holder(int fd)
{
	struct hf_lock_entries records;
	struct hf_lock_id id;
	struct hf_proc proc;
	pid_t found = 0;

	if (!hf_lock_id_of(fd, &id) || !hf_lock_entries_read(&records, HF_FLOCK_ONLY))
		return 0;
	for (size_t i = 0; i < records.count && !found; i++) {
		const struct hf_lock_entry *r = &records.at[i];

		if (!r->waits && r->pid != getpid() && hf_lock_id_equal(&r->id, &id) &&
		    hf_proc_read(r->pid, &proc) && !hf_proc_is_zombie(&proc) &&
		    process_holds(r->pid, &id, true))
			found = r->pid;
	}
	hf_lock_entries_free(&records);
	return found ? found : search_holder(&id);
}
