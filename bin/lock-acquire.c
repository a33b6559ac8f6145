/* SPDX-License-Identifier: ISC */
/* lock-acquire: take locks that are kept after this command has ended. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/lock_cli.h"
#include "keeperd/keeper_start.h"
#include <holdfast/clock.h>

enum { OPT_OWNER = HF_OPT_OWN };

static struct hf_lock_cli locks;
static pid_t owner = -1; /* 0: none; -1: not given */
static int64_t ttl = HF_NEVER;
static bool as_json;

static void take_owner(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	(void)option;
	if (strcmp(arg, "none") == 0)
		owner = 0;
	else if (!*arg || arg[strspn(arg, "0123456789")])
		hf_cli_usage(cli, "--owner: '%s' is neither a PID nor none", arg);
	else
		owner = (pid_t)hf_cli_number(cli, arg, 1, 4194304);
}

static const struct hf_opt options[] = {
	{OPT_OWNER, "owner", "PID|none", "release the locks when this process exits ($$)",
	 .take = take_owner},
	{HF_OPT_TTL, "ttl", "DURATION", "release them after DURATION, unless renewed",
	 .duration = &ttl, .min = 1},
	HF_ROWS_LOCKS("also exclude all writers", locks),
	HF_ROWS_WAIT("limit waits for locks (default 10s)"),
	HF_ROW_CONFLICT,
	{HF_OPT_JSON, "json", NULL, "print the handle and the locks as JSON", .flag = &as_json},
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] --owner PID|none LOCK…",
	"[options] --owner PID|none --file LOCK…",
	"[options] --owner PID|none --dotlock PATH…",
	NULL,
};

static struct hf_cli cli = {
	.tool = "lock-acquire",
	.synopsis = synopsis,
	.summary =
		"Take locks, start a keeper that holds them, and print a handle for lock-release.",
	.options = options,
	.footer = "A script is its own locks' owner: h=$(lock-acquire --owner $$ LOCK) || exit",
	.quiet_answers = true,
};

static void check(void)
{
	if (locks.count && cli.operand_count)
		hf_cli_usage(&cli, "a LOCK besides those that options name");
	hf_cli_options_first(&cli, "a LOCK");
	for (int i = 0; i < cli.operand_count; i++)
		hf_lock_cli_add(&locks, cli.operands[i]);
	if (!locks.count)
		hf_cli_usage(&cli, "no lock named");
	hf_lock_cli_check(&cli, &locks);
	if (owner < 0)
		hf_cli_usage(&cli, "missing --owner: name the process whose exit releases the "
				   "locks, as in --owner $$");
	if (owner == 0 && ttl == HF_NEVER)
		hf_cli_usage(&cli, "--owner none needs a --ttl: nothing else releases the locks");
}

static enum hf_status acquire(void *context, struct hf_lockset *set, const struct hf_wait *wait,
			      struct hf_err *err)
{
	return hf_lock_cli_acquire(context, set, wait, err);
}

static enum hf_status print_json(const struct hf_kept *kept, const char *handle, struct hf_err *err)
{
	struct hf_json json = {.out = stdout};
	int64_t end = hf_deadline_in(10 * HF_SECOND);
	struct hf_keeper_answer state;
	enum hf_status status;
	struct hf_keeper_lock lock;
	size_t offset = 0;

	/* the keeper holds the locks: it keeps them even if the machine is busy */
	do
		status = hf_keeper_ask(kept->handle.pid, &state, err);
	while (status == HF_BUSY && hf_time_left(end) > 0);
	if (status == HF_NO)
		return hf_fail(err, HF_NO, "the keeper, PID %d, was killed", (int)kept->handle.pid);
	if (status != HF_OK)
		return status;
	hf_json_begin(&json, NULL, '{');
	hf_json_text(&json, "handle", handle);
	hf_json_number(&json, "keeper", state.pid);
	hf_json_positive(&json, "owner", state.owner);
	hf_json_seconds(&json, "ttl", state.left);
	hf_json_begin(&json, "locks", '[');
	while (hf_keeper_next(&state, &offset, &lock)) {
		hf_json_begin(&json, NULL, '{');
		hf_json_text(&json, "kind", lock.kind);
		hf_json_text(&json, "path", lock.path);
		hf_json_text(&json, "mode", lock.exclusive ? "exclusive" : "shared");
		hf_json_end(&json);
	}
	hf_json_end(&json);
	hf_json_end(&json);
	return HF_OK;
}

/* Print the handle. If that fails, release the locks: no process could do it later. */
static int hand_out(struct hf_kept *kept, struct hf_err *err)
{
	char handle[HF_HANDLE_SIZE];
	int status = HF_OK;

	hf_handle_format(handle, &kept->handle);
	if (!as_json)
		printf("%s\n", handle);
	else if (print_json(kept, handle, err) != HF_OK)
		status = (int)hf_cli_report(&cli, err);
	status = hf_cli_finish(&cli, status);
	if (status != HF_OK) {
		hf_keeper_abandon(kept);
		return status;
	}
	if (hf_keeper_leave(kept, err) != HF_OK)
		return (int)hf_cli_report(&cli, err);
	return HF_OK;
}

int main(int argc, char **argv)
{
	struct hf_keeper_plan plan = {.argv = argv, .acquire = acquire, .context = &locks};
	struct hf_kept kept;
	struct hf_err err;
	int status;

	hf_lock_cli_init(&locks, argc);
	hf_cli_parse(&cli, argc, argv);
	check();
	plan.owner = owner;
	plan.ttl = ttl;
	plan.wait = hf_cli_wait(&cli);
	if (hf_keeper_start(&plan, &kept, &err) == HF_OK)
		status = hand_out(&kept, &err);
	else
		status = hf_cli_end(&cli, err.status, &err);
	hf_lock_cli_free(&locks);
	return status;
}
