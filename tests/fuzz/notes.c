/* SPDX-License-Identifier: ISC */
/*
 * Fuzzing of the small files that are read in a Git directory, its own and ours: .git and commondir
 * and gitdir of a worktree, HEAD, a ref, gc.pid, index~pid.lock, info/exclude, holdfast/id and
 * holdfast/durable. The first byte chooses one or more of them, whose content is the input; the
 * others are as they should be.
 *
 * What must hold: paths that were found are absolute and of directories that are there; an identity
 * that was read is one; a commit is known to be durable only if its note says so; and info/exclude
 * keeps what it had.
 */

#include <sys/stat.h>

#include "stale/evidence.h"
#include "fuzz.h"
#include "gitlock/git_evidence.h"
#include "gitlock/git_exclude.h"
#include "gitlock/gitdir.h"
#include "git/repo_backend.h"
#include "git/repo_id.h"
#include "git/prune_guard.h"
#include "git/ref_read.h"
#include "git/ref_update.h"

static const char commit[] = "0123456789abcdef0123456789abcdef01234567";

enum { MOST = 8192 };

static const struct {
	const char *name, *usual;
} files[] = {
	{"r/.git/HEAD", "ref: refs/heads/main\n"},
	{"r/.git/refs/heads/main", "0123456789abcdef0123456789abcdef01234567\n"},
	{"r/.git/config", "[core]\n\tbare = false\n"},
	{"r/.git/gc.pid", NULL},
	{"r/.git/index~pid.lock", NULL},
	{"r/.git/info/exclude", "*.o\n"},
	{"r/.git/holdfast/id", NULL},
	{"r/.git/holdfast/durable", NULL},
	{"w/.git", "gitdir: ../r/.git/worktrees/w\n"},
	{"r/.git/worktrees/w/gitdir", "../../../../w/.git\n"},
	{"r/.git/worktrees/w/commondir", "../..\n"},
	{"r/.git/worktrees/w/HEAD", "ref: refs/heads/side\n"},
};

enum { FILES = sizeof(files) / sizeof(files[0]) };

static void make_dirs(void)
{
	static const char *const dirs[] = {"r",
					   "r/.git",
					   "r/.git/refs",
					   "r/.git/refs/heads",
					   "r/.git/objects",
					   "r/.git/info",
					   "r/.git/holdfast",
					   "r/.git/worktrees",
					   "r/.git/worktrees/w",
					   "w"};
	char path[512];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		mkdir(in_dir(dirs[i], path), 0755);
}

static void check_dir(const char *path)
{
	struct stat st;

	require(strlen(path) < PATH_MAX);
	require(path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static void find(const char *name)
{
	struct hf_gitdir git;
	struct hf_err err;
	char path[512];

	if (hf_gitdir_find(&git, in_dir(name, path), &err) != HF_OK)
		return;
	check_dir(git.git);
	check_dir(git.common);
	if (git.worktree[0])
		check_dir(git.worktree);
	require(git.index[0] == '/');
}

static void read_repository(void)
{
	struct hf_repo repo = {.oid_size = HF_SHA1, .objects = -1, .lock = -1};
	struct hf_err err;
	const char *id;
	char path[512];

	in_dir("r/.git", path);
	repo.gitdir = repo.commondir = path;
	repo.workdir = fuzz_dir;
	repo.git = repo.common = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (hf_repo_id(&repo, &id, &err) == HF_OK)
		require(strlen(repo.id) >= 16 && strlen(repo.id) < HF_OID_SIZE &&
			strspn(repo.id, "0123456789abcdef") == strlen(repo.id));
	if (hf_tip_is_durable(&repo, commit)) {
		size_t size;
		char *note = get_file("r/.git/holdfast/durable", &size);

		require(note && strncmp(note, commit, strlen(commit)) == 0);
		free(note);
	}
	hf_ref_is_plain(&repo, "refs/heads/main");
	hf_ref_is_plain(&repo, "HEAD");
	close(repo.git);
}

static void exclude(void)
{
	char path[512], *before, *after;
	size_t size, grown;
	int dir = open(in_dir("r", path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	before = get_file("r/.git/info/exclude", &size);
	hf_git_exclude(dir, "x.db-turnstile");
	after = get_file("r/.git/info/exclude", &grown);
	require(before && after && grown >= size && grown <= size + 17);
	require(memcmp(before, after, size) == 0);
	free(before);
	free(after);
	close(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	struct input in = {data, size};
	uint8_t which = take_byte(&in), also = take_byte(&in);
	char path[512];

	if (!made)
		make_dirs();
	made = true;
	if (in.left > MOST)
		in.left = MOST;
	for (uint8_t i = 0; i < FILES; i++) {
		if (i == which % FILES || i == also % FILES)
			put_file(files[i].name, in.at, in.left, false);
		else if (files[i].usual)
			put_file(files[i].name, files[i].usual, strlen(files[i].usual), false);
		else
			unlink(in_dir(files[i].name, path));
	}
	find("r");
	find("w");
	find("r/.git");
	find("r/.git/worktrees/w");
	read_repository();
	exclude();
	return 0;
}
