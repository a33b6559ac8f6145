/* SPDX-License-Identifier: ISC */
#include "wait/wait_notice.h"

#include <stdarg.h>
#include <stdio.h>

#include <holdfast/clock.h>

struct hf_wait_notice hf_wait_notice_begin(const struct hf_wait *wait)
{
	return (struct hf_wait_notice){wait->notice ? hf_deadline_in(HF_SECOND) : HF_NEVER};
}

bool hf_wait_notice_is_due(struct hf_wait_notice *notice)
{
	if (notice->at == HF_NEVER || hf_now() < notice->at)
		return false;
	notice->at = HF_NEVER;
	return true;
}

void hf_wait_notice_say(const struct hf_wait *wait, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	hf_vescape(line, sizeof(line), format, args);
	va_end(args);
	wait->notice(wait->context, line);
}
