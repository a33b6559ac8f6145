/* SPDX-License-Identifier: ISC */
/* sqlite-check: is a database sound, and kept as it must be? */

#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "sqlite/db_check.h"

enum { OPT_FIX = HF_OPT_OWN };

static bool fix, as_json;

static const struct hf_opt options[] = {
	{OPT_FIX, "fix", NULL, "repair what can be repaired without a loss", .flag = &fix},
	{HF_OPT_JSON, "json", NULL, "print JSON", .flag = &as_json},
	HF_ROWS_WAIT("limit waits for locks (default 10s)"),
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] DB", NULL};

static struct hf_cli cli = {
	.tool = "sqlite-check",
	.synopsis = synopsis,
	.summary = "Report whether a SQLite database is sound, and how to repair it.",
	.options = options,
	.footer = "Exit status: 0 it is sound; 1 there are findings; 65 it is damaged.",
};

static const char *const kinds[] = {
	[HF_CHECK_NOTE] = "note",
	[HF_CHECK_FINDING] = "finding",
	[HF_CHECK_DAMAGE] = "damage",
};
static const char *const states[] = {
	[HF_CHECK_NOTE] = "sound",
	[HF_CHECK_FINDING] = "findings",
	[HF_CHECK_DAMAGE] = "damaged",
};

static void show_json(const char *path, const struct hf_check *check)
{
	struct hf_json json = {.out = stdout};

	hf_json_begin(&json, NULL, '{');
	hf_json_text(&json, "path", path);
	hf_json_text(&json, "state", states[check->worst]);
	hf_json_text(&json, "journal_mode", check->journal);
	hf_json_number(&json, "wal_bytes", check->log);
	hf_json_begin(&json, "items", '[');
	for (size_t i = 0; i < check->count; i++) {
		hf_json_begin(&json, NULL, '{');
		hf_json_text(&json, "kind", kinds[check->items[i].kind]);
		hf_json_text(&json, "text", check->items[i].text);
		if (check->items[i].advice[0])
			hf_json_text(&json, "advice", check->items[i].advice);
		hf_json_end(&json);
	}
	hf_json_end(&json);
	hf_json_end(&json);
}

static void show(const char *path, const struct hf_check *check)
{
	char line[2048];

	for (size_t i = 0; i < check->count; i++) {
		const struct hf_check_item *item = &check->items[i];

		if (cli.quiet && item->kind == HF_CHECK_NOTE)
			continue;
		hf_escape(line, sizeof(line), item->text);
		printf("%s: %s\n", kinds[item->kind], line);
		hf_escape(line, sizeof(line), item->advice);
		if (*line)
			printf("  %s\n", line);
	}
	if (check->worst == HF_CHECK_DAMAGE)
		printf("  stop all writers and copy the database, its -wal and its -journal first\n"
		       "  then take the last sound backup, or salvage: sqlite3 DB .recover | "
		       "sqlite3 new.db\n");
	hf_escape(line, sizeof(line), path);
	if (!cli.quiet)
		printf("%s: %s, journal mode %s\n", line, states[check->worst], check->journal);
}

int main(int argc, char **argv)
{
	static const int results[] = {HF_OK, HF_NO, HF_DATA};
	struct hf_check check;
	struct hf_wait wait;
	enum hf_status status;
	struct hf_err err;
	const char *path;
	int result;

	hf_atomic_cli_parse(&cli, argc, argv);
	path = hf_cli_operand(&cli, "DB");
	hf_cli_last_operand(&cli);
	wait = hf_cli_wait(&cli);
	status = hf_check_run(&check, path, &wait, &err);
	if (status == HF_OK && fix && check.worst != HF_CHECK_DAMAGE) {
		hf_check_free(&check);
		status = hf_check_fix(path, &wait, &err);
		if (status == HF_OK)
			status = hf_check_run(&check, path, &wait, &err);
	}
	if (status != HF_OK)
		return hf_atomic_cli_end(&cli, status, &err, NULL);
	if (as_json)
		show_json(path, &check);
	else
		show(path, &check);
	result = results[check.worst];
	hf_check_free(&check);
	return hf_cli_finish(&cli, result);
}
