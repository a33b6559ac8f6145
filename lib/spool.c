/* SPDX-License-Identifier: ISC */
#include "spool.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "clock.h"
#include "copy.h"
#include "stage.h"
#include "sys.h"

#define MAGIC "hfspool1"
#define FRAME_MAGIC UINT32_C(0x4d415246)

enum { LOCK_TRIES = 24, YIELDS = 4, PUBLISH_TRIES = 8 };

static bool read_head(int fd, struct hf_spool_head *head)
{
	return sys_pread(fd, head, sizeof(*head), 0) == (ssize_t)sizeof(*head) &&
	       memcmp(head->magic, MAGIC, sizeof(head->magic)) == 0 && head->end >= sizeof(*head);
}

static bool write_head(int fd, const struct hf_spool_head *head)
{
	return hf_pwrite_all(fd, head, sizeof(*head), 0, "", NULL) == HF_OK;
}

static int lock(int fd)
{
	int result;

	do
		result = sys_flock(fd, LOCK_EX);
	while (result < 0 && errno == EINTR);
	return result;
}

/* Whoever holds a spool's lock holds it for microseconds, or is a leader, or is stopped. */
static bool lock_soon(int fd)
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

/* The owner's mark: an OFD lock on the record's first byte. */
static bool own(int fd, uint64_t at, short type)
{
	struct flock range = {.l_type = type, .l_start = (off_t)at, .l_len = 1};

	return sys_fcntl_lock(fd, F_OFD_SETLK, &range) == 0;
}

static bool has_owner(int fd, uint64_t at)
{
	struct flock range = {.l_type = F_WRLCK, .l_start = (off_t)at, .l_len = 1};

	return sys_fcntl_lock(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static int open_named(const struct hf_target *target, const char *what)
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

/* An unnamed spool with the target's owner and permission bits; -1 with errno. */
static int create(const struct hf_target *target, const struct stat *st)
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
	return fd;
}

/* HF_NO: the name is taken. */
static enum hf_status name_it(const struct hf_target *target, int fd, const char *what)
{
	char name[NAME_MAX + 1];

	return hf_stage_link(target, fd, hf_target_side(target, what, name), NULL);
}

/* Write record as a frame at head->end, and then the head that counts it. S1. */
static bool add(int fd, struct hf_spool_head *head, const struct hf_record *record)
{
	struct hf_spool_frame frame = {.magic = FRAME_MAGIC, .size = record->size};
	uint64_t at = head->end + sizeof(frame);
	char buffer[65536];

	if (record->data && sizeof(frame) + record->size <= sizeof(buffer)) {
		memcpy(buffer, &frame, sizeof(frame));
		memcpy(buffer + sizeof(frame), record->data, record->size);
		if (hf_pwrite_all(fd, buffer, sizeof(frame) + record->size, (int64_t)head->end, "",
				  NULL) != HF_OK)
			return false;
		head->end = at + record->size;
		return write_head(fd, head);
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
			if (got <= 0 || hf_pwrite_all(fd, buffer, (size_t)got,
						      (int64_t)(at + done), "", NULL) != HF_OK)
				return false;
			done += (uint64_t)got;
		}
	}
	head->end = at + record->size;
	return write_head(fd, head);
}

static struct hf_spool_head new_head(enum hf_spool_state state)
{
	struct hf_spool_head head = {.state = state, .end = sizeof(head)};

	memcpy(head.magic, MAGIC, sizeof(head.magic));
	return head;
}

/* A new spool with this record in it. HF_BUSY: somebody else was first. */
static enum hf_status publish_new(const struct hf_target *target, const struct stat *st,
				  const struct hf_record *record, struct hf_ticket *ticket)
{
	struct hf_spool_head head = new_head(HF_SPOOL_OPEN);
	uint64_t at = head.end;
	int fd = create(target, st);
	enum hf_status status = HF_NO;

	if (fd < 0)
		return HF_NO;
	if (own(fd, at, F_WRLCK) && add(fd, &head, record)) {
		status = name_it(target, fd, "spool");
		if (status == HF_OK) {
			*ticket = (struct hf_ticket){.fd = fd, .at = at};
			return HF_OK;
		}
		status = status == HF_NO ? HF_BUSY : HF_NO;
	}
	sys_close(fd);
	return status;
}

/* Under the spool's lock: add a record of ours. HF_BUSY: it is an open spool no more. */
static enum hf_status add_owned(const struct hf_target *target, int fd,
				const struct hf_record *record, struct hf_ticket *ticket)
{
	struct hf_spool_head head;
	char name[NAME_MAX + 1];
	uint64_t at;

	if (!read_head(fd, &head)) { /* what a power cut left of one */
		sys_unlinkat(target->dir, hf_target_side(target, "spool", name), 0);
		return HF_BUSY;
	}
	if (head.state != HF_SPOOL_OPEN)
		return HF_BUSY;
	at = head.end;
	if (at + record->size >= HF_SPOOL_BATCH || !own(fd, at, F_WRLCK))
		return HF_NO;
	if (!add(fd, &head, record)) {
		own(fd, at, F_UNLCK);
		return HF_NO;
	}
	*ticket = (struct hf_ticket){.fd = fd, .at = at};
	return HF_OK;
}

