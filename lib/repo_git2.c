/* SPDX-License-Identifier: ISC */
#include "repo_git2.h"

#include <errno.h>
#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "git_store.h"
#include "repo_message.h"
#include "repo_objects.h"
#include "repo_ref.h"
#include "repo_tree.h"
#include "sys.h"

enum {
	MOST_COMMITS = 10000,
	PIECE = 64 * 1024,
	SMALL = 1024 * 1024, /* a blob up to this is made in memory */
};

struct git2 {
	git_repository *repo;
	git_odb *odb;
	git_odb *staging; /* repo_objects.h */
	git_config *config; /* as it was when it was opened */
};

/* libgit2's own syncing, for the whole process. Refs are to be synced by it, which it decides when
 * it first looks at one; all else is synced by us, later. */
static void sync_by_libgit2(bool yes)
{
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, yes);
}

/* libgit2, where it is built with mbedTLS, reads all of the system's certificates when it starts,
 * which takes longer than all else that is done here. Nothing is fetched by these tools: this
 * function stands before the library's own, and reads none. */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);
int mbedtls_x509_crt_parse_path(void *chain, const char *path);

int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	(void)chain;
	(void)path;
	return 0;
}

int mbedtls_x509_crt_parse_path(void *chain, const char *path)
{
	return mbedtls_x509_crt_parse_file(chain, path);
}

static struct git2 *own(const struct hf_repo *repo)
{
	return repo->back;
}

/* libgit2's last word, with the status that it stands for. */
static enum hf_status failed(int code, struct hf_err *err, const char *what, const char *on)
{
	const git_error *last = git_error_last();
	const char *why = last && last->message ? last->message : "libgit2 does not say why";
	enum hf_status status = hf_status_in_words(why);

	if (last && last->klass == GIT_ERROR_NOMEMORY)
		status = HF_OS;
	if (code == GIT_ELOCKED)
		status = HF_BUSY;
	return hf_fail(err, status, "libgit2 cannot %s '%s': %s", what, on, why);
}

/* ---- open and close ------------------------------------------------------------------------- */

static void close_git2(struct hf_repo *repo)
{
	struct git2 *git = own(repo);
	int saved = errno;

	if (!git)
		return;
	git_config_free(git->config);
	git_odb_free(git->staging);
	git_odb_free(git->odb);
	git_repository_free(git->repo);
	free(git);
	git_libgit2_shutdown();
	repo->back = NULL;
	errno = saved;
}

static enum hf_status refuse(int code, const char *dir, struct hf_err *err)
{
	const git_error *last = git_error_last();

	if (code == GIT_EOWNER)
		return hf_repo_not_owned(dir, err);
	return hf_fail(err, HF_UNAVAILABLE, "cannot use the repository at '%s': %s", dir,
		       last && last->message ? last->message : "libgit2 does not say why");
}

/* An object store that is the staging directory; nothing is synced there. */
static int open_staging(struct git2 *git, const char *commondir)
{
	git_odb_backend *backend = NULL;
	char *path;
	int code = git_odb_new(&git->staging);

	if (code || asprintf(&path, "%s/objects/" HF_STAGING, commondir) < 0)
		return GIT_ERROR;
	code = git_odb_backend_loose(&backend, path, -1, 0, 0777, 0444);
	if (!code)
		code = git_odb_add_backend(git->staging, backend, 1);
	free(path);
	return code;
}

/* Settings that libgit2 does not know, where Git heeds them in any repository. */
static enum hf_status judge(struct hf_repo *repo, const char *dir, struct hf_err *err)
{
	static const char *const settings[] = {"extensions.worktreeconfig",
					       "extensions.partialclone",
					       "core.sharedrepository"};
	const char *value;
	git_index *index = NULL;
	int code = git_repository_index(&index, own(repo)->repo);

	git_index_free(index);
	if (code) /* it is damaged, or split, or sparse */
		return refuse(code, dir, err);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (git_config_get_string(&value, own(repo)->config, settings[i]) == 0 &&
		    strcasecmp(value, "false") != 0)
			return hf_fail(err, HF_UNAVAILABLE,
				       "cannot use the repository at '%s': unsupported %s", dir,
				       settings[i]);
	return HF_OK;
}

