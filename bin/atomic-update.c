/* SPDX-License-Identifier: ISC */
/* atomic-update: read a file, change it, replace it, without a race. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <holdfast/atomic.h>
#include "cli/atomic_cli.h"
#include "base/capture.h"
#include "cli/cli.h"
#include "base/copy.h"
#include "base/sys.h"

enum { OPT_INIT = HF_OPT_OWN };
enum { MAX_TURNS = 10 }; /* on a file that is replaced while COMMAND runs, by itself perhaps */

static const struct hf_opt options[] = {
	{OPT_INIT, "init", "TEXT", "where FILE is absent, COMMAND reads TEXT and a newline"},
	HF_ROW_COMMAND,
	HF_ROWS_WAIT("10s"),
	HF_ROW_CONFLICT,
	HF_ROW_MODE,
	HF_ROW_PARENTS,
	HF_ROW_BACKUP,
	HF_ROW_IF_MATCH,
	HF_ROW_SKIP_SAME,
	HF_ROW_VALIDATE,
	HF_ROW_ALLOW_EMPTY,
	HF_ROW_PRINT,
	HF_ROW_SYNC,
	HF_ROW_BREAK_LINKS,
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] FILE COMMAND…",
	"[options] -c STRING FILE",
	NULL,
};

static struct hf_cli cli = {
	.tool = "atomic-update",
	.synopsis = synopsis,
	.summary =
		"Run COMMAND with FILE as standard input, under FILE's lock; its output replaces\n"
		"FILE if it exits with 0 and is not empty.",
	.options = options,
};

/* What the command line says. */
struct work {
	struct hf_atomic_options file;
	const char *path, *init;
	char **command;
	int64_t timeout;
	bool print;
	int conflict;
};

/* The file that is locked, once more: COMMAND must not inherit the lock. */
static enum hf_status open_file(const struct hf_atomic *a, int *fd, struct hf_err *err)
{
	const struct hf_target *target = hf_atomic_target(a);
	struct stat st, locked;

	hf_atomic_old(a, &locked);
	*fd = sys_openat(target->dir, target->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (*fd >= 0 && sys_fstat(*fd, &st) == 0 && hf_same_inode(&st, &locked))
		return HF_OK;
	if (*fd >= 0) {
		sys_close(*fd);
		errno = EEXIST; /* replaced by somebody who does not lock it */
	}
	return hf_fail_errno_as(err, errno == EEXIST ? HF_BUSY : hf_status_of(errno),
				"cannot read '%s'", target->path);
}

/* TEXT and a newline, to be read as a file. */
static enum hf_status open_text(const char *text, int *fd, struct hf_err *err)
{
	enum hf_status status;

	*fd = memfd_create("init", MFD_CLOEXEC);
	if (*fd < 0)
		return hf_fail_errno(err, "cannot pass on the text of --init");
	status = hf_write_all(*fd, text, strlen(text), "--init", err);
	if (status == HF_OK)
		status = hf_write_all(*fd, "\n", 1, "--init", err);
	if (status == HF_OK && lseek(*fd, 0, SEEK_SET) == 0)
		return HF_OK;
	sys_close(*fd);
	return status == HF_OK ? HF_BUG : status;
}

/* Run COMMAND on what is there. If it fails, that is the end. */
static enum hf_status change(const struct work *w, struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status;
	int in, wait_status;

	status = hf_atomic_present(a) ? open_file(a, &in, err) : open_text(w->init, &in, err);
	if (status != HF_OK)
		return status;
	status = hf_capture(w->command, in, hf_atomic_fd(a), w->path, &wait_status, err);
	sys_close(in);
	if (status == HF_OK && wait_status != 0) {
		hf_atomic_end(a);
		hf_atomic_cli_command_failed(&cli, w->path, wait_status);
	}
	return status;
}

static enum hf_status update(struct work *w, struct hf_atomic **a, struct hf_err *err)
{
	enum hf_status status;

	hf_atomic_cli_wait(&cli, w->timeout, &w->file);
	status = hf_atomic_begin(a, w->path, &w->file, err);
	if (status != HF_OK)
		return status;
	status = hf_atomic_lock(*a, err);
	if (status == HF_NOINPUT && w->init)
		status = HF_OK;
	else if (status == HF_NOINPUT)
		hf_advise(err, "--init TEXT says what to begin with");
	if (status == HF_OK)
		status = change(w, *a, err);
	/* the time that COMMAND took is not part of the wait */
	hf_atomic_cli_wait(&cli, w->timeout, &w->file);
	if (status == HF_OK)
		status = hf_atomic_commit(*a, err);
	return status;
}

static enum hf_status replaced_each_time(const struct work *w, struct hf_err *err)
{
	hf_fail(err, HF_BUSY, "'%s' is replaced each time by somebody without its lock", w->path);
	hf_advise(err, "COMMAND must write to its standard output and leave '%s' alone", w->path);
	return HF_BUSY;
}

/* Again, if somebody creates the file, or replaces it without locking it, while COMMAND runs. */
static enum hf_status update_and_print(struct work *w, struct hf_atomic **a, struct hf_err *err)
{
	enum hf_status status = w->print ? hf_atomic_cli_check_print(err) : HF_OK;
	int replaced = 0;

	while (status == HF_OK) {
		status = update(w, a, err);
		if (status != HF_BUSY || err->errnum != EEXIST)
			break;
		replaced += hf_atomic_present(*a);
		hf_atomic_end(*a);
		*a = NULL;
		status = replaced < MAX_TURNS ? HF_OK : replaced_each_time(w, err);
	}
	return hf_atomic_cli_result(&cli, *a, w->path, w->print, status, err);
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_atomic_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		switch (id) {
		case OPT_INIT:
			w->init = arg;
			break;
		case HF_OPT_PRINT:
			w->print = true;
			break;
		case 'c':
			w->command = hf_cli_shell(arg);
			break;
		case 'E':
			w->conflict = (int)hf_cli_number(&cli, arg, 0, 255);
			break;
		default:
			hf_atomic_cli_option(&cli, id, arg, &w->file, &w->timeout);
		}
	}
	hf_atomic_cli_operands(&cli, &w->path, &w->command);
	if (!w->command)
		hf_cli_usage(&cli, "no COMMAND");
}

int main(int argc, char **argv)
{
	struct work w = {.conflict = -1, .timeout = -1};
	struct hf_atomic *a = NULL;
	enum hf_status status;
	struct hf_err err;
	int end;

	parse(&w, argc, argv);
	status = update_and_print(&w, &a, &err);
	end = hf_atomic_cli_finish(&cli, status, &err, w.conflict, a);
	hf_atomic_end(a);
	return end;
}
