/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_CLI_H
#define HF_LOCK_CLI_H

/*
 * Locks on the command line: rows of the option tables, a reader for them, the set, and the wait.
 *
 * -s, -x and --slots apply to the locks that follow, so the locks are collected and turned into a
 * set at the end; --fcntl, --start and --length apply to all of them.
 *
 *	hf_lock_cli_init(&locks, argc);
 *	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END)
 *		if (!hf_lock_cli_option(&cli, &locks, id, arg))
 *			...
 *	hf_lock_cli_add(&locks, operand);		(if LOCK is an operand)
 *	hf_lock_cli_check(&cli, &locks);
 *	status = hf_lock_cli_acquire(&locks, set, &wait, &err);
 *
 * Prints, and exits on a usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cli/cli.h"
#include <holdfast/lockset.h>
#include "base/spawn.h"

enum {
	HF_OPT_FILE = 0x180,
	HF_OPT_DOTLOCK,
	HF_OPT_SQLITE,
	HF_OPT_SQLITE_FREEZE,
	HF_OPT_GIT,
	HF_OPT_GIT_FREEZE,
	HF_OPT_FCNTL,
	HF_OPT_START,
	HF_OPT_LENGTH,
	HF_OPT_SLOTS
};

#define HF_ROWS_LOCKS                                                                              \
	{'s', "shared", NULL, "of the locks that follow: shared"},                                 \
		{'x', "exclusive", NULL, "of the locks that follow: exclusive (default)"},         \
		{'e', NULL, NULL, NULL},                                                           \
		{HF_OPT_FILE, "file", "LOCK", "lock this file or directory"},                      \
		{HF_OPT_DOTLOCK, "dotlock", "PATH",                                                \
		 "lock by making the file PATH, as dotlockfile(1) does"},                          \
		{HF_OPT_SQLITE, "sqlite", "DB", "lock this SQLite database for writing"},          \
		{HF_OPT_SQLITE_FREEZE, "sqlite-freeze", "DB",                                      \
		 "the same, and let nobody write, not even COMMAND"},                              \
		{HF_OPT_GIT, "git", "DIR", "lock the Git repository that DIR is in"},              \
		{HF_OPT_GIT_FREEZE, "git-freeze", "DIR",                                           \
		 "the same, and take its index.lock: no Git changes the index"},                   \
		{HF_OPT_SLOTS, "slots", "N",                                                       \
		 "of the next lock: at most N at once; $HOLDFAST_SLOT is 0 to N-1"},               \
		{HF_OPT_FCNTL, "fcntl", NULL, "lock by fcntl(2) instead of flock(2)"},             \
		{HF_OPT_START, "start", "SIZE", "by fcntl(2), from this byte"},                    \
	{                                                                                          \
		HF_OPT_LENGTH, "length", "SIZE", "by fcntl(2), so many bytes"                      \
	}

struct hf_lock_spec {
	const struct hf_lock_ops *ops; /* NULL: a file, with flock(2) or fcntl(2) */
	const char *path;
	enum hf_lock_mode mode;
	int slots;	      /* or 0 */
	struct hf_lock *lock; /* after acquire: in the set */
};

struct hf_lock_cli {
	struct hf_lock_spec *wants;
	size_t count;
	struct hf_lock_spec next; /* settings for the next lock */
	bool range;
	int64_t start, length;
	int64_t timeout; /* of --timeout, or -1 */
	int conflict;	 /* of --conflict-exit-code */
	const struct hf_lock *slotted; /* after acquire: the lock with slots, or NULL */
};

/* Allocate space for as many locks as there are arguments. */
void hf_lock_cli_init(struct hf_lock_cli *locks, int argc);
void hf_lock_cli_free(struct hf_lock_cli *locks);

/* Take an option of HF_ROWS_LOCKS, HF_ROWS_WAIT or HF_ROW_CONFLICT. Return false if it is none of
 * them. */
bool hf_lock_cli_option(struct hf_cli *cli, struct hf_lock_cli *locks, int id, const char *arg);

/* Add a lock that an operand names. */
void hf_lock_cli_add(struct hf_lock_cli *locks, const char *path);

/* Refuse options that exclude each other. */
void hf_lock_cli_check(struct hf_cli *cli, const struct hf_lock_cli *locks);

/* Return true if one of the locks is a dotlock. */
bool hf_lock_cli_has_dotlock(const struct hf_lock_cli *locks);

/* Return true if one of the locks freezes a database or an index. */
bool hf_lock_cli_has_frozen(const struct hf_lock_cli *locks);

/* Report a failure and return the exit status. --quiet suppresses the message that a lock is
 * busy. */
int hf_lock_cli_fail(const struct hf_cli *cli, const struct hf_lock_cli *locks,
		     const struct hf_err *err);

/* Add all locks to the set and acquire it. */
enum hf_status hf_lock_cli_acquire(struct hf_lock_cli *locks, struct hf_lockset *set,
				   const struct hf_wait *wait, struct hf_err *err);

/* Supervise the command that runs under the locks (hf_supervise()): touch dotlocks while it runs,
 * and report one that was lost at its end. */
enum hf_status hf_lock_cli_supervise(const struct hf_cli *cli, struct hf_lock_cli *locks,
				     struct hf_child *child, struct hf_err *err);

/* Lock an inherited descriptor, or unlock it. HF_DATA: it is not open. */
enum hf_status hf_lock_cli_descriptor(const struct hf_lock_cli *locks, int fd, bool unlock,
				      const struct hf_wait *wait, struct hf_err *err);

/* After the set is released, remove the lock files that no other process uses; a failure is only
 * reported. The check is made before anything is locked. */
void hf_lock_cli_check_remove(struct hf_cli *cli, const struct hf_lock_cli *locks);
void hf_lock_cli_remove(const struct hf_cli *cli, const struct hf_lock_cli *locks);

#endif
