/* SPDX-License-Identifier: ISC */
/* lock-break: remove a stale lock, by proof. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stale/lock_break.h"
#include "cli/cli.h"
#include <holdfast/clock.h>
#include "gitlock/git_locks.h"
#include "cli/json.h"

enum { OPT_STALE_AFTER = HF_OPT_OWN, OPT_ALONE, OPT_DRY_RUN, OPT_JSON, OPT_GIT };

static const struct hf_opt options[] = {
	{OPT_STALE_AFTER, "stale-after", "DURATION",
	 "how old a lock must be whose owner is not known (default 5m)"},
	{OPT_ALONE, "alone", NULL,
	 "nobody else is there: what cannot be judged is judged by its age"},
	{OPT_GIT, "git", "DIR", "every lock of Git's in the repository that DIR is in"},
	{OPT_DRY_RUN, "dry-run", NULL, "show the evidence, and leave everything as it is"},
	{OPT_JSON, "json", NULL, "show it as JSON, one object a line"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] PATH…", "[options] --git DIR… [PATH…]", NULL};

static struct hf_cli cli = {
	.tool = "lock-break",
	.synopsis = synopsis,
	.summary = "Move stale locks aside: dotlocks, PID files, lock directories, Git's locks.\n"
		   "What is held, or cannot be judged, is left.",
	.options = options,
	.footer = "Exit status: 0 there is no lock at PATH any more; 75 one is held, or may be.",
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
		[HF_VERDICT_UNKNOWN] = "cannot be judged, and counts as held",
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

/* The status of all: the first real failure, else 75 if one is held. */
static int worse(int all, int one)
{
	return all == HF_OK || all == HF_BUSY ? (one == HF_OK ? all : one) : all;
}

/* What is broken, and how the whole stands. */
struct work {
	struct hf_break_options options;
	const struct hf_gitdir *git; /* of the repository that is gone through */
	const char **dirs;
	int dir_count, locks;
	bool json;
	int status;
};

static void report(struct work *w, const char *path, enum hf_status status,
		   const struct hf_break_result *broken, const struct hf_err *err)
{
	if (status != HF_OK) {
		w->status = worse(w->status, (int)hf_cli_report(&cli, err));
		return;
	}
	if (w->json)
		show_json(path, broken);
	else if (!cli.quiet)
		show(path, broken);
	if (broken->evidence.verdict == HF_VERDICT_HELD ||
	    broken->evidence.verdict == HF_VERDICT_UNKNOWN)
		w->status = worse(w->status, HF_BUSY);
}

static void break_path(struct work *w, const char *path)
{
	char absolute[PATH_MAX];
	struct hf_break_result broken;
	struct hf_gitdir git;
	struct hf_err err;
	enum hf_status status = hf_git_lock_is(path, &git, absolute, &err);

	if (status == HF_OK)
		status = hf_git_lock_break(&git, absolute, NULL, &w->options, &broken, &err);
	else if (status == HF_NO)
		status = hf_break(path, &w->options, &broken, &err);
	report(w, path, status, &broken, &err);
}

static bool break_lock(void *context, const struct hf_git_lock *lock)
{
	struct work *w = context;
	struct hf_break_result broken;
	struct hf_err err;
	enum hf_status status =
		hf_git_lock_break(w->git, lock->path, NULL, &w->options, &broken, &err);

	w->locks++;
	report(w, lock->path, status, &broken, &err);
	return true;
}

static void break_git(struct work *w, const char *dir)
{
	struct hf_gitdir git;
	struct hf_err err;
	enum hf_status status = hf_gitdir_find(&git, dir, &err);

	w->git = &git;
	w->locks = 0;
	if (status == HF_OK)
		status = hf_git_locks_each(&git, &w->options, break_lock, w, &err);
	if (status != HF_OK)
		w->status = worse(w->status, (int)hf_cli_report(&cli, &err));
	else if (w->locks == 0 && !w->json && !cli.quiet)
		show(dir, &(struct hf_break_result){.moved = ""});
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	w->dirs = calloc((size_t)argc + 1, sizeof(*w->dirs));
	if (!w->dirs)
		exit(HF_OS);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		if (id == OPT_STALE_AFTER)
			w->options.stale_after = hf_cli_duration(&cli, arg);
		else if (id == OPT_ALONE)
			w->options.alone = true;
		else if (id == OPT_DRY_RUN)
			w->options.dry_run = true;
		else if (id == OPT_JSON)
			w->json = true;
		else if (id == OPT_GIT)
			w->dirs[w->dir_count++] = arg;
	}
	hf_cli_options_first(&cli, "a PATH");
	if (cli.operand_count + w->dir_count == 0)
		hf_cli_usage(&cli, "no PATH");
}

int main(int argc, char **argv)
{
	struct work w = {.options.stale_after = 300 * HF_SECOND};

	parse(&w, argc, argv);
	for (int i = 0; i < w.dir_count; i++)
		break_git(&w, w.dirs[i]);
	for (int i = 0; i < cli.operand_count; i++)
		break_path(&w, cli.operands[i]);
	free(w.dirs);
	return hf_cli_finish(&cli, w.status);
}
