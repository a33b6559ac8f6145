/* SPDX-License-Identifier: ISC */
#include "cli/option_table.h"

#include <stdlib.h>
#include <string.h>

static const struct hf_opt common[] = {
	{'q', "quiet", NULL, "print nothing but errors", .min = 0},
	{'v', "verbose", NULL, "report actions and waits", .min = 0},
	{'h', "help", NULL, "show this help", .min = 0},
	{'V', "version", NULL, "show the version", .min = 0},
	HF_ROWS_END,
};

static bool has_letter(const struct hf_opt *option)
{
	return option->id > 0 && option->id < 0x80;
}

/* Return row i of the tool's table followed by the common one. */
static const struct hf_opt *option_row(const struct hf_cli *cli, size_t i)
{
	size_t own = 0;

	while (cli->options[own].id)
		own++;
	return i < own ? &cli->options[i] : &common[i - own];
}

const struct hf_opt *hf_option_table_find(const struct hf_cli *cli, int id)
{
	size_t i = 0;

	while (option_row(cli, i)->id != id)
		i++;
	return option_row(cli, i);
}

void hf_option_table_help(const struct hf_cli *cli)
{
	for (size_t i = 0; cli->synopsis[i]; i++)
		printf("%s %s %s\n", i ? "      " : "Usage:", cli->tool, cli->synopsis[i]);
	printf("%s\n\nOptions:\n", cli->summary);
	for (size_t i = 0; option_row(cli, i)->id; i++) {
		const struct hf_opt *o = option_row(cli, i);
		bool is_optional = o->arg && o->arg[0] == '[';
		char left[80], letter[5] = "    ";

		if (!o->help)
			continue;
		if (has_letter(o))
			snprintf(letter, sizeof(letter), "-%c%s", o->id, o->name ? ", " : "");
		snprintf(left, sizeof(left), "%s%s%s%s%s", letter, o->name ? "--" : "",
			 o->name ? o->name : "",
			 !o->arg       ? ""
			 : is_optional ? "[="
				       : " ",
			 o->arg ? o->arg + is_optional : "");
		if (strlen(left) > 28)
			printf("  %s\n  %-28s  %s\n", left, "", o->help);
		else
			printf("  %-28s  %s\n", left, o->help);
	}
	if (cli->footer)
		printf("\n%s\n", cli->footer);
	printf("\nThe manual page %s(1) has examples and every exit status.\n", cli->tool);
}

void hf_option_table_convert(const struct hf_cli *cli, char *shorts, struct option *longs)
{
	char *s = shorts;
	size_t n = 0;

	for (size_t i = 0; option_row(cli, i)->id; i++) {
		const struct hf_opt *o = option_row(cli, i);
		const char *arg = hf_option_table_find(cli, o->id)->arg;
		int has_arg = !arg	      ? no_argument
			      : arg[0] == '[' ? optional_argument
					      : required_argument;

		if (n == HF_MAX_OPTIONS)
			abort();
		if (o->name)
			longs[n++] = (struct option){o->name, has_arg, NULL, o->id};
		if (!has_letter(o) || strchr(shorts, o->id))
			continue;
		*s++ = (char)o->id;
		for (int colons = has_arg; colons > 0; colons--)
			*s++ = ':';
	}
}

bool hf_cli_is_long_option(const struct hf_cli *cli, const char *word)
{
	size_t size = strcspn(word, "=");

	if (size < 3 || strncmp(word, "--", 2) != 0)
		return false;
	for (size_t i = 0; option_row(cli, i)->id; i++) {
		const char *name = option_row(cli, i)->name;

		if (name && strlen(name) == size - 2 && memcmp(word + 2, name, size - 2) == 0)
			return true;
	}
	return false;
}
