/* SPDX-License-Identifier: ISC */
/* lock-renew: let the time to live of kept locks begin anew. */

#include "cli/cli.h"
#include <holdfast/clock.h>
#include "keeper/keeper_client.h"

enum { OPT_TTL = HF_OPT_OWN };

static const struct hf_opt options[] = {
	{OPT_TTL, "ttl", "DURATION", "from now on, instead of what it was before"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] HANDLE", NULL};

static struct hf_cli cli = {
	.tool = "lock-renew",
	.synopsis = synopsis,
	.summary = "Let the time to live of HANDLE's locks begin anew.",
	.options = options,
	.footer = "HANDLE is what lock-acquire has printed.",
};

int main(int argc, char **argv)
{
	struct hf_handle handle;
	enum hf_status status;
	struct hf_err err;
	int64_t ttl = 0;
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		ttl = hf_cli_duration(&cli, arg);
		if (ttl == 0)
			hf_cli_usage(&cli, "--ttl: a time to live of 0 is none");
	}
	hf_cli_options_first(&cli, "a HANDLE");
	if (cli.operand_count != 1)
		hf_cli_usage(&cli, "one HANDLE is wanted");
	status = hf_handle_parse(cli.operands[0], &handle, &err);
	if (status == HF_OK)
		status = hf_keeper_renew(&handle, ttl, &err);
	if (status != HF_OK)
		return (int)hf_cli_report(&cli, &err);
	return hf_cli_finish(&cli, HF_OK);
}
