/* SPDX-License-Identifier: ISC */
#include "git/git_run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "git/git_env.h"
#include <holdfast/clock.h>

static const char *const first_args[] = {
	"git",
	"-c",
	"core.fsync=all",
	"-c",
	"core.fsyncMethod=fsync",
	"-c",
	"core.hooksPath=/dev/null",
	"-c",
	"core.fsmonitor=false",
	"-c",
	"gc.auto=0",
	"-c",
	"maintenance.auto=false",
};

/* Set the descriptors that git(1) inherits: its standard ones and index.lock's. */
static int actions_for(posix_spawn_file_actions_t *actions, const struct hf_git *git,
		       const int files[3])
{
	const struct hf_repo *repo = git->repo;
	const char *top = repo->workdir[0] ? repo->workdir : repo->gitdir;
	int r = posix_spawn_file_actions_addchdir_np(actions, top);

	for (int i = 0; !r && i < 3; i++)
		r = posix_spawn_file_actions_adddup2(actions, files[i], i);
	/* duplicated onto itself, so that it stays open */
	if (!r && repo->lock >= 0)
		r = posix_spawn_file_actions_adddup2(actions, repo->lock, repo->lock);
	return r;
}

const char *hf_git_program(void)
{
	static char *searched, program[PATH_MAX];
	const char *path = getenv("PATH");

	path = path ? path : "/bin:/usr/bin";
	if (searched && strcmp(searched, path) == 0)
		return program[0] ? program : NULL;
	free(searched);
	searched = strdup(path);
	for (;; path++) {
		int len = (int)strcspn(path, ":");
		struct stat st;

		/* a relative part would be another directory where git(1) runs */
		if (*path == '/' &&
		    snprintf(program, sizeof(program), "%.*s/git", len, path) <
			    (int)sizeof(program) &&
		    stat(program, &st) == 0 && S_ISREG(st.st_mode) && access(program, X_OK) == 0)
			return program;
		path += len;
		if (!*path)
			break;
	}
	program[0] = '\0';
	return NULL;
}

enum hf_status hf_git_fail_absent(struct hf_repo *repo, struct hf_err *err)
{
	repo->no_git = true;
	return hf_fail(err, HF_UNAVAILABLE, "cannot work on '%s' without git: it is not in PATH",
		       hf_repo_name(repo));
}