/* GIT_DIR without core.worktree means: here. */
static int set_workdir(git_repository *repo, const struct hf_gitdir *found, bool by_environment)
{
	bool named = getenv("GIT_WORK_TREE"), placed = getenv("GIT_DIR");

	if (!by_environment || !found->worktree[0] || (!named && !placed) ||
	    (!named && git_repository_is_bare(repo)))
		return 0;
	return git_repository_set_workdir(repo, found->worktree, 0);
}

enum hf_status hf_repo_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
				 bool by_environment, struct hf_err *err)
{
	const unsigned int flags = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT;
	const char *dir = found->worktree[0] ? found->worktree : found->git, *workdir;
	struct git2 *git = calloc(1, sizeof(*git));
	enum hf_status status;
	int code;

	if (!git)
		return hf_fail_errno(err, "cannot open repository '%s'", dir);
	git_libgit2_init();
	sync_by_libgit2(true);
	repo->back = git;
	repo->ops = &hf_repo_git2;
	code = git_repository_open_ext(&git->repo, found->git, flags, NULL);
	if (!code)
		code = git_repository_odb(&git->odb, git->repo);
	if (!code)
		code = git_repository_config_snapshot(&git->config, git->repo);
	if (!code)
		code = open_staging(git, found->common);
	if (!code)
		code = set_workdir(git->repo, found, by_environment);
	if (code)
		return refuse(code, dir, err);
	workdir = git_repository_workdir(git->repo);
	status = hf_repo_base_open(repo, workdir ? workdir : "", found->git, found->common, err);
	return status == HF_OK ? judge(repo, dir, err) : status;
}

static enum hf_status config(struct hf_repo *repo, const char *key, char **value,
			     struct hf_err *err)
{
	const char *found;
	int code = git_config_get_string(&found, own(repo)->config, key);

	if (code == GIT_ENOTFOUND)
		return HF_NO;
	if (code)
		return failed(code, err, "read the configuration of", hf_repo_name(repo));
	*value = strdup(found);
	return *value ? HF_OK
		      : hf_fail_errno(err, "cannot open repository '%s'", hf_repo_name(repo));
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* Are there entries below this path? */
static bool has_below(git_index *index, const char *path)
{
	size_t len = strlen(path), at;
	char *prefix = malloc(len + 2);
	bool found = false;

	if (!prefix)
		return false;
	strcpy(stpcpy(prefix, path), "/");
	found = git_index_find_prefix(&at, index, prefix) == 0;
	free(prefix);
	return found;
}

static enum hf_status tracked(struct hf_repo *repo, const char *path, unsigned int *mode,
			      bool *below, struct hf_err *err)
{
	const git_index_entry *entry;
	git_index *index;
	int code = git_repository_index(&index, own(repo)->repo);

	if (code)
		return failed(code, err, "read the index of", hf_repo_name(repo));
	*mode = 0;
	for (int stage = 0; stage < 4 && !*mode; stage++)
		if ((entry = git_index_get_bypath(index, path, stage)))
			*mode = entry->mode;
	*below = has_below(index, path);
	git_index_free(index);
	return HF_OK;
}

static enum hf_status ignored(struct hf_repo *repo, const char *path, struct hf_err *err)
{
	int yes, code = git_ignore_path_is_ignored(&yes, own(repo)->repo, path);

	if (code)
		return failed(code, err, "read the ignore rules for", path);
	return yes ? HF_OK : HF_NO;
}

/* ---- refs ----------------------------------------------------------------------------------- */

static enum hf_status head(struct hf_repo *repo, char **ref, struct hf_err *err)
{
	git_reference *at = NULL;
	int code = git_reference_lookup(&at, own(repo)->repo, "HEAD");
	char *name = strdup("HEAD");

