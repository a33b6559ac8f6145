/* SPDX-License-Identifier: ISC */
#ifndef HF_QUEUE_CLI_H
#define HF_QUEUE_CLI_H

/*
 * The subcommands of sqlite-queue: jobs come from arguments, lines or standard input, and are
 * printed as text or JSON.
 *
 *	add	print the number of each job
 *	claim	print number, token and attempt on a line, then the payload
 *	list	print a line for each job: number, state, priority, attempts, queue, due, holder
 *	purge	print how many were removed
 *	work	report on standard error how each job ended that is not done; with -v every job
 *
 * Lines are added as they come, those that are available together in one transaction: a printed
 * number belongs to a committed job. Each wait for the database has its own deadline, which does
 * not include waits for input or a job.
 *
 * Errors: those of store/queue.h and store/worker.h; HF_DATA: an empty payload without
 * --allow-empty. A result that the exit status expresses has no message. Prints. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli/store_cli.h"
#include "store/queue.h"

/* The command line. */
struct hf_queue_cli {
	struct hf_cli *cli;
	const char *queue; /* of --queue, or NULL */
	struct hf_job job; /* the job to add; its queue is that of every subcommand */
	int64_t ttl, delay, wait, older_than;
	bool each_line, allow_empty, json;
	const char *backoff, *holder;
	char caller[HF_STORE_CALLER_SIZE];
	int64_t token, id, jobs;
	struct hf_store_options open;
	const char *db;
	char **words; /* payloads; if there are none, and without each_line, standard input is
		       * one */
	size_t count;
	char **command;
};

enum hf_status hf_queue_cli_add(struct hf_queue_cli *q, struct hf_store *store, struct hf_err *err);

/* HF_NO: there is no job, even after the wait. */
enum hf_status hf_queue_cli_claim(struct hf_queue_cli *q, struct hf_store *store,
				  struct hf_err *err);

/* List the jobs of one queue, or of all if none is named. */
enum hf_status hf_queue_cli_list(struct hf_queue_cli *q, struct hf_store *store,
				 struct hf_err *err);
enum hf_status hf_queue_cli_purge(struct hf_queue_cli *q, struct hf_store *store,
				  struct hf_err *err);

/* HF_NO: a job has failed. *asked: the signal that asked this process to end, or 0. */
enum hf_status hf_queue_cli_work(struct hf_queue_cli *q, struct hf_store *store, int *asked,
				 struct hf_err *err);

#endif
