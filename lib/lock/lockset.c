/* SPDX-License-Identifier: ISC */
#include <holdfast/lockset.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <holdfast/clock.h>
#include <holdfast/path.h>
#include "base/sys.h"
#include "lock/lockset_stats.h"
#include "lock/turnstile.h"

/* a path that names another inode at every check cannot be locked */
enum { MAX_CHANGES = 1000 };

struct hf_lockset {
	struct hf_lock **locks; /* in the order of holdfast/lock.h after arrange_locks() */
	size_t count, room;
	int *fds; /* two for each lock: the one that it took, and the one that it borrowed or its
		   * external lock's */
	size_t fd_count;
	struct hf_lockset_stats tally;
};

struct hf_lockset *hf_lockset_new(void)
{
	return calloc(1, sizeof(struct hf_lockset));
}

static bool grow_set(struct hf_lockset *set)
{
	size_t room = set->room ? 2 * set->room : 4;
	struct hf_lock **locks = realloc(set->locks, room * sizeof(*locks));
	int *fds;

	if (!locks)
		return false;
	set->locks = locks;
	fds = realloc(set->fds, 2 * room * sizeof(*fds));
	if (!fds)
		return false;
	set->fds = fds;
	set->room = room;
	return true;
}

struct hf_lock *hf_lockset_add(struct hf_lockset *set, const struct hf_lock_ops *ops,
			       const char *path, enum hf_lock_mode mode, struct hf_err *err)
{
	size_t size = strlen(path) + 1;
	struct hf_lock *lock = NULL;

	if (size == 1) {
		hf_path_empty(err);
		return NULL;
	}
	if (set && (set->count < set->room || grow_set(set)))
		lock = malloc(sizeof(*lock) + size);
	if (!lock) {
		hf_fail(err, HF_OS, "cannot lock '%s': out of memory", path);
		return NULL;
	}
	*lock = (struct hf_lock){.ops = ops,
				 .mode = mode,
				 .fd = -1,
				 .second = -1,
				 .inherited = -1,
				 .slot = -1,
				 .seen.fd = -1};
	lock->path = memcpy(lock + 1, path, size);
	set->locks[set->count++] = lock;
	return lock;
}

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

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
	int order = COMPARE(a->ops->rank, b->ops->rank);

	if (!order)
		order = COMPARE(a->st.st_dev, b->st.st_dev);
	if (!order)
		order = COMPARE(a->st.st_ino, b->st.st_ino);
	if (!order)
		order = COMPARE(a->start, b->start);
	if (!order)
		order = COMPARE(family_of(a), family_of(b));
	if (!order)
		order = COMPARE(b->ops->strictness, a->ops->strictness);
	if (!order)
		order = COMPARE((uintptr_t)a->ops, (uintptr_t)b->ops);
	if (!order)
		order = COMPARE(b->mode, a->mode);
	return order;
}

/* Merge `lock` if it names the same lock as `before`, which precedes it. HF_OK: it does not, or
 * lock->same_as is set. HF_USAGE: they name one file, but not one lock. */
static enum hf_status merge_names(struct hf_lock *before, struct hf_lock *lock, struct hf_err *err)
{
	struct hf_lock *first = before->same_as ? before->same_as : before;
	struct hf_lock *taker = first->beside ? first->beside : first;

