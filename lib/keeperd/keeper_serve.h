/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_SERVE_H
#define HF_KEEPER_SERVE_H

/*
 * The main loop of a keeper: sleep in poll(2), answer requests, release (keeperd/K3 to K7).
 *
 * README.md lists the events. No client can delay the keeper: a client has one second for its
 * request, and an answer that does not fit into its socket's buffer is lost. Single-threaded.
 */

#include "keeperd/keeper_setup.h"

/* Serve until the locks are to be released; release and free the set. */
void hf_keeper_serve(struct hf_keeper *keeper);

#endif
