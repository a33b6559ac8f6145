/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_PROTOCOL_H
#define HF_KEEPER_PROTOCOL_H

/*
 * The protocol between a keeper and its clients: socket names and messages.
 *
 * README.md describes both. Each function has a time limit or does not block. Nothing remains after
 * a crash: the sockets are abstract. Thread-safe; not async-signal-safe.
 */

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <holdfast/err.h>

enum {
	HF_KEEPER_FORM = 0x31726b68,
	HF_KEEPER_NAMES = 4,	/* K in the name of a lock's socket */
	HF_KEEPER_LENT_MAX = 4, /* descriptors in one answer */
	HF_KEEPER_TEXT_MAX = 8192,
};

enum hf_keeper_what { HF_KEEPER_STATUS, HF_KEEPER_BORROW, HF_KEEPER_RENEW, HF_KEEPER_RELEASE };

struct hf_keeper_question {
	uint32_t form, what;
	uint64_t nonce;
	int64_t ttl;		/* RENEW: nanoseconds; 0: as before */
	uint64_t device, inode; /* BORROW */
};

struct hf_keeper_answer {
	uint32_t form, status; /* status: enum hf_status; on failure text is a message, then
			        * advice */
	uint64_t pidns, nonce;
	int32_t pid, owner; /* owner: 0 if none */
	uint64_t owner_start;
	int64_t since;	      /* wall clock, seconds */
	int64_t left;	      /* remaining time to live, nanoseconds; HF_NEVER: unlimited */
	uint32_t locks, size; /* number of locks; bytes used in text */
	/* as many locks as fit: read them with hf_keeper_next() */
	char text[HF_KEEPER_TEXT_MAX];
};

/* Write a keeper's or a lock's socket name to *address. Return its length. */
socklen_t hf_keeper_name(struct sockaddr_un *address, uint64_t pidns, pid_t pid, uint64_t start);
socklen_t hf_keeper_other_name(struct sockaddr_un *address, uint64_t pidns, pid_t pid,
			       uint64_t start);
socklen_t hf_keeper_lock_name(struct sockaddr_un *address, dev_t device, ino_t inode, int k);

/* Send without blocking, with `count` descriptors. Return false with errno on failure. */
bool hf_keeper_send(int socket, const void *message, size_t size, const int *fds, int count);

/* Receive a message without blocking. Return its size, 0 at end of file, -1 with errno. fds has
 * space for HF_KEEPER_LENT_MAX descriptors and receives *count of them, close-on-exec; NULL:
 * discard descriptors. */
ssize_t hf_keeper_receive(int socket, void *message, size_t size, int *fds, int *count);

/* Read the peer's PID and user. Return false on failure. */
bool hf_keeper_peer(int socket, struct ucred *peer);

/* Return true if the peer's user is this process's own. False if the user namespace does not map
 * it: all such users have one ID (base/access.h). */
bool hf_keeper_is_own_user(const struct ucred *peer);

/*
 * Connect to the process that listens on this name. *socket is -1, or a socket from an earlier
 * attempt that found no listener. HF_OK: connected. HF_NO: no process listens; *socket can be used
 * for another name. HF_BUSY: the queue was full for `patience` nanoseconds (0: do not wait). HF_OS:
 * another error. After HF_BUSY and HF_OS *socket is -1.
 */
enum hf_status hf_keeper_reach(int *socket, const struct sockaddr_un *address, socklen_t size,
			       int64_t patience, struct ucred *peer);

/* The same, for the keeper with this PID (SO_PEERCRED), even if another process has taken its first
 * name. */
enum hf_status hf_keeper_reach_process(int *socket, uint64_t pidns, pid_t pid, uint64_t start,
				       int64_t patience, struct ucred *peer);

#endif
