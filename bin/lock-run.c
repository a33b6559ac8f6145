/* SPDX-License-Identifier: ISC */
/* lock-run: run a command under locks. Under the name `flock` it is flock(1): cli/flock_cli.h. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "cli/cli.h"
#include "cli/flock_cli.h"
#include "cli/lock_cli.h"
#include <holdfast/clock.h>
#include <holdfast/fd.h>
#include <holdfast/lock_slots.h>

enum { OPT_FD = HF_OPT_OWN, OPT_REMOVE };

static struct hf_lock_cli locks;
static int64_t lock_fd = -1;
static bool unlocks, closes, no_fork, removes;
static char **command;

static const struct hf_opt options[] = {
	HF_ROWS_LOCKS("also exclude all writers, even COMMAND", locks),
	{OPT_FD, "fd", "N", "lock open descriptor N instead of a file", .number = &lock_fd,
	 .max = INT_MAX},
	{'u', "unlock", NULL, "unlock a descriptor", .flag = &unlocks},
	HF_ROWS_WAIT("limit waits for locks (default inf), not COMMAND"),
	HF_ROW_CONFLICT,
	HF_ROW_COMMAND(command),
	{'o', "close", NULL, "close the locks' descriptors in COMMAND", .flag = &closes},
	{'F', "no-fork", NULL, "become COMMAND instead of waiting for it", .flag = &no_fork},
	{OPT_REMOVE, "remove", NULL, "remove the lock files at the end, unless in use",
	 .flag = &removes},
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
	.summary = "Run COMMAND while holding locks, taken in one global order.",
	.options = options,
	.footer = "LOCK is a file or directory, and created if it is absent. FD is a descriptor.",
	.default_wait = HF_NEVER,
	.quiet_answers = true,
};

/* LOCK COMMAND…, LOCK -c STRING, FD, or COMMAND… after locks that options name. */
static void set_operands(char **words)
{
	bool named = locks.count || lock_fd >= 0;

	if (!named && !words[0])
		hf_cli_usage(&cli, "no lock named: a file, a directory or a descriptor");
	if (!named && !words[1] && !command) {
		if (!*words[0] || words[0][strspn(words[0], "0123456789")])
			hf_cli_usage(&cli, "'%s' is not a descriptor, and there is no COMMAND",
				     words[0]);
		cli.option = "FD";
		lock_fd = hf_cli_number(&cli, words[0], 0, INT_MAX);
		return;
	}
	if (!named)
		hf_lock_cli_add(&locks, *words++);
	hf_cli_command(&cli, words, locks.count, &command);
}

static void check(void)
{
	hf_lock_cli_check(&cli, &locks);
	if (lock_fd >= 0 && locks.count)
		hf_cli_usage(&cli, "--fd and --file exclude each other");
	if (lock_fd >= 0 && removes)
		hf_cli_usage(&cli, "--remove is for lock files, not for a descriptor");
	if (unlocks && (lock_fd < 0 || command))
		hf_cli_usage(&cli, "--unlock is for a descriptor, without a COMMAND");
	if (no_fork && closes)
		hf_cli_usage(&cli, "--no-fork with --close: no process would hold the lock");
	if (no_fork && removes)
		hf_cli_usage(&cli, "--no-fork with --remove: no process would remove the file");
	if (no_fork && hf_lock_cli_has_dotlock(&locks))
		hf_cli_usage(&cli, "--no-fork with --dotlock: no process would remove the dotlock");
	if (no_fork && hf_lock_cli_has_frozen(&locks))
		hf_cli_usage(&cli, "--no-fork with a frozen lock: no process would thaw it");
	if (removes)
		hf_lock_cli_check_remove(&cli, &locks);
}

/* Name the locks in the environment of the command. */
static enum hf_status announce(const int *fds, size_t count, struct hf_err *err)
{
	char slot[16];

	if (locks.slotted) {
		snprintf(slot, sizeof(slot), "%d", hf_lock_slot(locks.slotted));
		if (setenv("HOLDFAST_SLOT", slot, 1) < 0)
			return hf_fail_errno(err, "cannot set HOLDFAST_SLOT");
	}
	return closes ? HF_OK : hf_fd_export(fds, count, err);
}

/* Run the command in place of this process. Returns only when it fails. */
static enum hf_status become(const int *fds, size_t count, struct hf_err *err)
{
	int status;

	for (size_t i = 0; i < count; i++)
		fcntl(fds[i], F_SETFD, 0);
	hf_exec(command);
	status = errno == ENOENT || errno == ENOTDIR ? 127 : 126;
	return hf_fail_errno_as(err, (enum hf_status)status, "cannot run '%s'", command[0]);
}

static enum hf_status take(struct hf_lockset *set, struct hf_err *err)
{
	struct hf_wait wait = hf_cli_wait(&cli);
	int64_t start = hf_now();
	enum hf_status status;

	if (lock_fd >= 0)
		status = hf_lock_cli_descriptor(&locks, (int)lock_fd, unlocks, &wait, err);
	else
		status = hf_lock_cli_acquire(&locks, set, &wait, err);
	if (status == HF_OK && cli.verbose && !unlocks)
		hf_cli_notice(&cli, "getting lock took %.6f seconds",
			      (double)(hf_now() - start) / (double)HF_SECOND);
	return status;
}

/* Run the command under the locks. */
static enum hf_status run(struct hf_lockset *set, int *wait_status, struct hf_err *err)
{
	struct hf_command request = {.argv = command, .in = -1, .out = -1};
	int fd = (int)lock_fd;
	const int *fds = &fd;
	size_t count = fd >= 0 ? 1 : hf_lockset_fds(set, &fds);
	enum hf_status status = announce(fds, count, err);
	struct hf_child child;

	if (status != HF_OK)
		return status;
	if (cli.verbose)
		hf_cli_notice(&cli, "executing %s", command[0]);
	if (no_fork) {
		hf_lockset_leave(set);
		return become(fds, count, err);
	}
	if (!closes) {
		request.keep = fds;
		request.keep_count = count;
	} else if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	status = hf_spawn(&child, &request, err);
	if (status == HF_OK)
		status = hf_lock_cli_supervise(&cli, &locks, &child, err);
	else if (err->errnum == ETXTBSY && (locks.range || locks.slotted))
		hf_advise(err, "--slots and --fcntl open the lock file for writing, and it cannot "
			       "be run at the same time: lock another file");
	*wait_status = child.wait_status;
	return status;
}

int main(int argc, char **argv)
{
	struct hf_lockset *set;
	int wait_status = 0;
	enum hf_status status;
	struct hf_err err;
	bool taken;

	if (hf_flock_is_name(argv[0]))
		return hf_flock_main(argc, argv);
	hf_lock_cli_init(&locks, argc);
	hf_cli_parse(&cli, argc, argv);
	set_operands(cli.operands);
	check();
	set = hf_lockset_new();
	status = take(set, &err);
	taken = status == HF_OK;
	if (taken && command)
		status = run(set, &wait_status, &err);
	hf_lockset_free(set);
	if (taken && removes)
		hf_lock_cli_remove(&cli, &locks);
	hf_lock_cli_free(&locks);
	if (status == HF_OK && command)
		hf_exit_as(wait_status);
	return hf_cli_end(&cli, status, &err);
}
