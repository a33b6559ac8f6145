/* SPDX-License-Identifier: ISC */
#include "git/git_cli_backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "git/commit_message.h"
#include "git/git_cli_index.h"
#include "git/git_cli_objects.h"
#include "git/git_cli_pack.h"
#include "git/git_cli_read.h"
#include "git/git_run.h"
#include "git/index_check.h"
#include "git/index_stat.h"
#include "git/ref_read.h"

/* ---- open ----------------------------------------------------------------------------------- */

enum hf_status hf_repo_plumbing_open(struct hf_repo *repo, const struct hf_gitdir *found,
				     bool by_environment, struct hf_err *err)
{
	enum hf_status status;

	repo->ops = &hf_repo_plumbing;
	status = hf_repo_base_open(repo, found->worktree, found->git, found->common, err);
	return status == HF_OK ? hf_git_read_settings(repo, by_environment, err) : status;
}

static enum hf_status cli_config(struct hf_repo *repo, const char *key, char **value,
				 struct hf_err *err)
{
	const char *found = hf_git_setting(repo, key);

	if (!found)
		return HF_NO;
	*value = strdup(found);
	return *value ? HF_OK
		      : hf_fail_errno(err, "cannot open repository '%s'", hf_repo_name(repo));
}

/* ---- paths ---------------------------------------------------------------------------------- */

static enum hf_status cli_ignored(struct hf_repo *repo, const char *path, struct hf_err *err)
{
	char name[PATH_MAX + 2];
	const struct hf_git git = {.repo = repo,
				   .args = HF_ARGS("check-ignore", "-q", "--no-index", "--", name),
				   .fd = -1,
				   .by_name = true};
	struct hf_git_out out;
	enum hf_status status;

	snprintf(name, sizeof(name), "./%s", path);
	status = hf_git_run(&git, &out, err);
	if (status != HF_OK)
		return status;
	if (out.status > 1)
		status = hf_git_failed(&out, "read the ignore rules for", path, err);
	else
		status = out.status ? HF_NO : HF_OK;
	hf_git_free(&out);
	return status;
}

/* ---- refs ----------------------------------------------------------------------------------- */

static enum hf_status cli_head(struct hf_repo *repo, char **ref, struct hf_err *err)
{
	struct hf_git_out out;
	enum hf_status status = hf_git_ask(repo, &out, err, "symbolic-ref", "-q", "HEAD");

	if (status != HF_OK)
		return status;
	if (out.status > 1) {
		status = hf_git_failed(&out, "read HEAD of", hf_repo_name(repo), err);
		hf_git_free(&out);
		return status;
	}
	out.text[strcspn(out.text, "\n")] = '\0';
	*ref = strdup(out.status ? "HEAD" : out.text);
	hf_git_free(&out);
	return *ref ? HF_OK : hf_fail_errno(err, "cannot read HEAD of '%s'", hf_repo_name(repo));
}

static enum hf_status cli_tip(struct hf_repo *repo, const char *ref, char oid[HF_OID_SIZE],
			      struct hf_err *err)
{
	struct hf_git_out out;
	char name[4096];
	enum hf_status status;
	struct stat st;
	size_t size;

	snprintf(name, sizeof(name), "%s^{commit}", ref);
	status = hf_git_cat(repo, name, "commit", oid, NULL, &size, NULL);
	if (status == HF_OK)
		return HF_OK;
	/* there is no such ref, or it leads to nothing */
	oid[0] = '\0';
	if (status == HF_NO && hf_ref_is_absent(repo, ref))
		return HF_OK;
	status = hf_git_ask(repo, &out, err, "rev-parse", "--verify", "-q", ref);
	if (status == HF_OK && !out.status)
		status = hf_fail(err, HF_DATA, "'%s' leads to no commit", ref);
	else if (status == HF_OK && sys_fstatat(repo->common, ref, &st, 0) == 0)
		/* a disk error during the command must not make the branch look unborn */
		status = hf_fail(err, HF_IO, "git does not find '%s', which exists", ref);
	hf_git_free(&out);
	return status;
}

static enum hf_status cli_read(struct hf_repo *repo, const char *type, const char *oid,
			       void **bytes, size_t *size, struct hf_err *err)
{
	char found[HF_OID_SIZE];
	struct hf_git_out out;
	enum hf_status status = hf_git_cat(repo, oid, type, found, bytes, size, err);

	if (status == HF_OK || status == HF_UNAVAILABLE || status == HF_OS)
		return status;
	/* once more, for the reason */
	status = hf_git_ask(repo, &out, err, "cat-file", type, oid);
	if (status != HF_OK)
		return status;
	if (out.status) {
		status = hf_git_failed(&out, "read object", oid, err);
		hf_git_free(&out);
		return status;
	}
	*bytes = out.text;
	*size = out.size;
	return HF_OK;
}

/* Return the object that a name leads to, without reading it; "" if there is none. */
static enum hf_status resolve_name(struct hf_repo *repo, const char *name, char oid[HF_OID_SIZE],
				   struct hf_err *err)
{
	struct hf_git_out out;
	enum hf_status status = hf_git_ask(repo, &out, err, "rev-parse", "--verify", "-q", name);

