/* SPDX-License-Identifier: ISC */
#include "gitlock/gitdir.h"

#include "gitlock/git_exclude.h"
#include "hf_test.h"

static struct hf_gitdir found;
static struct hf_err err;
static char here[PATH_MAX];

/* Run git, or whatever else. */
static void run(const char *command)
{
	if (system(command) != 0) {
		print_error("%s failed\n", command);
		fail();
	}
}

/* main has a commit, a linked worktree "linked" and a submodule "main/sub"; "bare" is one. */
static int set_up(void **state)
{
	char path[PATH_MAX + 16];

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	/* not that of the user who runs this */
	snprintf(path, sizeof(path), "%s/gitconfig", here);
	setenv("GIT_CONFIG_GLOBAL", path, 1);
	run("exec >log 2>&1; set -e; git config --global user.name x; "
	    "git config --global user.email x@example.org; "
	    "git config --global protocol.file.allow always; "
	    "git init lib; git -C lib commit --allow-empty -m lib; git init main; "
	    "git -C main submodule add \"$PWD/lib\" sub; git -C main commit -m main; "
	    "git -C main worktree add -b linked ../linked; git clone --bare main bare; "
	    "mkdir -p main/a/b none");
	return 0;
}

/* A path below the tests' directory. */
static void assert_path(const char *path, const char *wanted)
{
	char whole[2 * PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", here, wanted);
	assert_string_equal(path, whole);
}

static void finds(const char *dir, const char *git, const char *common, const char *worktree)
{
	char index[PATH_MAX];

	assert_status(HF_OK, hf_gitdir_find(&found, dir, &err), &err);
	assert_path(found.git, git);
	assert_path(found.common, common);
	if (worktree)
		assert_path(found.worktree, worktree);
	else
		assert_string_equal(found.worktree, "");
	snprintf(index, sizeof(index), "%s/index", found.git);
	assert_string_equal(found.index, index);
}

static void a_worktree_from_anywhere_in_it(void **state)
{
	(void)state;
	finds("main", "main/.git", "main/.git", "main");
	finds("main/a/b", "main/.git", "main/.git", "main");
	finds("main/.git", "main/.git", "main/.git", "main");
	finds("main/.git/refs/heads", "main/.git", "main/.git", "main");
	run("ln -s main/a link");
	finds("link/b/", "main/.git", "main/.git", "main");
}

static void linked_worktrees_submodules_and_bare_ones(void **state)
{
	(void)state;
	finds("linked", "main/.git/worktrees/linked", "main/.git", "linked");
	finds("main/.git/worktrees/linked", "main/.git/worktrees/linked", "main/.git", "linked");
	finds("main/sub", "main/.git/modules/sub", "main/.git/modules/sub", "main/sub");
	finds("bare", "bare", "bare", NULL);
	finds("bare/refs", "bare", "bare", NULL);
}

static void git_says_the_same(void **state)
{
	static const char *const dirs[] = {"main/a/b", "linked", "main/sub", "bare", "main/.git"};

	(void)state;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char command[4 * PATH_MAX];

		assert_status(HF_OK, hf_gitdir_find(&found, dirs[i], &err), &err);
		snprintf(command, sizeof(command),
			 "cd %s && test \"$(git rev-parse --absolute-git-dir)\" = %s && "
			 "test \"$(realpath \"$(git rev-parse --git-common-dir)\")\" = %s",
			 dirs[i], found.git, found.common);
		run(command);
	}
}

