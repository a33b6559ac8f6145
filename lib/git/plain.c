/* SPDX-License-Identifier: ISC */
#include "git/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/sys.h"
#include "git/git_run.h"
#include "git/index_read.h"

enum { PIECE = 64 * 1024, MAX_RULES = 1024 * 1024 };

/* ---- the list ------------------------------------------------------------------------------- */

/* Variables that change neither a blob, a tree, a commit, the index nor a ref, or that gitdir.h and
 * commit_ident.h obey. A name that ends with '*' stands for all that begin so. */
static const char *const variables[] = {
	"GIT_ADVICE",
	"GIT_ALLOW_PROTOCOL",
	"GIT_ASKPASS",
	"GIT_AUTHOR_*",
	"GIT_CEILING_DIRECTORIES",
	"GIT_COMMITTER_*",
	"GIT_CONFIG_GLOBAL=/dev/null",
	"GIT_CONFIG_NOSYSTEM=1",
	"GIT_CURL_*",
	"GIT_DEFAULT_*",
	"GIT_DIFF_OPTS",
	"GIT_DIR",
	"GIT_DISCOVERY_ACROSS_FILESYSTEM",
	"GIT_EDITOR",
	"GIT_EXTERNAL_DIFF",
	"GIT_GLOB_PATHSPECS",
	"GIT_HTTP_*",
	"GIT_ICASE_PATHSPECS",
	"GIT_INDEX_FILE",
	"GIT_LITERAL_PATHSPECS",
	"GIT_MERGE_*",
	"GIT_NOGLOB_PATHSPECS",
	"GIT_OPTIONAL_LOCKS",
	"GIT_PAGER*",
	"GIT_PREFIX",
	"GIT_PROTOCOL*",
	"GIT_PS1_*",
	"GIT_REFLOG_ACTION",
	"GIT_SEQUENCE_EDITOR",
	"GIT_SSH*",
	"GIT_SSL_*",
	"GIT_TEMPLATE_DIR",
	"GIT_TERMINAL_PROMPT",
	"GIT_TRACE*",
	"GIT_WORK_TREE",
};

/* Settings likewise. "KEY=VALUE": with this value alone. commit_ident.h, commit_object.h,
 * commit_message.h, hf_repo_mode() and hf_plain_conversion() obey some of them. */
static const char *const settings[] = {
	"add.*",
	"advice.*",
	"alias.*",
	"am.*",
	"apply.*",
	"author.*",
	"bisect.*",
	"blame.*",
	"branch.*",
	"browser.*",
	"checkout.*",
	"clean.*",
	"clone.*",
	"color.*",
	"column.*",
	"commit.cleanup",
	"commit.gpgsign",
	"commit.status",
	"commit.template",
	"commit.verbose",
	"committer.*",
	"core.abbrev",
	"core.askpass",
	"core.autocrlf",
	"core.bare",
	"core.bigfilethreshold",
	"core.checkstat",
	"core.commentchar",
	"core.commitgraph",
	"core.compression",
	"core.deltabasecachelimit",
	"core.editor",
	"core.eol",
	"core.excludesfile",
	"core.filemode",
	"core.fsync",
	"core.fsyncmethod",
	"core.fsyncobjectfiles",
	"core.hookspath",
	"core.ignorecase=false",
	"core.logallrefupdates",
	"core.loosecompression",
	"core.multipackindex",
	"core.notesref",
	"core.pager",
	"core.precomposeunicode",
	"core.preloadindex",
	"core.quotepath",
	"core.repositoryformatversion",
	"core.safecrlf=false",
	"core.sharedrepository=0",
	"core.sharedrepository=false",
	"core.sharedrepository=umask",
	"core.sparsecheckout=false",
	"core.sparsecheckoutcone",
	"core.sshcommand",
	"core.symlinks=true",
	"core.trustctime",
	"core.whitespace",
	"core.worktree",
	"credential.*",
	"diff.*",
	"difftool.*",
	"extensions.objectformat=sha1",
	"extensions.worktreeconfig=false",
	"fetch.*",
	"filter.*",
	"format.*",
	"gc.*",
	"gitk.*",
	"gpg.*",
	"grep.*",
	"gui.*",
	"help.*",
	"holdfast.*",
	"hook.*",
	"http.*",
	"i18n.*",
	"init.*",
	"instaweb.*",
	"interactive.*",
	"lfs.*",
	"log.*",
	"maintenance.*",
	"man.*",
	"merge.*",
	"mergetool.*",
	"notes.*",
	"pack.*",
	"pager.*",
	"protocol.*",
	"pull.*",
	"push.*",
	"rebase.*",
	"receive.*",
	"remote.*",
	"remotes.*",
	"repack.*",
	"rerere.*",
	"safe.*",
	"sendemail.*",
	"sequence.*",
	"showbranch.*",
	"ssh.*",
	"stash.*",
	"status.*",
	"submodule.*",
	"tag.*",
	"transfer.*",
	"uploadpack.*",
	"url.*",
	"user.*",
	"versionsort.*",
	"web.*",
	"worktree.*",
};

