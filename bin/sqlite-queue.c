/* SPDX-License-Identifier: ISC */
/* sqlite-queue: a work queue in a database. */

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "clock.h"
#include "input.h"
#include "json.h"
#include "queue.h"
#include "spawn.h"
#include "store_cli.h"
#include "work.h"
#include "wording.h"

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

/* What the command line says. */
struct work {
	struct hf_store_cli common;
	struct hf_store_options open;
	const char *queue;
	struct hf_job job; /* of add */
	int64_t delay, wait, older_than;
	bool each_line, allow_empty;
	const char *holder;
	char caller[HF_STORE_CALLER_SIZE];
	int64_t token, id;
	int jobs;
	const char *db;
	char **words; /* PAYLOAD… */
	size_t count;
	char **command;
};

static void option(struct work *w, int id, char *arg)
{
	switch (id) {
	case OPT_QUEUE:
		if (!*arg)
			hf_cli_usage(&cli, "an empty NAME: is a variable not set?");
		w->queue = arg;
		break;
	case OPT_PRIORITY:
		w->job.priority = hf_cli_number(&cli, arg, INT_MIN, INT_MAX);
		break;
	case OPT_DELAY:
		w->delay = hf_cli_duration(&cli, arg);
		break;
	case OPT_MAX_ATTEMPTS:
		w->job.most = hf_cli_number(&cli, arg, 0, INT_MAX);
		break;
	case OPT_EACH_LINE:
		w->each_line = true;
		break;
	case HF_OPT_ALLOW_EMPTY:
		w->allow_empty = true;
		break;
	case OPT_AS:
		w->holder = arg;
		break;
	case OPT_TOKEN:
		w->token = hf_cli_number(&cli, arg, 1, LONG_MAX);
		break;
	case OPT_WAIT:
		w->wait = hf_cli_duration(&cli, arg);
		break;
	case 'j':
		w->jobs = (int)hf_cli_number(&cli, arg, 1, 1000);
		break;
	case OPT_OLDER_THAN:
		w->older_than = hf_cli_duration(&cli, arg);
		break;
	case 'c':
		w->command = hf_cli_shell(arg);
		break;
	}
}

static void set_operands(struct work *w)
{
	int verb = w->common.verb;

	w->db = hf_store_cli_operand(&cli, "DB");
	if (verb == RENEW || verb == DONE || verb == RELEASE || verb == RETRY) {
		cli.seen = "ID";
		w->id = hf_cli_number(&cli, hf_store_cli_operand(&cli, "ID"), 1, LONG_MAX);
		if (!w->token && verb != RETRY)
			hf_cli_usage(&cli, "no --token: it says whose job it is");
	}
	if (verb == WORK) {
		if (w->command && cli.operand_count)
			hf_cli_usage(&cli, "a COMMAND besides --command");
		if (!w->command)
			w->command = hf_cli_command(&cli, cli.operands);
		if (!w->command)
			hf_cli_usage(&cli, "no COMMAND");
		return;
	}
	if (w->command)
		hf_cli_usage(&cli, "a COMMAND is for work");
	if (verb == ADD) {
		w->words = cli.operands;
		w->count = (size_t)cli.operand_count;
		if (w->count && w->each_line)
			hf_cli_usage(&cli, "PAYLOAD and --each-line exclude each other");
		return;
	}
	hf_store_cli_end(&cli);
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_store_cli_next(&cli, &w->common, verbs, &arg)) != HF_CLI_END)
		option(w, id, arg);
	set_operands(w);
	w->job.queue = (struct hf_bytes){w->queue ? w->queue : "default", 0};
	w->job.queue.size = strlen(w->job.queue.data);
	if (!w->holder)
		w->holder = hf_store_cli_caller(w->caller);
	w->open = hf_store_cli_options(&cli, &w->common);
	w->open.read = w->common.verb == LIST;
	w->open.existing = w->common.verb != ADD && !w->wait;
}

static enum hf_status add_all(struct work *w, struct hf_store *store,
			      const struct hf_bytes *payloads, size_t count, struct hf_err *err)
{
	int64_t first, last;
	enum hf_status status;

	for (size_t i = 0; i < count && !w->allow_empty; i++) {
		if (payloads[i].size)
			continue;
		hf_fail(err, HF_DATA, "an empty payload");
		hf_advise(err, "use --allow-empty if that is meant");
		return HF_DATA;
	}
	hf_store_wait(store, hf_cli_deadline(&cli, w->common.timeout, 10 * HF_SECOND));
	status = hf_queue_add_all(store, &w->job, w->delay, payloads, count, &first, &last, err);
	for (int64_t id = first; status == HF_OK && id <= last; id++)
		printf("%lld\n", (long long)id);
	return status;
}

