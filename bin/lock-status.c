/* SPDX-License-Identifier: ISC */
/* lock-status: who holds what, since when, and may it be removed? */

#include <stdlib.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "cli/status_cli.h"
#include "status/status_file.h"
#include "status/status_git.h"
#include "status/status_sqlite.h"
#include "cli/stats_cli.h"
#include "cli/live_view.h"

enum {
	OPT_JSON = HF_OPT_OWN,
	OPT_MINE,
	OPT_WATCH,
	OPT_STATS,
	OPT_CSV,
	OPT_METRICS,
	OPT_HISTOGRAM,
	OPT_SQLITE,
	OPT_GIT
};

static const struct hf_opt options[] = {
	{OPT_SQLITE, "sqlite", "DB", "who writes to, checkpoints and reads this database"},
	{OPT_GIT, "git", "DIR", "the locks that Git has in this repository"},
	{OPT_MINE, "mine", NULL, "only what this command runs under; 1 if that is nothing"},
	{OPT_WATCH, "watch", "[INTERVAL]", "show it again and again, each 2s if not given"},
	{OPT_STATS, "stats", "FILE", "sum up what $HOLDFAST_STATS=FILE has noted, by lock"},
	{OPT_HISTOGRAM, "histogram", NULL, "of --stats: how long was waited for and held, in bars"},
	{OPT_CSV, "csv", NULL, "of --stats: show it as CSV"},
	{OPT_METRICS, "openmetrics", NULL, "of --stats: show it as OpenMetrics text"},
	{OPT_JSON, "json", NULL, "show it as JSON, one object a line"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] [PATH…]", "[options] --sqlite DB | --git DIR…",
					 "[options] --stats FILE [PATH…]", NULL};

static struct hf_cli cli = {
	.tool = "lock-status",
	.synopsis = synopsis,
	.summary = "Show who holds a lock, since when, who waits for it, and whether it is stale;\n"
		   "with no PATH, every lock that can be seen. Nothing is locked to look.",
	.options = options,
	.footer = "-v shows each holder and waiter. With -q the exit status tells: 0 all are free, "
		  "1 one is\nheld, stale or not to be judged.",
};

/* What is named: a path, or by an option. */
struct named {
	int option; /* or 0 */
	const char *path;
};

struct work {
	struct named *named;
	size_t count;
	size_t under; /* of how many of them this command runs under a lock */
	bool mine, watch, histogram;
	int format; /* OPT_JSON …, or 0 */
	const char *stats;
	int64_t interval;
};

static enum hf_status look_at(const struct named *named, struct hf_lock_status *list,
			      struct hf_err *err)
{
	enum hf_status status;

	if (named->option == OPT_SQLITE)
		return hf_status_sqlite(list, named->path, err);
	if (named->option == OPT_GIT)
		return hf_status_git(list, named->path, err);
	status = hf_status_git_lock(list, named->path, err);
	return status == HF_NO ? hf_status_path(list, named->path, err) : status;
}

/* Is one of the rows from `first` on mine? */
static bool has_mine(const struct hf_lock_status *list, size_t first)
{
	for (size_t i = first; i < list->count; i++)
		if (list->rows[i].mine)
			return true;
	return false;
}

/* The status of all: the first failure, of which errors has a line. What can be looked at is shown
 * all the same. */
static enum hf_status look(struct work *w, struct hf_lock_status *list, FILE *errors)
{
	struct hf_err err;
	enum hf_status status = hf_status_start(list, &err), all = status;

	if (status == HF_OK && w->count == 0)
		all = status = hf_status_all(list, &err);
	if (status != HF_OK)
		hf_cli_report_to(errors, &cli, &err);
	for (size_t i = 0; status == HF_OK && i < w->count; i++) {
		size_t first = list->count;
		enum hf_status one = look_at(&w->named[i], list, &err);

		w->under += has_mine(list, first);
		if (one == HF_OK)
			continue;
		hf_cli_report_to(errors, &cli, &err);
		all = all == HF_OK ? one : all;
	}
	return all;
}

static void show(const struct work *w, const struct hf_lock_status *list, FILE *out, size_t width)
{
	enum hf_status_detail detail = cli.verbose ? HF_STATUS_EVERY
				       : w->count  ? HF_STATUS_REASONS
						   : HF_STATUS_LINES;

	if (w->format)
		hf_status_json(out, list, w->mine);
	else
		hf_status_table(out, list, detail, width, w->mine);
}

