/* SPDX-License-Identifier: ISC */
#include "keeper/keeper_protocol.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/access.h"
#include "base/sys.h"
#include <holdfast/clock.h>

#define SEARCH (200 * HF_MS)

__attribute__((format(printf, 2, 3))) static socklen_t format_name(struct sockaddr_un *address,
								   const char *format, ...)
{
	va_list args;
	int n;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	va_start(args, format);
	n = vsnprintf(address->sun_path + 1, sizeof(address->sun_path) - 1, format, args);
	va_end(args);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

socklen_t hf_keeper_name(struct sockaddr_un *address, uint64_t pidns, pid_t pid, uint64_t start)
{
	return format_name(address, "holdfast/keeper/%llu/%d/%llu", (unsigned long long)pidns,
			   (int)pid, (unsigned long long)start);
}

socklen_t hf_keeper_other_name(struct sockaddr_un *address, uint64_t pidns, pid_t pid,
			       uint64_t start)
{
	return format_name(address, "holdfast/keeper/%llu/%d/%llu/%08x%08x",
			   (unsigned long long)pidns, (int)pid, (unsigned long long)start,
			   (unsigned int)arc4random(), (unsigned int)arc4random());
}

socklen_t hf_keeper_lock_name(struct sockaddr_un *address, dev_t device, ino_t inode, int k)
{
	return format_name(address, "holdfast/lock/%llx/%llu/%d", (unsigned long long)device,
			   (unsigned long long)inode, k);
}

/* Space for the descriptors of one message. */
union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int) * HF_KEEPER_LENT_MAX)];
};

bool hf_keeper_send(int socket, const void *message, size_t size, const int *fds, int count)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	union control control = {.space = ""};
	size_t used = sizeof(int) * (size_t)count;

	if (count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(used);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(used);
		memcpy(CMSG_DATA(&control.header), fds, used);
	}
	return sys_sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

ssize_t hf_keeper_receive(int socket, void *message, size_t size, int *fds, int *count)
{
	struct iovec part = {.iov_base = message, .iov_len = size};
	union control control;
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = fds ? &control : NULL,
				.msg_controllen = fds ? sizeof(control) : 0};
	struct cmsghdr *c;
	ssize_t n;

	if (fds)
		*count = 0;
	do
		n = sys_recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 || !fds)
		return n;
	c = CMSG_FIRSTHDR(&header);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), sizeof(int) * (size_t)*count);
	}
	return n;
}

bool hf_keeper_peer(int socket, struct ucred *peer)
{
	socklen_t size = sizeof(*peer);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, peer, &size) == 0;
}

bool hf_keeper_is_own_user(const struct ucred *peer)
{
	return HF_WITHOUT(keeper_user) ? peer->uid == geteuid()
				       : hf_same_user(peer->uid, geteuid());
}

/* A client that finds the queue of connections full waits its turn in the kernel. */
static int connect_within(int fd, const struct sockaddr_un *address, socklen_t size,
			  int64_t patience)
{
	int64_t end = hf_deadline_in(patience), left;
	int result = sys_connect(fd, (const struct sockaddr *)address, size);

	while (result < 0 && (errno == EAGAIN || errno == EINTR) &&
	       (left = hf_time_left(end)) > 0) {
		int64_t us = left / 1000 + 1;
		struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};

		/* makes the socket blocking; sends and receives use MSG_DONTWAIT */
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0 ||
		    fcntl(fd, F_SETFL, 0) < 0)
			return -1;
		result = sys_connect(fd, (const struct sockaddr *)address, size);
	}
	return result;
}

enum hf_status hf_keeper_reach(int *fd, const struct sockaddr_un *address, socklen_t size,
			       int64_t patience, struct ucred *peer)
{
	if (*fd < 0)
		*fd = sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return HF_OS;
	if (connect_within(*fd, address, size, patience) == 0 && hf_keeper_peer(*fd, peer))
		return HF_OK;
	if (errno == ECONNREFUSED)
		return HF_NO;
	hf_close(*fd);
	*fd = -1;
	return errno == EAGAIN ? HF_BUSY : HF_OS;
}

/* HF_NO also if another process listens on the name. */
static enum hf_status reach_pid(int *fd, const struct sockaddr_un *address, socklen_t size,
				int64_t patience, pid_t pid, struct ucred *peer)
{
	enum hf_status status = hf_keeper_reach(fd, address, size, patience, peer);

	if (status != HF_OK || peer->pid == pid)
		return status;
	sys_close(*fd);
	*fd = -1;
	return HF_NO;
}

/* Try the names with a random part that /proc/net/unix lists. Any process can have such a name. */
static bool search(int *fd, const struct sockaddr_un *plain, pid_t pid, struct ucred *peer)
{
	const size_t prefix = strlen(plain->sun_path + 1);
	FILE *names = fopen("/proc/net/unix", "re");
	int64_t end = hf_deadline_in(SEARCH);
	bool found = false;
	char line[256];

	while (names && !found && hf_time_left(end) > 0 && fgets(line, sizeof(line), names)) {
		const char *name = strchr(line, '@');
		struct sockaddr_un address;
		socklen_t size;

		if (!name || strncmp(name + 1, plain->sun_path + 1, prefix) != 0 ||
		    name[1 + prefix] != '/')
			continue;
		line[strcspn(line, "\n")] = '\0';
		size = format_name(&address, "%.100s", name + 1);
		found = reach_pid(fd, &address, size, 0, pid, peer) == HF_OK;
	}
	if (names)
		fclose(names);
	return found;
}

enum hf_status hf_keeper_reach_process(int *fd, uint64_t pidns, pid_t pid, uint64_t start,
				       int64_t patience, struct ucred *peer)
{
	struct sockaddr_un address;
	socklen_t size = hf_keeper_name(&address, pidns, pid, start);
	enum hf_status status = reach_pid(fd, &address, size, 0, pid, peer);

	if (status == HF_OK || status == HF_OS)
		return status;
	/* the process that listens on the first name may be another user's, so search first */
	if (!HF_WITHOUT(keeper_name) && search(fd, &address, pid, peer))
		return HF_OK;
	if (status == HF_BUSY && patience > 0)
		status = reach_pid(fd, &address, size, patience, pid, peer);
	return status;
}
