/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_H
#define HF_KEEPER_H

/*
 * Keepers: locks that outlive the command that took them.
 *
 * A script wants to take a lock in one line and give it back in another. A lock is held by a living
 * process, so a process must live meanwhile: the keeper, a child that lock-acquire leaves behind.
 * It sleeps, holds, and gives back when its owner ends, when its time to live is over, or when it
 * is asked to.
 *
 *	start	fork; the child takes the locks, and says how that went
 *	print	the handle, by which it can be asked later (keeper/keeper_client.h)
 *	leave	tell it that the handle is known; from here on it is on its own
 *
 *	K1  The keeper itself takes the locks. What tells who holds a lock tells the keeper's PID,
 *	    and so does a dotlock's record.
 *	K2  All or nothing, and no lock without somebody who knows of it. If the starter fails, is
 *	    killed or interrupted, at whatever instant until leave, everything is given back: while
 *	    the keeper still waits, too.
 *	K3  Who is told "released" finds everything given back: it is said last. Who has gone before
 *	    his question is read, since nobody answered in time, has asked for nothing.
 *	K4  The owner is a process, not a number: a pidfd, opened while it was the starter's
 *	    ancestor. When it ends, however it ends, the kernel wakes the keeper.
 *	K5  The keeper's user and root are served, nobody else, and both sides know the other by
 *	    the kernel's word (SO_PEERCRED). A handle holds PID, start time, PID namespace and a
 *	    nonce, so that an old one reaches nobody.
 *	K6  Lending. A command whose ancestor is the owner finds the lock taken, and asks for the
 *	    keeper's own descriptor (SCM_RIGHTS). It proves from /proc/self/fdinfo that this one
 *	    holds the lock, and is as if it had inherited it. It works under the lock even if the
 *	    owner dies meanwhile: what was lent is closed by the keeper and not unlocked, and free
 *	    when the last copy is closed. A dotlock's file stays then, to be found stale.
 *	K7  Nothing wakes the keeper but what K3 and K4 say, questions, and every two minutes the
 *	    touch of a dotlock. No client can hold it up.
 *
 * The keeper is a daemon: a session of its own, the root as its directory, no descriptor of the
 * starter's but what holds a lock that it inherited. TERM, HUP and INT are ignored once it holds;
 * before, they make it give up. /proc/PID/cmdline reads "lock-acquire, for PID 4711 (deploy.sh)",
 * so that whoever names the holder names the owner.
 *
 * What it cannot know: that an owner which lives has forgotten the lock. That is what a time to
 * live is for. A keeper that is killed frees flock(2) locks at once, and leaves a dotlock stale.
 *
 * Errors of start: those of the locks, as if taken here; HF_USAGE the owner is none; HF_NO it ended
 * meanwhile; HF_OS. Signals: the starter may die of any; nothing is blocked. Blocks to the wait's
 * deadline. For single-threaded programs, since it forks.
 */

#include "keeper/keeper_client.h"
#include <holdfast/lockset.h>

struct hf_keeper_plan {
	pid_t owner; /* 0: none */
	int64_t ttl; /* HF_NEVER: none */
	char **argv; /* of main(): room for the keeper's name; or NULL */

	/* Called in the keeper, with a set that it fills and acquires. */
	enum hf_status (*acquire)(void *context, struct hf_lockset *set, const struct hf_wait *wait,
				  struct hf_err *err);
	struct hf_wait wait; /* notice is called here, in the starter */
	void *context;	     /* acquire's */
};

struct hf_kept {
	struct hf_handle handle;
	int socket;
};

/* HF_OK: everything is held, as long as this process lives and until leave. */
enum hf_status hf_keeper_start(const struct hf_keeper_plan *plan, struct hf_kept *kept,
			       struct hf_err *err);

/* The handle is known. HF_NO: the keeper is gone meanwhile. */
enum hf_status hf_keeper_leave(struct hf_kept *kept, struct hf_err *err);

/* It could not be made known: returns when everything is given back. */
void hf_keeper_abandon(struct hf_kept *kept);

#endif
