/* SPDX-License-Identifier: ISC */
#include "spool.h"

#include <errno.h>

#include "sys.h"

enum { PUBLISH_TRIES = 8 };

/* A new spool with this record in it. HF_BUSY: somebody else was first. */
static enum hf_status publish_new(const struct hf_target *target, int fd_of_target,
				  const struct stat *st, const struct hf_record *record,
				  struct hf_ticket *ticket)
{
	struct hf_spool_head head = hf_spool_new_head(HF_SPOOL_OPEN);
	uint64_t at = head.end;
	int fd = hf_spool_create(target, fd_of_target, st);
	enum hf_status status = HF_NO;

	if (fd < 0)
		return HF_NO;
	if (hf_spool_own(fd, at, F_WRLCK) && hf_spool_put(fd, &head, record)) {
		status = hf_spool_name(target, fd, "spool");
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

	if (hf_spool_read_head(fd, &head) < 0) {
		if (errno)
			return HF_NO;
		/* what a power cut left of one */
		sys_unlinkat(target->dir, hf_target_side(target, "spool", name), 0);
		return HF_BUSY;
	}
	if (head.state != HF_SPOOL_OPEN)
		return HF_BUSY;
	at = head.end;
	if (at + record->size >= HF_SPOOL_FULL || !hf_spool_own(fd, at, F_WRLCK))
		return HF_NO;
	if (!hf_spool_put(fd, &head, record)) {
		hf_spool_own(fd, at, F_UNLCK);
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

	if (!hf_spool_lock_soon(fd))
		return HF_NO;
	if (fstat(fd, &st) == 0 && st.st_nlink > 0)
		status = add_owned(target, fd, record, ticket);
	hf_spool_unlock(fd);
	return status;
}

enum hf_status hf_spool_publish(const struct hf_target *target, int fd_of_target,
				const struct stat *target_st, const struct hf_record *record,
				struct hf_ticket *ticket)
{
	*ticket = (struct hf_ticket){.fd = -1};
	if (record->size > HF_RECORD_SMALL)
		return HF_NO;
	for (int i = 0; i < PUBLISH_TRIES; i++) {
		int fd = hf_spool_open_named(target, "spool");
		enum hf_status status;

		if (fd >= 0) {
			status = publish_open(target, fd, record, ticket);
			if (status != HF_OK)
				sys_close(fd);
		} else if (errno == ENOENT) {
			status = publish_new(target, fd_of_target, target_st, record, ticket);
		} else {
			return HF_NO;
		}
		if (status != HF_BUSY)
			return status;
	}
	return HF_NO;
}

/* Under the spool's lock. An owner that came to it before and adds later finds it not OPEN. */
static void withdraw_record(const struct hf_target *target, struct hf_ticket *ticket,
			    struct hf_spool_head *head)
{
	struct hf_spool_frame frame;
	char name[NAME_MAX + 1];
	uint64_t at = 0;

	hf_spool_own(ticket->fd, ticket->at, F_UNLCK);
	while (hf_spool_frame_at(ticket->fd, head, &at, &frame) == HF_OK) {
		if (hf_spool_has_owner(ticket->fd, at) != 0)
			return;
		at += sizeof(frame) + frame.size;
	}
	head->state = HF_SPOOL_ABANDONED;
	if (hf_spool_write_head(ticket->fd, head))
		sys_unlinkat(target->dir, hf_target_side(target, "spool", name), 0);
}

bool hf_ticket_take_back(const struct hf_ticket *ticket)
{
	struct hf_spool_head head;

	return hf_spool_own(ticket->fd, ticket->at, F_UNLCK) &&
	       hf_spool_read_head(ticket->fd, &head) == 0 && head.state == HF_SPOOL_OPEN;
}

/* Under the spool's lock: its leader died in the middle, and nobody finds it to settle it. */
static bool is_beyond_settling(int fd, enum hf_spool_state state)
{
	struct stat st;

	return (state == HF_SPOOL_PREPARED || state == HF_SPOOL_IN_PLACE) &&
	       (sys_fstat(fd, &st) < 0 || st.st_nlink == 0);
}

enum hf_status hf_ticket_look(const struct hf_target *target, struct hf_ticket *ticket,
			      bool withdraw, enum hf_spool_state *state, enum hf_status *status)
{
	struct hf_spool_head head;
	struct hf_spool_frame frame;
	uint64_t at = ticket->at;
	bool known;

	if (!hf_spool_lock_soon(ticket->fd)) {
		if (hf_ticket_take_back(ticket))
			return HF_BUSY;
		if (hf_spool_lock(ticket->fd) < 0) /* a leader's: his end is ours */
			return HF_NO;
	}
	known = hf_spool_read_head(ticket->fd, &head) == 0 &&
		hf_spool_frame_at(ticket->fd, &head, &at, &frame) == HF_OK;
	if (known) {
		*state = head.state;
		*status = head.status;
		if (frame.left_out || head.state == HF_SPOOL_CLOSED)
			*state = HF_SPOOL_ABANDONED;
		if (withdraw && head.state == HF_SPOOL_OPEN)
			withdraw_record(target, ticket, &head);
		known = !is_beyond_settling(ticket->fd, *state);
	}
	/* a lock that stays would be waited for by ourselves */
	return hf_spool_unlock(ticket->fd) == 0 && known ? HF_OK : HF_NO;
}

void hf_ticket_close(struct hf_ticket *ticket)
{
	int saved = errno;

	if (ticket->fd >= 0)
		sys_close(ticket->fd);
	ticket->fd = -1;
	errno = saved;
}
