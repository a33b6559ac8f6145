/* SPDX-License-Identifier: ISC */
#ifndef HF_OPTION_TABLE_H
#define HF_OPTION_TABLE_H

/*
 * The rows of a tool's option table and of the options that all tools have: lookup, --help, and the
 * tables for cli/getopt_glibc.h. Single-threaded.
 */

#include <getopt.h>

#include "cli/cli.h"

enum { HF_MAX_OPTIONS = 64 };

/* Return the first row of this option; the rows of its aliases follow it. */
const struct hf_opt *hf_option_table_find(const struct hf_cli *cli, int id);

/* Print --help. */
void hf_option_table_help(const struct hf_cli *cli);

/* Fill the tables for hf_options_next(), which are zeroed before. For each of HF_MAX_OPTIONS rows
 * they have space for three letters and one long option. */
void hf_option_table_convert(const struct hf_cli *cli, char *shorts, struct option *longs);

#endif
