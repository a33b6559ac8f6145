/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPERS_H
#define HF_KEEPERS_H

/*
 * Which keepers there are, and for whom (keeperd/keeper_start.h has the protocol;
 * keeper/keeper_protocol.h the names).
 *
 *	/proc/net/unix		@holdfast/keeper/PIDNS/PID/START	a name, anybody's to take
 *	/proc/PID/cmdline	lock-acquire, for PID 4711 (deploy.sh)	a title, as its process says
 *
 * For those who want to know what is kept for a process, whatever it is. Nobody is asked anything:
 * a keeper that is stopped is seen like another, and what it holds is in its /proc/PID/fdinfo
 * (probe/proc_locks.h).
 *
 *	Y1  A name says where to look, and no more. Neither does a title prove anything by itself:
 *	    a user can start another's program under any name.
 *	Y2  The word of a keeper counts if the kernel says (SO_PEERCRED) that this very process
 *	    listens under its name, and did so as root or as the owner's own user. For what root
 *	    does to an owner, or his own user, no further trust is needed.
 *	Y3  So what is told can make a command give up. It never makes one believe that it holds
 *	    something: nothing is borrowed by it.
 *
 * One read is of all the sockets of this network namespace, some tenths of a microsecond for each,
 * and a title for each keeper, some ten; it ends after 200 ms. To be believed a keeper is woken,
 * once for each read. What cannot be read is left out. Never blocks. Thread-safe; not
 * async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a keeper is called: the tool that leaves it behind. */
#define HF_KEEPER_TOOL "lock-acquire"

struct hf_keeper_entry {
	pid_t pid, owner; /* the owner by its title */
	uint64_t start;
	enum { HF_KEEPER_UNASKED, HF_KEEPER_BELIEVED, HF_KEEPER_DOUBTED } word;
};
struct hf_keepers {
	struct hf_keeper_entry *at;
	size_t count, room;
};

/* All that have an owner. The second: whose owner is this process, or an ancestor. */
void hf_keepers_read(struct hf_keepers *keepers);
void hf_keepers_read_ours(struct hf_keepers *keepers);
void hf_keepers_free(struct hf_keepers *keepers);

/* Y2, remembered in word. */
bool hf_keeper_is_believed(struct hf_keeper_entry *keeper);

/* Whom it is for by its title, where that is whole; 0: for nobody, or it is none. */
pid_t hf_keeper_title(pid_t pid);

/* Is this process that user's? */
bool hf_keeper_is_of(uid_t uid, pid_t pid);

/* Y2: may a keeper of this user's say that it is for that owner? */
bool hf_keeper_may_say(uid_t uid, pid_t owner);

#endif
