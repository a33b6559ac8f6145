/* SPDX-License-Identifier: ISC */
#ifndef HF_GIT_MOUNTNS_H
#define HF_GIT_MOUNTNS_H

/*
 * Does a process in another mount namespace certainly work in another repository?
 *
 * README.md has the conditions (gitlock/P1 to P4). Only the working directory is inspected. The
 * caller checks the environment, the arguments, and a worktree that the configuration names
 * (gitlock/git_holders.h).
 *
 * A snapshot. Changes and waits for nothing. Thread-safe.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "gitlock/gitdir.h"

bool hf_git_is_apart(const struct hf_gitdir *git, pid_t pid);

#endif