static enum hf_status add_words(struct work *w, struct hf_store *store, struct hf_err *err)
{
	struct hf_bytes *payloads = calloc(w->count, sizeof(*payloads));
	enum hf_status status;

	if (!payloads)
		return hf_fail_errno(err, "cannot add to '%s'", w->db);
	for (size_t i = 0; i < w->count; i++)
		payloads[i] = (struct hf_bytes){w->words[i], strlen(w->words[i])};
	status = add_all(w, store, payloads, w->count, err);
	free(payloads);
	return status;
}

/* As they come; each batch is one transaction. Empty lines are left out. */
static enum hf_status add_lines(struct work *w, struct hf_store *store, struct hf_err *err)
{
	struct hf_lines lines = {.in = STDIN_FILENO};
	enum hf_status status;
	struct hf_record record;

	while ((status = hf_lines_next(&lines, &record, err)) == HF_OK) {
		const char *at = record.data, *end = at + record.size, *next;
		struct hf_bytes *payloads = calloc(record.size, sizeof(*payloads));
		size_t count = 0;

		if (!payloads)
			status = hf_fail_errno(err, "cannot add to '%s'", w->db);
		for (; payloads && at < end; at = next + 1) {
			next = memchr(at, '\n', (size_t)(end - at));
			if (next > at || w->allow_empty)
				payloads[count++] = (struct hf_bytes){at, (size_t)(next - at)};
		}
		if (count)
			status = add_all(w, store, payloads, count, err);
		free(payloads);
		fflush(stdout);
		if (status != HF_OK)
			break;
	}
	hf_lines_free(&lines);
	return status == HF_NO ? HF_OK : status;
}

static enum hf_status add(struct work *w, struct hf_store *store, struct hf_err *err)
{
	struct hf_bytes payload;
	enum hf_status status;

	if (w->each_line)
		return add_lines(w, store, err);
	if (w->count)
		return add_words(w, store, err);
	status = hf_store_cli_read(&payload, err);
	if (status == HF_OK)
		status = add_all(w, store, &payload, 1, err);
	free((void *)payload.data);
	return status;
}

static const char *state_name(const struct hf_job *job)
{
	bool due = job->due <= hf_store_now();

	switch (job->state) {
	case HF_JOB_WAITING:
		return due ? "waiting" : "delayed";
	case HF_JOB_CLAIMED:
		return due ? "expired" : "claimed";
	default:
		return "dead";
	}
}

static void show_json(const struct hf_job *job)
{
	struct hf_json json = {.out = stdout};

	hf_json_begin(&json, NULL, '{');
	hf_json_number(&json, "id", job->id);
	hf_store_cli_json_bytes(&json, "queue", "queue_hex", &job->queue);
	hf_json_text(&json, "state", state_name(job));
	hf_json_number(&json, "priority", job->priority);
	hf_json_number(&json, "attempts", job->attempts);
	hf_json_number(&json, "max_attempts", job->most);
	if (job->state == HF_JOB_CLAIMED) {
		hf_json_number(&json, "token", job->token);
		hf_json_text(&json, "holder", job->holder);
	}
	hf_store_cli_json_time(&json, "added", job->added);
	hf_store_cli_json_time(&json, "due", job->due);
	hf_store_cli_json_bytes(&json, "payload", "payload_hex", &job->payload);
	hf_json_end(&json);
}

static enum hf_status show(void *context, const struct hf_job *job, struct hf_err *err)
{
	const struct work *w = context;
	char text[4096], time[32];

	(void)err;
	if (w->common.json) {
		show_json(job);
		return HF_OK;
	}
	hf_escape(text, sizeof(text), job->queue.data);
	printf("%lld\t%s\t%lld\t%lld/%lld\t%s\t%s", (long long)job->id, state_name(job),
	       (long long)job->priority, (long long)job->attempts, (long long)job->most, text,
	       hf_store_cli_time(time, job->due));
	hf_escape(text, sizeof(text), job->holder ? job->holder : "-");
	printf("\t%s\n", text);
	return HF_OK;
}

static enum hf_status claim(struct work *w, struct hf_store *store, struct hf_err *err)
{
	int64_t deadline = hf_deadline_in(w->wait);
	struct hf_job job;
	enum hf_status status;

