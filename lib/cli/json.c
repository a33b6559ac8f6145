/* SPDX-License-Identifier: ISC */
#include "cli/json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <holdfast/clock.h>
#include <holdfast/err.h>

/* Write the separator and the key before a value. */
static void put_separator(struct hf_json *json, const char *key)
{
	if (json->more[json->depth])
		putc(',', json->out);
	json->more[json->depth] = json->depth > 0;
	if (key)
		fprintf(json->out, "\"%s\":", key);
}

void hf_json_begin(struct hf_json *json, const char *key, char open)
{
	put_separator(json, key);
	putc(open, json->out);
	if (json->depth == HF_JSON_DEPTH)
		abort();
	json->close[json->depth++] = open == '{' ? '}' : ']';
	json->more[json->depth] = false;
}

void hf_json_end(struct hf_json *json)
{
	putc(json->close[--json->depth], json->out);
	if (!json->depth)
		putc('\n', json->out);
}

static void put_string(struct hf_json *json, const char *text, size_t size)
{
	putc('"', json->out);
	for (const char *end = text + size; text < end;) {
		size_t length = hf_utf8_length(text);

		if (!length)
			fputs("\xef\xbf\xbd", json->out);
		else if (*text == '"' || *text == '\\')
			fprintf(json->out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(json->out, "\\u%04x", *text);
		else
			fwrite(text, 1, length, json->out);
		text += length ? length : 1;
	}
	putc('"', json->out);
}

void hf_json_text(struct hf_json *json, const char *key, const char *text)
{
	if (!text) {
		hf_json_null(json, key);
		return;
	}
	put_separator(json, key);
	put_string(json, text, strlen(text));
}

void hf_json_number(struct hf_json *json, const char *key, long long number)
{
	put_separator(json, key);
	fprintf(json->out, "%lld", number);
}

void hf_json_positive(struct hf_json *json, const char *key, long long number)
{
	if (number > 0)
		hf_json_number(json, key, number);
	else
		hf_json_null(json, key);
}

void hf_json_flag(struct hf_json *json, const char *key, bool flag)
{
	put_separator(json, key);
	fputs(flag ? "true" : "false", json->out);
}

void hf_json_null(struct hf_json *json, const char *key)
{
	put_separator(json, key);
	fputs("null", json->out);
}

void hf_json_seconds(struct hf_json *json, const char *key, long long nanoseconds)
{
	if (nanoseconds == HF_NEVER) {
		hf_json_null(json, key);
		return;
	}
	put_separator(json, key);
	fprintf(json->out, "%lld.%06lld", nanoseconds / 1000000000,
		nanoseconds % 1000000000 / 1000);
}

void hf_json_time(struct hf_json *json, const char *key, long long seconds)
{
	time_t time = (time_t)seconds;
	char text[32];
	struct tm tm;

	if (!seconds || !gmtime_r(&time, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		hf_json_null(json, key);
	else
		hf_json_text(json, key, text);
}

void hf_json_lines(struct hf_json *json, const char *key, const char *text)
{
	hf_json_begin(json, key, '[');
	while (text && *text) {
		size_t size = strcspn(text, "\n");

		put_separator(json, NULL);
		put_string(json, text, size);
		text += size + (text[size] == '\n');
	}
	hf_json_end(json);
}
