/* SPDX-License-Identifier: ISC */
#include "lock/lock_kind.h"

#include <errno.h>

#include "base/hash.h"
#include "base/sys.h"
#include "keeper/keeper_client.h"
#include <holdfast/fd.h>
#include <holdfast/path.h>

enum { MAX_LOANS = 3 }; /* loans that one wait asks for */

/* Refuse a file that must not even be opened: a FIFO's writer would continue, a device would start.
 * udev and mount lock block devices. */
static enum hf_status refuse_type(const struct hf_lock *lock, struct hf_err *err)
{
	const mode_t type = lock->st.st_mode & S_IFMT;

	if (type == S_IFREG || type == S_IFDIR || type == S_IFBLK)
		return HF_OK;
	hf_fail(err, HF_DATA, "cannot lock '%s': it is %s", lock->path,
		type == S_IFIFO	   ? "a FIFO"
		: type == S_IFSOCK ? "a socket"
				   : "a character device");
	hf_advise(err, "name a regular file or a directory; one that is absent is created");
	return HF_DATA;
}

static enum hf_status fail_open(const struct hf_lock *lock, struct hf_err *err)
{
	int errnum = errno;
	enum hf_status status = errnum == ELOOP ? HF_CANTCREAT : hf_status_of(errnum);

	hf_fail_errno_as(err, status, "cannot open lock file '%s'", lock->path);
	if (errnum == ENOENT)
		hf_advise(err, "a lock file is created, its directory is not: create that first");
	return status;
}

/* Open an existing file, or create it. Two processes may create it at the same time; a file that
 * appears between the two opens must be opened without O_CREAT again, and one that disappears, with
 * it. */
static int open_or_create(const char *path, int flags)
{
	int fd = -1;

	for (int tries = 0; tries < 8; tries++) {
		fd = sys_openat(AT_FDCWD, path, flags, 0);
		if (fd >= 0 || errno != ENOENT)
			break;
		fd = sys_openat(AT_FDCWD, path, flags | O_CREAT, 0666);
		if (fd >= 0 || errno != EACCES)
			break;
	}
	return fd;
}

enum hf_status hf_lock_open(struct hf_lock *lock, int access, struct hf_err *err)
{
	enum hf_status status = HF_OK;
	int fd;

	if (sys_fstatat(AT_FDCWD, lock->path, &lock->st, 0) == 0)
		status = refuse_type(lock, err);
	if (status != HF_OK)
		return status;
	fd = open_or_create(lock->path, access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return fail_open(lock, err);
	lock->fd = hf_fd_high(fd);
	if (lock->fd < 0) {
		status = fail_open(lock, err);
		sys_close(fd);
		return status;
	}
	/* the file may have been replaced by a FIFO since the check */
	status = sys_fstat(lock->fd, &lock->st) < 0 ? fail_open(lock, err) : refuse_type(lock, err);
	if (status != HF_OK)
		hf_lock_close(lock);
	return status;
}

enum hf_status hf_lock_recheck(const struct hf_lock *lock)
{
	struct stat st;

	if (sys_fstatat(AT_FDCWD, lock->path, &st, 0) < 0)
		return HF_NO;
	return hf_same_inode(&st, &lock->st) ? HF_OK : HF_NO;
}

enum hf_status hf_lock_unproved(const struct hf_lock *lock, struct hf_err *err)
{
	hf_fail(err, HF_UNAVAILABLE,
		"cannot lock '%s': %s says that it may be inherited, and without /proc that cannot "
		"be proved",
		lock->path, HF_FD_ENV);
	hf_advise(err, "mount /proc, or unset %s if nothing around this holds the lock", HF_FD_ENV);
	return HF_UNAVAILABLE;
}

/* Check that the lock of an ancestor's descriptor suffices. HF_NO: the descriptor holds no lock. */
static enum hf_status check_inherited(const struct hf_lock *lock, enum hf_held held,
				      struct hf_err *err)
{
	if (held == HF_HELD_NONE)
		return HF_NO;
	if (held == HF_HELD_UNKNOWN)
		return hf_lock_unproved(lock, err);
	if (held == HF_HELD_EXCLUSIVE || lock->mode == HF_LOCK_SHARED)
		return HF_OK;
	hf_fail(err, HF_USAGE,
		"cannot lock '%s': it is already held shared by a process that runs this one, and "
		"an exclusive lock would wait for itself",
		lock->path);
	hf_advise(err, "take the exclusive lock outside, or the shared one (-s) here");
	return HF_USAGE;
}

enum hf_status hf_lock_inherit(struct hf_lock *lock, struct hf_err *err)
{
	int fd = -1;
	enum hf_held held = hf_fd_inherited(&lock->st, &fd);
	enum hf_status status;

