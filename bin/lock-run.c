/* SPDX-License-Identifier: ISC */
/* lock-run: run a command under locks. Under the name `flock` it is flock(1): cli/flock_cli.h. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include "cli/flock_cli.h"
#include "cli/lock_cli.h"
#include "base/spawn.h"
#include <holdfast/lock_slots.h>

enum { OPT_FD = HF_OPT_OWN, OPT_REMOVE };

static const struct hf_opt options[] = {
	HF_ROWS_LOCKS,
	{OPT_FD, "fd", "N", "lock open descriptor N instead of a file"},
	{'u', "unlock", NULL, "of a descriptor: give its lock back"},
	HF_ROWS_WAIT("for ever"),
	HF_ROW_CONFLICT,
	HF_ROW_COMMAND,
	{'o', "close", NULL, "close the locks' descriptors in COMMAND"},
	{'F', "no-fork", NULL, "become COMMAND instead of waiting for it"},
	{OPT_REMOVE, "remove", NULL, "remove the lock files afterwards, unless others use them"},
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] LOCK COMMAND…",
	"[options] LOCK -c STRING",
	"[options] FD",
	"[options] --file LOCK… COMMAND…",
	"[options] --dotlock PATH… COMMAND…",
	"[options] --sqlite DB… --git DIR… COMMAND…",
	NULL,
};

static struct hf_cli cli = {
	.tool = "lock-run",
	.synopsis = synopsis,
	.summary = "Run COMMAND while holding locks, taken in one order for everybody.",
	.options = options,
	.footer = "LOCK is a file or directory, and created if it is absent. FD is a descriptor.",
};

/* What the command line says. */
struct work {
	struct hf_lock_cli locks;
	int fd; /* or -1 */
	bool unlock, close, no_fork, remove;
	char **command;
};

/* LOCK COMMAND…, LOCK -c STRING, FD, or behind locks that options name, COMMAND… */
static void set_operands(struct work *w, char **words)
{
	bool named = w->locks.count || w->fd >= 0;

	if (!named && !words[0])
		hf_cli_usage(&cli, "no lock named: a file, a directory or a descriptor");
	if (!named && !words[1] && !w->command) {
		if (!*words[0] || words[0][strspn(words[0], "0123456789")])
			hf_cli_usage(&cli, "'%s' is not a descriptor, and there is no COMMAND",
				     words[0]);
		cli.seen = "FD";
		w->fd = (int)hf_cli_number(&cli, words[0], 0, INT_MAX);
		return;
	}
	if (!named)
		hf_lock_cli_add(&w->locks, *words++);
	if (w->command && words[0])
		hf_cli_usage(&cli, "a COMMAND besides --command");
	if (!w->command)
		w->command = hf_cli_command(&cli, words);
	if (!w->command && w->locks.count)
		hf_cli_usage(&cli, "no COMMAND");
}

static void check(const struct work *w)
{
	const struct hf_lock_cli *locks = &w->locks;

	hf_lock_cli_check(&cli, locks);
	if (w->fd >= 0 && locks->count)
		hf_cli_usage(&cli, "--fd and --file exclude each other");
	if (w->fd >= 0 && w->remove)
		hf_cli_usage(&cli, "--remove is for lock files, not for a descriptor");
	if (w->unlock && (w->fd < 0 || w->command))
		hf_cli_usage(&cli, "--unlock is for a descriptor, without a COMMAND");
	if (w->no_fork && w->close)
		hf_cli_usage(&cli, "--no-fork with --close: nobody would hold the lock");
	if (w->no_fork && w->remove)
		hf_cli_usage(&cli, "--no-fork with --remove: nobody would be left to remove it");
	if (w->no_fork && hf_lock_cli_has_dotlock(locks))
		hf_cli_usage(&cli, "--no-fork with --dotlock: nobody would be left to remove it");
	if (w->no_fork && hf_lock_cli_has_frozen(locks))
		hf_cli_usage(&cli, "--no-fork with a frozen lock: nobody would be left to thaw it");
	if (w->remove)
		hf_lock_cli_check_remove(&cli, locks);
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_cli_start(&cli, argc, argv);
	hf_lock_cli_init(&w->locks, argc);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		switch (id) {
		case OPT_FD:
			w->fd = (int)hf_cli_number(&cli, arg, 0, INT_MAX);
			break;
		case OPT_REMOVE:
			w->remove = true;
			break;
		case 'u':
			w->unlock = true;
			break;
		case 'c':
			w->command = hf_cli_shell(arg);
			break;
		case 'o':
			w->close = true;
			break;
		case 'F':
			w->no_fork = true;
			break;
		default:
			hf_lock_cli_option(&cli, &w->locks, id, arg);
		}
	}
	set_operands(w, cli.operands);
	check(w);
}

