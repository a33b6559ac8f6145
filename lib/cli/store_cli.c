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

void hf_store_cli_param(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	struct hf_err err;

	if (hf_params_add(option->context, arg, &err) != HF_OK)
		exit((int)hf_cli_report(cli, &err));
}

void hf_store_cli_look(const struct hf_cli *cli, const char *what)
{
	/* before DB, which has been taken */
	bool ended = strcmp(cli->operands[-2], "--") == 0;

	for (int i = 0; i < cli->operand_count && !ended && !cli->quiet; i++) {
		const char *word = cli->operands[i];

		ended = strcmp(word, "--") == 0;
		if (hf_cli_is_long_option(cli, word))
			hf_cli_notice(cli,
				      "'%s' follows DB, and is taken as a %s: options come first",
				      word, what);
	}
}

struct hf_bytes *hf_store_cli_keys(struct hf_cli *cli, const char *what, size_t *count)
{
	struct hf_bytes *keys = calloc((size_t)cli->operand_count + 1, sizeof(*keys));

	*count = 0;
	if (!keys)
		abort();
	hf_store_cli_look(cli, what);
	while (cli->operand_count && strcmp(cli->operands[0], "--") != 0) {
		const char *key = hf_cli_operand(cli, what);

		keys[(*count)++] = (struct hf_bytes){key, strlen(key)};
	}
	if (!*count)
		hf_cli_usage(cli, "no %s", what);
	return keys;
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
