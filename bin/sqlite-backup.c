/* SPDX-License-Identifier: ISC */
/* sqlite-backup: a consistent copy of a database, while others write. */

#include <stdio.h>
#include <string.h>

#include "atomic/target_check.h"
#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "sqlite/snapshot.h"

enum { OPT_SQL = HF_OPT_OWN };

static struct hf_atomic_options file_options = {.allow_empty = true}; /* an empty database's */
static bool as_text;

static const struct hf_opt options[] = {
	{OPT_SQL, "sql", NULL, "copy as SQL text (default if FILE ends in .sql)", .flag = &as_text},
	HF_ROWS_WAIT("limit waits for locks (default 10s)"),
	HF_ROW_MODE(file_options),
	HF_ROW_PARENTS(file_options),
	HF_ROW_BACKUP(file_options),
	HF_ROW_VALIDATE(file_options),
	HF_ROW_NO_FOLLOW("replace a symbolic link, not its target", file_options),
	HF_ROW_BREAK_LINKS(file_options),
	HF_ROW_SYNC(file_options),
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] DB FILE", NULL};

static struct hf_cli cli = {
	.tool = "sqlite-backup",
	.synopsis = synopsis,
	.summary = "Copy a SQLite database while others write to it: FILE is the whole new copy,\n"
		   "durably, or stays as it is.",
	.options = options,
};

static bool ends_in(const char *name, const char *end)
{
	size_t size = strlen(name), n = strlen(end);

	return size > n && strcmp(name + size - n, end) == 0;
}

/* Give a new copy the mode of the database, unless the user gives one. Refuse to copy a database to
 * itself. */
static enum hf_status check(const char *path, const char *file, struct hf_err *err)
{
	static char mode[16];
	struct stat db, old;

	if (stat(path, &db) < 0)
		return HF_OK; /* opening it will fail */
	if (stat(file, &old) == 0) {
		if (hf_same_inode(&db, &old))
			return hf_fail(err, HF_USAGE,
				       "cannot copy '%s' to '%s': they are the same file", path,
				       file);
	} else if (!file_options.mode) {
		snprintf(mode, sizeof(mode), "%o", db.st_mode & 0666);
		file_options.mode = mode;
	}
	return HF_OK;
}

static enum hf_status copy(const char *path, int fd, struct hf_err *err)
{
	struct hf_db_options o = {.flags = HF_DB_READ, .wait = file_options.wait};
	struct hf_db *db;
	enum hf_status status = hf_db_open(&db, path, &o, err);

	if (status == HF_OK)
		status = hf_db_snapshot(db, fd, as_text, NULL, err);
	hf_db_close(db);
	return status;
}

int main(int argc, char **argv)
{
	struct hf_atomic *a = NULL;
	const char *path, *file;
	enum hf_status status;
	struct hf_err err;
	int result;

	hf_atomic_cli_parse(&cli, argc, argv);
	path = hf_cli_operand(&cli, "DB");
	file = hf_cli_operand(&cli, "FILE");
	hf_cli_last_operand(&cli);
	as_text = as_text || ends_in(file, ".sql");
	file_options.wait = hf_cli_wait(&cli);
	status = check(path, file, &err);
	if (status == HF_OK)
		status = hf_atomic_begin(&a, file, &file_options, &err);
	if (status == HF_OK)
		status = copy(path, hf_atomic_fd(a), &err);
	if (status == HF_OK && !as_text)
		status = hf_target_check_image(hf_atomic_target(a), &err);
	if (status == HF_OK)
		status = hf_atomic_commit(a, &err);
	result = hf_atomic_cli_end(&cli, status, &err, a);
	hf_atomic_end(a);
	return result;
}
