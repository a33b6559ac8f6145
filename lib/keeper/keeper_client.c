/* SPDX-License-Identifier: ISC */
#include "keeper/keeper_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/process_id.h"
#include "base/sys.h"
#include "keeper/keeper_list.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

#define PATIENCE (10 * HF_SECOND)
#define LOAN_PATIENCE HF_SECOND
#define LOOK_PATIENCE (200 * HF_MS)

enum { MAX_TRIES = 3 };

char *hf_handle_format(char out[HF_HANDLE_SIZE], const struct hf_handle *h)
{
	snprintf(out, HF_HANDLE_SIZE, "k1-%d-%" PRIu64 "-%" PRIu64 "-%016" PRIx64, (int)h->pid,
		 h->start, h->pidns, h->nonce);
	return out;
}

enum hf_status hf_handle_parse(const char *text, struct hf_handle *h, struct hf_err *err)
{
	char again[HF_HANDLE_SIZE];
	int pid;

	*h = (struct hf_handle){0};
	/* compare with the canonical text, since sscanf() accepts blanks and signs */
	if (sscanf(text, "k1-%d-%" SCNu64 "-%" SCNu64 "-%" SCNx64, &pid, &h->start, &h->pidns,
		   &h->nonce) == 4 &&
	    pid > 0) {
		h->pid = pid;
		if (strcmp(hf_handle_format(again, h), text) == 0)
			return HF_OK;
	}
	hf_fail(err, HF_USAGE, "'%s' is not a handle", text);
	hf_advise(err, "a handle is what lock-acquire prints");
	return HF_USAGE;
}

