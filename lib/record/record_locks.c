/* SPDX-License-Identifier: ISC */
#include "record/record_locks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include <holdfast/lock_git.h>
#include <holdfast/lock_sqlite.h>

/* The longest sleep while an external lock is waited for without a notification. */
enum { MAX_PAUSE_MS = 20 };

enum hf_status hf_record_locks_init(struct hf_record_locks *hold, struct hf_err *err)
{
	enum hf_status status =
		hf_backoff_init(&hold->pause, hold->backoff, hold->wait.deadline, err);

	if (!hold->backoff && hold->pause.cap > MAX_PAUSE_MS * HF_MS)
		hold->pause.cap = MAX_PAUSE_MS * HF_MS;
	return status == HF_OK ? hf_record_database_find(&hold->place, hold->database, err)
			       : status;
}

static enum hf_status fail_no_memory(const struct hf_record_locks *hold, struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot record in '%s': out of memory", hold->database);
}

enum hf_status hf_record_locks_add_file(struct hf_record_locks *hold, struct hf_record_file *f,
					struct hf_err *err)
{
	return hf_array_append(&hold->files, &hold->file_count, &f, sizeof(f))
		       ? HF_OK
		       : fail_no_memory(hold, err);
}

enum hf_status hf_record_locks_add_repo(struct hf_record_locks *hold, struct hf_repo *repo,
					bool wanted, struct hf_err *err)
{
	const struct hf_record_locks_repo added = {.repo = repo, .wanted = wanted};

	if (hf_array_append(&hold->repos, &hold->repo_count, &added, sizeof(added)))
		return HF_OK;
	hf_repo_close(repo);
	return fail_no_memory(hold, err);
}

/* ---- taking --------------------------------------------------------------------------------- */

static enum hf_status add_to_set(struct hf_lockset *set, const struct hf_lock_ops *ops,
				 const char *path, struct hf_err *err)
{
	return hf_lockset_add(set, ops, path, HF_LOCK_EXCLUSIVE, err) ? HF_OK : err->status;
}

static enum hf_status take_set(struct hf_record_locks *hold, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	hold->set = hf_lockset_new();
	for (size_t i = 0; i < hold->file_count && status == HF_OK; i++)
		status = hf_record_file_add(hold->files[i], hold->set, err);
	if (status == HF_OK)
		status = add_to_set(hold->set, &hf_lock_sqlite_turn, hold->database, err);
	for (size_t i = 0; i < hold->repo_count && status == HF_OK; i++)
		if (hold->repos[i].wanted)
			status = add_to_set(hold->set, &hf_lock_git_turn,
					    hf_repo_gitdir(hold->repos[i].repo), err);
	return status == HF_OK ? hf_lockset_acquire(hold->set, &hold->wait, err) : status;
}

/* Find out whether the database has a write-ahead log. */
static enum hf_status read_journal_mode(struct hf_record_locks *hold, struct hf_err *err)
{
	int64_t n;
	enum hf_status status = hf_db_int(hold->db,
					  "SELECT 1 FROM pragma_journal_mode "
					  "WHERE journal_mode = 'wal'",
					  NULL, 0, &n, err);

	hold->logs = status == HF_OK;
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status begin_transaction(struct hf_record_locks *hold, struct hf_err *err)
{
	const struct hf_db_options options = {
		.flags = (hold->create ? HF_DB_CREATE : 0) |
			 (hold->no_foreign_keys ? HF_DB_NO_FOREIGN_KEYS : 0),
		.sync = HF_SYNC_FULL,
		.wait = hold->wait,
		.backoff = hold->backoff,
	};
	enum hf_status status = hf_db_open(&hold->db, hold->database, &options, err);

	if (status == HF_OK)
		status = hf_db_begin_nowait(hold->db, err);
	return status == HF_OK ? read_journal_mode(hold, err) : status;
}

enum hf_status hf_record_locks_begin(struct hf_record_locks *hold, bool durable, struct hf_err *err)
{
	/* With a rollback journal, less could damage the database. */
	const char *level =
		durable || !hold->logs ? "PRAGMA synchronous=EXTRA" : "PRAGMA synchronous=NORMAL";
	enum hf_status status = hf_sqlite_run(hf_db_sql(hold->db), level, "write to", err);

