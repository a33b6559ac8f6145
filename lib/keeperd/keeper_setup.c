/* SPDX-License-Identifier: ISC */
#include "keeperd/keeper_setup.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/process_id.h"
#include "base/sys.h"
#include "lock/lock_kind.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include <holdfast/lock_dot.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>

enum { BACKLOG = 64 };

int hf_keeper_holding(const struct hf_keeper *k, size_t n, struct stat *st)
{
	const size_t i = n / HF_KEEPER_HOLDINGS;
	struct hf_lock *const *locks = k->locks;
	int fd;

	if (n % HF_KEEPER_HOLDINGS == 0)
		fd = locks[i]->fd >= 0 ? locks[i]->fd : k->copies[i];
	else
		fd = locks[i]->external_fd;
	return fd >= 0 && fstat(fd, st) == 0 ? fd : -1;
}

/* Copy the descriptors of inherited locks, so that the keeper holds these locks too. */
static enum hf_status copy_inherited(struct hf_keeper *k, struct hf_err *err)
{
	const size_t count = k->lock_count;

	k->copies = malloc((count + 1) * sizeof(*k->copies));
	k->listening = malloc((HF_KEEPER_HOLDINGS * count + 1) * sizeof(*k->listening));
	if (!k->copies || !k->listening)
		return hf_fail_errno(err, "cannot make a keeper");
	for (size_t i = 0; i < count; i++)
		k->copies[i] = -1;
	for (size_t i = 0; i < count; i++) {
		int fd = k->locks[i]->inherited;

		if (fd < 0)
			continue;
		k->copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, HF_FD_BASE);
		if (k->copies[i] < 0 && (errno == EINVAL || errno == EMFILE))
			k->copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (k->copies[i] < 0)
			return hf_fail_errno(err, "cannot keep '%s'", k->locks[i]->path);
	}
	return HF_OK;
}

/* Return a listening socket, or -1 with errno. */
static int listen_on(const struct sockaddr_un *address, socklen_t size)
{
	int fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (sys_bind(fd, (const struct sockaddr *)address, size) == 0 &&
	    sys_listen(fd, BACKLOG) == 0)
		return fd;
	hf_close(fd);
	return -1;
}

/* Return true if an earlier holding has the same inode. */
static bool inode_has_socket(const struct hf_keeper *k, size_t holdings, const struct stat *st)
{
	struct stat other;

	for (size_t i = 0; i < holdings; i++)
		if (hf_keeper_holding(k, i, &other) >= 0 && hf_same_inode(&other, st))
			return true;
	return false;
}

/* Listen on a free name of this inode, which several keepers can share. */
static int listen_for_inode(const struct stat *st)
{
	struct sockaddr_un address;
	int fd = -1;

	for (int n = 0; n < HF_KEEPER_NAMES && fd < 0; n++) {
		socklen_t size = hf_keeper_lock_name(&address, st->st_dev, st->st_ino, n);

		fd = listen_on(&address, size);
	}
	return fd;
}

static enum hf_status open_sockets(struct hf_keeper *k, struct hf_err *err)
{
	struct sockaddr_un address;
	socklen_t size = hf_keeper_name(&address, k->handle.pidns, k->handle.pid, k->handle.start);
	int fd = listen_on(&address, size);
	struct stat st;

	if (fd < 0 && errno == EADDRINUSE && !HF_WITHOUT(keeper_name)) {
		size = hf_keeper_other_name(&address, k->handle.pidns, k->handle.pid,
					    k->handle.start);
		fd = listen_on(&address, size);
	}
	if (fd < 0)
		return hf_fail_errno_as(err, HF_OS, "cannot make a keeper: its socket");
	k->listening[k->listeners++] = fd;
	for (size_t i = 0; i < HF_KEEPER_HOLDINGS * k->lock_count; i++) {
		if (hf_keeper_holding(k, i, &st) < 0 || inode_has_socket(k, i, &st))
			continue;
		fd = listen_for_inode(&st);
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

bool hf_keeper_set_ttl(const struct hf_keeper *k, int64_t ttl)
{
	return set_timer(k->ttl_timer, ttl == HF_NEVER ? 0 : ttl, 0);
}

static enum hf_status open_timers(struct hf_keeper *k, struct hf_err *err)
{
	bool touched = false;

	for (size_t i = 0; i < k->lock_count; i++)
		touched |= k->locks[i]->ops == &hf_lock_dot;
	k->ttl_timer = make_timer(k->ttl, 0);
	if (touched)
		k->touch_timer = make_timer(HF_DOT_TOUCH, HF_DOT_TOUCH);
	if (k->ttl_timer < 0 || (touched && k->touch_timer < 0))
		return hf_fail_errno_as(err, HF_OS, "cannot make a keeper: its timer");
	return HF_OK;
}

enum hf_status hf_keeper_open(struct hf_keeper *k, struct hf_err *err)
{
	enum hf_status status;
	struct hf_process_id self;
	struct hf_proc owner;

	k->lock_count = hf_lockset_locks(k->set, &k->locks);
	k->ttl_timer = k->touch_timer = k->releaser = -1;
	for (int i = 0; i < HF_KEEPER_CLIENTS; i++)
		k->clients[i].fd = -1;
	hf_process_id_self(&self);
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
		k->polled_count = (size_t)(HF_POLL_LISTENING + k->listeners + HF_KEEPER_CLIENTS);
		k->polled = calloc(2 * k->polled_count, sizeof(*k->polled));
		if (!k->polled)
			status = hf_fail_errno(err, "cannot make a keeper");
	}
	return status;
}
