/* SPDX-License-Identifier: ISC */
/* sqlite-backup: a consistent copy of a database, while others write. */

#include <stdio.h>
#include <string.h>

#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "sqlite/snapshot.h"
#include "atomic/target_check.h"

enum { OPT_SQL = HF_OPT_OWN };

static const struct hf_opt options[] = {
	{OPT_SQL, "sql", NULL, "copy as SQL text, as FILE's name in .sql says too"},
	HF_ROWS_WAIT("10s"),
	HF_ROW_MODE,
	HF_ROW_PARENTS,
	HF_ROW_BACKUP,
	HF_ROW_VALIDATE,
	HF_ROW_NO_FOLLOW,
	HF_ROW_BREAK_LINKS,
	HF_ROW_SYNC,
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

/* The copy tells as much as the database does, so it is not more open, unless it is there already,
 * or the user says otherwise. A copy onto itself is no copy. */
static enum hf_status look_at(const char *path, const char *file, struct hf_atomic_options *o,
			      struct hf_err *err)
{
	static char mode[16];
	struct stat db, old;

	if (stat(path, &db) < 0)
		return HF_OK; /* opening it will say why */
	if (stat(file, &old) == 0) {
		if (hf_same_inode(&db, &old))
			return hf_fail(err, HF_USAGE, "cannot copy '%s' to '%s': they are one file",
				       path, file);
	} else if (!o->mode) {
		snprintf(mode, sizeof(mode), "%o", db.st_mode & 0666);
		o->mode = mode;
	}
	return HF_OK;
}

static enum hf_status copy(const char *path, const struct hf_wait *wait, int fd, bool as_text,
			   struct hf_err *err)
{
	struct hf_db_options o = {.flags = HF_DB_READ, .wait = *wait};
	struct hf_db *db;
	enum hf_status status = hf_db_open(&db, path, &o, err);

	if (status == HF_OK)
		status = hf_db_snapshot(db, fd, as_text, NULL, err);
	hf_db_close(db);
	return status;
}

int main(int argc, char **argv)
{
	struct hf_atomic_options o = {.allow_empty = true}; /* as an empty database's is */
	struct hf_atomic *a = NULL;
	const char *path, *file;
	bool as_text = false;
	enum hf_status status;
	struct hf_err err;
	int64_t timeout = -1;
	char *arg;
	int id, end;

	hf_atomic_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		if (id == OPT_SQL)
			as_text = true;
		else
			hf_atomic_cli_option(&cli, id, arg, &o, &timeout);
	}
	if (cli.operand_count < 2)
		hf_cli_usage(&cli, cli.operand_count ? "no FILE" : "no DB");
	if (cli.operand_count > 2)
		hf_cli_usage(&cli, "'%s' is one operand too many", cli.operands[2]);
	path = cli.operands[0];
	file = cli.operands[1];
	as_text = as_text || ends_in(file, ".sql");
	hf_atomic_cli_wait(&cli, timeout, &o);
	status = look_at(path, file, &o, &err);
	if (status == HF_OK)
		status = hf_atomic_begin(&a, file, &o, &err);
	if (status == HF_OK)
		status = copy(path, &o.wait, hf_atomic_fd(a), as_text, &err);
	if (status == HF_OK && !as_text)
		status = hf_target_check_image(hf_atomic_target(a), &err);
	if (status == HF_OK)
		status = hf_atomic_commit(a, &err);
	end = hf_atomic_cli_finish(&cli, status, &err, -1, a);
	hf_atomic_end(a);
	return end;
}
