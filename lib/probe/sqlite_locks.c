/* SPDX-License-Identifier: ISC */
#include "probe/sqlite_locks.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sys.h"
#include "probe/proc_locks.h"
#include "probe/sqlite_beside.h"

enum {
	PENDING = 0x40000000,
	RESERVED,
	SHARED,
	SHARED_COUNT = 510,
	WAL_WRITE = 120,
	WAL_CHECKPOINT,
	WAL_RECOVER,
	WAL_READ,
	WAL_READ_COUNT = 5,
};

const char *hf_sqlite_does(enum hf_sqlite_role role)
{
	static const char *const does[] = {
		[HF_SQLITE_CONNECTS] = "has it open",
		[HF_SQLITE_READS] = "reads it",
		[HF_SQLITE_WRITES] = "writes to it",
		[HF_SQLITE_PENDS] = "waits for readers, to write to it",
		[HF_SQLITE_COMMITS] = "commits to it",
		[HF_SQLITE_CHECKPOINTS] = "checkpoints it",
		[HF_SQLITE_RECOVERS] = "recovers it",
	};

	return does[role];
}

static int open_db_file(const struct hf_target *db, const char *name)
{
	return sys_openat(db->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			  0);
}

/* Open the log's index. If it may not be trusted, no connection of this library uses it, and
 * another user may have locked it only to delay others. */
