/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_EVIDENCE_H
#define HF_GIT_EVIDENCE_H

/*
 * Is a lock that Git has made stale? The evidence, and a verdict as stale/evidence.h has it.
 *
 * Git's locks are files X.lock beside X. They name nobody, and between two writes nobody has them
 * open: a `git commit -a` whose hook runs holds index.lock like that for as long as the hook takes,
 * and if it is paused, longer. A paused Git that loses its lock renames somebody else's file into
 * place, when it goes on, and exits 0. So all is held that is not proved dead. The first that
 * decides, decides:
 *
 *	G1  flock(2) on it, by anybody: HELD. Git does not do that, holdfast's tools do.
 *	G2  A record of holdfast's own (a frozen index, atomic-record): these are locked by flock(2)
 *	    before they have their name, and as long as anybody works under them. So one that is not
 *	    is STALE; on a network file system UNKNOWN, since the lock may be on another host.
 *	G3  A PID: in X~pid.lock ("pid N", Git 2.54 and later), in the name next-index-N.lock, or as
 *	    all that the file says. If that process lives and is a Git: HELD. If not, it decides
 *	    nothing: the number may be of another PID namespace, and the note older than the lock.
 *	G4  Somebody has the file open for writing, or holds any lock on it: HELD.
 *	G5  A process that could be its maker lives (git_holders.h): HELD. One that could be, and
 *	    may not be looked at: UNKNOWN.
 *	G6  Not every process that could be its maker, or have it open, may be looked at from
 *	    here: a network file system; a PID namespace that is not the first; a /proc that hides
 *	    processes; an ordinary user, and another one's file: UNKNOWN. So inside a container
 *	    nothing is ever proved of a lock of Git's.
 *	    So too if the lock's path does not lead to its directory any more: the repository was
 *	    moved meanwhile, and who works in it was taken to work elsewhere.
 *	G7  An index.lock that is not what Git writes (an index, or nothing): UNKNOWN. Somebody
 *	    else's program means something by it.
 *	G8  None of these: every process that could be its maker was looked at, and none lives. That
 *	    is proof: STALE, whatever its age.
 *
 * `alone` and the age limit: what is UNKNOWN becomes STALE when it is older than the limit. What is
 * seen alive stays HELD.
 *
 * What it cannot see: a program that makes Git's locks by its own rules, is none of those that
 * gitlock/git_holders.h names, and does not have them open; and somebody's own hand, as `touch
 * .git/index.lock`, to keep Git out. Use lock-run --git-freeze for that.
 *
 * A verdict is of the moment; whoever acts on STALE keeps to the rule of stale/evidence.h. Looks at
 * all processes, a second at most. Thread-safe.
 */

#include "stale/evidence.h"
#include "gitlock/git_holders.h"

struct hf_git_stale_query {
	const struct hf_gitdir *git; /* of the worktree that the lock is of; else any */
	int dir;		     /* the lock's directory */
	const char *name;	     /* its name there */
	const char *path;	     /* of the lock, absolute */
	bool index;		     /* it is git->index's */
	const struct hf_git_seen *seen; /* of this lock or of one before it; NULL: of none */
};

/* of->place is not used. evidence->pid: who holds it, for HELD. */
void hf_git_evidence_judge(const struct hf_stale_query *of, const struct hf_git_stale_query *git,
			   struct hf_evidence *evidence);

#endif
