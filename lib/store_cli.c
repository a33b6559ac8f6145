/* SPDX-License-Identifier: ISC */
#include "store_cli.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* The verb, where the operands begin; then options again. */
static bool take_verb(struct hf_cli *cli, struct hf_store_cli *s, const char *const *verbs)
{
	if (!verbs || s->verb >= 0)
		return false;
	if (!cli->operand_count)
		hf_cli_usage(cli, "no verb: what is to be done?");
	for (int i = 0; verbs[i]; i++)
		if (strcmp(cli->operands[0], verbs[i]) == 0)
			s->verb = i;
	if (s->verb < 0)
		hf_cli_usage(cli, "'%s' is not a verb", cli->operands[0]);
	hf_cli_again(cli);
	return true;
}

int hf_store_cli_next(struct hf_cli *cli, struct hf_store_cli *s, const char *const *verbs,
		      char **arg)
{
	for (;;) {
		int id = hf_cli_next(cli, arg);

		switch (id) {
		case 'w':
			s->timeout = hf_cli_duration(cli, *arg);
			break;
		case 'n':
			s->timeout = 0;
			break;
		case HF_OPT_TTL:
			s->ttl = hf_cli_duration(cli, *arg);
			if (s->ttl == 0)
				hf_cli_usage(cli, "--ttl: with a TTL of 0 it is over at once");
			break;
		case HF_OPT_BACKOFF:
			s->backoff = *arg;
			break;
		case HF_OPT_JSON:
			s->json = true;
			break;
		case HF_CLI_END:
			if (take_verb(cli, s, verbs))
				break;
			return id;
		default:
			return id;
		}
	}
}

const char *hf_store_cli_operand(struct hf_cli *cli, const char *what)
{
	if (!cli->operand_count)
		hf_cli_usage(cli, "no %s", what);
	if (!cli->operands[0][0])
		hf_cli_usage(cli, "an empty %s: is a variable not set?", what);
	cli->operand_count--;
	return *cli->operands++;
}

void hf_store_cli_end(struct hf_cli *cli)
{
	if (cli->operand_count)
		hf_cli_usage(cli, "'%s' is one too many", cli->operands[0]);
}

static void notice(void *context, const char *line)
{
	hf_cli_notice(context, "%s", line);
}

struct hf_store_options hf_store_cli_options(struct hf_cli *cli, const struct hf_store_cli *s,
					     bool read)
{
	return (struct hf_store_options){
		.read = read,
		.wait = {.deadline = hf_cli_deadline(cli, s->timeout, 10 * HF_SECOND),
			 .notice = hf_cli_notices(cli) ? notice : NULL,
			 .context = cli},
		.backoff = s->backoff,
	};
}

struct hf_bytes *hf_store_cli_keys(struct hf_cli *cli, const char *what, size_t *count,
				   char ***command)
{
	struct hf_bytes *keys = calloc((size_t)cli->operand_count + 1, sizeof(*keys));

	*count = 0;
	*command = NULL;
	if (!keys)
		abort();
	while (cli->operand_count && strcmp(cli->operands[0], "--") != 0) {
		const char *key = hf_store_cli_operand(cli, what);

		keys[(*count)++] = (struct hf_bytes){key, strlen(key)};
	}
	if (!*count)
		hf_cli_usage(cli, "no %s", what);
	if (cli->operand_count)
		*command = hf_cli_command(cli, cli->operands);
	return keys;
}

int hf_store_cli_finish(struct hf_cli *cli, enum hf_status status, const struct hf_err *err)
{
	if (status != HF_OK && status != HF_NO && (status != HF_BUSY || !cli->quiet))
		hf_cli_report(cli, err);
	return hf_cli_finish(cli, (int)status);
}
