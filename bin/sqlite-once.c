/* SPDX-License-Identifier: ISC */
/* sqlite-once: do a thing once. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "store/once.h"
#include "store/once_filter.h"
#include "base/spawn.h"
#include "cli/store_cli.h"

enum {
	OPT_FILTER = HF_OPT_OWN,
	OPT_AT_LEAST_ONCE,
	OPT_CHECK,
	OPT_FORGET,
	OPT_PURGE,
	OPT_OLDER_THAN,
	OPT_COUNT,
};

static const struct hf_opt options[] = {
	{HF_OPT_TTL, "ttl", "DURATION", "forget the mark after DURATION (default inf)"},
	{OPT_FILTER, "filter", NULL, "pass on the lines of standard input never seen before"},
	{'0', "null", NULL, "of --filter: lines end in NUL, not in newline"},
	{OPT_AT_LEAST_ONCE, "at-least-once", NULL, "of --filter: mark lines when they have left"},
	{OPT_CHECK, "check", NULL, "is every KEY marked? change nothing"},
	{OPT_FORGET, "forget", NULL, "remove the marks of KEY…"},
	{OPT_PURGE, "purge", NULL, "remove marks that have run out, and print how many"},
	{OPT_OLDER_THAN, "older-than", "DURATION", "of --purge: and those made longer ago"},
	{OPT_COUNT, "count", NULL, "print how many keys are marked"},
	HF_ROWS_WAIT("10s"),
	HF_ROW_CONFLICT,
	HF_ROW_COMMAND,
	HF_ROW_BACKOFF,
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] DB KEY… [-- COMMAND…]",
	"[options] -c STRING DB KEY…",
	"[options] --filter DB",
	"[options] --check DB KEY…",
	"[options] --forget DB KEY…",
	"[options] --purge DB",
	"[options] --count DB",
	NULL,
};

static struct hf_cli cli = {
	.tool = "sqlite-once",
	.synopsis = synopsis,
	.summary = "Mark KEY in the database DB: exit status 0 the first time, 1 ever after.",
	.options = options,
	.footer = "With COMMAND, run that if KEY is not marked, and mark it if that exits with 0.\n"
		  "Of any number of racers one runs it; the others wait for the outcome.",
};

/* What the command line says. */
struct work {
	struct hf_store_cli common;
	int action; /* an option, or 0: mark */
	bool nul, at_least_once;
	int64_t older_than;
	int conflict;
	const char *db;
	struct hf_bytes *keys;
	size_t count;
	char **command;
};

static void set_action(struct work *w, int id)
{
	static const char *seen;

	if (w->action && w->action != id)
		hf_cli_usage(&cli, "%s and %s exclude each other", seen, cli.seen);
	w->action = id;
	seen = strdup(cli.seen);
}

static void set_operands(struct work *w)
{
	char **command;

	w->db = hf_store_cli_operand(&cli, "DB");
	if (w->action == OPT_FILTER || w->action == OPT_PURGE || w->action == OPT_COUNT) {
		hf_store_cli_end(&cli);
	} else {
		w->keys = hf_store_cli_keys(&cli, "KEY", &w->count, &command);
		if (w->command && command)
			hf_cli_usage(&cli, "a COMMAND besides --command");
		if (command)
			w->command = command;
	}
	if (w->action && w->command)
		hf_cli_usage(&cli, "a COMMAND is for marking only");
	if ((w->nul || w->at_least_once) && w->action != OPT_FILTER)
		hf_cli_usage(&cli, "--null and --at-least-once are for --filter");
	if (w->older_than != HF_NEVER && w->action != OPT_PURGE)
		hf_cli_usage(&cli, "--older-than is for --purge");
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_store_cli_next(&cli, &w->common, NULL, &arg)) != HF_CLI_END) {
		switch (id) {
		case '0':
			w->nul = true;
			break;
		case OPT_AT_LEAST_ONCE:
			w->at_least_once = true;
			break;
		case OPT_OLDER_THAN:
			w->older_than = hf_cli_duration(&cli, arg);
			break;
		case 'E':
			w->conflict = (int)hf_cli_number(&cli, arg, 0, 255);
			break;
		case 'c':
			w->command = hf_cli_shell(arg);
			break;
		default:
			set_action(w, id);
		}
	}
	set_operands(w);
}

