/* SPDX-License-Identifier: ISC */
#ifndef HF_QUEUE_CLI_H
#define HF_QUEUE_CLI_H

/*
 * A queue on the command line: jobs come from words, from lines or from standard input, and are
 * shown as text or as JSON.
 *
 *	add	prints the number of each job
 *	claim	prints number, token and attempt on a line, and then the payload as it is
 *	list	prints a line a job: number, state, priority, attempts, queue, due, holder
 *	purge	prints how many are gone
 *	work	says on standard error how a job has ended that is not done; with -v, of each
 *
 * Lines are added as they come, those that are there at once as one transaction: a number that is
 * printed is that of a job that is committed. A wait for the database has a deadline of its own
 * each time, which does not run while input or a job is waited for.
 *
 * The tools' own, like cli/cli.h: it prints. Errors: of store/queue.h and store/worker.h; HF_DATA:
 * an empty payload that is not meant. "No" is without a message where the exit status says it all.
 * Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "store/queue.h"
#include "cli/store_cli.h"

/* What the command line says. */
struct hf_queue_cli {
	struct hf_cli *cli;
	struct hf_store_cli common;
	struct hf_store_options open;
	const char *queue; /* of --queue, or NULL */
	struct hf_job job; /* what is to be added; its queue is that of every verb */
	int64_t delay, wait, older_than;
	bool each_line, allow_empty;
	const char *holder;
	char caller[HF_STORE_CALLER_SIZE];
	int64_t token, id;
	int jobs; /* workers */
	const char *db;
	char **words; /* payloads; without any, and without each_line: standard input is one */
	size_t count;
	char **command;
};

enum hf_status hf_queue_cli_add(struct hf_queue_cli *q, struct hf_store *store, struct hf_err *err);

/* HF_NO: there is no job, even after the wait for one. */
enum hf_status hf_queue_cli_claim(struct hf_queue_cli *q, struct hf_store *store,
				  struct hf_err *err);

/* Of one queue, or of all if none is named. */
enum hf_status hf_queue_cli_list(struct hf_queue_cli *q, struct hf_store *store,
				 struct hf_err *err);
enum hf_status hf_queue_cli_purge(struct hf_queue_cli *q, struct hf_store *store,
				  struct hf_err *err);

/* HF_NO: a job has failed. *asked: the signal by which this process was asked to end, or 0. */
enum hf_status hf_queue_cli_work(struct hf_queue_cli *q, struct hf_store *store, int *asked,
				 struct hf_err *err);

#endif