/* Extensions that do not change how a loose object is written. */
static const char *const extensions[] = {
	"extensions.noop",	     "extensions.objectformat",
	"extensions.partialclone",   "extensions.preciousobjects",
	"extensions.refstorage",     "extensions.relativeworktrees",
	"extensions.worktreeconfig",
};

/* Return true if an entry of the list names this. */
static bool is_listed(const char *const *list, size_t count, const char *name, const char *value)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strcspn(list[i], "*=");

		if (strncmp(list[i], name, len) != 0)
			continue;
		if (list[i][len] == '*' || (!list[i][len] && !name[len]) ||
		    (list[i][len] == '=' && !name[len] && value &&
		     strcasecmp(list[i] + len + 1, value) == 0))
			return true;
	}
	return false;
}

const char *hf_plain_variable(void)
{
	static char name[64];
	const char *program;

	if (HF_WITHOUT(plain))
		return "HOLDFAST_WITHOUT";
	for (char **setting = environ; *setting; setting++) {
		size_t len = strcspn(*setting, "=");

		snprintf(name, sizeof(name), "%.*s", (int)len, *setting);
		if (strncmp(name, "GIT_", 4) == 0 &&
		    !is_listed(variables, sizeof(variables) / sizeof(variables[0]), name,
			       *setting + len + 1))
			return name;
	}
	/* another Git than the system's can have another system-wide configuration */
	program = getenv("GIT_CONFIG_NOSYSTEM") ? NULL : hf_git_program();
	return program && strcmp(program, "/usr/bin/git") != 0 && strcmp(program, "/bin/git") != 0
		       ? program
		       : NULL;
}

/* Return true for "START…END". */
static bool is_between(const char *key, const char *start, const char *end)
{
	size_t len = strlen(key), last = strlen(end);

	return strncmp(key, start, strlen(start)) == 0 && len >= last &&
	       strcmp(key + len - last, end) == 0;
}

void hf_plain_note(struct hf_plain *plain, const char *key, const char *value)
{
	if (is_between(key, "filter.", ".clean") || is_between(key, "filter.", ".process"))
		plain->filters = true;
	if (is_between(key, "extensions.", "")
		    ? !is_listed(extensions, sizeof(extensions) / sizeof(extensions[0]), key, NULL)
		    : strcmp(key, "core.sharedrepository") == 0 &&
			      !is_listed(settings, sizeof(settings) / sizeof(settings[0]), key,
					 value))
		plain->no_objects = true;
	if (plain->unknown[0] ||
	    is_listed(settings, sizeof(settings) / sizeof(settings[0]), key, value))
		return;
	snprintf(plain->unknown, sizeof(plain->unknown), "%s", key);
}

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
	int fd = sys_openat(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	void *text = NULL;
	size_t size;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return;
	if (fd >= 0 && hf_read_all(fd, MAX_RULES, &text, &size, path, NULL) == HF_OK &&
	    strlen(text) == size)
		find_words(text, rules);
	else
		rules->filters = rules->others = true;
	free(text);
	if (fd >= 0)
		sys_close(fd);
}

/* The file of this name in a directory of the user's configuration, as Git finds it. */
static void read_user_rules(struct rules *rules)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];

	if (xdg && *xdg)
		snprintf(path, sizeof(path), "%s/git/attributes", xdg);
	else
		snprintf(path, sizeof(path), "%s/.config/git/attributes", home ? home : "");
	read_rules(AT_FDCWD, path, rules);
	read_rules(AT_FDCWD, "/etc/gitattributes", rules);
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
	read_user_rules(rules);
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
