/* SPDX-License-Identifier: ISC */
/* sqlite-lease: locks with a name and an end, in a database. */

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "cli/store_cli.h"
#include "store/lease.h"
#include <holdfast/clock.h>

enum { OPT_HOLDER = HF_OPT_OWN, OPT_TOKEN, OPT_WAIT };
enum { ACQUIRE, RENEW, RELEASE, LIST };

static const char *const verbs[] = {"acquire", "renew", "release", "list", NULL};

static struct hf_lease_proof proof;
static int64_t ttl = 60 * HF_SECOND, wait = -1; /* -1: as --timeout */
static const char *backoff;
static bool as_json;
static struct hf_bytes *names;
static size_t name_count;

static const struct hf_opt options[] = {
	HF_ROW_TTL("end the lease after DURATION (default 1m)", ttl),
	{OPT_HOLDER, "as", "HOLDER", "use this name (default for acquire: HOST:PID)",
	 .text = &proof.holder},
	HF_ROW_ALIAS(OPT_HOLDER, "holder"),
	{OPT_TOKEN, "token", "N", "prove the lease by the token of acquire", .number = &proof.token,
	 .min = 1, .max = LONG_MAX},
	HF_ROW_JSON(as_json),
	{OPT_WAIT, "wait", "DURATION", "for acquire: limit the wait (default: as -w)",
	 .duration = &wait},
	HF_ROWS_WAIT_DB,
	HF_ROW_BACKOFF("1ms,20ms", backoff),
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] acquire|renew|release|list DB [NAME…]",
	NULL,
};

static struct hf_cli cli = {
	.tool = "sqlite-lease",
	.synopsis = synopsis,
	.summary = "Lease names in the database DB: each NAME has one holder, until it expires.",
	.options = options,
	.footer = "acquire takes all of the names or none, and prints the fencing token.\n"
		  "renew and release need --token or --as, and exit with 1 if the lease is lost.",
	.quiet_answers = true,
};

static void set_operands(int verb)
{
	if (verb != LIST)
		names = hf_store_cli_keys(&cli, "NAME", &name_count);
	hf_cli_last_operand(&cli);
	if (verb == ACQUIRE && proof.token)
		hf_cli_usage(&cli, "--token is what acquire prints");
	if ((verb == RENEW || verb == RELEASE) && !proof.token && !proof.holder)
		hf_cli_usage(&cli, "neither --token nor --as says whose lease it is");
}

static enum hf_status acquire(struct hf_store *store, struct hf_err *err)
{
	char holder[HF_STORE_CALLER_SIZE];
	int64_t token;
	enum hf_status status = hf_lease_acquire(
		store, names, name_count, proof.holder ? proof.holder : hf_store_cli_caller(holder),
		ttl, wait < 0 ? store->wait.deadline : hf_deadline_in(wait), &token, err);

	if (status != HF_OK)
		return status;
	signal(SIGPIPE, SIG_IGN);
	printf("%lld\n", (long long)token);
	if (hf_cli_flush(err) == HF_OK)
		return HF_OK;
	/* no process knows its token */
	hf_store_wait(store, hf_cli_limit(&cli));
	if (hf_lease_release(store, names, name_count, &(struct hf_lease_proof){.token = token},
			     NULL) == HF_OK) {
		hf_advise(err, "nothing is held");
		return HF_IO;
	}
	hf_advise(err, "the names are held, with token %lld, until the lease expires",
		  (long long)token);
	return err->status = HF_UNCERTAIN;
}

static enum hf_status show(void *context, const struct hf_lease *lease, struct hf_err *err)
{
	struct hf_json json = {.out = stdout};
	char text[4096], time[32];

	(void)context;
	(void)err;
	if (!as_json) {
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
	struct hf_store_options o = {.read = false};
	struct hf_err err = {0};
	struct hf_store store;
	enum hf_status status;
	const char *db;
	int verb;

	hf_cli_parse(&cli, argc, argv);
	verb = hf_cli_verb(&cli, verbs);
	db = hf_cli_operand(&cli, "DB");
	set_operands(verb);
	o.wait = hf_cli_wait(&cli);
	o.backoff = backoff;
	o.read = verb == LIST;
	o.existing = verb != ACQUIRE;
	status = hf_store_open(&store, db, &o, &err);
	if (status == HF_OK && verb == ACQUIRE)
		status = acquire(&store, &err);
	else if (status == HF_OK && verb == RENEW)
		status = hf_lease_renew(&store, names, name_count, &proof, ttl, &err);
	else if (status == HF_OK && verb == RELEASE)
		status = hf_lease_release(&store, names, name_count, &proof, &err);
	else if (status == HF_OK)
		status = hf_lease_list(&store, show, NULL, &err);
	hf_store_close(&store);
	return hf_cli_end(&cli, status, &err);
}
