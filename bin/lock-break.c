/* SPDX-License-Identifier: ISC */
/* lock-break: remove a stale lock, by proof. */

#include <stdio.h>
#include <string.h>

#include "breaker.h"
#include "cli.h"
#include "clock.h"

enum { OPT_STALE_AFTER = HF_OPT_OWN, OPT_ALONE, OPT_DRY_RUN, OPT_JSON, OPT_GIT };

static const struct hf_opt options[] = {
	{OPT_STALE_AFTER, "stale-after", "DURATION",
	 "how old a lock must be whose owner is not known (default 5m)"},
	{OPT_ALONE, "alone", NULL,
	 "nobody else is there: what cannot be judged is judged by its age"},
	{OPT_DRY_RUN, "dry-run", NULL, "show the evidence, and leave everything as it is"},
	{OPT_JSON, "json", NULL, "show it as JSON, one object a line"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {"[options] PATH…", NULL};

static struct hf_cli cli = {
	.tool = "lock-break",
	.synopsis = synopsis,
	.summary = "Move stale locks aside: dotlocks, PID files, lock directories.\n"
		   "What is held, or cannot be judged, is left.",
	.options = options,
	.footer = "Exit status: 0 there is no lock at PATH any more; 75 one is held, or may be.",
};

static const char *const ends[] = {
	[HF_BREAK_ABSENT] = "absent", [HF_BREAK_STALE] = "stale",
	[HF_BREAK_MOVED] = "moved",   [HF_BREAK_HELD] = "held",
	[HF_BREAK_UNKNOWN] = "unknown",
};

/* Text that hf_escape() has made printable, as a JSON string. */
static void put_string(const char *key, const char *text)
{
	char line[8192];

	hf_escape(line, sizeof(line), text);
	printf("\"%s\":\"", key);
	for (const char *s = line; *s; s++)
		printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
	putchar('"');
}

static void show_json(const char *path, const struct hf_broken *b)
{
	const struct hf_evidence *e = &b->evidence;

	putchar('{');
	put_string("path", path);
	printf(",\"state\":\"%s\"", ends[b->end]);
	if (e->record.owner.pid)
		printf(",\"pid\":%d", (int)e->record.owner.pid);
	if (e->record.owner.host[0]) {
		putchar(',');
		put_string("host", e->record.owner.host);
	}
	if (b->moved[0]) {
		putchar(',');
		put_string("quarantine", b->moved);
	}
	printf(",\"reasons\":[");
	for (int i = 0; i < e->count; i++) {
		printf("%s\"", i ? "," : "");
		for (const char *s = e->reason[i]; *s; s++)
			printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
		putchar('"');
	}
	printf("]}\n");
}

static void show(const char *path, const struct hf_broken *b)
{
	static const char *const says[] = {
		[HF_BREAK_ABSENT] = "there is no lock",
		[HF_BREAK_STALE] = "stale",
		[HF_BREAK_MOVED] = "stale",
		[HF_BREAK_HELD] = "held",
		[HF_BREAK_UNKNOWN] = "cannot be judged, and counts as held",
	};
	char name[8192];

	hf_escape(name, sizeof(name), path);
	printf("%s: %s\n", name, says[b->end]);
	for (int i = 0; i < b->evidence.count; i++)
		printf("  %s\n", b->evidence.reason[i]);
	if (b->moved[0]) {
		hf_escape(name, sizeof(name), b->moved);
		printf("  moved to %s\n", name);
	}
}

/* The status of all: the first real failure, else 75 if one is held. */
static int worse(int all, int one)
{
	return all == HF_OK || all == HF_BUSY ? (one == HF_OK ? all : one) : all;
}

int main(int argc, char **argv)
{
	struct hf_break_options o = {.stale_after = 300 * HF_SECOND};
	struct hf_broken broken;
	struct hf_err err;
	bool json = false;
	int status = HF_OK, id;
	char *arg;

	hf_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		if (id == OPT_STALE_AFTER)
			o.stale_after = hf_cli_duration(&cli, arg);
		else if (id == OPT_ALONE)
			o.alone = true;
		else if (id == OPT_DRY_RUN)
			o.dry_run = true;
		else if (id == OPT_JSON)
			json = true;
	}
	if (cli.operand_count == 0)
		hf_cli_usage(&cli, "no PATH");
	for (int i = 0; i < cli.operand_count; i++) {
		const char *path = cli.operands[i];

		if (hf_break(path, &o, &broken, &err) != HF_OK) {
			status = worse(status, (int)hf_cli_report(&cli, &err));
			continue;
		}
		if (json)
			show_json(path, &broken);
		else if (!cli.quiet)
			show(path, &broken);
		if (broken.end == HF_BREAK_HELD || broken.end == HF_BREAK_UNKNOWN)
			status = worse(status, HF_BUSY);
	}
	return hf_cli_finish(&cli, status);
}
