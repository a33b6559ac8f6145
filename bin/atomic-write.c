/* SPDX-License-Identifier: ISC */
/* atomic-write: replace a file whole, or leave it. */

#include <errno.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/sys.h"
#include "cli/atomic_cli.h"
#include "cli/cli.h"
#include <holdfast/atomic.h>
#include <holdfast/symlink.h>

enum { OPT_FROM = HF_OPT_OWN, OPT_SYMLINK };

static struct hf_atomic_cli work;
static const char *from, *symlink_to;

static const struct hf_opt options[] = {
	{OPT_FROM, "from", "PATH", "read PATH instead of standard input", .text = &from},
	{OPT_SYMLINK, "symlink", "TARGET", "make FILE a symbolic link to TARGET",
	 .text = &symlink_to},
	HF_ROWS_REPLACE(work),
	HF_ROW_NO_FOLLOW("replace a symbolic link, not its target", work.file),
	HF_ROWS_END,
};

static const char *const synopsis[] = {
	"[options] FILE",
	"[options] FILE COMMAND…",
	"[options] -c STRING FILE",
	"[options] --from PATH FILE",
	"[options] --symlink TARGET FILE",
	NULL,
};

static struct hf_cli cli = {
	.tool = "atomic-write",
	.synopsis = synopsis,
	.summary = "Replace FILE by standard input, or by COMMAND's output if it succeeds:\n"
		   "at every instant FILE is the whole old or the whole new content.",
	.options = options,
};

static enum hf_status copy_from(int to, struct hf_err *err)
{
	int fd = sys_openat(AT_FDCWD, from, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	enum hf_status status;
	struct stat st;

	if (fd < 0 || sys_fstat(fd, &st) < 0) {
		status = errno == ENOENT ? HF_NOINPUT : hf_status_of(errno);
		return hf_fail_errno_as(err, status, "cannot read '%s'", from);
	}
	status = S_ISREG(st.st_mode) ? hf_copy_file(fd, to, from, work.path, err)
				     : hf_copy_stream(fd, to, NULL, from, work.path, err);
	sys_close(fd);
	return status;
}

static enum hf_status write_file(struct hf_atomic **a, struct hf_err *err)
{
	enum hf_status status = work.print ? hf_atomic_cli_check_print(err) : HF_OK;

	if (status == HF_OK)
		status = hf_atomic_begin(a, work.path, &work.file, err);
	if (status != HF_OK)
		return status;
	if (from)
		status = copy_from(hf_atomic_fd(*a), err);
	else if (work.command)
		status = hf_atomic_cli_capture(&cli, &work, -1, *a, err);
	else
		status = hf_copy_stream(STDIN_FILENO, hf_atomic_fd(*a), NULL, NULL, work.path, err);
	/* the time that the content took is not part of the wait */
	work.file.wait = hf_cli_wait(&cli);
	if (status == HF_OK)
		status = hf_atomic_commit(*a, err);
	return hf_atomic_cli_result(&cli, &work, *a, status, err);
}

int main(int argc, char **argv)
{
	struct hf_atomic *a = NULL;
	enum hf_status status;
	struct hf_err err;
	int end;

	hf_atomic_cli_parse(&cli, argc, argv);
	hf_atomic_cli_operands(&cli, &work, false);
	if (!!work.command + !!from + !!symlink_to > 1)
		hf_cli_usage(&cli, "--from, --symlink and COMMAND exclude each other");
	if (symlink_to && !*symlink_to)
		hf_cli_usage(&cli, "--symlink: an empty TARGET");
	if (symlink_to && (work.print || work.file.mode || work.file.validate))
		hf_cli_usage(&cli, "--symlink excludes --mode, --validate and --print");
	work.file.wait = hf_cli_wait(&cli);
	if (symlink_to)
		status = hf_atomic_symlink(work.path, symlink_to, &work.file, &err);
	else
		status = write_file(&a, &err);
	end = hf_atomic_cli_end(&cli, status, &err, a);
	hf_atomic_end(a);
	return end;
}
