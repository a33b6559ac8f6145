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

/* Note a setting. repo->plain then says whether all settings so far are plain. */
void hf_plain_note(struct hf_plain *plain, const char *key, const char *value);

/* Find a CR in a file. On the way into the repository Git changes line ends only if there is
 * one. */
enum hf_status hf_plain_has_cr(int fd, bool *found, struct hf_err *err);

/* How a content gets into the repository. */
enum hf_conversion {
	HF_CONVERT_NOTHING,
	HF_CONVERT_BY_GIT,     /* Git decides */
	HF_CONVERT_BY_PROGRAM, /* likewise, and may run a filter */
};
enum hf_status hf_plain_conversion(struct hf_repo *repo, const char *path, int fd,
				   enum hf_conversion *how, struct hf_err *err);

#endif
