/* SPDX-License-Identifier: ISC */
#include "keeper_serve.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "ident.h"
#include "lock_dot.h"
#include "path.h"
#include "proc.h"
#include "sys.h"

#define CLIENT_PATIENCE HF_SECOND
#define DEAF (100 * HF_MS)

enum { OWNER, STARTER, TTL, TOUCH, LISTENING, BACKLOG = 64, HOLDINGS = 2 };

/* One of up to two descriptors by which lock i is held, with its inode; -1. */
static int holding(const struct hf_keeper *k, size_t i, int which, struct stat *st)
{
	struct hf_lock *const *locks;
	int fd;

	hf_lockset_locks(k->set, &locks);
	if (which == 0)
		fd = locks[i]->fd >= 0 ? locks[i]->fd : k->copies[i];
	else
		fd = locks[i]->second;
	return fd >= 0 && fstat(fd, st) == 0 ? fd : -1;
}

/* What an ancestor holds for us is ours too from now on. */
static enum hf_status copy_inherited(struct hf_keeper *k, struct hf_err *err)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);

	k->copies = malloc((count + 1) * sizeof(*k->copies));
	k->listening = malloc((HOLDINGS * count + 1) * sizeof(*k->listening));
	if (!k->copies || !k->listening)
		return hf_fail_errno(err, "cannot make a keeper");
	for (size_t i = 0; i < count; i++)
		k->copies[i] = -1;
	for (size_t i = 0; i < count; i++) {
		int fd = locks[i]->inherited;

		if (fd < 0)
			continue;
		k->copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, HF_FD_BASE);
		if (k->copies[i] < 0 && (errno == EINVAL || errno == EMFILE))
			k->copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (k->copies[i] < 0)
			return hf_fail_errno(err, "cannot keep '%s'", locks[i]->path);
	}
	return HF_OK;
}

/* -1 with errno. */
static int listen_as(const struct sockaddr_un *address, socklen_t size)
{
	int fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), saved;

	if (fd < 0)
		return -1;
	if (sys_bind(fd, (const struct sockaddr *)address, size) == 0 &&
	    sys_listen(fd, BACKLOG) == 0)
		return fd;
	saved = errno;
	sys_close(fd);
	errno = saved;
	return -1;
}

/* Has a holding before this one the same inode? */
static bool is_named(const struct hf_keeper *k, size_t holdings, const struct stat *st)
{
	struct stat other;

	for (size_t i = 0; i < holdings; i++)
		if (holding(k, i / HOLDINGS, i % HOLDINGS, &other) >= 0 &&
		    hf_same_inode(&other, st))
			return true;
	return false;
}

/* A name for whoever finds this inode locked, which several keepers can share. */
static int listen_for(const struct stat *st)
{
	struct sockaddr_un address;
	int fd = -1;

	for (int n = 0; n < HF_KEEPER_NAMES && fd < 0; n++) {
		socklen_t size = hf_keeper_lock_name(&address, st->st_dev, st->st_ino, n);

		fd = listen_as(&address, size);
	}
	return fd;
}

static enum hf_status open_sockets(struct hf_keeper *k, struct hf_err *err)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);
	struct sockaddr_un address;
	socklen_t size =
		hf_keeper_name(&address, k->handle.pidns, k->handle.pid, k->handle.start);
	int fd = listen_as(&address, size);
	struct stat st;

	if (fd < 0)
		return hf_fail_errno_as(err, HF_OS, "cannot make a keeper: its socket");
	k->listening[k->listeners++] = fd;
	for (size_t i = 0; i < HOLDINGS * count; i++) {
		if (holding(k, i / HOLDINGS, i % HOLDINGS, &st) < 0 || is_named(k, i, &st))
			continue;
		fd = listen_for(&st);
		if (fd >= 0)
			k->listening[k->listeners++] = fd;
	}
	return HF_OK;
}

static bool set_timer(int fd, int64_t first, int64_t then)
{
	struct itimerspec spec = {
		.it_value = {.tv_sec = first / HF_SECOND, .tv_nsec = first % HF_SECOND},
		.it_interval = {.tv_sec = then / HF_SECOND, .tv_nsec = then % HF_SECOND}};

	return sys_timerfd_settime(fd, 0, &spec, NULL) == 0;
}

