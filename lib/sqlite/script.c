/* SPDX-License-Identifier: ISC */
#include "sqlite/script.h"

#include <signal.h>
#include <string.h>

#include "sqlite/sql_lexer.h"

/*
 * Signals.
 */

static const int ending[] = {SIGHUP, SIGINT, SIGTERM};
enum { ENDING = sizeof(ending) / sizeof(ending[0]) };

static volatile sig_atomic_t came;

static void note_signal(int signal)
{
	came = signal;
}

/* Ignored signals stay ignored. Handlers are set only while statements run: a process that waits
 * for its turn, or commits, dies at once, for which SQLite is made. */
static void take_signals(struct sigaction old[ENDING])
{
	struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};

	for (int i = 0; i < ENDING; i++) {
		sigaction(ending[i], NULL, &old[i]);
		if (old[i].sa_handler != SIG_IGN)
			sigaction(ending[i], &action, NULL);
	}
}

static void restore_signals(const struct sigaction old[ENDING])
{
	for (int i = 0; i < ENDING; i++)
		sigaction(ending[i], &old[i], NULL);
}

/*
 * Statements.
 */

enum kind { OTHER, BEFORE, BEGIN, COMMIT, ROLLBACK };

/* What the first words of a statement say. */
struct lexed {
	enum kind kind;
	char pragma[32]; /* its name; "" for another statement */
	bool sets;	 /* a value follows the name */
};

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(name, *names) != 0)
		names++;
	return *names;
}

/* Read "name" or "schema.name" after PRAGMA. */
static void lex_pragma(const char *s, const char *end, struct lexed *l)
{
	/* these write, or count, as a part of the transaction */
	static const char *const inside[] = {"USER_VERSION",   "APPLICATION_ID",
					     "SCHEMA_VERSION", "DEFER_FOREIGN_KEYS",
					     "OPTIMIZE",       "INCREMENTAL_VACUUM",
					     NULL};

	s = hf_sql_skip(hf_sql_name(s, end, l->pragma, sizeof(l->pragma)), end);
	if (s < end && *s == '.') {
		s = hf_sql_name(hf_sql_skip(s + 1, end), end, l->pragma, sizeof(l->pragma));
		s = hf_sql_skip(s, end);
	}
	l->sets = s < end && (*s == '=' || *s == '(');
	l->kind = is_one_of(l->pragma, inside) ? OTHER : BEFORE;
}

static struct lexed lex(const char *s, const char *end)
{
	struct lexed l = {.kind = OTHER};
	char first[16], second[16];

	s = hf_sql_word(hf_sql_skip(s, end), end, first, sizeof(first));
	s = hf_sql_skip(s, end);
	if (strcmp(first, "PRAGMA") == 0)
		lex_pragma(s, end, &l);
	else if (strcmp(first, "VACUUM") == 0)
		l.kind = BEFORE;
	else if (strcmp(first, "BEGIN") == 0)
		l.kind = BEGIN;
	else if (strcmp(first, "COMMIT") == 0 || strcmp(first, "END") == 0)
		l.kind = COMMIT;
	if (strcmp(first, "ROLLBACK") != 0)
		return l;
	s = hf_sql_word(s, end, second, sizeof(second));
	if (strcmp(second, "TRANSACTION") == 0)
		hf_sql_word(hf_sql_skip(s, end), end, second, sizeof(second));
	l.kind = strcmp(second, "TO") == 0 ? OTHER : ROLLBACK;
	return l;
}

/* Return true if only statements follow that run before the transaction (sqlite/R4). */
static bool is_all_before(const char *s, const char *end)
{
	while ((s = hf_sql_skip(s, end)) < end) {
		if (lex(s, end).kind != BEFORE)
			return false;
		s = hf_sql_end(s, end);
	}
	return true;
}

static enum hf_status run_statement(struct hf_script *script, struct hf_sqlite_stmt *stmt,
				    struct hf_err *err)
{
	enum hf_status status = hf_params_bind(script->params, stmt, err);

