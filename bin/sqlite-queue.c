/* SPDX-License-Identifier: ISC */
/* sqlite-queue: a work queue in a database. */

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "cli/queue_cli.h"
#include "base/spawn.h"
#include "store/worker.h"

enum {
	OPT_QUEUE = HF_OPT_OWN,
	OPT_PRIORITY,
	OPT_DELAY,
	OPT_MAX_ATTEMPTS,
	OPT_EACH_LINE,
	OPT_AS,
	OPT_TOKEN,
	OPT_WAIT,
	OPT_OLDER_THAN,
};
enum { ADD, CLAIM, RENEW, DONE, RELEASE, RETRY, LIST, PURGE, WORK };

static const char *const verbs[] = {"add",   "claim", "renew", "done", "release",
				    "retry", "list",  "purge", "work", NULL};

static const struct hf_opt options[] = {
	{OPT_QUEUE, "queue", "NAME", "the queue (default: default; of list, purge: all)"},
	{OPT_PRIORITY, "priority", "N", "of add: smaller ones come first (default 0)"},
	{OPT_DELAY, "delay", "DURATION", "of add, release, work: not before DURATION has passed"},
	{OPT_MAX_ATTEMPTS, "max-attempts", "N", "of add: dead after N (default 5; 0: no limit)"},
	{OPT_EACH_LINE, "each-line", NULL, "of add: every line of standard input is a job"},
	{HF_OPT_ALLOW_EMPTY, "allow-empty", NULL, "of add: a job without a payload"},
	{HF_OPT_TTL, "ttl", "DURATION", "a claim ends after DURATION (default 1m)"},
	{OPT_AS, "as", "HOLDER", "of claim, work: the holder's name (default HOST:PID)"},
	{OPT_TOKEN, "token", "N", "of renew, done, release: what claim has printed"},
	{OPT_WAIT, "wait", "DURATION", "of claim, work: wait so long for a job (default 0)"},
	{'j', "jobs", "N", "of work: N workers at the same time"},
	{OPT_OLDER_THAN, "older-than", "DURATION", "of purge: only what died longer ago"},
	HF_ROW_JSON,
	{'w', "timeout", "DURATION", "wait at most DURATION for the database (default 10s)"},
	{'n', "nonblock", NULL, "do not wait for the database"},
	HF_ROW_BACKOFF,
	HF_ROW_COMMAND,
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] add DB [PAYLOAD…]",
	"[options] claim|list|purge DB",
	"[options] renew|done|release|retry DB ID",
	"[options] work DB COMMAND…",
	NULL,
};

static struct hf_cli cli = {
	.tool = "sqlite-queue",
	.synopsis = synopsis,
	.summary = "A work queue in the database DB: a job is one worker's at a time, until done.",
	.options = options,
	.footer = "add prints the job's number. claim prints number, token and attempt on a line,\n"
		  "and then the payload; exit status 1 if there is no job. work runs COMMAND for\n"
		  "each job, with the payload as standard input: done if it exits with 0, else\n"
		  "back into the queue.",
};

static void option(struct hf_queue_cli *q, int id, char *arg)
{
	switch (id) {
	case OPT_QUEUE:
		if (!*arg)
			hf_cli_usage(&cli, "an empty NAME: check whether a variable is unset");
		q->queue = arg;
		break;
	case OPT_PRIORITY:
		q->job.priority = hf_cli_number(&cli, arg, INT_MIN, INT_MAX);
		break;
	case OPT_DELAY:
		q->delay = hf_cli_duration(&cli, arg);
		break;
	case OPT_MAX_ATTEMPTS:
		q->job.most = hf_cli_number(&cli, arg, 0, INT_MAX);
		break;
	case OPT_EACH_LINE:
		q->each_line = true;
		break;
	case HF_OPT_ALLOW_EMPTY:
		q->allow_empty = true;
		break;
	case OPT_AS:
		q->holder = arg;
		break;
	case OPT_TOKEN:
		q->token = hf_cli_number(&cli, arg, 1, LONG_MAX);
		break;
	case OPT_WAIT:
		q->wait = hf_cli_duration(&cli, arg);
		break;
	case 'j':
		q->jobs = (int)hf_cli_number(&cli, arg, 1, 1000);
		break;
	case OPT_OLDER_THAN:
		q->older_than = hf_cli_duration(&cli, arg);
		break;
	case 'c':
		q->command = hf_cli_shell(arg);
		break;
	}
}