static int make_timer(int64_t first, int64_t then)
{
	int fd = sys_timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && first != HF_NEVER && !set_timer(fd, first, then)) {
		sys_close(fd);
		return -1;
	}
	return fd;
}

static enum hf_status open_timers(struct hf_keeper *k, struct hf_err *err)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);
	bool touched = false;

	for (size_t i = 0; i < count; i++)
		touched |= locks[i]->ops == &hf_lock_dot && locks[i]->fd >= 0;
	k->ttl_timer = make_timer(k->ttl, 0);
	if (touched)
		k->touch_timer = make_timer(HF_DOT_TOUCH, HF_DOT_TOUCH);
	if (k->ttl_timer < 0 || (touched && k->touch_timer < 0))
		return hf_fail_errno_as(err, HF_OS, "cannot make a keeper: its timer");
	return HF_OK;
}

static size_t polled_count(const struct hf_keeper *k)
{
	return (size_t)(LISTENING + k->listeners + HF_KEEPER_CLIENTS);
}

enum hf_status hf_keeper_open(struct hf_keeper *k, struct hf_err *err)
{
	enum hf_status status;
	struct hf_ident self;
	struct hf_proc owner;

	k->copies = k->listening = NULL;
	k->polled = NULL;
	k->listeners = 0;
	k->ttl_timer = k->touch_timer = k->releaser = -1;
	k->deaf_until = 0;
	k->over = false;
	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		k->clients[i].fd = -1;
	hf_ident_self(&self);
	k->handle = (struct hf_handle){.pid = self.pid, .start = self.start, .pidns = self.pidns};
	k->handle.nonce = (uint64_t)arc4random() << 32 | arc4random();
	k->owner_start = k->owner && hf_proc_read(k->owner, &owner) ? owner.start : 0;
	k->since = time(NULL);
	status = copy_inherited(k, err);
	if (status == HF_OK)
		status = open_sockets(k, err);
	if (status == HF_OK)
		status = open_timers(k, err);
	if (status == HF_OK) {
		k->polled = calloc(polled_count(k), sizeof(*k->polled));
		if (!k->polled)
			status = hf_fail_errno(err, "cannot make a keeper");
	}
	return status;
}

static int64_t time_left(const struct hf_keeper *k)
{
	struct itimerspec spec;

	if (k->ttl == HF_NEVER || timerfd_gettime(k->ttl_timer, &spec) < 0)
		return HF_NEVER;
	return (int64_t)spec.it_value.tv_sec * HF_SECOND + spec.it_value.tv_nsec;
}

static void put_string(struct hf_keeper_answer *a, const char *format, const char *one,
		       const char *two)
{
	size_t room = sizeof(a->text) - a->size;
	int n = snprintf(a->text + a->size, room, format, one, two);

	a->size = n < (int)room ? a->size + (uint32_t)n + 1 : HF_KEEPER_TEXT_MOST + 1;
}

/* A lock that does not fit is left out whole. */
static bool put_lock(struct hf_keeper_answer *a, const struct hf_keeper *k,
		     const struct hf_lock *lock)
{
	const uint32_t before = a->size;
	char numbers[64];

	snprintf(numbers, sizeof(numbers), "%c %llu %llu %d",
		 lock->mode == HF_LOCK_EXCLUSIVE ? 'x' : 's', (unsigned long long)lock->st.st_dev,
		 (unsigned long long)lock->st.st_ino, lock->lent);
	put_string(a, "%s%s", lock->ops->name, "");
	if (a->size <= HF_KEEPER_TEXT_MOST && lock->path[0] == '/')
		put_string(a, "%s%s", lock->path, "");
	else if (a->size <= HF_KEEPER_TEXT_MOST)
		put_string(a, "%s/%s", k->place, lock->path);
	if (a->size <= HF_KEEPER_TEXT_MOST)
		put_string(a, "%s%s", numbers, "");
	if (a->size <= HF_KEEPER_TEXT_MOST)
		return true;
	a->size = before;
	return false;
}

