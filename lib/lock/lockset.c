/* SPDX-License-Identifier: ISC */
#include <holdfast/lockset.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sys.h"
#include "lock/lock_kind.h"
#include "lock/lockset_stats.h"
#include <holdfast/clock.h>
#include <holdfast/path.h>

/* a path that names another inode at every check cannot be locked */
enum { MAX_CHANGES = 1000 };

struct hf_lockset {
	struct hf_lock **locks; /* in the order of holdfast/lock.h after arrange_locks() */
	size_t count;
	int *fds; /* two for each lock: the one that it took, and the one that it borrowed or its
		   * external lock's */
	size_t fd_count;
	struct hf_lockset_stats stats;
};

struct hf_lockset *hf_lockset_new(void)
{
	return calloc(1, sizeof(struct hf_lockset));
}

/* Return a new element of the set, all zero, with `size` bytes; NULL: out of memory. */
static struct hf_lock *new_lock(struct hf_lockset *set, size_t size)
{
	struct hf_lock *lock;
	int *fds = reallocarray(set->fds, set->count + 1, 2 * sizeof(*fds));

	if (!fds)
		return NULL;
	set->fds = fds;
	lock = calloc(1, size);
	if (lock && hf_array_append(&set->locks, &set->count, &lock, sizeof(lock)))
		return lock;
	free(lock);
	return NULL;
}

struct hf_lock *hf_lockset_add(struct hf_lockset *set, const struct hf_lock_ops *ops,
			       const char *path, enum hf_lock_mode mode, struct hf_err *err)
{
	const size_t size = strlen(path) + 1;
	struct hf_lock *lock = NULL;

	if (size == 1) {
		hf_path_empty(err);
		return NULL;
	}
	if (set)
		lock = new_lock(set, sizeof(*lock) + ops->data_size + size);
	if (!lock) {
		hf_fail(err, HF_OS, "cannot lock '%s': out of memory", path);
		return NULL;
	}
	lock->ops = ops;
	lock->mode = mode;
	lock->kind_data = lock + 1;
	lock->path = memcpy((char *)(lock + 1) + ops->data_size, path, size);
	lock->fd = lock->external_fd = lock->inherited = -1;
	return lock;
}

static uintptr_t family_of(const struct hf_lock *lock)
{
	return lock->ops->family ? (uintptr_t)lock->ops->family : (uintptr_t)lock->ops;
}

/* The global order. The last four keys bring the names of one inode together, the strictest and
 * then the exclusive one first; that one represents them. */
static int compare_locks(const void *left, const void *right)
{
	const struct hf_lock *a = *(struct hf_lock *const *)left;
	const struct hf_lock *b = *(struct hf_lock *const *)right;
	const uintmax_t keys[][2] = {
		{(uintmax_t)a->ops->rank, (uintmax_t)b->ops->rank},
		{a->st.st_dev, b->st.st_dev},
		{a->st.st_ino, b->st.st_ino},
		{(uintmax_t)a->start, (uintmax_t)b->start},
		{family_of(a), family_of(b)},
		{(uintmax_t)b->ops->strictness, (uintmax_t)a->ops->strictness},
		{(uintptr_t)a->ops, (uintptr_t)b->ops},
		{b->mode, a->mode},
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] < keys[i][1] ? -1 : 1;
	return 0;
}

/* Merge `lock` if it names the same lock as `before`, which precedes it. HF_OK: it does not, or
 * lock->duplicate_of or shares_turnstile is set. HF_USAGE: they name one file, but not one lock. */
static enum hf_status merge_names(struct hf_lock *before, struct hf_lock *lock, struct hf_err *err)
{
	struct hf_lock *first = before->duplicate_of ? before->duplicate_of : before;
	struct hf_lock *taker = first->shares_turnstile ? first->shares_turnstile : first;

