/* SPDX-License-Identifier: ISC */
/* lock-acquire: take locks that are kept after this command has ended. */

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "cli/json.h"
#include "keeperd/keeper_start.h"
#include "cli/lock_cli.h"

#define DEFAULT_WAIT (10 * HF_SECOND)

enum { OPT_OWNER = HF_OPT_OWN, OPT_TTL, OPT_JSON };

static const struct hf_opt options[] = {
	{OPT_OWNER, "owner", "PID|none", "give the locks back when this process ends ($$)"},
	{OPT_TTL, "ttl", "DURATION", "give them back after DURATION, unless they are renewed"},
	HF_ROWS_LOCKS,
	HF_ROWS_WAIT("10s"),
	HF_ROW_CONFLICT,
	{OPT_JSON, "json", NULL, "print the handle and what is held as JSON"},
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
	.summary = "Take locks, leave a keeper behind that holds them, and print a handle for\n"
		   "lock-release.",
	.options = options,
	.footer = "A script is its own locks' owner: h=$(lock-acquire --owner $$ LOCK) || exit",
};

/* What the command line says. */
struct work {
	struct hf_lock_cli locks;
	pid_t owner; /* -1: nothing was said of it */
	int64_t ttl;
	bool json;
};

static pid_t get_owner(const char *arg)
{
	if (strcmp(arg, "none") == 0)
		return 0;
	if (!*arg || arg[strspn(arg, "0123456789")])
		hf_cli_usage(&cli, "--owner: '%s' is neither a PID nor none", arg);
	return (pid_t)hf_cli_number(&cli, arg, 1, 4194304);
}

static void check(struct work *w)
{
	if (w->locks.count && cli.operand_count)
		hf_cli_usage(&cli, "a LOCK besides those that options name");
	hf_cli_options_first(&cli, "a LOCK");
	for (int i = 0; i < cli.operand_count; i++)
		hf_lock_cli_add(&w->locks, cli.operands[i]);
	if (!w->locks.count)
		hf_cli_usage(&cli, "no lock named");
	hf_lock_cli_check(&cli, &w->locks);
	if (w->owner < 0)
		hf_cli_usage(&cli, "no --owner: whose end gives the locks back? (--owner $$)");
	if (w->ttl == 0)
		hf_cli_usage(&cli, "--ttl: a time to live of 0 is none");
	if (w->owner == 0 && w->ttl == HF_NEVER)
		hf_cli_usage(&cli, "--owner none needs a --ttl: nobody else would end it");
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	hf_lock_cli_init(&w->locks, argc);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		switch (id) {
		case OPT_OWNER:
			w->owner = get_owner(arg);
			break;
		case OPT_TTL:
			w->ttl = hf_cli_duration(&cli, arg);
			break;
		case OPT_JSON:
			w->json = true;
			break;
		default:
			hf_lock_cli_option(&cli, &w->locks, id, arg);
		}
	}
	check(w);
}

static enum hf_status acquire(void *context, struct hf_lockset *set, const struct hf_wait *wait,
			      struct hf_err *err)
{
	struct work *w = context;

	return hf_lock_cli_acquire(&w->locks, set, wait, err);
}

static enum hf_status print_json(const struct hf_kept *kept, const char *handle,
				 struct hf_err *err)
{
	struct hf_json json = {.out = stdout};
	int64_t end = hf_deadline_in(DEFAULT_WAIT);
	struct hf_keeper_answer state;
	enum hf_status status;
	struct hf_keeper_lock lock;
	size_t at = 0;

	/* it holds, and a busy machine is no reason to give that back */
	do
		status = hf_keeper_ask(kept->handle.pid, &state, err);
	while (status == HF_BUSY && hf_time_left(end) > 0);
	if (status == HF_NO)
		return hf_fail(err, HF_NO, "the keeper, PID %d, was killed",
			       (int)kept->handle.pid);
	if (status != HF_OK)
		return status;
	hf_json_begin(&json, NULL, '{');
	hf_json_text(&json, "handle", handle);
	hf_json_number(&json, "keeper", state.pid);
	if (state.owner)
		hf_json_number(&json, "owner", state.owner);
	else
		hf_json_null(&json, "owner");
	if (state.left != HF_NEVER)
		hf_json_seconds(&json, "ttl", state.left);
	else
		hf_json_null(&json, "ttl");
	hf_json_begin(&json, "locks", '[');
	while (hf_keeper_next(&state, &at, &lock)) {
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

/* A handle that nobody reads would leave the locks to nobody. */
static int hand_out(const struct work *w, struct hf_kept *kept, struct hf_err *err)
{
	char handle[HF_HANDLE_SIZE];
	int status = HF_OK;

	hf_handle_format(handle, &kept->handle);
	if (!w->json)
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
	struct work w = {.owner = -1, .ttl = HF_NEVER};
	struct hf_keeper_plan plan = {.argv = argv, .acquire = acquire, .context = &w};
	struct hf_kept kept;
	struct hf_err err;
	int status;

	parse(&w, argc, argv);
	plan.owner = w.owner;
	plan.ttl = w.ttl;
	plan.wait = hf_cli_wait(&cli, w.locks.timeout, DEFAULT_WAIT);
	if (hf_keeper_start(&plan, &kept, &err) == HF_OK)
		status = hand_out(&w, &kept, &err);
	else
		status = hf_lock_cli_fail(&cli, &w.locks, &err);
	hf_lock_cli_free(&w.locks);
	return status;
}
