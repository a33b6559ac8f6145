/* SPDX-License-Identifier: ISC */
#include "keeperd/keeper_serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sys.h"
#include "lock/lock_kind.h"
#include <holdfast/clock.h>
#include <holdfast/lock_dot.h>
#include <holdfast/lock_sqlite.h>
#include <holdfast/proc.h>

#define CLIENT_PATIENCE HF_SECOND
#define DEAF (100 * HF_MS)

static int64_t ttl_left(const struct hf_keeper *k)
{
	struct itimerspec spec;

	if (k->ttl == HF_NEVER || timerfd_gettime(k->ttl_timer, &spec) < 0)
		return HF_NEVER;
	return (int64_t)spec.it_value.tv_sec * HF_SECOND + spec.it_value.tv_nsec;
}

/* Append the three strings of a lock to the answer; leave it out whole if it does not fit. */
static bool put_lock(struct hf_keeper_answer *a, const struct hf_keeper *k,
		     const struct hf_lock *lock)
{
	const bool absolute = lock->path[0] == '/';
	size_t capacity = sizeof(a->text) - a->size;
	int n = snprintf(a->text + a->size, capacity, "%s%c%s%s%s%c%c %llu %llu %d",
			 lock->ops->name, '\0', absolute ? "" : k->place, absolute ? "" : "/",
			 lock->path, '\0', lock->mode == HF_LOCK_EXCLUSIVE ? 'x' : 's',
			 (unsigned long long)lock->st.st_dev, (unsigned long long)lock->st.st_ino,
			 lock->lent);

	if (n < 0 || (size_t)n >= capacity)
		return false;
	a->size += (uint32_t)n + 1;
	return true;
}

static void describe_state(const struct hf_keeper *k, struct hf_keeper_answer *a)
{
	struct hf_lock *const *locks = k->locks;
	bool fits = true;

	a->pidns = k->handle.pidns;
	a->pid = k->handle.pid;
	a->owner = k->owner;
	a->owner_start = k->owner_start;
	a->since = k->since;
	a->left = ttl_left(k);
	for (size_t i = 0; i < k->lock_count; i++) {
		if (locks[i]->duplicate_of)
			continue;
		a->locks++;
		fits = fits && put_lock(a, k, locks[i]);
	}
}

/* Collect the descriptors of the requested inode for a client below the owner (keeperd/K6). Return
 * their number. */
static int collect_lent(struct hf_keeper *k, const struct hf_keeper_question *q,
			const struct ucred *peer, int *fds)
{
	int lent = 0;
	struct stat st;

	if (!k->owner || !hf_proc_descends(peer->pid, k->owner))
		return 0;
	for (size_t i = 0; i < HF_KEEPER_HOLDINGS * k->lock_count && lent < HF_KEEPER_LENT_MAX;
	     i++) {
		int fd = hf_keeper_holding(k, i, &st);

		if (fd < 0 || st.st_dev != q->device || st.st_ino != q->inode)
			continue;
		k->locks[i / HF_KEEPER_HOLDINGS]->lent = true;
		fds[lent++] = fd;
	}
	return lent;
}

static void put_error(struct hf_keeper_answer *a, const struct hf_err *err)
{
	a->status = err->status;
	a->size = 1 + (uint32_t)snprintf(a->text, sizeof(a->text), "%s%c%s", err->message, '\0',
					 err->advice);
}

/* Return HF_NO if one of the locks was lost while the keeper held it. */
static enum hf_status find_lost(const struct hf_keeper *k, struct hf_err *err)
{
	for (size_t i = 0; i < k->lock_count; i++) {
		const struct hf_lock *lock = k->locks[i];

		if (hf_dot_lost(lock))
			return hf_fail(
				err, HF_NO,
				"dotlock '%s' was lost: another program removed or replaced it",
				lock->path);
		if (hf_sqlite_thawed(lock))
			return hf_fail(err, HF_NO,
				       "'%s' was thawed: the process that froze it was killed",
				       lock->path);
	}
	return HF_OK;
}

