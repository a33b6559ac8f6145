/* SPDX-License-Identifier: ISC */
#ifndef HF_WATCH_H
#define HF_WATCH_H

/*
 * A live view: the same picture, drawn again and again.
 *
 * On a terminal it is drawn in place, on the alternate screen, cut to the window: lines to its
 * width, and so many that the last line can say how many more there are. A window that changes its
 * size is drawn at once. Ctrl-Z and a death by HUP, INT, QUIT or TERM give the screen back first;
 * then the process stops, or dies of that signal, so that a shell's loop around it ends too. The
 * terminal's modes are never changed: after a SIGKILL only the screen is the wrong one, which
 * reset(1) mends.
 *
 * Elsewhere each picture is a block: a line with the time, the picture, an empty line.
 *
 * A picture is made in memory and written in one piece. A reader that goes away ends it (SIGPIPE,
 * or HF_IO). The signals named are blocked and waited for; they must not be used otherwise.
 * The tools' own, like cli/cli.h. Single-threaded.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <holdfast/err.h>

/* Columns of the terminal that standard output is; 80 where it is none. */
size_t hf_watch_width(void);

/* How many columns the character at text takes (an ideograph two, an accent none), and *length how
 * many bytes. */
size_t hf_watch_columns(const char *text, size_t *length);

/* Draw into out, for a window of so many columns. */
typedef enum hf_status hf_draw(void *context, FILE *out, size_t width, struct hf_err *err);

/* Returns only when drawing or writing fails. interval: nanoseconds, 10 ms at least. title stands
 * above the picture; with NULL there is none, no time and no empty line. */
enum hf_status hf_live_view(const char *title, int64_t interval, hf_draw *draw, void *context,
			    struct hf_err *err);

#endif
