/* SPDX-License-Identifier: ISC */
#ifndef HF_STORE_CLI_H
#define HF_STORE_CLI_H

/*
 * What the command lines of the stores have in common: waiting, --ttl, verbs, opening.
 *
 * A tool with verbs takes its options before the verb or behind it:
 *
 *	sqlite-lease --ttl 5m acquire DB NAME
 *	sqlite-lease acquire --ttl 5m DB NAME
 *
 *	while ((id = hf_store_cli_next(&cli, &s, verbs, &arg)) != HF_CLI_END)
 *		…
 *	s.verb is the index of the verb; cli.operands begin behind it.
 *
 * The tools' own, like cli/cli.h: it prints, and exits on a usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "store/store.h"

enum { HF_OPT_TTL = 0x1a0, HF_OPT_JSON };

#define HF_ROW_BACKOFF                                                                             \
	{HF_OPT_BACKOFF, "backoff", "BASE,CAP",                                                    \
	 "pauses while another program has the database (default 1ms,20ms)"}

#define HF_ROW_JSON {HF_OPT_JSON, "json", NULL, "print JSON, one object a line"}

struct hf_store_cli {
	int64_t timeout;     /* of --timeout, or -1 */
	int64_t ttl;	     /* of --ttl, or the tool's default */
	const char *backoff; /* or NULL */
	bool json;
	int verb; /* -1: not yet */
};

/* The next option that is the tool's own. verbs is NULL-terminated; a tool without any gives
 * NULL. Without a verb, or with an unknown one, it exits. */
int hf_store_cli_next(struct hf_cli *cli, struct hf_store_cli *s, const char *const *verbs,
		      char **arg);

/* The first operand, and step behind it; without one exits: "no DB". */
const char *hf_store_cli_operand(struct hf_cli *cli, const char *what);

/* What stands behind DB, up to "--", is data, whatever it looks like. A word that is one of the
 * tool's long options is more likely a mistake, and told of, unless "--" stands before DB. To be
 * called when DB alone was stepped behind. */
void hf_store_cli_look(const struct hf_cli *cli, const char *what);

/* Exits if there are more operands. */
void hf_store_cli_end(struct hf_cli *cli);

/* Options for hf_store_open(): with the deadline that begins now. */
struct hf_store_options hf_store_cli_options(struct hf_cli *cli, const struct hf_store_cli *s);

/* The operands up to the end, or to "--", as keys; *command what stands behind that, or NULL. To be
 * freed; exits where there is no key. */
struct hf_bytes *hf_store_cli_keys(struct hf_cli *cli, const char *what, size_t *count,
				   char ***command);

/* All of standard input, into memory; data is to be freed. */
enum hf_status hf_store_cli_read(struct hf_bytes *bytes, struct hf_err *err);

/* "HOST:PID" of who runs this tool. Returns out. */
enum { HF_STORE_CALLER_SIZE = 96 };
char *hf_store_cli_caller(char out[HF_STORE_CALLER_SIZE]);

/* An instant: "2026-11-25T10:42:03.123Z", or "-" for never. Returns out (32 bytes or more). */
char *hf_store_cli_time(char *out, int64_t at);
void hf_store_cli_json_time(struct hf_json *json, const char *key, int64_t at);

/* Bytes with a NUL behind them: as text under key, or in hexadecimal under hex_key, where JSON has
 * no text for them. */
void hf_store_cli_json_bytes(struct hf_json *json, const char *key, const char *hex_key,
			     const struct hf_bytes *bytes);

/* A status for main(): reports err, if there is a message. With -q, "no" and "busy" are silent. */
int hf_store_cli_finish(struct hf_cli *cli, enum hf_status status, const struct hf_err *err);

#endif
