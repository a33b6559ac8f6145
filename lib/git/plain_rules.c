/* SPDX-License-Identifier: ISC */
#include "git/plain_rules.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "git/index_read.h"

enum { PIECE = 64 * 1024, MAX_RULES = 1024 * 1024 };

/* ---- attributes ----------------------------------------------------------------------------- */

/* What the rules in a file of attributes could do. */
struct rules {
	bool line_ends, others, filters;
};

/* Look for the words of attributes, wherever they are in the file: a rule that matches another path
 * costs a process, and no more. */
static void find_words(const char *text, struct rules *rules)
{
	static const char *const line_ends[] = {"text", "eol", "crlf"};
	static const char *const others[] = {"ident", "working-tree-encoding", "[attr]"};

	rules->filters = rules->filters || strstr(text, "filter");
	for (size_t i = 0; i < sizeof(line_ends) / sizeof(line_ends[0]); i++)
		rules->line_ends = rules->line_ends || strstr(text, line_ends[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		rules->others = rules->others || strstr(text, others[i]);
}

/* Read the rules of a file, or of none. */
static void read_rules(int dir, const char *path, struct rules *rules)
{
	void *text = NULL;
	size_t size;
	enum hf_status status = hf_repo_read_file(dir, path, MAX_RULES, &text, &size, NULL);

	if (status == HF_OK && strlen(text) == size)
		find_words(text, rules);
	else if (status != HF_NO)
		rules->filters = rules->others = true;
	free(text);
}

void hf_plain_user_file(char path[PATH_MAX], const char *name)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (xdg && *xdg)
		snprintf(path, PATH_MAX, "%s/git/%s", xdg, name);
	else
		snprintf(path, PATH_MAX, "%s/.config/git/%s", home ? home : "", name);
}

static enum hf_status too_long(const char *path, struct hf_err *err)
{
	errno = ENAMETOOLONG;
	return hf_fail_errno(err, "cannot use '%s'", path);
}

/* Find the rules for a path. Git takes those of the index where the worktree has none. */
static enum hf_status find_rules(struct hf_repo *repo, const char *path, struct rules *rules,
				 struct hf_err *err)
{
	char name[PATH_MAX];
	enum hf_status status = HF_OK;
	struct stat st;

	for (size_t len = 0; status == HF_OK; len += strcspn(path + len, "/") + 1) {
		struct hf_index_answer found = {0};

		if (snprintf(name, sizeof(name), "%s/%.*s.gitattributes", repo->workdir, (int)len,
			     path) >= (int)sizeof(name))
			return too_long(path, err);
		if (sys_fstatat(AT_FDCWD, name, &st, 0) == 0)
			read_rules(AT_FDCWD, name, rules);
		else
			status = hf_index_find(repo, "index", name + strlen(repo->workdir) + 1,
					       &found, err);
		if (found.mode)
			rules->filters = rules->others = true;
		if (!strchr(path + len, '/'))
			break;
	}
	read_rules(repo->common, "info/attributes", rules);
	hf_plain_user_file(name, "attributes");
	read_rules(AT_FDCWD, name, rules);
	read_rules(AT_FDCWD, "/etc/gitattributes", rules);
	return status;
}

enum hf_status hf_plain_has_cr(int fd, bool *found, struct hf_err *err)
{
	char piece[PIECE];
	off_t at = 0;
	ssize_t n;

	*found = false;
	do {
		n = sys_pread(fd, piece, sizeof(piece), at);
		if (n < 0 && errno != EINTR)
			return hf_fail_errno(err, "cannot read the new content");
		at += n > 0 ? n : 0;
		*found = n > 0 && memchr(piece, '\r', (size_t)n);
	} while (n && !*found);
	return HF_OK;
}

enum hf_status hf_plain_conversion(struct hf_repo *repo, const char *path, int fd,
				   enum hf_conversion *how, struct hf_err *err)
{
	struct rules rules = {0};
	enum hf_status status = HF_OK;
	bool cr = false;

	*how = repo->plain.filters ? HF_CONVERT_BY_PROGRAM : HF_CONVERT_BY_GIT;
	if (repo->plain.unknown[0])
		return HF_OK;
	status = find_rules(repo, path, &rules, err);
	if (status == HF_OK && rules.filters && repo->plain.filters)
		return HF_OK;
	*how = HF_CONVERT_BY_GIT;
	if (status != HF_OK || rules.others)
		return status;
	if (!rules.line_ends) {
		status = hf_repo_is_set(repo, "core.autocrlf", false, err);
		if (status == HF_NO) {
			char *value = NULL;

			status = repo->ops->config(repo, "core.autocrlf", &value, err);
			rules.line_ends = status == HF_OK && strcasecmp(value, "input") == 0;
			free(value);
		} else if (status == HF_OK) {
			rules.line_ends = true;
		}
	}
	if (status != HF_OK && status != HF_NO)
		return status;
	status = rules.line_ends ? hf_plain_has_cr(fd, &cr, err) : HF_OK;
	if (!cr)
		*how = HF_CONVERT_NOTHING;
	return status;
}

/* ---- ignored paths -------------------------------------------------------------------------- */

/* Return true if the file is absent, or has only comments and empty lines. */
static bool has_no_pattern(int dir, const char *path)
{
	void *text = NULL;
	size_t size;
	enum hf_status status = hf_repo_read_file(dir, path, MAX_RULES, &text, &size, NULL);
	bool none = status == HF_NO || (status == HF_OK && strlen(text) == size);

	for (const char *line = text; none && line && *line; line += *line == '\n')
		if (*line == '#')
			line += strcspn(line, "\n");
		else
			none = *line == '\n';
	free(text);
	return none;
}

bool hf_plain_ignores_nothing(struct hf_repo *repo, const char *path)
{
	char name[PATH_MAX], *value = NULL;
	enum hf_status status = repo->ops->config(repo, "core.excludesfile", &value, NULL);
	bool none = !HF_WITHOUT(plain) && status == HF_NO;

	free(value);
	for (size_t len = 0; none; len += strcspn(path + len, "/") + 1) {
		none = snprintf(name, sizeof(name), "%s/%.*s.gitignore", repo->workdir, (int)len,
				path) < (int)sizeof(name) &&
		       has_no_pattern(AT_FDCWD, name);
		if (!strchr(path + len, '/'))
			break;
	}
	hf_plain_user_file(name, "ignore");
	return none && has_no_pattern(repo->common, "info/exclude") &&
	       has_no_pattern(AT_FDCWD, name);
}
