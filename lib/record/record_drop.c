/* SPDX-License-Identifier: ISC */
#include "record/record_drop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "atomic/publish.h"
#include "base/access.h"
#include "base/copy.h"
#include "base/sys.h"
#include "record/record_mark.h"

/* ---- which ---------------------------------------------------------------------------------- */

static enum hf_status check_id(const char *id, struct hf_err *err)
{
	size_t length = strlen(id);

	if (length >= HF_DROP_MIN && length < HF_RECORD_ID &&
	    strspn(id, "0123456789abcdef") == length)
		return HF_OK;
	hf_fail(err, HF_USAGE, "'%s' is not the ID of a record", id);
	hf_advise(err, "give 8 to 32 digits, as --recover --dry-run prints them");
	return HF_USAGE;
}

static enum hf_status find_intent(const struct hf_record_locks *hold, const char *id,
				  struct hf_intent *intents, size_t count,
				  struct hf_intent **picked, struct hf_err *err)
{
	*picked = NULL;
	for (size_t i = 0; i < count; i++) {
		if (strncmp(intents[i].id, id, strlen(id)) != 0)
			continue;
		if (*picked)
			return hf_fail(err, HF_USAGE,
				       "'%s' matches several records: give more digits", id);
		*picked = &intents[i];
	}
	if (!*picked)
		return hf_fail(err, HF_NOINPUT, "there is no unfinished record '%s' in '%s'", id,
			       hold->database);
	if ((*picked)->version > HF_INTENT_VERSION)
		return hf_fail(err, HF_DATA, "record %.8s was made by a newer holdfast", id);
	return HF_OK;
}

/* ---- save the content (record/D1) ------------------------------------------------------------ */

/* A directory of the caller's alone: left by an earlier call that was killed */
static bool is_ours(const char *dir)
{
	struct stat st;

	return sys_fstatat(AT_FDCWD, dir, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	       hf_same_user(st.st_uid, geteuid()) && !(st.st_mode & 077);
}

static enum hf_status make_dir(const struct hf_record_locks *hold, const char *id,
			       char dir[PATH_MAX], struct hf_err *err)
{
	enum { OTHER_NAMES = 9 };
	int size = snprintf(dir, PATH_MAX, "%s.record-%.8s", hold->database, id);

	if (size + 2 >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return hf_fail_errno(err, "cannot make '%s'", dir);
	}
	for (int n = 1;; n++) {
		if (sys_mkdirat(AT_FDCWD, dir, 0700) == 0)
			return HF_OK;
		if (errno != EEXIST)
			return hf_fail_errno(err, "cannot make '%s'", dir);
		if (is_ours(dir))
			return HF_OK;
		/* no other user decides whether a record can be given up */
		if (n > OTHER_NAMES || HF_WITHOUT(drop_names)) {
			errno = EEXIST;
			return hf_fail_errno_as(err, HF_NOPERM, "cannot make '%s'", dir);
		}
		snprintf(dir + size, (size_t)(PATH_MAX - size), ".%d", n);
	}
}

static enum hf_status save_file(const struct hf_record_locks *hold, const char *dir,
				const char *name, const void *bytes, size_t size,
				struct hf_err *err)
{
	const struct hf_atomic_options options = {
		.wait = hold->wait, .skip_same = true, .allow_empty = true, .mode = "0600"};
	struct hf_atomic *atomic;
	enum hf_status status;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return hf_fail_errno(err, "cannot write '%s'", path);
	}
	status = hf_atomic_begin(&atomic, path, &options, err);
	if (status != HF_OK)
		return status;
	status = hf_write_all(hf_atomic_fd(atomic), bytes, size, path, err);
	if (status == HF_OK)
		status = hf_atomic_commit(atomic, err);
	hf_atomic_end(atomic);
	return status;
}

/* Make "N-NAME", for a file whose content is saved. */
static void saved_name(size_t number, const char *path, char name[NAME_MAX + 1])
{
	const char *slash = strrchr(path, '/');

	snprintf(name, NAME_MAX + 1, "%zu-%.200s", number + 1, slash ? slash + 1 : path);
}

static void describe_file(FILE *out, size_t number, const struct hf_intent_file *f)
{
	static const char *const ops[] = {"write", "append to", "remove", "snapshot"};
	char name[NAME_MAX + 1];

	fprintf(out, "\n%s %s\n", ops[f->op], f->path);
	if (f->op != HF_RECORD_REMOVE)
		fprintf(out, "mode %04o\n", f->mode);
	fprintf(out, "before %s\n", f->old_sha256[0] ? f->old_sha256 : "absent");
	if (f->new_sha256[0])
		fprintf(out, "after %s\n", f->new_sha256);
	saved_name(number, f->path, name);
	if (hf_intent_has_content(f))
		fprintf(out, "content in %s\n", name);
}