static int open_index(const struct hf_target *db, int file)
{
	char name[NAME_MAX + 8];
	struct hf_trust trust;
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%s-shm", db->name);
	if (sys_fstatat(db->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return -1;
	fd = open_db_file(db, name);
	hf_trust_init(&trust, db, file);
	if (fd < 0 || (sys_fstat(fd, &st) == 0 && !hf_sqlite_distrusts(&trust, fd, &st)))
		return fd;
	sys_close(fd);
	return -1;
}

enum hf_status hf_sqlite_probe_open(struct hf_sqlite_probe *look, const struct hf_target *db,
				    struct hf_err *err)
{
	*look = (struct hf_sqlite_probe){.db = open_db_file(db, db->name), .shm = -1};
	if (look->db < 0 && errno != ENOENT)
		return hf_fail_errno(err, "cannot open database '%s'", db->path);
	return HF_OK;
}

void hf_sqlite_probe_close(struct hf_sqlite_probe *look)
{
	hf_close(look->db);
	hf_close(look->shm);
	look->db = look->shm = -1;
}

/* Return true if a lock conflicts with a lock of this type; *lock is the first such lock. */
static bool find_conflict(int fd, short type, off_t start, off_t count, struct flock *lock)
{
	*lock = (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = count};
	return fd >= 0 && sys_fcntl_lock(fd, F_OFD_GETLK, lock) == 0 && lock->l_type != F_UNLCK;
}

bool hf_sqlite_is_locked(int db)
{
	struct flock lock;

	return find_conflict(db, F_WRLCK, PENDING, SHARED - PENDING + SHARED_COUNT, &lock);
}

/* Close *fd if the file was replaced (by_name) or deleted. */
static void close_if_replaced(int *fd, const struct hf_target *db, bool by_name)
{
	struct stat st;

	if (*fd < 0 || (by_name ? hf_names_inode(db->dir, db->name, *fd)
				: sys_fstat(*fd, &st) == 0 && st.st_nlink > 0))
		return;
	sys_close(*fd);
	*fd = -1;
}

/* Reopen the files. The database may have been replaced while the caller waited for its turnstile.
 * The last connection that closes deletes the log's index, and the next one creates another. */
static void reopen_files(struct hf_sqlite_probe *look, const struct hf_target *db)
{
	close_if_replaced(&look->db, db, true);
	close_if_replaced(&look->shm, db, false);
	if (look->db < 0)
		look->db = open_db_file(db, db->name);
	if (look->shm < 0)
		look->shm = open_index(db, look->db);
}

static enum hf_sqlite_role role_in_file(const struct flock *lock)
{
	if (lock->l_len == 0 || lock->l_start + lock->l_len > SHARED)
		return HF_SQLITE_COMMITS;
	return lock->l_start == PENDING ? HF_SQLITE_PENDS : HF_SQLITE_WRITES;
}

bool hf_sqlite_writer(struct hf_sqlite_probe *look, const struct hf_target *db,
		      struct hf_sqlite_user *user)
{
	struct flock lock;

	reopen_files(look, db);
	*user = (struct hf_sqlite_user){.slot = -1};
	if (find_conflict(look->db, F_RDLCK, PENDING, SHARED - PENDING + SHARED_COUNT, &lock))
		user->role = role_in_file(&lock);
	else if (find_conflict(look->shm, F_RDLCK, WAL_WRITE, 1, &lock))
		user->role = HF_SQLITE_WRITES;
	else if (find_conflict(look->shm, F_RDLCK, WAL_RECOVER, 1, &lock))
		user->role = HF_SQLITE_RECOVERS;
	else
		return false;
	user->pid = lock.l_pid > 0 ? lock.l_pid : 0;
	return true;
}

static bool lock_covers(const struct hf_lock_entry *lock, int64_t first, int64_t last)
{
	return lock->start <= last && lock->last >= first;
}

static bool add_user(struct hf_sqlite_users *users, pid_t pid, enum hf_sqlite_role role, int slot)
{
	const struct hf_sqlite_user user = {role, slot, pid > 0 ? pid : 0};

	for (size_t i = 0; i < users->count; i++)
		if (users->at[i].pid == pid && users->at[i].role == role &&
		    users->at[i].slot == slot)
			return true;
	return hf_array_append(&users->at, &users->count, &user, sizeof(user));
}

/* Add the roles that a lock of the database file means. */
static bool add_file_roles(struct hf_sqlite_users *users, const struct hf_lock_entry *lock)
{
	bool done = true;

	if (lock_covers(lock, SHARED, SHARED + SHARED_COUNT - 1))
		done = add_user(users, lock->pid,
				lock->exclusive ? HF_SQLITE_COMMITS
				: users->wal	? HF_SQLITE_CONNECTS
						: HF_SQLITE_READS,
				-1);
	else if (lock_covers(lock, RESERVED, RESERVED) && lock->exclusive)
		done = add_user(users, lock->pid, HF_SQLITE_WRITES, -1);
	if (done && lock_covers(lock, PENDING, PENDING) && lock->exclusive)
		done = add_user(users, lock->pid, HF_SQLITE_PENDS, -1);
	return done;
}

/* Add the roles that a lock of the log's index means. */
static bool add_index_roles(struct hf_sqlite_users *users, const struct hf_lock_entry *lock)
{
	bool done = true;

	if (lock->exclusive && lock_covers(lock, WAL_WRITE, WAL_WRITE))
		done = add_user(users, lock->pid, HF_SQLITE_WRITES, -1);
	if (done && lock->exclusive && lock_covers(lock, WAL_CHECKPOINT, WAL_CHECKPOINT))
		done = add_user(users, lock->pid, HF_SQLITE_CHECKPOINTS, -1);
	if (done && lock->exclusive && lock_covers(lock, WAL_RECOVER, WAL_RECOVER))
		done = add_user(users, lock->pid, HF_SQLITE_RECOVERS, -1);
	for (int i = 0; done && !lock->exclusive && i < WAL_READ_COUNT; i++)
		if (lock_covers(lock, WAL_READ + i, WAL_READ + i))
			done = add_user(users, lock->pid, HF_SQLITE_READS, i);
	return done;
}

static int compare_users(const void *left, const void *right)
{
	const struct hf_sqlite_user *a = left, *b = right;

	return a->pid != b->pid ? (a->pid > b->pid) - (a->pid < b->pid)
				: (int)a->role - (int)b->role;
}

static bool add_locks_of_proc(struct hf_sqlite_users *users, const struct hf_sqlite_probe *look)
{
	struct hf_lock_id db, shm;
	struct hf_lock_entry lock;
	char line[256];
	bool done = true, has_shm;
	FILE *f;

	if (!hf_lock_id_of(look->db, &db))
		return true;
	has_shm = look->shm >= 0 && hf_lock_id_of(look->shm, &shm);
	f = fopen("/proc/locks", "re");
	while (f && done && fgets(line, sizeof(line), f)) {
		if (!hf_lock_parse(line, &lock) || lock.waits || lock.type == HF_LOCK_FLOCK)
			continue;
		if (hf_lock_id_equal(&lock.id, &db))
			done = add_file_roles(users, &lock);
		else if (has_shm && hf_lock_id_equal(&lock.id, &shm))
			done = add_index_roles(users, &lock);
	}
	if (f)
		fclose(f);
	return done;
}

enum hf_status hf_sqlite_users_read(const struct hf_target *db, struct hf_sqlite_users *users,
				    struct hf_err *err)
{
	struct hf_sqlite_probe look;
	struct hf_sqlite_user writer;
	enum hf_status status = hf_sqlite_probe_open(&look, db, err);
	bool written, done;

	*users = (struct hf_sqlite_users){0};
	if (status != HF_OK)
		return status;
	written = hf_sqlite_writer(&look, db, &writer);
	users->wal = look.shm >= 0;
	done = look.db < 0 || add_locks_of_proc(users, &look);
	/* a writer of another PID namespace, which /proc/locks does not list */
	if (done && written && !writer.pid)
		done = add_user(users, 0, writer.role, -1);
	hf_sqlite_probe_close(&look);
	if (!done) {
		hf_sqlite_users_free(users);
		return hf_fail(err, HF_OS, "cannot inspect database '%s': out of memory", db->path);
	}
	if (users->count)
		qsort(users->at, users->count, sizeof(*users->at), compare_users);
	return HF_OK;
}

void hf_sqlite_users_free(struct hf_sqlite_users *users)
{
	free(users->at);
	*users = (struct hf_sqlite_users){0};
}
