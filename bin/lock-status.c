/* SPDX-License-Identifier: ISC */
/* lock-status: list locks, their holders and waiters, and whether they are stale. */

#include <stdlib.h>

#include "cli/cli.h"
#include "cli/live_view.h"
#include "cli/stats_cli.h"
#include "cli/status_cli.h"
#include "status/status_file.h"
#include "status/status_git.h"
#include "status/status_sqlite.h"
#include <holdfast/clock.h>

enum {
	OPT_MINE = HF_OPT_OWN,
	OPT_WATCH,
	OPT_STATS,
	OPT_CSV,
	OPT_METRICS,
	OPT_HISTOGRAM,
	OPT_SQLITE,
	OPT_GIT
};

/* A path that an operand or an option names. */
struct named {
	int option; /* or 0 */
	const char *path;
};

static struct named *named;
static size_t named_count;
static size_t held_count; /* how many of them this command runs under */
static bool mine, watch, histogram;
static int format; /* HF_OPT_JSON …, or 0 */
static const char *stats;
static int64_t interval = 2 * HF_SECOND;

static void take_named(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	(void)cli;
	named[named_count++] = (struct named){option->id, arg};
}

static const struct hf_opt options[] = {
	{OPT_SQLITE, "sqlite", "DB", "show the writer and readers of this database",
	 .take = take_named},
	{OPT_GIT, "git", "DIR", "show Git's locks in this repository", .take = take_named},
	{OPT_MINE, "mine", NULL, "only locks that this command runs under", .flag = &mine},
	{OPT_WATCH, "watch", "[INTERVAL]", "repeat every INTERVAL (default 2s)", .flag = &watch,
	 .duration = &interval},
	{OPT_STATS, "stats", "FILE", "summarize the statistics in FILE by lock", .text = &stats},
	{OPT_HISTOGRAM, "histogram", NULL, "with --stats: print histograms of the times",
	 .flag = &histogram},
	{OPT_CSV, "csv", NULL, "with --stats: print CSV", .choice = &format, .min = OPT_CSV},
	{OPT_METRICS, "openmetrics", NULL, "with --stats: print OpenMetrics text",
	 .choice = &format, .min = OPT_METRICS},
	{HF_OPT_JSON, "json", NULL, "print JSON, one object a line", .choice = &format,
	 .min = HF_OPT_JSON},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] [PATH…]", "[options] --sqlite DB | --git DIR…",
				       "[options] --stats FILE [PATH…]", NULL};

static struct hf_cli cli = {
	.tool = "lock-status",
	.synopsis = synopsis,
	.summary = "Show the holders of a lock, since when, its waiters, and whether it is stale;\n"
		   "with no PATH, every lock that can be seen. No lock is taken.",
	.options = options,
	.footer = "-v shows each holder and waiter. Exit status with -q: 0 all are free; 1 one is\n"
		  "held, stale or unknown.",
};

static enum hf_status look_at(const struct named *n, struct hf_lock_status *list,
			      struct hf_err *err)
{
	enum hf_status status;

	if (n->option == OPT_SQLITE)
		return hf_status_sqlite(list, n->path, err);
	if (n->option == OPT_GIT)
		return hf_status_git(list, n->path, err);
	status = hf_status_git_lock(list, n->path, err);
	return status == HF_NO ? hf_status_path(list, n->path, err) : status;
}

/* Return true if this command runs under one of the rows from `first` on. */
static bool has_mine(const struct hf_lock_status *list, size_t first)
{
	for (size_t i = first; i < list->count; i++)
		if (list->rows[i].mine)
			return true;
	return false;
}

/* Fill the list as far as possible. Print each error to errors, and return the first. */
static enum hf_status look(struct hf_lock_status *list, FILE *errors)
{
	struct hf_err err;
	enum hf_status status = hf_status_start(list, &err), all = status;

