/* SPDX-License-Identifier: ISC */
#ifndef HF_INTERRUPT_H
#define HF_INTERRUPT_H

/*
 * Make a thread leave a blocking system call, once and for good. README.md shows the two threads,
 * and the invariants wait/P1 and wait/P2.
 *
 * The handler of the signal, which does nothing, is installed at the first interruption, without
 * SA_RESTART, unless the program has a handler of its own. No other signal is touched.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hf_interrupt {
	pthread_t waiter;
	pthread_mutex_t mutex;
	pthread_cond_t wake;   /* uses CLOCK_MONOTONIC */
	bool returned;	       /* the waiting thread has returned; under the mutex */
	atomic_bool cancelled; /* the waiting thread must return */
};

/* Initialise, in the waiting thread. */
void hf_interrupt_init(struct hf_interrupt *kick);
void hf_interrupt_destroy(struct hf_interrupt *kick);

/* With the mutex: sleep until this instant (or HF_NEVER), or until wake is signalled. */
void hf_interrupt_sleep(struct hf_interrupt *kick, int64_t until);

/* With the mutex: interrupt the waiting thread until it has returned. */
void hf_interrupt_thread(struct hf_interrupt *kick, int signo);

#endif
