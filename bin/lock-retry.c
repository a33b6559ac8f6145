/* SPDX-License-Identifier: ISC */
/* lock-retry: run a command again, for as long as it says that it is busy. */

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "cli/stdin_replay.h"
#include "base/spawn.h"

enum { OPT_ON = HF_OPT_OWN, OPT_TRIES, STATUSES = 256 };

static const struct hf_opt options[] = {
	{OPT_ON, "on", "LIST", "exit statuses that mean busy, as 5,75 (default 75)"},
	{OPT_TRIES, "tries", "N", "run COMMAND N times at most"},
	{'w', "timeout", "DURATION",
	 "begin no new try after DURATION (default 10s); never limits COMMAND"},
	{'w', "wait", "DURATION", NULL},
	{HF_OPT_BACKOFF, "backoff", "BASE,CAP",
	 "the sleeps' upper limit doubles from BASE to CAP (default 1ms,100ms)"},
	HF_ROW_COMMAND,
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] COMMAND…",
	"[options] -c STRING",
	NULL,
};

static struct hf_cli cli = {
	.tool = "lock-retry",
	.synopsis = synopsis,
	.summary = "Run COMMAND again while it exits with 75, with growing random sleeps between.",
	.options = options,
	.footer = "Every try gets standard input from its start. COMMAND's own exit status is\n"
		  "returned, the last one's when the tries are over.",
};

/* What the command line says. */
struct work {
	bool on[STATUSES];
	long tries; /* 0: any number */
	int64_t timeout;
	const char *backoff;
	char **command;
	const char *name; /* for messages: COMMAND's first word, or STRING */
};

static void set_statuses(bool on[STATUSES], char *list)
{
	memset(on, 0, STATUSES * sizeof(*on));
	for (char *next; (next = strsep(&list, ","));)
		on[hf_cli_number(&cli, next, 0, STATUSES - 1)] = true;
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		switch (id) {
		case OPT_ON:
			set_statuses(w->on, arg);
			break;
		case OPT_TRIES:
			w->tries = hf_cli_number(&cli, arg, 1, 1000000000);
			break;
		case 'w':
			w->timeout = hf_cli_duration(&cli, arg);
			break;
		case HF_OPT_BACKOFF:
			w->backoff = arg;
			break;
		case 'c':
			w->command = hf_cli_shell(arg);
			w->name = arg;
			break;
		}
	}
	if (w->command && cli.operand_count)
		hf_cli_usage(&cli, "a COMMAND besides --command");
	if (!w->command)
		w->command = hf_cli_command(&cli, cli.operands);
	if (!w->command)
		hf_cli_usage(&cli, "no COMMAND");
	if (!w->name)
		w->name = w->command[0];
}

static bool is_busy(const struct work *w, int wait_status)
{
	return WIFEXITED(wait_status) && w->on[WEXITSTATUS(wait_status)];
}

/* If it was asked to end and says that it is busy all the same, the retrying ends as asked. */
static enum hf_status run(const struct work *w, struct hf_stdin_replay *input, int *wait_status,
			  struct hf_err *err)
{
	struct hf_command command = {.argv = w->command, .out = -1};
	struct hf_child child;
	enum hf_status status = hf_stdin_replay_begin(input, &command.in, err);

	if (status == HF_OK)
		status = hf_spawn(&child, &command, err);
	if (status == HF_OK) {
		hf_stdin_replay_started(input);
		status = hf_supervise(&child, input->io, err);
		*wait_status = child.wait_status;
		if (child.asked && is_busy(w, child.wait_status))
			*wait_status = child.asked;
	}
	hf_stdin_replay_end(input);
	return status;
}

static void give_up(const struct work *w, long tries, int64_t start, int wait_status)
{
	int64_t took = hf_now() - start, unit = took < HF_SECOND ? HF_MS : HF_SECOND / 10;
	char duration[32];

	hf_cli_notice(&cli, "gave up after %ld %s in %s: '%s' exits %d", tries,
		      tries == 1 ? "try" : "tries",
		      hf_format_duration(duration, sizeof(duration), took / unit * unit), w->name,
		      WEXITSTATUS(wait_status));
}

/* HF_OK: *wait_status is the last try's. */
static enum hf_status retry(const struct work *w, struct hf_stdin_replay *input, int *wait_status,
			    struct hf_err *err)
{
	int64_t start = hf_now();
	struct hf_backoff backoff;
	enum hf_status status = hf_backoff_init(
		&backoff, w->backoff, hf_cli_deadline(&cli, w->timeout, 10 * HF_SECOND), err);

	for (long tries = 1; status == HF_OK; tries++) {
		status = run(w, input, wait_status, err);
		if (status != HF_OK || !is_busy(w, *wait_status))
			break;
		if (!input->can_again)
			hf_cli_notice(&cli, "standard input cannot be kept for another try");
		if (!input->can_again || tries == w->tries || !hf_backoff_sleep(&backoff)) {
			give_up(w, tries, start, *wait_status);
			break;
		}
		if (cli.verbose)
			hf_cli_notice(&cli, "'%s' exits %d: trying again", w->name,
				      WEXITSTATUS(*wait_status));
	}
	return status;
}

int main(int argc, char **argv)
{
	struct work w = {.on[HF_BUSY] = true, .timeout = -1};
	struct hf_stdin_replay input;
	enum hf_status status;
	int wait_status = 0;
	struct hf_err err;

	parse(&w, argc, argv);
	hf_stdin_replay_open(&input, STDIN_FILENO);
	status = retry(&w, &input, &wait_status, &err);
	hf_stdin_replay_close(&input);
	if (status != HF_OK)
		return hf_cli_report(&cli, &err);
	hf_exit_as(wait_status);
}
