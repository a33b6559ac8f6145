/* SPDX-License-Identifier: ISC */
/* lock-break: remove a stale lock, by proof. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "gitlock/git_locks.h"
#include "stale/lock_break.h"
#include <holdfast/clock.h>

enum { OPT_STALE_AFTER = HF_OPT_OWN, OPT_ALONE, OPT_DRY_RUN, OPT_GIT };

static struct hf_break_options break_options = {.stale_after = 300 * HF_SECOND};
static bool as_json;
static const char **dirs; /* of --git */
static int dir_count;

static void take_dir(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	(void)cli;
	(void)option;
	dirs[dir_count++] = arg;
}

static const struct hf_opt options[] = {
	{OPT_STALE_AFTER, "stale-after", "DURATION",
	 "treat unowned locks as stale after DURATION (5m)",
	 .duration = &break_options.stale_after},
	{OPT_ALONE, "alone", NULL, "assume no other users; judge unknowns by age",
	 .flag = &break_options.alone},
	HF_ROW_ALIAS(OPT_ALONE, "assume-alone"),
	{OPT_GIT, "git", "DIR", "check all locks of the Git repository of DIR", .take = take_dir},
	{OPT_DRY_RUN, "dry-run", NULL, "print the evidence, and change nothing",
	 .flag = &break_options.dry_run},
	HF_ROW_JSON(as_json),
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] PATH…", "[options] --git DIR… [PATH…]", NULL};

static struct hf_cli cli = {
	.tool = "lock-break",
	.synopsis = synopsis,
	.summary = "Move stale locks aside: dotlocks, PID files, lock directories, Git's locks.\n"
		   "A lock that is held, or cannot be judged, is left alone.",
	.options = options,
	.footer = "Exit status: 0 no lock is left at PATH; 75 one is held, or may be.",
};

static const char *state_name(const struct hf_break_result *b)
{
	if (b->moved[0])
		return "moved";
	return b->evidence.verdict == HF_VERDICT_FREE ? "absent"
						      : hf_verdict_name(b->evidence.verdict);
}

static void show_json(const char *path, const struct hf_break_result *b)
{
	const struct hf_evidence *e = &b->evidence;
	struct hf_json json = {.out = stdout};

	hf_json_begin(&json, NULL, '{');
	hf_json_text(&json, "path", path);
	hf_json_text(&json, "state", state_name(b));
	if (e->record.owner.pid)
		hf_json_number(&json, "pid", e->record.owner.pid);
	if (e->record.owner.host[0])
		hf_json_text(&json, "host", e->record.owner.host);
	if (b->moved[0])
		hf_json_text(&json, "quarantine", b->moved);
	hf_json_begin(&json, "reasons", '[');
	for (int i = 0; i < e->count; i++)
		hf_json_text(&json, NULL, e->reason[i]);
	hf_json_end(&json);
	hf_json_end(&json);
}

static void show(const char *path, const struct hf_break_result *b)
{
	static const char *const says[] = {
		[HF_VERDICT_FREE] = "there is no lock",
		[HF_VERDICT_STALE] = "stale",
		[HF_VERDICT_HELD] = "held",
		[HF_VERDICT_UNKNOWN] = "unknown, and counts as held",
	};
	char name[8192];

	hf_escape(name, sizeof(name), path);
	printf("%s: %s\n", name, says[b->evidence.verdict]);
	for (int i = 0; i < b->evidence.count; i++)
		printf("  %s\n", b->evidence.reason[i]);
	if (b->moved[0]) {
		hf_escape(name, sizeof(name), b->moved);
		printf("  moved to %s\n", name);
	}
}

/* Return the first real failure, otherwise 75 if a lock is held. */
static int worse(int all, int one)
{
	return all == HF_OK || all == HF_BUSY ? (one == HF_OK ? all : one) : all;
}

static int result; /* the exit status so far */

static void report(const char *path, enum hf_status status, const struct hf_break_result *broken,
		   const struct hf_err *err)
{
	if (status != HF_OK) {
		result = worse(result, (int)hf_cli_report(&cli, err));
		return;
	}
	if (as_json)
		show_json(path, broken);
	else if (!cli.quiet)
		show(path, broken);
	if (broken->evidence.verdict == HF_VERDICT_HELD ||
	    broken->evidence.verdict == HF_VERDICT_UNKNOWN)
		result = worse(result, HF_BUSY);
}

static void break_path(const char *path)
{
	char absolute[PATH_MAX];
	struct hf_break_result broken;
	struct hf_gitdir git;
	struct hf_err err;
	enum hf_status status = hf_git_lock_is(path, &git, absolute, &err);

	if (status == HF_OK)
		status = hf_git_lock_break(&git, absolute, NULL, &break_options, &broken, &err);
	else if (status == HF_NO)
		status = hf_break(path, &break_options, &broken, &err);
	report(path, status, &broken, &err);
}

/* The repository whose locks are checked, and their number. */
struct git_locks {
	struct hf_gitdir gitdir;
	size_t count;
};

static bool break_lock(void *context, const struct hf_git_lock *lock)
{
	struct git_locks *locks = context;
	struct hf_break_result broken;
	struct hf_err err;
	enum hf_status status =
		hf_git_lock_break(&locks->gitdir, lock->path, NULL, &break_options, &broken, &err);

	locks->count++;
	report(lock->path, status, &broken, &err);
	return true;
}

static void break_git(const char *dir)
{
	struct git_locks locks = {.count = 0};
	struct hf_err err;
	enum hf_status status = hf_gitdir_find(&locks.gitdir, dir, &err);

	if (status == HF_OK)
		status = hf_git_locks_each(&locks.gitdir, &break_options, break_lock, &locks, &err);
	if (status != HF_OK)
		result = worse(result, (int)hf_cli_report(&cli, &err));
	else if (locks.count == 0 && !as_json && !cli.quiet)
		show(dir, &(struct hf_break_result){.moved = ""});
}

int main(int argc, char **argv)
{
	dirs = calloc((size_t)argc + 1, sizeof(*dirs));
	if (!dirs)
		return HF_OS;
	hf_cli_parse(&cli, argc, argv);
	hf_cli_options_first(&cli, "a PATH");
	if (cli.operand_count + dir_count == 0)
		hf_cli_usage(&cli, "no PATH");
	for (int i = 0; i < dir_count; i++)
		break_git(dirs[i]);
	for (int i = 0; i < cli.operand_count; i++)
		break_path(cli.operands[i]);
	free(dirs);
	return hf_cli_finish(&cli, result);
}
