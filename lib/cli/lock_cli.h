/* SPDX-License-Identifier: ISC */
#ifndef HF_LOCK_CLI_H
#define HF_LOCK_CLI_H

/*
 * Locks on the command line: rows of the option tables, the set, and the wait.
 *
 * -s, -x and --slots apply to the locks that follow, so the locks are collected and turned into a
 * set at the end; --fcntl, --start and --length apply to all of them.
 *
 *	hf_lock_cli_init(&locks, argc);
 *	hf_cli_parse(&cli, argc, argv);
 *	hf_lock_cli_add(&locks, operand);		(if LOCK is an operand)
 *	hf_lock_cli_check(&cli, &locks);
 *	status = hf_lock_cli_acquire(&locks, set, &wait, &err);
 *
 * Prints, and exits on a usage error. Single-threaded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/spawn.h"
#include "cli/cli.h"
#include <holdfast/lock_slots.h>
#include <holdfast/lockset.h>

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

#define HF_ROW_LOCK(id, name, arg, help, to)                                                       \
	{                                                                                          \
		id, name, arg, help, .take = hf_lock_cli_take, .context = &(to)                    \
	}
#define HF_ROWS_LOCKS(frozen_help, to)                                                             \
	HF_ROW_LOCK('s', "shared", NULL, "take the locks that follow in shared mode", to),         \
		HF_ROW_LOCK('x', "exclusive", NULL,                                                \
			    "take the locks that follow exclusively (default)", to),               \
		HF_ROW_LOCK('e', NULL, NULL, NULL, to),                                            \
		HF_ROW_LOCK(HF_OPT_FILE, "file", "LOCK", "lock this file or directory", to),       \
		HF_ROW_LOCK(HF_OPT_DOTLOCK, "dotlock", "PATH",                                     \
			    "create PATH as the lock, as dotlockfile(1)", to),                     \
		HF_ROW_LOCK(HF_OPT_SQLITE, "sqlite", "DB",                                         \
			    "lock this SQLite database for writing", to),                          \
		HF_ROW_LOCK(HF_OPT_SQLITE_FREEZE, "sqlite-freeze", "DB", frozen_help, to),         \
		HF_ROW_LOCK(HF_OPT_GIT, "git", "DIR", "lock the Git repository that DIR is in",    \
			    to),                                                                   \
		HF_ROW_LOCK(HF_OPT_GIT_FREEZE, "git-freeze", "DIR",                                \
			    "also take its index.lock: freeze the index", to),                     \
		{HF_OPT_SLOTS,                                                                     \
		 "slots",                                                                          \
		 "N",                                                                              \
		 "let N hold the next lock; set $HOLDFAST_SLOT",                                   \
		 .number = &(to).slots,                                                            \
		 .min = 1,                                                                         \
		 .max = HF_SLOTS_MAX},                                                             \
		{HF_OPT_FCNTL, "fcntl", NULL, "lock by fcntl(2) instead of flock(2)",              \
		 .flag = &(to).range},                                                             \
		HF_ROW_LOCK(HF_OPT_START, "start", "SIZE", "lock by fcntl(2), from byte SIZE",     \
			    to),                                                                   \
		HF_ROW_LOCK(HF_OPT_LENGTH, "length", "SIZE", "lock by fcntl(2), SIZE bytes", to)

struct hf_lock_spec {
	const struct hf_lock_ops *ops; /* NULL: a file, with flock(2) or fcntl(2) */
	const char *path;
	enum hf_lock_mode mode;
	int slots;	      /* or 0 */
	struct hf_lock *lock; /* after acquire: in the set */
};

struct hf_lock_cli {
	struct hf_lock_spec *specs;
	size_t count;
	enum hf_lock_mode mode; /* of the locks that follow */
	int64_t slots;		/* of the next lock, or 0 */
	bool range;
	int64_t start, length;
	const struct hf_lock *slotted; /* after acquire: the lock with slots, or NULL */
};

/* Allocate space for as many locks as there are arguments. */
void hf_lock_cli_init(struct hf_lock_cli *locks, int argc);
void hf_lock_cli_free(struct hf_lock_cli *locks);

/* For the rows: the context is a struct hf_lock_cli. */
void hf_lock_cli_take(struct hf_cli *cli, const struct hf_opt *option, char *arg);

/* Add a lock that an operand names. */
void hf_lock_cli_add(struct hf_lock_cli *locks, const char *path);

/* Refuse options that exclude each other. */
void hf_lock_cli_check(struct hf_cli *cli, const struct hf_lock_cli *locks);

/* Return true if one of the locks is a dotlock. */
bool hf_lock_cli_has_dotlock(const struct hf_lock_cli *locks);

/* Return true if one of the locks freezes a database or an index. */
bool hf_lock_cli_has_frozen(const struct hf_lock_cli *locks);

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
