/* SPDX-License-Identifier: ISC */
#include "cli/atomic_cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/copy.h"
#include "base/spawn.h"
#include "base/strerror.h"
#include <holdfast/clock.h>

#define DEFAULT_WAIT (10 * HF_SECOND)

static enum hf_sync parse_sync(struct hf_cli *cli, const char *arg)
{
	static const struct {
		const char *name;
		enum hf_sync sync;
	} how[] = {{"full", HF_SYNC_FULL}, {"data", HF_SYNC_DATA}, {"none", HF_SYNC_NONE}};

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++)
		if (strcmp(arg, how[i].name) == 0)
			return how[i].sync;
	hf_cli_usage(cli, "%s: '%s' is not full, data or none", cli->seen, arg);
}

static void ignore_signal(int signo)
{
	(void)signo;
}

void hf_atomic_cli_start(struct hf_cli *cli, int argc, char **argv)
{
	struct sigaction action;

	hf_cli_start(cli, argc, argv);
	/* execve(2) resets a handler, but not SIG_IGN */
	if (sigaction(SIGXFSZ, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal(SIGXFSZ, ignore_signal);
}

bool hf_atomic_cli_option(struct hf_cli *cli, int id, char *arg, struct hf_atomic_options *o,
			  int64_t *timeout)
{
	if (hf_cli_wait_option(cli, id, arg, timeout))
		return true;
	switch (id) {
	case 'b':
		o->backup = arg ? arg : "~";
		break;
	case HF_OPT_MODE:
		o->mode = arg;
		break;
	case HF_OPT_PARENTS:
		o->parents = true;
		break;
	case HF_OPT_IF_MATCH:
		o->if_match = arg;
		break;
	case HF_OPT_SKIP_SAME:
		o->skip_same = true;
		break;
	case HF_OPT_VALIDATE:
		o->validate = arg;
		break;
	case HF_OPT_ALLOW_EMPTY:
		o->allow_empty = true;
		break;
	case HF_OPT_SYNC:
		o->sync = parse_sync(cli, arg);
		break;
	case HF_OPT_NO_FOLLOW:
		o->no_follow = true;
		break;
	case HF_OPT_BREAK_LINKS:
		o->break_links = true;
		break;
	default:
		return false;
	}
	return true;
}

void hf_atomic_cli_wait(struct hf_cli *cli, int64_t timeout, struct hf_atomic_options *o)
{
	o->wait = hf_cli_wait(cli, timeout, DEFAULT_WAIT);
}

void hf_atomic_cli_operands(struct hf_cli *cli, const char **path, char ***command)
{
	if (cli->operand_count == 0)
		hf_cli_usage(cli, "no FILE");
	*path = cli->operands[0];
	if (*command && cli->operand_count > 1)
		hf_cli_usage(cli, "a COMMAND besides --command");
	if (cli->operand_count > 1)
		*command = hf_cli_command(cli, cli->operands + 1);
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

enum hf_status hf_atomic_cli_result(const struct hf_cli *cli, const struct hf_atomic *a,
				    const char *path, bool print, enum hf_status status,
				    struct hf_err *err)
{
	enum hf_status printed;

	if (status == HF_OK && cli->verbose)
		hf_cli_notice(cli,
			      hf_atomic_replaced(a) ? "'%s' is replaced"
						    : "'%s' is the same already",
			      path);
	if (!print || (status != HF_OK && status != HF_UNCERTAIN))
		return status;
	printed = hf_atomic_cli_print(hf_atomic_fd(a), path, err);
	return printed == HF_OK ? status : printed;
}

void hf_atomic_cli_command_failed(const struct hf_cli *cli, const char *path, int wait_status)
{
	if (cli->quiet)
		;
	else if (WIFSIGNALED(wait_status))
		hf_cli_notice(cli, "'%s' is left as it was: the command died of signal %d (%s)",
			      path, WTERMSIG(wait_status), hf_strsignal(WTERMSIG(wait_status)));
	else
		hf_cli_notice(cli, "'%s' is left as it was: the command exited with %d", path,
			      WEXITSTATUS(wait_status));
	hf_exit_as(wait_status);
}

int hf_atomic_cli_finish(const struct hf_cli *cli, enum hf_status status, struct hf_err *err,
			 int conflict, const struct hf_atomic *a)
{
	int validator = a ? hf_atomic_validator(a) : 0;

	if (status != HF_OK) {
		if (status == HF_IO && !err->advice[0])
			hf_advise(err, a && hf_atomic_present(a) ? "the old content is kept"
								 : "nothing was changed");
		hf_cli_report(cli, err);
	}
	if (WIFSIGNALED(validator) &&
	    (WTERMSIG(validator) == SIGINT || WTERMSIG(validator) == SIGQUIT ||
	     WTERMSIG(validator) == SIGHUP || WTERMSIG(validator) == SIGTERM))
		hf_exit_as(validator);
	if (status == HF_BUSY && conflict >= 0)
		return conflict;
	return hf_cli_finish(cli, (int)status);
}
