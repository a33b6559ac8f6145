/* SPDX-License-Identifier: ISC */
#include "store/once_lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/lock_range.h>
#include <holdfast/lockset.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>
#include "base/hash.h"
#include "base/sys.h"
#include "lock/lock_kind.h"
#include "lock/turnstile.h"
#include "probe/lock_table.h"

#define SUFFIX "-once"

/* Return 62 bits of the FNV-1a hash; the last byte of a file is 2^63 - 2. */
static int64_t byte_of(const struct hf_bytes *key)
{
	return (int64_t)(hf_hash(HF_HASH_START, key->data, key->size) >> 2);
}

static bool is_locked(int fd, int64_t byte, int64_t length)
{
	struct flock range = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = length};

	return sys_fcntl_lock(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static enum hf_status cannot_mark(const struct hf_store *store, int errnum, struct hf_err *err)
{
	errno = errnum;
	return hf_fail_errno(err, "cannot mark in '%s'", store->path);
}

/* Open the file beside the database, by hf_turnstile_open() or hf_turnstile_find(). */
static enum hf_status open_file(struct hf_lock *file, const struct hf_store *store,
				enum hf_status (*turnstile)(struct hf_lock *,
							    const struct hf_target *, int,
							    struct hf_err *),
				struct hf_err *err)
{
	struct hf_target at;
	enum hf_status status =
		hf_target_open(&at, store->real, HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, err);
	size_t used;
	int db;

	*file = (struct hf_lock){.path = store->path, .fd = -1};
	if (status != HF_OK)
		return status;
	at.path = store->path;
	used = strlen(at.name);
	/* with O_PATH, so that closing it releases no lock of SQLite */
	db = sys_openat(at.dir, at.name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	if (db < 0 && errno != ENOENT)
		status = hf_fail_errno(err, "cannot inspect database '%s'", store->path);
	else if (used + sizeof(SUFFIX) > sizeof(at.name))
		status = cannot_mark(store, ENAMETOOLONG, err);
	else
		strcpy(at.name + used, SUFFIX);
	if (status == HF_OK)
		status = turnstile(file, &at, db, err);
	hf_close(db);
	hf_target_close(&at);
	return status;
}

/* In a file that may not be used, no process that follows this rule holds a byte. */
void hf_once_lock_look(struct hf_once_lock *lock, const struct hf_store *store)
{
	struct hf_lock file;
	struct hf_err err;

	hf_close(lock->probe);
	if (open_file(&file, store, hf_turnstile_find, &err) == HF_NO)
		hf_turnstile_ignored(&err);
	lock->probe = file.fd;
	lock->any = lock->probe >= 0 && is_locked(lock->probe, 0, 0);
}

bool hf_once_lock_is_foreign(const struct hf_once_lock *lock, const struct hf_bytes *key)
{
	int64_t byte;

	if (!lock->any)
		return false;
	byte = byte_of(key);
	if (!is_locked(lock->probe, byte, 1))
		return false;
	for (size_t i = 0; i < lock->count; i++)
		if (lock->held[i] == byte)
			return false;
	return true;
}

/* Make the file with a turnstile's owner and mode, and exclude it from Git. An existing file is
 * opened by the kind of lock, by its name; *st describes the file that this must be. */
static enum hf_status make_file(const struct hf_store *store, struct stat *st, struct hf_err *err)
{
	struct hf_lock file;
	struct hf_err own;
	enum hf_status status = open_file(&file, store, hf_turnstile_open, &own);

	*st = file.st;
	if (status == HF_NO)
		status = own.status;
	if (status != HF_OK && err)
		*err = own;
	hf_lock_close(&file);
	return status;
}

/* Describe the holder. The wrapper and its command both hold the byte: name the smaller PID. */
static char *describe_holder(char *out, size_t size, const struct hf_once_lock *lock, int64_t byte)
{
	const struct hf_locked_file *file;
	struct hf_lock_table table;
	struct hf_lock_id id;
	pid_t first = 0;

	if (lock->probe >= 0 && hf_lock_id_of(lock->probe, &id) && hf_lock_table_read(&table)) {
		file = hf_lock_table_find(&table, &id, HF_LOCK_OFD);
		for (size_t i = 0; file && i < file->holder_count; i++) {
			const struct hf_lock_table_holder *holder = &file->holders[i];

			if (holder->record.start == byte && holder->pid > 0 &&
			    (!first || holder->pid < first))
				first = holder->pid;
		}
		hf_lock_table_free(&table);
	}
	return hf_proc_describe(out, size, first);
}

static enum hf_status add_key(struct hf_once_lock *lock, const char *name,
			      const struct hf_bytes *key, struct hf_err *err)
{
	struct hf_lock *one =
		hf_lockset_add(lock->set, &hf_lock_range, name, HF_LOCK_EXCLUSIVE, err);

	if (!one)
		return HF_OS;
	lock->held[lock->count] = byte_of(key);
	hf_lock_range_set(one, lock->held[lock->count++], 1);
	return HF_OK;
}

/* Check that the file which the kind opened by its name is the one that was checked. */
static enum hf_status check_file(const struct hf_once_lock *lock, const struct hf_store *store,
				 const struct stat *st, struct hf_err *err)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(lock->set, &locks);

	for (size_t i = 0; i < count; i++)
		if (!hf_same_inode(&locks[i]->st, st) && !HF_WITHOUT(once_file))
			return hf_fail(err, HF_NOPERM,
				       "cannot mark in '%s': another file replaced '%s" SUFFIX "'",
				       store->path, store->real);
	return HF_OK;
}

enum hf_status hf_once_lock_take(struct hf_once_lock *lock, const struct hf_store *store,
				 const struct hf_bytes *keys, size_t count, bool running,
				 const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_status status = HF_OK;
	const struct hf_bytes *last = NULL;
	char name[PATH_MAX], key[96], who[512];
	struct stat st = {0};

	hf_once_lock_release(lock);
	if (snprintf(name, sizeof(name), "%s" SUFFIX, store->real) >= PATH_MAX)
		return cannot_mark(store, ENAMETOOLONG, err);
	if (!running)
		status = make_file(store, &st, err);
	else
		hf_once_lock_look(lock, store);
	if (running && lock->probe >= 0 && sys_fstat(lock->probe, &st) < 0)
		status = cannot_mark(store, errno, err);
	lock->set = hf_lockset_new();
	lock->held = calloc(count + 1, sizeof(*lock->held));
	if (status == HF_OK && !lock->held)
		status = cannot_mark(store, errno, err);
	for (size_t i = 0; i < count && status == HF_OK; i++) {
		if (running && !hf_once_lock_is_foreign(lock, &keys[i]))
			continue;
		last = &keys[i];
		status = add_key(lock, name, last, err);
	}
	if (status == HF_OK)
		status = hf_lockset_acquire(lock->set, wait, err);
	if (status == HF_OK)
		status = check_file(lock, store, &st, err);
	if (status == HF_BUSY && last) {
		hf_once_lock_look(lock, store);
		hf_fail(err, HF_BUSY, "cannot mark '%s'%s in '%s': its command is run by %s",
			hf_store_name(key, last), lock->count > 1 ? " and others" : "", store->path,
			describe_holder(who, sizeof(who), lock, byte_of(last)));
		hf_advise(err, "wait longer with -w: it is decided when the command ends");
	}
	if (status != HF_OK)
		hf_once_lock_release(lock);
	return status;
}

void hf_once_lock_release(struct hf_once_lock *lock)
{
	int saved = errno;

	hf_lockset_free(lock->set);
	free(lock->held);
	hf_close(lock->probe);
	*lock = (struct hf_once_lock){.probe = -1};
	errno = saved;
}