int hf_git_spawn(const struct hf_git *git, const int files[3], pid_t *pid)
{
	const size_t first = sizeof(first_args) / sizeof(first_args[0]);
	const char *program = hf_git_program();
	posix_spawn_file_actions_t actions;
	struct hf_git_env env;
	const char **args;
	size_t count = 0;
	int r = program ? posix_spawn_file_actions_init(&actions) : ENOENT;

	if (r)
		return r;
	while (git->args[count])
		count++;
	args = calloc(first + count + 1, sizeof(*args));
	r = args && hf_git_env_make(git, &env) ? actions_for(&actions, git, files) : ENOMEM;
	if (!r) {
		memcpy(args, first_args, sizeof(first_args));
		memcpy(args + first, git->args, count * sizeof(*args));
		hf_lower_limit(true);
		r = posix_spawn(pid, program, &actions, NULL, (char **)args, env.list);
		hf_lower_limit(false);
	}
	if (args)
		hf_git_env_free(&env);
	free(args);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int open_input(const struct hf_git *git)
{
	size_t done = 0;
	int fd;

	if (!git->input && git->fd < 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (!git->input) {
		fd = fcntl(git->fd, F_DUPFD_CLOEXEC, 3);
		if (fd >= 0)
			(void)!lseek(fd, 0, SEEK_SET);
		return fd;
	}
	fd = memfd_create("input", MFD_CLOEXEC);
	while (fd >= 0 && done < git->size) {
		ssize_t n = sys_write(fd, (const char *)git->input + done, git->size - done);

		if (n < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		(void)!lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Return the whole content, NUL-terminated. */
static char *read_output(int fd, size_t *size)
{
	struct stat st;
	char *text;
	size_t done = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0 || !(text = malloc((size_t)st.st_size + 1)))
		return NULL;
	while (n && done < (size_t)st.st_size) {
		n = sys_pread(fd, text + done, (size_t)st.st_size - done, (off_t)done);
		if (n < 0 && errno != EINTR) {
			free(text);
			return NULL;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	text[done] = '\0';
	*size = done;
	return text;
}

/* Copy the first line, without "fatal: " and "error: ". */
static void first_line(char *out, size_t size, const char *text)
{
	static const char *const words[] = {"fatal: ", "error: "};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strncmp(text, words[i], strlen(words[i])) == 0)
			text += strlen(words[i]);
	snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

/* Wait for the end of the process to the deadline. Return false if it still runs. */
static bool wait_until(pid_t pid, int64_t deadline)
{
	struct pollfd fd = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	bool ended = fd.fd < 0;

	while (!ended && hf_time_left(deadline) > 0) {
		int64_t left = hf_time_left(deadline) / HF_MS + 1;

		ended = poll(&fd, 1, left > INT_MAX ? INT_MAX : (int)left) > 0;
	}
	if (fd.fd >= 0)
		close(fd.fd);
	return ended;
}

static enum hf_status run_with_files(const struct hf_git *git, const int files[3],
				     struct hf_git_out *out, struct hf_err *err)
{
	size_t size;
	char *words;
	int status, r;
	pid_t pid;

	r = hf_git_spawn(git, files, &pid);
	if (r == ENOENT)
		return hf_git_fail_absent(git->repo, err);
	errno = r;
	if (r)
		return hf_fail_errno_as(err, HF_OS, "cannot run git");
	if (git->repo->program_deadline && !wait_until(pid, git->repo->program_deadline)) {
		kill(pid, SIGTERM);
		out->late = true;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return hf_fail_errno_as(err, HF_OS, "cannot run git");
	out->status = hf_exit_status(status);
	out->text = read_output(files[1], &out->size);
	words = read_output(files[2], &size);
	if (!out->text || !words) {
		free(words);
		return hf_fail_errno(err, "cannot read the output of git");
	}
	out->said = size > 0;
	first_line(out->why, sizeof(out->why), out->said ? words : "it does not say why");
	free(words);
	return HF_OK;
}

enum hf_status hf_git_run(const struct hf_git *git, struct hf_git_out *out, struct hf_err *err)
{
	const int files[] = {open_input(git), memfd_create("output", MFD_CLOEXEC),
			     memfd_create("errors", MFD_CLOEXEC)};
	enum hf_status status;

	*out = (struct hf_git_out){0};
	if (files[0] < 0 || files[1] < 0 || files[2] < 0)
		status = hf_fail_errno(err, "cannot run git");
	else
		status = run_with_files(git, files, out, err);
	for (int i = 0; i < 3; i++)
		if (files[i] >= 0)
			close(files[i]);
	if (status != HF_OK)
		hf_git_free(out);
	return status;
}

void hf_git_free(struct hf_git_out *out)
{
	free(out->text);
	out->text = NULL;
}

enum hf_status hf_git_failed(const struct hf_git_out *out, const char *what, const char *on,
			     struct hf_err *err)
{
	if (out->late) {
		hf_fail(err, HF_BUSY, "git cannot %s '%s': its program has not ended in time", what,
			on);
		hf_advise(err, "wait longer with -w");
		return HF_BUSY;
	}
	if (out->status > 128 && !out->said)
		return hf_fail(err, HF_BUSY, "git cannot %s '%s': it was killed", what, on);
	return hf_fail(err, hf_status_in_words(out->why), "git cannot %s '%s': %s", what, on,
		       out->why);
}

enum hf_status hf_git_ask_args(struct hf_repo *repo, const char *const *args,
			       struct hf_git_out *out, struct hf_err *err)
{
	const struct hf_git git = {.repo = repo, .args = args, .fd = -1};

	return hf_git_run(&git, out, err);
}

enum hf_status hf_git_oid(struct hf_git_out *out, const char *what, const char *on,
			  char oid[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status = HF_OK;
	size_t len = strspn(out->text, "0123456789abcdef");

	if (out->status)
		status = hf_git_failed(out, what, on, err);
	else if (len < 2 * HF_SHA1 || len >= HF_OID_SIZE)
		status = hf_fail(err, HF_DATA, "git cannot %s '%s': it prints no object", what, on);
	else
		snprintf(oid, HF_OID_SIZE, "%.*s", (int)len, out->text);
	hf_git_free(out);
	return status;
}
