/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_OPEN_H
#define HF_KEEPER_OPEN_H

/*
 * A keeper before it serves: all that it will need, so that nothing can fail later
 * (keeperd/keeper_start.h has the protocol).
 *
 *	holdings	what an ancestor holds for us is copied: it is ours too from now on
 *	sockets		one by which the process is known, and one for each inode that is locked
 *	timers		of the time to live, and of a dotlock's touch
 *	room		for what poll(2) is asked
 *
 * A lock is held by up to two descriptors (a frozen one has a second). Where two have one inode,
 * one socket does for both; an inode whose names are all taken has none, and a nested command
 * waits as for a stranger (keeper/keeper_protocol.h). Times count what the machine sleeps
 * (CLOCK_BOOTTIME).
 *
 * Errors: HF_OS, and the set is still held; the process is to end then, since nothing is closed. A
 * crash leaves nothing: the names are no files. Nobody is blocked, nobody waited for.
 * Single-threaded; no signals.
 */

#include <poll.h>
#include <stdbool.h>

#include "keeper/keeper_client.h"
#include <holdfast/lockset.h>

enum { HF_KEEPER_CLIENTS = 8, HF_KEEPER_HOLDINGS = 2 };

/* What is polled: these, each listening socket, each client. */
enum { HF_POLL_OWNER, HF_POLL_STARTER, HF_POLL_TTL, HF_POLL_TOUCH, HF_POLL_LISTENING };

struct hf_keeper {
	/* filled by the caller; the descriptors are given away */
	struct hf_lockset *set; /* held */
	const char *place;	/* an absolute path, where the locks' paths begin that have none */
	pid_t owner;		/* 0: none */
	int owner_fd;		/* a pidfd, or -1 */
	int starter;		/* the socket to who started it, or -1 */
	int64_t ttl;		/* HF_NEVER: none */

	/* filled by open; the handle may be read */
	struct hf_handle handle;
	uint64_t owner_start;
	int64_t since;
	int *copies; /* of descriptors that were inherited: one a lock, or -1 */
	int *listening;
	int listeners;
	struct pollfd *polled;
	size_t polled_count; /* and room for as many behind them, when they are polled */
	int ttl_timer, touch_timer;
	struct {
		int fd; /* -1: nobody */
		int64_t deadline;
		struct ucred peer;
	} clients[HF_KEEPER_CLIENTS];
	int64_t deaf_until;
	int releaser; /* who asked for release, and waits for the word; or -1 */
	bool over;
};

/* Make everything ready. */
enum hf_status hf_keeper_open(struct hf_keeper *keeper, struct hf_err *err);

/* Of lock n / HF_KEEPER_HOLDINGS, one of the descriptors by which it is held, with its inode; or
 * -1. */
int hf_keeper_holding(const struct hf_keeper *keeper, size_t n, struct stat *st);

/* Let the time to live begin anew; HF_NEVER: without an end. false, with errno. */
bool hf_keeper_set_ttl(const struct hf_keeper *keeper, int64_t ttl);

#endif
