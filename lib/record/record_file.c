/* SPDX-License-Identifier: ISC */
#include "record/record_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/publish.h"
#include "atomic/target_check.h"
#include "atomic/target_lock.h"
#include "base/access.h"
#include "base/copy.h"
#include "base/sys.h"
#include "lock/lock_kind.h"
#include "record/record_mark.h"
#include "sqlite/snapshot.h"

/* ---- the kind of lock ----------------------------------------------------------------------- */

/* Identities of absent targets: no inode, and each a different number. */
static int64_t absent_identity(const struct hf_lock *lock)
{
	return (int64_t)((uintptr_t)lock >> 4) + 1;
}

static const struct hf_record_file *file_of(const struct hf_lock *lock)
{
	return *(struct hf_record_file *const *)lock->kind_data;
}

static enum hf_status open_lock(struct hf_lock *lock, struct hf_err *err)
{
	const struct hf_record_file *f = file_of(lock);
	enum hf_status status = hf_target_open_old(&f->target, false, &lock->fd, &lock->st, err);

	lock->start = 0;
	lock->length = 1;
	if (status != HF_NOINPUT)
		return status;
	lock->st = (struct stat){0};
	lock->start = absent_identity(lock);
	return HF_OK;
}

static enum hf_status take_lock(struct hf_lock *lock, const struct hf_wait *wait,
				struct hf_err *err)
{
	const struct hf_record_file *f = file_of(lock);
	struct stat st;
	enum hf_status status;

