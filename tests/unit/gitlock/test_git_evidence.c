/* SPDX-License-Identifier: ISC */
#include "gitlock/git_evidence.h"

#include <sched.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include <holdfast/clock.h>
#include "gitlock/git_holders.h"
#include "hf_test.h"

static struct hf_err err;
static struct hf_gitdir git;
static struct hf_evidence e;
static int dir;

static void run(const char *command)
{
	if (system(command) != 0) {
		print_error("%s failed\n", command);
		fail();
	}
}

static int set_up(void **state)
{
	(void)state;
	run("rm -rf repo other; git init -q repo; git init -q other; mkdir repo/dir");
	assert_status(HF_OK, hf_gitdir_find(&git, "repo", &err), &err);
	dir = open("repo/.git", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(dir);
	return 0;
}

/* The verdict on a lock in repo/.git. */
static enum hf_verdict judge_seen(const char *name, bool alone, int64_t stale_after, uint64_t seen)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char path[PATH_MAX + NAME_MAX];
	struct hf_stale_query of = {
		.fd = fd, .place = -1, .alone = alone, .stale_after = stale_after};
	struct hf_git_seen known = {seen ? fd : -1, seen};
	struct hf_git_stale_query git_of = {.git = &git,
					    .dir = dir,
					    .name = name,
					    .path = path,
					    .index = strcmp(name, "index.lock") == 0,
					    .seen = &known};

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", git.git, name);
	hf_git_evidence_judge(&of, &git_of, &e);
	close(fd);
	return e.verdict;
}

static enum hf_verdict judge(const char *name)
{
	return judge_seen(name, false, HF_NEVER, 0);
}

/* The last reason begins like this. */
static void assert_reason(const char *reason)
{
	const char *last = e.count ? e.reason[e.count - 1] : "";

	if (strncmp(last, reason, strlen(reason)) != 0 && !strstr(last, reason)) {
		print_error("the reason is \"%s\", wanted \"%s\"\n", last, reason);
		fail();
	}
}

static void no_live_process_is_proof(void **state)
{
	(void)state;
	require_first_pid_namespace();
	put_file("repo/.git/index.lock", "");
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
	assert_reason("no process that could have made it lives");
	put_file("repo/.git/index.lock", "DIRC and so on");
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
	put_file("repo/.git/packed-refs.lock", "# pack-refs");
	assert_int_equal(judge("packed-refs.lock"), HF_VERDICT_STALE);
}

static int lock_it(const struct rival *self, void *arg)
{
	int fd = open("repo/.git/index.lock", O_RDONLY | O_CLOEXEC);

	(void)arg;
	if (flock(fd, LOCK_EX) < 0)
		return 99;
	rival_say(self, 'l');
	rival_hear(self);
	return 0;
}

static int open_it(const struct rival *self, void *arg)
{
	int fd = open("repo/.git/index.lock", O_WRONLY | O_CLOEXEC);

	(void)arg;
	rival_say(self, 'l');
	rival_hear(self);
	return fd < 0;
}

static void locked_or_open_is_held(void **state)
{
	struct rival rival;

	(void)state;
	put_file("repo/.git/index.lock", "");
	rival = rival_start(lock_it, NULL);
	assert_hears(&rival, 'l');
	assert_int_equal(judge("index.lock"), HF_VERDICT_HELD); /* gitlock/G1 */
	assert_int_equal(e.pid, rival.pid);
	assert_int_equal(rival_end(&rival), 0);
	rival = rival_start(open_it, NULL);
	assert_hears(&rival, 'l');
	assert_int_equal(judge("index.lock"), HF_VERDICT_HELD); /* gitlock/G4 */
	assert_reason("it is open for writing");
	assert_int_equal(rival_end(&rival), 0);
}

static void our_own_record_is_stale_when_no_process_has_it_locked(void **state)
{
	(void)state;
	put_file("repo/.git/index.lock", "holdfast record 17 pid 1\n"); /* gitlock/G2 */
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
	assert_reason("no process has it locked");
	struct rival rival = rival_start(lock_it, NULL);
	assert_hears(&rival, 'l');
	assert_int_equal(judge("index.lock"), HF_VERDICT_HELD);
	assert_int_equal(rival_end(&rival), 0);
}

