/* SPDX-License-Identifier: ISC */
#include "git/git_cli_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "git/git_run.h"

/* Run one command for all paths: it changes all or none, and refuses a file where there is a
 * directory. */
static enum hf_status run_update_index(struct hf_repo *repo, const char *name,
				       const struct hf_repo_change *changes, size_t count,
				       char **infos, const char **args, struct hf_err *err)
{
	struct hf_git git = {.repo = repo, .args = args, .fd = -1, .index = name};
	struct hf_git_out out;
	enum hf_status status;
	size_t n = 0;

	args[n++] = "update-index";
	args[n++] = "--add";
	for (size_t i = 0; i < count; i++) {
		if (changes[i].remove)
			continue;
		if (asprintf(&infos[i], "%06o,%s,%s", changes[i].mode, changes[i].oid,
			     changes[i].path) < 0)
			return hf_fail_errno(err, "cannot change the index");
		args[n++] = "--cacheinfo";
		args[n++] = infos[i];
	}
	args[n++] = "--force-remove";
	args[n++] = "--";
	for (size_t i = 0; i < count; i++)
		if (changes[i].remove)
			args[n++] = changes[i].path;
	args[n] = NULL;
	status = hf_git_run(&git, &out, err);
	if (status == HF_OK && out.status)
		status = hf_git_failed(&out, "change the index of", hf_repo_name(repo), err);
	hf_git_free(&out);
	return status;
}

enum hf_status hf_git_index_change(struct hf_repo *repo, const char *name,
				   const struct hf_repo_change *changes, size_t count,
				   struct hf_err *err)
{
	const char **args = calloc(2 * count + 8, sizeof(*args));
	char **infos = calloc(count + 1, sizeof(*infos));
	enum hf_status status;

	if (args && infos)
		status = run_update_index(repo, name, changes, count, infos, args, err);
	else
		status = hf_fail_errno(err, "cannot change the index");
	for (size_t i = 0; infos && i < count; i++)
		free(infos[i]);
	free(infos);
	free(args);
	return status;
}