	/* a branch can be a symbolic ref too */
	while (!code && name && git_reference_type(at) == GIT_REFERENCE_SYMBOLIC) {
		free(name);
		name = strdup(git_reference_symbolic_target(at));
		git_reference_free(at);
		at = NULL;
		if (name)
			code = git_reference_lookup(&at, own(repo)->repo, name);
	}
	git_reference_free(at);
	if (name && (!code || (code == GIT_ENOTFOUND && strcmp(name, "HEAD") != 0))) {
		*ref = name;
		return HF_OK;
	}
	free(name);
	return code ? failed(code, err, "read HEAD of", hf_repo_name(repo))
		    : hf_fail_errno(err, "cannot read HEAD of '%s'", hf_repo_name(repo));
}

/* 0, GIT_ENOTFOUND, or what failed. */
static int find_tip(struct hf_repo *repo, const char *ref, char tip[HF_OID_SIZE])
{
	git_commit *commit = NULL;
	git_oid oid;
	int code = git_reference_name_to_id(&oid, own(repo)->repo, ref);

	tip[0] = '\0';
	if (code)
		return code;
	code = git_commit_lookup(&commit, own(repo)->repo, &oid);
	git_commit_free(commit);
	if (code) /* also when it is not found: the ref leads to nothing */
		return GIT_ERROR;
	git_oid_tostr(tip, HF_OID_SIZE, &oid);
	return 0;
}

static enum hf_status tip(struct hf_repo *repo, const char *ref, char oid[HF_OID_SIZE],
			  struct hf_err *err)
{
	int code = find_tip(repo, ref, oid);

	return code && code != GIT_ENOTFOUND ? failed(code, err, "read the commit of", ref) : HF_OK;
}

/* A ref that is locked here; HF_NO: it is not at `tip`. */
static enum hf_status move_locked(struct hf_repo *repo, git_transaction *transaction,
				  const char *ref, const char *was, const char *commit,
				  const char *reflog, const git_signature *who, struct hf_err *err)
{
	char now[HF_OID_SIZE];
	git_oid oid;
	int code = find_tip(repo, ref, now);

	if (code && code != GIT_ENOTFOUND)
		return failed(code, err, "read the commit of", ref);
	if (strcmp(now, was) != 0)
		return hf_fail(err, HF_NO, "'%s' has moved meanwhile", ref);
	code = git_oid_fromstr(&oid, commit);
	if (!code)
		code = git_transaction_set_target(transaction, ref, &oid, who, reflog);
	if (!code)
		code = git_transaction_commit(transaction);
	return code ? failed(code, err, "move", ref) : HF_OK;
}

static enum hf_status move(struct hf_repo *repo, const char *ref, const char *was,
			   const char *commit, const char *reflog, const struct hf_repo_who *who,
			   struct hf_err *err)
{
	git_transaction *transaction = NULL;
	git_signature *signature = NULL;
	enum hf_status status;
	int code;

	if (hf_ref_is_plain(repo, ref))
		return hf_ref_move(repo, ref, was, commit, reflog, who, err);
	code = git_signature_new(&signature, who->name, who->email, who->time, who->offset);

