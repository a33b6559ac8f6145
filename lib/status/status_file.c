/* SPDX-License-Identifier: ISC */
#include "status/status_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include <holdfast/clock.h>
#include <holdfast/path.h>

static const enum hf_lock_type types[] = {HF_LOCK_FLOCK, HF_LOCK_POSIX, HF_LOCK_OFD};

/* The file that is examined. */
struct place {
	struct hf_lock_status *list;
	const char *path;
	int fd;	     /* O_PATH */
	int content; /* the same file, open for reading; or -1 */
	bool unread; /* it may not be read */
	bool link;   /* the path is a symbolic link */
	struct stat st;
	struct hf_lock_id id;
	struct hf_lock_owner_info record;
};

static bool ends_in(const char *path, const char *end)
{
	size_t size = strlen(path), more = strlen(end);

	while (size > 1 && path[size - 1] == '/')
		size--;
	return size >= more && memcmp(path + size - more, end, more) == 0;
}

static bool has_lock_name(const char *path)
{
	return ends_in(path, "lock") || ends_in(path, ".lck");
}

static bool is_empty(int dir)
{
	int fd = sys_openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	int count = 0;

	if (!list) {
		hf_close(fd);
		return false;
	}
	while (count < 3 && (entry = readdir(list)))
		count++;
	closedir(list);
	return count < 3; /* "." and ".." */
}

