/* SPDX-License-Identifier: ISC */
/* lock-retry: run a command again, for as long as it says that it is busy. */

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "cli/cli.h"
#include "cli/stdin_replay.h"
#include <holdfast/clock.h>

enum { OPT_ON = HF_OPT_OWN, OPT_TRIES, STATUSES = 256 };

static bool busy_statuses[STATUSES] = {[HF_BUSY] = true};
static int64_t max_tries; /* 0: no limit */
static const char *backoff_text;
static char **command;
static const char *name; /* for messages: COMMAND's first word, or STRING */

static void take_statuses(struct hf_cli *cli, const struct hf_opt *option, char *list)
{
	(void)option;
	memset(busy_statuses, 0, sizeof(busy_statuses));
	for (char *next; (next = strsep(&list, ","));)
		busy_statuses[hf_cli_number(cli, next, 0, STATUSES - 1)] = true;
}

static const struct hf_opt options[] = {
	{OPT_ON, "on", "LIST", "retry on these statuses, as 5,75 (default 75)",
	 .take = take_statuses},
	{OPT_TRIES, "tries", "N", "run COMMAND at most N times", .number = &max_tries, .min = 1,
	 .max = 1000000000},
	HF_ROW_TIMEOUT("start no try after DURATION (default 10s)"),
	HF_ROW_ALIAS('w', "wait"),
	HF_ROW_BACKOFF("1ms,100ms", backoff_text),
	HF_ROW_COMMAND(command),
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
	.summary = "Run COMMAND again while it exits with 75, after growing random pauses.",
	.options = options,
	.footer = "Every try reads standard input from its start. The exit status is that of the\n"
		  "last try.",
};

static bool is_busy(int wait_status)
{
	return WIFEXITED(wait_status) && busy_statuses[WEXITSTATUS(wait_status)];
}

/* Run the command once. If it was asked to end and exits as busy all the same, *wait_status is that
 * signal. */
static enum hf_status run(struct hf_stdin_replay *input, int *wait_status, struct hf_err *err)
{
	struct hf_command request = {.argv = command, .out = -1};
	struct hf_child child;
	enum hf_status status = hf_stdin_replay_begin(input, &request.in, err);

	if (status == HF_OK)
		status = hf_spawn(&child, &request, err);
	if (status == HF_OK) {
		hf_stdin_replay_started(input);
		status = hf_supervise(&child, input->io, err);
		*wait_status = child.wait_status;
		if (child.asked && is_busy(child.wait_status))
			*wait_status = child.asked;
	}
	hf_stdin_replay_end(input);
	return status;
}

static void report_give_up(long tries, int64_t start, int wait_status)
{
	int64_t took = hf_now() - start, unit = took < HF_SECOND ? HF_MS : HF_SECOND / 10;
	char duration[32];

	hf_cli_notice(&cli, "gave up after %ld %s in %s: '%s' exits %d", tries,
		      tries == 1 ? "try" : "tries",
		      hf_format_duration(duration, sizeof(duration), took / unit * unit), name,
		      WEXITSTATUS(wait_status));
}

/* HF_OK: *wait_status is the last try's. */
static enum hf_status retry(struct hf_stdin_replay *input, int *wait_status, struct hf_err *err)
{
	int64_t start = hf_now();
	struct hf_backoff backoff;
	enum hf_status status =
		hf_backoff_init(&backoff, backoff_text, hf_deadline_in(hf_cli_limit(&cli)), err);

	for (long tries = 1; status == HF_OK; tries++) {
		status = run(input, wait_status, err);
		if (status != HF_OK || !is_busy(*wait_status))
			break;
		if (!input->can_again)
			hf_cli_notice(&cli, "standard input cannot be kept for another try");
		if (!input->can_again || tries == max_tries || !hf_backoff_sleep(&backoff)) {
			report_give_up(tries, start, *wait_status);
			break;
		}
		if (cli.verbose)
			hf_cli_notice(&cli, "'%s' exits %d: trying again", name,
				      WEXITSTATUS(*wait_status));
	}
	return status;
}

int main(int argc, char **argv)
{
	struct hf_stdin_replay input;
	enum hf_status status;
	int wait_status = 0;
	struct hf_err err;

	hf_cli_parse(&cli, argc, argv);
	name = command ? command[2] : NULL;
	hf_cli_command(&cli, cli.operands, true, &command);
	name = name ? name : command[0];
	hf_stdin_replay_open(&input, STDIN_FILENO);
	status = retry(&input, &wait_status, &err);
	hf_stdin_replay_close(&input);
	if (status != HF_OK)
		return hf_cli_report(&cli, &err);
	hf_exit_as(wait_status);
}