/* In the environment: what the command runs under. */
static enum hf_status announce(const struct work *w, const int *fds, size_t count,
			       struct hf_err *err)
{
	char slot[16];

	if (w->locks.slotted) {
		snprintf(slot, sizeof(slot), "%d", hf_lock_slot(w->locks.slotted));
		if (setenv("HOLDFAST_SLOT", slot, 1) < 0)
			return hf_fail_errno(err, "cannot set HOLDFAST_SLOT");
	}
	return w->close ? HF_OK : hf_fd_export(fds, count, err);
}

/* --no-fork. Returns only when it fails. */
static enum hf_status become(const struct work *w, const int *fds, size_t count, struct hf_err *err)
{
	int status;

	for (size_t i = 0; i < count; i++)
		fcntl(fds[i], F_SETFD, 0);
	hf_exec(w->command);
	status = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
	return hf_fail_errno_as(err, (enum hf_status)status, "cannot run '%s'", w->command[0]);
}

static enum hf_status take(struct work *w, struct hf_lockset *set, struct hf_err *err)
{
	struct hf_wait wait = hf_cli_wait(&cli, w->locks.timeout, HF_NEVER);
	int64_t start = hf_now();
	enum hf_status status;

	if (w->fd >= 0)
		status = hf_lock_cli_descriptor(&w->locks, w->fd, w->unlock, &wait, err);
	else
		status = hf_lock_cli_acquire(&w->locks, set, &wait, err);
	if (status == HF_OK && cli.verbose && !w->unlock)
		hf_cli_notice(&cli, "getting lock took %.6f seconds",
			      (double)(hf_now() - start) / (double)HF_SECOND);
	return status;
}

/* The command, under what is locked. */
static enum hf_status run(struct work *w, struct hf_lockset *set, int *wait_status,
			  struct hf_err *err)
{
	struct hf_command command = {.argv = w->command, .in = -1, .out = -1};
	const int *fds = &w->fd;
	size_t count = w->fd >= 0 ? 1 : hf_lockset_fds(set, &fds);
	enum hf_status status = announce(w, fds, count, err);
	struct hf_child child;

	if (status != HF_OK)
		return status;
	if (cli.verbose)
		hf_cli_notice(&cli, "executing %s", w->command[0]);
	if (w->no_fork) {
		hf_lockset_leave(set);
		return become(w, fds, count, err);
	}
	if (!w->close) {
		command.keep = fds;
		command.keep_count = count;
	} else if (w->fd >= 0) {
		fcntl(w->fd, F_SETFD, FD_CLOEXEC);
	}
	status = hf_spawn(&child, &command, err);
	if (status == HF_OK)
		status = hf_lock_cli_supervise(&cli, &w->locks, &child, err);
	else if (err->errnum == ETXTBSY && (w->locks.range || w->locks.slotted))
		hf_advise(err, "--slots and --fcntl open the lock file for writing, and it cannot "
			       "be run meanwhile: lock another file");
	*wait_status = child.wait_status;
	return status;
}

int main(int argc, char **argv)
{
	struct work w = {.fd = -1};
	struct hf_lockset *set;
	int wait_status = 0;
	enum hf_status status;
	struct hf_err err;
	bool taken;

	if (hf_flock_is_name(argv[0]))
		return hf_flock_main(argc, argv);
	parse(&w, argc, argv);
	set = hf_lockset_new();
	status = take(&w, set, &err);
	taken = status == HF_OK;
	if (taken && w.command)
		status = run(&w, set, &wait_status, &err);
	hf_lockset_free(set);
	if (taken && w.remove)
		hf_lock_cli_remove(&cli, &w.locks);
	hf_lock_cli_free(&w.locks);
	if (status != HF_OK)
		return hf_lock_cli_fail(&cli, &w.locks, &err);
	if (w.command)
		hf_exit_as(wait_status);
	return HF_OK;
}
