/* SPDX-License-Identifier: ISC */
/* atomic-write: replace a file whole, or leave it. */

#include <errno.h>
#include <unistd.h>

#include <holdfast/atomic.h>
#include "cli/atomic_cli.h"
#include "base/capture.h"
#include "cli/cli.h"
#include "base/copy.h"
#include <holdfast/symlink.h>
#include "base/sys.h"

enum { OPT_FROM = HF_OPT_OWN, OPT_SYMLINK };

static const struct hf_opt options[] = {
	{OPT_FROM, "from", "PATH", "the new content is that of PATH, not standard input"},
	{OPT_SYMLINK, "symlink", "TARGET", "make FILE a symbolic link to TARGET"},
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
	HF_ROW_NO_FOLLOW,
	HF_ROW_BREAK_LINKS,
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

/* What the command line says. */
struct work {
	struct hf_atomic_options file;
	const char *path, *from, *symlink;
	char **command;
	int64_t timeout;
	bool print;
	int conflict;
};

static enum hf_status copy_from(const struct work *w, int to, struct hf_err *err)
{
	int fd = sys_openat(AT_FDCWD, w->from, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	enum hf_status status;
	struct stat st;

	if (fd < 0 || sys_fstat(fd, &st) < 0) {
		status = errno == ENOENT ? HF_NOINPUT : hf_status_of(errno);
		return hf_fail_errno_as(err, status, "cannot read '%s'", w->from);
	}
	status = S_ISREG(st.st_mode) ? hf_copy_file(fd, to, w->from, w->path, err)
				     : hf_copy_stream(fd, to, NULL, w->from, w->path, err);
	sys_close(fd);
	return status;
}

/* Make the new content. A command that fails is the end. */
static enum hf_status produce(const struct work *w, struct hf_atomic *a, struct hf_err *err)
{
	enum hf_status status;
	int wait_status, fd = hf_atomic_fd(a);

	if (w->from)
		return copy_from(w, fd, err);
	if (!w->command)
		return hf_copy_stream(STDIN_FILENO, fd, NULL, NULL, w->path, err);
	status = hf_capture(w->command, -1, fd, w->path, &wait_status, err);
	if (status == HF_OK && wait_status != 0) {
		hf_atomic_end(a);
		hf_atomic_cli_command_failed(&cli, w->path, wait_status);
	}
	return status;
}

static enum hf_status write_file(struct work *w, struct hf_atomic **a, struct hf_err *err)
{
	enum hf_status status = w->print ? hf_atomic_cli_check_print(err) : HF_OK;

	if (status == HF_OK)
		status = hf_atomic_begin(a, w->path, &w->file, err);
	if (status != HF_OK)
		return status;
	status = produce(w, *a, err);
	/* the time that the content took is not part of the wait */
	hf_atomic_cli_wait(&cli, w->timeout, &w->file);
	if (status == HF_OK)
		status = hf_atomic_commit(*a, err);
	return hf_atomic_cli_result(&cli, *a, w->path, w->print, status, err);
}

static void parse(struct work *w, int argc, char **argv)
{
	char *arg;
	int id;

	hf_atomic_cli_start(&cli, argc, argv);
	while ((id = hf_cli_next(&cli, &arg)) != HF_CLI_END) {
		switch (id) {
		case OPT_FROM:
			w->from = arg;
			break;
		case OPT_SYMLINK:
			w->symlink = arg;
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
	if (!!w->command + !!w->from + !!w->symlink > 1)
		hf_cli_usage(&cli, "--from, --symlink and COMMAND exclude each other");
	if (w->symlink && !*w->symlink)
		hf_cli_usage(&cli, "--symlink: an empty TARGET");
	if (w->symlink && (w->print || w->file.mode || w->file.validate))
		hf_cli_usage(&cli, "--symlink excludes --mode, --validate and --print");
	hf_atomic_cli_wait(&cli, w->timeout, &w->file);
}

int main(int argc, char **argv)
{
	struct work w = {.conflict = -1, .timeout = -1};
	struct hf_atomic *a = NULL;
	enum hf_status status;
	struct hf_err err;
	int end;

	parse(&w, argc, argv);
	if (w.symlink)
		status = hf_atomic_symlink(w.path, w.symlink, &w.file, &err);
	else
		status = write_file(&w, &a, &err);
	end = hf_atomic_cli_finish(&cli, status, &err, w.conflict, a);
	hf_atomic_end(a);
	return end;
}
