/* SPDX-License-Identifier: ISC */
#ifndef HF_STATUS_CLI_H
#define HF_STATUS_CLI_H

/*
 * The output of lock-status: the rows of a list as a table, or as JSON.
 *
 *	KIND     STATE      PID  SINCE     WAIT  COMMAND            PATH
 *	flock    held      4711  10:42:03     2  rsync -a /a /b     /var/lock/nightly
 *	         the kernel has it locked by flock(2)
 *
 * Columns are as wide as their content. In a table that is too wide the commands are cut, never a
 * path, so that it can be copied. Several holders are "4711 +2", or, with HF_STATUS_EVERY, a line
 * each, followed by the waiters.
 *
 * Errors stay in the stream. Single-threaded.
 */

#include <stdio.h>

#include "status/status.h"

enum hf_status_detail {
	HF_STATUS_LINES,   /* one line for each lock */
	HF_STATUS_REASONS, /* and the reasons */
	HF_STATUS_EVERY,   /* and each holder and waiter */
};

/* Print every row; with `mine` only those under which this process runs. */
void hf_status_table(FILE *out, const struct hf_lock_status *list, enum hf_status_detail detail,
		     size_t width, bool mine);

/* Print one object a line. */
void hf_status_json(FILE *out, const struct hf_lock_status *list, bool mine);

#endif