/* Open the same inode for reading. */
static void open_content(struct place *p)
{
	char self[32];

	p->content = -1;
	if (!S_ISREG(p->st.st_mode) && !S_ISDIR(p->st.st_mode))
		return;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", p->fd);
	p->content = sys_openat(AT_FDCWD, self, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	p->unread = p->content < 0 && (errno == EACCES || errno == EPERM);
}

/* Return true if an unintelligible file that no process has locked may be a dotlock (status/I2). */
static bool may_be_record(const struct place *p)
{
	return p->record.likeness == HF_DOT_RECORD ||
	       (p->record.likeness == HF_OWNER_OBSCURE && has_lock_name(p->path));
}

/* Return the kind of lock whose existence counts; NULL if it is none (status/I2). */
static const char *existence_kind(struct place *p, bool locked)
{
	struct stat pid;

	if (p->content < 0 || p->link)
		return NULL;
	if (S_ISDIR(p->st.st_mode)) {
		bool has_pid = sys_fstatat(p->content, "pid", &pid, AT_SYMLINK_NOFOLLOW) == 0;

		return has_pid || has_lock_name(p->path) || is_empty(p->content) ? "directory"
										 : NULL;
	}
	hf_lock_owner_read(p->content, &p->record);
	switch (p->record.form) {
	case HF_OWNER_HOLDFAST:
	case HF_OWNER_TRUNCATED:
		return "dotlock";
	case HF_OWNER_PID_ONLY:
		return "pidfile";
	case HF_OWNER_NO_PID:
		return p->st.st_size > 0 ? "dotlock" : NULL;
	default:
		return !locked && may_be_record(p) ? "dotlock" : NULL;
	}
}

static bool add_existence(struct place *p, const char *kind)
{
	const struct hf_locked_file *locked =
		hf_lock_table_find(&p->list->table, &p->id, HF_LOCK_FLOCK);
	struct hf_status_row *row = hf_status_add(p->list, kind, p->path);
	struct hf_stale_query of = {.fd = p->content, .place = -1, .stale_after = HF_NEVER};
	struct hf_evidence evidence;

	if (!row)
		return false;
	row->id = p->id;
	row->taken = p->record.taken;
	if (locked)
		return hf_status_fill(p->list, row, locked);
	hf_evidence_judge(&of, &evidence);
	return hf_status_judged(p->list, row, &evidence);
}

/* Add the rows of the kernel's locks, except one that is listed already (status/I1). */
static bool add_locked(struct place *p, bool but_flock)
{
	for (size_t i = but_flock ? 1 : 0; i < sizeof(types) / sizeof(types[0]); i++) {
		const struct hf_locked_file *locked =
			hf_lock_table_find(&p->list->table, &p->id, types[i]);
		struct hf_status_row *row;

		if (!locked)
			continue;
		row = hf_status_add(p->list, hf_status_kind(types[i]), p->path);
		if (!row || !hf_status_fill(p->list, row, locked))
			return false;
	}
	return true;
}

/* Add a lock that fcntl(2) reports but /proc does not: of another PID namespace or host. */
static bool add_hidden(struct place *p)
{
	/* up to the mark of a waiter */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = HF_WAITER_MARK};
	struct hf_status_row *row;

	if (p->content < 0 || !S_ISREG(p->st.st_mode) ||
	    hf_lock_table_find(&p->list->table, &p->id, HF_LOCK_POSIX) ||
	    hf_lock_table_find(&p->list->table, &p->id, HF_LOCK_OFD) ||
	    sys_fcntl_lock(p->content, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return true;
	row = hf_status_add(p->list, hf_status_kind(lock.l_pid < 0 ? HF_LOCK_OFD : HF_LOCK_POSIX),
			    p->path);
	if (!row)
		return false;
	row->id = p->id;
	row->state = HF_VERDICT_HELD;
	return hf_status_holder(p->list, row, lock.l_pid > 0 ? lock.l_pid : 0) &&
	       hf_status_reason(row, "it is locked by fcntl(2), and not in this PID namespace's "
				     "records");
}

static bool add_free(struct hf_lock_status *list, const char *kind, const char *path,
		     const char *why)
{
	struct hf_status_row *row = hf_status_add(list, kind, path);
	struct hf_process_id self;

	if (!row)
		return false;
	hf_process_id_self(&self);
	return hf_status_reason(row, "%s", why) &&
	       (self.pidns == HF_FIRST_PIDNS ||
		hf_status_reason(row,
				 "locks of processes outside this PID namespace are not visible"));
}

static bool add_plain_file(struct place *p)
{
	bool locks = S_ISREG(p->st.st_mode) || S_ISDIR(p->st.st_mode) || S_ISBLK(p->st.st_mode);
	struct hf_status_row *row;

	if (!p->unread)
		return add_free(p->list, "file", p->path,
				locks ? "no process has it locked"
				      : "it is neither a file nor a directory");
	row = hf_status_add(p->list, "file", p->path);
	if (!row)
		return false;
	row->state = HF_VERDICT_UNKNOWN;
	return hf_status_reason(row, "no process has it locked") &&
	       hf_status_reason(row, "it may not be read, and can be a lock by its existence");
}

static enum hf_status add_rows(struct place *p, struct hf_err *err)
{
	size_t before = p->list->count;
	const char *kind;
	bool ok;

	open_content(p);
	kind = existence_kind(p, hf_lock_table_find(&p->list->table, &p->id, HF_LOCK_FLOCK));
	ok = (!kind || add_existence(p, kind)) && add_locked(p, kind) && add_hidden(p);
	if (ok && p->list->count == before)
		ok = add_plain_file(p);
	hf_close(p->content);
	return ok ? HF_OK : hf_status_no_memory(err);
}

/* The path does not exist. A lock could be made there if its directory exists. */
static enum hf_status add_absent(struct hf_lock_status *list, const char *path, struct hf_err *err)
{
	char *dir = strdup(path), *slash;
	struct stat st;
	bool ok;

	if (!dir)
		return hf_status_no_memory(err);
	if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		ok = add_free(list, "absent", path, "it is a symbolic link to nothing");
		free(dir);
		return ok ? HF_OK : hf_status_no_memory(err);
	}
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	ok = sys_fstatat(AT_FDCWD, slash ? dir : ".", &st, 0) == 0;
	free(dir);
	if (!ok) {
		errno = ENOENT;
		return hf_fail_errno(err, "cannot read the state of '%s'", path);
	}
	return add_free(list, "absent", path, "there is no such file") ? HF_OK
								       : hf_status_no_memory(err);
}

enum hf_status hf_status_path(struct hf_lock_status *list, const char *path, struct hf_err *err)
{
	struct place p = {.list = list, .path = path};
	enum hf_status status;
	struct stat st;

	if (!*path)
		return hf_path_empty(err);
	p.fd = sys_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
	if (p.fd < 0 && errno == ENOENT)
		return add_absent(list, path, err);
	if (p.fd < 0)
		return hf_fail_errno(err, "cannot read the state of '%s'", path);
	p.link = sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
	if (sys_fstat(p.fd, &p.st) == 0 && hf_lock_id_of(p.fd, &p.id))
		status = add_rows(&p, err);
	else
		status = hf_fail_errno(err, "cannot read the state of '%s'", path);
	sys_close(p.fd);
	return status;
}

enum hf_status hf_status_turnstile(struct hf_lock_status *list, const char *path,
				   struct hf_err *err)
{
	size_t before = list->count;
	enum hf_status status;
	struct stat st;

	if (sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return HF_OK;
	status = hf_status_path(list, path, err);
	for (size_t i = before; i < list->count; i++)
		list->rows[i].kind = "turnstile";
	return status;
}

/* Return the kind of a locked file that is a lock by its existence too; NULL if it is none. */
static const char *owner_file_kind(struct hf_lock_status *list, const struct hf_locked_file *locked,
				   int64_t *taken)
{
	struct place p = {.list = list, .path = locked->path, .fd = -1};
	const char *kind = NULL;

	if (locked->type != HF_LOCK_FLOCK || !locked->path || locked->deleted)
		return NULL;
	p.fd = sys_openat(AT_FDCWD, locked->path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (p.fd >= 0 && sys_fstat(p.fd, &p.st) == 0 && p.st.st_ino == locked->id.inode &&
	    (S_ISDIR(p.st.st_mode) || p.st.st_size <= HF_LOCK_OWNER_MAX)) {
		open_content(&p);
		kind = existence_kind(&p, true);
		*taken = p.record.taken;
		hf_close(p.content);
	}
	hf_close(p.fd);
	return kind;
}

static int compare_rows(const void *left, const void *right)
{
	const struct hf_status_row *a = left, *b = right;

	if (!a->path || !b->path)
		return !a->path - !b->path;
	return strcmp(a->path, b->path);
}

enum hf_status hf_status_all(struct hf_lock_status *list, struct hf_err *err)
{
	for (size_t i = 0; i < list->table.count; i++) {
		const struct hf_locked_file *locked = &list->table.at[i];
		int64_t taken = 0;
		const char *kind = owner_file_kind(list, locked, &taken);
		struct hf_status_row *row = hf_status_add(
			list, kind ? kind : hf_status_kind(locked->type), locked->path);

		if (!row)
			return hf_status_no_memory(err);
		row->deleted = locked->deleted;
		row->taken = taken;
		if (!hf_status_fill(list, row, locked))
			return hf_status_no_memory(err);
	}
	if (list->count > 1)
		qsort(list->rows, list->count, sizeof(*list->rows), compare_rows);
	return HF_OK;
}
