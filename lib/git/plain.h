/* SPDX-License-Identifier: ISC */
#ifndef HF_PLAIN_H
#define HF_PLAIN_H

/*
 * Decide what is plain: where libgit2 and the writers of this folder do the same as Git.
 *
 * Everything that could change what Git does is looked up on a list of what is known not to, or to
 * be obeyed here: environment variables, settings, attributes. What the list does not have is not
 * plain, and Git itself does the work. README.md has the rule. Never waits.
 *
 * The fault build can empty the list (HOLDFAST_WITHOUT=plain).
 */

#include "git/repo_backend.h"

/* Return the first environment variable that is not plain; NULL if all are. */
const char *hf_plain_variable(void);

/* Return true if no object of the repository is replaced or grafted. */
bool hf_plain_history(const struct hf_repo *repo);

/* Note a setting. repo->plain then says whether all settings so far are plain. */
void hf_plain_note(struct hf_plain *plain, const char *key, const char *value);

#endif
