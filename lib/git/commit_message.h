/* SPDX-License-Identifier: ISC */
#ifndef HF_REPO_MESSAGE_H
#define HF_REPO_MESSAGE_H

/*
 * A commit's message, as `git commit -F` and `git interpret-trailers` make it.
 *
 * Cleaned up: blanks at the ends of lines and empty lines at both ends go, several empty lines
 * become one, the last line has its end. Comments are kept, as they are when no editor was run.
 *
 * A trailer is a line "Key: value" in the last paragraph. That is a block of trailers if it is not
 * the first one and all its lines are trailers, or continue one by a blank; or if a quarter of them
 * are, and one is of Git's own ("Signed-off-by: ", "(cherry picked from commit "). Into such a
 * block the new line goes; else it becomes a paragraph of its own.
 *
 * Pure functions of text. Thread-safe.
 */

#include <stdbool.h>

#include <holdfast/err.h>

/* *message, to be freed, is text cleaned up with the trailer ("Key: value"; NULL: none) added.
 * HF_DATA: nothing is left of text. */
enum hf_status hf_commit_message_make(const char *text, const char *trailer, char **message,
				      struct hf_err *err);

/* Is this line one of the last paragraph? */
bool hf_commit_message_has(const char *message, const char *trailer);

#endif