	if (lock->fd < 0) {
		if (sys_fstatat(f->target.dir, f->target.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return HF_NO;
		return errno == ENOENT
			       ? HF_OK
			       : hf_fail_errno(err, "cannot read the state of '%s'", f->path);
	}
	status = hf_target_wait(&f->target, lock->fd, wait, err);
	return status == HF_OK ? hf_target_recheck(&f->target, lock->fd, &lock->st, err) : status;
}

static const struct hf_lock_ops lock_ops = {
	.name = "target",
	.rank = 1,
	.data_size = sizeof(struct hf_record_file *),
	.open = open_lock,
	.take = take_lock,
	.release = hf_lock_close,
};

enum hf_status hf_record_file_add(struct hf_record_file *f, struct hf_lockset *set,
				  struct hf_err *err)
{
	struct hf_err own;

	f->lock = hf_lockset_add(set, &lock_ops, f->path, HF_LOCK_EXCLUSIVE, err ? err : &own);
	if (!f->lock)
		return err ? err->status : own.status;
	*(struct hf_record_file **)f->lock->kind_data = f;
	return HF_OK;
}

/* ---- open ----------------------------------------------------------------------------------- */

enum hf_status hf_record_database_find(struct hf_record_database *database, const char *path,
				       struct hf_err *err)
{
	struct hf_target target;
	enum hf_status status =
		hf_target_open(&target, path, HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, err);

	if (status != HF_OK)
		return status;
	*database = (struct hf_record_database){0};
	memcpy(database->name, target.name, sizeof(database->name));
	if (sys_fstat(target.dir, &database->dir) < 0)
		status = hf_fail_errno(err, "cannot read the state of '%s'", path);
	else if (sys_fstatat(target.dir, target.name, &database->file, AT_SYMLINK_NOFOLLOW) < 0)
		database->file.st_nlink = 0;
	hf_target_close(&target);
	return status;
}

/* Compare by name, without opening: closing the file would drop SQLite's locks on it. */
static bool is_of_database(const struct hf_record_file *f, const struct hf_record_database *db)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal", "-turnstile"};
	size_t length = strlen(db->name);
	struct stat dir, st;

	if (sys_fstatat(f->target.dir, f->target.name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    db->file.st_nlink && hf_same_inode(&st, &db->file))
		return true;
	if (sys_fstat(f->target.dir, &dir) < 0 || !hf_same_inode(&dir, &db->dir) ||
	    strncmp(f->target.name, db->name, length) != 0)
		return false;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (strcmp(f->target.name + length, tails[i]) == 0)
			return true;
	return false;
}

enum hf_status hf_record_file_open(struct hf_record_file *f,
				   const struct hf_record_database *database, bool parents,
				   struct hf_err *err)
{
	enum hf_status status;

	f->fd = f->committed = -1;
	status = hf_target_open(&f->target, f->path, parents ? HF_TARGET_PARENTS : 0, err);
	if (status != HF_OK) {
		f->target.dir = -1;
		return status;
	}
	f->shares_dir = false;
	if (sys_fstat(f->target.dir, &f->dir_st) < 0)
		return hf_fail_errno(err, "cannot read the state of the directory of '%s'",
				     f->path);
	if (!is_of_database(f, database))
		return HF_OK;
	hf_fail(err, HF_DATA, "refusing to replace '%s': it is the live database", f->path);
	hf_advise(err, "that would corrupt it: what is written, or a snapshot, needs another name");
	return HF_DATA;
}

enum hf_status hf_record_file_check_place(const struct hf_record_file *f, struct hf_err *err)
{
	return HF_WITHOUT(place) ? HF_OK : hf_target_verify_path(&f->target, err);
}

enum hf_status hf_record_file_check_absent(const struct hf_record_file *f, struct hf_err *err)
{
	const struct hf_lock *lock = f->lock->duplicate_of ? f->lock->duplicate_of : f->lock;
	struct stat st;

	if (lock->fd >= 0 || HF_WITHOUT(absent))
		return HF_OK;
	if (sys_fstatat(f->target.dir, f->target.name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return HF_NO;
	return errno == ENOENT ? HF_OK
			       : hf_fail_errno(err, "cannot read the state of '%s'", f->path);
}

enum hf_status hf_record_file_real(const struct hf_record_file *f, char **real, struct hf_err *err)
{
	char link[32], dir[PATH_MAX];
	ssize_t n;

	*real = NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", f->target.dir);
	n = sys_readlinkat(AT_FDCWD, link, dir, sizeof(dir) - 1);
	if (n < 0)
		return hf_fail_errno(err, "cannot find the directory of '%s'", f->path);
	dir[n] = '\0';
	if (asprintf(real, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, f->target.name) >= 0)
		return HF_OK;
	*real = NULL;
	return hf_fail(err, HF_OS, "cannot record '%s': out of memory", f->path);
}

bool hf_record_file_same(const struct hf_record_file *a, const struct hf_record_file *b)
{
	return hf_same_inode(&a->dir_st, &b->dir_st) && strcmp(a->target.name, b->target.name) == 0;
}

void hf_record_file_share(struct hf_record_file *f, const struct hf_record_file *files,
			  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (files[i].shares_dir || !hf_same_inode(&files[i].dir_st, &f->dir_st))
			continue;
		hf_target_close(&f->target);
		f->target.dir = files[i].target.dir;
		f->shares_dir = true;
		return;
	}
}

/* ---- look ----------------------------------------------------------------------------------- */

static bool is_sql_text(const struct hf_record_file *f)
{
	size_t length = strlen(f->target.name);

	return length > 4 && strcmp(f->target.name + length - 4, ".sql") == 0;
}

/* Refuse chattr +i and +a, which would stop the steps after the COMMIT. */
static enum hf_status check_fixed(const struct hf_record_file *f, struct hf_err *err)
{
	bool dir = hf_access_is_fixed(f->target.dir, NULL);

	if (HF_WITHOUT(fixed) || (!dir && !hf_access_is_fixed(f->target.dir, f->target.name)))
		return HF_OK;
	errno = EPERM;
	hf_fail_errno(err, dir ? "cannot change the directory of '%s'" : "cannot replace '%s'",
		      f->path);
	hf_advise(err, "it has the attribute i or a, see lsattr(1): chattr -ia");
	return HF_NOPERM;
}

enum hf_status hf_record_file_look(struct hf_record_file *f, const struct hf_wait *wait,
				   char found[65], struct hf_err *err)
{
	const struct hf_lock *lock = f->lock->duplicate_of ? f->lock->duplicate_of : f->lock;
	const struct hf_target_rules rules = {.keeps_old = f->plan->op == HF_RECORD_APPEND,
					      .if_match = f->if_match};
	struct hf_target_claim claim = {.present = lock->fd >= 0, .fd = lock->fd, .st = lock->st};
	enum hf_status status;

	f->present = claim.present;
	f->fd = claim.fd;
	f->st = claim.st;
	*found = '\0';
	status = hf_target_recover(&claim, &f->target, &rules, wait, err);
	/* a batch that was recovered in place has changed the size */
	if (status == HF_OK && f->present && sys_fstat(f->fd, &f->st) < 0)
		status = hf_fail_errno(err, "cannot read the state of '%s'", f->path);
	claim.st = f->st;
	if (status == HF_OK)
		status = check_fixed(f, err);
	if (status == HF_OK)
		status = hf_target_check(&claim, &f->target, &rules, err);
	if (status == HF_OK && f->plan->op == HF_RECORD_SNAPSHOT && !is_sql_text(f))
		status = hf_target_check_image(&f->target, err);
	if (status == HF_OK && f->present)
		status = hf_sha256(f->fd, found, f->path, err);
	return status;
}

/* ---- stage ---------------------------------------------------------------------------------- */

enum hf_status hf_record_file_write(const struct hf_record_file *f, int fd, const char *database,
				    const struct hf_wait *wait, struct hf_err *err)
{
	const struct hf_db_options options = {.flags = HF_DB_READ, .wait = *wait};
	enum hf_status status;
	struct hf_db *db;

	if (f->plan->op != HF_RECORD_SNAPSHOT)
		return hf_write_all(fd, f->plan->content, f->plan->size, f->path, err);
	/* another connection sees what is committed; one that writes cannot be copied */
	status = hf_db_open(&db, database, &options, err);
	if (status == HF_OK)
		status = hf_db_snapshot(db, fd, is_sql_text(f), "holdfast_intent*", err);
	hf_db_close(db);
	return status;
}

static enum hf_status stage_content(struct hf_record_file *f, const char *database,
				    const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_status status;
	struct stat st;

	f->options = (struct hf_atomic_options){.sync = HF_SYNC_DATA, .allow_empty = true};
	if (!f->present && f->mode[0])
		f->options.mode = f->mode;
	status = hf_atomic_begin_at(&f->atomic, &f->target, f->present ? f->fd : -1,
				    f->present ? &f->st : NULL, &f->options, err);
	if (status != HF_OK)
		return status;
	f->staged = true;
	if (f->later && !hf_publish_syncs_late(hf_atomic_fd(f->atomic)))
		f->options.sync = HF_SYNC_NONE;
	if (f->plan->op == HF_RECORD_APPEND && f->present)
		status = hf_copy_file(f->fd, hf_atomic_fd(f->atomic), f->path, f->path, err);
	if (status == HF_OK)
		status = hf_record_file_write(f, hf_atomic_fd(f->atomic), database, wait, err);
	if (status == HF_OK)
		status = hf_atomic_prepare(f->atomic, err);
	if (status == HF_OK && sys_fstat(hf_atomic_fd(f->atomic), &st) < 0)
		status = hf_fail_errno(err, "cannot read the state of the new '%s'", f->path);
	if (status == HF_OK)
		status = hf_sha256(hf_atomic_fd(f->atomic), f->plan->new_sha256, f->path, err);
	if (status == HF_OK)
		f->plan->mode = st.st_mode & 07777;
	if (status == HF_OK && f->plan->op == HF_RECORD_APPEND)
		status = hf_mark_identify(f->present ? f->fd : -1, f->path, f->plan->seen, err);
	if (status == HF_OK && f->plan->op == HF_RECORD_APPEND)
		status = hf_mark_identify(f->target.dir, f->path, f->plan->place, err);
	return status;
}

enum hf_status hf_record_file_mark(struct hf_record_file *f, const char *mark, struct hf_err *err)
{
	enum hf_status status =
		hf_mark_put(&f->target, f->present ? f->fd : -1, hf_atomic_fd(f->atomic),
			    hf_atomic_temporary(f->atomic), mark, err);

	if (status != HF_OK)
		return status;
	hf_atomic_temporary(f->atomic)[0] = '\0';
	snprintf(f->plan->mark, sizeof(f->plan->mark), "%s", mark);
	f->marked = true;
	return HF_OK;
}

enum hf_status hf_record_file_stage(struct hf_record_file *f, const char found[65],
				    const char *database, const struct hf_wait *wait,
				    struct hf_err *err)
{
	struct hf_intent_file *plan = f->plan;
	enum hf_status status = HF_OK;

	memcpy(plan->old_sha256, found, sizeof(plan->old_sha256));
	plan->old_size = f->present ? f->st.st_size : 0;
	plan->new_sha256[0] = '\0';
	if (plan->op != HF_RECORD_REMOVE) {
		status = stage_content(f, database, wait, err);
	} else if (!f->present) {
		errno = ENOENT;
		status = hf_fail_errno_as(err, HF_NOINPUT, "cannot remove '%s'", f->path);
	}
	if (status != HF_OK)
		hf_record_file_unstage(f);
	return status;
}

/* ---- apply ---------------------------------------------------------------------------------- */

/* Remove the file, under its lock, if it is still the locked one. */
static enum hf_status remove_file(const struct hf_record_file *f, struct hf_err *err)
{
	struct stat st;
	enum hf_status status = hf_target_recheck(&f->target, f->fd, &st, err);

	if (status == HF_NO) {
		errno = EEXIST;
		return hf_fail_errno_as(err, HF_BUSY, "'%s' was replaced in the meantime", f->path);
	}
	if (status == HF_OK && sys_unlinkat(f->target.dir, f->target.name, 0) < 0)
		status = hf_fail_errno(err, "cannot remove '%s'", f->path);
	return status;
}

/* Make the mark the file. */
static enum hf_status apply_mark(struct hf_record_file *f, struct hf_err *err)
{
	const char *mark = f->plan->mark;
	enum hf_status status = HF_OK;

	if (!f->marked) {
		status = hf_mark_replace(&f->target, hf_atomic_fd(f->atomic),
					 hf_atomic_temporary(f->atomic), mark, err);
		hf_atomic_temporary(f->atomic)[0] = '\0';
	}
	if (status == HF_OK)
		status = hf_mark_take(&f->target, hf_atomic_fd(f->atomic),
				      f->present ? &f->st : NULL, mark, err);
	return status;
}

enum hf_status hf_record_file_apply(struct hf_record_file *f, struct hf_err *err)
{
	enum hf_status status;

	if (f->plan->op == HF_RECORD_REMOVE) {
		status = remove_file(f, err);
	} else if (f->marked || f->found_mark) {
		status = apply_mark(f, err);
		if (status == HF_OK)
			f->marked = f->found_mark = false;
	} else {
		status = hf_atomic_commit(f->atomic, err);
		if (status != HF_OK)
			f->staged = false; /* the transaction is over */
	}
	f->applied = status == HF_OK;
	return status;
}

int hf_record_file_content(const struct hf_record_file *f)
{
	if (f->staged)
		return hf_atomic_fd(f->atomic);
	if (f->committed >= 0)
		return f->committed;
	return f->present ? f->fd : -1;
}

enum hf_status hf_record_files_sync(const struct hf_record_file *files, size_t count,
				    struct hf_sync_batch *due, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < count && status == HF_OK; i++) {
		const bool found_done = files[i].state == HF_REDO_DONE;

		if (!files[i].applied && !found_done)
			continue;
		/* the process that put it there may not have synced it */
		if (found_done && files[i].fd >= 0)
			status = hf_sync_batch_lend(due, files[i].fd, files[i].path, err);
		if (status == HF_OK)
			status = hf_sync_batch_lend(due, files[i].target.dir, files[i].path, err);
	}
	return status;
}

void hf_record_file_unstage(struct hf_record_file *f)
{
	hf_atomic_end(f->atomic);
	f->atomic = NULL;
	if (f->marked && !f->kept)
		hf_mark_remove(&f->target, f->plan->mark);
	f->staged = f->marked = false;
}

void hf_record_file_close(struct hf_record_file *f)
{
	hf_record_file_unstage(f);
	if (f->target.dir >= 0 && !f->shares_dir)
		hf_target_close(&f->target);
	f->target.dir = -1;
	f->shares_dir = false;
	hf_close(f->committed);
	f->fd = f->committed = -1;
}
