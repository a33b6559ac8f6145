/* SPDX-License-Identifier: ISC */
/* lock-release: release the locks that lock-acquire took. */

#include "cli/cli.h"
#include "keeper/keeper_client.h"

static const struct hf_opt options[] = {
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] HANDLE…", NULL};

static struct hf_cli cli = {
	.tool = "lock-release",
	.synopsis = synopsis,
	.summary = "Release the locks of each HANDLE, which lock-acquire has printed.",
	.options = options,
	.footer = "It returns after they are free.",
};

int main(int argc, char **argv)
{
	struct hf_handle handle;
	int status = HF_OK;
	struct hf_err err;

	hf_cli_parse(&cli, argc, argv);
	hf_cli_options_first(&cli, "a HANDLE");
	if (cli.operand_count == 0)
		hf_cli_usage(&cli, "no HANDLE");
	for (int i = 0; i < cli.operand_count; i++) {
		enum hf_status one = hf_handle_parse(cli.operands[i], &handle, &err);

		if (one == HF_OK)
			one = hf_keeper_release(&handle, &err);
		if (one == HF_OK)
			continue;
		hf_cli_report(&cli, &err);
		/* any other error is worse than a lost lock */
		if (status == HF_OK || status == HF_NO)
			status = (int)one;
	}
	return hf_cli_finish(&cli, status);
}