/* What a process is: its name, where it works, a variable, its state. */
struct being {
	const char *name, *cwd, *variable;
	uid_t uid;
	bool paused;
	const char *scene; /* in a mount namespace of its own, where this is run first */
};

static bool make_scene(const char *scene)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", "apart", "tmpfs", 0, NULL) == 0 && system(scene) == 0;
}

static struct rival be(const struct being *being)
{
	struct rival rival;
	char path[64];
	int up[2];

	snprintf(path, sizeof(path), "./%s", being->name);
	run("mkdir -p bin");
	snprintf(path, sizeof(path), "cp /bin/sleep bin/%s", being->name);
	run(path);
	snprintf(path, sizeof(path), "%s", being->name);
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	rival.pid = fork();
	assert_true(rival.pid >= 0);
	if (rival.pid == 0) {
		char program[PATH_MAX], *argv[] = {(char *)being->name, "60", NULL};
		char *env[] = {(char *)being->variable, NULL};

		snprintf(path, sizeof(path), "bin/%s", being->name);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!realpath(path, program) || (being->scene && !make_scene(being->scene)) ||
		    chdir(being->cwd) < 0 ||
		    (being->uid && setuid(being->uid) < 0))
			_exit(99);
		execve(program, argv, env);
		_exit(98);
	}
	close(up[1]);
	/* the exec closes it */
	assert_int_equal(read(up[0], path, 1), 0);
	close(up[0]);
	if (being->paused) {
		int status;

		kill(rival.pid, SIGSTOP);
		assert_int_equal(waitpid(rival.pid, &status, WUNTRACED), rival.pid);
	}
	return rival;
}

static void end(struct rival *rival)
{
	kill(rival->pid, SIGKILL);
	assert_int_equal(waitpid(rival->pid, NULL, 0), rival->pid);
}

/* The verdict on the lock `name` while such a process lives. */
static enum hf_verdict judge_beside(const char *name, const struct being *being)
{
	struct rival rival = be(being);
	enum hf_verdict verdict = judge(name);

	if (verdict == HF_VERDICT_HELD)
		assert_int_equal(e.pid, rival.pid);
	end(&rival);
	return verdict;
}

static void a_git_that_could_be_its_maker_holds_it(void **state)
{
	static const struct being makers[] = {
		{"git", "repo", NULL, 0, false, NULL},
		{"git", "repo/dir", NULL, 0, false, NULL},
		{"git", "repo/.git", NULL, 0, false, NULL},
		{"git", "repo", NULL, 0, true, NULL},
		{"git-commit", "repo", NULL, 0, false, NULL},
		{"git.real", "repo", NULL, 0, false, NULL},
		{"git", "other", "GIT_DIR=../repo/.git", 0, false, NULL},
		{"git", "other", "GIT_WORK_TREE=x", 0, false, NULL},
		{"java", "repo/dir", NULL, 0, false, NULL},
	};

	(void)state;
	put_file("repo/.git/index.lock", "");
	for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		assert_int_equal(judge_beside("index.lock", &makers[i]), HF_VERDICT_HELD);
}

static void others_do_not(void **state)
{
	static const struct being others[] = {
		{"git", "other", NULL, 0, false, NULL},
		{"git", "other", "GIT_DIR=.git", 0, false, NULL},
		{"git", "/", NULL, 0, false, NULL},
		{"gitk", "repo", NULL, 0, false, NULL},
		{"vi", "repo", NULL, 0, false, NULL},
		{"git-annex", "other", NULL, 0, false, NULL},
		{"java", "/", NULL, 0, false, NULL},
		{"git", "repo", NULL, 65534, false, NULL},
	};

	(void)state;
	require_first_pid_namespace();
	put_file("repo/.git/index.lock", "");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (others[i].uid && geteuid() != 0)
			continue;
		assert_int_equal(judge_beside("index.lock", &others[i]), HF_VERDICT_STALE);
	}
}