	if (!code)
		code = git_transaction_new(&transaction, own(repo)->repo);
	if (!code)
		code = git_transaction_lock_ref(transaction, ref);
	status = code ? failed(code, err, "lock", ref)
		      : move_locked(repo, transaction, ref, was, commit, reflog, signature, err);
	git_transaction_free(transaction);
	git_signature_free(signature);
	return status;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* Made, or found: durable when it is settled. */
static enum hf_status put(struct hf_repo *repo, git_object_t type, const void *bytes, size_t size,
			  char oid[HF_OID_SIZE], struct hf_err *err)
{
	git_odb *odb = own(repo)->odb;
	enum hf_status status = hf_objects_begin(repo, err);
	git_oid id;
	int code;

	if (status != HF_OK)
		return status;
	code = git_odb_hash(&id, bytes, size, type);
	/* one that is there gets a new date, by being written once more, and is not collected */
	if (!code && !git_odb_exists_ext(odb, &id, GIT_ODB_LOOKUP_NO_REFRESH))
		odb = own(repo)->staging;
	sync_by_libgit2(false);
	if (!code)
		code = git_odb_write(&id, odb, bytes, size, type);
	sync_by_libgit2(true);
	if (code)
		return failed(code, err, "write an object of", hf_repo_name(repo));
	git_oid_tostr(oid, HF_OID_SIZE, &id);
	status = hf_objects_add(repo, oid, err);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status put_tree(void *context, const void *bytes, size_t size,
			       char oid[HF_OID_SIZE], struct hf_err *err)
{
	return put(context, GIT_OBJECT_TREE, bytes, size, oid, err);
}

static enum hf_status get_tree(void *context, const char *oid, void **bytes, size_t *size,
			       struct hf_err *err)
{
	struct hf_repo *repo = context;
	git_odb_object *object = NULL;
	enum hf_status status = HF_OK;
	git_oid id;
	int code = git_oid_fromstr(&id, oid);

	if (!code)
		code = git_odb_read(&object, own(repo)->odb, &id);
	if (!code && git_odb_object_type(object) != GIT_OBJECT_TREE) {
		git_odb_object_free(object);
		return hf_fail(err, HF_DATA, "object %s of '%s' is no tree", oid,
			       hf_repo_name(repo));
	}
	if (code)
		return failed(code, err, "read a tree of", hf_repo_name(repo));
	*size = git_odb_object_size(object);
	*bytes = malloc(*size + 1);
	if (*bytes)
		memcpy(*bytes, git_odb_object_data(object), *size);
	else
		status = hf_fail_errno(err, "cannot read a tree");
	git_odb_object_free(object);
	return status;
}

static enum hf_status tree(struct hf_repo *repo, const char *parent,
			   const struct hf_repo_change *changes, size_t count,
			   char oid[HF_OID_SIZE], struct hf_err *err)
{
	struct hf_tree_store store = {
		.get = get_tree, .put = put_tree, .context = repo, .oid_size = HF_SHA1};
	char base[HF_OID_SIZE] = "";
	git_commit *commit = NULL;
	git_oid id;
	int code = parent[0] ? git_oid_fromstr(&id, parent) : 0;

	if (!code && parent[0])
		code = git_commit_lookup(&commit, own(repo)->repo, &id);
	if (code)
		return failed(code, err, "read commit", parent);
	if (commit)
		git_oid_tostr(base, sizeof(base), git_commit_tree_id(commit));
	git_commit_free(commit);
	return hf_tree_change(&store, base, changes, count, oid, err);
}

static enum hf_status entry(struct hf_repo *repo, const char *commit,
			    struct hf_repo_change *change, struct hf_err *err)
{
	git_commit *object = NULL;
	git_tree *of = NULL;
	git_tree_entry *found = NULL;
	git_oid id;
	int code = git_oid_fromstr(&id, commit);

	if (!code)
		code = git_commit_lookup(&object, own(repo)->repo, &id);
	if (!code)
		code = git_commit_tree(&of, object);
	if (!code)
		code = git_tree_entry_bypath(&found, of, change->path);
	change->remove = code == GIT_ENOTFOUND && of;
	if (!code) {
		change->mode = (unsigned int)git_tree_entry_filemode(found);
		git_oid_tostr(change->oid, sizeof(change->oid), git_tree_entry_id(found));
	}
	git_tree_entry_free(found);
	git_tree_free(of);
	git_commit_free(object);
	return code && !change->remove ? failed(code, err, "read commit", commit) : HF_OK;
}

static enum hf_status put_commit(struct hf_repo *repo, const char *tree_id, const char *parent,
				 const char *message, const struct hf_repo_who *author,
				 const struct hf_repo_who *committer, char oid[HF_OID_SIZE],
				 struct hf_err *err)
{
	char *encoding = NULL, *text;
	enum hf_status status = hf_repo_is_set(repo, "commit.gpgsign", err);

	if (status == HF_OK)
		return hf_git_commit(repo, tree_id, parent, message, author, committer, oid, err);
	if (status == HF_NO)
		status = config(repo, "i18n.commitencoding", &encoding, err);
	if (status != HF_OK && status != HF_NO)
		return status;
	text = hf_commit_text(tree_id, parent, encoding, message, author, committer);
	status = text ? put(repo, GIT_OBJECT_COMMIT, text, strlen(text), oid, err)
		      : hf_fail_errno(err, "cannot make a commit");
	free(text);
	free(encoding);
	return status;
}

/* The next piece at `at`. HF_IO also for a file that is shorter than it was. */
static enum hf_status read_piece(int fd, void *piece, size_t size, off_t at, struct hf_err *err)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = sys_pread(fd, (char *)piece + done, size - done, at + (off_t)done);

		if (n == 0)
			return hf_fail(err, HF_IO, "cannot read the new content: it was cut short");
		if (n < 0 && errno != EINTR)
			return hf_fail_errno(err, "cannot read the new content");
		done += n > 0 ? (size_t)n : 0;
	}
	return HF_OK;
}

static enum hf_status small_blob(struct hf_repo *repo, int fd, size_t size, char oid[HF_OID_SIZE],
				 struct hf_err *err)
{
	char *bytes = malloc(size + 1);
	enum hf_status status;

