/* SPDX-License-Identifier: ISC */
#ifndef HF_KICK_H
#define HF_KICK_H

/*
 * Getting a thread out of a system call that waits in the kernel's queue.
 *
 * A wait with a deadline needs somebody who looks at the clock, since whatever interrupts the
 * waiting thread costs it its place in the queue (holdfast/lock_wait.h). So a second thread
 * watches, and only when the wait is to end for good it sends a signal to the first:
 *
 *	waiting thread				watching thread, with the mutex
 *	  hf_interrupt_init()			  while (!left && there is time)
 *	  flock(2), until it has the lock	    hf_interrupt_sleep()
 *	    or EINTR with over set		  if (!left)
 *	  left = true, with the mutex		    hf_interrupt_thread()
 *
 *	P1  A signal can come just before the thread is in the call: so it comes again, each
 *	    millisecond, until the thread says that it has left. Over is set before the first.
 *	P2  A thread that has left is never signalled: left is looked at and the signal sent with
 *	    one hold of the mutex.
 *
 * The signal's handler, which does nothing, is installed at the first kick, unless the program has
 * one of its own. It is without SA_RESTART. Nothing else of the signals is changed here.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hf_interrupt {
	pthread_t waiter;
	pthread_mutex_t mutex;
	pthread_cond_t wake; /* by the monotonic clock */
	bool left;	     /* the waiting thread is out of the call; with the mutex */
	atomic_bool over;    /* it is to leave */
};

/* By the waiting thread. */
void hf_interrupt_init(struct hf_interrupt *kick);
void hf_interrupt_destroy(struct hf_interrupt *kick);

/* With the mutex: sleep until that instant (HF_NEVER), or until somebody signals wake. */
void hf_interrupt_sleep(struct hf_interrupt *kick, int64_t until);

/* With the mutex: until the waiting thread has left. */
void hf_interrupt_thread(struct hf_interrupt *kick, int signo);

#endif