static void in_another_mount_namespace_only_a_plain_place_is_elsewhere(void **state)
{
	static const char overlay[] =
		"mkdir apart/up apart/work apart/both; mount -t overlay none apart/both "
		"-o lowerdir=repo,upperdir=apart/up,workdir=apart/work";
	static const struct being elsewhere[] = {
		{"git", "apart/r", NULL, 0, false, "git init -q apart/r"},
		{"git", "apart/r/dir", NULL, 0, false, "git init -q apart/r; mkdir apart/r/dir"},
		{"git", "apart/r", "GIT_DIR=.git", 0, false, "git init -q apart/r"},
	};
	static const struct being perhaps_here[] = {
		{"git", "apart", NULL, 0, false, "true"},
		{"git", "apart/none", NULL, 0, false, "mkdir apart/none"},
		{"git", "apart/r", NULL, 0, false, "mkdir apart/r; mount --bind repo apart/r"},
		{"git", "apart/r/dir", NULL, 0, false, "mkdir apart/r; mount --bind repo apart/r"},
		{"git", "apart/r", NULL, 0, false,
		 "mkdir -p apart/r/.git; mount --bind repo/.git apart/r/.git"},
		{"git", "apart/r", NULL, 0, false,
		 "mkdir apart/r; echo \"gitdir: $PWD/repo/.git\" >apart/r/.git"},
		{"git", "apart/r", NULL, 0, false,
		 "mkdir apart/r; ln -s \"$PWD/repo/.git\" apart/r/.git"},
		{"git", "apart/r", NULL, 0, false, "git init -q --bare apart/r"},
		{"git", "apart/r", NULL, 0, false, "mkdir -p apart/r/.git"},
		{"git", "apart/r", NULL, 0, false,
		 "git init -q apart/r; echo >apart/r/.git/commondir"},
		{"git", "apart/r/in", NULL, 0, false,
		 "mkdir apart/r; mount --bind repo apart/r; mkdir -p apart/r/in; "
		 "mount -t tmpfs none apart/r/in; git init -q apart/r/in"},
		{"git", "apart/r", "GIT_DIR=/x", 0, false, "git init -q apart/r"},
		{"git", "apart/r", "GIT_WORK_TREE=/x", 0, false, "git init -q apart/r"},
		{"git", "apart/both", NULL, 0, false, overlay},
	};

	(void)state;
	require_first_pid_namespace();
	require_mount();
	run("mkdir -p apart");
	put_file("repo/.git/index.lock", "");
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++)
		assert_int_equal(judge_beside("index.lock", &elsewhere[i]), HF_VERDICT_STALE);
	for (size_t i = 0; i < sizeof(perhaps_here) / sizeof(perhaps_here[0]); i++) {
		print_message("%s\n", perhaps_here[i].scene);
		assert_int_equal(judge_beside("index.lock", &perhaps_here[i]), HF_VERDICT_HELD);
	}
	run("git -C repo config core.worktree \"$PWD/far\"");
	assert_int_equal(judge_beside("index.lock", &elsewhere[0]), HF_VERDICT_HELD);
}

static void a_worktree_may_be_configured(void **state)
{
	static const struct being far = {"git", "far", NULL, 0, false, NULL};
	static const struct being root = {"git", "/", NULL, 0, false, NULL};
	struct rival rival;

	(void)state;
	require_first_pid_namespace();
	run("mkdir -p far && git -C repo config core.worktree \"$PWD/far\"");
	put_file("repo/.git/index.lock", "");
	assert_int_equal(judge_beside("index.lock", &far), HF_VERDICT_HELD);
	assert_int_equal(judge_beside("index.lock", &root), HF_VERDICT_STALE);
	run("git -C repo config include.path more");
	rival = be(&root);
	assert_int_equal(judge("index.lock"), HF_VERDICT_HELD);
	end(&rival);
}

static void a_git_that_started_later_is_not_its_maker(void **state)
{
	static const struct being late = {"git", "repo", NULL, 0, false, NULL};
	uint64_t seen;
	struct rival rival;

	(void)state;
	require_first_pid_namespace();
	put_file("repo/.git/index.lock", "");
	seen = hf_git_ticks();
	while (hf_git_ticks() <= seen) /* the clock of start times: ten milliseconds */
		;
	rival = be(&late);
	assert_int_equal(judge_seen("index.lock", false, HF_NEVER, seen), HF_VERDICT_STALE);
	assert_int_equal(judge("index.lock"), HF_VERDICT_HELD);
	end(&rival);
}

