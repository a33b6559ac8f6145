/* SPDX-License-Identifier: ISC */
#include "spool/spool_owner.h"

#include <errno.h>

#include <holdfast/proc.h>

#include "base/process_id.h"
#include "base/sys.h"
#include "base/tempfile.h"

enum { PUBLISH_TRIES = 8 };

/* Create a spool with this record in it. HF_BUSY: another process was first. */
static enum hf_status publish_new(const struct hf_target *target, int fd_of_target,
				  const char *name, const struct hf_append_record *record,
				  struct hf_ticket *ticket)
{
	struct hf_spool_head head = hf_spool_new_head(target, HF_SPOOL_OPEN);
	char temporary[NAME_MAX + 1];
	int fd = hf_spool_create(target, fd_of_target, temporary);
	enum hf_status status = HF_OS;

	if (fd < 0)
		return HF_NO;
	*ticket = (struct hf_ticket){.target = target, .fd = fd, .offset = head.end};
	if (hf_spool_mark(fd, ticket->offset, F_WRLCK) && hf_spool_put(fd, &head, record))
		status = hf_spool_name(target, fd, temporary, name, NULL);
	if (status == HF_OK)
		return HF_OK;
	hf_tempfile_discard(target, fd, temporary);
	ticket->fd = -1;
	return status == HF_NO ? HF_BUSY : HF_NO;
}

/* Under the spool's flock: add the record, with the mark. HF_BUSY: the spool is not OPEN. */
static enum hf_status add_record(const struct hf_target *target, int fd, const char *name,
				 const struct hf_append_record *record, struct hf_ticket *ticket)
{
	struct hf_spool_head head;
	uint64_t at;

	if (hf_spool_read_head(target, fd, &head) < 0) {
		if (errno)
			return HF_NO;
		/* damaged, perhaps by a power cut */
		hf_spool_remove(target, fd, name);
		return HF_BUSY;
	}
	if (head.state != HF_SPOOL_OPEN)
		return HF_BUSY;
	at = head.end;
	if (at + record->size >= HF_SPOOL_FULL || !hf_spool_mark(fd, at, F_WRLCK))
		return HF_NO;
	if (!hf_spool_put(fd, &head, record)) {
		hf_spool_mark(fd, at, F_UNLCK);
		return HF_NO;
	}
	*ticket = (struct hf_ticket){.target = target, .fd = fd, .offset = at};
	return HF_OK;
}

/* Add the record to the spool that fd has open. HF_BUSY: it is not OPEN any more. */
static enum hf_status publish_open(const struct hf_target *target, int fd, const char *name,
				   const struct hf_append_record *record, struct hf_ticket *ticket)
{
	struct stat st;
	enum hf_status status = HF_NO;

	if (hf_spool_lock_soon(fd)) {
		status = HF_BUSY;
		if (fstat(fd, &st) == 0 && st.st_nlink > 0)
			status = add_record(target, fd, name, record, ticket);
		hf_spool_unlock(fd);
	}
	if (status != HF_OK)
		sys_close(fd);
	return status;
}

enum hf_status hf_spool_publish(const struct hf_target *target, int fd_of_target,
				const struct hf_append_record *record, struct hf_ticket *ticket)
{
	enum hf_status status = HF_BUSY;
	char name[NAME_MAX + 1];
	struct hf_trust trust;
	struct stat st;
	int fd;

	*ticket = (struct hf_ticket){.fd = -1};
	if (record->size > HF_APPEND_RECORD_SMALL)
		return HF_NO;
	hf_trust_init(&trust, target, fd_of_target);
	hf_target_side(target, "spool", name);
	for (int i = 0; i < PUBLISH_TRIES && status == HF_BUSY; i++) {
		status = hf_side_open(&trust, name, O_RDWR, &fd, &st, NULL);
		if (status == HF_OK)
			status = publish_open(target, fd, name, record, ticket);
		else if (status == HF_NO)
			status = publish_new(target, fd_of_target, name, record, ticket);
		else
			return HF_NO;
	}
	return status == HF_OK ? HF_OK : HF_NO;
}

