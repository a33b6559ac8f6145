/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_WIRE_H
#define HF_KEEPER_WIRE_H

/*
 * What a keeper and those who ask it say to each other (keeperd/keeper_start.h has the protocol).
 *
 * Names. A keeper listens on sockets of the abstract kind, which are no files, and go when it goes:
 *
 *	holdfast/keeper/PIDNS/PID/START		known to whoever knows the process
 *	holdfast/keeper/PIDNS/PID/START/RANDOM	the same, where that is taken
 *	holdfast/lock/DEVICE/INODE/K		K is 0 to 3: known to whoever finds a file locked
 *
 * Anybody may take such a name before a keeper does. So names prove nothing: both sides look at
 * SO_PEERCRED, which is the kernel's word, and refuse each other if the user is not the same (root
 * may ask everybody). Where a name of the first kind is taken, the keeper takes one that cannot be
 * guessed, and that /proc/net/unix shows. Where all of the last kind are taken, by strangers or by
 * more keepers than there are names, every keeper of an ancestor's that /proc/net/unix tells of is
 * asked.
 *
 * Words. One question, one answer, each one message (SOCK_SEQPACKET: never half a one), then the
 * end. Both are of one machine and begin with HF_KEEPER_FORM; what has another form or size, as of
 * another version, is not understood (HF_DATA).
 *
 *	STATUS	what do you keep, and for whom?
 *	BORROW	give me the descriptors of this inode
 *	RENEW	let the time to live begin anew, or be this one	(nonce)
 *	RELEASE	give everything back, and then say so		(nonce)
 *
 * Nobody waits for the other without a limit. Thread-safe; not async-signal-safe.
 */

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include <holdfast/err.h>

enum {
	HF_KEEPER_FORM = 0x31726b68,
	HF_KEEPER_NAMES = 4,	/* K */
	HF_KEEPER_LENT_MAX = 4, /* descriptors in one answer */
	HF_KEEPER_TEXT_MAX = 8192,
};

enum hf_keeper_what { HF_KEEPER_STATUS, HF_KEEPER_BORROW, HF_KEEPER_RENEW, HF_KEEPER_RELEASE };

struct hf_keeper_question {
	uint32_t form, what;
	uint64_t nonce;
	int64_t ttl;		/* RENEW: ns; 0: as it was */
	uint64_t device, inode; /* BORROW */
};

struct hf_keeper_answer {
	uint32_t form, status; /* an enum hf_status; then text is a message, and advice behind it */
	uint64_t pidns, nonce;
	int32_t pid, owner; /* owner 0: none */
	uint64_t owner_start;
	int64_t since; /* wall clock, seconds */
	int64_t left;  /* ns of the time to live; HF_NEVER: not limited */
	uint32_t locks, size; /* how many there are; how much of text is used */
	/* of the locks, as many as fit: keeper/keeper_client.h reads them */
	char text[HF_KEEPER_TEXT_MAX];
};

/* Fill address with one of the names; its length. */
socklen_t hf_keeper_name(struct sockaddr_un *address, uint64_t pidns, pid_t pid, uint64_t start);
socklen_t hf_keeper_other_name(struct sockaddr_un *address, uint64_t pidns, pid_t pid,
			       uint64_t start);
socklen_t hf_keeper_lock_name(struct sockaddr_un *address, dev_t device, ino_t inode, int k);

/* The inode of this process's PID namespace; 0: not known. */
uint64_t hf_keeper_pidns(void);

/* Send without waiting, with fds behind it; false, with errno. */
bool hf_keeper_send(int socket, const void *message, size_t size, const int *fds, int count);

/* What is there to be read: its size, 0 at the end, -1 with errno. fds has room for
 * HF_KEEPER_LENT_MAX, and gets *count, close-on-exec; NULL: none are wanted. */
ssize_t hf_keeper_receive(int socket, void *message, size_t size, int *fds, int *count);

/* Who is at the other end? */
bool hf_keeper_peer(int socket, struct ucred *peer);

/* Is the other end this process's own user? Not if the user namespace does not map it: all users
 * are one id there (base/access.h). */
bool hf_keeper_is_own_user(const struct ucred *peer);

/* Connect to who listens under that name. *socket is -1, or one that has reached nobody so far.
 * HF_NO: nobody is there, and *socket can be tried with another name. HF_BUSY: too many ask, and
 * did so for patience (nanoseconds; 0: at once); HF_OS; after these *socket is -1. */
enum hf_status hf_keeper_reach(int *socket, const struct sockaddr_un *address, socklen_t size,
			       int64_t patience, struct ucred *peer);

/* The same, to the keeper that is this process, by the kernel's word, whoever else has taken its
 * name. */
enum hf_status hf_keeper_reach_process(int *socket, uint64_t pidns, pid_t pid, uint64_t start,
				       int64_t patience, struct ucred *peer);

#endif
