/* SPDX-License-Identifier: ISC */
#include "git/git_cli_read.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/sys.h"
#include "git/git_run.h"
#include "git/plain.h"

/* The back end's own data. */
struct session {
	char *settings; /* "KEY\nVALUE", "KEY" if it has no value, each with a NUL */
	size_t size;
	pid_t pid; /* of cat-file; 0: it does not run */
	int socket;
	char piece[16 * 1024]; /* received and not yet read */
	size_t at, end;
};

static struct session *session_of(const struct hf_repo *repo)
{
	return repo->back;
}

/* ---- settings ------------------------------------------------------------------------------- */

/* Return the value of the setting at `at` if it has this key ("": true without a value). */
static const char *value_of(const char *at, const char *key)
{
	size_t len = strcspn(at, "\n");

	return strncmp(at, key, len) != 0 || key[len] ? NULL : at[len] ? at + len + 1 : "true";
}

const char *hf_git_setting(const struct hf_repo *repo, const char *key)
{
	const struct session *s = session_of(repo);
	const char *found = NULL;

	for (const char *at = s->settings; at < s->settings + s->size; at += strlen(at) + 1) {
		const char *value = value_of(at, key);

		found = value ? value : found;
	}
	return found;
}

static enum hf_status fail_unusable(const struct hf_git_out *out, const char *dir,
				    struct hf_err *err)
{
	if (strstr(out->why, "dubious ownership"))
		return hf_repo_not_owned(dir, err);
	return hf_fail(err, HF_UNAVAILABLE, "cannot use the repository at '%s': %s", dir, out->why);
}

/* Ask Git why it has not used the repository. */
static enum hf_status check_usable(struct hf_repo *repo, struct hf_err *err)
{
	const char *dir = hf_repo_name(repo);
	struct hf_git_out out;
	enum hf_status status = hf_git_ask(repo, &out, err, "rev-parse", "--git-dir");

	if (status != HF_OK)
		return status;
	if (out.status)
		status = fail_unusable(&out, dir, err);
	hf_git_free(&out);
	return status;
}

static void note_settings(struct hf_repo *repo)
{
	const struct session *s = session_of(repo);
	char key[256];

	for (const char *at = s->settings; at < s->settings + s->size; at += strlen(at) + 1) {
		size_t len = strcspn(at, "\n");

		snprintf(key, sizeof(key), "%.*s", (int)len, at);
		hf_plain_note(&repo->plain, key, at[len] ? at + len + 1 : "true");
	}
}

enum hf_status hf_git_read_settings(struct hf_repo *repo, bool by_environment, struct hf_err *err)
{
	struct hf_git_out out;
	struct session *s = calloc(1, sizeof(*s));
	const struct hf_git git = {
		.repo = repo, .args = HF_ARGS("config", "--list", "-z"), .fd = -1};
	enum hf_status status;
	const char *format;

