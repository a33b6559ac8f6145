/* SPDX-License-Identifier: ISC */
#include "git/git2_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "git/index_read.h"
#include "git/plain.h"

void hf_git2_sync(bool yes)
{
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, yes);
}

/* libgit2 built with mbedTLS reads all certificates of the system at startup, which takes longer
 * than everything else here. These tools fetch nothing; these functions replace the library's and
 * read no certificates. */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);
int mbedtls_x509_crt_parse_path(void *chain, const char *path);

int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	(void)chain;
	(void)path;
	return 0;
}

int mbedtls_x509_crt_parse_path(void *chain, const char *path)
{
	return mbedtls_x509_crt_parse_file(chain, path);
}

struct hf_git2 *hf_git2(const struct hf_repo *repo)
{
	return repo->back;
}

enum hf_status hf_git2_failed(int code, struct hf_err *err, const char *what, const char *on)
{
	const git_error *last = git_error_last();
	const char *why = last && last->message ? last->message : "libgit2 does not say why";
	enum hf_status status = hf_status_in_words(why);

	if (last && last->klass == GIT_ERROR_NOMEMORY)
		status = HF_OS;
	if (code == GIT_ELOCKED)
		status = HF_BUSY;
	return hf_fail(err, status, "libgit2 cannot %s '%s': %s", what, on, why);
}

void hf_git2_close(struct hf_repo *repo)
{
	struct hf_git2 *git = hf_git2(repo);
	int saved = errno;

	if (!git)
		return;
	git_index_free(git->index);
	git_config_free(git->config);
	git_odb_free(git->odb);
	git_repository_free(git->repo);
	free(git);
	git_libgit2_shutdown();
	repo->back = NULL;
	errno = saved;
}

static enum hf_status fail_unusable(int code, const char *dir, struct hf_err *err)
{
	const git_error *last = git_error_last();

	if (code == GIT_EOWNER)
		return hf_repo_not_owned(dir, err);
	return hf_fail(err, HF_UNAVAILABLE, "cannot use the repository at '%s': %s", dir,
		       last && last->message ? last->message : "libgit2 does not say why");
}

/* Refuse what is not known to be plain. */
static enum hf_status check_plain(struct hf_repo *repo, const char *dir, struct hf_err *err)
{
	git_config_iterator *settings = NULL;
	git_config_entry *entry;
	int code = git_config_iterator_new(&settings, hf_git2(repo)->config);

	while (!code && (code = git_config_next(&entry, settings)) == 0)
		hf_plain_note(&repo->plain, entry->name, entry->value ? entry->value : "true");
	git_config_iterator_free(settings);
	if (code != GIT_ITEROVER)
		return fail_unusable(code, dir, err);
	if (!repo->plain.unknown[0] && !hf_index_is_plain(repo))
		snprintf(repo->plain.unknown, sizeof(repo->plain.unknown), "index");
	if (!repo->plain.unknown[0] && !hf_plain_history(repo))
		snprintf(repo->plain.unknown, sizeof(repo->plain.unknown), "refs/replace");
	return repo->plain.unknown[0] ? hf_repo_not_plain(repo, dir, err) : HF_OK;
}

/* Let libgit2 read the configuration that Git reads (git/plain.h has what the variables may be). */
static void set_search_path(void)
{
	if (getenv("GIT_CONFIG_NOSYSTEM"))
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_SYSTEM, "/dev/null");
	if (getenv("GIT_CONFIG_GLOBAL"))
		git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, GIT_CONFIG_LEVEL_GLOBAL, "/dev/null");
}

/* Set the worktree. GIT_DIR without core.worktree means the working directory. */
static int set_workdir(git_repository *repo, const struct hf_gitdir *found, bool by_environment)
{
	bool named = getenv("GIT_WORK_TREE"), placed = getenv("GIT_DIR");

	if (!by_environment || !found->worktree[0] || (!named && !placed) ||
	    (!named && git_repository_is_bare(repo)))
		return 0;
	return git_repository_set_workdir(repo, found->worktree, 0);
}

enum hf_status hf_git2_open(struct hf_repo *repo, const struct hf_gitdir *found,
			    bool by_environment, struct hf_err *err)
{
	const unsigned int flags = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_NO_DOTGIT;
	const char *dir = found->worktree[0] ? found->worktree : found->git, *workdir;
	struct hf_git2 *git = calloc(1, sizeof(*git));
	enum hf_status status;
	int code;

	if (!git)
		return hf_fail_errno(err, "cannot open repository '%s'", dir);
	git_libgit2_init();
	hf_git2_sync(true);
	set_search_path();
	repo->back = git;
	code = git_repository_open_ext(&git->repo, found->git, flags, NULL);
	if (!code)
		code = git_repository_odb(&git->odb, git->repo);
	if (!code)
		code = git_repository_config_snapshot(&git->config, git->repo);
	if (!code)
		code = set_workdir(git->repo, found, by_environment);
	if (code)
		return fail_unusable(code, dir, err);
	workdir = git_repository_workdir(git->repo);
	status = hf_repo_base_open(repo, workdir ? workdir : "", found->git, found->common, err);
	return status == HF_OK ? check_plain(repo, dir, err) : status;
}

enum hf_status hf_git2_config(struct hf_repo *repo, const char *key, char **value,
			      struct hf_err *err)
{
	const char *found;
	int code = git_config_get_string(&found, hf_git2(repo)->config, key);

	if (code == GIT_ENOTFOUND)
		return HF_NO;
	if (code)
		return hf_git2_failed(code, err, "read the configuration of", hf_repo_name(repo));
	*value = strdup(found);
	return *value ? HF_OK
		      : hf_fail_errno(err, "cannot open repository '%s'", hf_repo_name(repo));
}