	lock->inherited = -1;
	/* a close-on-exec descriptor was not inherited: an old number, reused by another set */
	if (fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC))
		held = HF_HELD_NONE;
	status = check_inherited(lock, held, err);
	if (status == HF_OK)
		lock->inherited = fd;
	return status == HF_NO ? HF_OK : status;
}

/* Prove from fdinfo that fd holds flock(2) on the lock's inode. */
static bool flock_proof(struct hf_lock *lock, int fd, enum hf_held *held)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !hf_same_inode(&st, &lock->st))
		return false;
	*held = hf_fd_held(fd);
	return true;
}

int hf_lock_borrow_fd(const struct stat *inode, bool (*fits)(void *context, int fd), void *context)
{
	struct hf_keeper_loan loan;
	int found = -1;

	if (!hf_keeper_borrow(inode, &loan))
		return -1;
	for (int i = 0; i < loan.count; i++) {
		int fd = loan.fds[i];

		if (found < 0 && fits(context, fd) && (fd = hf_fd_high(fd)) >= 0)
			found = fd;
		else
			sys_close(loan.fds[i]);
	}
	return found;
}

struct borrowing {
	struct hf_lock *lock;
	bool (*proof)(struct hf_lock *lock, int fd, enum hf_held *held);
	enum hf_status status;
	struct hf_err *err;
};

static bool holds_lock(void *context, int fd)
{
	struct borrowing *b = context;
	enum hf_held held;

	if (b->status != HF_NO || !b->proof(b->lock, fd, &held))
		return false;
	b->status = check_inherited(b->lock, held, b->err);
	return b->status == HF_OK;
}

enum hf_status hf_lock_borrow(struct hf_lock *lock,
			      bool (*proof)(struct hf_lock *lock, int fd, enum hf_held *held),
			      struct hf_err *err)
{
	struct borrowing b = {
		.lock = lock, .proof = proof ? proof : flock_proof, .status = HF_NO, .err = err};
	int fd = hf_lock_borrow_fd(&lock->st, holds_lock, &b);

	if (fd < 0)
		return b.status == HF_OK ? HF_NO : b.status;
	lock->inherited = fd;
	lock->borrowed = true;
	return HF_OK;
}

enum hf_status hf_lock_flock(struct hf_lock *lock, int fd, const struct hf_wait *wait,
			     struct hf_err *err)
{
	struct hf_wait ours = *wait;
	enum hf_status status;

	if (sys_flock(fd, (lock->mode == HF_LOCK_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
		return HF_OK;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return hf_fail_errno(err, "cannot lock '%s'", lock->path);
	ours.tried = errno == EWOULDBLOCK;
	lock->contended |= ours.tried;
	for (int asked = 0; ours.tried; asked++) {
		status = hf_lock_borrow(lock, NULL, err);
		if (status != HF_NO)
			return status;
		/* a keeper that promises to lend and does not is waited for */
		ours.borrows = asked < MAX_LOANS;
		status = hf_lock_wait(fd, lock->mode, lock->path, &ours, err);
		if (status != HF_NO)
			return status;
	}
	return hf_lock_wait(fd, lock->mode, lock->path, &ours, err);
}

enum hf_status hf_lock_take_flock(struct hf_lock *lock, const struct hf_wait *wait,
				  struct hf_err *err)
{
	enum hf_status status =
		lock->inherited >= 0 ? HF_OK : hf_lock_flock(lock, lock->fd, wait, err);

	if (lock->inherited >= 0)
		hf_lock_close(lock);
	return status;
}

/* Return 62 bits of a hash of the name, which serve as the start of a range within its
 * directory. */
int64_t hf_lock_identity(const char *name)
{
	return (int64_t)(hf_hash_text(HF_HASH_START, name) >> 2);
}

void hf_lock_close(struct hf_lock *lock)
{
	hf_close(lock->fd);
	lock->fd = -1;
}

const char *hf_lock_path(const struct hf_lock *lock)
{
	return lock->path;
}

int hf_lock_fd(const struct hf_lock *lock)
{
	return lock->fd;
}

int hf_lock_inherited_fd(const struct hf_lock *lock)
{
	return lock->inherited;
}

bool hf_lock_is_borrowed(const struct hf_lock *lock)
{
	return lock->borrowed;
}
