/* SPDX-License-Identifier: ISC */
#include "sqlite/db_check.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"
#include "base/capture.h"
#include "base/sys.h"
#include "gitlock/gitdir.h"
#include "probe/sqlite_locks.h"
#include "sqlite/query.h"
#include "stale/evidence.h"
#include <holdfast/path.h>
#include <holdfast/proc.h>

enum { LARGE_LOG = 16 << 20, MAX_ITEMS = 100 };

static void add(struct hf_check *check, enum hf_check_kind kind, const char *advice,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

static void add(struct hf_check *check, enum hf_check_kind kind, const char *advice,
		const char *format, ...)
{
	struct hf_check_item *item = hf_array_add(&check->items, &check->count, sizeof(*item));
	va_list args;

	if (!item) {
		check->out_of_memory = true;
		return;
	}
	item->kind = kind;
	va_start(args, format);
	vsnprintf(item->text, sizeof(item->text), format, args);
	va_end(args);
	snprintf(item->advice, sizeof(item->advice), "%s", advice);
	if (kind > check->worst)
		check->worst = kind;
}

/*
 * From outside.
 */

static int64_t size_beside(const struct hf_target *db, const char *suffix)
{
	char name[NAME_MAX + 16];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", db->name, suffix);
	return sys_fstatat(db->dir, name, &st, 0) == 0 ? st.st_size : 0;
}

static void check_links(struct hf_check *check, const struct hf_target *db)
{
	int fd = sys_openat(db->dir, db->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return; /* opening it reports the reason */
	if (sys_fstat(fd, &st) == 0 && st.st_nlink > 1)
		add(check, HF_CHECK_FINDING,
		    "by another name SQLite takes it for another database, without this one's log, "
		    "and destroys it: remove the other names",
		    "it has %lu hard links", (unsigned long)st.st_nlink);
	if (hf_is_shared_fs(fd))
		add(check, HF_CHECK_FINDING,
		    "SQLite's locks cannot be trusted there: keep it on a local disk",
		    "it is on a network file system, or one that other hosts can write to");
	sys_close(fd);
}

static void check_log(struct hf_check *check, const struct hf_sqlite_users *users, int64_t journal)
{
	const char *advice = "sqlite-check --fix puts it into the database";
	char pins[600], who[512];

	for (size_t i = 0; i < users->count; i++) {
		if (users->at[i].role != HF_SQLITE_READS || users->at[i].slot <= 0)
			continue;
		snprintf(pins, sizeof(pins), "a long read pins it: see what %s does",
			 hf_proc_describe(who, sizeof(who), users->at[i].pid));
		advice = pins;
	}
	if (check->log > LARGE_LOG)
		add(check, HF_CHECK_FINDING, advice, "its log has grown to %lld bytes",
		    (long long)check->log);
	if (users->count)
		return;
	if (check->log)
		add(check, HF_CHECK_FINDING,
		    "the newest rows are in it: never copy, move or remove the database without "
		    "its -wal; sqlite-check --fix puts them in",
		    "a log of %lld bytes was left by a process that died", (long long)check->log);
	if (journal)
		add(check, HF_CHECK_NOTE, "",
		    "a writer died in the middle; what it had done is rolled back");
}

/* Users come in the order of PIDs; an activity comes after "has it open". */
static void check_users(struct hf_check *check, const struct hf_sqlite_users *users)
{
	char who[300];

	for (size_t i = 0; i < users->count && check->count < MAX_ITEMS; i++) {
		const struct hf_sqlite_user *user = &users->at[i];

		if (i + 1 < users->count && user->pid && user[1].pid == user->pid)
			continue;
		add(check, HF_CHECK_NOTE, "", "%s, which %s",
		    hf_proc_describe(who, sizeof(who), user->pid), hf_sqlite_does(user->role));
	}
}

/* Before this process opens the database through SQLite. */
static void check_from_outside(struct hf_check *check, const struct hf_target *db)
{
	struct hf_sqlite_users users = {0};
	int64_t journal = size_beside(db, "-journal");

	check->log = size_beside(db, "-wal");
	check_links(check, db);
	if (hf_sqlite_users_read(db, &users, NULL) != HF_OK)
		return;
	check_log(check, &users, journal);
	check_users(check, &users);
	hf_sqlite_users_free(&users);
}

/*
 * From inside.
 */

/* Add an item for each row of a query: its text, and the advice if it has any. "ok" is none. */
static enum hf_status add_rows(struct hf_check *check, enum hf_check_kind kind, struct hf_db *db,
			       const char *sql, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_query(db, sql, NULL, 0, &stmt, err);

	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK) {
		const char *text = hf_sqlite_stmt_column(stmt, 0).data,
			   *advice = hf_sqlite_stmt_column(stmt, 1).data;

		if (strcmp(text, "ok") != 0)
			add(check, kind, advice ? advice : "", "%s", text);
	}
	hf_sqlite_stmt_finalize(stmt);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status read_journal_mode(struct hf_check *check, struct hf_db *db,
					struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status = hf_db_first(db, "PRAGMA main.journal_mode", NULL, 0, &stmt, err);

	if (status == HF_OK)
		snprintf(check->journal, sizeof(check->journal), "%s",
			 (const char *)hf_sqlite_stmt_column(stmt, 0).data);
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

static enum hf_status check_records(struct hf_check *check, struct hf_db *db, struct hf_err *err)
{
	char advice[400];
	int64_t count;
	enum hf_status status = hf_db_int(
		db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'holdfast_intent'",
		NULL, 0, &count, err);

	if (status == HF_OK)
		status =
			hf_db_int(db, "SELECT count(*) FROM holdfast_intent", NULL, 0, &count, err);
	if (status != HF_OK)
		return status == HF_NO ? HF_OK : status;
	snprintf(advice, sizeof(advice), "atomic-record --recover --sqlite %s", hf_db_path(db));
	if (count)
		add(check, HF_CHECK_FINDING, advice, "%lld records are not finished",
		    (long long)count);
	return HF_OK;
}

/* As a table, it would take the number for the name of a table (SQLite 3.46). */
static const char damage_query[] = "PRAGMA main.integrity_check(50)";
static const char foreign_key_query[] =
	"SELECT printf('%d rows of ''%s'' refer to rows of ''%s'' that are not there',"
	" count(*), \"table\", parent),"
	" printf('see them: PRAGMA foreign_key_check(''%s'')', \"table\")"
	" FROM pragma_foreign_key_check GROUP BY \"table\", parent LIMIT 50";

static enum hf_status check_from_inside(struct hf_check *check, struct hf_db *db,
					struct hf_err *err)
{
	enum hf_status status = read_journal_mode(check, db, err);

	if (status == HF_OK)
		status = add_rows(check, HF_CHECK_DAMAGE, db, damage_query, err);
	if (status != HF_OK || check->worst == HF_CHECK_DAMAGE)
		return status;
	status = add_rows(check, HF_CHECK_FINDING, db, foreign_key_query, err);
	return status == HF_OK ? check_records(check, db, err) : status;
}

/* Return true if the check itself failed because of damage. */
static bool is_damage(struct hf_db *db)
{
	return (hf_sqlite_code(hf_db_sql(db)) & 0xff) == SQLITE_CORRUPT;
}

/* The versions of sqlite.org/wal.html#walresetbug and of the release notes. */
const char *hf_check_version(int version)
{
	if (version < 3007000 || version >= 3051003)
		return NULL;
	if (version >= 3035000 && version <= 3037001)
		return "when a savepoint is rolled back with temp_store=MEMORY";
	if ((version >= 3044006 && version < 3045000) || (version >= 3050007 && version < 3051000))
		return NULL;
	return "when a checkpoint and a commit of two processes meet";
}

static void check_version(struct hf_check *check)
{
	const char *bug = hf_check_version(sqlite3_libversion_number());

	if (bug && strcmp(check->journal, "wal") == 0)
		add(check, HF_CHECK_NOTE,
		    "writers that pass the turnstile (sqlite-run, lock-run --sqlite) do not meet; "
		    "3.51.3 has no such bug",
		    "SQLite %s can damage a database in WAL mode %s", sqlite3_libversion(), bug);
}

/*
 * Git.
 */

static void unset_git(void)
{
	static const char *const names[] = {"GIT_DIR",	      "GIT_WORK_TREE",
					    "GIT_COMMON_DIR", "GIT_INDEX_FILE",
					    "GIT_PREFIX",     "GIT_OBJECT_DIRECTORY"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

/* Return the database's files that are in the index, as Git names them. False: none, or unknown. */
static bool is_tracked(const char *dir, const char *name, char *found, size_t size)
{
	char files[4][NAME_MAX + 16];
	/* with -C instead of GIT_DIR, Git checks the owner of the repository (safe.directory) */
	const char *argv[] = {"git",
			      "-C",
			      dir,
			      "-c",
			      "core.fsmonitor=false",
			      "--literal-pathspecs",
			      "ls-files",
			      "--",
			      files[0],
			      files[1],
			      files[2],
			      files[3],
			      NULL};
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	int fd = memfd_create("git", MFD_CLOEXEC), wait_status;
	ssize_t n = 0;

	for (int i = 0; i < 4; i++)
		snprintf(files[i], sizeof(files[i]), "%s%s", name, suffixes[i]);
	if (fd >= 0 && hf_capture((char **)argv, -1, fd, "git", &wait_status, NULL) == HF_OK &&
	    wait_status == 0)
		n = pread(fd, found, size - 1, 0);
	hf_close(fd);
	if (n <= 0)
		return false;
	found[n] = '\0';
	found[strcspn(found, "\n")] = '\0';
	return true;
}

static void check_git(struct hf_check *check, const struct hf_target *db)
{
	char dir[64], found[NAME_MAX + 16];
	struct hf_gitdir git;

	/* a name that git(1), another process, can use too */
	snprintf(dir, sizeof(dir), "/proc/%d/fd/%d", (int)getpid(), db->dir);
	unset_git();
	if (hf_gitdir_find(&git, dir, NULL) == HF_OK && *git.worktree &&
	    is_tracked(dir, db->name, found, sizeof(found)))
		add(check, HF_CHECK_FINDING,
		    "a checkout, a stash or a reset replaces it under its users, and destroys it: "
		    "git rm --cached, and commit a copy by sqlite-backup",
		    "Git tracks '%s'", found);
}

/*
 * All of it.
 */

static enum hf_status run_checks(struct hf_check *check, const char *path,
				 const struct hf_target *target, const struct hf_wait *wait,
				 struct hf_err *err)
{
	struct hf_db_options o = {.flags = HF_DB_READ, .wait = *wait};
	struct hf_err failed;
	struct hf_db *db;
	enum hf_status status;

	check_from_outside(check, target);
	status = hf_db_open(&db, path, &o, err);
	if (status == HF_OK)
		status = hf_db_begin(db, err);
	if (status == HF_OK) {
		status = check_from_inside(check, db, &failed);
		if (status != HF_OK && is_damage(db)) {
			add(check, HF_CHECK_DAMAGE, "", "%s", failed.message);
			status = HF_OK;
		} else if (status != HF_OK && err) {
			*err = failed;
		}
	}
	hf_db_close(db);
	if (status != HF_OK)
		return status;
	check_version(check);
	check_git(check, target);
	return check->out_of_memory ? hf_fail(err, HF_OS, "cannot check '%s': out of memory", path)
				    : HF_OK;
}

enum hf_status hf_check_run(struct hf_check *check, const char *path, const struct hf_wait *wait,
			    struct hf_err *err)
{
	struct hf_target target;
	enum hf_status status = hf_target_open(&target, path, HF_TARGET_NO_SYNC, err);

	*check = (struct hf_check){0};
	if (status != HF_OK)
		return status == HF_CANTCREAT ? HF_NOINPUT : status;
	status = run_checks(check, path, &target, wait, err);
	hf_target_close(&target);
	return status;
}

void hf_check_free(struct hf_check *check)
{
	free(check->items);
	*check = (struct hf_check){0};
}

struct fix {
	struct hf_db *db;
	int64_t pinned;
};

static enum hf_status checkpoint(void *context, struct hf_err *err)
{
	struct fix *fix = context;

	/* its first column: not all frames could be copied */
	return hf_db_int(fix->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, 0, &fix->pinned, err);
}

enum hf_status hf_check_fix(const char *path, const struct hf_wait *wait, struct hf_err *err)
{
	struct hf_db_options o = {.wait = *wait};
	struct fix fix = {0};
	enum hf_status status = hf_db_open(&fix.db, path, &o, err);

	if (status == HF_OK)
		status = hf_db_outside_transaction(fix.db, checkpoint, &fix, err);
	hf_db_close(fix.db);
	if (status == HF_OK && fix.pinned) {
		hf_fail(err, HF_BUSY, "cannot empty the log of '%s': it is still read", path);
		hf_advise(err, "lock-status --sqlite %s shows who reads", path);
		return HF_BUSY;
	}
	return status;
}
