/* SPDX-License-Identifier: ISC */
/* sqlite-queue: a work queue in a database. */

#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/spawn.h"
#include "cli/cli.h"
#include "cli/queue_cli.h"
#include "store/worker.h"
#include <holdfast/clock.h>

enum {
	OPT_QUEUE = HF_OPT_OWN,
	OPT_PRIORITY,
	OPT_DELAY,
	OPT_MAX_ATTEMPTS,
	OPT_EACH_LINE,
	OPT_HOLDER,
	OPT_TOKEN,
	OPT_WAIT,
	OPT_OLDER_THAN,
};
enum { ADD, CLAIM, RENEW, DONE, RELEASE, RETRY, LIST, PURGE, WORK };

static const char *const verbs[] = {"add",   "claim", "renew", "done", "release",
				    "retry", "list",  "purge", "work", NULL};

static struct hf_queue_cli q = {.ttl = 60 * HF_SECOND, .job.most = 5, .jobs = 1};
static int verb;

static const struct hf_opt options[] = {
	{OPT_QUEUE, "queue", "NAME", "use this queue (for list, purge: default all)",
	 .text = &q.queue},
	{OPT_PRIORITY, "priority", "N", "for add: claim smaller N first (default 0)",
	 .number = &q.job.priority, .min = INT_MIN, .max = INT_MAX},
	{OPT_DELAY, "delay", "DURATION", "for add, release, work: due after DURATION",
	 .duration = &q.delay},
	{OPT_MAX_ATTEMPTS, "max-attempts", "N", "for add: allow N attempts (default 5; 0: any)",
	 .number = &q.job.most, .max = INT_MAX},
	{OPT_EACH_LINE, "each-line", NULL, "for add: add each line of input as a job",
	 .flag = &q.each_line},
	HF_ROW_ALLOW_EMPTY("for add: accept a job without a payload", q.allow_empty),
	HF_ROW_TTL("end a claim after DURATION (default 1m)", q.ttl),
	{OPT_HOLDER, "as", "HOLDER", "for claim, work: use this name (or HOST:PID)",
	 .text = &q.holder},
	HF_ROW_ALIAS(OPT_HOLDER, "holder"),
	{OPT_TOKEN, "token", "N", "for renew, done, release: prove the claim by N",
	 .number = &q.token, .min = 1, .max = LONG_MAX},
	{OPT_WAIT, "wait", "DURATION", "for claim, work: wait for a job (default 0)",
	 .duration = &q.wait},
	{'j', "jobs", "N", "for work: run N workers at the same time", .number = &q.jobs, .min = 1,
	 .max = 1000},
	{OPT_OLDER_THAN, "older-than", "DURATION", "for purge: keep jobs that died more recently",
	 .duration = &q.older_than},
	HF_ROW_JSON(q.json),
	HF_ROWS_WAIT_DB,
	HF_ROW_BACKOFF("1ms,20ms", q.backoff),
	HF_ROW_COMMAND(q.command),
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
	.summary =
		"Queue jobs in the database DB: one worker at a time has a job, until it is done.",
	.options = options,
	.footer = "add prints the job's number. claim prints number, token and attempt on a line,\n"
		  "and then the payload; it exits with 1 if there is no job. work runs COMMAND\n"
		  "for each job, with the payload as standard input: if it exits with 0, the job\n"
		  "is done; otherwise it returns to the queue.",
	.quiet_answers = true,
};

static void set_operands(void)
{
	q.db = hf_cli_operand(&cli, "DB");
	if (verb == RENEW || verb == DONE || verb == RELEASE || verb == RETRY) {
		cli.option = "ID";
		q.id = hf_cli_number(&cli, hf_cli_operand(&cli, "ID"), 1, LONG_MAX);
		if (!q.token && verb != RETRY)
			hf_cli_usage(&cli, "no --token: it says whose job it is");
	}
	if (verb == WORK) {
		hf_cli_command(&cli, cli.operands, true, &q.command);
		return;
	}
	if (q.command)
		hf_cli_usage(&cli, "a COMMAND is for work");
	if (verb == ADD) {
		q.words = cli.operands;
		q.count = (size_t)cli.operand_count;
		if (q.count && q.each_line)
			hf_cli_usage(&cli, "PAYLOAD and --each-line exclude each other");
		hf_store_cli_look(&cli, "PAYLOAD");
		return;
	}
	hf_cli_last_operand(&cli);
}

static enum hf_status act(struct hf_store *store, int *asked, struct hf_err *err)
{
	switch (verb) {
	case ADD:
		return hf_queue_cli_add(&q, store, err);
	case CLAIM:
		return hf_queue_cli_claim(&q, store, err);
	case RENEW:
		return hf_queue_renew(store, q.id, q.token, q.ttl, err);
	case DONE:
		return hf_queue_done(store, q.id, q.token, err);
	case RELEASE:
		return hf_queue_release(store, q.id, q.token, q.delay, false, err);
	case RETRY:
		return hf_queue_retry(store, q.id, err);
	case LIST:
		return hf_queue_cli_list(&q, store, err);
	case PURGE:
		return hf_queue_cli_purge(&q, store, err);
	default:
		return hf_queue_cli_work(&q, store, asked, err);
	}
}

/* Open the database here: several workers are forked processes. */
static int run(void *context)
{
	struct hf_err err = {0};
	struct hf_store store;
	int asked = 0, result;
	enum hf_status status = hf_store_open(&store, q.db, &q.open, &err);

	(void)context;
	if (status == HF_OK) {
		status = act(&store, &asked, &err);
		hf_store_close(&store);
	}
	result = hf_cli_end(&cli, status, &err);
	if (asked)
		hf_exit_as(asked);
	return result;
}

static void parse(int argc, char **argv)
{
	hf_cli_parse(&cli, argc, argv);
	verb = hf_cli_verb(&cli, verbs);
	if (q.queue && !*q.queue)
		hf_cli_usage(&cli, "an empty NAME: check whether a variable is unset");
	set_operands();
	q.cli = &cli;
	q.job.queue.data = q.queue ? q.queue : "default";
	q.job.queue.size = strlen(q.job.queue.data);
	if (!q.holder)
		q.holder = hf_store_cli_caller(q.caller);
	q.open.wait = hf_cli_wait(&cli);
	q.open.backoff = q.backoff;
	q.open.read = verb == LIST;
	q.open.existing = verb != ADD && !q.wait;
}

int main(int argc, char **argv)
{
	struct hf_err err = {0};
	int worst = 0, asked = 0;

	parse(argc, argv);
	/* a result that cannot be printed is undone or reported; a command has its own SIGPIPE */
	if (verb == ADD || verb == CLAIM)
		signal(SIGPIPE, SIG_IGN);
	if (q.jobs == 1)
		return run(NULL);
	if (hf_workers((int)q.jobs, run, NULL, &worst, &asked, &err) != HF_OK)
		return (int)hf_cli_report(&cli, &err);
	if (asked)
		hf_exit_as(asked);
	return worst;
}