static enum hf_status renew_ttl(struct hf_keeper *k, int64_t ttl, struct hf_err *err)
{
	if (find_lost(k, err) != HF_OK)
		return err->status;
	if (!ttl && k->ttl == HF_NEVER) {
		hf_fail(err, HF_USAGE,
			"the lock has no time to live: it is held until its owner exits");
		hf_advise(err, "give it one with --ttl");
		return HF_USAGE;
	}
	if (ttl == HF_NEVER && !k->owner)
		return hf_fail(err, HF_USAGE, "a lock without an owner needs a time to live");
	if (ttl < 0 || !hf_keeper_set_ttl(k, ttl ? ttl : k->ttl))
		return hf_fail_errno_as(err, HF_OS, "the keeper cannot set its timer");
	if (ttl)
		k->ttl = ttl;
	return HF_OK;
}

/* Answer one request. Return true if the client must wait for the final answer to RELEASE. */
static bool answer_request(struct hf_keeper *k, int fd, const struct ucred *peer,
			   const struct hf_keeper_question *q, ssize_t size)
{
	struct hf_keeper_answer a = {.form = HF_KEEPER_FORM, .nonce = 0};
	int fds[HF_KEEPER_LENT_MAX], count = 0;
	enum hf_status status = HF_OK;
	struct hf_err err;

	if (size != sizeof(*q) || q->form != HF_KEEPER_FORM)
		status = hf_fail(&err, HF_DATA, "the keeper does not understand the request");
	else if ((q->what == HF_KEEPER_RENEW || q->what == HF_KEEPER_RELEASE) &&
		 q->nonce != k->handle.nonce)
		status = hf_fail(&err, HF_USAGE, "the keeper, PID %d, did not issue this handle",
				 (int)k->handle.pid);
	else if (q->what == HF_KEEPER_RELEASE)
		k->over = true;
	else if (q->what == HF_KEEPER_RENEW)
		status = renew_ttl(k, q->ttl, &err);
	else if (q->what == HF_KEEPER_BORROW)
		count = collect_lent(k, q, peer, fds);
	if (k->over)
		return true;
	if (status == HF_OK)
		describe_state(k, &a);
	else
		put_error(&a, &err);
	hf_keeper_send(fd, &a, offsetof(struct hf_keeper_answer, text) + a.size, fds, count);
	return false;
}

static void drop_client(struct hf_keeper *k, int i)
{
	hf_close(k->clients[i].fd);
	k->clients[i].fd = -1;
}

static void read_request(struct hf_keeper *k, int i)
{
	struct hf_keeper_question q;
	ssize_t n = hf_keeper_receive(k->clients[i].fd, &q, sizeof(q), NULL, NULL);

	if (n > 0 && answer_request(k, k->clients[i].fd, &k->clients[i].peer, &q, n)) {
		k->releaser = k->clients[i].fd;
		k->clients[i].fd = -1;
	}
	drop_client(k, i);
}

/* Return the index of an unused client, or -1. */
static int free_client(const struct hf_keeper *k)
{
	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		if (k->clients[i].fd < 0)
			return i;
	return -1;
}

static void accept_client(struct hf_keeper *k, int listening)
{
	int i = free_client(k), fd;

	if (i < 0)
		return;
	fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* out of descriptors or memory: the pending connection would wake poll(2) again at
		 * once */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			k->deaf_until = hf_now() + DEAF;
		return;
	}
	/* keeperd/K5 */
	k->clients[i].fd = fd;
	k->clients[i].deadline = hf_now() + CLIENT_PATIENCE;
	if (!hf_keeper_peer(fd, &k->clients[i].peer) ||
	    (k->clients[i].peer.uid != 0 && !hf_keeper_is_own_user(&k->clients[i].peer)))
		drop_client(k, i);
}

/* Read the starter's byte: the handle is known. End of file: release everything (keeperd/K2). */
static void read_starter(struct hf_keeper *k)
{
	char word;

	k->over |= hf_keeper_receive(k->starter, &word, sizeof(word), NULL, NULL) != sizeof(word);
	sys_close(k->starter);
	k->starter = -1;
}

static void touch_dotlocks(struct hf_keeper *k)
{
	uint64_t times;

	if (sys_read(k->touch_timer, &times, sizeof(times)) <= 0)
		return;
	for (size_t i = 0; i < k->lock_count; i++) {
		struct hf_lock lock = *k->locks[i];

		/* become_daemon() closed the inherited descriptor; this is its copy */
		lock.inherited = k->copies[i];
		hf_dot_touch(&lock);
	}
}

