/* SPDX-License-Identifier: ISC */
#include "cli/queue_cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/strerror.h"
#include "store/worker.h"
#include <holdfast/clock.h>
#include <holdfast/input.h>

static enum hf_status add_all(struct hf_queue_cli *q, struct hf_store *store,
			      const struct hf_bytes *payloads, size_t count, struct hf_err *err)
{
	int64_t first, last;
	enum hf_status status;

	for (size_t i = 0; i < count && !q->allow_empty; i++) {
		if (payloads[i].size)
			continue;
		hf_fail(err, HF_DATA, "the payload is empty");
		hf_advise(err, "use --allow-empty to accept it");
		return HF_DATA;
	}
	hf_store_wait(store, hf_cli_limit(q->cli));
	status = hf_queue_add(store, &q->job, q->delay, payloads, count, &first, &last, err);
	if (status != HF_OK)
		return status;
	for (int64_t id = first; id <= last; id++)
		printf("%lld\n", (long long)id);
	if (hf_cli_flush(err) == HF_OK)
		return HF_OK;
	hf_advise(err, "the jobs are added; only their numbers are lost");
	return err->status = HF_UNCERTAIN;
}

static enum hf_status add_words(struct hf_queue_cli *q, struct hf_store *store, struct hf_err *err)
{
	struct hf_bytes *payloads = calloc(q->count, sizeof(*payloads));
	enum hf_status status;

	if (!payloads)
		return hf_fail_errno(err, "cannot add to '%s'", q->db);
	for (size_t i = 0; i < q->count; i++)
		payloads[i] = (struct hf_bytes){q->words[i], strlen(q->words[i])};
	status = add_all(q, store, payloads, q->count, err);
	free(payloads);
	return status;
}

/* The jobs so far are added and stay. HF_BUSY would mean that nothing was done, and a retry
 * with all lines would add them twice. */
static enum hf_status fail_after(size_t done, enum hf_status status, struct hf_err *err)
{
	if (!done || status == HF_UNCERTAIN)
		return status;
	hf_advise(err, "the first %zu jobs are added, and no others", done);
	if (status == HF_BUSY)
		status = err->status = HF_UNCERTAIN;
	return status;
}

/* Add the lines as they come, each batch in one transaction. Empty lines are left out. */
static enum hf_status add_lines(struct hf_queue_cli *q, struct hf_store *store, struct hf_err *err)
{
	struct hf_lines lines = {.in = STDIN_FILENO};
	enum hf_status status;
	struct hf_append_record record;
	size_t done = 0;

	while ((status = hf_lines_next(&lines, &record, err)) == HF_OK) {
		const char *at = record.data, *end = at + record.size, *next;
		struct hf_bytes *payloads = calloc(record.size, sizeof(*payloads));
		size_t count = 0;

		if (!payloads)
			status = hf_fail_errno(err, "cannot add to '%s'", q->db);
		for (; payloads && at < end; at = next + 1) {
			next = memchr(at, '\n', (size_t)(end - at));
			if (next > at || q->allow_empty)
				payloads[count++] = (struct hf_bytes){at, (size_t)(next - at)};
		}
		if (count)
			status = add_all(q, store, payloads, count, err);
		free(payloads);
		if (status != HF_OK)
			break;
		done += count;
	}
	hf_lines_free(&lines);
	return status == HF_NO ? HF_OK : fail_after(done, status, err);
}

enum hf_status hf_queue_cli_add(struct hf_queue_cli *q, struct hf_store *store, struct hf_err *err)
{
	struct hf_bytes payload;
	enum hf_status status;
	void *data;

	if (q->each_line)
		return add_lines(q, store, err);
	if (q->count)
		return add_words(q, store, err);
	status = hf_read_all(STDIN_FILENO, SSIZE_MAX, &data, &payload.size, NULL, err);
	payload.data = data;
	if (status == HF_OK)
		status = add_all(q, store, &payload, 1, err);
	free(data);
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

static enum hf_status show_job(void *context, const struct hf_job *job, struct hf_err *err)
{
	const struct hf_queue_cli *q = context;
	char text[4096], time[32];

