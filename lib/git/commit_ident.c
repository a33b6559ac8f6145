/* SPDX-License-Identifier: ISC */
#include "git/commit_ident.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum role { AUTHOR, COMMITTER };

static const struct {
	const char *word, *env_name, *env_email, *env_date, *name, *email;
} roles[] = {
	{"author", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE", "author.name",
	 "author.email"},
	{"committer", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_COMMITTER_DATE",
	 "committer.name", "committer.email"},
};

/* Return true for a character that Git removes at both ends. */
static bool is_crud(char c)
{
	return (unsigned char)c <= ' ' || strchr(".,:;<>\"\\'", c);
}

/* Clean a name up, in place. */
static void strip_name(char *text)
{
	char *out = text, *end;
	const char *in = text;

	while (*in && is_crud(*in))
		in++;
	for (; *in; in++)
		if (*in != '\n' && *in != '<' && *in != '>')
			*out++ = *in;
	*out = '\0';
	for (end = out; end > text && is_crud(end[-1]); end--)
		;
	*end = '\0';
}

/* Read the first that is set: the variable, the two settings, the other variable. *value is NULL if
 * none is. */
static enum hf_status read_first_set(struct hf_repo *repo, const char *variable,
				     const char *const keys[2], const char *fallback, char **value,
				     struct hf_err *err)
{
	const char *set = getenv(variable);
	enum hf_status status = HF_NO;

	*value = NULL;
	for (int i = 0; !set && status == HF_NO && i < 2; i++)
		status = repo->ops->config(repo, keys[i], value, err);
	if (!set && status == HF_NO && fallback)
		set = getenv(fallback);
	if (set && !(*value = strdup(set)))
		return hf_fail_errno(err, "cannot find out the committer");
	if (*value)
		strip_name(*value);
	return status == HF_NO ? HF_OK : status;
}

/* Parse "+0130" at *text into minutes. */
static bool parse_zone(const char **text, int *offset)
{
	const char *s = *text;
	int sign = *s == '-' ? -1 : 1, number;
	char *end;

	if (*s == 'Z') {
		*offset = 0;
		*text = s + 1;
		return true;
	}
	if ((*s != '+' && *s != '-') || !isdigit((unsigned char)s[1]))
		return false;
	number = (int)strtol(s + 1, &end, 10);
	if (end - s == 3 && *end != ':')
		number *= 100;
	else if (end - s == 3)
		number = number * 100 + (int)strtol(end + 1, &end, 10);
	else if (end - s != 5)
		return false;
	*offset = sign * (number / 100 * 60 + number % 100);
	*text = end;
	return abs(*offset) <= 14 * 60;
}

static int local_offset(time_t at)
{
	struct tm tm;

	return localtime_r(&at, &tm) ? (int)(tm.tm_gmtoff / 60) : 0;
}

/* Parse "1700000000 +0100", with or without '@'. */
static bool parse_seconds(const char *text, struct hf_commit_ident *who)
{
	char *end;

	text += *text == '@';
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	who->time = strtoll(text, &end, 10);
	if (errno || *end != ' ')
		return false;
	text = end + 1;
	return parse_zone(&text, &who->offset) && !*text;
}

static bool parse_iso(const char *text, struct hf_commit_ident *who)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%d", &tm);

	if (!rest || (*rest != 'T' && *rest != ' '))
		return false;
	rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (!rest)
		return false;
	rest += strspn(rest, " ");
	tm.tm_isdst = -1;
	if (*rest) {
		if (!parse_zone(&rest, &who->offset) || *rest)
			return false;
		who->time = timegm(&tm) - who->offset * 60;
		return true;
	}
	who->time = mktime(&tm);
	who->offset = local_offset((time_t)who->time);
	return true;
}

static enum hf_status read_date(const char *variable, struct hf_commit_ident *who,
				struct hf_err *err)
{
	const char *date = getenv(variable);

	if (date && *date) {
		if (parse_seconds(date, who) || parse_iso(date, who))
			return HF_OK;
		hf_fail(err, HF_USAGE, "cannot understand %s: '%s'", variable, date);
		hf_advise(err, "write it as \"SECONDS +HHMM\", or as 2025-12-31T23:59:59+0100");
		return HF_USAGE;
	}
	who->time = time(NULL);
	who->offset = local_offset((time_t)who->time);
	return HF_OK;
}

static enum hf_status fail_no_ident(const struct hf_repo *repo, enum role role, struct hf_err *err)
{
	hf_fail(err, HF_DATA, "cannot commit to '%s': the %s is not known", hf_repo_name(repo),
		roles[role].word);
	hf_advise(err, "git config --global user.name 'Your Name'");
	hf_advise(err, "git config --global user.email you@example.com");
	return HF_DATA;
}

static enum hf_status find_ident(struct hf_repo *repo, enum role role, struct hf_commit_ident *who,
				 struct hf_err *err)
{
	const char *const names[] = {roles[role].name, "user.name"};
	const char *const emails[] = {roles[role].email, "user.email"};
	enum hf_status status;

	*who = (struct hf_commit_ident){0};
	status = read_first_set(repo, roles[role].env_name, names, NULL, &who->name, err);
	if (status == HF_OK)
		status = read_first_set(repo, roles[role].env_email, emails, "EMAIL", &who->email,
					err);
	if (status == HF_OK && (!who->name || !who->name[0] || !who->email))
		status = fail_no_ident(repo, role, err);
	if (status == HF_OK)
		status = read_date(roles[role].env_date, who, err);
	if (status != HF_OK)
		hf_commit_ident_free(who);
	return status;
}

enum hf_status hf_commit_ident(struct hf_repo *repo, struct hf_commit_ident *author,
			       struct hf_commit_ident *committer, struct hf_err *err)
{
	struct hf_commit_ident unread;
	enum hf_status status = find_ident(repo, AUTHOR, author ? author : &unread, err);

	if (status != HF_OK)
		return status;
	if (!author)
		hf_commit_ident_free(&unread);
	status = find_ident(repo, COMMITTER, committer ? committer : &unread, err);
	if (status == HF_OK && !committer)
		hf_commit_ident_free(&unread);
	if (status != HF_OK && author)
		hf_commit_ident_free(author);
	return status;
}

void hf_commit_ident_free(struct hf_commit_ident *who)
{
	free(who->name);
	free(who->email);
	*who = (struct hf_commit_ident){0};
}

char *hf_commit_ident_format(const struct hf_commit_ident *who)
{
	int minutes = abs(who->offset);
	char *text;

	return asprintf(&text, "%s <%s> %lld %c%02d%02d", who->name, who->email,
			(long long)who->time, who->offset < 0 ? '-' : '+', minutes / 60,
			minutes % 60) < 0
		       ? NULL
		       : text;
}