	if (status == HF_OK && script->rows)
		hf_row_format_begin(script->rows, stmt);
	while (status == HF_OK && (status = hf_sqlite_stmt_step(stmt, err)) == HF_OK)
		if (script->rows)
			status = hf_row_format_row(script->rows, stmt, err);
	if (status != HF_NO)
		return status;
	if (script->rows)
		hf_row_format_end(script->rows, stmt);
	return HF_OK;
}

/* Run the statement at script->at, and move past it. */
static enum hf_status run_next(struct hf_script *script, bool passes_over, struct hf_err *err)
{
	struct hf_sqlite_stmt *stmt;
	enum hf_status status =
		hf_sqlite_prepare(hf_db_sql(script->db), script->at,
				  (size_t)(script->end - script->at), &stmt, &script->at, err);

	if (status == HF_OK && stmt && !passes_over)
		status = run_statement(script, stmt, err);
	hf_sqlite_stmt_finalize(stmt);
	return status;
}

/* Start from the beginning. */
static void rewind_script(struct hf_script *script)
{
	script->at = script->text;
	script->begun = script->ended = false;
	hf_sqlite_script(hf_db_sql(script->db), script->text, script->size);
}

static enum hf_status refuse_statement(const struct hf_script *script, enum hf_status status,
				       const char *why, struct hf_err *err)
{
	size_t line, column;

	hf_sql_position(script->text, script->at, &line, &column);
	return hf_fail(err, status, "cannot run line %zu, column %zu of the SQL in '%s': %s", line,
		       column, hf_db_path(script->db), why);
}

/* Skip a BEGIN or COMMIT, or refuse it (sqlite/R5). */
static enum hf_status check_control(struct hf_script *script, enum kind kind, bool first,
				    struct hf_err *err)
{
	if (script->ended || kind == ROLLBACK || (kind == BEGIN && !first) ||
	    (kind == COMMIT && !script->begun)) {
		refuse_statement(script, HF_DATA,
				 script->ended ? "it comes after a COMMIT"
					       : "it would begin or end a transaction",
				 err);
		hf_advise(err, "the SQL is one transaction: all of it happens, or nothing");
		hf_advise(err, "nothing was done; SAVEPOINT, RELEASE and ROLLBACK TO may be used");
		return HF_DATA;
	}
	script->begun = script->begun || kind == BEGIN;
	script->ended = kind == COMMIT;
	return HF_OK;
}

/* Refuse what query_only does not prevent (sqlite/R7), and what is not allowed inside the caller's
 * transaction (sqlite/R6). */
static enum hf_status check_pragma(const struct hf_script *script, const struct lexed *l,
				   struct hf_err *err)
{
	static const char *const modes[] = {"JOURNAL_MODE", "LOCKING_MODE", NULL};
	bool is_mode = is_one_of(l->pragma, modes);

	if (script->reads && (strcmp(l->pragma, "WAL_CHECKPOINT") == 0 ||
			      (l->sets && (is_mode || strcmp(l->pragma, "QUERY_ONLY") == 0)))) {
		refuse_statement(script, HF_NOPERM, "it writes, and --read only reads", err);
		hf_advise(err, "omit --read");
		return HF_NOPERM;
	}
	if (script->inside && is_mode) {
		refuse_statement(script, HF_DATA, "it would make the transaction unsafe", err);
		hf_advise(err, "nothing was done; change the mode with sqlite-run, once");
		return HF_DATA;
	}
	return HF_OK;
}

/* Run the statements that come next; with `before`, up to the first that belongs inside the
 * transaction (sqlite/R4). */
static enum hf_status run_statements(struct hf_script *script, bool before, struct hf_err *err)
{
	const char *end = script->end;
	enum hf_status status = HF_OK;