static void a_zombie_is_dead(void **state)
{
	static const struct being being = {"git", "repo", NULL, 0, false, NULL};
	struct rival rival;
	siginfo_t info;

	(void)state;
	require_first_pid_namespace();
	rival = be(&being);
	put_file("repo/.git/index.lock", "");
	kill(rival.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)rival.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
	end(&rival);
}

static void another_worktree_counts_for_references_only(void **state)
{
	static const struct being there = {"git", "linked", NULL, 0, false, NULL};

	(void)state;
	require_first_pid_namespace();
	run("git -C repo -c user.name=x -c user.email=x@x commit -q --allow-empty -m x && "
	    "rm -rf linked && git -C repo worktree add -qf ../linked");
	put_file("repo/.git/index.lock", "");
	put_file("repo/.git/packed-refs.lock", "");
	assert_int_equal(judge_beside("index.lock", &there), HF_VERDICT_STALE);
	assert_int_equal(judge_beside("packed-refs.lock", &there), HF_VERDICT_HELD);
}

static void a_note_names_its_maker(void **state)
{
	static const struct being other = {"git", "other", NULL, 0, false, NULL};
	struct rival rival;
	char text[64];

	(void)state;
	require_first_pid_namespace();
	rival = be(&other);
	put_file("repo/.git/index.lock", "");
	snprintf(text, sizeof(text), "pid %d\n", (int)rival.pid);
	put_file("repo/.git/index~pid.lock", text);
	assert_int_equal(judge("index.lock"), HF_VERDICT_HELD); /* gitlock/G3 */
	assert_int_equal(e.pid, rival.pid);
	snprintf(text, sizeof(text), "repo/.git/next-index-%d.lock", (int)rival.pid);
	put_file(text, "");
	assert_int_equal(judge(strrchr(text, '/') + 1), HF_VERDICT_HELD);
	end(&rival);
	assert_int_equal(judge(strrchr(text, '/') + 1), HF_VERDICT_STALE);
	/* dead, it decides nothing: one that could have made it, and lives, holds it */
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
	static const struct being maker = {"git", "repo", NULL, 0, false, NULL};
	assert_int_equal(judge_beside("index.lock", &maker), HF_VERDICT_HELD);
	put_file("repo/.git/index~pid.lock", "pid -1\n");
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
	put_file("repo/.git/index~pid.lock", "nonsense");
	assert_int_equal(judge("index.lock"), HF_VERDICT_STALE);
}

static void content_that_git_does_not_write_is_not_judged(void **state)
{
	(void)state;
	require_first_pid_namespace();
	put_file("repo/.git/index.lock", "mine!");
	assert_int_equal(judge("index.lock"), HF_VERDICT_UNKNOWN); /* gitlock/G7 */
	assert_int_equal(judge_seen("index.lock", true, HF_SECOND, 0), HF_VERDICT_UNKNOWN);
	run("touch -d '-10 min' repo/.git/index.lock");
	assert_int_equal(judge_seen("index.lock", false, HF_SECOND, 0), HF_VERDICT_UNKNOWN);
	assert_int_equal(judge_seen("index.lock", true, HF_SECOND, 0), HF_VERDICT_STALE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(no_live_process_is_proof),
	TEST(locked_or_open_is_held),
	TEST(our_own_record_is_stale_when_no_process_has_it_locked),
	TEST(a_git_that_could_be_its_maker_holds_it),
	TEST(others_do_not),
	TEST(in_another_mount_namespace_only_a_plain_place_is_elsewhere),
	TEST(a_worktree_may_be_configured),
	TEST(a_git_that_started_later_is_not_its_maker),
	TEST(a_zombie_is_dead),
	TEST(another_worktree_counts_for_references_only),
	TEST(a_note_names_its_maker),
	TEST(content_that_git_does_not_write_is_not_judged),
};
HF_TEST_MAIN(tests)