	do {
		hf_store_wait(store, hf_cli_deadline(&cli, w->common.timeout, 10 * HF_SECOND));
		status = hf_queue_claim(store, &w->job.queue, w->holder, w->common.ttl, &job, err);
	} while (status == HF_NO && w->wait &&
		 (status = hf_queue_wait(store, &w->job.queue, deadline, err)) == HF_OK);
	if (status == HF_NO)
		err->message[0] = '\0'; /* the exit status says it all */
	if (status != HF_OK)
		return status;
	if (w->common.json) {
		show_json(&job);
	} else {
		printf("%lld %lld %lld\n", (long long)job.id, (long long)job.token,
		       (long long)job.attempts);
		fwrite(job.payload.data, 1, job.payload.size, stdout);
	}
	hf_job_free(&job);
	return HF_OK;
}

static enum hf_status purge(struct work *w, struct hf_store *store, struct hf_err *err)
{
	int64_t removed;
	enum hf_status status = hf_queue_purge(store, w->queue ? &w->job.queue : NULL,
					       w->older_than, &removed, err);

	if (status == HF_OK)
		printf("%lld\n", (long long)removed);
	return status;
}

/* How a job has ended that is not done. */
static void tell(void *context, const struct hf_job *job, enum hf_work_end end, int wait_status)
{
	static const char *const then[] = {
		[HF_WORK_FAILED] = "it waits again", [HF_WORK_DEAD] = "it is dead",
		[HF_WORK_LOST] = "its lease was lost", [HF_WORK_ASKED] = "it waits again"};
	long long id = job->id, attempt = job->attempts;

	(void)context;
	if (end == HF_WORK_DONE && cli.verbose)
		hf_cli_notice(&cli, "job %lld is done", id);
	if (end == HF_WORK_DONE || (cli.quiet && end != HF_WORK_LOST))
		return;
	if (WIFSIGNALED(wait_status))
		hf_cli_notice(&cli,
			      "job %lld, attempt %lld: the command died of signal %d (%s): %s", id,
			      attempt, WTERMSIG(wait_status),
			      hf_strsignal(WTERMSIG(wait_status)), then[end]);
	else
		hf_cli_notice(&cli, "job %lld, attempt %lld: the command exited with %d: %s", id,
			      attempt, WEXITSTATUS(wait_status), then[end]);
}

static enum hf_status work(struct work *w, struct hf_store *store, int *asked, struct hf_err *err)
{
	int64_t deadline = hf_cli_deadline(&cli, w->common.timeout, 10 * HF_SECOND);
	struct hf_work worker = {
		.queue = w->job.queue,
		.holder = w->holder,
		.ttl = w->common.ttl,
		.delay = w->delay,
		.timeout = hf_until(deadline),
		.wait = w->wait,
		.command = w->command,
		.tell = tell,
	};
	enum hf_status status = hf_work(store, &worker, err);

	*asked = worker.asked;
	if (status == HF_OK && worker.failed) {
		err->message[0] = '\0';
		return HF_NO;
	}
	return status;
}

static enum hf_status act(struct work *w, struct hf_store *store, int *asked, struct hf_err *err)
{
	switch (w->common.verb) {
	case ADD:
		return add(w, store, err);
	case CLAIM:
		return claim(w, store, err);
	case RENEW:
		return hf_queue_renew(store, w->id, w->token, w->common.ttl, err);
	case DONE:
		return hf_queue_done(store, w->id, w->token, err);
	case RELEASE:
		return hf_queue_release(store, w->id, w->token, w->delay, false, err);
	case RETRY:
		return hf_queue_retry(store, w->id, err);
	case LIST:
		return hf_queue_list(store, w->queue ? &w->job.queue : NULL, show, w, err);
	case PURGE:
		return purge(w, store, err);
	default:
		return work(w, store, asked, err);
	}
}

/* With a store of its own: one of several workers has come out of a fork. */
static int run(void *context)
{
	struct work *w = context;
	struct hf_err err = {0};
	struct hf_store store;
	int asked = 0, result;
	enum hf_status status = hf_store_open(&store, w->db, &w->open, &err);

	if (status == HF_OK) {
		status = act(w, &store, &asked, &err);
		hf_store_close(&store);
	}
	result = hf_store_cli_finish(&cli, status, &err);
	if (asked)
		hf_end_like(asked);
	return result;
}

int main(int argc, char **argv)
{
	struct work w = {.common = {.timeout = -1, .ttl = 60 * HF_SECOND, .verb = -1},
			 .job.most = 5,
			 .jobs = 1};
	struct hf_err err = {0};
	int worst = 0, asked = 0;

	parse(&w, argc, argv);
	if (w.jobs == 1)
		return run(&w);
	if (hf_workers(w.jobs, run, &w, &worst, &asked, &err) != HF_OK)
		return (int)hf_cli_report(&cli, &err);
	if (asked)
		hf_end_like(asked);
	return worst;
}
