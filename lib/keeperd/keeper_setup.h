/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_SETUP_H
#define HF_KEEPER_SETUP_H

/*
 * Prepare a keeper: allocate all that it will need, so that nothing can fail later.
 *
 * hf_keeper_open() copies the descriptors of inherited locks, and makes the sockets, the timers and
 * the arrays for poll(2); README.md lists them.
 *
 * Errors: HF_OS, with the set still held. The process must then exit, since nothing is closed. A
 * crash leaves nothing: the socket names are not files. Never blocks. Single-threaded; no signals.
 */

#include <poll.h>
#include <stdbool.h>

#include "keeper/keeper_client.h"
#include <holdfast/lockset.h>

enum { HF_KEEPER_CLIENTS = 8, HF_KEEPER_HOLDINGS = 2 };

/* Indices of the polled descriptors: these, then each listening socket, then each client. */
enum { HF_POLL_OWNER, HF_POLL_STARTER, HF_POLL_TTL, HF_POLL_TOUCH, HF_POLL_LISTENING };

struct hf_keeper {
	/* set by the caller, which clears the rest; the keeper takes over the descriptors */
	struct hf_lockset *set; /* acquired */
	const char *place;	/* absolute: directory of the locks' relative paths */
	pid_t owner;		/* 0: none */
	int owner_fd;		/* a pidfd, or -1 */
	int starter;		/* socket to the starter, or -1 */
	int64_t ttl;		/* nanoseconds; HF_NEVER: none */

	/* set by hf_keeper_open(); the caller may read the handle */
	struct hf_handle handle;
	struct hf_lock *const *locks; /* of the set */
	size_t lock_count;
	uint64_t owner_start;
	int64_t since;
	int *copies; /* of inherited descriptors: one for each lock, or -1 */
	int *listening;
	int listeners;
	struct pollfd *polled;
	size_t polled_count; /* polled has twice as many: the second half is passed to poll(2) */
	int ttl_timer, touch_timer;
	struct {
		int fd; /* -1: unused */
		int64_t deadline;
		struct ucred peer;
	} clients[HF_KEEPER_CLIENTS];
	int64_t deaf_until;
	int releaser; /* client that waits for the answer to RELEASE; or -1 */
	bool over;
};

/* Prepare everything. */
enum hf_status hf_keeper_open(struct hf_keeper *keeper, struct hf_err *err);

/* Return descriptor n % HF_KEEPER_HOLDINGS of lock n / HF_KEEPER_HOLDINGS, and its inode in *st; -1
 * if the lock has no such descriptor. */
int hf_keeper_holding(const struct hf_keeper *keeper, size_t n, struct stat *st);

/* Restart the time to live; HF_NEVER: no limit. Return false with errno on failure. */
bool hf_keeper_set_ttl(const struct hf_keeper *keeper, int64_t ttl);

#endif
