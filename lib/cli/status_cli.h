/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_CLI_H
#define HF_STATUS_CLI_H

/*
 * What lock-status prints: the rows of a list as a table, or as JSON.
 *
 *	KIND     STATE      PID  SINCE     WAIT  COMMAND            PATH
 *	flock    held      4711  10:42:03     2  rsync -a /a /b     /var/lock/nightly
 *	         the kernel has it locked by flock(2)
 *
 * Columns are as wide as what stands in them. A table that is wider than it may be gets shorter
 * commands; a path is never cut here, so that it can be copied. Several holders: "4711 +2", or with
 * `all` each on a line of its own, and the waiters behind them.
 *
 * The tools' own, like cli/cli.h. Errors stay in the stream. Single-threaded.
 */

#include <stdio.h>

#include "status/status.h"

enum hf_status_detail {
	HF_STATUS_LINES,   /* one line a lock */
	HF_STATUS_REASONS, /* and why it is so */
	HF_STATUS_EVERY,   /* and each holder and waiter */
};

/* Of every row, or if `mine`, of those only that this process runs under. */
void hf_status_table(FILE *out, const struct hf_lock_status *list, enum hf_status_detail detail,
		     size_t width, bool mine);

/* One object a line. */
void hf_status_json(FILE *out, const struct hf_lock_status *list, bool mine);

#endif