static void describe_intent(FILE *out, const struct hf_intent *intent)
{
	const struct hf_commit_ident *who = &intent->author;
	time_t created = (time_t)intent->created;
	char when[64] = "";
	struct tm tm;

	if (gmtime_r(&created, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "record %s\nmade %s by user %lld\n", intent->id, when, (long long)intent->uid);
	if (intent->repository)
		fprintf(out, "repository %s\nbranch %s\nupon %s\nauthor %s <%s>\nmessage\n\n%s\n",
			intent->gitdir, intent->ref, intent->tip[0] ? intent->tip : "nothing",
			who->name, who->email, intent->message);
	for (size_t i = 0; i < intent->file_count; i++)
		describe_file(out, i, &intent->files[i]);
}

static enum hf_status save_text(const struct hf_record_locks *hold, const char *dir,
				const struct hf_intent *intent, struct hf_err *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	enum hf_status status;

	if (out)
		describe_intent(out, intent);
	if (!out || fclose(out) != 0)
		status = hf_fail(err, HF_OS, "cannot save record %.8s: out of memory", intent->id);
	else
		status = save_file(hold, dir, "record", text, size, err);
	free(text);
	return status;
}

static enum hf_status save_all(const struct hf_record_locks *hold, const struct hf_intent *intent,
			       char dir[PATH_MAX], struct hf_err *err)
{
	enum hf_status status = make_dir(hold, intent->id, dir, err);
	struct hf_target target;
	char name[NAME_MAX + 1];

	for (size_t i = 0; i < intent->file_count && status == HF_OK; i++) {
		const struct hf_intent_file *f = &intent->files[i];

		saved_name(i, f->path, name);
		if (hf_intent_has_content(f))
			status = save_file(hold, dir, name, f->content, f->size, err);
	}
	if (status == HF_OK)
		status = save_text(hold, dir, intent, err);
	/* the name of the directory itself */
	if (status == HF_OK)
		status =
			hf_target_open(&target, dir, HF_TARGET_NO_FOLLOW | HF_TARGET_ANY_NAME, err);
	if (status != HF_OK)
		return status;
	status = hf_publish_sync(&target, err);
	hf_target_close(&target);
	return status;
}

/* ---- the marks (record/D3) ------------------------------------------------------------------ */

/* Return the directory of the intent's relative paths, or NULL if it cannot be found. */
static char *base_path_of(const struct hf_intent *intent)
{
	struct hf_repo *repo;
	char *place = NULL;
	struct hf_err err;

	if (!intent->repository)
		return strdup("");
	if (hf_repo_open(&repo, intent->gitdir, &err) != HF_OK)
		return NULL;
	if (asprintf(&place, "%s/", hf_repo_workdir(repo)) < 0)
		place = NULL;
	hf_repo_close(repo);
	return place;
}

static void remove_marks(const struct hf_intent *intent)
{
	char *place = base_path_of(intent), *path;
	struct hf_target target;

	for (size_t i = 0; place && i < intent->file_count; i++) {
		const struct hf_intent_file *f = &intent->files[i];

		if (!f->mark[0] || asprintf(&path, "%s%s", place, f->path) < 0)
			continue;
		if (hf_target_open(&target, path, HF_TARGET_NO_SYNC, NULL) == HF_OK) {
			hf_mark_remove(&target, f->mark);
			hf_target_close(&target);
		}
		free(path);
	}
	free(place);
}

/* ---- the whole ------------------------------------------------------------------------------ */

enum hf_status hf_record_discard(struct hf_record_locks *hold, const char *id,
				 void (*tell)(void *context, const struct hf_intent *intent),
				 void *context, char saved[PATH_MAX], struct hf_err *err)
{
	struct hf_intent *intents = NULL, *intent;
	enum hf_status status = check_id(id, err);
	size_t count = 0;

	if (status == HF_OK)
		status = hf_record_locks_acquire(hold, err);
	if (status == HF_OK)
		status = hf_intents_load(hold->db, false, &intents, &count, err);
	if (status == HF_OK)
		status = find_intent(hold, id, intents, count, &intent, err);
	if (status == HF_OK) {
		tell(context, intent);
		status = save_all(hold, intent, saved, err);
		/* record/D1: keep the record if the saved content may not survive a power cut */
		if (status == HF_UNCERTAIN) {
			errno = err && err->errnum ? err->errnum : EIO;
			status =
				hf_fail_errno_as(err, HF_IO, "cannot save record %.8s", intent->id);
		}
	}
	/* record/D2: in the transaction that hf_record_locks_acquire() has begun, which is durable
	 */
	if (status == HF_OK)
		status = hf_intent_delete(hold->db, intent->id, err);
	if (status == HF_OK)
		status = hf_db_commit(hold->db, err);
	if (status == HF_OK)
		remove_marks(intent);
	hf_intents_free(intents, count);
	return status;
}