	if (first->ops->rank != lock->ops->rank || !hf_same_inode(&first->st, &lock->st))
		return HF_OK;
	if (first->ops == lock->ops && first->start == lock->start &&
	    first->length == lock->length && first->slots == lock->slots) {
		lock->same_as = first;
		return HF_OK;
	}
	if (first->ops->family && first->ops->family == lock->ops->family) {
		if (first->start == lock->start)
			lock->same_as = first;
		else
			lock->beside = taker;
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

/* Open and sort the locks (lock/L1). */
static enum hf_status arrange_locks(struct hf_lockset *set, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < set->count && status == HF_OK; i++) {
		struct hf_lock *lock = set->locks[i];

		lock->same_as = lock->beside = NULL;
		if (lock->state != HF_LOCK_CLOSED)
			continue;
		status = lock->ops->open(lock, err);
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
		if (set->locks[i]->ops->inherits && !set->locks[i]->same_as &&
		    !set->locks[i]->beside)
			status = hf_lock_inherit(set->locks[i], err);
	return status;
}

/* Return true if this process has inherited a lock of a higher rank, under which it must not
 * wait. */
static bool is_inverted(const struct hf_lock *lock)
{
	return lock->ops->rank >= HF_RANK_STRICT && lock->inherited < 0 &&
	       hf_turnstile_inherited() > lock->ops->rank;
}

/* The same, or if a keeper holds such a lock for an ancestor. */
static bool is_inverted_or_kept(const struct hf_lock *lock)
{
	return is_inverted(lock) ||
	       (lock->ops->rank >= HF_RANK_STRICT && lock->inherited < 0 &&
		hf_turnstile_kept() > lock->ops->rank);
}

static enum hf_status take_one(struct hf_lock *lock, const struct hf_wait *wait,
			       struct hf_err *err)
{
	struct hf_wait at_once = *wait;
	enum hf_status status;

	lock->deadline = wait->deadline;
	if (lock->beside) {
		hf_lock_close(lock);
		return HF_OK;
	}
	if (hf_time_left(wait->deadline) == 0 || !is_inverted(lock))
		return lock->ops->take(lock, wait, err);
	at_once.deadline = HF_NOWAIT;
	status = lock->ops->take(lock, &at_once, err);
	return status == HF_BUSY ? hf_turnstile_refuse(lock->path, err) : status;
}

void hf_lockset_leave(struct hf_lockset *set)
{
	struct hf_stats stats;

	if (hf_lockset_stats_prepare(&set->tally, set->locks, set->count, false, &stats))
		hf_lockset_stats_write(&set->tally, &stats);
}

/* Take the own locks (lock/L2). On failure *stopped is the lock that could not be taken. */
static enum hf_status take_own_locks(struct hf_lockset *set, const struct hf_wait *wait,
				     struct hf_lock **stopped, struct hf_err *err)
{
	for (size_t i = 0; i < set->count; i++) {
		struct hf_lock *lock = set->locks[i];
		int64_t asked = hf_lockset_stats_now(&set->tally);
		enum hf_status status;

		if (lock->same_as)
			continue;
		*stopped = lock;
		status = take_one(lock, wait, err);
		hf_lockset_stats_wait(&set->tally, lock, asked);
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

		if (lock->same_as || !lock->ops->try)
			continue;
		*stopped = lock;
		status = lock->ops->try(lock, err);
		if (status != HF_OK)
			return status;
		lock->state = HF_LOCK_HELD;
		if (lock->second >= 0)
			set->fds[set->fd_count++] = lock->second;
	}
	return HF_OK;
}

/* Wait for an external lock while nothing is held (lock/L4). */
static enum hf_status wait_external_lock(const struct hf_lockset *set, struct hf_lock *lock,
					 const struct hf_wait *wait, struct hf_err *err)
{
	int64_t asked = hf_lockset_stats_now(&set->tally);
	enum hf_status status = lock->ops->wait(lock, wait, err);

	lock->contended = true;
	hf_lockset_stats_wait(&set->tally, lock, asked);
	return status;
}

enum hf_status hf_lockset_acquire(struct hf_lockset *set, const struct hf_wait *wait,
				  struct hf_err *err)
{
	hf_lockset_stats_begin(&set->tally, set->locks, set->count);
	for (int changes = 0;;) {
		struct hf_lock *stopped = NULL;
		bool tried = false;
		enum hf_status status = arrange_locks(set, err);

		if (status == HF_OK)
			status = take_own_locks(set, wait, &stopped, err);
		if (status == HF_OK) {
			status = try_external_locks(set, &stopped, err);
			tried = true;
		}
		if (status == HF_OK) {
			hf_lockset_stats_acquired(&set->tally);
			return HF_OK;
		}
		if (status == HF_BUSY && tried && hf_time_left(wait->deadline) > 0 &&
		    is_inverted_or_kept(stopped))
			status = hf_turnstile_refuse(stopped->path, err);
		hf_lockset_release(set);
		if (status == HF_NO) {
			if (++changes < MAX_CHANGES)
				continue;
			hf_fail(err, HF_BUSY, "cannot lock '%s': it is replaced all the time",
				stopped->path);
			hf_advise(err, "lock a file that nobody replaces: '%s.lock'",
				  stopped->path);
			return HF_BUSY;
		}
		if (status == HF_BUSY && tried && hf_time_left(wait->deadline) > 0)
			status = wait_external_lock(set, stopped, wait, err);
		if (status == HF_BUSY && stopped)
			hf_lockset_stats_fail(&set->tally, stopped, wait);
		if (status != HF_OK)
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

void hf_lockset_release(struct hf_lockset *set)
{
	struct hf_stats stats;
	int saved = errno;
	bool told = hf_lockset_stats_prepare(&set->tally, set->locks, set->count, true, &stats);

	for (size_t i = set->count; i-- > 0;) {
		struct hf_lock *lock = set->locks[i];

		if (lock->state != HF_LOCK_CLOSED)
			lock->ops->release(lock);
		if (lock->borrowed)
			sys_close(lock->inherited);
		lock->state = HF_LOCK_CLOSED;
		lock->inherited = -1;
		lock->borrowed = lock->lent = false;
	}
	set->fd_count = 0;
	if (told)
		hf_lockset_stats_write(&set->tally, &stats);
	errno = saved;
}

void hf_lockset_free(struct hf_lockset *set)
{
	int saved = errno;

	if (!set)
		return;
	hf_lockset_release(set);
	for (size_t i = 0; i < set->count; i++) {
		if (set->locks[i]->seen.fd >= 0)
			sys_close(set->locks[i]->seen.fd);
		free(set->locks[i]->name);
		free(set->locks[i]);
	}
	hf_lockset_stats_free(&set->tally);
	free(set->locks);
	free(set->fds);
	free(set);
	errno = saved;
}
