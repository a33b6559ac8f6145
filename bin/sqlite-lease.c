/* SPDX-License-Identifier: ISC */
/* sqlite-lease: locks with a name and an end, in a database. */

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "cli/json.h"
#include "store/lease.h"
#include "cli/store_cli.h"

enum { OPT_AS = HF_OPT_OWN, OPT_TOKEN, OPT_WAIT };
enum { ACQUIRE, RENEW, RELEASE, LIST };

static const char *const verbs[] = {"acquire", "renew", "release", "list", NULL};

static const struct hf_opt options[] = {
	{HF_OPT_TTL, "ttl", "DURATION", "the lease ends after DURATION (default 1m)"},
	{OPT_AS, "as", "HOLDER", "the holder's name (of acquire: default HOST:PID of the caller)"},
	{OPT_TOKEN, "token", "N", "the fencing token that acquire has printed"},
	HF_ROW_JSON,
	{OPT_WAIT, "wait", "DURATION", "of acquire: wait so long for the names (default: as -w)"},
	{'w', "timeout", "DURATION", "wait at most DURATION for the database (default 10s)"},
	{'n', "nonblock", NULL, "do not wait"},
	HF_ROW_BACKOFF,
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] acquire|renew|release|list DB [NAME…]",
	NULL,
};

static struct hf_cli cli = {
	.tool = "sqlite-lease",
	.synopsis = synopsis,
	.summary = "Leases in the database DB: each NAME is one holder's, until it runs out.",
	.options = options,
	.footer = "acquire takes all of the names or none, and prints the fencing token.\n"
		  "renew and release want --token, or --as, and exit with 1 if it is lost.",
};

/* What the command line says. */
struct work {
	struct hf_store_cli common;
	struct hf_lease_proof proof;
	int64_t wait; /* -1: as --timeout */
	const char *db;
	struct hf_bytes *names;
	size_t count;
};

static void parse(struct work *w, int argc, char **argv)
{
	char *arg, **command;
	int id;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_store_cli_next(&cli, &w->common, verbs, &arg)) != HF_CLI_END) {
		if (id == OPT_AS)
			w->proof.holder = arg;
		else if (id == OPT_TOKEN)
			w->proof.token = hf_cli_number(&cli, arg, 1, LONG_MAX);
		else if (id == OPT_WAIT)
			w->wait = hf_cli_duration(&cli, arg);
	}
	w->db = hf_store_cli_operand(&cli, "DB");
	if (w->common.verb == LIST) {
		hf_store_cli_end(&cli);
		return;
	}
	w->names = hf_store_cli_keys(&cli, "NAME", &w->count, &command);
	if (command)
		hf_cli_usage(&cli, "'--' is one too many");
	if (w->common.verb == ACQUIRE && w->proof.token)
		hf_cli_usage(&cli, "--token is what acquire prints");
	if (w->common.verb != ACQUIRE && !w->proof.token && !w->proof.holder)
		hf_cli_usage(&cli, "neither --token nor --as says whose lease it is");
}

static enum hf_status acquire(struct work *w, struct hf_store *store, struct hf_err *err)
{
	char holder[HF_STORE_CALLER_SIZE];
	int64_t token;
	enum hf_status status = hf_lease_acquire(
		store, w->names, w->count,
		w->proof.holder ? w->proof.holder : hf_store_cli_caller(holder), w->common.ttl,
		w->wait < 0 ? store->wait.deadline : hf_deadline_in(w->wait), &token, err);

	if (status != HF_OK)
		return status;
	signal(SIGPIPE, SIG_IGN);
	printf("%lld\n", (long long)token);
	if (hf_cli_flush(err) == HF_OK)
		return HF_OK;
	/* without its token it is nobody's */
	hf_store_wait(store, hf_cli_limit(&cli, w->common.timeout, 10 * HF_SECOND));
	if (hf_lease_release(store, w->names, w->count, &(struct hf_lease_proof){.token = token},
			     NULL) == HF_OK) {
		hf_advise(err, "nothing is held");
		return HF_IO;
	}
	hf_advise(err, "the names are held, with token %lld, until the lease runs out",
		  (long long)token);
	return err->status = HF_UNCERTAIN;
}

static enum hf_status show(void *context, const struct hf_lease *lease, struct hf_err *err)
{
	const struct work *w = context;
	struct hf_json json = {.out = stdout};
	char text[4096], time[32];

	(void)err;
	if (!w->common.json) {
		hf_escape(text, sizeof(text), lease->name.data);
		printf("%s\t", text);
		hf_escape(text, sizeof(text), lease->holder);
		printf("%s\t%lld\t%s\n", text, (long long)lease->token,
		       hf_store_cli_time(time, lease->expires));
		return HF_OK;
	}
	hf_json_begin(&json, NULL, '{');
	hf_json_text(&json, "name", lease->name.data);
	hf_json_text(&json, "holder", lease->holder);
	hf_json_number(&json, "token", lease->token);
	hf_store_cli_json_time(&json, "acquired", lease->acquired);
	hf_store_cli_json_time(&json, "expires", lease->expires);
	hf_json_end(&json);
	return HF_OK;
}

int main(int argc, char **argv)
{
	struct work w = {.common = {.timeout = -1, .ttl = 60 * HF_SECOND, .verb = -1}, .wait = -1};
	struct hf_err err = {0};
	struct hf_store_options o;
	struct hf_store store;
	enum hf_status status;

	parse(&w, argc, argv);
	o = hf_store_cli_options(&cli, &w.common);
	o.read = w.common.verb == LIST;
	o.existing = w.common.verb != ACQUIRE;
	status = hf_store_open(&store, w.db, &o, &err);
	if (status == HF_OK && w.common.verb == ACQUIRE)
		status = acquire(&w, &store, &err);
	else if (status == HF_OK && w.common.verb == RENEW)
		status = hf_lease_renew(&store, w.names, w.count, &w.proof, w.common.ttl, &err);
	else if (status == HF_OK && w.common.verb == RELEASE)
		status = hf_lease_release(&store, w.names, w.count, &w.proof, &err);
	else if (status == HF_OK)
		status = hf_lease_list(&store, show, &w, &err);
	hf_store_close(&store);
	return hf_store_cli_finish(&cli, status, &err);
}
