/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_SERVE_H
#define HF_KEEPER_SERVE_H

/*
 * What a keeper does once it holds: sleep, until one of four things is to be done (keeper.h has
 * the protocol, K3 to K7).
 *
 *	the owner has ended, or the time to live is over	give back, end
 *	who started it went away without having made the handle known	give back, end
 *	two minutes are over (only with a dotlock)		touch it
 *	somebody asks						answer
 *
 * All of it is one poll(2), without a timeout while nobody is connected. Who connects has a second
 * for his question, eight can be connected at once, and an answer that finds no room is dropped: no
 * client can hold it up.
 *
 * Times count what the machine sleeps (CLOCK_BOOTTIME). Single-threaded.
 */

#include "keeper_ask.h"
#include "lockset.h"

enum { HF_KEEPER_CLIENTS = 8 };

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

/* Make everything ready, so that nothing can fail later. On failure the set is still held. */
enum hf_status hf_keeper_open(struct hf_keeper *keeper, struct hf_err *err);

/* Serve until it is over; the set is freed. */
void hf_keeper_serve(struct hf_keeper *keeper);

#endif