	if (!bytes)
		return hf_fail_errno(err, "cannot read the new content");
	status = read_piece(fd, bytes, size, 0, err);
	if (status == HF_OK)
		status = put(repo, GIT_OBJECT_BLOB, bytes, size, oid, err);
	free(bytes);
	return status;
}

static enum hf_status stream_blob(struct hf_repo *repo, git_odb_stream *stream, int fd, off_t size,
				  struct hf_err *err)
{
	char piece[PIECE];
	enum hf_status status = HF_OK;
	int code = 0;

	for (off_t at = 0; at < size && status == HF_OK && !code; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		status = read_piece(fd, piece, n, at, err);
		if (status == HF_OK)
			code = git_odb_stream_write(stream, piece, n);
	}
	return code ? failed(code, err, "write an object of", hf_repo_name(repo)) : status;
}

/* In constant memory. */
static enum hf_status large_blob(struct hf_repo *repo, int fd, off_t size, char oid[HF_OID_SIZE],
				 struct hf_err *err)
{
	git_odb_stream *stream = NULL;
	enum hf_status status = hf_objects_begin(repo, err);
	git_oid id;
	int code;

	if (status != HF_OK)
		return status;
	code = git_odb_open_wstream(&stream, own(repo)->staging, size, GIT_OBJECT_BLOB);
	if (code)
		return failed(code, err, "write an object of", hf_repo_name(repo));
	status = stream_blob(repo, stream, fd, size, err);
	sync_by_libgit2(false);
	if (status == HF_OK)
		code = git_odb_stream_finalize_write(&id, stream);
	sync_by_libgit2(true);
	if (code)
		status = failed(code, err, "write an object of", hf_repo_name(repo));
	git_odb_stream_free(stream);
	if (status != HF_OK)
		return status;
	git_oid_tostr(oid, HF_OID_SIZE, &id);
	return hf_objects_add(repo, oid, err);
}

/* What Git would do to the content of a path. */
enum conversion { AS_IT_IS, LINE_ENDS, BY_GIT };

static enum hf_status conversion_of(struct hf_repo *repo, const char *path,
				    enum conversion *conversion, struct hf_err *err)
{
	enum { FILTER, ENCODING, IDENT, TEXT, EOL, CRLF, COUNT };
	static const char *names[COUNT] = {
		[FILTER] = "filter", [ENCODING] = "working-tree-encoding", [IDENT] = "ident",
		[TEXT] = "text",     [EOL] = "eol",			    [CRLF] = "crlf"};
	const char *values[COUNT], *autocrlf;
	int code = git_attr_get_many(values, own(repo)->repo, GIT_ATTR_CHECK_FILE_THEN_INDEX, path,
				     COUNT, names);