	if (first->ops->rank != lock->ops->rank || !hf_same_inode(&first->st, &lock->st))
		return HF_OK;
	if (first->ops == lock->ops && first->start == lock->start &&
	    first->length == lock->length) {
		lock->duplicate_of = first;
		return HF_OK;
	}
	if (first->ops->family && first->ops->family == lock->ops->family) {
		if (first->start == lock->start)
			lock->duplicate_of = first;
		else
			lock->shares_turnstile = taker;
		if (lock->mode == HF_LOCK_EXCLUSIVE)
			taker->mode = HF_LOCK_EXCLUSIVE;
		return HF_OK;
	}
	if (first->ops == lock->ops && lock->start > hf_lock_last(first->start, first->length))
		return HF_OK;
	hf_fail(err, HF_USAGE, "cannot lock both '%s' and '%s': they are one file", first->path,
		lock->path);
	hf_advise(err, "name it once");
	return HF_USAGE;
}

static enum hf_status refuse_shared(const struct hf_lock *lock, struct hf_err *err)
{
	hf_fail(err, HF_USAGE, "cannot lock '%s' shared: a lock of the kind '%s' is exclusive",
		lock->path, lock->ops->name);
	hf_advise(err, "omit -s for it");
	return HF_USAGE;
}

/* Open and sort the locks (lock/L1). */
static enum hf_status arrange_locks(struct hf_lockset *set, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < set->count && status == HF_OK; i++) {
		struct hf_lock *lock = set->locks[i];

		lock->duplicate_of = lock->shares_turnstile = NULL;
		if (lock->state != HF_LOCK_CLOSED)
			continue;
		status = lock->ops->exclusive && lock->mode == HF_LOCK_SHARED
				 ? refuse_shared(lock, err)
				 : lock->ops->open(lock, err);
		if (status == HF_OK)
			lock->state = HF_LOCK_OPEN;
	}
	if (status != HF_OK)
		return status;
	if (set->count > 1)
		qsort(set->locks, set->count, sizeof(struct hf_lock *), compare_locks);
	for (size_t i = 1; i < set->count && status == HF_OK; i++)
		status = merge_names(set->locks[i - 1], set->locks[i], err);
	for (size_t i = 0; i < set->count && status == HF_OK; i++)
		if (set->locks[i]->ops->inherits && !set->locks[i]->duplicate_of &&
		    !set->locks[i]->shares_turnstile)
			status = hf_lock_inherit(set->locks[i], err);
	return status;
}

/* Take the own lock, or leave that to the lock which has the same one. */
static enum hf_status take_one(struct hf_lock *lock, const struct hf_wait *wait, struct hf_err *err)
{
	lock->deadline = wait->deadline;
	if (!lock->shares_turnstile)
		return lock->ops->take(lock, wait, err);
	hf_lock_close(lock);
	return HF_OK;
}

/* Take the own locks (lock/L2). On failure *stopped is the lock that could not be taken. */
static enum hf_status take_own_locks(struct hf_lockset *set, const struct hf_wait *wait,
				     struct hf_lock **stopped, struct hf_err *err)
{
	for (size_t i = 0; i < set->count; i++) {
		struct hf_lock *lock = set->locks[i];
		int64_t asked = hf_lockset_stats_now(&set->stats);
		enum hf_status status;

		if (lock->duplicate_of)
			continue;
		*stopped = lock;
		status = take_one(lock, wait, err);
		hf_lockset_stats_wait(&set->stats, lock, asked);
		if (status != HF_OK)
			return status;
		lock->state = lock->ops->try ? HF_LOCK_TAKEN : HF_LOCK_HELD;
		if (lock->fd >= 0)
			set->fds[set->fd_count++] = lock->fd;
		if (lock->borrowed)
			set->fds[set->fd_count++] = lock->inherited;
	}
	return HF_OK;
}

/* Try the external locks (lock/L3). */
static enum hf_status try_external_locks(struct hf_lockset *set, struct hf_lock **stopped,
					 struct hf_err *err)
{
	for (size_t i = 0; i < set->count; i++) {
		struct hf_lock *lock = set->locks[i];
		enum hf_status status;

		if (lock->duplicate_of || !lock->ops->try)
			continue;
		*stopped = lock;
		status = lock->ops->try(lock, err);
		if (status != HF_OK)
			return status;
		lock->state = HF_LOCK_HELD;
		if (lock->external_fd >= 0)
			set->fds[set->fd_count++] = lock->external_fd;
	}
	return HF_OK;
}