/* An error is a part of the picture: it may be over at the next. */
static enum hf_status draw(void *context, FILE *out, size_t width, struct hf_err *err)
{
	struct hf_lock_status list;

	(void)err;
	look(context, &list, out);
	show(context, &list, out, width);
	hf_status_free(&list);
	return HF_OK;
}

/* What -q and --mine ask. Under all that is named, or under anything. */
static enum hf_status answer(const struct work *w, const struct hf_lock_status *list)
{
	size_t taken = 0;

	for (size_t i = 0; i < list->count; i++)
		taken += list->rows[i].state != HF_VERDICT_FREE;
	if (w->mine)
		return (w->count ? w->under == w->count : has_mine(list, 0)) ? HF_OK : HF_NO;
	return cli.quiet && taken ? HF_NO : HF_OK;
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	w->named = calloc((size_t)argc + 1, sizeof(*w->named));
	if (!w->named)
		exit(HF_OS);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		if (id == OPT_JSON || id == OPT_CSV || id == OPT_METRICS) {
			if (w->format && w->format != id)
				hf_cli_usage(&cli, "--json, --csv and --openmetrics exclude each "
						   "other");
			w->format = id;
		} else if (id == OPT_STATS)
			w->stats = arg;
		else if (id == OPT_SQLITE || id == OPT_GIT)
			w->named[w->count++] = (struct named){id, arg};
		else if (id == OPT_HISTOGRAM)
			w->histogram = true;
		else if (id == OPT_MINE)
			w->mine = true;
		else if (id == OPT_WATCH)
			w->watch = true;
		if (id == OPT_WATCH && arg)
			w->interval = hf_cli_duration(&cli, arg);
	}
	hf_cli_options_first(&cli, "a PATH");
	if (w->watch && cli.quiet)
		hf_cli_usage(&cli, "--watch and --quiet exclude each other");
	if (w->stats && (w->watch || w->mine || w->count))
		hf_cli_usage(&cli, "--stats excludes --watch, --mine, --sqlite and --git");
	for (int i = 0; i < cli.operand_count; i++)
		w->named[w->count++] = (struct named){0, cli.operands[i]};
	if (!w->stats && (w->histogram || (w->format && w->format != OPT_JSON)))
		hf_cli_usage(&cli, "--csv, --openmetrics and --histogram are for --stats");
}

static void show_stats(const struct work *w, const struct hf_stats_report *report)
{
	if (w->format == OPT_JSON)
		hf_stats_json(stdout, report, w->histogram);
	else if (w->format == OPT_CSV)
		hf_stats_csv(stdout, report);
	else if (w->format == OPT_METRICS)
		hf_stats_openmetrics(stdout, report);
	else
		hf_stats_text(stdout, report, w->histogram);
	if (!w->format && cli.operand_count && !report->count)
		puts("none of them for a lock that is named");
}

static int sum_up(const struct work *w)
{
	struct hf_stats_report report;
	struct hf_err err;
	enum hf_status status =
		hf_stats_read(&report, w->stats, (const char *const *)cli.operands, &err);

	if (status != HF_OK)
		return (int)hf_cli_report(&cli, &err);
	if (!cli.quiet)
		show_stats(w, &report);
	hf_stats_report_free(&report);
	return hf_cli_finish(&cli, HF_OK);
}

int main(int argc, char **argv)
{
	struct work w = {.interval = 2 * HF_SECOND};
	struct hf_lock_status list;
	struct hf_err err;
	enum hf_status status;

	parse(&w, argc, argv);
	if (w.stats)
		return sum_up(&w);
	if (w.watch) {
		hf_live_view(w.format ? NULL : "lock-status", w.interval, draw, &w, &err);
		return (int)hf_cli_report(&cli, &err);
	}
	status = look(&w, &list, stderr);
	if (list.count && !cli.quiet)
		show(&w, &list, stdout, hf_watch_width());
	if (status == HF_OK)
		status = answer(&w, &list);
	hf_status_free(&list);
	free(w.named);
	return hf_cli_finish(&cli, status);
}