	if (!s)
		return hf_fail_errno(err, "cannot open repository '%s'", hf_repo_name(repo));
	repo->back = s;
	/* GIT_DIR, which is not set here, would make Git skip the check of the owner */
	repo->by_cwd = !by_environment || !getenv("GIT_DIR");
	status = hf_git_run(&git, &out, err);
	if (status == HF_OK) {
		s->settings = out.text;
		s->size = out.size;
		if (out.status)
			status = fail_unusable(&out, hf_repo_name(repo), err);
		/* every repository of Git's has it; without it, Git has read none */
		else if (!hf_git_setting(repo, "core.repositoryformatversion"))
			status = check_usable(repo, err);
	}
	repo->by_cwd = false;
	if (status != HF_OK)
		return status;
	format = hf_git_setting(repo, "extensions.objectformat");
	repo->oid_size = format && strcasecmp(format, "sha256") == 0 ? HF_SHA256 : HF_SHA1;
	note_settings(repo);
	return HF_OK;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* End cat-file: it ends when its input does. */
static void end_reader(struct session *s)
{
	if (!s->pid)
		return;
	close(s->socket);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	s->pid = 0;
	s->at = s->end = 0;
}

static enum hf_status start_reader(struct hf_repo *repo, struct hf_err *err)
{
	struct session *s = session_of(repo);
	const struct hf_git git = {.repo = repo, .args = HF_ARGS("cat-file", "--batch"), .fd = -1};
	int pair[2], null, r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return hf_fail_errno(err, "cannot run git");
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	r = hf_git_spawn(&git, (const int[]){pair[1], pair[1], null}, &s->pid);
	close(pair[1]);
	if (null >= 0)
		close(null);
	s->socket = pair[0];
	if (!r)
		return HF_OK;
	close(pair[0]);
	s->pid = 0;
	errno = r;
	return r == ENOENT ? hf_git_fail_absent(repo, err)
			   : hf_fail_errno_as(err, HF_OS, "cannot run git");
}

/* Receive size bytes. Return false at the end. */
static bool receive(struct session *s, char *out, size_t size)
{
	while (size) {
		size_t n = s->end - s->at < size ? s->end - s->at : size;
		ssize_t got;

		memcpy(out, s->piece + s->at, n);
		s->at += n;
		out += n;
		size -= n;
		if (!size)
			break;
		got = recv(s->socket, s->piece, sizeof(s->piece), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		s->at = 0;
		s->end = (size_t)got;
	}
	return true;
}

/* Receive a line, without its newline. */
static bool receive_line(struct session *s, char *line, size_t size)
{
	for (size_t n = 0; n < size; n++) {
		if (!receive(s, line + n, 1))
			return false;
		if (line[n] == '\n') {
			line[n] = '\0';
			return true;
		}
	}
	return false;
}

static bool send_name(struct session *s, const char *name)
{
	struct iovec parts[] = {{(char *)name, strlen(name)}, {(char *)"\n", 1}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	return sendmsg(s->socket, &message, MSG_NOSIGNAL) == (ssize_t)(strlen(name) + 1);
}

/* Receive "OID TYPE SIZE\nCONTENT\n", or "NAME missing\n". */
static enum hf_status receive_object(struct session *s, const char *type, char oid[HF_OID_SIZE],
				     void **bytes, size_t *size)
{
	char line[5000], kind[16], end;
	char *text;

	if (!receive_line(s, line, sizeof(line)))
		return HF_IO;
	if (sscanf(line, "%64[0-9a-f] %15s %zu", oid, kind, size) != 3)
		return HF_NO;
	text = malloc(*size + 1);
	if (!text)
		return HF_OS;
	if (!receive(s, text, *size) || !receive(s, &end, 1)) {
		free(text);
		return HF_IO;
	}
	text[*size] = '\0';
	if (bytes)
		*bytes = text;
	else
		free(text);
	if (strcmp(type, kind) == 0 || !*type)
		return HF_OK;
	if (bytes)
		free(text);
	return HF_NO;
}

enum hf_status hf_git_cat(struct hf_repo *repo, const char *name, const char *type,
			  char oid[HF_OID_SIZE], void **bytes, size_t *size, struct hf_err *err)
{
	struct session *s = session_of(repo);
	enum hf_status status = s->pid ? HF_OK : start_reader(repo, err);

	if (status != HF_OK)
		return status;
	status = send_name(s, name) ? receive_object(s, type, oid, bytes, size) : HF_IO;
	if (status != HF_OK && status != HF_NO)
		end_reader(s);
	return status == HF_IO	 ? hf_fail(err, HF_IO, "git cannot read '%s' of '%s'", name,
					   hf_repo_name(repo))
	       : status == HF_OS ? hf_fail(err, HF_OS, "cannot make a commit: out of memory")
				 : status;
}

void hf_git_read_end(struct hf_repo *repo)
{
	struct session *s = session_of(repo);

	if (!s)
		return;
	end_reader(s);
	free(s->settings);
	free(s);
	repo->back = NULL;
}
