/* SPDX-License-Identifier: ISC */
#ifndef HF_SQL_LEXER_H
#define HF_SQL_LEXER_H

/*
 * SQL as text, as far as needed without SQLite: where a statement begins, its first word, and the
 * line and column of a position. SQLite itself finds the end of a statement.
 *
 * Pure functions. Thread-safe; async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>

/* Skip white space, comments and lone semicolons at s. */
const char *hf_sql_skip(const char *s, const char *end);

/* Read the word (letters, digits, "_") at s, in upper case, cut to fit; "" if there is none. Return
 * its end. */
const char *hf_sql_word(const char *s, const char *end, char *word, size_t size);

/* The same for a name, which may be quoted. */
const char *hf_sql_name(const char *s, const char *end, char *name, size_t size);

/* Return the end of a statement that contains no other statements (as a trigger does): its
 * semicolon, or end. Strings, quoted names and comments are skipped. */
const char *hf_sql_end(const char *s, const char *end);

/* Set line and column of `at`, both from 1; a column is a UTF-8 character. */
void hf_sql_position(const char *text, const char *at, size_t *line, size_t *column);

#endif
