/* SPDX-License-Identifier: ISC */
/* sqlite-once: do a thing once. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "cli/cli.h"
#include "cli/store_cli.h"
#include "store/once.h"
#include "store/once_filter.h"
#include <holdfast/clock.h>

enum {
	OPT_FILTER = HF_OPT_OWN,
	OPT_AT_LEAST_ONCE,
	OPT_CHECK,
	OPT_FORGET,
	OPT_PURGE,
	OPT_OLDER_THAN,
	OPT_COUNT,
};

static int action; /* an option, or 0: mark */
static bool nul, at_least_once;
static int64_t ttl = HF_NEVER, older_than = HF_NEVER;
static const char *backoff;
static char **command;
static struct hf_bytes *keys;
static size_t key_count;

static const struct hf_opt options[] = {
	HF_ROW_TTL("forget the mark after DURATION (default inf)", ttl),
	{OPT_FILTER, "filter", NULL, "copy the lines of standard input that are new",
	 .choice = &action, .min = OPT_FILTER},
	{'0', "null", NULL, "with --filter: end lines with NUL, not newline", .flag = &nul},
	{OPT_AT_LEAST_ONCE, "at-least-once", NULL, "with --filter: mark each line after writing it",
	 .flag = &at_least_once},
	{OPT_CHECK, "check", NULL, "exit with 0 if all KEYs are marked, otherwise 1",
	 .choice = &action, .min = OPT_CHECK},
	{OPT_FORGET, "forget", NULL, "remove the marks of KEY…", .choice = &action,
	 .min = OPT_FORGET},
	{OPT_PURGE, "purge", NULL, "remove expired marks, and print how many", .choice = &action,
	 .min = OPT_PURGE},
	{OPT_OLDER_THAN, "older-than", "DURATION", "with --purge: also remove older marks",
	 .duration = &older_than},
	{OPT_COUNT, "count", NULL, "print how many keys are marked", .choice = &action,
	 .min = OPT_COUNT},
	HF_ROWS_WAIT("limit waits for locks (default 10s), not COMMAND"),
	HF_ROW_CONFLICT,
	HF_ROW_COMMAND(command),
	HF_ROW_BACKOFF("1ms,20ms", backoff),
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
	.summary = "Mark KEY in the database DB: exit with 0 the first time, with 1 afterwards.",
	.options = options,
	.footer = "With COMMAND, run it if KEY is not marked, and mark KEY if it exits with 0.\n"
		  "Of any number of processes one runs it; the others wait for the outcome.",
	.quiet_answers = true,
};

static void set_operands(void)
{
	if (action != OPT_FILTER && action != OPT_PURGE && action != OPT_COUNT) {
		keys = hf_store_cli_keys(&cli, "KEY", &key_count);
		hf_cli_command(&cli, cli.operands, false, &command);
	} else {
		hf_cli_last_operand(&cli);
	}
	if (action && command)
		hf_cli_usage(&cli, "a COMMAND is for marking only");
	if ((nul || at_least_once) && action != OPT_FILTER)
		hf_cli_usage(&cli, "--null and --at-least-once are for --filter");
	if (older_than != HF_NEVER && action != OPT_PURGE)
		hf_cli_usage(&cli, "--older-than is for --purge");
}

static enum hf_status filter(struct hf_store *store, struct hf_err *err)
{
	struct hf_once_filter f = {
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.ttl = ttl,
		.timeout = hf_cli_limit(&cli),
		.nul = nul,
		.at_least_once = at_least_once,
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

static enum hf_status count(struct hf_store *store, struct hf_err *err)
{
	int64_t number;
	enum hf_status status = action == OPT_COUNT
					? hf_once_count(store, &number, err)
					: hf_once_purge(store, older_than, &number, err);

	if (status == HF_OK)
		printf("%" PRId64 "\n", number);
	return status;
}

/* The command has succeeded, and that must be recorded: the wait has a new deadline. */
static enum hf_status mark_done(struct hf_store *store, struct hf_once_claim *claim,
				struct hf_err *err)
{
	enum hf_status status;

	hf_store_wait(store, hf_cli_limit(&cli));
	status = hf_once_claim_mark(claim, store, ttl, err);
	if (status == HF_OK)
		return status;
	hf_advise(err, "the command has succeeded, but is not marked: it will run again");
	return err->status = HF_UNCERTAIN;
}

/* HF_OK: *wait_status is the command's. */
static enum hf_status run_once(struct hf_store *store, int *wait_status, struct hf_err *err)
{
	struct hf_command request = {.argv = command, .in = -1, .out = -1};
	struct hf_once_claim claim;
	struct hf_child child;
	enum hf_status status = hf_once_claim(&claim, store, keys, key_count, err);

	if (status != HF_OK)
		return status;
	request.keep_count = hf_once_claim_fds(&claim, &request.keep);
	status = hf_spawn(&child, &request, err);
	if (status == HF_OK)
		status = hf_supervise(&child, NULL, err);
	if (status == HF_OK) {
		*wait_status = child.wait_status;
		if (child.wait_status == 0)
			status = mark_done(store, &claim, err);
	}
	hf_once_claim_release(&claim);
	return status;
}

static enum hf_status act(struct hf_store *store, int *wait_status, struct hf_err *err)
{
	switch (action) {
	case OPT_FILTER:
		return filter(store, err);
	case OPT_PURGE:
	case OPT_COUNT:
		return count(store, err);
	case OPT_CHECK:
		return hf_once_check(store, keys, key_count, err);
	case OPT_FORGET:
		return hf_once_forget(store, keys, key_count, err);
	default:
		if (command)
			return run_once(store, wait_status, err);
		return hf_once_mark(store, keys, key_count, ttl, err);
	}
}

int main(int argc, char **argv)
{
	struct hf_store_options o = {.read = false};
	struct hf_err err = {0};
	struct hf_store store;
	int wait_status = 0;
	enum hf_status status;
	const char *db;

	hf_cli_parse(&cli, argc, argv);
	db = hf_cli_operand(&cli, "DB");
	set_operands();
	o.wait = hf_cli_wait(&cli);
	o.backoff = backoff;
	o.read = action == OPT_CHECK || action == OPT_COUNT;
	o.existing = action == OPT_FORGET || action == OPT_PURGE;
	status = hf_store_open(&store, db, &o, &err);
	if (status == HF_OK) {
		status = act(&store, &wait_status, &err);
		hf_store_close(&store);
	}
	if (status == HF_OK && command)
		hf_exit_as(wait_status);
	if (status == HF_NO)
		err.message[0] = '\0'; /* the exit status says it */
	return hf_cli_end(&cli, status, &err);
}
