/* SPDX-License-Identifier: ISC */
#ifndef HF_PLAIN_RULES_H
#define HF_PLAIN_RULES_H

/*
 * Decide whether the rules of a repository (attributes, ignored files) can matter to a path.
 *
 * The rules are not interpreted: a word in any file of rules for the path is enough for Git to be
 * asked. Files that are absent, or say nothing about it, are plain. Never waits.
 */

#include <limits.h>

#include "git/repo_backend.h"

/* Set the path of a file in the directory of the user's configuration, as Git finds it. */
void hf_plain_user_file(char path[PATH_MAX], const char *name);

/* Return true if no rule can ignore the path: there is none for its directories. */
bool hf_plain_ignores_nothing(struct hf_repo *repo, const char *path);

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
