/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_ENV_H
#define HF_GIT_ENV_H

/*
 * The environment of git(1): this process's, without what names another repository, and with what
 * git_run.h sets. The caller frees it.
 */

#include "git/git_run.h"

enum { HF_GIT_ENV_SET = 16 };

struct hf_git_env {
	char **list;
	char *made[HF_GIT_ENV_SET]; /* allocated entries */
	int made_count;
};

/* Return false if there is no memory. */
bool hf_git_env_make(const struct hf_git *git, struct hf_git_env *env);
void hf_git_env_free(struct hf_git_env *env);

#endif
