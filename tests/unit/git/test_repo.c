/* SPDX-License-Identifier: ISC */
#include "git/repo.h"

#include <pthread.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <holdfast/clock.h>
#include "hf_test.h"
#include "git/commit_message.h"

/* What libgit2 1.5 itself does not free: on refusing an extension, and in setting a worktree. To
 * see that it is these, the sanitizer must unwind libgit2's frames. */
const char *__lsan_default_suppressions(void);
const char *__asan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:git_repository_open_ext\nleak:git_repository_set_workdir\n";
}

const char *__asan_default_options(void)
{
	return "fast_unwind_on_malloc=0";
}

/* What is synced and renamed, by us and by libgit2, as "sync PATH" and "name PATH": the linker
 * takes these for libc's. */
static char trace[64 * 1024];
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(const char *what, int dir, const char *path)
{
	char link[64], in[4096] = "";
	size_t used;

	pthread_mutex_lock(&trace_lock);
	used = strlen(trace);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	if (dir != AT_FDCWD && *path != '/')
		(void)!readlink(link, in, sizeof(in) - 1);
	snprintf(trace + used, sizeof(trace) - used, "%s %s%s%s\n", what, in,
		 *in && *path ? "/" : "", path);
	pthread_mutex_unlock(&trace_lock);
}

int fsync(int fd)
{
	note("sync", fd, "");
	return (int)syscall(SYS_fsync, fd);
}

int syncfs(int fd)
{
	note("all", fd, "");
	return (int)syscall(SYS_syncfs, fd);
}

int rename(const char *old, const char *new)
{
	note("name", AT_FDCWD, new);
	return (int)syscall(SYS_rename, old, new);
}

int link(const char *old, const char *new)
{
	note("name", AT_FDCWD, new);
	return (int)syscall(SYS_link, old, new);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
	note("name", to, new);
	return (int)syscall(SYS_linkat, from, old, to, new, flags);
}

int renameat2(int from, const char *old, int to, const char *new, unsigned int flags)
{
	note("name", to, new);
	return (int)syscall(SYS_renameat2, from, old, to, new, flags);
}

