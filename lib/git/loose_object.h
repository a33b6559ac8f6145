/* SPDX-License-Identifier: ISC */
#ifndef HF_LOOSE_OBJECT_H
#define HF_LOOSE_OBJECT_H

/*
 * Write a loose object as Git does, but without a name.
 *
 * A loose object is a file objects/OI/D…: "TYPE SIZE", a NUL and the content, deflated (zlib level
 * 1, as in Git). A file without a name (O_TMPFILE) costs one new inode, leaves nothing after a
 * crash, and is invisible to prune. It gets its name when it is durable (object_batch.h, git/L1,
 * git/L2).
 *
 * Waits for nothing. Not thread-safe for one repository.
 */

#include <stdbool.h>

#include "git/repo_backend.h"

/* The content: bytes, or a file from its beginning. */
struct hf_object_source {
	const char *type;
	const void *bytes; /* or NULL */
	int fd;
	size_t size;
};

/* Write an object of any size in constant memory, to a file without a name or to the new file
 * `name` below objects/. *fd is open on it and belongs to the caller. HF_UNAVAILABLE: the file
 * system has no unnamed files. */
enum hf_status hf_loose_object_write(struct hf_repo *repo, const struct hf_object_source *source,
				     const char *name, char oid[HF_OID_SIZE], int *fd,
				     struct hf_err *err);

/* Hash bytes as the repository does. */
void hf_bytes_hash(const struct hf_repo *repo, const void *bytes, size_t size,
		   unsigned char out[HF_SHA256]);

/* Return the name of an object. */
void hf_object_hash(const struct hf_repo *repo, const char *type, const void *bytes, size_t size,
		    char oid[HF_OID_SIZE]);

/* Give the loose object of this name a new time (git/L2). Return false if there is none, or if it
 * is another file than fd. */
bool hf_loose_object_renew(struct hf_repo *repo, const char *oid, int fd);

/* Give the object its name. Set *made if objects/ has a new directory. Return -1 with errno on
 * failure. */
int hf_loose_object_name(struct hf_repo *repo, int fd, const char *oid, bool *made);

/* Return the path of a loose object below objects/: "OI/D…". */
enum { HF_LOOSE_SIZE = HF_OID_SIZE + 2 };
char *hf_loose_object_path(char path[HF_LOOSE_SIZE], const char *oid);

/* Make the directory of this object; set *made if it is new. Return -1 with errno on failure. */
int hf_loose_object_mkdir(struct hf_repo *repo, const char *oid, bool *made);

#endif