static void a_path_without_a_repository_is_refused_with_a_reason(void **state)
{
	(void)state;
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, "absent", &err), NULL);
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, "/proc/self", &err), NULL);
	assert_non_null(strstr(err.message, "no .git in it or above it"));
	put_file("file", "x");
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, "file", &err), NULL);
	assert_non_null(strstr(err.message, "it is not a directory"));
	put_file("none/.git", "gitdir: nowhere\n");
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, "none", &err), NULL);
	assert_non_null(strstr(err.message, "its file .git does not lead to one"));
	put_file("none/.git", "nonsense");
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, "none", &err), NULL);
	assert_non_null(strstr(err.message, "does not say where it is"));
	/* a .git that is none is passed over, as Git does */
	run("rm none/.git; mkdir none/.git; git -C none rev-parse --git-dir 2>/dev/null && exit 1; "
	    "exit 0");
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, "none", &err), NULL);
}

static void extensions_do_not_matter(void **state)
{
	(void)state;
	run("git init -q --object-format=sha256 new && cd new && "
	    "git commit -q --allow-empty -m x && git checkout -q --detach && "
	    "git config core.repositoryFormatVersion 1 && "
	    "git config extensions.neverHeardOf true");
	finds("new", "new/.git", "new/.git", "new");
}

static void the_environment_counts_only_where_nothing_is_named(void **state)
{
	(void)state;
	setenv("GIT_DIR", "bare", 1);
	setenv("GIT_INDEX_FILE", "other.index", 1);
	finds("main", "main/.git", "main/.git", "main");
	assert_status(HF_OK, hf_gitdir_find(&found, NULL, &err), &err);
	assert_path(found.git, "bare");
	assert_path(found.index, "other.index");
	assert_string_equal(found.worktree, here);
	setenv("GIT_WORK_TREE", "linked", 1);
	setenv("GIT_DIR", "main/.git/worktrees/linked", 1);
	assert_status(HF_OK, hf_gitdir_find(&found, NULL, &err), &err);
	assert_path(found.common, "main/.git");
	assert_path(found.worktree, "linked");
	setenv("GIT_DIR", "none", 1);
	assert_status(HF_NOINPUT, hf_gitdir_find(&found, NULL, &err), NULL);
	unsetenv("GIT_DIR");
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_INDEX_FILE");
	assert_int_equal(chdir("main/a"), 0);
	finds(NULL, "main/.git", "main/.git", "main");
	assert_int_equal(chdir(here), 0);
}

/* The name is ignored by Git, and its line is written once. */
static void excludes(const char *dir, const char *name)
{
	char command[4 * PATH_MAX];
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	hf_git_exclude(fd, name);
	hf_git_exclude(fd, name);
	close(fd);
	snprintf(command, sizeof(command),
		 "cd %s && touch '%s' && git check-ignore -q '%s' && "
		 "test $(grep -cxF \"$(tail -n 1 %s/main/.git/info/exclude)\" "
		 "%s/main/.git/info/exclude) = 1",
		 dir, name, name, here, here);
	run(command);
}

static void excluded_names_are_ignored(void **state)
{
	(void)state;
	excludes("main", "x-turnstile");
	excludes("main/a", "x-turnstile");
	excludes("linked", "[we*ird]? \\name ");
	excludes("main/a/b", "#x");
	excludes("main/a/b", "!x");
	run("rm -r main/.git/info");
	excludes("main", "y");
	/* nothing is said of what lies elsewhere */
	run("cp main/.git/info/exclude before");
	hf_git_exclude(AT_FDCWD, "z");
	int fd = open("none", O_RDONLY | O_CLOEXEC), inside = open("main/.git", O_RDONLY);
	hf_git_exclude(fd, "z");
	hf_git_exclude(inside, "z");
	close(fd);
	close(inside);
	run("cmp before main/.git/info/exclude");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_worktree_from_anywhere_in_it),
	cmocka_unit_test(linked_worktrees_submodules_and_bare_ones),
	cmocka_unit_test(git_says_the_same),
	cmocka_unit_test(a_path_without_a_repository_is_refused_with_a_reason),
	cmocka_unit_test(extensions_do_not_matter),
	cmocka_unit_test(the_environment_counts_only_where_nothing_is_named),
	cmocka_unit_test(excluded_names_are_ignored),
};

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
