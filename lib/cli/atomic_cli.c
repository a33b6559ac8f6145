/* SPDX-License-Identifier: ISC */
#include "cli/atomic_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/capture.h"
#include "base/copy.h"
#include "base/spawn.h"
#include "base/strerror.h"

static void ignore_signal(int signo)
{
	(void)signo;
}

void hf_atomic_cli_parse(struct hf_cli *cli, int argc, char **argv)
{
	struct sigaction action;

	hf_cli_parse(cli, argc, argv);
	/* execve(2) resets a handler, but not SIG_IGN */
	if (sigaction(SIGXFSZ, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal(SIGXFSZ, ignore_signal);
}

void hf_atomic_cli_backup(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	struct hf_atomic_options *o = option->context;

	(void)cli;
	o->backup = arg ? arg : "~";
}

void hf_atomic_cli_sync(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	static const char *const names[] = {"full", "data", "none"};
	static const enum hf_sync syncs[] = {HF_SYNC_FULL, HF_SYNC_DATA, HF_SYNC_NONE};
	struct hf_atomic_options *o = option->context;
	size_t i = 0;

	while (i < 3 && strcmp(arg, names[i]) != 0)
		i++;
	if (i == 3)
		hf_cli_usage(cli, "%s: '%s' is not full, data or none", cli->option, arg);
	o->sync = syncs[i];
}

void hf_atomic_cli_operands(struct hf_cli *cli, struct hf_atomic_cli *w, bool needs_command)
{
	w->path = hf_cli_operand(cli, "FILE");
	hf_cli_command(cli, cli->operands, needs_command, &w->command);
}

enum hf_status hf_atomic_cli_check_print(struct hf_err *err)
{
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY)
		return HF_OK;
	return hf_fail(err, HF_IO, "cannot print: standard output is closed");
}

enum hf_status hf_atomic_cli_print(int fd, const char *path, struct hf_err *err)
{
	enum hf_status status;

	/* a reader that has exited is an error to report, not a reason to die */
	signal(SIGPIPE, SIG_IGN);
	if (lseek(fd, 0, SEEK_SET) < 0)
		status = hf_fail_errno(err, "cannot read '%s'", path);
	else
		status = hf_copy_stream(fd, STDOUT_FILENO, NULL, path, NULL, err);
	if (status == HF_OK)
		return HF_OK;
	hf_advise(err, "'%s' has its new content all the same", path);
	return err->status = HF_UNCERTAIN;
}

enum hf_status hf_atomic_cli_result(const struct hf_cli *cli, const struct hf_atomic_cli *w,
				    const struct hf_atomic *a, enum hf_status status,
				    struct hf_err *err)
{
	enum hf_status printed;

	if (status == HF_OK && cli->verbose)
		hf_cli_notice(cli,
			      hf_atomic_replaced(a) ? "'%s' is replaced"
						    : "'%s' is the same already",
			      w->path);
	if (!w->print || (status != HF_OK && status != HF_UNCERTAIN))
		return status;
	printed = hf_atomic_cli_print(hf_atomic_fd(a), w->path, err);
	return printed == HF_OK ? status : printed;
}

static _Noreturn void fail_as_command(const struct hf_cli *cli, const char *path, int wait_status)
{
	int signo = WTERMSIG(wait_status);

	if (!cli->quiet && WIFSIGNALED(wait_status))
		hf_cli_notice(cli, "'%s' is left as it was: the command died of signal %d (%s)",
			      path, signo, hf_strsignal(signo));
	else if (!cli->quiet)
		hf_cli_notice(cli, "'%s' is left as it was: the command exited with %d", path,
			      WEXITSTATUS(wait_status));
	hf_exit_as(wait_status);
}

enum hf_status hf_atomic_cli_capture(const struct hf_cli *cli, const struct hf_atomic_cli *w,
				     int in, struct hf_atomic *a, struct hf_err *err)
{
	int wait_status = 0;
	enum hf_status status =
		hf_capture(w->command, in, hf_atomic_fd(a), w->path, &wait_status, err);

	if (status != HF_OK || wait_status == 0)
		return status;
	hf_atomic_end(a);
	fail_as_command(cli, w->path, wait_status);
}

int hf_atomic_cli_end(const struct hf_cli *cli, enum hf_status status, struct hf_err *err,
		      const struct hf_atomic *a)
{
	int validator = a ? hf_atomic_validator(a) : 0;
	int signo = WIFSIGNALED(validator) ? WTERMSIG(validator) : 0;
	int result;

	if (status == HF_IO && !err->advice[0])
		hf_advise(err, a && hf_atomic_present(a) ? "the old content is kept"
							 : "nothing was changed");
	result = hf_cli_end(cli, status, err);
	if (signo == SIGINT || signo == SIGQUIT || signo == SIGHUP || signo == SIGTERM)
		hf_exit_as(validator);
	return result;
}
