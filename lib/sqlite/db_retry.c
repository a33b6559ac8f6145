/* SPDX-License-Identifier: ISC */
#include "sqlite/db_retry.h"

#include <stdio.h>

#include "sqlite/db_blocker.h"
#include "lock/turnstile.h"

/* limits the delay after the end of an external writer */
enum { MAX_BACKOFF_MS = 20 };

enum hf_status hf_db_pause_begin(struct hf_db_pause *pause, const char *path,
				 const struct hf_wait *wait, const char *backoff, bool readers,
				 struct hf_err *err)
{
	enum hf_status status = hf_backoff_init(&pause->backoff, backoff, wait->deadline, err);

	if (!backoff && pause->backoff.cap > MAX_BACKOFF_MS * HF_MS)
		pause->backoff.cap = MAX_BACKOFF_MS * HF_MS;
	pause->path = path;
	pause->wait = wait;
	pause->readers = readers;
	pause->looked = false;
	pause->notice = hf_wait_notice_begin(wait);
	return status;
}

static void give_notice(struct hf_db_pause *pause)
{
	char who[600];

	if (hf_wait_notice_is_due(&pause->notice) &&
	    hf_db_blocker(pause->path, pause->readers, who, sizeof(who)))
		hf_wait_notice_say(pause->wait, "waiting for '%s', held by %s", pause->path, who);
}

/* Name the blocking process in the error after the deadline; so far the message is SQLite's own. */
static void name_holder(struct hf_db_pause *pause, struct hf_err *err)
{
	char who[600], message[sizeof(err->message)];

	if (!err)
		return;
	if (hf_db_blocker(pause->path, pause->readers, who, sizeof(who))) {
		snprintf(message, sizeof(message), "%s", err->message);
		hf_fail(err, HF_BUSY, "%s, namely %s", message, who);
	}
	hf_advise(err, "wait longer with -w, or see what that program does");
}

bool hf_db_pause(struct hf_db_pause *pause, enum hf_status *status, struct hf_err *err)
{
	if (hf_time_left(pause->wait->deadline) > 0) {
		enum hf_status order = hf_turnstile_check_order(pause->path, !pause->looked, err);

		if (order != HF_OK) {
			*status = order;
			return false;
		}
	}
	pause->looked = true;
	give_notice(pause);
	if (hf_backoff_sleep(&pause->backoff))
		return true;
	name_holder(pause, err);
	return false;
}
