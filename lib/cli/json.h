/* SPDX-License-Identifier: ISC */
#ifndef HF_JSON_H
#define HF_JSON_H

/*
 * JSON on a stream, one value a line.
 *
 *	struct hf_json json = {.out = stdout};
 *
 *	hf_json_begin(&json, NULL, '{');
 *	hf_json_text(&json, "path", path);
 *	hf_json_begin(&json, "pids", '[');
 *	hf_json_number(&json, NULL, 4711);
 *	hf_json_end(&json);
 *	hf_json_end(&json);			{"path":"x","pids":[4711]}
 *
 * key is NULL in an array and at the outermost level; keys are plain text of our own. A text can be
 * any bytes: control characters are escaped, and bytes that are not UTF-8 become U+FFFD. A NULL
 * text is null. The line ends with the outermost value.
 *
 * Errors stay in the stream. Single-threaded.
 */

#include <stdbool.h>
#include <stdio.h>

enum { HF_JSON_DEPTH = 8 };

struct hf_json {
	FILE *out;
	int depth;
	char close[HF_JSON_DEPTH];
	bool more[HF_JSON_DEPTH + 1]; /* a value precedes */
};

/* Begin an object or array: open is '{' or '['. */
void hf_json_begin(struct hf_json *json, const char *key, char open);
void hf_json_end(struct hf_json *json);

void hf_json_text(struct hf_json *json, const char *key, const char *text);
void hf_json_number(struct hf_json *json, const char *key, long long number);
void hf_json_flag(struct hf_json *json, const char *key, bool flag);
void hf_json_null(struct hf_json *json, const char *key);

/* Write a number above 0, such as a PID; null otherwise. */
void hf_json_positive(struct hf_json *json, const char *key, long long number);

/* Write nanoseconds as seconds: 0.000123; null for HF_NEVER. */
void hf_json_seconds(struct hf_json *json, const char *key, long long nanoseconds);

/* Write a wall-clock time, "2026-11-25T10:42:03Z"; null for 0. */
void hf_json_time(struct hf_json *json, const char *key, long long seconds);

/* Write an array of the lines of text, each of which ends with '\n'; NULL gives an empty array. */
void hf_json_lines(struct hf_json *json, const char *key, const char *text);

#endif
