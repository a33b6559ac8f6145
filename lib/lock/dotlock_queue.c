/* SPDX-License-Identifier: ISC */
#include "lock/dotlock_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/side_file.h"
#include "base/sys.h"
#include "lock/dotlock_file.h"
#include "probe/proc_locks.h"
#include <holdfast/lock_range.h>

static const char *queue_name(const struct hf_target *target, char name[NAME_MAX + 1])
{
	return hf_target_side(target, "queue", name);
}

/* The file was a holder's, and its content has no meaning now; only its owner matters. Give no
 * notice: among users that share a lock it is often another user's. */
static int open_queue(const struct hf_target *target)
{
	char name[NAME_MAX + 1];
	struct hf_trust trust;
	struct stat st;
	int fd;

	hf_trust_init(&trust, target, HF_TRUST_NAMED);
	trust.quiet = true;
	if (hf_side_open_leftover(&trust, queue_name(target, name), &fd, &st, NULL) == HF_OK)
		return fd;
	return -1;
}

/* The caller has fd locked. */
static void remove_name(const struct hf_target *target, int fd)
{
	char name[NAME_MAX + 1];

	if (hf_names_inode(target->dir, queue_name(target, name), fd))
		sys_unlinkat(target->dir, name, 0);
}

/* Return true if another process has marked it. */
static bool is_waited_for(int fd)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = HF_WAITER_MARK, .l_len = 1};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void hf_dot_queue_mark(int fd)
{
	(void)!hf_range_try(fd, HF_LOCK_SHARED, HF_WAITER_MARK, 1);
}

/* Return the index of the kept lock of this inode; -1 if there is none. */
static int find_kept(const struct hf_dot_queue *queue, const struct stat *st)
{
	struct stat kept;

	for (int i = 0; i < queue->count; i++)
		if (sys_fstat(queue->kept[i], &kept) == 0 && hf_same_inode(&kept, st))
			return i;
	return -1;
}

int hf_dot_queue_open(const struct hf_dot_queue *queue, const struct hf_target *target)
{
	int fd = open_queue(target);
	struct stat st;

	if (fd < 0)
		return -1;
	if (sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && find_kept(queue, &st) < 0)
		return fd;
	sys_close(fd);
	return -1;
}

bool hf_dot_queue_is_moot(struct hf_dot_queue *queue, const struct hf_target *target)
{
	enum hf_status status;
	struct stat st;
	int fd;

	if (HF_WITHOUT(moot))
		return false;
	status = hf_dot_look(target, &fd, &st, NULL);
	if (status == HF_NO || (status == HF_OK && sys_flock(fd, LOCK_EX | LOCK_NB) == 0))
		queue->found_free++;
	else
		queue->found_free = 0;
	if (status == HF_OK)
		sys_close(fd);
	return queue->found_free > 1;
}

static void release_kept(struct hf_dot_queue *queue, int i)
{
	sys_close(queue->kept[i]);
	queue->count--;
	memmove(queue->kept + i, queue->kept + i + 1,
		sizeof(queue->kept[0]) * (size_t)(queue->count - i));
}

void hf_dot_queue_keep(struct hf_dot_queue *queue, int fd)
{
	if (queue->count == HF_DOT_KEPT)
		release_kept(queue, 0);
	queue->kept[queue->count++] = fd;
}

void hf_dot_queue_forget(struct hf_dot_queue *queue, const struct stat *st)
{
	int i = find_kept(queue, st);

	if (i >= 0)
		release_kept(queue, i);
}

bool hf_dot_queue_found(const struct hf_target *target, int fd)
{
	char name[NAME_MAX + 1];

	return is_waited_for(fd) && sys_renameat2(target->dir, target->name, target->dir,
						  queue_name(target, name), RENAME_NOREPLACE) == 0;
}

void hf_dot_queue_leave(struct hf_dot_queue *queue, const struct hf_target *target)
{
	int saved = errno;

	/* the waiters of the first queue have waited longest */
	for (int i = 0; i < queue->count; i++) {
		if (!is_waited_for(queue->kept[i]))
			remove_name(target, queue->kept[i]);
		sys_close(queue->kept[i]);
	}
	queue->count = 0;
	errno = saved;
}

void hf_dot_queue_reap(const struct hf_target *target)
{
	int fd = open_queue(target);

	if (fd < 0)
		return;
	if (sys_flock(fd, LOCK_EX | LOCK_NB) == 0 && !is_waited_for(fd))
		remove_name(target, fd);
	sys_close(fd);
}