static enum hf_status filter(struct work *w, struct hf_store *store, struct hf_err *err)
{
	struct hf_once_filter f = {
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.ttl = w->common.ttl,
		.timeout = hf_cli_limit(&cli, w->common.timeout, 10 * HF_SECOND),
		.nul = w->nul,
		.at_least_once = w->at_least_once,
	};
	enum hf_status status = hf_once_filter(store, &f, err);

	if (status == HF_OK && cli.verbose)
		hf_cli_notice(&cli, "%llu lines read, %llu passed on", (unsigned long long)f.read,
			      (unsigned long long)f.passed);
	else if (status != HF_OK)
		hf_advise(err, "%llu lines were read before, and %llu passed on",
			  (unsigned long long)f.read, (unsigned long long)f.passed);
	return status;
}

static enum hf_status count(struct work *w, struct hf_store *store, struct hf_err *err)
{
	int64_t number;
	enum hf_status status = w->action == OPT_COUNT
					? hf_once_count(store, &number, err)
					: hf_once_purge(store, w->older_than, &number, err);

	if (status == HF_OK)
		printf("%" PRId64 "\n", number);
	return status;
}

/* It has succeeded, and that must be known: the wait begins anew. */
static enum hf_status mark_done(struct work *w, struct hf_store *store,
				struct hf_once_claim *claim, struct hf_err *err)
{
	enum hf_status status;

	hf_store_wait(store, hf_cli_limit(&cli, w->common.timeout, 10 * HF_SECOND));
	status = hf_once_claim_mark(claim, store, w->common.ttl, err);
	if (status == HF_OK)
		return status;
	hf_advise(err, "the command has succeeded, but is not marked: it will run again");
	return err->status = HF_UNCERTAIN;
}

/* HF_OK: *wait_status tells how the command ended. */
static enum hf_status run_once(struct work *w, struct hf_store *store, int *wait_status,
			       struct hf_err *err)
{
	struct hf_command command = {.argv = w->command, .in = -1, .out = -1};
	struct hf_once_claim claim;
	struct hf_child child;
	enum hf_status status = hf_once_claim(&claim, store, w->keys, w->count, err);

	if (status != HF_OK)
		return status;
	command.keep_count = hf_once_claim_fds(&claim, &command.keep);
	status = hf_spawn(&child, &command, err);
	if (status == HF_OK)
		status = hf_supervise(&child, NULL, err);
	if (status == HF_OK) {
		*wait_status = child.wait_status;
		if (child.wait_status == 0)
			status = mark_done(w, store, &claim, err);
	}
	hf_once_claim_release(&claim);
	return status;
}

static enum hf_status act(struct work *w, struct hf_store *store, int *wait_status,
			  struct hf_err *err)
{
	switch (w->action) {
	case OPT_FILTER:
		return filter(w, store, err);
	case OPT_PURGE:
	case OPT_COUNT:
		return count(w, store, err);
	case OPT_CHECK:
		return hf_once_check(store, w->keys, w->count, err);
	case OPT_FORGET:
		return hf_once_forget(store, w->keys, w->count, err);
	default:
		if (w->command)
			return run_once(w, store, wait_status, err);
		return hf_once_mark(store, w->keys, w->count, w->common.ttl, err);
	}
}

int main(int argc, char **argv)
{
	struct work w = {.common = {.timeout = -1, .ttl = HF_NEVER, .verb = -1},
			 .older_than = HF_NEVER,
			 .conflict = HF_BUSY};
	struct hf_store_options o;
	struct hf_err err = {0};
	struct hf_store store;
	int wait_status = 0, result;
	enum hf_status status;

	parse(&w, argc, argv);
	o = hf_store_cli_options(&cli, &w.common);
	o.read = w.action == OPT_CHECK || w.action == OPT_COUNT;
	o.existing = w.action == OPT_FORGET || w.action == OPT_PURGE;
	status = hf_store_open(&store, w.db, &o, &err);
	if (status == HF_OK) {
		status = act(&w, &store, &wait_status, &err);
		hf_store_close(&store);
	}
	if (status == HF_OK && w.command)
		hf_exit_as(wait_status);
	if (status == HF_NO) /* the exit status says it all */
		err.message[0] = '\0';
	result = hf_store_cli_finish(&cli, status, &err);
	return result == HF_BUSY ? w.conflict : result;
}