/* Wait until the descriptor is readable. Return false at the deadline. */
static bool wait_readable(int socket, int64_t deadline)
{
	struct pollfd polled = {.fd = socket, .events = POLLIN};
	int ready;

	do {
		int64_t left = hf_time_left(deadline);

		if (left == 0)
			return false;
		ready = poll(&polled, 1, (int)(left / HF_MS) + 1);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return ready > 0;
}

/* Send one request over a connected socket, receive the answer, and close the socket. HF_NO: the
 * keeper closed the connection without an answer. HF_DATA: it is of another version. */
static enum hf_status exchange_messages(int fd, struct hf_keeper_question *q, int64_t deadline,
					struct hf_keeper_answer *answer,
					struct hf_keeper_loan *loan)
{
	const ssize_t least = (ssize_t)offsetof(struct hf_keeper_answer, text);
	enum hf_status status = HF_OK;
	int count = 0;
	ssize_t n = 0;

	q->form = HF_KEEPER_FORM;
	if (!hf_keeper_send(fd, q, sizeof(*q), NULL, 0))
		status = HF_NO;
	else if (!wait_readable(fd, deadline))
		status = HF_BUSY;
	else
		n = hf_keeper_receive(fd, answer, sizeof(*answer), loan ? loan->fds : NULL, &count);
	if (status == HF_OK && n <= 0)
		status = n == 0 || errno == ECONNRESET ? HF_NO : HF_OS;
	else if (status == HF_OK && (n < least || answer->form != HF_KEEPER_FORM ||
				     n - least != (ssize_t)answer->size ||
				     (n > least && answer->text[answer->size - 1])))
		status = HF_DATA;
	if (loan)
		loan->count = count;
	sys_close(fd);
	return status;
}

static enum hf_status fail_unanswered(pid_t pid, enum hf_status status, struct hf_err *err)
{
	switch (status) {
	case HF_NO:
	case HF_BUSY:
		hf_fail(err, HF_BUSY, "the keeper, PID %d, does not answer", (int)pid);
		hf_advise(err, "it may be stopped; its locks are held as long as it exists");
		return HF_BUSY;
	case HF_DATA:
		return hf_fail(err, HF_DATA, "the keeper, PID %d, is of another version", (int)pid);
	default:
		return hf_fail_errno_as(err, HF_OS, "cannot ask the keeper, PID %d", (int)pid);
	}
}

/* Return true if the process has this start time. The socket name contains one too, but any process
 * can take a name, and the PID may have been reused. */
static bool is_process(pid_t pid, uint64_t start)
{
	struct hf_proc proc;

	return HF_WITHOUT(keeper_start) || !hf_proc_read(pid, &proc) || proc.start == start;
}

/* Ask the keeper with this name. HF_NO: no process listens on it. */
static enum hf_status ask_by_name(uint64_t pidns, pid_t pid, uint64_t start,
				  struct hf_keeper_question *q, struct hf_keeper_answer *answer,
				  struct hf_err *err)
{
	int64_t patience = q->what == HF_KEEPER_STATUS ? LOOK_PATIENCE : PATIENCE;
	int64_t end = hf_deadline_in(patience);
	enum hf_status status = HF_NO;
	struct ucred peer;
	int fd = -1;

	/* a keeper that closed without an answer may have read the request: check that it is
	 * there */
	for (int tries = 0; tries < MAX_TRIES && status == HF_NO; tries++) {
		status = hf_keeper_reach_process(&fd, pidns, pid, start, hf_time_left(end), &peer);
		if (status == HF_NO || (status == HF_OK && !is_process(pid, start))) {
			hf_close(fd);
			return HF_NO;
		}
		if (status != HF_OK)
			break;
		if (geteuid() != 0 && !hf_keeper_is_own_user(&peer)) {
			hf_close(fd);
			return hf_fail(err, HF_NOPERM,
				       "the keeper, PID %d, is another user's (user %u)", (int)pid,
				       (unsigned int)peer.uid);
		}
		status = exchange_messages(fd, q, end, answer, NULL);
		fd = -1;
	}
	return status == HF_OK ? status : fail_unanswered(pid, status, err);
}

enum hf_status hf_keeper_ask(pid_t pid, struct hf_keeper_answer *state, struct hf_err *err)
{
	struct hf_keeper_question q = {.what = HF_KEEPER_STATUS};
	struct hf_proc proc;

	if (!hf_proc_read(pid, &proc))
		return HF_NO;
	return ask_by_name(hf_process_id_pidns(), pid, proc.start, &q, state, err);
}

/* Return the string at *at and advance *at past it; NULL after the last one. */
static const char *next_string(const struct hf_keeper_answer *state, size_t *at)
{
	const char *text = state->text + *at;

	if (*at >= state->size)
		return NULL;
	*at += strlen(text) + 1;
	return text;
}

bool hf_keeper_next(const struct hf_keeper_answer *state, size_t *at, struct hf_keeper_lock *lock)
{
	const char *numbers;
	char mode;
	int lent;

	lock->kind = next_string(state, at);
	lock->path = next_string(state, at);
	numbers = next_string(state, at);
	if (!numbers ||
	    sscanf(numbers, "%c %llu %llu %d", &mode, &lock->device, &lock->inode, &lent) != 4)
		return false;
	lock->exclusive = mode == 'x';
	lock->lent = lent;
	return true;
}

/* No process listens on the keeper's name. Return true if the keeper is alive nevertheless. A
 * keeper that exits closes its sockets an instant before it is gone. */
static bool is_out_of_reach(const struct hf_handle *handle)
{
	int fd = pidfd_open(handle->pid, 0);
	struct hf_proc proc;
	bool lives = hf_proc_read(handle->pid, &proc) && proc.start == handle->start &&
		     !hf_proc_is_zombie(&proc) && fd >= 0 &&
		     !wait_readable(fd, hf_deadline_in(LOAN_PATIENCE));

	hf_close(fd);
	return lives;
}

/* Send a request to the keeper that a handle names, and turn its answer into a status. */
static enum hf_status ask_by_handle(const struct hf_handle *handle, struct hf_keeper_question *q,
				    struct hf_err *err)
{
	struct hf_keeper_answer answer;
	enum hf_status status;

	q->nonce = handle->nonce;
	if (handle->pidns != hf_process_id_pidns()) {
		hf_fail(err, HF_NOPERM, "the keeper, PID %d, is in another PID namespace",
			(int)handle->pid);
		hf_advise(err, "ask where lock-acquire was run");
		return HF_NOPERM;
	}
	status = ask_by_name(handle->pidns, handle->pid, handle->start, q, &answer, err);
	if (status == HF_NO && is_out_of_reach(handle)) {
		hf_fail(err, HF_NOPERM, "the keeper, PID %d, cannot be reached from here",
			(int)handle->pid);
		hf_advise(err,
			  "this may be another network namespace: ask where lock-acquire was run");
		return HF_NOPERM;
	}
	if (status == HF_NO) {
		hf_fail(err, HF_NO, "the lock was lost earlier: its keeper, PID %d, is gone",
			(int)handle->pid);
		hf_advise(err, "its owner exited, its time to live expired, it was released, or "
			       "the keeper was killed");
		return HF_NO;
	}
	if (status != HF_OK || answer.status == HF_OK)
		return status;
	status = hf_fail(err, (enum hf_status)answer.status, "%s", answer.text);
	if (strlen(answer.text) + 1 < answer.size)
		hf_advise(err, "%s", answer.text + strlen(answer.text) + 1);
	return status;
}

enum hf_status hf_keeper_release(const struct hf_handle *handle, struct hf_err *err)
{
	struct hf_keeper_question q = {.what = HF_KEEPER_RELEASE};

	return ask_by_handle(handle, &q, err);
}

enum hf_status hf_keeper_renew(const struct hf_handle *handle, int64_t ttl, struct hf_err *err)
{
	struct hf_keeper_question q = {.what = HF_KEEPER_RENEW, .ttl = ttl};

	return ask_by_handle(handle, &q, err);
}

/* Return true if the keeper's owner is an ancestor of this process. */
static bool answer_is_of_ancestor(const struct hf_keeper_answer *answer, const struct ucred *peer)
{
	struct hf_proc owner;

	return answer->status == HF_OK && answer->pid == peer->pid && answer->owner > 0 &&
	       answer->pidns == hf_process_id_pidns() && hf_proc_is_ancestor(answer->owner) &&
	       hf_proc_read(answer->owner, &owner) && owner.start == answer->owner_start;
}

/* Return true if the answer lists this inode. Locks that did not fit into it are unknown. */
static bool answer_lists_inode(const struct hf_keeper_answer *answer,
			       const struct hf_keeper_question *q)
{
	struct hf_keeper_lock lock;
	size_t at = 0;

	while (hf_keeper_next(answer, &at, &lock))
		if (lock.device == q->device && lock.inode == q->inode)
			return true;
	return false;
}

/*
 * Return true if a foreign keeper holds the lock for an ancestor, by its title. It is not asked:
 * its user could lend a descriptor and unlock it later, or not answer. That it holds the inode
 * follows only from the name on which it listens. Root or the owner's user says so, and these could
 * stop this process without a lie (keeper/Y2).
 */
static bool title_names_ancestor(const struct ucred *peer, struct hf_keeper_loan *loan)
{
	pid_t owner = hf_keeper_title(peer->pid);

	if (!owner || !hf_proc_is_ancestor(owner) || !hf_keeper_may_say(peer->uid, owner))
		return false;
	loan->keeper = peer->pid;
	loan->owner = owner;
	return true;
}

/* Ask the process that was reached, and close the connection. named: it was reached by a name of
 * the inode, so the keeper holds that. HF_OK: it is the keeper of an ancestor and holds the inode.
 * HF_NOPERM: it is another process. */
static enum hf_status try_keeper(int reached, const struct ucred *peer,
				 struct hf_keeper_question *q, bool named,
				 struct hf_keeper_loan *loan)
{
	struct hf_keeper_answer answer;

	*loan = (struct hf_keeper_loan){0};
	if (!hf_keeper_is_own_user(peer)) {
		sys_close(reached);
		return named && q->what == HF_KEEPER_STATUS && title_names_ancestor(peer, loan)
			       ? HF_OK
			       : HF_NOPERM;
	}
	if (exchange_messages(reached, q, hf_deadline_in(LOAN_PATIENCE), &answer, loan) == HF_OK &&
	    answer_is_of_ancestor(&answer, peer) &&
	    (named || loan->count > 0 || answer_lists_inode(&answer, q))) {
		loan->keeper = answer.pid;
		loan->owner = answer.owner;
		loan->lends = true;
		return HF_OK;
	}
	while (loan->count > 0)
		sys_close(loan->fds[--loan->count]);
	return HF_NOPERM;
}

/* Ask every keeper of an ancestor, since other programs can take all names of an inode or fill the
 * queue of one. Wait only for keepers of this user. */
static bool search_listed_keepers(int *fd, struct hf_keeper_question *q,
				  struct hf_keeper_loan *loan)
{
	int64_t end = hf_deadline_in(LOAN_PATIENCE);
	uint64_t pidns = hf_process_id_pidns();
	struct hf_keepers keepers;
	bool found = false;

	hf_keepers_read_ours(&keepers);
	for (size_t i = 0; i < keepers.count && !found && hf_time_left(end) > 0; i++) {
		const struct hf_keeper_entry *k = &keepers.at[i];
		int64_t patience = hf_keeper_is_of(geteuid(), k->pid) ? hf_time_left(end) : 0;
		struct ucred peer;
		int reached = *fd;

		*fd = -1;
		if (hf_keeper_reach_process(&reached, pidns, k->pid, k->start, patience, &peer) ==
		    HF_OK)
			found = try_keeper(reached, &peer, q, false, loan) == HF_OK;
		else
			*fd = reached;
	}
	hf_keepers_free(&keepers);
	return found;
}

/* Find the ancestor's keeper among the keepers that hold this inode. errno is preserved. */
static bool search_keeper_of_inode(const struct stat *inode, enum hf_keeper_what what,
				   struct hf_keeper_loan *loan)
{
	struct hf_keeper_question q = {
		.what = what, .device = inode->st_dev, .inode = inode->st_ino};
	bool taken = true, crowded = false, found = false;
	struct sockaddr_un address;
	int fd = -1, saved = errno;

	for (int k = 0; k < HF_KEEPER_NAMES && !found; k++) {
		socklen_t size = hf_keeper_lock_name(&address, inode->st_dev, inode->st_ino, k);
		struct ucred peer;
		enum hf_status status = hf_keeper_reach(&fd, &address, size, 0, &peer);

		if (status == HF_OK) {
			status = try_keeper(fd, &peer, &q, true, loan);
			fd = -1;
		}
		found = status == HF_OK;
		taken &= status != HF_NO;
		crowded |= status == HF_BUSY;
	}
	if (!found && (taken || crowded))
		found = search_listed_keepers(&fd, &q, loan);
	hf_close(fd);
	errno = saved;
	return found;
}

bool hf_keeper_borrow(const struct stat *inode, struct hf_keeper_loan *loan)
{
	return search_keeper_of_inode(inode, HF_KEEPER_BORROW, loan);
}

bool hf_keeper_find(const struct stat *inode, struct hf_keeper_loan *loan)
{
	return search_keeper_of_inode(inode, HF_KEEPER_STATUS, loan);
}