	if (code)
		return failed(code, err, "read the attributes of", path);
	*conversion = git_config_get_string(&autocrlf, own(repo)->config, "core.autocrlf") == 0 &&
				      strcasecmp(autocrlf, "false") != 0
			      ? LINE_ENDS
			      : AS_IT_IS;
	for (int i = 0; i < COUNT; i++)
		if (values[i] && !GIT_ATTR_IS_FALSE(values[i]))
			*conversion = i <= IDENT || *conversion == BY_GIT ? BY_GIT : LINE_ENDS;
	return HF_OK;
}

/* On the way into the repository, a line's end is changed only where there is a CR. */
static enum hf_status has_cr(int fd, off_t size, bool *found, struct hf_err *err)
{
	char piece[PIECE];
	enum hf_status status = HF_OK;

	*found = false;
	for (off_t at = 0; at < size && status == HF_OK && !*found; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;

		status = read_piece(fd, piece, n, at, err);
		*found = status == HF_OK && memchr(piece, '\r', n);
	}
	return status;
}

static enum hf_status blob(struct hf_repo *repo, const char *path, int fd, char oid[HF_OID_SIZE],
			   struct hf_err *err)
{
	enum conversion conversion = AS_IT_IS;
	enum hf_status status = conversion_of(repo, path, &conversion, err);
	bool by_git = conversion == BY_GIT;
	struct stat st;

	if (status == HF_OK && sys_fstat(fd, &st) < 0)
		return hf_fail_errno(err, "cannot read the new content");
	if (status == HF_OK && conversion == LINE_ENDS)
		status = has_cr(fd, st.st_size, &by_git, err);
	if (status != HF_OK)
		return status;
	if (by_git)
		return hf_git_blob(repo, path, fd, oid, err);
	return st.st_size <= SMALL ? small_blob(repo, fd, (size_t)st.st_size, oid, err)
				   : large_blob(repo, fd, st.st_size, oid, err);
}

/* ---- index ---------------------------------------------------------------------------------- */

static void set_stat(git_index_entry *entry, const struct stat *st)
{
	entry->ctime.seconds = (int32_t)st->st_ctim.tv_sec;
	entry->ctime.nanoseconds = (uint32_t)st->st_ctim.tv_nsec;
	entry->mtime.seconds = (int32_t)st->st_mtim.tv_sec;
	entry->mtime.nanoseconds = (uint32_t)st->st_mtim.tv_nsec;
	entry->dev = (uint32_t)st->st_dev;
	entry->ino = (uint32_t)st->st_ino;
	entry->uid = st->st_uid;
	entry->gid = st->st_gid;
	entry->file_size = (uint32_t)st->st_size;
}

/* libgit2 would drop what is in the way; that may be what the user has staged. */
static enum hf_status in_the_way(git_index *index, const char *path, struct hf_err *err)
{
	char *parent = strdup(path), *slash;
	enum hf_status status = HF_OK;

	if (!parent)
		return hf_fail_errno(err, "cannot change the index");
	if (has_below(index, path))
		status = hf_fail(err, HF_DATA, "'%s' is a directory in the index", path);
	while (status == HF_OK && (slash = strrchr(parent, '/'))) {
		*slash = '\0';
		if (git_index_get_bypath(index, parent, 0))
			status = hf_fail(err, HF_DATA, "'%s' is a file in the index", parent);
	}
	free(parent);
	return status;
}

static enum hf_status change_index(git_index *index, const struct hf_repo_change *change,
				   struct hf_err *err)
{
	git_index_entry entry = {.mode = change->mode, .path = change->path};
	enum hf_status status;
	int code = 0;

