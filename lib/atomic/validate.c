/* SPDX-License-Identifier: ISC */
#include "atomic/validate.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <holdfast/proc.h>
#include "base/spawn.h"
#include "base/sys.h"
#include "base/strerror.h"

static enum hf_status check_exit(const char *command, const char *path, int wait_status,
				 struct hf_err *err)
{
	if (wait_status == 0)
		return HF_OK;
	hf_fail(err, HF_DATA, "the new content of '%s' is refused", path);
	if (WIFSIGNALED(wait_status))
		hf_advise(err, "'%s' was ended by signal %d (%s)", command, WTERMSIG(wait_status),
			  hf_strsignal(WTERMSIG(wait_status)));
	else
		hf_advise(err, "'%s' exited with %d", command, WEXITSTATUS(wait_status));
	return HF_DATA;
}

enum hf_status hf_validate(int fd, const char *command, const char *path, int *wait_status,
			   struct hf_err *err)
{
	char staged[48];
	char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)command,
			(char *)"sh",	   staged,	 NULL};
	struct hf_command run = {.argv = argv, .out = STDERR_FILENO};
	struct hf_child child;
	enum hf_status status;

	if (!hf_proc_mounted())
		return hf_fail(err, HF_UNAVAILABLE, "cannot validate '%s': /proc is not mounted",
			       path);
	snprintf(staged, sizeof(staged), "/proc/%d/fd/%d", getpid(), fd);
	run.in = sys_openat(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	if (run.in < 0)
		return hf_fail_errno(err, "cannot open '/dev/null'");
	status = hf_spawn(&child, &run, err);
	sys_close(run.in);
	if (status == HF_OK)
		status = hf_supervise(&child, NULL, err);
	if (status != HF_OK)
		return status;
	*wait_status = child.wait_status;
	return check_exit(command, path, child.wait_status, err);
}
