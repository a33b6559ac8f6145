/* SPDX-License-Identifier: ISC */
#include "git/plain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "git/git_run.h"
#include "git/plain_rules.h"
#include "git/ref_read.h"

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
	char path[PATH_MAX];
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
	/* libgit2 would look into the home directory of the effective user */
	if (getuid() != geteuid())
		return "HOME";
	/* and would read this file all the same */
	hf_plain_user_file(path, "config");
	if (getenv("GIT_CONFIG_GLOBAL") && access(path, F_OK) == 0)
		return "GIT_CONFIG_GLOBAL";
	/* another Git than the system's can have another system-wide configuration */
	program = getenv("GIT_CONFIG_NOSYSTEM") ? NULL : hf_git_program();
	return program && strcmp(program, "/usr/bin/git") != 0 && strcmp(program, "/bin/git") != 0
		       ? program
		       : NULL;
}

bool hf_plain_history(const struct hf_repo *repo)
{
	struct stat st;

	return hf_ref_is_absent(repo, "refs/replace/") &&
	       sys_fstatat(repo->common, "info/grafts", &st, 0) < 0 && errno == ENOENT;
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