/* Return true if the file still has a name, by which the next leader finds and recovers it. */
static bool has_any_name(int fd)
{
	struct stat st;

	return sys_fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* Return true if the file still has the spool's name. Then it is no batch, and nothing was done,
 * whatever its state (spool/S4). */
static bool is_still_spool(const struct hf_ticket *ticket)
{
	const struct hf_target *target = ticket->target;
	char name[NAME_MAX + 1];

	return hf_names_inode(target->dir, hf_target_side(target, "spool", name), ticket->fd) &&
	       !HF_WITHOUT(still_spool);
}

/* Return the result by one reading of the head. HF_TICKET_TAKEN: or its leader died. */
static enum hf_ticket_end read_ticket_state(const struct hf_ticket *ticket,
					    struct hf_spool_head *head)
{
	struct hf_spool_frame frame;
	uint64_t at = ticket->offset;

	if (hf_spool_read_head(ticket->target, ticket->fd, head) < 0 ||
	    hf_spool_frame_at(ticket->fd, head, &at, &frame) != HF_OK)
		return HF_TICKET_LOST;
	if (frame.left_out || head->state == HF_SPOOL_ABANDONED)
		return HF_TICKET_ABANDONED;
	if (head->state == HF_SPOOL_OPEN)
		return HF_TICKET_OPEN;
	return head->state == HF_SPOOL_DONE ? HF_TICKET_DONE : HF_TICKET_TAKEN;
}

enum hf_ticket_end hf_ticket_check(const struct hf_ticket *ticket, enum hf_status *status)
{
	struct hf_spool_head head;
	enum hf_ticket_end end = read_ticket_state(ticket, &head);
	bool named;

	if (end == HF_TICKET_TAKEN) {
		if (hf_spool_is_marked(ticket->fd, HF_SPOOL_LEADER) != 0)
			return HF_TICKET_TAKEN;
		/* the leader releases its mark after the state is final, and the process that
		 * recovers a dead leader's batch removes the name after that: read the state last
		 */
		named = has_any_name(ticket->fd);
		end = read_ticket_state(ticket, &head);
		if (HF_WITHOUT(ticket_order))
			named = has_any_name(ticket->fd);
		if (end == HF_TICKET_TAKEN &&
		    (head.state == HF_SPOOL_CLOSED || is_still_spool(ticket)))
			return HF_TICKET_ABANDONED;
		if (end == HF_TICKET_TAKEN)
			end = named ? HF_TICKET_UNSETTLED : HF_TICKET_LOST;
	}
	if (end == HF_TICKET_DONE)
		*status = head.status;
	return end;
}

/* Under the spool's flock. A submitter that has opened the spool and adds its record later finds it
 * not OPEN. */
static void remove_if_unowned(const struct hf_ticket *ticket, struct hf_spool_head *head)
{
	struct hf_spool_frame frame;
	char name[NAME_MAX + 1];
	uint64_t at = 0;

	while (hf_spool_frame_at(ticket->fd, head, &at, &frame) == HF_OK) {
		if (hf_spool_is_marked(ticket->fd, at) != 0)
			return;
		at += sizeof(frame) + frame.size;
	}
	head->state = HF_SPOOL_ABANDONED;
	if (hf_spool_write_head(ticket->fd, head))
		hf_spool_remove(ticket->target, ticket->fd,
				hf_target_side(ticket->target, "spool", name));
}

bool hf_ticket_withdraw(const struct hf_ticket *ticket)
{
	struct hf_spool_head head;
	bool locked = hf_spool_lock_soon(ticket->fd);
	bool back = hf_spool_mark(ticket->fd, ticket->offset, F_UNLCK) &&
		    hf_spool_read_head(ticket->target, ticket->fd, &head) == 0 &&
		    head.state == HF_SPOOL_OPEN;

	if (back && locked)
		remove_if_unowned(ticket, &head);
	if (locked)
		hf_spool_unlock(ticket->fd);
	return back;
}

bool hf_ticket_leader(const struct hf_ticket *ticket, char *out, size_t size)
{
	struct hf_spool_head head;
	struct hf_proc proc;
	pid_t pid = 0;

	if (hf_spool_is_marked(ticket->fd, HF_SPOOL_LEADER) == 1 &&
	    hf_spool_read_head(ticket->target, ticket->fd, &head) == 0 && head.leader.pidns &&
	    head.leader.pidns == hf_process_id_pidns() && hf_proc_read(head.leader.pid, &proc))
		pid = head.leader.pid;
	hf_proc_describe(out, size, pid);
	return pid && (proc.state == 'T' || proc.state == 't');
}

void hf_ticket_close(struct hf_ticket *ticket)
{
	hf_close(ticket->fd);
	ticket->fd = -1;
}