/* The first position of this in the trace, after `after`; the test fails if it is absent. */
static const char *traced(const char *after, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static const char *traced(const char *after, const char *format, ...)
{
	char wanted[4200];
	const char *found;
	va_list args;

	va_start(args, format);
	vsnprintf(wanted, sizeof(wanted), format, args);
	va_end(args);
	found = strstr(after, wanted);
	if (!found) {
		print_error("no '%s' in:\n%s", wanted, after);
		fail();
	}
	return found;
}

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

/* Many tests run once more, in test_repo_plumbing.c, with a repository that libgit2 refuses. */
static const char libgit2[] = "libgit2", plumbing[] = "plumbing";

static void enter(const char *dir)
{
	assert_int_equal(chdir(getenv("HF_TEST_DIR")), 0);
	assert_int_equal(chdir("work"), 0);
	assert_int_equal(chdir(dir), 0);
}

static void for_back_end(void **state)
{
	if (*state == plumbing)
		sh("git config extensions.worktreeConfig true");
}

/* A repository "r" with one commit of a and d/b, and the working directory in it. */
static void make_repository(void **state)
{
	enter(".");
	sh("rm -rf r && git init -q -b main r && cd r && "
	   "git config user.name 'A U Thor' && git config user.email a@example.com && "
	   "echo a >a && mkdir d && echo b >d/b && git add . && git commit -q -m first");
	enter("r");
	for_back_end(state);
}

static struct hf_repo *open_repository(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	assert_status(HF_OK, hf_repo_open(&repo, ".", &err), &err);
	if (state)
		assert_string_equal(repo->ops->name, *state == plumbing ? plumbing : libgit2);
	return repo;
}

struct commit {
	struct hf_repo_change changes[8];
	struct stat st[8];
	size_t count;
	struct hf_commit_ident author, committer;
	char tip[HF_OID_SIZE], id[HF_OID_SIZE], *ref;
};

/* What the worktree has at these paths, as changes. */
static enum hf_status gather(struct hf_repo *repo, struct commit *c, const char *const *paths,
			     struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (; status == HF_OK && paths[c->count]; c->count++) {
		struct hf_repo_change *change = &c->changes[c->count];
		struct stat *st = &c->st[c->count];
		int fd;

		change->path = paths[c->count];
		if (lstat(change->path, st) < 0) {
			change->remove = true;
			continue;
		}
		change->st = st;
		if (S_ISLNK(st->st_mode)) {
			char target[4096];
			ssize_t n = readlink(change->path, target, sizeof(target));

			fd = open(".", O_TMPFILE | O_RDWR, 0600);
			assert_int_equal(write(fd, target, (size_t)n), n);
		} else {
			fd = open(change->path, O_RDONLY);
		}
		assert_true(fd >= 0);
		status = hf_repo_mode(repo, change->path, st, &change->mode, err);
		if (status == HF_OK)
			status = hf_repo_blob(repo, change->path, fd, change->oid, err);
		close(fd);
	}
	return status;
}

static enum hf_status build(struct hf_repo *repo, struct commit *c, const char *const *paths,
			    const char *message, struct hf_err *err)
{
	enum hf_status status;

	*c = (struct commit){0};
	status = hf_repo_check(repo, &c->author, &c->committer, err);
	if (status == HF_OK)
		status = gather(repo, c, paths, err);
	if (status == HF_OK)
		status = hf_repo_head(repo, &c->ref, c->tip, err);
	if (status == HF_OK)
		status = hf_repo_commit(repo, c->tip, c->changes, c->count, message, &c->author,
					&c->committer, c->id, err);
	return status;
}

static void release(struct commit *c)
{
	free(c->ref);
	hf_commit_ident_free(&c->author);
	hf_commit_ident_free(&c->committer);
}

static enum hf_status finish(struct hf_repo *repo, struct commit *c, int64_t wait,
			     struct hf_err *err)
{
	enum hf_status status = hf_repo_lock(repo, "record 1", err);

	if (status == HF_OK)
		status = hf_repo_index(repo, c->changes, c->count, err);
	if (status == HF_OK)
		status = hf_repo_update_ref(repo, c->ref, c->tip, c->id, "commit: second",
					    &c->committer, hf_deadline_in(wait), err);
	hf_repo_unlock(repo);
	return status;
}

/* Commit these paths as they are in the worktree. */
static enum hf_status commit_paths(struct hf_repo *repo, const char *const *paths,
				   struct hf_err *err)
{
	struct commit c;
	enum hf_status status = build(repo, &c, paths, "second\n", err);

	if (status == HF_OK)
		status = finish(repo, &c, 10 * HF_SECOND, err);
	release(&c);
	return status;
}

#define PATHS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define COMMIT(repo, err, ...) commit_paths((repo), PATHS(__VA_ARGS__), (err))

/* Git finds nothing wrong, and nothing of ours is left. */
static void assert_sound(void)
{
	assert_string_equal(sh("git -c advice.sparseIndexExpanded=false fsck --strict 2>&1 | "
			       "grep -v dangling || true"),
			    "");
	assert_string_equal(sh("find \"$(git rev-parse --git-dir)\" -name 'index.*' -o "
			       "-name '*.lock'"),
			    "");
}

/* ---- what a commit holds -------------------------------------------------------------------- */

static void commits_exactly_the_paths(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("echo staged >s; git add s; echo changed >>a; git add a; echo new >d/n; chmod +x d/n; "
	   "mkdir -p e/f; echo g >e/f/g; echo unstaged >>d/b");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "d/n", "e/f/g"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git diff --cached --name-status | tr '\\n\\t' '. '"), "M a.A s.");
	assert_string_equal(sh("git diff-files --name-only | tr '\\n' ' '"), "d/b ");
	assert_string_equal(sh("git show --format= --name-status | tr '\\n\\t' '. '"),
			    "A d/n.A e/f/g.");
	assert_string_equal(sh("git ls-tree -r HEAD d/n | cut -c1-6"), "100755");
	assert_string_equal(sh("git reflog -1 --format=%%gs; git reflog -1 main --format=%%gs"),
			    "commit: second");
	assert_sound();
}

/* The very commit that `git commit` makes: names that sort in odd ways, modes, links, removals. */
static void makes_the_commit_that_git_makes(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;
	const char *theirs;

	make_repository(state);
	sh("mkdir x x-y; touch x/1 x-y/1 x.y 'x y' x0; git add .; git commit -q -m more");
	setenv("GIT_AUTHOR_DATE", "1700000000 +0530", 1);
	setenv("GIT_COMMITTER_DATE", "2024-02-29T12:00:00-08:00", 1);
	setenv("GIT_COMMITTER_NAME", " C. O <Mitter>, ", 1);
	sh("rm x/1; ln -s d/b l; echo 1 >x.y; mkdir -p n/m/o; echo \xc3\xa4 >n/m/o/\xc3\xa4; "
	   "printf 'a\\0b' >'x y'; chmod +x x0; cp -a . ../copy");
	theirs = sh("cd ../copy && git add -A && git commit -q -m second && git rev-parse HEAD");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "x.y", "x/1", "l", "n/m/o/\xc3\xa4", "x y", "x0"),
		      &err);
	hf_repo_close(repo);
	unsetenv("GIT_AUTHOR_DATE");
	unsetenv("GIT_COMMITTER_DATE");
	unsetenv("GIT_COMMITTER_NAME");
	assert_string_equal(sh("git rev-parse HEAD"), theirs);
	assert_string_equal(sh("git status --porcelain"), "");
	assert_sound();
	sh("rm -rf ../copy");
}

static void names_and_messages_in_another_encoding(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("git config i18n.commitEncoding ISO-8859-1");
	repo = open_repository(state);
	sh("echo x >>a");
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git cat-file commit HEAD | grep ^encoding"), "encoding ISO-8859-1");
}

/* Also with a branch that has no commit yet. */
static void makes_a_first_commit(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;
	char *ref, tip[HF_OID_SIZE];

	make_repository(state);
	sh("git checkout -q --orphan fresh/branch; git rm -q -r -f --cached .; git add d/b");
	repo = open_repository(state);
	assert_status(HF_OK, hf_repo_head(repo, &ref, tip, &err), &err);
	assert_string_equal(ref, "refs/heads/fresh/branch");
	assert_string_equal(tip, "");
	free(ref);
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git ls-tree -r --name-only HEAD"), "a");
	assert_string_equal(sh("git diff --cached --name-only"), "d/b");
	assert_string_equal(sh("git rev-list --count HEAD"), "1");
	/* and in a repository that has nothing at all, not even an index */
	sh("rm -rf ../e; git init -q ../e; git config --file ../e/.git/config user.name E; "
	   "git config --file ../e/.git/config user.email e@example.com");
	enter("e");
	for_back_end(state);
	sh("echo 1 >one");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "one"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git status --porcelain"), "");
	assert_string_equal(sh("git log --format=%%an%%s"), "Esecond");
	assert_sound();
}