	if (status == HF_OK && named_count == 0)
		all = status = hf_status_all(list, &err);
	if (status != HF_OK)
		hf_cli_report_to(errors, &cli, &err);
	for (size_t i = 0; status == HF_OK && i < named_count; i++) {
		size_t first = list->count;
		enum hf_status one = look_at(&named[i], list, &err);

		held_count += has_mine(list, first);
		if (one == HF_OK)
			continue;
		hf_cli_report_to(errors, &cli, &err);
		all = all == HF_OK ? one : all;
	}
	return all;
}

static void show(const struct hf_lock_status *list, FILE *out, size_t width)
{
	enum hf_status_detail detail = cli.verbose   ? HF_STATUS_EVERY
				       : named_count ? HF_STATUS_REASONS
						     : HF_STATUS_LINES;

	if (format)
		hf_status_json(out, list, mine);
	else
		hf_status_table(out, list, detail, width, mine);
}

/* Errors are part of the picture: the next one may have none. */
static enum hf_status draw(void *context, FILE *out, size_t width, struct hf_err *err)
{
	struct hf_lock_status list;

	(void)context;
	(void)err;
	look(&list, out);
	show(&list, out, width);
	hf_status_free(&list);
	return HF_OK;
}

/* Return the status for -q, or for --mine: this command runs under all named locks, or any. */
static enum hf_status answer(const struct hf_lock_status *list)
{
	size_t taken = 0;

	for (size_t i = 0; i < list->count; i++)
		taken += list->rows[i].state != HF_VERDICT_FREE;
	if (mine)
		return (named_count ? held_count == named_count : has_mine(list, 0)) ? HF_OK
										     : HF_NO;
	return cli.quiet && taken ? HF_NO : HF_OK;
}

static void parse(int argc, char **argv)
{
	named = calloc((size_t)argc + 1, sizeof(*named));
	if (!named)
		exit(HF_OS);
	hf_cli_parse(&cli, argc, argv);
	hf_cli_options_first(&cli, "a PATH");
	if (watch && cli.quiet)
		hf_cli_usage(&cli, "--watch and --quiet exclude each other");
	if (stats && (watch || mine || named_count))
		hf_cli_usage(&cli, "--stats excludes --watch, --mine, --sqlite and --git");
	for (int i = 0; i < cli.operand_count; i++)
		named[named_count++] = (struct named){0, cli.operands[i]};
	if (!stats && (histogram || (format && format != HF_OPT_JSON)))
		hf_cli_usage(&cli, "--csv, --openmetrics and --histogram are for --stats");
}

static void show_stats(const struct hf_stats_report *report)
{
	if (format == HF_OPT_JSON)
		hf_stats_json(stdout, report, histogram);
	else if (format == OPT_CSV)
		hf_stats_csv(stdout, report);
	else if (format == OPT_METRICS)
		hf_stats_openmetrics(stdout, report);
	else
		hf_stats_text(stdout, report, histogram);
	if (!format && cli.operand_count && !report->count)
		puts("none of them is for a named lock");
}

static int sum_up(void)
{
	struct hf_stats_report report;
	struct hf_err err;
	enum hf_status status =
		hf_stats_read(&report, stats, (const char *const *)cli.operands, &err);

	if (status != HF_OK)
		return (int)hf_cli_report(&cli, &err);
	if (!cli.quiet)
		show_stats(&report);
	hf_stats_report_free(&report);
	return hf_cli_finish(&cli, HF_OK);
}

int main(int argc, char **argv)
{
	struct hf_lock_status list;
	struct hf_err err;
	enum hf_status status;

	parse(argc, argv);
	if (stats)
		return sum_up();
	if (watch) {
		hf_live_view(format ? NULL : "lock-status", interval, draw, NULL, &err);
		return (int)hf_cli_report(&cli, &err);
	}
	status = look(&list, stderr);
	if (list.count && !cli.quiet)
		show(&list, stdout, hf_live_view_width());
	if (status == HF_OK)
		status = answer(&list);
	hf_status_free(&list);
	free(named);
	return hf_cli_finish(&cli, status);
}
