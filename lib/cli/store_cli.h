/* SPDX-License-Identifier: ISC */
#ifndef HF_STORE_CLI_H
#define HF_STORE_CLI_H

/*
 * The command lines of the SQLite tools: shared rows, operands, times.
 *
 * Options may be before or after a subcommand:
 *
 *	sqlite-lease --ttl 5m acquire DB NAME
 *	sqlite-lease acquire --ttl 5m DB NAME
 *
 * Prints, and exits on a usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/json.h"
#include "sqlite/params.h"
#include "store/store.h"

#define HF_ROW_TTL(its_help, to)                                                                   \
	{                                                                                          \
		HF_OPT_TTL, "ttl", "DURATION", its_help, .duration = &(to), .min = 1               \
	}

#define HF_ROW_PARAM(its_params)                                                                   \
	{                                                                                          \
		'p', "param", "NAME[:TYPE]=VALUE",                                                 \
			"bind VALUE to :NAME; TYPE as int, real or blob",                          \
			.take = hf_store_cli_param, .context = &(its_params)                       \
	}

/* -w without the alias --wait, which waits for something else. */
#define HF_ROWS_WAIT_DB                                                                            \
	HF_ROW_TIMEOUT("limit waits for the database (default 10s)"),                              \
		HF_ROW_NONBLOCK("the database")

/* For the row: the context is a struct hf_params. */
void hf_store_cli_param(struct hf_cli *cli, const struct hf_opt *option, char *arg);

/* The operands after DB, up to "--", are data. Warn about one that is a long option of the tool,
 * probably a mistake, unless "--" precedes DB. Call it directly after DB was taken. */
void hf_store_cli_look(const struct hf_cli *cli, const char *what);

/* Return the operands up to the end, or to "--", as keys; the caller frees the array. The operands
 * from "--" on are left. Exits if there is no key. */
struct hf_bytes *hf_store_cli_keys(struct hf_cli *cli, const char *what, size_t *count);

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

#endif