/* Into the spool that is open here. HF_BUSY: it is one no more. */
static enum hf_status publish_open(const struct hf_target *target, int fd,
				   const struct hf_record *record, struct hf_ticket *ticket)
{
	struct stat st;
	enum hf_status status = HF_BUSY;

	if (!lock_soon(fd))
		return HF_NO;
	if (fstat(fd, &st) == 0 && st.st_nlink > 0)
		status = add_owned(target, fd, record, ticket);
	sys_flock(fd, LOCK_UN);
	return status;
}

enum hf_status hf_spool_publish(const struct hf_target *target, const struct stat *target_st,
				const struct hf_record *record, struct hf_ticket *ticket)
{
	*ticket = (struct hf_ticket){.fd = -1};
	if (record->size > HF_SPOOL_RECORD)
		return HF_NO;
	for (int i = 0; i < PUBLISH_TRIES; i++) {
		int fd = open_named(target, "spool");
		enum hf_status status;

		if (fd >= 0) {
			status = publish_open(target, fd, record, ticket);
			if (status != HF_OK)
				sys_close(fd);
		} else if (errno == ENOENT) {
			status = publish_new(target, target_st, record, ticket);
		} else {
			return HF_NO;
		}
		if (status != HF_BUSY)
			return status;
	}
	return HF_NO;
}

enum hf_status hf_ticket_look(struct hf_ticket *ticket, bool withdraw, enum hf_spool_state *state,
			      enum hf_status *status, struct hf_err *err)
{
	struct hf_spool_head head;
	struct hf_spool_frame frame;

	if (lock(ticket->fd) < 0)
		return hf_fail_errno(err, "cannot lock the spool");
	if (!read_head(ticket->fd, &head) ||
	    sys_pread(ticket->fd, &frame, sizeof(frame), (off_t)ticket->at) != sizeof(frame)) {
		sys_flock(ticket->fd, LOCK_UN);
		return hf_fail(err, HF_DATA, "the spool is damaged: what became of the record is unknown");
	}
	*state = head.state;
	*status = head.status;
	if (frame.left_out || head.state == HF_SPOOL_CLOSED)
		*state = HF_SPOOL_ABANDONED;
	if (withdraw && head.state == HF_SPOOL_OPEN)
		own(ticket->fd, ticket->at, F_UNLCK);
	sys_flock(ticket->fd, LOCK_UN);
	return HF_OK;
}

bool hf_ticket_in(const struct hf_ticket *ticket, const struct hf_spool *batch)
{
	struct stat a, b;

	return ticket->fd >= 0 && batch->fd >= 0 && fstat(ticket->fd, &a) == 0 &&
	       fstat(batch->fd, &b) == 0 && hf_same_inode(&a, &b);
}

void hf_ticket_close(struct hf_ticket *ticket)
{
	int saved = errno;

	if (ticket->fd >= 0)
		sys_close(ticket->fd);
	ticket->fd = -1;
	errno = saved;
}

/* Rename the spool, which is locked, to the batch. */
static enum hf_status close_spool(const struct hf_target *target, struct hf_spool *spool,
				  struct hf_err *err)
{
	char from[NAME_MAX + 1], to[NAME_MAX + 1];

	if (sys_renameat2(target->dir, hf_target_side(target, "spool", from), target->dir,
			  hf_target_side(target, "batch", to), RENAME_NOREPLACE) < 0)
		return hf_fail_errno_as(err, errno == EEXIST ? HF_BUSY : hf_status_of(errno),
					"cannot take the spool of '%s'", target->path);
	return hf_spool_mark(spool, HF_SPOOL_CLOSED, err);
}

enum hf_status hf_spool_take(const struct hf_target *target, bool patient, struct hf_spool *spool,
			     struct hf_err *err)
{
	enum hf_status status = HF_NO;
	struct stat st;

	spool->fd = open_named(target, "spool");
	if (spool->fd < 0)
		return HF_NO; /* none, or not ours to open */
	if (patient ? lock(spool->fd) == 0 : lock_soon(spool->fd)) {
		char name[NAME_MAX + 1];

		if (fstat(spool->fd, &st) < 0 || st.st_nlink == 0) {
			status = HF_NO;
		} else if (!read_head(spool->fd, &spool->head) ||
			   spool->head.state != HF_SPOOL_OPEN) {
			/* what a power cut left of one */
			sys_unlinkat(target->dir, hf_target_side(target, "spool", name), 0);
		} else {
			status = close_spool(target, spool, err);
			if (status == HF_OK)
				return HF_OK;
		}
	}
	sys_close(spool->fd);
	spool->fd = -1;
	return status;
}

