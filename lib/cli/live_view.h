/* SPDX-License-Identifier: ISC */
#ifndef HF_LIVE_VIEW_H
#define HF_LIVE_VIEW_H

/*
 * A live view: the same picture, drawn repeatedly.
 *
 * On a terminal it is drawn in place, cut to the window; elsewhere each picture is a block of text.
 * README.md describes the signals that end or stop it; they are blocked and waited for, and must
 * not be used otherwise. A reader that closes the output ends it (SIGPIPE, or HF_IO).
 * Single-threaded.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <holdfast/err.h>

/* Return the columns of the terminal on standard output; 80 if it is not one. */
size_t hf_live_view_width(void);

/* Return the columns of the character at text (an ideograph two, an accent none), and its bytes in
 * *length. */
size_t hf_live_view_columns(const char *text, size_t *length);

/* Draw into out, for a window of `width` columns. */
typedef enum hf_status hf_draw(void *context, FILE *out, size_t width, struct hf_err *err);

/* Draw until drawing or writing fails. interval: nanoseconds, at least 10 ms. title is above the
 * picture; NULL: no title, time or empty line. */
enum hf_status hf_live_view(const char *title, int64_t interval, hf_draw *draw, void *context,
			    struct hf_err *err);

#endif
