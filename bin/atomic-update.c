/* SPDX-License-Identifier: ISC */
/* atomic-update: read a file, change it, replace it, without a race. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/sys.h"
#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include <holdfast/atomic.h>

enum { OPT_INIT = HF_OPT_OWN };
enum { MAX_TURNS = 10 }; /* on a file that is replaced while COMMAND runs, by itself perhaps */

static struct hf_atomic_cli work;
static const char *init;

static const struct hf_opt options[] = {
	{OPT_INIT, "init", "TEXT", "let COMMAND read TEXT if FILE is absent", .text = &init},
	HF_ROWS_REPLACE(work),
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

/* Open the locked file again: COMMAND must not inherit the lock. */
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
		errno = EEXIST; /* replaced by a program that does not lock it */
	}
	return hf_fail_errno_as(err, errno == EEXIST ? HF_BUSY : hf_status_of(errno),
				"cannot read '%s'", target->path);
}

/* Open a file with the text of --init and a newline. */
static enum hf_status open_text(int *fd, struct hf_err *err)
{
	enum hf_status status;

	*fd = memfd_create("init", MFD_CLOEXEC);
	if (*fd < 0)
		return hf_fail_errno(err, "cannot pass on the text of --init");
	status = hf_write_all(*fd, init, strlen(init), "--init", err);
	if (status == HF_OK)
		status = hf_write_all(*fd, "\n", 1, "--init", err);
	if (status == HF_OK && lseek(*fd, 0, SEEK_SET) == 0)
		return HF_OK;
	sys_close(*fd);
	return status == HF_OK ? HF_BUG : status;
}

/* Run COMMAND on the present content. */
static enum hf_status change(struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status;
	int in;

	status = hf_atomic_present(a) ? open_file(a, &in, err) : open_text(&in, err);
	if (status != HF_OK)
		return status;
	status = hf_atomic_cli_capture(&cli, &work, in, a, err);
	sys_close(in);
	return status;
}

static enum hf_status update(struct hf_atomic **a, struct hf_err *err)
{
	enum hf_status status;

	work.file.wait = hf_cli_wait(&cli);
	status = hf_atomic_begin(a, work.path, &work.file, err);
	if (status != HF_OK)
		return status;
	status = hf_atomic_lock(*a, err);
	if (status == HF_NOINPUT && init)
		status = HF_OK;
	else if (status == HF_NOINPUT)
		hf_advise(err, "use --init TEXT to begin with TEXT");
	if (status == HF_OK)
		status = change(*a, err);
	/* the time that COMMAND took is not part of the wait */
	work.file.wait = hf_cli_wait(&cli);
	if (status == HF_OK)
		status = hf_atomic_commit(*a, err);
	return status;
}

static enum hf_status replaced_each_time(struct hf_err *err)
{
	hf_fail(err, HF_BUSY, "'%s' is replaced each time by a program without its lock",
		work.path);
	hf_advise(err, "COMMAND must write to its standard output and leave '%s' alone", work.path);
	return HF_BUSY;
}

/* Start again if another program creates the file, or replaces it without locking it, while COMMAND
 * runs. */
static enum hf_status update_and_print(struct hf_atomic **a, struct hf_err *err)
{
	enum hf_status status = work.print ? hf_atomic_cli_check_print(err) : HF_OK;
	int replaced = 0;

	while (status == HF_OK) {
		status = update(a, err);
		if (status != HF_BUSY || err->errnum != EEXIST)
			break;
		replaced += hf_atomic_present(*a);
		hf_atomic_end(*a);
		*a = NULL;
		status = replaced < MAX_TURNS ? HF_OK : replaced_each_time(err);
	}
	return hf_atomic_cli_result(&cli, &work, *a, status, err);
}

int main(int argc, char **argv)
{
	struct hf_atomic *a = NULL;
	enum hf_status status;
	struct hf_err err;
	int end;

	hf_atomic_cli_parse(&cli, argc, argv);
	hf_atomic_cli_operands(&cli, &work, true);
	status = update_and_print(&a, &err);
	end = hf_atomic_cli_end(&cli, status, &err, a);
	hf_atomic_end(a);
	return end;
}
