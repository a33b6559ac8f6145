/* SPDX-License-Identifier: ISC */
#include "repo.h"

#include <sys/file.h>

#include "clock.h"
#include "hf_test.h"
#include "repo_message.h"

/* Run a shell script; its first line of output. */
static const char *sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *sh(const char *format, ...)
{
	static char lines[8][4096];
	static int next;
	char *line = lines[next++ % 8];
	char script[8192];
	va_list args;
	FILE *out;
	int status;

	va_start(args, format);
	vsnprintf(script, sizeof(script), format, args);
	va_end(args);
	out = popen(script, "r");
	assert_non_null(out);
	line[0] = '\0';
	if (fgets(line, 4096, out))
		line[strcspn(line, "\n")] = '\0';
	while (fgetc(out) != EOF)
		;
	status = pclose(out);
	if (status != 0) {
		print_error("%s: status %d\n", script, status);
		fail();
	}
	return line;
}

/* A repository "r" with one commit of a and d/b, and the working directory in it. */
static void make_repository(void)
{
	sh("cd \"$HF_TEST_DIR/work\" && rm -rf r && git init -q r && cd r && "
	   "git config user.name 'A U Thor' && git config user.email a@example.com && "
	   "echo a >a && mkdir d && echo b >d/b && git add . && git commit -q -m first");
	assert_int_equal(chdir(getenv("HF_TEST_DIR")), 0);
	assert_int_equal(chdir("work/r"), 0);
}

static struct hf_repo *open_repository(void)
{
	struct hf_repo *repo;
	struct hf_err err;

	assert_status(HF_OK, hf_repo_open(&repo, ".", &err), &err);
	return repo;
}

/* Commit the file as it is in the worktree; path NULL: nothing. */
static enum hf_status commit_paths(struct hf_repo *repo, const char *const *paths,
				   const char *message, struct hf_err *err)
{
	struct hf_repo_change changes[8] = {0};
	struct stat st[8];
	struct hf_repo_who author, committer;
	char tip[HF_OID_SIZE], commit[HF_OID_SIZE], *ref;
	enum hf_status status;
	size_t count = 0;

	assert_status(HF_OK, hf_repo_ready(repo, &author, &committer, err), err);
	for (; paths[count]; count++) {
		struct hf_repo_change *change = &changes[count];
		int fd;

		change->path = paths[count];
		if (lstat(change->path, &st[count]) < 0) {
			change->remove = true;
			continue;
		}
		change->st = &st[count];
		fd = open(change->path, O_RDONLY);
		assert_true(fd >= 0);
		assert_status(HF_OK,
			      hf_repo_mode(repo, change->path, &st[count], &change->mode, err),
			      err);
		assert_status(HF_OK, hf_repo_blob(repo, change->path, fd, change->oid, err), err);
		close(fd);
	}
	assert_status(HF_OK, hf_repo_head(repo, &ref, tip, err), err);
	status = hf_repo_commit(repo, tip, changes, count, message, &author, &committer, commit,
				err);
	if (status == HF_OK)
		status = hf_repo_lock(repo, "record 1", err);
	if (status == HF_OK)
		status = hf_repo_index(repo, changes, count, err);
	if (status == HF_OK)
		status = hf_repo_move(repo, ref, tip, commit, "commit: test", &committer,
				      hf_deadline_in(10 * HF_SECOND), err);
	hf_repo_unlock(repo);
	free(ref);
	hf_repo_who_free(&author);
	hf_repo_who_free(&committer);
	return status;
}

#define COMMIT(repo, err, ...)                                                                     \
	commit_paths((repo), (const char *const[]){__VA_ARGS__, NULL}, "second\n", (err))

static void commits_exactly_the_paths(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	(void)state;
	make_repository();
	sh("echo staged >s; git add s; echo changed >>a; git add a; echo new >d/n; chmod +x d/n; "
	   "mkdir -p e/f; echo g >e/f/g; echo unstaged >>d/b");
	repo = open_repository();
	assert_status(HF_OK, COMMIT(repo, &err, "d/n", "e/f/g"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git diff --cached --name-status | tr '\\n\\t' '. '"), "M a.A s.");
	assert_string_equal(sh("git diff --name-only"), "d/b");
	assert_string_equal(sh("git show --format= --name-status | tr '\\n\\t' '. '"),
			    "A d/n.A e/f/g.");
	assert_string_equal(sh("git ls-tree -r HEAD d/n | cut -c1-6"), "100755");
	assert_string_equal(sh("git fsck --strict 2>&1 | grep -v dangling || true"), "");
	assert_false(is_there(".git/index.lock"));
	assert_string_equal(sh("ls .git | grep holdfast | tr '\\n' ' '"), "");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(commits_exactly_the_paths),
};
HF_TEST_MAIN(tests)