/* Return the milliseconds until a time limit of a client or of deaf_until; -1 if there is none. */
static int poll_timeout(const struct hf_keeper *k)
{
	int64_t next = k->deaf_until ? k->deaf_until : HF_NEVER, left;

	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		if (k->clients[i].fd >= 0 && k->clients[i].deadline < next)
			next = k->clients[i].deadline;
	left = hf_time_left(next);
	return left == HF_NEVER ? -1 : (int)(left / HF_MS) + 1;
}

static void fill_pollfds(const struct hf_keeper *k, struct pollfd *polled)
{
	bool deaf = k->deaf_until || free_client(k) < 0;

	polled[HF_POLL_OWNER].fd = k->owner_fd;
	polled[HF_POLL_STARTER].fd = k->starter;
	polled[HF_POLL_TTL].fd = k->ttl_timer;
	polled[HF_POLL_TOUCH].fd = k->touch_timer;
	for (int i = 0; i < k->listeners; i++)
		polled[HF_POLL_LISTENING + i].fd = deaf ? -1 : k->listening[i];
	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		polled[HF_POLL_LISTENING + k->listeners + i].fd = k->clients[i].fd;
	for (size_t i = 0; i < k->polled_count; i++)
		polled[i].events = POLLIN;
}

/* Poll only the open descriptors: poll(2) refuses more entries than RLIMIT_NOFILE. */
static bool await_any(struct hf_keeper *k)
{
	struct pollfd *all = k->polled, *open = all + k->polled_count;
	nfds_t count = 0;

	for (size_t i = 0; i < k->polled_count; i++)
		if (all[i].fd >= 0)
			open[count++] = all[i];
	if (poll(open, count, poll_timeout(k)) < 0)
		return false;
	for (size_t i = k->polled_count; i-- > 0;)
		all[i].revents = all[i].fd >= 0 ? open[--count].revents : 0;
	return true;
}

static void handle_events(struct hf_keeper *k, const struct pollfd *polled)
{
	const struct pollfd *client = polled + HF_POLL_LISTENING + k->listeners;
	int64_t now = hf_now();

	k->over |= polled[HF_POLL_OWNER].revents || polled[HF_POLL_TTL].revents;
	if (polled[HF_POLL_STARTER].revents)
		read_starter(k);
	if (polled[HF_POLL_TOUCH].revents)
		touch_dotlocks(k);
	if (k->deaf_until <= now)
		k->deaf_until = 0;
	for (int i = 0; i < HF_KEEPER_CLIENTS && !k->over; i++) {
		/* a client that disconnected reported that nothing was done (keeperd/K3) */
		if (client[i].revents & POLLHUP)
			drop_client(k, i);
		else if (client[i].revents)
			read_request(k, i);
		else if (k->clients[i].fd >= 0 && k->clients[i].deadline <= now)
			drop_client(k, i);
	}
	for (int i = 0; i < k->listeners && !k->over; i++)
		if (polled[HF_POLL_LISTENING + i].revents)
			accept_client(k, k->listening[i]);
}

/* Release everything, and only then send the answer (keeperd/K3). */
static void release_and_answer(struct hf_keeper *k)
{
	struct hf_keeper_answer a = {.form = HF_KEEPER_FORM, .nonce = 0};
	struct hf_err err;

	if (find_lost(k, &err) != HF_OK)
		put_error(&a, &err);
	for (size_t i = k->lock_count; i-- > 0;)
		hf_close(k->copies[i]);
	hf_lockset_free(k->set);
	if (k->releaser >= 0) {
		hf_keeper_send(k->releaser, &a, offsetof(struct hf_keeper_answer, text) + a.size,
			       NULL, 0);
		sys_close(k->releaser);
	}
}

void hf_keeper_serve(struct hf_keeper *k)
{
	while (!k->over) {
		fill_pollfds(k, k->polled);
		if (await_any(k))
			handle_events(k, k->polled);
	}
	release_and_answer(k);
	free(k->polled);
	free(k->copies);
	free(k->listening);
}