	(void)err;
	if (q->json) {
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

enum hf_status hf_queue_cli_list(struct hf_queue_cli *q, struct hf_store *store, struct hf_err *err)
{
	return hf_queue_list(store, q->queue ? &q->job.queue : NULL, show_job, q, err);
}

/* Release the job, since its number could not be printed. */
static enum hf_status release_unprinted(struct hf_queue_cli *q, struct hf_store *store,
					const struct hf_job *job, struct hf_err *err)
{
	hf_store_wait(store, hf_cli_limit(q->cli));
	if (hf_queue_release(store, job->id, job->token, 0, true, NULL) == HF_OK) {
		hf_advise(err, "job %lld waits again", (long long)job->id);
		return HF_IO;
	}
	hf_advise(err, "job %lld is claimed, with token %lld, until its lease expires",
		  (long long)job->id, (long long)job->token);
	return err->status = HF_UNCERTAIN;
}

enum hf_status hf_queue_cli_claim(struct hf_queue_cli *q, struct hf_store *store,
				  struct hf_err *err)
{
	int64_t deadline = hf_deadline_in(q->wait);
	struct hf_job job;
	enum hf_status status;

	do {
		hf_store_wait(store, hf_cli_limit(q->cli));
		status = hf_queue_claim(store, &q->job.queue, q->holder, q->ttl, &job, err);
	} while (status == HF_NO && q->wait &&
		 (status = hf_queue_wait(store, &q->job.queue, deadline, err)) == HF_OK);
	if (status == HF_NO)
		err->message[0] = '\0'; /* the exit status suffices */
	if (status != HF_OK)
		return status;
	if (q->json) {
		show_json(&job);
	} else {
		printf("%lld %lld %lld\n", (long long)job.id, (long long)job.token,
		       (long long)job.attempts);
		fwrite(job.payload.data, 1, job.payload.size, stdout);
	}
	status = hf_cli_flush(err);
	if (status != HF_OK)
		status = release_unprinted(q, store, &job, err);
	hf_job_free(&job);
	return status;
}

enum hf_status hf_queue_cli_purge(struct hf_queue_cli *q, struct hf_store *store,
				  struct hf_err *err)
{
	int64_t removed;
	enum hf_status status = hf_queue_purge(store, q->queue ? &q->job.queue : NULL,
					       q->older_than, &removed, err);

	if (status == HF_OK)
		printf("%lld\n", (long long)removed);
	return status;
}

/* Report how a job has ended that is not done. */
static void report_end(void *context, const struct hf_job *job, enum hf_worker_result end,
		       int wait_status)
{
	static const char *const then[] = {[HF_WORK_FAILED] = "it waits again",
					   [HF_WORK_DEAD] = "it is dead",
					   [HF_WORK_LOST] = "its lease was lost",
					   [HF_WORK_ASKED] = "it waits again"};
	long long id = job->id, attempt = job->attempts;
	const struct hf_cli *cli = context;

	if (end == HF_WORK_DONE && cli->verbose)
		hf_cli_notice(cli, "job %lld is done", id);
	if (end == HF_WORK_DONE || (cli->quiet && end != HF_WORK_LOST))
		return;
	if (WIFSIGNALED(wait_status))
		hf_cli_notice(cli, "job %lld, attempt %lld: the command died of signal %d (%s): %s",
			      id, attempt, WTERMSIG(wait_status),
			      hf_strsignal(WTERMSIG(wait_status)), then[end]);
	else
		hf_cli_notice(cli, "job %lld, attempt %lld: the command exited with %d: %s", id,
			      attempt, WEXITSTATUS(wait_status), then[end]);
}

enum hf_status hf_queue_cli_work(struct hf_queue_cli *q, struct hf_store *store, int *asked,
				 struct hf_err *err)
{
	struct hf_work worker = {
		.queue = q->job.queue,
		.holder = q->holder,
		.ttl = q->ttl,
		.delay = q->delay,
		.timeout = hf_cli_limit(q->cli),
		.wait = q->wait,
		.command = q->command,
		.tell = report_end,
		.context = q->cli,
	};
	enum hf_status status = hf_work(store, &worker, err);

	*asked = worker.asked;
	if (status == HF_OK && worker.failed) {
		err->message[0] = '\0';
		return HF_NO;
	}
	return status;
}
