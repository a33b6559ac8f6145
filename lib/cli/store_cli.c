/* SPDX-License-Identifier: ISC */
#include "cli/store_cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <holdfast/clock.h>
#include "base/sys.h"

/* Take the subcommand where the operands begin; then options continue. */
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
	hf_cli_resume(cli);
	return true;
}

int hf_store_cli_next(struct hf_cli *cli, struct hf_store_cli *s, const char *const *verbs,
		      char **arg)
{
	for (;;) {
		int id = hf_cli_next(cli, arg);

		if (hf_cli_wait_option(cli, id, *arg, &s->timeout))
			continue;
		switch (id) {
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
		hf_cli_usage(cli, "an empty %s: check whether a variable is unset", what);
	cli->operand_count--;
	return *cli->operands++;
}

void hf_store_cli_look(const struct hf_cli *cli, const char *what)
{
	/* before DB, which has been taken */
	bool ended = strcmp(cli->operands[-2], "--") == 0;

	for (int i = 0; i < cli->operand_count && !ended && !cli->quiet; i++) {
		const char *word = cli->operands[i];

		ended = strcmp(word, "--") == 0;
		if (hf_cli_is_long_option(cli, word))
			hf_cli_notice(
				cli,
				"'%s' stands behind DB, and is taken as a %s: options come first",
				word, what);
	}
}

void hf_store_cli_end(struct hf_cli *cli)
{
	if (cli->operand_count)
		hf_cli_usage(cli, "'%s' is one too many", cli->operands[0]);
}

struct hf_store_options hf_store_cli_options(struct hf_cli *cli, const struct hf_store_cli *s)
{
	return (struct hf_store_options){
		.wait = hf_cli_wait(cli, s->timeout, 10 * HF_SECOND),
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
	hf_store_cli_look(cli, what);
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

enum hf_status hf_store_cli_read(struct hf_bytes *bytes, struct hf_err *err)
{
	size_t room = 65536, size = 0;
	char *data = malloc(room), *more;
	ssize_t n = 1;

	while (data && n > 0) {
		if (size == room) {
			more = realloc(data, room *= 2);
			if (!more)
				break;
			data = more;
		}
		n = sys_read(STDIN_FILENO, data + size, room - size);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			size += (size_t)n;
	}
	*bytes = (struct hf_bytes){data, size};
	if (data && n == 0)
		return HF_OK;
	if (n < 0 && errno == EBADF)
		hf_fail(err, HF_NOINPUT, "standard input is closed");
	else
		hf_fail_errno_as(err, n < 0 ? HF_IO : HF_OS, "cannot read standard input");
	free(data);
	bytes->data = NULL;
	return err->status;
}

char *hf_store_cli_caller(char out[HF_STORE_CALLER_SIZE])
{
	char host[HOST_NAME_MAX + 1] = "localhost";

	gethostname(host, sizeof(host) - 1);
	snprintf(out, HF_STORE_CALLER_SIZE, "%.64s:%d", host, (int)getppid());
	return out;
}

char *hf_store_cli_time(char *out, int64_t at)
{
	time_t seconds = at / 1000000;
	struct tm tm;

	if (at == HF_STORE_NEVER || !gmtime_r(&seconds, &tm))
		return strcpy(out, "-");
	strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	sprintf(out + strlen(out), ".%03dZ", (int)(at / 1000 % 1000));
	return out;
}

void hf_store_cli_json_time(struct hf_json *json, const char *key, int64_t at)
{
	char text[64];

	if (at == HF_STORE_NEVER)
		hf_json_null(json, key);
	else
		hf_json_text(json, key, hf_store_cli_time(text, at));
}

void hf_store_cli_json_bytes(struct hf_json *json, const char *key, const char *hex_key,
			     const struct hf_bytes *bytes)
{
	const char *text = bytes->data;
	bool plain = strlen(text) == bytes->size;
	char *hex;

	for (const char *s = text; plain && *s; s += hf_utf8_length(s))
		plain = hf_utf8_length(s) > 0;
	if (plain) {
		hf_json_text(json, key, text);
		return;
	}
	hex = calloc(bytes->size + 1, 2);
	if (!hex)
		abort();
	for (size_t i = 0; i < bytes->size; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)text[i]);
	hf_json_text(json, hex_key, hex);
	free(hex);
}

int hf_store_cli_finish(struct hf_cli *cli, enum hf_status status, const struct hf_err *err)
{
	bool answer = status == HF_NO || status == HF_BUSY;

	if (status != HF_OK && err->message[0] && !(answer && cli->quiet))
		hf_cli_report(cli, err);
	return hf_cli_finish(cli, (int)status);
}