static void set_operands(struct hf_queue_cli *q)
{
	int verb = q->common.verb;

	q->db = hf_store_cli_operand(&cli, "DB");
	if (verb == RENEW || verb == DONE || verb == RELEASE || verb == RETRY) {
		cli.seen = "ID";
		q->id = hf_cli_number(&cli, hf_store_cli_operand(&cli, "ID"), 1, LONG_MAX);
		if (!q->token && verb != RETRY)
			hf_cli_usage(&cli, "no --token: it says whose job it is");
	}
	if (verb == WORK) {
		if (q->command && cli.operand_count)
			hf_cli_usage(&cli, "a COMMAND besides --command");
		if (!q->command)
			q->command = hf_cli_command(&cli, cli.operands);
		if (!q->command)
			hf_cli_usage(&cli, "no COMMAND");
		return;
	}
	if (q->command)
		hf_cli_usage(&cli, "a COMMAND is for work");
	if (verb == ADD) {
		q->words = cli.operands;
		q->count = (size_t)cli.operand_count;
		if (q->count && q->each_line)
			hf_cli_usage(&cli, "PAYLOAD and --each-line exclude each other");
		hf_store_cli_look(&cli, "PAYLOAD");
		return;
	}
	hf_store_cli_end(&cli);
}

static void parse(struct hf_queue_cli *q, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_store_cli_next(&cli, &q->common, verbs, &arg)) != HF_CLI_END)
		option(q, id, arg);
	set_operands(q);
	q->job.queue = (struct hf_bytes){q->queue ? q->queue : "default", 0};
	q->job.queue.size = strlen(q->job.queue.data);
	if (!q->holder)
		q->holder = hf_store_cli_caller(q->caller);
	q->open = hf_store_cli_options(&cli, &q->common);
	q->open.read = q->common.verb == LIST;
	q->open.existing = q->common.verb != ADD && !q->wait;
}

static enum hf_status act(struct hf_queue_cli *q, struct hf_store *store, int *asked,
			  struct hf_err *err)
{
	switch (q->common.verb) {
	case ADD:
		return hf_queue_cli_add(q, store, err);
	case CLAIM:
		return hf_queue_cli_claim(q, store, err);
	case RENEW:
		return hf_queue_renew(store, q->id, q->token, q->common.ttl, err);
	case DONE:
		return hf_queue_done(store, q->id, q->token, err);
	case RELEASE:
		return hf_queue_release(store, q->id, q->token, q->delay, false, err);
	case RETRY:
		return hf_queue_retry(store, q->id, err);
	case LIST:
		return hf_queue_cli_list(q, store, err);
	case PURGE:
		return hf_queue_cli_purge(q, store, err);
	default:
		return hf_queue_cli_work(q, store, asked, err);
	}
}

/* With a store of its own: one of several workers has come out of a fork. */
static int run(void *context)
{
	struct hf_queue_cli *q = context;
	struct hf_err err = {0};
	struct hf_store store;
	int asked = 0, result;
	enum hf_status status = hf_store_open(&store, q->db, &q->open, &err);

	if (status == HF_OK) {
		status = act(q, &store, &asked, &err);
		hf_store_close(&store);
	}
	result = hf_store_cli_finish(&cli, status, &err);
	if (asked)
		hf_exit_as(asked);
	return result;
}

int main(int argc, char **argv)
{
	struct hf_queue_cli q = {.cli = &cli,
				 .common = {.timeout = -1, .ttl = 60 * HF_SECOND, .verb = -1},
				 .job.most = 5,
				 .jobs = 1};
	struct hf_err err = {0};
	int worst = 0, asked = 0;

	parse(&q, argc, argv);
	/* what was done, and cannot be told, is undone or told otherwise; a command has its own */
	if (q.common.verb == ADD || q.common.verb == CLAIM)
		signal(SIGPIPE, SIG_IGN);
	if (q.jobs == 1)
		return run(&q);
	if (hf_workers(q.jobs, run, &q, &worst, &asked, &err) != HF_OK)
		return (int)hf_cli_report(&cli, &err);
	if (asked)
		hf_exit_as(asked);
	return worst;
}
