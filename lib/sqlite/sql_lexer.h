/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_TEXT_H
#define HF_SQL_TEXT_H

/*
 * SQL as text, as far as one must know it without SQLite: where a statement begins, its first word,
 * and the line and column of a place in it. SQLite itself finds where a statement ends.
 *
 * Pure functions. Thread-safe; async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>

/* Behind the space, comments and lone semicolons at s. */
const char *hf_sql_skip(const char *s, const char *end);

/* The word (letters, digits and "_") at s, in upper case, cut to fit; "" if there is none. Returns
 * what is behind it. */
const char *hf_sql_word(const char *s, const char *end, char *word, size_t size);

/* The same of a name, which may stand in quotes. */
const char *hf_sql_name(const char *s, const char *end, char *name, size_t size);

/* The end of a statement that holds no other statements (as a trigger does): its semicolon, or
 * end. Strings, quoted names and comments are passed over. */
const char *hf_sql_end(const char *s, const char *end);

/* Line and column of `at`, both from 1; a column is a character of UTF-8. */
void hf_sql_position(const char *text, const char *at, size_t *line, size_t *column);

#endif