static void describe(const struct hf_keeper *k, struct hf_keeper_answer *a)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);
	bool fits = true;

	a->pidns = k->handle.pidns;
	a->pid = k->handle.pid;
	a->owner = k->owner;
	a->owner_start = k->owner_start;
	a->since = k->since;
	a->left = time_left(k);
	for (size_t i = 0; i < count; i++) {
		if (locks[i]->same_as)
			continue;
		a->locks++;
		fits = fits && put_lock(a, k, locks[i]);
	}
}

/* K6. How many descriptors. */
static int lend(struct hf_keeper *k, const struct hf_keeper_question *q, const struct ucred *peer,
		int *fds)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);
	int lent = 0;
	struct stat st;

	if (!k->owner || !hf_proc_descends(peer->pid, k->owner))
		return 0;
	for (size_t i = 0; i < HOLDINGS * count && lent < HF_KEEPER_LENT_MOST; i++) {
		int fd = holding(k, i / HOLDINGS, i % HOLDINGS, &st);

		if (fd < 0 || st.st_dev != q->device || st.st_ino != q->inode)
			continue;
		locks[i / HOLDINGS]->lent = true;
		fds[lent++] = fd;
	}
	return lent;
}

static void put_error(struct hf_keeper_answer *a, const struct hf_err *err)
{
	a->status = err->status;
	a->size = 0;
	put_string(a, "%s%s", err->message, "");
	put_string(a, "%s%s", err->advice, "");
}

static enum hf_status renew(struct hf_keeper *k, int64_t ttl, struct hf_err *err)
{
	if (!ttl && k->ttl == HF_NEVER) {
		hf_fail(err, HF_USAGE,
			"the lock has no time to live: it is held until its owner ends");
		hf_advise(err, "give it one with --ttl");
		return HF_USAGE;
	}
	if (ttl == HF_NEVER && !k->owner)
		return hf_fail(err, HF_USAGE, "a lock without an owner needs a time to live");
	if (ttl < 0 || !set_timer(k->ttl_timer, ttl == HF_NEVER ? 0 : ttl ? ttl : k->ttl, 0))
		return hf_fail_errno_as(err, HF_OS, "the keeper cannot set its timer");
	if (ttl)
		k->ttl = ttl;
	return HF_OK;
}

/* One question, answered. true: the client is kept for the last word. */
static bool answer(struct hf_keeper *k, int fd, const struct ucred *peer,
		   const struct hf_keeper_question *q, ssize_t size)
{
	struct hf_keeper_answer a = {.form = HF_KEEPER_FORM, .nonce = 0};
	int fds[HF_KEEPER_LENT_MOST], count = 0;
	enum hf_status status = HF_OK;
	struct hf_err err;

	if (size != sizeof(*q) || q->form != HF_KEEPER_FORM)
		status = hf_fail(&err, HF_DATA, "the keeper does not understand the question");
	else if ((q->what == HF_KEEPER_RENEW || q->what == HF_KEEPER_RELEASE) &&
		 q->nonce != k->handle.nonce)
		status = hf_fail(&err, HF_USAGE, "the keeper did not give this handle");
	else if (q->what == HF_KEEPER_RELEASE)
		k->over = true;
	else if (q->what == HF_KEEPER_RENEW)
		status = renew(k, q->ttl, &err);
	else if (q->what == HF_KEEPER_BORROW)
		count = lend(k, q, peer, fds);
	if (k->over)
		return true;
	if (status == HF_OK)
		describe(k, &a);
	else
		put_error(&a, &err);
	hf_keeper_send(fd, &a, offsetof(struct hf_keeper_answer, text) + a.size, fds, count);
	return false;
}

static void drop(struct hf_keeper *k, int i)
{
	if (k->clients[i].fd >= 0)
		sys_close(k->clients[i].fd);
	k->clients[i].fd = -1;
}

static void hear(struct hf_keeper *k, int i)
{
	struct hf_keeper_question q;
	ssize_t n = hf_keeper_receive(k->clients[i].fd, &q, sizeof(q), NULL, NULL);

	if (n > 0 && answer(k, k->clients[i].fd, &k->clients[i].peer, &q, n)) {
		k->releaser = k->clients[i].fd;
		k->clients[i].fd = -1;
	}
	drop(k, i);
}

/* A place for another client, or -1. */
static int free_place(const struct hf_keeper *k)
{
	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		if (k->clients[i].fd < 0)
			return i;
	return -1;
}

