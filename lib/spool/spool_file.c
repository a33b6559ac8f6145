/* SPDX-License-Identifier: ISC */
#include "spool/spool_file.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>

#include "base/attributes.h"
#include "base/copy.h"
#include "base/hash.h"
#include "base/sys.h"
#include "base/tempfile.h"
#include <holdfast/clock.h>

#define MAGIC "hfspool2"

enum { LOCK_TRIES = 24, YIELDS = 4, TRIES = 3, READ_TRIES = 100 };

static uint64_t hash_head(const struct hf_spool_head *head)
{
	return hf_hash(HF_HASH_START, head, offsetof(struct hf_spool_head, check));
}

static uint64_t hash_target_name(const struct hf_target *target)
{
	return hf_hash_text(HF_HASH_START, target->name);
}

/* Retry: a transient error must not hide what became of a record. */
static ssize_t read_with_retries(int fd, void *data, size_t size, uint64_t at)
{
	ssize_t n;

	for (int i = 0; i < TRIES; i++)
		if ((n = sys_pread(fd, data, size, (off_t)at)) >= 0)
			break;
	return n;
}

/* A reader may see half of another process's write: retry until the checksum matches. */
static bool read_intact_head(int fd, struct hf_spool_head *head)
{
	ssize_t n;

	for (int i = 0; i < READ_TRIES; i++) {
		n = read_with_retries(fd, head, sizeof(*head), 0);
		if (n != (ssize_t)sizeof(*head)) {
			errno = n < 0 ? errno : 0;
			return false;
		}
		if (head->check == hash_head(head))
			return true;
		sched_yield();
	}
	errno = 0;
	return false;
}

int hf_spool_read_head(const struct hf_target *target, int fd, struct hf_spool_head *head)
{
	struct stat st;
	int result = -1;

	if (!read_intact_head(fd, head))
		return -1;
	for (int i = 0; i < TRIES && result < 0; i++)
		result = sys_fstat(fd, &st);
	if (result < 0)
		return -1;
	errno = 0;
	return memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0 && head->end >= sizeof(*head) &&
			       head->end <= (uint64_t)st.st_size && head->state >= HF_SPOOL_OPEN &&
			       head->state <= HF_SPOOL_ABANDONED &&
			       head->name == hash_target_name(target)
		       ? 0
		       : -1;
}

bool hf_spool_write_head(int fd, struct hf_spool_head *head)
{
	head->check = hash_head(head);
	return hf_pwrite_all(fd, head, sizeof(*head), 0, "", NULL) == HF_OK;
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

bool hf_spool_mark(int fd, uint64_t at, short type)
{
	struct flock range = {.l_type = type, .l_start = (off_t)at, .l_len = 1};

	return sys_fcntl_lock(fd, F_OFD_SETLK, &range) == 0;
}

int hf_spool_is_marked(int fd, uint64_t at)
{
	struct flock range = {.l_type = F_WRLCK, .l_start = (off_t)at, .l_len = 1};

	if (sys_fcntl_lock(fd, F_OFD_GETLK, &range) < 0)
		return -1;
	return range.l_type != F_UNLCK;
}

int hf_spool_create(const struct hf_target *target, int fd_of_target, char temporary[NAME_MAX + 1])
{
	struct stat st;
	int fd;

	if (sys_fstat(fd_of_target, &st) < 0 ||
	    hf_tempfile_open(target, 0600, &fd, temporary, NULL) != HF_OK)
		return -1;
	if (hf_share_access(fd_of_target, fd, &st, target->path, NULL) == HF_OK)
		return fd;
	hf_tempfile_discard(target, fd, temporary);
	return -1;
}

enum hf_status hf_spool_name(const struct hf_target *target, int fd, const char *temporary,
			     const char *name, struct hf_err *err)
{
	enum hf_status status = hf_tempfile_name(target, fd, temporary, name, err);

	/* a temporary file with a name was locked by its maker */
	if (status == HF_OK && *temporary)
		hf_spool_unlock(fd);
	return status;
}

bool hf_spool_remove(const struct hf_target *target, int fd, const char *name)
{
	return !hf_names_inode(target->dir, name, fd) || sys_unlinkat(target->dir, name, 0) == 0 ||
	       errno == ENOENT;
}

/* Write the record's bytes at this offset. */
static bool put_bytes(int fd, const struct hf_append_record *record, uint64_t at)
{
	char buffer[65536];

	if (record->data)
		return hf_pwrite_all(fd, record->data, record->size, (int64_t)at, "", NULL) ==
		       HF_OK;
	for (uint64_t done = 0; done < record->size;) {
		uint64_t rest = record->size - done;
		size_t got = rest < sizeof(buffer) ? (size_t)rest : sizeof(buffer);

		if (hf_pread_exactly(record->fd, buffer, got, record->offset + done, "", NULL) !=
			    HF_OK ||
		    hf_pwrite_all(fd, buffer, got, (int64_t)(at + done), "", NULL) != HF_OK)
			return false;
		done += got;
	}
	return true;
}

bool hf_spool_put(int fd, struct hf_spool_head *head, const struct hf_append_record *record)
{
	struct hf_spool_frame frame = {.magic = HF_SPOOL_FRAME_MAGIC, .size = record->size};
	uint64_t at = head->end + sizeof(frame);

	if (hf_pwrite_all(fd, &frame, sizeof(frame), (int64_t)head->end, "", NULL) != HF_OK ||
	    !put_bytes(fd, record, at))
		return false;
	head->end = at + record->size;
	return hf_spool_write_head(fd, head);
}

struct hf_spool_head hf_spool_new_head(const struct hf_target *target, enum hf_spool_state state)
{
	struct hf_spool_head head;

	/* also the padding, for the checksum */
	memset(&head, 0, sizeof(head));
	head.state = state;
	head.end = sizeof(head);
	head.name = hash_target_name(target);
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
	n = read_with_retries(fd, frame, sizeof(*frame), *at);
	if (n < 0)
		return HF_IO;
	if (n != (ssize_t)sizeof(*frame) || head->end - *at < sizeof(*frame) ||
	    frame->magic != HF_SPOOL_FRAME_MAGIC || frame->size > head->end - *at - sizeof(*frame))
		return HF_DATA;
	return HF_OK;
}
