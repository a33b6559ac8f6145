/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_BASE_H
#define HF_REPO_BASE_H

/*
 * What both back ends of a repository stand on: its directories, what is to be changed, and the
 * table of what a back end can do (git/repo.h has the protocol and the rules R1 to R9).
 *
 * A repository is three directories: the worktree, the Git directory of that worktree (HEAD, index,
 * what is under way), and the common directory (objects, branches, configuration). The last two are
 * one, unless the worktree is a linked one.
 *
 * What Git's programs and libgit2 leave to the cache is synced here: both sync nothing of what they
 * find already written. Nothing here waits. Thread-safe for different repositories.
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

/* One path in a commit. */
struct hf_repo_change {
	const char *path; /* in the tree, as hf_repo_path() gives it */
	bool remove;
	unsigned int mode;     /* 0100644, 0100755, 0120000: hf_repo_mode() */
	char oid[HF_OID_SIZE]; /* of the blob: hf_repo_blob() */
	const struct stat *st; /* of the file in the worktree that has this content, by lstat(2);
				* NULL: not known, and the next Git looks at the file */
};

struct hf_commit_ident {
	char *name, *email;
	int64_t time; /* seconds */
	int offset;   /* minutes east of Greenwich */
};

struct hf_repo;

/* A back end. Each takes the open repository; open has made its own part, close releases it. */
struct hf_repo_ops {
	const char *name;
	void (*close)(struct hf_repo *repo);

	/* *value is to be freed. HF_NO: it is not set. */
	enum hf_status (*config)(struct hf_repo *repo, const char *key, char **value,
				 struct hf_err *err);

	/* What path is in the index: its mode, or 0; *below: there are entries below it. */
	enum hf_status (*tracked)(struct hf_repo *repo, const char *path, unsigned int *mode,
				  bool *below, struct hf_err *err);
	/* What change->path is in the index, as it is now: mode and oid, or remove. NULL: the back
	 * end would have to run Git for that. */
	enum hf_status (*staged)(struct hf_repo *repo, struct hf_repo_change *change,
				 struct hf_err *err);
	/* HF_NO: it is not ignored. */
	enum hf_status (*ignored)(struct hf_repo *repo, const char *path, struct hf_err *err);

	enum hf_status (*head)(struct hf_repo *repo, char **ref, struct hf_err *err);
	enum hf_status (*tip)(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			      struct hf_err *err);
	/* Where ref is, though nothing be there, and where its log says that it was before: "" if
	 * that is not known. */
	enum hf_status (*was)(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE],
			      char before[HF_OID_SIZE], struct hf_err *err);
	enum hf_status (*parent)(struct hf_repo *repo, const char *commit,
				 char parent[HF_OID_SIZE], struct hf_err *err);
	bool (*has)(struct hf_repo *repo, const char *oid);
	enum hf_status (*blob)(struct hf_repo *repo, const char *path, int fd,
			       char oid[HF_OID_SIZE], struct hf_err *err);
	/* The index file `name` in the Git directory (git/index_update.h): read it whole; change
	 * what was read; write it, with the files' times, unsynced; and forget what was read. */
	enum hf_status (*index_open)(struct hf_repo *repo, const char *name, struct hf_err *err);
	enum hf_status (*index_change)(struct hf_repo *repo, const char *name,
				       const struct hf_repo_change *changes, size_t count,
				       struct hf_err *err);
	enum hf_status (*index_write)(struct hf_repo *repo, const char *name,
				      const struct hf_repo_change *changes, size_t count,
				      struct hf_err *err);
	void (*index_drop)(struct hf_repo *repo);
	enum hf_status (*tree)(struct hf_repo *repo, const char *tip,
			       const struct hf_repo_change *changes, size_t count,
			       char oid[HF_OID_SIZE], struct hf_err *err);
	enum hf_status (*commit)(struct hf_repo *repo, const char *tree, const char *tip,
				 const char *message, const struct hf_commit_ident *author,
				 const struct hf_commit_ident *committer, char oid[HF_OID_SIZE],
				 struct hf_err *err);
	/* What change->path is in the tree of this commit: mode and oid, or remove. */
	enum hf_status (*entry)(struct hf_repo *repo, const char *commit,
				struct hf_repo_change *change, struct hf_err *err);
	/* HF_BUSY: the ref is locked by somebody. HF_NO: it is not at tip. */
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
	bool staged; /* it has not got its name yet */
};

/* The new index, while it is made: git/index_update.h. */
struct hf_repo_index {
	bool begun;
	char name[32];			/* of the new one (git/index_update.h) */
	struct stat old;		/* st_ino 0: there is none */
	struct hf_repo_change *changes; /* that were made in it; their paths are borrowed */
	size_t count;
};

struct hf_repo {
	const struct hf_repo_ops *ops;
	void *back;		  /* the back end's own */
	char *workdir;		  /* absolute, without a slash at its end; "" : it is bare */
	char *gitdir, *commondir; /* likewise */
	int git, common, objects; /* open directories */
	size_t oid_size;	  /* HF_SHA1 or HF_SHA256 */
	bool by_cwd;		  /* Git is to find it by itself (git/git_run.h) */
	bool no_git;		  /* git was looked for in PATH, and not found */
	char id[HF_OID_SIZE];	  /* once it was asked for */
	struct hf_object *added;  /* git/object_batch.h */
	size_t added_count;
	bool staging;		  /* there is a staging directory, which is ours */
	char (*made)[HF_OID_SIZE]; /* all that were added since hf_objects_forget() */
	size_t made_count;
	/* R1: to be durable before what leads to it has its name */
	struct hf_sync_batch contents;
	struct hf_sync_batch names; /* R1, R2: to be durable before a ref moves */
	int lock;		  /* index.lock, when it is ours; or -1 */
	char *lock_path;
	const char *record;	  /* the word for which it was taken; borrowed */
	struct hf_repo_index index;
};

/* Set the directories, and open them. On failure, and to close them, hf_repo_base_close(). */
enum hf_status hf_repo_base_open(struct hf_repo *repo, const char *workdir, const char *gitdir,
				 const char *commondir, struct hf_err *err);
void hf_repo_base_close(struct hf_repo *repo);

/* The repository's name in messages: its worktree, or Git directory. */
const char *hf_repo_name(const struct hf_repo *repo);

/* HF_NOPERM: another user owns it. */
enum hf_status hf_repo_not_owned(const char *dir, struct hf_err *err);

/* What the system said, in the words of libgit2 or Git: the status of its error, or HF_DATA. */
enum hf_status hf_status_in_words(const char *why);

/* Is this setting true? HF_NO: it is not. */
enum hf_status hf_repo_is_set(struct hf_repo *repo, const char *key, struct hf_err *err);

/* R4. Was this commit the last one that was made durable here, and not in a repository that this is
 * a copy of? And: it was. */
bool hf_tip_is_durable(struct hf_repo *repo, const char *commit);
void hf_tip_durable(struct hf_repo *repo, const char *commit);

/* R4. Everything that Git has written there. */
enum hf_status hf_repo_sync_all(struct hf_repo *repo, struct hf_err *err);

#endif
