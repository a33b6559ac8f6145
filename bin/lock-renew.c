/* SPDX-License-Identifier: ISC */
/* lock-renew: restart the time to live of kept locks. */

#include "cli/cli.h"
#include "keeper/keeper_client.h"
#include <holdfast/clock.h>

static int64_t ttl;

static const struct hf_opt options[] = {
	{HF_OPT_TTL, "ttl", "DURATION", "set a new time to live", .duration = &ttl, .min = 1},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] HANDLE", NULL};

static struct hf_cli cli = {
	.tool = "lock-renew",
	.synopsis = synopsis,
	.summary = "Restart the time to live of HANDLE's locks.",
	.options = options,
	.footer = "lock-acquire prints HANDLE.",
};

int main(int argc, char **argv)
{
	struct hf_handle handle;
	enum hf_status status;
	struct hf_err err;

	hf_cli_parse(&cli, argc, argv);
	hf_cli_options_first(&cli, "a HANDLE");
	status = hf_handle_parse(hf_cli_operand(&cli, "HANDLE"), &handle, &err);
	hf_cli_last_operand(&cli);
	if (status == HF_OK)
		status = hf_keeper_renew(&handle, ttl, &err);
	return hf_cli_end(&cli, status, &err);
}
