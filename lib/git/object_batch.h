/* SPDX-License-Identifier: ISC */
#ifndef HF_OBJECT_BATCH_H
#define HF_OBJECT_BATCH_H

/*
 * Make several new objects durable together (git/R1).
 *
 *	hf_object_store()	for each object: write it, without a name
 *	hf_objects_settle()	fsync all contents at once, then give each object its name
 *
 * README.md describes the steps. One batch at a time for a repository: the caller holds its
 * turnstile. A caller that has the repository open twice settles one batch before it begins the
 * other. A crash leaves the staging directory, which the next run empties; Git removes it too.
 */

#include "git/loose_object.h"
#include "git/repo_backend.h"

#define HF_STAGING "tmp_objdir-holdfast"

/* Write an object and add it; by git(1) where only Git may write objects (git/plain.h). */
enum hf_status hf_object_store(struct hf_repo *repo, const struct hf_object_source *source,
			      char oid[HF_OID_SIZE], struct hf_err *err);

/* Add an object that git(1) has written. HF_NO: it is not a loose object. */
enum hf_status hf_objects_add(struct hf_repo *repo, const char *oid, struct hf_err *err);

/* Make the added objects, and what else is in repo->contents, durable, and give the objects their
 * names. The directories go to repo->names, which must be synced. On success the batch is
 * discarded; on failure the caller discards it. */
enum hf_status hf_objects_settle(struct hf_repo *repo, struct hf_err *err);

/* Make the names of packs durable. */
enum hf_status hf_objects_sync_packs(struct hf_repo *repo, struct hf_err *err);

/* Discard the batch, and remove the staging directory. */
void hf_objects_discard(struct hf_repo *repo);

/* Forget repo->made, the names of all objects that were added and not discarded. */
void hf_objects_forget(struct hf_repo *repo);

/* Return true if objects/ has a file for this object. */
bool hf_object_is_loose(const struct hf_repo *repo, const char *oid);

/* Return true if another process removed an added object or the staging directory. */
bool hf_objects_vanished(const struct hf_repo *repo);

#endif