static void commits_to_a_detached_head(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("git checkout -q --detach; echo x >>a");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git rev-list --count main..HEAD; git symbolic-ref -q HEAD || :"),
			    "1");
	assert_string_equal(sh("git reflog -1 --format=%%gs"), "commit: second");
	assert_sound();
}

/* git/R3, git/R6. */
static void keeps_the_index_entries_of_other_files(void **state)
{
	const char *before;
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("for i in 1 2 3 4 5 6; do echo $i >f$i; done; git add f*; git commit -q -m more; "
	   "git update-index --index-version 4 --untracked-cache; "
	   "git update-index --skip-worktree f1; git update-index --assume-unchanged f2; "
	   "echo i >intended; git add -N intended; "
	   "git update-index --force-remove f4; "
	   "for s in 1 2 3; do echo \"100644 $(git rev-parse HEAD:f$s) $s\tf4\"; done | "
	   "git update-index --index-info; chmod 660 .git/index; echo more >>f5");
	before = sh("git ls-files -s -v --debug -- f1 f2 f4 intended | md5sum");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "f5", "f6"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git ls-files -s -v --debug -- f1 f2 f4 intended | md5sum"), before);
	assert_string_equal(sh("git ls-files -t f1; git ls-files -v f2"), "S f1");
	assert_string_equal(sh("stat -c %%a .git/index"), "660");
	assert_string_equal(sh("git diff --name-only --diff-filter=A"), "intended");
	assert_sound();
}

/* git/R6: what was changed in the tick in which it was staged is seen to be changed. */
static void a_racy_change_stays_seen(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("touch -d '2020-01-01 00:00:00' a .git/index; git update-index a; echo x >a; "
	   "touch -d '2020-01-01 00:00:00' a; echo n >n; "
	   "git ls-files --debug a | grep -q 'size: 2' && touch -d '2020-01-01' .git/index; "
	   "git -c core.trustctime=false diff --quiet && echo broken test && exit 1; "
	   "git config core.trustctime false; git config core.checkstat minimal");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "n"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git diff --name-only"), "a");
}

/* One of our own paths was in conflict, or hidden. */
static void resolves_its_own_paths(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("git update-index --force-remove a; "
	   "for s in 1 2 3; do echo \"100644 $(git rev-parse HEAD:a) $s\ta\"; done | "
	   "git update-index --index-info; git update-index --skip-worktree d/b; echo x >>a; "
	   "echo x >>d/b");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "a", "d/b", "not/there"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git status --porcelain"), "");
	assert_string_equal(sh("git ls-files -u; git ls-files -t | grep -v ^H || true"), "");
	assert_sound();
}

static void does_not_trust_the_mode(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("git config core.fileMode false; git update-index --chmod=+x a; git commit -q -m x; "
	   "echo x >>a; echo x >n; chmod +x n; rm -f l");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "a", "n"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git ls-tree HEAD a n | cut -c1-6 | tr '\\n' ' '"),
			    "100755 100644 ");
}

/* ---- what Git does to a content ------------------------------------------------------------- */

/* Each of these files is stored as `git add` stores it. */
static void stores_the_same_content_as_git(void **state)
{
	static const char *const files[] = {"lf.txt",	"crlf.txt", "mixed.txt", "bin.txt",
					    "eol.txt",	"id.c",	    "up.up",	 "utf16.u",
					    "raw.crlf", "plain"};
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("printf '%%s\\n' '*.txt text=auto' 'eol.txt text eol=crlf' '*.c ident' "
	   "'*.up filter=up' '*.u working-tree-encoding=UTF-16 text' '*.crlf -text' "
	   ">.gitattributes; git config filter.up.clean 'tr a-z A-Z'; "
	   "git config filter.up.smudge 'tr A-Z a-z'; "
	   "printf 'a\\nb\\n' >lf.txt; printf 'a\\r\\nb\\r\\n' >crlf.txt; "
	   "printf 'a\\r\\nb\\n' >mixed.txt; printf 'a\\r\\n\\0b' >bin.txt; "
	   "printf 'a\\r\\nb\\r\\n' >eol.txt; printf '$Id: 123 $\\n' >id.c; echo up >up.up; "
	   "printf 'a\\nb\\n' | iconv -t UTF-16 >utf16.u; printf 'a\\r\\n' >raw.crlf; "
	   "printf 'p\\r\\n' >plain");
	for (int i = 0; i < 2; i++) {
		repo = open_repository(state);
		for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
			char oid[HF_OID_SIZE];
			int fd = open(files[k], O_RDONLY);

			assert_status(HF_OK, hf_repo_blob(repo, files[k], fd, oid, &err), &err);
			assert_string_equal(oid, sh("git hash-object %s", files[k]));
			close(fd);
		}
		hf_repo_close(repo);
		sh("git config core.autocrlf input");
	}
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "up.up", "crlf.txt"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git show HEAD:up.up"), "UP");
	assert_string_equal(sh("git diff-files --name-only"), "");
}

