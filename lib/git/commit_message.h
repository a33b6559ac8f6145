/* SPDX-License-Identifier: ISC */
#ifndef HF_COMMIT_MESSAGE_H
#define HF_COMMIT_MESSAGE_H

/*
 * The message of a commit, as `git commit -F` and `git interpret-trailers` make it.
 *
 * Cleaned up: blanks at the ends of lines and empty lines at both ends are removed, several empty
 * lines become one, the last line gets a newline. Comments stay, as without an editor, unless
 * commit.cleanup says otherwise.
 *
 * A trailer is a line "Key: value" in the last paragraph. A paragraph is a block of trailers if it
 * is not the first one, and all its lines are trailers or continuations (which begin with a blank).
 * It is one too if a quarter of its lines are trailers and one is Git's own ("Signed-off-by: ",
 * "(cherry picked from commit "). A new trailer goes into such a block, or becomes a paragraph of
 * its own.
 *
 * Pure functions of text. Thread-safe.
 */

#include <stdbool.h>

#include <holdfast/err.h>

/* How a message is cleaned up: commit.cleanup and core.commentChar. */
struct hf_cleanup {
	bool verbatim; /* add a newline at the end, and nothing else */
	char comment;  /* remove lines that begin with it; 0: none */
};

/* Clean text up and add the trailer ("Key: value"; NULL: none). The caller frees *message. HF_DATA:
 * nothing is left of text. */
enum hf_status hf_commit_message_make(const char *text, struct hf_cleanup cleanup,
				      const char *trailer, char **message, struct hf_err *err);

/* Return true if the last paragraph contains this line. */
bool hf_commit_message_has(const char *message, const char *trailer);

#endif
