/* SPDX-License-Identifier: ISC */
#include "git/index_read.h"

#include "git/index_stat.h"
#include "git/repo.h"
#include "git/sparse.h"
#include "hf_test.h"

/* What libgit2 1.5 itself does not free, seen through its frames: test_repo.c. */
const char *__lsan_default_suppressions(void);
const char *__asan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:git_repository_open_ext\n";
}

const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

/* Run a shell command in the repository "r". */
static void in_repository(const char *command)
{
	char line[4096];

	snprintf(line, sizeof(line), "cd r && { %s; }", command);
	assert_int_equal(system(line), 0);
}

static void make_repository(const char *options)
{
	char line[4096];

	snprintf(line, sizeof(line),
		 "rm -rf r && git init -q %s r && cd r && git config user.name N && "
		 "git config user.email n@x && "
		 "for d in a a/b a/b/c a.b ab b b/x 'c d' e/f/g; do mkdir -p \"$d\" && "
		 "for f in one two a.b; do echo \"$d $f\" >\"$d/$f\" || exit; done; done && "
		 "ln -s one a/link && chmod +x b/two && git add . && git commit -q -m m",
		 options);
	assert_int_equal(system(line), 0);
}

/* Every entry is found as `git ls-files` has it; returns how many there are. */
static size_t agrees_with_git(bool sparse)
{
	struct hf_index_answer found;
	struct hf_repo *repo;
	struct hf_err err;
	char line[4096];
	size_t count = 0;
	FILE *list;

	assert_status(HF_OK, hf_repo_open(&repo, "r", &err), &err);
	list = popen("git -C r -c core.quotePath=false ls-files -s -t", "r");
	assert_non_null(list);
	while (fgets(line, sizeof(line), list)) {
		char tag, oid[HF_OID_SIZE], *path = strchr(line, '\t') + 1;
		enum hf_sparse where;
		unsigned int mode;

		path[strcspn(path, "\n")] = '\0';
		assert_int_equal(sscanf(line, "%c %o %64s", &tag, &mode, oid), 3);
		assert_status(HF_OK, hf_index_find(repo, "index", path, &found, &err), &err);
		assert_int_equal(found.skipped, tag == 'S');
		count++;
		assert_status(HF_OK, hf_sparse_find(repo, path, &where, &err), &err);
		if (sparse)
			assert_int_equal(where == HF_SPARSE_OUT, tag == 'S');
		/* of a sparse index, it has no entry of its own */
		if (!found.mode && found.skipped)
			continue;
		assert_int_equal(found.mode, mode);
		assert_string_equal(found.oid, oid);
		assert_true(found.merged && !found.below && !found.parent);
	}
	pclose(list);
	hf_repo_close(repo);
	return count;
}

static void finds_what_git_lists(void **state)
{
	static const char *const changes[] = {
		":",
		"git update-index --index-version 4",
		"git update-index --skip-worktree a/one b/x/two",
		"git update-index --index-version 4 && git update-index --skip-worktree a/one",
		"git update-index --split-index && echo x >b/new && git add b/new",
	};
	static const char *const formats[] = {"", "--object-format=sha256"};

	(void)state;
	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
			make_repository(formats[k]);
			in_repository(changes[i]);
			assert_int_equal(agrees_with_git(false), 28 + (i == 4));
		}
}

/* The shortest entry is the last one, and no extension follows. */
static void finds_a_name_of_one_letter(void **state)
{
	static const char *const versions[] = {"2", "3", "4"};
	char line[256];

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		assert_int_equal(system("rm -rf r && git init -q r"), 0);
		snprintf(line, sizeof(line),
			 "echo x >f && git add -N f && git update-index --index-version %s && "
			 "git update-index f %s", versions[i],
			 i ? "&& git update-index --skip-worktree f" : "");
		in_repository(line);
		assert_int_equal(agrees_with_git(false), 1);
	}
}

static void knows_what_a_sparse_checkout_leaves_out(void **state)
{
	static const char *const cones[] = {"a", "a/b", "a/b/c b", "'c d'", "ab e/f", "none", ""};
	char command[256];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cones) / sizeof(cones[0]); i++) {
		make_repository("");
		snprintf(command, sizeof(command), "git sparse-checkout set --cone %s %s",
			 i % 2 ? "--sparse-index" : "", cones[i / 2]);
		in_repository(command);
		agrees_with_git(true);
	}
}

static void tells_what_is_in_the_way(void **state)
{
	struct hf_index_answer found;
	struct hf_repo *repo;
	struct hf_err err;

	(void)state;
	make_repository("");
	assert_status(HF_OK, hf_repo_open(&repo, "r", &err), &err);
	assert_status(HF_OK, hf_index_find(repo, "index", "a", &found, &err), &err);
	assert_true(found.below && !found.mode && !found.parent);
	assert_status(HF_OK, hf_index_find(repo, "index", "a/one/x", &found, &err), &err);
	assert_true(!found.below && !found.mode && found.parent == strlen("a/one"));
	assert_int_equal(found.parent_mode, 0100644);
	assert_status(HF_OK, hf_index_find(repo, "index", "a/new", &found, &err), &err);
	assert_true(found.sibling && !found.mode && !found.below && !found.parent);
	assert_status(HF_OK, hf_index_find(repo, "index", "z/new", &found, &err), &err);
	assert_true(!found.sibling && !found.mode && !found.below && !found.parent);
	hf_repo_close(repo);
}

/* Git takes the file for unchanged without reading it: its checksum and times are right. */
static void sets_times_that_git_believes(void **state)
{
	static const char *const versions[] = {"2", "4"};
	struct hf_repo_change change = {.path = "a/b/two"};
	struct hf_repo *repo;
	char command[256];
	struct hf_err err;
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_repository("");
		snprintf(command, sizeof(command),
			 "git update-index --index-version %s && "
			 "git update-index --cacheinfo $(git ls-files -s a/b/two | "
			 "sed 's/ /,/; s/ .*//'),a/b/two && ! git diff-files --quiet",
			 versions[i]);
		in_repository(command);
		assert_int_equal(stat("r/a/b/two", &st), 0);
		change.st = &st;
		assert_status(HF_OK, hf_repo_open(&repo, "r", &err), &err);
		assert_status(HF_OK, hf_index_set_stat(repo, "index", &change, 1, &err), &err);
		hf_repo_close(repo);
		in_repository("git diff-files --quiet && ! git fsck 2>&1 | grep -i index");
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(finds_what_git_lists),
	cmocka_unit_test(finds_a_name_of_one_letter),
	cmocka_unit_test(knows_what_a_sparse_checkout_leaves_out),
	cmocka_unit_test(tells_what_is_in_the_way),
	cmocka_unit_test(sets_times_that_git_believes),
};
HF_TEST_MAIN(tests)