enum hf_status hf_spool_make_batch(const struct hf_target *target, const struct stat *target_st,
				   struct hf_spool *spool, struct hf_err *err)
{
	enum hf_status status = HF_OS;

	spool->fd = create(target, target_st);
	spool->head = new_head(HF_SPOOL_CLOSED);
	if (spool->fd >= 0 && lock(spool->fd) == 0 && write_head(spool->fd, &spool->head)) {
		status = name_it(target, spool->fd, "batch");
		if (status == HF_OK)
			return HF_OK;
	}
	if (status == HF_NO)
		status = hf_fail(err, HF_BUSY, "another append to '%s' is not settled",
				 target->path);
	else
		status = hf_fail_errno(err, "cannot keep the intent to append to '%s'",
				       target->path);
	if (spool->fd >= 0)
		sys_close(spool->fd);
	spool->fd = -1;
	return status;
}

enum hf_status hf_spool_add(struct hf_spool *spool, const struct hf_record *record,
			    struct hf_err *err)
{
	if (!add(spool->fd, &spool->head, record))
		return hf_fail_errno(err, "cannot keep the record");
	return HF_OK;
}

enum hf_status hf_spool_open_batch(const struct hf_target *target, struct hf_spool *spool,
				   struct hf_err *err)
{
	char name[NAME_MAX + 1];
	struct stat st;

	for (;;) {
		spool->fd = open_named(target, "batch");
		if (spool->fd < 0) {
			if (errno == ENOENT)
				return HF_NO;
			return hf_fail_errno(err, "cannot open '%s'",
					     hf_target_side(target, "batch", name));
		}
		if (lock(spool->fd) < 0 || fstat(spool->fd, &st) < 0) {
			hf_fail_errno(err, "cannot lock '%s'",
				      hf_target_side(target, "batch", name));
			sys_close(spool->fd);
			return err ? err->status : HF_OS;
		}
		if (st.st_nlink > 0)
			break;
		sys_close(spool->fd); /* settled while we waited */
	}
	/* what a power cut left of one: nobody waits for it */
	if (!read_head(spool->fd, &spool->head))
		spool->head = new_head(HF_SPOOL_ABANDONED);
	return HF_OK;
}

/* The frame at *at, 0 standing for the first. HF_NO: the end. */
static enum hf_status frame_at(const struct hf_spool *spool, uint64_t *at,
			       struct hf_spool_frame *frame, struct hf_err *err)
{
	if (*at == 0)
		*at = sizeof(spool->head);
	if (*at >= spool->head.end)
		return HF_NO;
	if (sys_pread(spool->fd, frame, sizeof(*frame), (off_t)*at) != (ssize_t)sizeof(*frame) ||
	    frame->magic != FRAME_MAGIC || frame->size > spool->head.end - *at - sizeof(*frame))
		return hf_fail(err, HF_DATA, "the spool is damaged");
	return HF_OK;
}

enum hf_status hf_spool_judge(struct hf_spool *spool, struct hf_err *err)
{
	struct hf_spool_frame frame;
	enum hf_status status;
	uint64_t at = 0;

	while ((status = frame_at(spool, &at, &frame, err)) == HF_OK) {
		if (!has_owner(spool->fd, at)) {
			frame.left_out = 1;
			if (sys_pwrite(spool->fd, &frame, sizeof(frame), (off_t)at) !=
			    (ssize_t)sizeof(frame))
				return hf_fail_errno(err, "cannot write the spool");
		}
		at += sizeof(frame) + frame.size;
	}
	return status == HF_NO ? HF_OK : status;
}

enum hf_status hf_spool_next(const struct hf_spool *spool, uint64_t *at, struct hf_record *record,
			     struct hf_err *err)
{
	struct hf_spool_frame frame;
	enum hf_status status;

	while ((status = frame_at(spool, at, &frame, err)) == HF_OK) {
		*record = (struct hf_record){
			.fd = spool->fd, .at = *at + sizeof(frame), .size = frame.size};
		*at += sizeof(frame) + frame.size;
		if (!frame.left_out)
			return HF_OK;
	}
	return status;
}

enum hf_status hf_spool_mark(struct hf_spool *spool, enum hf_spool_state state, struct hf_err *err)
{
	spool->head.state = state;
	if (!write_head(spool->fd, &spool->head))
		return hf_fail_errno(err, "cannot write the spool");
	return HF_OK;
}

void hf_spool_finish(const struct hf_target *target, struct hf_spool *spool)
{
	char name[NAME_MAX + 1];
	int saved = errno;

	sys_unlinkat(target->dir, hf_target_side(target, "batch", name), 0);
	sys_close(spool->fd);
	spool->fd = -1;
	errno = saved;
}