	oid[0] = '\0';
	if (status == HF_OK && !out.status)
		return hf_git_oid(&out, "read the commit of", name, oid, err);
	if (status == HF_OK)
		hf_git_free(&out);
	return status;
}

static enum hf_status cli_history(struct hf_repo *repo, const char *ref, char now[HF_OID_SIZE],
				  char before[HF_OID_SIZE], struct hf_err *err)
{
	char name[4096];
	enum hf_status status = resolve_name(repo, ref, now, err);

	snprintf(name, sizeof(name), "%s@{1}", ref);
	return status == HF_OK ? resolve_name(repo, name, before, err) : status;
}

static bool cli_has(struct hf_repo *repo, const char *oid)
{
	struct hf_git_out out;
	bool is = hf_git_ask(repo, &out, NULL, "cat-file", "-e", oid) == HF_OK;

	if (!is)
		return false;
	is = !out.status;
	hf_git_free(&out);
	return is;
}

static enum hf_status cli_move(struct hf_repo *repo, const char *ref, const char *was,
			       const char *commit, const char *reflog,
			       const struct hf_commit_ident *who, struct hf_err *err)
{
	char none[HF_OID_SIZE], now[HF_OID_SIZE];
	const struct hf_git git = {
		.repo = repo,
		.args = HF_ARGS("update-ref", "-m", reflog, "--no-deref", ref, commit,
				was[0] ? was : none),
		.fd = -1,
		.committer = who,
	};
	struct hf_git_out out;
	enum hf_status status;

	memset(none, '0', sizeof(none));
	none[2 * repo->oid_size] = '\0';
	status = hf_ref_check_direct(repo, ref, err);
	if (status == HF_OK)
		status = hf_sync_batch_run(&repo->names, err);
	if (status != HF_OK)
		return status;
	status = hf_git_run(&git, &out, err);
	if (status == HF_OK && !out.status)
		status = hf_repo_sync_all(repo, err);
	else if (status == HF_OK && cli_tip(repo, ref, now, NULL) == HF_OK && strcmp(now, was) != 0)
		status = hf_fail(err, HF_NO, "'%s' has moved in the meantime", ref);
	else if (status == HF_OK)
		status = hf_git_failed(&out, "move", ref, err);
	if (status == HF_DATA && strstr(out.why, "File exists"))
		status = HF_BUSY;
	hf_git_free(&out);
	return status;
}

/* ---- index ---------------------------------------------------------------------------------- */

/* Check the index, since Git does not verify the checksum. */
static enum hf_status open_index(struct hf_repo *repo, const char *name, struct hf_err *err)
{
	return hf_index_check(repo, name, err);
}

static void drop_index(struct hf_repo *repo)
{
	(void)repo;
}

/* ---- history -------------------------------------------------------------------------------- */

/* Find the trailer in "commit OID\nMESSAGE\0\n", repeated. */
static enum hf_status find_in_log(const struct hf_git_out *out, const char *trailer,
				  char found[HF_OID_SIZE])
{
	const char *at = out->text, *end = out->text + out->size;

	while (at < end && strncmp(at, "commit ", 7) == 0) {
		const char *message = strchr(at, '\n');

		if (message && hf_commit_message_has(message + 1, trailer)) {
			snprintf(found, HF_OID_SIZE, "%.*s", (int)(message - at - 7), at + 7);
			return HF_OK;
		}
		at += strlen(at) + 1;
		at += at < end && *at == '\n';
	}
	return HF_NO;
}

static enum hf_status cli_find(struct hf_repo *repo, const char *from, const char *base,
			       const char *trailer, char found[HF_OID_SIZE], struct hf_err *err)
{
	char grep[256], without[HF_OID_SIZE + 1];
	struct hf_git_out out;
	enum hf_status status;

	snprintf(grep, sizeof(grep), "--grep=%s", trailer);
	snprintf(without, sizeof(without), "^%s", base);
	status = hf_git_ask(repo, &out, err, "cat-file", "-e", base);
	if (status != HF_OK)
		return status;
	/* a commit that is gone hides nothing */
	if (out.status)
		base = "";
	hf_git_free(&out);
	status = hf_git_ask(repo, &out, err, "rev-list", "-F", grep, "--format=%B%x00", from,
			    base[0] ? without : NULL);
	if (status == HF_OK && out.status)
		status = hf_git_failed(&out, "read the history of", hf_repo_name(repo), err);
	else if (status == HF_OK)
		status = find_in_log(&out, trailer, found);
	hf_git_free(&out);
	return status;
}

const struct hf_repo_ops hf_repo_plumbing = {
	.name = "plumbing",
	.close = hf_git_read_end,
	.config = cli_config,
	.ignored = cli_ignored,
	.head = cli_head,
	.tip = cli_tip,
	.was = cli_history,
	.has = cli_has,
	.read = cli_read,
	.index_open = open_index,
	.index_change = hf_git_index_change,
	.index_write = hf_index_set_stat,
	.index_drop = drop_index,
	.move = cli_move,
	.find = cli_find,
	.pack = hf_git_pack,
};