	if (!change->remove) {
		status = in_the_way(index, change->path, err);
		if (status != HF_OK)
			return status;
	}
	for (int stage = change->remove ? 0 : 1; stage < 4; stage++) {
		code = git_index_remove(index, change->path, stage);
		if (code && code != GIT_ENOTFOUND)
			return failed(code, err, "change in the index", change->path);
	}
	if (change->remove)
		return HF_OK;
	code = git_oid_fromstr(&entry.id, change->oid);
	if (change->st)
		set_stat(&entry, change->st);
	if (!code)
		code = git_index_add(index, &entry);
	return code ? failed(code, err, "change in the index", change->path) : HF_OK;
}

/* Has libgit2 read it whole? It takes a file that it cannot look at for one that is not there, and
 * everything that is staged would be gone. */
static enum hf_status check_read(struct hf_repo *repo, const char *name, git_index *index,
				 struct hf_err *err)
{
	unsigned char head[12] = "";
	int fd = sys_openat(repo->git, name, O_RDONLY | O_CLOEXEC, 0);
	size_t count;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return HF_OK;
	n = fd < 0 ? -1 : sys_pread(fd, head, sizeof(head), 0);
	if (fd >= 0)
		sys_close(fd);
	if (n < 0)
		return hf_fail_errno(err, "cannot read the index of '%s'", hf_repo_name(repo));
	count = (size_t)head[8] << 24 | (size_t)head[9] << 16 | (size_t)head[10] << 8 | head[11];
	if (!n || count == git_index_entrycount(index))
		return HF_OK;
	return hf_fail(err, HF_IO, "libgit2 has not read all of the index of '%s'",
		       hf_repo_name(repo));
}

static enum hf_status index_git2(struct hf_repo *repo, const char *name,
				 const struct hf_repo_change *changes, size_t count,
				 struct hf_err *err)
{
	enum hf_status status = HF_OK;
	git_index *index = NULL;
	char *path;
	int code;

	if (asprintf(&path, "%s/%s", repo->gitdir, name) < 0)
		return hf_fail_errno(err, "cannot change the index");
	/* opened by its path, it belongs to no repository, and nothing is looked at but this file;
	 * it is synced later */
	code = git_index_open(&index, path);
	if (!code)
		status = check_read(repo, name, index, err);
	for (size_t i = 0; !code && status == HF_OK && i < count; i++)
		status = change_index(index, &changes[i], err);
	sync_by_libgit2(false);
	if (!code && status == HF_OK)
		code = git_index_write(index);
	sync_by_libgit2(true);
	if (code)
		status = failed(code, err, "change the index of", hf_repo_name(repo));
	git_index_free(index);
	free(path);
	return status;
}

/* ---- history -------------------------------------------------------------------------------- */

static enum hf_status walk(struct hf_repo *repo, git_revwalk *revwalk, const char *trailer,
			   char found[HF_OID_SIZE], struct hf_err *err)
{
	git_oid oid;
	int code;

	for (int i = 0; i < MOST_COMMITS; i++) {
		git_commit *commit = NULL;
		bool has;

		code = git_revwalk_next(&oid, revwalk);
		if (code == GIT_ITEROVER)
			return HF_NO;
		if (!code)
			code = git_commit_lookup(&commit, own(repo)->repo, &oid);
		if (code)
			return failed(code, err, "read the history of", hf_repo_name(repo));
		has = hf_message_has(git_commit_message(commit), trailer);
		git_commit_free(commit);
		if (has) {
			git_oid_tostr(found, HF_OID_SIZE, &oid);
			return HF_OK;
		}
	}
	return HF_NO;
}

static enum hf_status find(struct hf_repo *repo, const char *from, const char *base,
			   const char *trailer, char commit[HF_OID_SIZE], struct hf_err *err)
{
	git_revwalk *revwalk = NULL;
	enum hf_status status;
	git_oid oid;
	int code = git_revwalk_new(&revwalk, own(repo)->repo);

	if (!code)
		code = git_oid_fromstr(&oid, from);
	if (!code)
		code = git_revwalk_push(revwalk, &oid);
	/* what is not there any more hides nothing */
	if (!code && base[0] && git_oid_fromstr(&oid, base) == 0)
		(void)!git_revwalk_hide(revwalk, &oid);
	status = code ? failed(code, err, "read the history of", hf_repo_name(repo))
		      : walk(repo, revwalk, trailer, commit, err);
	git_revwalk_free(revwalk);
	return status;
}

const struct hf_repo_ops hf_repo_git2 = {
	.name = "libgit2",
	.close = close_git2,
	.config = config,
	.tracked = tracked,
	.ignored = ignored,
	.head = head,
	.tip = tip,
	.blob = blob,
	.index = index_git2,
	.tree = tree,
	.entry = entry,
	.commit = put_commit,
	.move = move,
	.find = find,
};
