/* SPDX-License-Identifier: ISC */
#include "wait/interrupt.h"

#include <signal.h>
#include <time.h>

#include <holdfast/clock.h>

enum { AGAIN_MS = 1 };

void hf_interrupt_init(struct hf_interrupt *kick)
{
	pthread_condattr_t clock;

	kick->waiter = pthread_self();
	kick->returned = false;
	atomic_init(&kick->cancelled, false);
	pthread_mutex_init(&kick->mutex, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&kick->wake, &clock);
	pthread_condattr_destroy(&clock);
}

void hf_interrupt_destroy(struct hf_interrupt *kick)
{
	pthread_cond_destroy(&kick->wake);
	pthread_mutex_destroy(&kick->mutex);
}

void hf_interrupt_sleep(struct hf_interrupt *kick, int64_t until)
{
	struct timespec ts = {.tv_sec = until / HF_SECOND, .tv_nsec = until % HF_SECOND};

	if (until == HF_NEVER)
		pthread_cond_wait(&kick->wake, &kick->mutex);
	else
		pthread_cond_timedwait(&kick->wake, &kick->mutex, &ts);
}

static void ignore_signal(int signo)
{
	(void)signo;
}

void hf_interrupt_thread(struct hf_interrupt *kick, int signo)
{
	struct sigaction old, act = {.sa_handler = ignore_signal};

	sigaction(signo, NULL, &old);
	if (old.sa_handler == SIG_DFL || old.sa_handler == SIG_IGN)
		sigaction(signo, &act, NULL);
	atomic_store(&kick->cancelled, true);
	while (!kick->returned) {
		pthread_kill(kick->waiter, signo);
		hf_interrupt_sleep(kick, hf_now() + AGAIN_MS * HF_MS);
	}
}