static void admit(struct hf_keeper *k, int listening)
{
	int i = free_place(k), fd;

	if (i < 0)
		return;
	fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		/* no descriptor, no memory: the connection stays, and would wake us at once */
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			k->deaf_until = hf_now() + DEAF;
		return;
	}
	/* K5 */
	k->clients[i].fd = fd;
	k->clients[i].deadline = hf_now() + CLIENT_PATIENCE;
	if (!hf_keeper_peer(fd, &k->clients[i].peer) ||
	    (k->clients[i].peer.uid != 0 && k->clients[i].peer.uid != geteuid()))
		drop(k, i);
}

/* The starter's word that the handle is known, or his end (K2). */
static void hear_starter(struct hf_keeper *k)
{
	char word;

	k->over |= hf_keeper_receive(k->starter, &word, sizeof(word), NULL, NULL) != sizeof(word);
	sys_close(k->starter);
	k->starter = -1;
}

static void touch(struct hf_keeper *k)
{
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);
	uint64_t times;

	if (sys_read(k->touch_timer, &times, sizeof(times)) > 0)
		for (size_t i = 0; i < count; i++)
			hf_dot_touch(locks[i]);
}

/* Milliseconds until something is due that nobody else tells of; -1: nothing is. */
static int patience(const struct hf_keeper *k)
{
	int64_t next = k->deaf_until ? k->deaf_until : HF_NEVER, left;

	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		if (k->clients[i].fd >= 0 && k->clients[i].deadline < next)
			next = k->clients[i].deadline;
	left = hf_until(next);
	return left == HF_NEVER ? -1 : (int)(left / HF_MS) + 1;
}

static void prepare(const struct hf_keeper *k, struct pollfd *polled)
{
	bool deaf = k->deaf_until || free_place(k) < 0;

	polled[OWNER].fd = k->owner_fd;
	polled[STARTER].fd = k->starter;
	polled[TTL].fd = k->ttl_timer;
	polled[TOUCH].fd = k->touch_timer;
	for (int i = 0; i < k->listeners; i++)
		polled[LISTENING + i].fd = deaf ? -1 : k->listening[i];
	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		polled[LISTENING + k->listeners + i].fd = k->clients[i].fd;
	for (size_t i = 0; i < polled_count(k); i++)
		polled[i].events = POLLIN;
}

static void attend(struct hf_keeper *k, const struct pollfd *polled)
{
	const struct pollfd *client = polled + LISTENING + k->listeners;
	int64_t now = hf_now();

	k->over |= polled[OWNER].revents || polled[TTL].revents;
	if (polled[STARTER].revents)
		hear_starter(k);
	if (polled[TOUCH].revents)
		touch(k);
	if (k->deaf_until <= now)
		k->deaf_until = 0;
	for (int i = 0; i < HF_KEEPER_CLIENTS && !k->over; i++) {
		if (client[i].revents)
			hear(k, i);
		else if (k->clients[i].fd >= 0 && k->clients[i].deadline <= now)
			drop(k, i);
	}
	for (int i = 0; i < k->listeners && !k->over; i++)
		if (polled[LISTENING + i].revents)
			admit(k, k->listening[i]);
}

/* K3: first everything is given back, then it is said. */
static void end(struct hf_keeper *k)
{
	struct hf_keeper_answer a = {.form = HF_KEEPER_FORM, .nonce = 0};
	struct hf_lock *const *locks;
	size_t count = hf_lockset_locks(k->set, &locks);
	struct hf_err err;

	for (size_t i = 0; i < count; i++) {
		if (!hf_dot_lost(locks[i]))
			continue;
		hf_fail(&err, HF_NO, "dotlock '%s' was lost: somebody removed or replaced it",
			locks[i]->path);
		put_error(&a, &err);
	}
	for (size_t i = count; i-- > 0;)
		if (k->copies[i] >= 0)
			sys_close(k->copies[i]);
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
		prepare(k, k->polled);
		if (poll(k->polled, polled_count(k), patience(k)) >= 0)
			attend(k, k->polled);
	}
	end(k);
	free(k->polled);
	free(k->copies);
	free(k->listening);
}
