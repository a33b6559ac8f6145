/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_KEEP_H
#define HF_REPO_KEEP_H

/*
 * A record's objects, kept from a `git gc` or `git prune` that works beside it.
 *
 * Git finds out what can be reached first, and then removes the rest. So one that began before a
 * ref led to an object removes it after, at any later time: while it runs, nothing that was new
 * when it looked is safe. An age protects the objects only as long as there is a limit to it; with
 * --prune=now and --expire=now there is none. git-gc(1) says so and leaves it to the user. Neither
 * holds a lock that would keep others out, nor can a second look tell that it was the last.
 *
 * But what they remove is one of two things:
 *
 *	loose objects		by prune, which never touches a pack
 *	packs			by repack, which lists the packs first, and looks afterwards what
 *				can be reached. So one that lists a pack which was made behind the
 *				ref has seen the ref; one that looked before the ref moved does not
 *				know of the pack, and leaves it
 *
 *	K1  Behind the ref, a pack of a record's objects is out of reach of everything that began
 *	    before, and what begins later sees the ref. So there is an end to it, and nobody is
 *	    waited for.
 *	K2  It is made if one of the objects is missing when the ref has moved, or if somebody may
 *	    be pruning: a Git that has the word prune, or gc, among its arguments works here, or
 *	    gc.pid says so of another host. What is missing must first be made anew, by the caller,
 *	    from the intent; if it goes once more before it is packed, once more.
 *	K3  An object is made as a loose one of its own, new, even where a pack has it: the pack may
 *	    be one of those that are just removed. (Git's plumbing gives such a pack a new date.)
 *	    One that is loose already gets a new date: git/loose_object.h, L2.
 *	    Who finishes the record of one that was killed behind the ref does the same, since it
 *	    may have been killed before this (record/redo.h).
 *	K4  An object that goes before the COMMIT is no error of the record's: HF_BUSY, and it is
 *	    made again, to the deadline.
 *
 * What it cannot see: a `git prune --expire=now` in another PID namespace, or on another host, that
 * has looked before the ref moved and reaches the objects later than the look here. For that, prune
 * under the repository's turnstile: lock-run --git DIR git prune.
 *
 * A look at all processes, at what each runs, a few microseconds each. Nothing is waited for. A
 * crash leaves the pack's temporary files, which Git removes.
 */

#include "git/repo_backend.h"

/* Is one of the objects that were made here (git/object_batch.h) missing as a loose one? */
bool hf_prune_lost_object(const struct hf_repo *repo);

/* K2: may somebody be pruning? */
bool hf_prune_is_running(const struct hf_repo *repo);

/* Does a Git work here, other than an ancestor, that moves HEAD, or a branch, after it has changed
 * the index and the worktree? It may have given index.lock back already. */
bool hf_keep_is_switched(const struct hf_repo *repo);

/* K1: pack them, durably. HF_BUSY: one was missing. */
enum hf_status hf_prune_pack(struct hf_repo *repo, struct hf_err *err);

/* K4: what has failed with this status, because something is not there: HF_BUSY, and why, if
 * objects were removed meanwhile. An I/O error stays one. */
enum hf_status hf_prune_explain(const struct hf_repo *repo, enum hf_status status,
				struct hf_err *err);

#endif