	for (bool first = true; status == HF_OK; first = false) {
		struct lexed l;
		bool controls;

		script->at = hf_sql_skip(script->at, end);
		l = lex(script->at, end);
		if (script->at == end || (before && l.kind != BEFORE))
			break;
		controls = l.kind != OTHER && l.kind != BEFORE;
		if (script->ended || controls)
			status = check_control(script, l.kind, first, err);
		if (status == HF_OK)
			status = check_pragma(script, &l, err);
		if (status == HF_OK)
			status = run_next(script, controls, err);
	}
	return status;
}

static enum hf_status run_before(void *context, struct hf_err *err)
{
	struct hf_script *script = context;
	struct sigaction old[ENDING];
	enum hf_status status;

	hf_deferred_clear(script->rows->out);
	hf_text_table_free(&script->rows->table);
	hf_params_again(script->params);
	rewind_script(script);
	hf_sqlite_interrupt_flag(hf_db_sql(script->db), &came);
	take_signals(old);
	status = run_statements(script, true, err);
	restore_signals(old);
	return status;
}

static enum hf_status run_rest(struct hf_script *script, struct hf_err *err)
{
	enum hf_status status = run_statements(script, false, err);

	if (status == HF_OK)
		status = hf_params_check(script->params, err);
	if (status == HF_OK)
		status = hf_deferred_check(script->rows->out, err);
	return status;
}

static enum hf_status run_body(void *context, struct hf_err *err)
{
	const struct hf_script *script = context;
	struct sigaction old[ENDING];
	enum hf_status status;

	take_signals(old);
	status = run_rest(context, err);
	restore_signals(old);
	if (status != HF_OK || !came)
		return status;
	/* also after the last statement */
	hf_fail(err, HF_OS, "cannot run SQL in '%s': interrupted", hf_db_path(script->db));
	hf_advise(err, "a signal ended it; everything was rolled back");
	return HF_OS;
}

/* Run a script that needs no transaction. */
static enum hf_status run_alone(void *context, struct hf_err *err)
{
	enum hf_status status = run_before(context, err);

	return status == HF_OK ? run_body(context, err) : status;
}

/* Begin to run the script in db, and check it. */
static enum hf_status begin_script(struct hf_script *script, struct hf_db *db, bool inside,
				   struct hf_err *err)
{
	const char *nul = memchr(script->text, '\0', script->size);
	size_t line, column;

	script->db = db;
	script->end = script->text + script->size;
	script->inside = inside;
	if (nul) {
		hf_sql_position(script->text, nul, &line, &column);
		hf_fail(err, HF_DATA, "the SQL for '%s' has a NUL byte in line %zu, column %zu",
			hf_db_path(db), line, column);
		hf_advise(err, "check whether it is a binary file, or UTF-16");
		return HF_DATA;
	}
	if (hf_sql_skip(script->text, script->end) < script->end)
		return HF_OK;
	hf_fail(err, HF_DATA, "there is no SQL to run in '%s'", hf_db_path(db));
	hf_advise(err, "check whether the command that writes it has failed");
	return HF_DATA;
}

enum hf_status hf_script_run(struct hf_script *script, struct hf_db *db, struct hf_err *err)
{
	enum hf_status status = begin_script(script, db, false, err);

	came = 0;
	if (status != HF_OK)
		return status;
	if (is_all_before(script->text, script->end))
		status = hf_db_outside_transaction(db, run_alone, script, err);
	else
		status = hf_db_transact(db, run_before, run_body, script, err);
	script->signal = came;
	hf_text_table_free(&script->rows->table);
	if (hf_db_sql(db)) {
		hf_sqlite_interrupt_flag(hf_db_sql(db), NULL);
		hf_sqlite_script(hf_db_sql(db), NULL, 0);
	}
	return status;
}

enum hf_status hf_script_run_inside(struct hf_script *script, struct hf_db *db, struct hf_err *err)
{
	enum hf_status status = begin_script(script, db, true, err);

	if (status != HF_OK)
		return status;
	rewind_script(script);
	status = run_statements(script, false, err);
	hf_sqlite_script(hf_db_sql(db), NULL, 0);
	return status;
}