static void a_filter_that_fails_is_an_error(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("echo '* filter=f' >.gitattributes; git config filter.f.clean false; "
	   "git config filter.f.required true");
	repo = open_repository(state);
	assert_status(HF_DATA, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
}

static void stores_a_large_file(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("head -c 5000000 /dev/urandom >large; : >empty");
	for (int i = 0; i < 2; i++) {
		repo = open_repository(state);
		assert_status(HF_OK, COMMIT(repo, &err, "large", "empty"), &err);
		hf_repo_close(repo);
	}
	sh("git show HEAD:large | cmp - large; git show HEAD:empty | cmp - empty");
	assert_sound();
}

static void signs(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("printf '#!/bin/sh\\ncat >/dev/null\\necho \"[GNUPG:] SIG_CREATED \" >&2\\n"
	   "echo signature\\n' >.git/sign; chmod +x .git/sign; git config commit.gpgSign true; "
	   "git config gpg.program \"$PWD/.git/sign\"; echo x >>a");
	repo = open_repository(state);
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git cat-file commit HEAD | grep gpgsig"), "gpgsig signature");
	assert_string_equal(sh("git log -1 --format='%%an %%s'"), "A U Thor second");
	sh("printf '#!/bin/sh\\nexit 1\\n' >.git/sign; echo x >>a");
	repo = open_repository(state);
	assert_status(HF_DATA, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
}

/* ---- repositories of all shapes ------------------------------------------------------------- */

/* The same in each: one commit of a file, staged things stay, all is sound. */
static void commit_in_it(const char *setup, const char *back_end)
{
	void *ordinary[] = {NULL};
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(ordinary);
	sh("%s", setup);
	if (is_there("../shape"))
		enter("shape");
	sh("git config user.name N; git config user.email n@example.com; echo staged >s; "
	   "git add s; echo x >>a");
	repo = open_repository(NULL);
	assert_string_equal(repo->ops->name, back_end);
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	hf_repo_close(repo);
	assert_string_equal(sh("git status --porcelain"), "A  s");
	assert_string_equal(sh("git show --format= --name-only"), "a");
	/* Git 2.39 names trees in a sparse index that it has not written yet */
	sh("git commit -q -m rest");
	assert_sound();
	enter(".");
	sh("rm -rf shape");
}

static void repositories_of_all_shapes(void **state)
{
	const struct {
		const char *setup, *back_end;
	} shapes[] = {
		{"git worktree add -q ../shape", libgit2},
		{"git worktree add -q --detach ../shape", libgit2},
		{"git init -q ../super; cd ../super; git -c protocol.file.allow=always submodule "
		 "--quiet add ../r sub; ln -s super/sub ../shape",
		 libgit2},
		{"git clone -q --depth 1 \"file://$PWD\" ../shape", libgit2},
		{"git clone -q --shared . ../shape", libgit2},
		{"git pack-refs --all; git gc -q", libgit2},
		{"git init -q --separate-git-dir ../elsewhere ../shape; cd ../shape; "
		 "git pull -q ../r main",
		 libgit2},
		{"git update-index --split-index", plumbing},
		{"git sparse-checkout init --cone --sparse-index; git sparse-checkout set e",
		 plumbing},
		{"git config core.repositoryFormatVersion 1; "
		 "git config extensions.worktreeConfig true",
		 plumbing},
		{"git config extensions.partialClone origin; git config remote.origin.url \"$PWD\"",
		 plumbing},
		{"git init -q --object-format=sha256 ../shape; cd ../shape; echo a >a; git add a; "
		 "git -c user.name=x -c user.email=x commit -q -m x",
		 plumbing},
		{"git config core.sharedRepository group", plumbing},
		{"git config core.ignoreCase true", plumbing},
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if ((*state == plumbing) == (shapes[i].back_end == plumbing))
			commit_in_it(shapes[i].setup, shapes[i].back_end);
}

static void a_directory_wins_over_the_environment(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("rm -rf ../o; git init -q ../o");
	setenv("GIT_DIR", "../o/.git", 1);
	setenv("GIT_INDEX_FILE", "nowhere", 1);
	repo = open_repository(NULL);
	assert_non_null(strstr(hf_repo_workdir(repo), "/r"));
	hf_repo_close(repo);
	setenv("GIT_WORK_TREE", "../o", 1);
	assert_status(HF_OK, hf_repo_open(&repo, NULL, &err), &err);
	assert_non_null(strstr(hf_repo_workdir(repo), "/o"));
	assert_non_null(strstr(hf_repo_gitdir(repo), "/o/.git"));
	hf_repo_close(repo);
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_DIR");
	unsetenv("GIT_INDEX_FILE");
}

static void refuses_a_path_without_a_repository(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	(void)state;
	enter(".");
	sh("rm -rf none; mkdir none");
	assert_status(HF_NOINPUT, hf_repo_open(&repo, "none", &err), &err);
	assert_null(repo);
	assert_status(HF_NOINPUT, hf_repo_open(&repo, "/no/where", &err), &err);
	hf_repo_close(NULL);
}

static void refuses_one_of_another_user(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	require_root();
	make_repository(state);
	sh("chown -R 12345 .");
	assert_status(HF_NOPERM, hf_repo_open(&repo, ".", &err), &err);
	assert_non_null(strstr(err.advice, "safe.directory"));
	sh("chown -R 0 .");
}

static void without_git_some_are_refused(void **state)
{
	char *path = strdup(getenv("PATH"));
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("echo x >>a; git config filter.x.clean cat");
	setenv("PATH", "/no/where", 1);
	if (*state == plumbing) {
		assert_status(HF_UNAVAILABLE, hf_repo_open(&repo, ".", &err), &err);
		assert_non_null(strstr(err.message, "worktreeconfig"));
		assert_non_null(strstr(err.advice, "PATH"));
	} else {
		repo = open_repository(state);
		assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
		put_file(".gitattributes", "* filter=x\n");
		assert_status(HF_UNAVAILABLE, COMMIT(repo, &err, "a"), &err);
		hf_repo_close(repo);
	}
	setenv("PATH", path, 1);
	free(path);
}

/* ---- not now -------------------------------------------------------------------------------- */

static void not_while_something_is_under_way(void **state)
{
	static const struct {
		const char *setup, *what;
	} states[] = {
		{"git merge -q other 2>&1", "a merge"},
		{"git rebase other 2>&1", "a rebase"},
		{"git cherry-pick other 2>&1", "a cherry-pick"},
		{"git revert HEAD~1 2>&1", "a revert"},
		{"git bisect start 2>&1; exit 1", "a bisect"},
	};
	struct hf_repo *repo;
	struct hf_err err;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		make_repository(state);
		sh("git checkout -q -b other; echo o >a; git commit -q -a -m o; "
		   "git checkout -q main; echo 1 >a; git commit -q -a -m 1; echo 2 >a; "
		   "git commit -q -a -m 2");
		sh("(%s) >../said && exit 1; true", states[i].setup);
		repo = open_repository(state);
		assert_status(HF_DATA, hf_repo_check(repo, NULL, NULL, &err), &err);
		assert_non_null(strstr(err.message, states[i].what));
		hf_repo_close(repo);
	}
	sh("git init -q --bare ../bare.git");
	assert_status(HF_OK, hf_repo_open(&repo, "../bare.git", &err), &err);
	assert_status(HF_DATA, hf_repo_check(repo, NULL, NULL, &err), &err);
	hf_repo_close(repo);
	sh("rm -rf ../bare.git");
}

static void needs_an_identity(void **state)
{
	struct hf_commit_ident author, committer;
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("git config --unset user.name");
	repo = open_repository(state);
	assert_status(HF_DATA, hf_repo_check(repo, &author, &committer, &err), &err);
	assert_non_null(strstr(err.advice, "user.name"));
	setenv("GIT_AUTHOR_NAME", "Env", 1);
	assert_status(HF_DATA, hf_repo_check(repo, &author, &committer, &err), &err);
	assert_non_null(strstr(err.message, "committer"));
	setenv("GIT_COMMITTER_NAME", "Env", 1);
	setenv("GIT_AUTHOR_DATE", "yesterday", 1);
	assert_status(HF_USAGE, hf_repo_check(repo, &author, &committer, &err), &err);
	setenv("GIT_AUTHOR_DATE", "@7 -0130", 1);
	assert_status(HF_OK, hf_repo_check(repo, &author, &committer, &err), &err);
	assert_string_equal(author.email, "a@example.com");
	assert_int_equal(author.time, 7);
	assert_int_equal(author.offset, -90);
	hf_commit_ident_free(&author);
	hf_commit_ident_free(&committer);
	hf_repo_close(repo);
	unsetenv("GIT_AUTHOR_NAME");
	unsetenv("GIT_COMMITTER_NAME");
	unsetenv("GIT_AUTHOR_DATE");
}

static void a_damaged_repository_is_no_empty_one(void **state)
{
	char *ref, tip[HF_OID_SIZE];
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	repo = open_repository(state);
	sh("git rev-parse HEAD >../tip; rm -f .git/objects/$(cut -c1-2 ../tip)/$(cut -c3- ../tip)");
	assert_status(HF_DATA, hf_repo_head(repo, &ref, tip, &err), &err);
	assert_null(ref);
	hf_repo_close(repo);
	make_repository(state);
	sh("chmod u+w .git/index; printf 'DIRC\\0\\0\\0\\2\\0\\0\\0\\1' >.git/index");
	if (hf_repo_open(&repo, ".", &err) == HF_OK) {
		assert_int_not_equal(COMMIT(repo, &err, "a"), HF_OK);
		hf_repo_close(repo);
	}
	assert_string_equal(sh("git rev-list --count HEAD"), "1");
}

/* ---- paths ---------------------------------------------------------------------------------- */

static void refuse_path(struct hf_repo *repo, const char *path, const char *why)
{
	char *tree_path = NULL;
	struct hf_err err;

	assert_status(*path ? HF_DATA : HF_USAGE, hf_repo_path(repo, path, &tree_path, &err), &err);
	assert_null(tree_path);
	if (!strstr(err.message, why)) {
		print_error("'%s': %s, wanted %s\n", path, err.message, why);
		fail();
	}
}

static void accept_path(struct hf_repo *repo, const char *path, const char *wanted)
{
	char *tree_path;
	struct hf_err err;

	assert_status(HF_OK, hf_repo_path(repo, path, &tree_path, &err), &err);
	assert_string_equal(tree_path, wanted);
	free(tree_path);
}

static void finds_paths_in_the_tree(void **state)
{
	struct hf_repo *repo;
	char absolute[5000];

	make_repository(state);
	sh("ln -s ../.. d/up; ln -s d s; ln -s d/b link; ln -s /etc/passwd out; "
	   "ln -s no/where dangling; "
	   "ln -s $PWD ../into; echo '*.o' >.gitignore; touch x.o tracked.o; git add -f tracked.o; "
	   "git init -q nested; mkfifo fifo; mkdir -p gone; echo 1 >gone/1; git add gone; "
	   "rm -r gone; echo 1 >.git/inside");
	repo = open_repository(state);
	accept_path(repo, "a", "a");
	accept_path(repo, "./d/../d//b", "d/b");
	accept_path(repo, "s/new", "d/new");
	accept_path(repo, "link", "d/b");
	accept_path(repo, "new/dir//file", "new/dir/file");
	accept_path(repo, "new/./file", "new/file");
	accept_path(repo, "tracked.o", "tracked.o");
	accept_path(repo, "../into/a", "a");
	accept_path(repo, ".gitignore", ".gitignore");
	snprintf(absolute, sizeof(absolute), "%s/d/n", hf_repo_workdir(repo));
	accept_path(repo, absolute, "d/n");
	refuse_path(repo, "", "empty");
	refuse_path(repo, "..", "directory");
	refuse_path(repo, "d", "directory");
	refuse_path(repo, "d/", "directory");
	refuse_path(repo, "fifo", "not a regular file");
	refuse_path(repo, "../x", "outside");
	refuse_path(repo, "/etc/passwd", "outside");
	refuse_path(repo, "out", "outside");
	refuse_path(repo, "d/up/x", "outside");
	refuse_path(repo, "dangling", "cannot follow");
	refuse_path(repo, "new/../x", "cannot follow");
	refuse_path(repo, "a/b", "cannot follow");
	refuse_path(repo, "x.o", "ignored");
	refuse_path(repo, ".git/inside", ".git");
	refuse_path(repo, ".git/x/y", ".git");
	refuse_path(repo, ".GIT/x", ".git");
	refuse_path(repo, "new/.git ", ".git");
	refuse_path(repo, "new/git~1/x", ".git");
	refuse_path(repo, "nested/x", "another repository");
	refuse_path(repo, "gone", "directory in the index");
	sh("rm nested -r; git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub; "
	   "mkdir sub; rm a; mkdir a");
	hf_repo_close(repo);
	repo = open_repository(state);
	refuse_path(repo, "sub/x", "submodule");
	refuse_path(repo, "a/b", "file in the index");
	hf_repo_close(repo);
	sh("rm ../into");
}

/* What is in the way is not dropped. */
static void refuses_a_file_where_a_directory_is(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;
	struct commit c;

	make_repository(state);
	sh("git rm -q -r --cached a d; rm -r a d; mkdir a; echo n >a/n; echo d >d");
	repo = open_repository(state);
	/* in the commit before */
	assert_status(HF_DATA, COMMIT(repo, &err, "a/n"), &err);
	assert_status(HF_DATA, COMMIT(repo, &err, "d"), &err);
	/* in the index: what the user has staged */
	sh("git reset -q --hard; git rm -q -r a d; git commit -q -m none; echo 1 >a; mkdir d; "
	   "echo 1 >d/b; git add a d; rm -r a d; mkdir a; echo n >a/n; echo d >d");
	assert_status(HF_OK, build(repo, &c, PATHS("a/n"), "second\n", &err), &err);
	assert_status(HF_DATA, finish(repo, &c, 0, &err), &err);
	release(&c);
	assert_status(HF_OK, build(repo, &c, PATHS("d"), "second\n", &err), &err);
	assert_status(HF_DATA, finish(repo, &c, 0, &err), &err);
	release(&c);
	assert_string_equal(sh("git ls-files | tr '\\n' ' '"), "a d/b ");
	hf_repo_close(repo);
	assert_sound();
}

/* ---- locks and others ----------------------------------------------------------------------- */

static int hold_index(const struct rival *self, void *arg)
{
	struct hf_repo *repo = open_repository(arg);
	struct hf_err err;

	assert_status(HF_OK, hf_repo_lock(repo, "record of a rival", &err), &err);
	rival_say(self, 'h');
	rival_hear(self);
	return 0; /* the lock stays */
}

/* git/R7. */
static void takes_over_only_from_the_dead(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;
	struct rival rival;

	make_repository(state);
	sh("echo x >>a");
	repo = open_repository(state);
	rival = rival_start(hold_index, state);
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, hf_repo_lock(repo, "record 1", &err), &err);
	assert_non_null(strstr(err.advice, "record of a rival"));
	sh("! git add a 2>../said");
	assert_int_equal(rival_end(&rival), 0);
	assert_true(is_there(".git/index.lock"));
	put_file(".git/index.holdfast", "litter");
	put_file(".git/index.holdfast.lock", "litter");
	put_file(".git/index.holdfast.00000000", "litter");
	put_file(".git/index.holdfast.00000000.lock", "litter");
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	assert_sound();
	/* another program's is never touched */
	put_file(".git/index.lock", "");
	assert_status(HF_BUSY, hf_repo_lock(repo, "record 1", &err), &err);
	put_file(".git/index.lock", "4194303\n");
	assert_status(HF_BUSY, hf_repo_lock(repo, "record 1", &err), &err);
	sh("rm .git/index.lock");
	hf_repo_close(repo);
}

static void the_index_needs_the_lock(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	repo = open_repository(state);
	assert_status(HF_BUG, hf_repo_index(repo, NULL, 0, &err), &err);
	assert_status(HF_OK, hf_repo_lock(repo, "record 1", &err), &err);
	assert_status(HF_OK, hf_repo_index(repo, NULL, 0, &err), &err);
	hf_repo_close(repo); /* unlocks */
	assert_sound();
}

/* git/R5. */
static void a_moved_ref_is_not_overrun(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;
	struct commit c;
	const char *theirs;

	make_repository(state);
	sh("echo x >>a");
	repo = open_repository(state);
	assert_status(HF_OK, build(repo, &c, PATHS("a"), "second\n", &err), &err);
	theirs = sh("git commit -q --allow-empty -m theirs; git rev-parse HEAD");
	assert_status(HF_NO, finish(repo, &c, 0, &err), &err);
	assert_string_equal(sh("git rev-parse HEAD"), theirs);
	/* it has vanished */
	sh("git checkout -q --detach; git branch -q -D main");
	assert_status(HF_NO, finish(repo, &c, 0, &err), &err);
	assert_string_equal(sh("git branch --list main"), "");
	/* it has come */
	c.tip[0] = '\0';
	sh("git branch main");
	assert_status(HF_NO, finish(repo, &c, 0, &err), &err);
	release(&c);
	hf_repo_close(repo);
	assert_sound();
}

static void waits_for_a_locked_ref(void **state)
{
	struct hf_repo *repo;
	struct hf_err err;
	struct commit c;

	make_repository(state);
	sh("echo x >>a");
	repo = open_repository(state);
	assert_status(HF_OK, build(repo, &c, PATHS("a"), "second\n", &err), &err);
	put_file(".git/refs/heads/main.lock", "");
	assert_status(HF_BUSY, finish(repo, &c, 50 * HF_MS, &err), &err);
	sh("(sleep 0.2; rm .git/refs/heads/main.lock) >/dev/null 2>&1 &");
	assert_status(HF_OK, finish(repo, &c, 20 * HF_SECOND, &err), &err);
	assert_string_equal(sh("git log -1 --format=%%s"), "second");
	release(&c);
	hf_repo_close(repo);
	assert_sound();
}

/* One of several: a file of its own, ROUNDS times. */
enum { WRITERS = 8, ROUNDS = 3 };

static int write_rounds(const struct rival *self, void *arg)
{
	struct hf_repo *repo;
	struct hf_err err;
	int number = rival_hear(self);
	int turnstile = open(".git/turn", O_RDWR | O_CREAT, 0666);

	repo = open_repository(arg);
	for (int i = 0; i < ROUNDS; i++) {
		enum hf_status status;
		char path[32];

		snprintf(path, sizeof(path), "w%d-%d", number, i);
		put_file(path, path);
		flock(turnstile, LOCK_EX);
		do /* another program commits beside them */
			status = COMMIT(repo, &err, path);
		while (status == HF_NO || status == HF_BUSY);
		flock(turnstile, LOCK_UN);
		assert_status(HF_OK, status, &err);
	}
	hf_repo_close(repo);
	return 0;
}

static void writers_lose_nothing(void **state)
{
	struct rival rivals[WRITERS];

	make_repository(state);
	for (int i = 0; i < WRITERS; i++) {
		rivals[i] = rival_start(write_rounds, state);
		rival_tell(&rivals[i], (char)(i + 1));
	}
	for (int i = 0; i < 5; i++)
		sh("until git commit -q --allow-empty -m stranger 2>../said; do :; done");
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(rival_end(&rivals[i]), 0);
	assert_string_equal(sh("git rev-list --count --grep=second HEAD"), "24");
	assert_string_equal(sh("git rev-list --count --grep=stranger HEAD"), "5");
	assert_string_equal(sh("git ls-tree --name-only HEAD | grep -c ^w"), "24");
	assert_string_equal(sh("git status --porcelain"), "");
	assert_sound();
}

/* git/R1, git/R2: content, name; objects and index, then the ref. f's object is there already, then
 * all but the commit: it is synced (git/L2). What Git writes is not seen here, and all of it is
 * synced in the end. */
static void everything_is_durable_in_its_order(void **state)
{
	static const char *const objects[] = {"HEAD:n/n", "HEAD:n", "HEAD:", "HEAD", "HEAD:f"};
	enum { NEW = 3 };
	const char *index, *ref, *at;
	struct hf_repo *repo;
	struct hf_err err;

	make_repository(state);
	sh("echo found >f; git hash-object -w f; mkdir n; echo new >n/n");
	repo = open_repository(state);
	for (int i = 0; i < 2; i++) {
		trace[0] = '\0';
		assert_status(HF_OK, COMMIT(repo, &err, "n/n", "f"), &err);
		index = traced(trace, "name %s/index\n", hf_repo_gitdir(repo));
		at = traced(trace, "sync %s/index.holdfast.", hf_repo_gitdir(repo));
		assert_true(at < index);
		at = traced(index, "sync %s\n", hf_repo_gitdir(repo));
		ref = traced(index, "name %s/refs/heads/main\n", hf_repo_gitdir(repo));
		assert_true(at < ref);
		for (size_t k = 0; k < sizeof(objects) / sizeof(objects[0]); k++) {
			const char *oid = sh("git rev-parse %s", objects[k]);
			const char *what = "sync";

			/* in a file that has no name yet, or in that which is there: Git's blob */
			at = trace;
			if (k == NEW || (i == 0 && k < NEW && (k || *state != plumbing))) {
				at = traced(at, "sync %s/objects/#", hf_repo_gitdir(repo));
				what = "name";
			}
			at = traced(at, "%s %s/objects/%.2s/%s\n", what, hf_repo_gitdir(repo), oid,
				    oid + 2);
			at = traced(at, "sync %s/objects/%.2s\n", hf_repo_gitdir(repo), oid);
			assert_true(at < ref);
		}
		at = traced(index, "sync %s/refs/heads/main~holdfast.lock\n", hf_repo_gitdir(repo));
		assert_true(at < ref);
		traced(ref, "sync %s/refs/heads\n", hf_repo_gitdir(repo));
		/* git/R4: of another program's commit only */
		at = strstr(trace, "all ");
		assert_true(i ? !at : at && at < ref);
	}
	/* a ref that is packed is libgit2's */
	if (*state == plumbing) {
		hf_repo_close(repo);
		return;
	}
	sh("git pack-refs --all; echo more >>a");
	trace[0] = '\0';
	assert_status(HF_OK, COMMIT(repo, &err, "a"), &err);
	at = traced(trace, "sync %s/refs/heads/main.lock\n", hf_repo_gitdir(repo));
	at = traced(at, "name %s/refs/heads/main\n", hf_repo_gitdir(repo));
	traced(at, "sync %s/refs/heads\n", hf_repo_gitdir(repo));
	hf_repo_close(repo);
}

/* ---- finding, identity ---------------------------------------------------------------------- */

static enum hf_status find(struct hf_repo *repo, const char *tip, const char *base, const char *id,
			   char commit[HF_OID_SIZE])
{
	enum hf_status status;
	char trailer[64];
	struct hf_err err;

	snprintf(trailer, sizeof(trailer), "Holdfast-Record: %s", id);
	status = hf_repo_find(repo, tip, base, trailer, commit, &err);
	if (status != HF_NO)
		assert_status(HF_OK, status, &err);
	return status;
}

static void finds_a_record(void **state)
{
	static const char nowhere[] = "1111111111111111111111111111111111111111";
	const char *first, *tip, *record;
	char commit[HF_OID_SIZE];
	struct hf_repo *repo;

	make_repository(state);
	first = sh("git rev-parse HEAD");
	record = sh("git commit -q --allow-empty -m 'r\n\nbody\n\nHoldfast-Record: 12' && "
		    "git rev-parse HEAD");
	sh("git commit -q --allow-empty -m 'speaks of it: Holdfast-Record: 13'");
	tip = sh("git commit -q --allow-empty -m 'r\n\nHoldfast-Record: 123' && "
		 "git rev-parse HEAD");
	repo = open_repository(state);
	assert_int_equal(find(repo, tip, "", "12", commit), HF_OK);
	assert_string_equal(commit, record);
	assert_int_equal(find(repo, tip, first, "12", commit), HF_OK);
	assert_int_equal(find(repo, tip, record, "12", commit), HF_NO);
	assert_int_equal(find(repo, tip, "", "13", commit), HF_NO);
	assert_int_equal(find(repo, "", "", "12", commit), HF_NO);
	assert_int_equal(find(repo, tip, nowhere, "123", commit), HF_OK);
	assert_string_equal(commit, tip);
	hf_repo_close(repo);
}

static void has_an_identity_that_stays(void **state)
{
	char first[HF_OID_SIZE];
	struct hf_repo *repo;
	struct hf_err err;
	const char *id;

	make_repository(state);
	repo = open_repository(state);
	assert_status(HF_OK, hf_repo_id(repo, &id, &err), &err);
	strcpy(first, id);
	assert_int_equal(strlen(first), 32);
	hf_repo_close(repo);
	sh("git worktree add -q ../wt");
	assert_status(HF_OK, hf_repo_open(&repo, "../wt", &err), &err);
	assert_status(HF_OK, hf_repo_id(repo, &id, &err), &err);
	assert_string_equal(id, first);
	hf_repo_close(repo);
	sh("rm -rf ../wt; : >.git/holdfast/id");
	repo = open_repository(state);
	assert_status(HF_DATA, hf_repo_id(repo, &id, &err), &err);
	hf_repo_close(repo);
}

#ifdef HF_TEST_PLUMBING
#define BOTH(test) cmocka_unit_test_prestate(test, (void *)plumbing)
#else
#define BOTH(test) cmocka_unit_test(test)
#endif

static const struct CMUnitTest tests[] = {
	BOTH(commits_exactly_the_paths),
	BOTH(makes_the_commit_that_git_makes),
	BOTH(names_and_messages_in_another_encoding),
	BOTH(makes_a_first_commit),
	BOTH(commits_to_a_detached_head),
	BOTH(keeps_the_index_entries_of_other_files),
	BOTH(a_racy_change_stays_seen),
	BOTH(resolves_its_own_paths),
	BOTH(does_not_trust_the_mode),
	BOTH(stores_the_same_content_as_git),
	BOTH(a_filter_that_fails_is_an_error),
	BOTH(stores_a_large_file),
	BOTH(signs),
	BOTH(a_directory_wins_over_the_environment),
	BOTH(refuses_one_of_another_user),
	BOTH(without_git_some_are_refused),
	BOTH(not_while_something_is_under_way),
	BOTH(needs_an_identity),
	BOTH(a_damaged_repository_is_no_empty_one),
	BOTH(finds_paths_in_the_tree),
	BOTH(refuses_a_file_where_a_directory_is),
	BOTH(takes_over_only_from_the_dead),
	BOTH(the_index_needs_the_lock),
	BOTH(a_moved_ref_is_not_overrun),
	BOTH(waits_for_a_locked_ref),
	BOTH(writers_lose_nothing),
	BOTH(finds_a_record),
	BOTH(has_an_identity_that_stays),
	BOTH(repositories_of_all_shapes),
	BOTH(refuses_a_path_without_a_repository),
	BOTH(everything_is_durable_in_its_order),
};
HF_TEST_MAIN(tests)
