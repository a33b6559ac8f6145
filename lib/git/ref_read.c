/* SPDX-License-Identifier: ISC */
#include "git/ref_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

enum {
	MAX_SYMBOLIC = 5, /* as in Git */
	MAX_PACKED = 64 * 1024 * 1024,
};

int hf_ref_base(const struct hf_repo *repo, const char *ref)
{
	return strcmp(ref, "HEAD") == 0 ? repo->git : repo->common;
}

bool hf_ref_is_file(int dir, const char *path, struct stat *st)
{
	return sys_fstatat(dir, path, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st->st_mode);
}

void hf_ref_read(int dir, const char *path, char text[PATH_MAX])
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct stat st;
	int fd = hf_ref_is_file(dir, path, &st) ? sys_openat(dir, path, flags, 0) : -1;
	ssize_t n = fd < 0 ? -1 : sys_pread(fd, text, PATH_MAX - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (fd >= 0)
		sys_close(fd);
}

bool hf_ref_is_checked_out(const struct hf_repo *repo, const char *ref)
{
	char text[PATH_MAX];

	hf_ref_read(repo->git, "HEAD", text);
	return strncmp(text, "ref: ", 5) == 0 && strcmp(text + 5, ref) == 0;
}

bool hf_ref_log_name(const char *ref, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "logs/%s", ref) < PATH_MAX;
}

bool hf_ref_is_plain(struct hf_repo *repo, const char *ref)
{
	int dir = hf_ref_base(repo, ref);
	char path[PATH_MAX];
	struct stat st;

	if (dir == repo->common && strncmp(ref, "refs/heads/", 11) != 0)
		return false;
	if (strlen(ref) > NAME_MAX - strlen(HF_REF_NEW))
		return false;
	if (!hf_ref_log_name(ref, path) || !hf_ref_is_file(dir, ref, &st) ||
	    !hf_ref_is_file(dir, path, &st))
		return false;
	return !hf_ref_is_checked_out(repo, ref) || hf_ref_is_file(repo->git, "logs/HEAD", &st);
}

enum hf_status hf_ref_head(const struct hf_repo *repo, char **ref, struct hf_err *err)
{
	char name[PATH_MAX] = "HEAD", text[PATH_MAX];

	for (int depth = 0; depth <= MAX_SYMBOLIC; depth++) {
		hf_ref_read(hf_ref_base(repo, name), name, text);
		if (strncmp(text, "ref: ", 5) != 0)
			break;
		snprintf(name, sizeof(name), "%s", text + 5);
	}
	/* reftable has another HEAD, which leads to "refs/heads/.invalid" */
	if (strncmp(text, "ref: ", 5) == 0 || strstr(name, "/.") ||
	    (strcmp(name, "HEAD") == 0 && strspn(text, "0123456789abcdef") != 2 * repo->oid_size))
		return hf_fail(err, HF_UNAVAILABLE, "cannot read HEAD of '%s'", hf_repo_name(repo));
	*ref = strdup(name);
	return *ref ? HF_OK : hf_fail_errno(err, "cannot read HEAD of '%s'", hf_repo_name(repo));
}

enum hf_status hf_ref_is_symbolic(const char *ref, const char *target, struct hf_err *err)
{
	return hf_fail(err, HF_DATA, "'%s' is '%s' now", ref, target);
}

enum hf_status hf_ref_check_direct(struct hf_repo *repo, const char *ref, struct hf_err *err)
{
	char text[PATH_MAX], *head = NULL;
	enum hf_status status;

	if (strcmp(ref, "HEAD") == 0 && repo->ops->head &&
	    hf_ref_head(repo, &head, NULL) != HF_OK) {
		head = NULL;
		status = repo->ops->head(repo, &head, err);
		if (status == HF_OK && strcmp(head, ref) != 0)
			status = hf_ref_is_symbolic(ref, head, err);
		free(head);
		return status;
	}
	free(head);
	hf_ref_read(hf_ref_base(repo, ref), ref, text);
	return strncmp(text, "ref: ", 5) == 0 ? hf_ref_is_symbolic(ref, text + 5, err) : HF_OK;
}

bool hf_ref_is_absent(const struct hf_repo *repo, const char *ref)
{
	char line[PATH_MAX];
	struct stat st;
	void *text = NULL;
	enum hf_status status;
	bool absent;
	size_t size;

	/* refs are not files (reftable), or this one is, or it cannot be known */
	if (sys_fstatat(repo->common, "reftable", &st, 0) == 0 ||
	    sys_fstatat(hf_ref_base(repo, ref), ref, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT)
		return false;
	snprintf(line, sizeof(line), " %s%s", ref, ref[strlen(ref) - 1] == '/' ? "" : "\n");
	status = hf_repo_read_file(repo->common, "packed-refs", MAX_PACKED, &text, &size, NULL);
	absent = status == HF_NO || (status == HF_OK && !memmem(text, size, line, strlen(line)));
	free(text);
	return absent;
}
