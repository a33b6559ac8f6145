/* SPDX-License-Identifier: ISC */
#include "spool_file.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "clock.h"
#include "copy.h"
#include "stage.h"
#include "sys.h"

#define MAGIC "hfspool1"

enum { LOCK_TRIES = 24, YIELDS = 4, TRIES = 3 };

/* An error of the moment should not cost the knowledge of what became of a record. */
static ssize_t read_at(int fd, void *data, size_t size, uint64_t at)
{
	ssize_t n;

	for (int i = 0; i < TRIES; i++)
		if ((n = sys_pread(fd, data, size, (off_t)at)) >= 0)
			break;
	return n;
}

int hf_spool_read_head(int fd, struct hf_spool_head *head)
{
	ssize_t n = read_at(fd, head, sizeof(*head), 0);

	if (n < 0)
		return -1;
	errno = 0;
	return n == (ssize_t)sizeof(*head) && head->end >= sizeof(*head) &&
			       memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0
		       ? 0
		       : -1;
}

bool hf_spool_write_head(int fd, const struct hf_spool_head *head)
{
	return hf_pwrite_all(fd, head, sizeof(*head), 0, "", NULL) == HF_OK;
}

int hf_spool_lock(int fd)
{
	int result = -1;

	for (int i = 0; i < TRIES && result < 0; i += errno != EINTR)
		result = sys_flock(fd, LOCK_EX);
	return result;
}

int hf_spool_unlock(int fd)
{
	int result = -1;

	for (int i = 0; i < TRIES && result < 0; i++)
		result = sys_flock(fd, LOCK_UN);
	return result;
}

bool hf_spool_lock_soon(int fd)
{
	struct hf_backoff backoff = {.base = HF_MS, .cap = HF_MS, .deadline = HF_NEVER};

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (sys_flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (i < YIELDS)
			sched_yield();
		else
			hf_backoff_sleep(&backoff);
	}
	return false;
}

bool hf_spool_own(int fd, uint64_t at, short type)
{
	struct flock range = {.l_type = type, .l_start = (off_t)at, .l_len = 1};

	return sys_fcntl_lock(fd, F_OFD_SETLK, &range) == 0;
}

int hf_spool_has_owner(int fd, uint64_t at)
{
	struct flock range = {.l_type = F_WRLCK, .l_start = (off_t)at, .l_len = 1};

	if (sys_fcntl_lock(fd, F_OFD_GETLK, &range) < 0)
		return -1;
	return range.l_type != F_UNLCK;
}

int hf_spool_open_named(const struct hf_target *target, const char *what)
{
	char name[NAME_MAX + 1];
	int fd = sys_openat(target->dir, hf_target_side(target, what, name),
			    O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		sys_close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

/* Named users may write the target: then here too. No failure if they cannot. */
static void copy_acl(int from, int to)
{
	static const char acl[] = "system.posix_acl_access";
	char value[4096];
	ssize_t n = sys_fgetxattr(from, acl, value, sizeof(value));

	if (n > 0)
		(void)!sys_fsetxattr(to, acl, value, (size_t)n, 0);
}

int hf_spool_create(const struct hf_target *target, int fd_of_target, const struct stat *st)
{
	int fd = sys_openat(target->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	/* the owner first, while we may; it is no failure if we may not */
	if ((st->st_uid != geteuid() || st->st_gid != getegid()) &&
	    sys_fchown(fd, st->st_uid, st->st_gid) < 0)
		(void)!sys_fchown(fd, (uid_t)-1, st->st_gid);
	if ((st->st_mode & 066) && sys_fchmod(fd, (st->st_mode & 0666) | 0600) < 0) {
		sys_close(fd);
		return -1;
	}
	copy_acl(fd_of_target, fd);
	return fd;
}

enum hf_status hf_spool_name(const struct hf_target *target, int fd, const char *what)
{
	char name[NAME_MAX + 1];

	return hf_stage_link(target, fd, hf_target_side(target, what, name), NULL);
}

bool hf_spool_put(int fd, struct hf_spool_head *head, const struct hf_record *record)
{
	struct hf_spool_frame frame = {.magic = HF_SPOOL_FRAME_MAGIC, .size = record->size};
	uint64_t at = head->end + sizeof(frame);
	char buffer[65536];

	if (record->data && sizeof(frame) + record->size <= sizeof(buffer)) {
		memcpy(buffer, &frame, sizeof(frame));
		memcpy(buffer + sizeof(frame), record->data, record->size);
		if (hf_pwrite_all(fd, buffer, sizeof(frame) + record->size, (int64_t)head->end, "",
				  NULL) != HF_OK)
			return false;
		head->end = at + record->size;
		return hf_spool_write_head(fd, head);
	}
	if (hf_pwrite_all(fd, &frame, sizeof(frame), (int64_t)head->end, "", NULL) != HF_OK)
		return false;
	if (record->data) {
		if (hf_pwrite_all(fd, record->data, record->size, (int64_t)at, "", NULL) != HF_OK)
			return false;
	} else {
		for (uint64_t done = 0; done < record->size;) {
			uint64_t n = record->size - done;
			ssize_t got = sys_pread(record->fd, buffer,
						n < sizeof(buffer) ? n : sizeof(buffer),
						(off_t)(record->at + done));

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0 || hf_pwrite_all(fd, buffer, (size_t)got, (int64_t)(at + done),
						      "", NULL) != HF_OK)
				return false;
			done += (uint64_t)got;
		}
	}
	head->end = at + record->size;
	return hf_spool_write_head(fd, head);
}

struct hf_spool_head hf_spool_new_head(enum hf_spool_state state)
{
	struct hf_spool_head head = {.state = state, .end = sizeof(head)};

	memcpy(head.magic, MAGIC, sizeof(head.magic));
	return head;
}

enum hf_status hf_spool_frame_at(int fd, const struct hf_spool_head *head, uint64_t *at,
				 struct hf_spool_frame *frame)
{
	ssize_t n;

	if (*at == 0)
		*at = sizeof(*head);
	if (*at >= head->end)
		return HF_NO;
	n = read_at(fd, frame, sizeof(*frame), *at);
	if (n < 0)
		return HF_IO;
	if (n != (ssize_t)sizeof(*frame) || frame->magic != HF_SPOOL_FRAME_MAGIC ||
	    frame->size > head->end - *at - sizeof(*frame))
		return HF_DATA;
	return HF_OK;
}