/* Wait for an external lock while nothing is held (lock/L4). */
static enum hf_status wait_external_lock(const struct hf_lockset *set, struct hf_lock *lock,
					 const struct hf_wait *wait, struct hf_err *err)
{
	int64_t asked = hf_lockset_stats_now(&set->stats);
	enum hf_status status = lock->ops->wait(lock, wait, err);

	lock->contended = true;
	hf_lockset_stats_wait(&set->stats, lock, asked);
	return status;
}

/* An external lock was busy, or a path named another inode: release everything, wait, and return
 * HF_OK to start again. */
static enum hf_status start_again(struct hf_lockset *set, struct hf_lock *stopped,
				  enum hf_status status, const struct hf_wait *wait,
				  struct hf_err *err)
{
	bool waits = status == HF_BUSY && stopped->state == HF_LOCK_TAKEN &&
		     hf_time_left(wait->deadline) > 0;

	if (waits && stopped->ops->may_wait && stopped->ops->may_wait(stopped, err) != HF_OK) {
		waits = false;
		status = HF_USAGE;
	}
	hf_lockset_release(set);
	return waits ? wait_external_lock(set, stopped, wait, err) : status;
}

static enum hf_status fail_replaced(const char *path, struct hf_err *err)
{
	hf_fail(err, HF_BUSY, "cannot lock '%s': it is replaced all the time", path);
	hf_advise(err, "lock a file that is never replaced: '%s.lock'", path);
	return HF_BUSY;
}

enum hf_status hf_lockset_acquire(struct hf_lockset *set, const struct hf_wait *wait,
				  struct hf_err *err)
{
	int changes = 0;

	hf_lockset_stats_begin(&set->stats, set->locks, set->count);
	for (;;) {
		struct hf_lock *stopped = NULL;
		enum hf_status status = arrange_locks(set, err);

		if (status == HF_OK)
			status = take_own_locks(set, wait, &stopped, err);
		if (status == HF_OK)
			status = try_external_locks(set, &stopped, err);
		if (status == HF_OK) {
			set->stats.held = true;
			return HF_OK;
		}
		if (!stopped) {
			hf_lockset_release(set);
			return status;
		}
		status = start_again(set, stopped, status, wait, err);
		if (status == HF_NO && ++changes == MAX_CHANGES)
			return fail_replaced(stopped->path, err);
		if (status == HF_BUSY)
			hf_lockset_stats_fail(&set->stats, stopped, wait);
		if (status != HF_OK && status != HF_NO)
			return status;
	}
}

size_t hf_lockset_fds(const struct hf_lockset *set, const int **fds)
{
	*fds = set->fds;
	return set->fd_count;
}

size_t hf_lockset_locks(const struct hf_lockset *set, struct hf_lock *const **locks)
{
	*locks = set->locks;
	return set->count;
}

void hf_lockset_leave(struct hf_lockset *set)
{
	struct hf_stats stats;

	hf_lockset_stats_prepare(&set->stats, set->locks, set->count, false, &stats);
	hf_stats_flush(&stats, set->stats.sink);
}

void hf_lockset_release(struct hf_lockset *set)
{
	struct hf_stats stats;
	int saved = errno;

	hf_lockset_stats_prepare(&set->stats, set->locks, set->count, true, &stats);
	for (size_t i = set->count; i-- > 0;) {
		struct hf_lock *lock = set->locks[i];

		if (lock->state != HF_LOCK_CLOSED)
			lock->ops->release(lock);
		if (lock->borrowed)
			sys_close(lock->inherited);
		lock->state = HF_LOCK_CLOSED;
		lock->inherited = lock->external_fd = -1;
		lock->borrowed = lock->lent = false;
	}
	set->fd_count = 0;
	hf_stats_flush(&stats, set->stats.sink);
	errno = saved;
}

void hf_lockset_free(struct hf_lockset *set)
{
	int saved = errno;

	if (!set)
		return;
	hf_lockset_release(set);
	for (size_t i = 0; i < set->count; i++) {
		struct hf_lock *lock = set->locks[i];

		if (lock->ops->free)
			lock->ops->free(lock);
		free(lock->name);
		free(lock);
	}
	free(set->stats.sink);
	free(set->locks);
	free(set->fds);
	free(set);
	errno = saved;
}