	/* The user's SQL has run. An intent's content is also in the files: overwriting it on
	 * deletion would write all of it twice more. */
	if (status == HF_OK)
		status = hf_sqlite_run(hf_db_sql(hold->db), "PRAGMA secure_delete=FAST", "write to",
				       err);
	return status == HF_OK ? hf_db_begin_nowait(hold->db, err) : status;
}

/* Take index.lock of each worktree. *busy is the first that is not free. */
static enum hf_status lock_indexes(struct hf_record_locks *hold, struct hf_repo **busy,
				   struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < hold->repo_count && status == HF_OK; i++) {
		struct hf_record_locks_repo *r = &hold->repos[i];

		if (!r->wanted)
			continue;
		status = hf_repo_lock(r->repo, hold->word, err);
		r->locked = status == HF_OK;
		if (status == HF_BUSY)
			*busy = r->repo;
	}
	return status;
}

/* Wait until this lock is free, with nothing held. */
static enum hf_status wait_alone(struct hf_record_locks *hold, const struct hf_lock_ops *ops,
				 const char *path, struct hf_err *err)
{
	struct hf_lockset *set = hf_lockset_new();
	enum hf_status status = add_to_set(set, ops, path, err);

	if (status == HF_OK)
		status = hf_lockset_acquire(set, &hold->wait, err);
	hf_lockset_free(set);
	/* a lock that this wait cannot see may still be held: do not spin */
	if (status == HF_OK)
		hf_backoff_sleep(&hold->pause);
	return status;
}

enum hf_status hf_record_locks_acquire(struct hf_record_locks *hold, struct hf_err *err)
{
	for (;;) {
		struct hf_repo *busy = NULL;
		bool set = false;
		enum hf_status status;

		hf_record_locks_release(hold);
		status = take_set(hold, err);
		if (status == HF_OK) {
			set = true;
			status = begin_transaction(hold, err);
		}
		if (status == HF_OK)
			status = lock_indexes(hold, &busy, err);
		if (status == HF_OK)
			return HF_OK;
		hf_record_locks_release(hold);
		if (status != HF_BUSY || !set || hf_time_left(hold->wait.deadline) == 0)
			return status;
		status = busy ? wait_alone(hold, &hf_lock_git, hf_repo_gitdir(busy), err)
			      : wait_alone(hold, &hf_lock_sqlite_idle, hold->database, err);
		if (status != HF_OK)
			return status;
	}
}

enum hf_status hf_record_locks_check(const struct hf_record_locks *hold, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t i = 0; i < hold->file_count && status == HF_OK; i++) {
		status = hf_record_file_check_absent(hold->files[i], err);
		if (status == HF_OK)
			status = hf_record_file_check_place(hold->files[i], err);
	}
	return status;
}

/* ---- releasing ------------------------------------------------------------------------------ */

void hf_record_locks_release(struct hf_record_locks *hold)
{
	int saved = errno;

	for (size_t i = hold->repo_count; i-- > 0;) {
		if (hold->repos[i].locked)
			hf_repo_unlock(hold->repos[i].repo);
		hold->repos[i].locked = false;
	}
	hf_db_close(hold->db);
	hold->db = NULL;
	hf_lockset_free(hold->set);
	hold->set = NULL;
	for (size_t i = 0; i < hold->file_count; i++)
		hold->files[i]->lock = NULL;
	errno = saved;
}

void hf_record_locks_drop_files(struct hf_record_locks *hold)
{
	free(hold->files);
	hold->files = NULL;
	hold->file_count = 0;
}

void hf_record_locks_end(struct hf_record_locks *hold)
{
	hf_record_locks_release(hold);
	for (size_t i = 0; i < hold->repo_count; i++)
		hf_repo_close(hold->repos[i].repo);
	free(hold->repos);
	free(hold->files);
	hold->repos = NULL;
	hold->files = NULL;
	hold->repo_count = hold->file_count = 0;
}

void hf_record_locks_report(const struct hf_record_locks *hold, const char *format, ...)
{
	char line[2048];
	va_list args;

	if (!hold->report)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	hold->report(hold->report_context, line);
}
