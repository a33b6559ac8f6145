/* SPDX-License-Identifier: ISC */
#ifndef HF_STORE_CLI_H
#define HF_STORE_CLI_H

/*
 * The command lines of the stores' tools: waiting, --ttl, subcommands, opening.
 *
 * Options may be before or after the subcommand:
 *
 *	sqlite-lease --ttl 5m acquire DB NAME
 *	sqlite-lease acquire --ttl 5m DB NAME
 *
 *	while ((id = hf_store_cli_next(&cli, &s, verbs, &arg)) != HF_CLI_END)
 *		...
 *	s.verb is the index of the subcommand; cli.operands begin after it.
 *
 * Prints, and exits on a usage error. Single-threaded.
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
	int verb; /* -1: not yet known */
};

/* Return the next option that is the tool's own. verbs is NULL-terminated; NULL for a tool without
 * subcommands. Exits if the subcommand is missing or unknown. */
int hf_store_cli_next(struct hf_cli *cli, struct hf_store_cli *s, const char *const *verbs,
		      char **arg);

/* Return the first operand and move past it; exit with "no DB" if there is none. */
const char *hf_store_cli_operand(struct hf_cli *cli, const char *what);

/* The operands after DB, up to "--", are data. Warn about one that is a long option of the tool,
 * probably a mistake, unless "--" precedes DB. Call it directly after DB was taken. */
void hf_store_cli_look(const struct hf_cli *cli, const char *what);

/* Exit if there are more operands. */
void hf_store_cli_end(struct hf_cli *cli);

/* Return options for hf_store_open(), with a deadline from now. */
struct hf_store_options hf_store_cli_options(struct hf_cli *cli, const struct hf_store_cli *s);

/* Return the operands up to the end, or to "--", as keys; the caller frees the array. *command: the
 * operands after "--", or NULL. Exits if there is no key. */
struct hf_bytes *hf_store_cli_keys(struct hf_cli *cli, const char *what, size_t *count,
				   char ***command);

/* Read all of standard input into memory; the caller frees data. */
enum hf_status hf_store_cli_read(struct hf_bytes *bytes, struct hf_err *err);

/* Write "HOST:PID" of the process that runs this tool. Return out. */
enum { HF_STORE_CALLER_SIZE = 96 };
char *hf_store_cli_caller(char out[HF_STORE_CALLER_SIZE]);

/* Format a time: "2026-11-25T10:42:03.123Z", or "-" for never. Return out (at least 32 bytes). */
char *hf_store_cli_time(char *out, int64_t at);
void hf_store_cli_json_time(struct hf_json *json, const char *key, int64_t at);

/* Write NUL-terminated bytes: as text under key, or in hexadecimal under hex_key if they are not
 * valid JSON text. */
void hf_store_cli_json_bytes(struct hf_json *json, const char *key, const char *hex_key,
			     const struct hf_bytes *bytes);

/* Report err if it has a message, and return the exit status. With -q, "no" and "busy" are
 * silent. */
int hf_store_cli_finish(struct hf_cli *cli, enum hf_status status, const struct hf_err *err);

#endif
