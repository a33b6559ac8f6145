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
 * The tools' own, like cli.h: it prints, and exits on a usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli.h"
#include "store.h"

enum { HF_OPT_TTL = 0x1a0, HF_OPT_JSON };

#define HF_ROW_BACKOFF                                                                             \
	{HF_OPT_BACKOFF, "backoff", "BASE,CAP",                                                    \
	 "pauses while another program has the database (default 1ms,20ms)"}

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

/* Exits if there are more operands. */
void hf_store_cli_end(struct hf_cli *cli);

/* Options for hf_store_open(): with the deadline that begins now. */
struct hf_store_options hf_store_cli_options(struct hf_cli *cli, const struct hf_store_cli *s,
					     bool read);

/* The operands up to the end, or to "--", as keys; *command what stands behind that, or NULL. To be
 * freed; exits where there is no key. */
struct hf_bytes *hf_store_cli_keys(struct hf_cli *cli, const char *what, size_t *count,
				   char ***command);

/* A status for main(): reports err where status is an error; busy is silent with -q. */
int hf_store_cli_finish(struct hf_cli *cli, enum hf_status status, const struct hf_err *err);

#endif
