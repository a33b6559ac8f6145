/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_BACKEND_H
#define HF_REPO_BACKEND_H

/*
 * What both back ends share: the repository's directories, the changes of a commit, and the table
 * of a back end's functions (README.md has the protocol, git/R1 to R10).
 *
 * A repository is three directories: the worktree, its git directory (HEAD, index, operations in
 * progress), and the common directory (objects, branches, configuration). The last two are the
 * same, except for a linked worktree.
 *
 * Git and libgit2 do not sync what they find already written; hf_repo_sync_all() does. Never waits.
 * Thread-safe for different repositories.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "git/sync_batch.h"
#include <holdfast/err.h>

enum {
	HF_SHA1 = 20,
	HF_SHA256 = 32,
	HF_OID_SIZE = 2 * HF_SHA256 + 1, /* an object's name, in hexadecimal */
};

/* The change of one path. */
struct hf_repo_change {
	const char *path; /* in the tree, from hf_repo_path() */
	bool remove;
	unsigned int mode;     /* 0100644, 0100755 or 0120000: hf_repo_mode() */
	char oid[HF_OID_SIZE]; /* of the blob: hf_repo_blob() */
	const struct stat *st; /* lstat(2) of the file in the worktree that has this content; NULL:
			        * unknown, and Git will read the file */
};

struct hf_commit_ident {
	char *name, *email;
	int64_t time; /* seconds since the epoch */
	int offset;   /* minutes east of Greenwich */
};

struct hf_repo;

/* A back end. Each function takes the open repository. */
struct hf_repo_ops {
	const char *name;
	void (*close)(struct hf_repo *repo);

	/* Read a setting; the caller frees *value. HF_NO: it is not set. */
	enum hf_status (*config)(struct hf_repo *repo, const char *key, char **value,
				 struct hf_err *err);

	/* HF_OK: path is ignored. HF_NO: it is not. */
	enum hf_status (*ignored)(struct hf_repo *repo, const char *path, struct hf_err *err);

	/* Return the branch that HEAD leads to. NULL: refs are files (git/ref_read.h). */
	enum hf_status (*head)(struct hf_repo *repo, char **ref, struct hf_err *err);
	enum hf_status (*tip)(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			      struct hf_err *err);
	/* Return the commit that ref names, even if it is gone, and the one before it from its log,
	 * or "". */
	enum hf_status (*was)(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			      char before[HF_OID_SIZE], struct hf_err *err);
	bool (*has)(struct hf_repo *repo, const char *oid);
	/* Read an object of this type; the caller frees *bytes, which end with a NUL. */
	enum hf_status (*read)(struct hf_repo *repo, const char *type, const char *oid,
			       void **bytes, size_t *size, struct hf_err *err);
	/* On the index file `name` in the git directory (git/index_update.h): read it whole; change
	 * what was read; write it with the files' times, unsynced; free what was read. */
	enum hf_status (*index_open)(struct hf_repo *repo, const char *name, struct hf_err *err);
	enum hf_status (*index_change)(struct hf_repo *repo, const char *name,
				       const struct hf_repo_change *changes, size_t count,
				       struct hf_err *err);
	enum hf_status (*index_write)(struct hf_repo *repo, const char *name,
				      const struct hf_repo_change *changes, size_t count,
				      struct hf_err *err);
	void (*index_drop)(struct hf_repo *repo);
	/* HF_BUSY: another process has locked the ref. HF_NO: it is not at tip. */
	enum hf_status (*move)(struct hf_repo *repo, const char *ref, const char *tip,
			       const char *commit, const char *reflog,
			       const struct hf_commit_ident *who, struct hf_err *err);
	enum hf_status (*find)(struct hf_repo *repo, const char *tip, const char *base,
			       const char *trailer, char commit[HF_OID_SIZE], struct hf_err *err);
	/* Make a durable pack of repo->made. */
	enum hf_status (*pack)(struct hf_repo *repo, struct hf_err *err);
};

/* An object that is to be made durable: git/object_batch.h. */
struct hf_object {
	char oid[HF_OID_SIZE];
	int fd;	     /* git/loose_object.h; or -1 */
	bool staged; /* it does not have its name yet */
};

