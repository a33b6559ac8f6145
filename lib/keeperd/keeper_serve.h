/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_SERVE_H
#define HF_KEEPER_SERVE_H

/*
 * What a keeper does once it holds: sleep, until one of four things is to be done
 * (keeperd/keeper_start.h has the protocol, K3 to K7).
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
 * Single-threaded.
 */

#include "keeperd/keeper_setup.h"

/* Serve until it is over; the set is freed. */
void hf_keeper_serve(struct hf_keeper *keeper);

#endif
