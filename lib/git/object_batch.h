/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_OBJECTS_H
#define HF_REPO_OBJECTS_H

/*
 * Loose objects, made durable (git/repo.h, R1): several at the price of one.
 *
 * An object must be on the disk before it has its name: after a power cut a name with nothing
 * behind it would be taken for the object for ever. And a name is on the disk when its directory
 * is. One by one that is two syncs for each object, each a journal commit of its own. So objects
 * are gathered, without names (git/loose_object.h) or, when they are large or another program makes
 * them, in a directory where nobody looks, objects/tmp_objdir-holdfast, and then settled:
 *
 *	add	the object is written; its content is on its way to the disk
 *	settle	fsync all contents at once (git/sync_batch.h)
 *		rename each to its name
 *		the directories that got one are due, with whatever else must be durable before
 *		a ref moves
 *
 * An object that is found may not be durable, since who wrote it may not have synced it: it is
 * synced along. It may be in a pack, which Git always syncs.
 *
 * One at a time in a repository, whatever worktree it is opened by: its turnstile is held, and who
 * has it open twice settles one before he begins with the other. A crash leaves the staging
 * directory, which the next one empties; Git removes it too, for its name.
 */

#include "git/repo_backend.h"

#define HF_STAGING "tmp_objdir-holdfast"

/* Empty the staging directory, or make it. */
enum hf_status hf_objects_begin(struct hf_repo *repo, struct hf_err *err);

/* oid is to be settled. HF_NO: it is neither in the staging directory nor a loose object. */
enum hf_status hf_objects_add(struct hf_repo *repo, const char *oid, struct hf_err *err);

/* The same for one that has no name yet (git/loose_object.h); fd is taken over, whatever is
 * returned. */
enum hf_status hf_objects_add_unnamed(struct hf_repo *repo, const char *oid, int fd,
				      struct hf_err *err);

/* All that were added have their names, and their contents are durable, with whatever else is in
 * repo->contents; that the names are is due, in repo->names. Then they are discarded; on failure to
 * be discarded by the caller. */
enum hf_status hf_objects_settle(struct hf_repo *repo, struct hf_err *err);

/* The names of packs are durable. */
enum hf_status hf_objects_sync_packs(struct hf_repo *repo, struct hf_err *err);

/* Forget them, and remove the staging directory. */
void hf_objects_discard(struct hf_repo *repo);

/* What was added, and was not discarded, is also remembered by its name, in repo->made; until this.
 */
void hf_objects_forget(struct hf_repo *repo);

/* Is there a file of this name in objects/? */
bool hf_object_is_loose(const struct hf_repo *repo, const char *oid);

/* Was one that was added removed by somebody else, or the staging directory? */
bool hf_objects_vanished(const struct hf_repo *repo);

#endif