/* The new index while it is made: git/index_update.h. */
struct hf_repo_index {
	bool begun;
	char name[32];			/* of the new one (git/index_update.h) */
	struct stat old;		/* st_ino 0: there is none */
	struct hf_repo_change *changes; /* that were made in it; their paths are borrowed */
	size_t count;
};

/* What is plain: git/plain.h. */
struct hf_plain {
	char unknown[128]; /* the first setting or variable that is not; "": all are */
	bool no_objects;   /* only Git may write objects */
	bool filters;	   /* a filter is configured */
};

struct hf_repo {
	const struct hf_repo_ops *ops;
	struct hf_plain plain;
	void *back;		  /* the back end's own data */
	char *workdir;		  /* absolute, without a final slash; "": bare */
	char *gitdir, *commondir; /* likewise */
	int git, common, objects; /* open directories */
	size_t oid_size;	  /* HF_SHA1 or HF_SHA256 */
	bool by_cwd;		  /* git(1) must find it by itself (git/git_run.h) */
	bool no_git;		  /* git is not in PATH */
	char id[HF_OID_SIZE];	  /* set by hf_repo_id() */
	struct hf_object *added;  /* git/object_batch.h */
	size_t added_count;
	bool staging;		   /* this process has made the staging directory */
	char (*made)[HF_OID_SIZE]; /* all objects added since hf_objects_forget() */
	size_t made_count;
	struct hf_sync_batch contents; /* to be synced before the objects get their names
					   * (git/R1) */
	struct hf_sync_batch names;    /* to be synced before a ref moves (git/R1, git/R2) */
	int lock;		       /* index.lock, if we hold it; or -1 */
	char *lock_path;
	const char *record;	  /* the record named in index.lock; borrowed */
	struct hf_unstored *unstored; /* git/git_cli_pack.h */
	size_t unstored_count;
	struct hf_index_table *table; /* git/index_read.h */
	bool defers_programs;	  /* git/user_program.h */
	int64_t program_limit;	  /* 0: none */
	int64_t program_deadline; /* of the program that runs now; 0: none */
	struct hf_program *programs;
	size_t program_count;
	struct hf_repo_index index;
};

/* Set and open the directories. Call hf_repo_base_close() also after a failure. */
enum hf_status hf_repo_base_open(struct hf_repo *repo, const char *workdir, const char *gitdir,
				 const char *commondir, struct hf_err *err);
void hf_repo_base_close(struct hf_repo *repo);

/* Return the repository's name in messages: its worktree or git directory. */
const char *hf_repo_name(const struct hf_repo *repo);

/* Report that repo->plain.unknown is not plain. Return HF_UNAVAILABLE. */
enum hf_status hf_repo_not_plain(const struct hf_repo *repo, const char *dir, struct hf_err *err);

/* Report that another user owns the repository. Return HF_NOPERM. */
enum hf_status hf_repo_not_owned(const char *dir, struct hf_err *err);

/* Return the status for a system error that a text of libgit2 or Git contains, or HF_DATA. */
enum hf_status hf_status_in_words(const char *why);

/* Read a boolean setting. HF_OK: it is true. HF_NO: it is false. */
enum hf_status hf_repo_is_set(struct hf_repo *repo, const char *key, bool by_default,
			      struct hf_err *err);

/* Return true if this commit is the last one that was made durable in this repository, and not in
 * one of which this is a copy; note that it is (git/R4). */
bool hf_tip_is_durable(struct hf_repo *repo, const char *commit);
void hf_tip_durable(struct hf_repo *repo, const char *commit);

/* Read a whole regular file, followed by a NUL; the caller frees *text. HF_NO: there is none.
 * HF_DATA: it is not a regular file, or larger than max. */
enum hf_status hf_repo_read_file(int dir, const char *path, size_t max, void **text, size_t *size,
				 struct hf_err *err);

/* Sync everything that Git has written to the repository (git/R4). */
enum hf_status hf_repo_sync_all(struct hf_repo *repo, struct hf_err *err);

#endif
