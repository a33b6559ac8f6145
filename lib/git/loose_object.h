/* SPDX-License-Identifier: ISC */
#ifndef HF_LOOSE_H
#define HF_LOOSE_H

/*
 * A loose object, written as Git writes one, but without a name.
 *
 * A loose object is a file objects/OI/D…: "TYPE SIZE", a NUL and the content, deflated (zlib, at
 * Git's own speed, 1). Git and libgit2 write it under a temporary name, in a directory that they
 * may have to make, and then link and unlink. Here it is a file without a name (O_TMPFILE), so that
 * it costs one new inode, a crash leaves nothing of it, and nobody who prunes can see it; it gets
 * its name in one step once it is durable (git/object_batch.h).
 *
 *	L1  What is there already under that name, and is not the same byte for byte (half of one,
 *	    say, that a power cut has left), is replaced by this one: linked as
 *	    objects/tmp_obj_holdfast, which Git takes for litter too, and renamed. One recorder at
 *	    a time does that: its turnstile is held. A crash between the two leaves that name,
 *	    which the next one removes.
 *
 *	L2  What is the same gets a new date, which is what Git's prune goes by, and is synced.
 *
 * Where the file system has no unnamed files (NFS, FAT, some FUSE) the caller goes another way.
 * Nothing is waited for; not thread-safe for one repository.
 */

#include <stdbool.h>

#include "git/repo_backend.h"

/* Up to 1 GiB. HF_OK: *fd is open on the object, the caller's. HF_NO: it is there, L2.
 * HF_UNAVAILABLE: there are no unnamed files there. */
enum hf_status hf_loose_object_write(struct hf_repo *repo, const char *type, const char *oid,
				     const void *bytes, size_t size, int *fd, struct hf_err *err);

/* Give it its name. *made: objects/ has a new directory. -1 with errno. */
int hf_loose_object_name(struct hf_repo *repo, int fd, const char *oid, bool *made);

/* The file of a loose object, from objects/: "OI/D…". */
enum { HF_LOOSE_SIZE = HF_OID_SIZE + 2 };
char *hf_loose_object_path(char path[HF_LOOSE_SIZE], const char *oid);

/* Make the directory of this object. *made: there was none. -1 with errno. */
int hf_loose_object_mkdir(struct hf_repo *repo, const char *oid, bool *made);

#endif
