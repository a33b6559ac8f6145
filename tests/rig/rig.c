/* SPDX-License-Identifier: ISC */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void rig_die(const char *format, ...)
{
	int saved = errno; /* for %m */
	va_list args;

	fputs("rig: ", stdout);
	va_start(args, format);
	errno = saved;
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(2);
}

long rig_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool rig_try_slurp(const char *path, struct rig_bytes *bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0 || fstat(fd, &st) < 0)
		rig_die("cannot open %s: %m", path);
	bytes->size = (size_t)st.st_size;
	bytes->data = malloc(bytes->size + 1);
	if (!bytes->data || (got = read(fd, bytes->data, bytes->size)) != st.st_size)
		rig_die("cannot read %s: %m", path);
	bytes->data[bytes->size] = '\0';
	close(fd);
	return true;
}

struct rig_bytes rig_slurp(const char *path)
{
	struct rig_bytes bytes;

	if (!rig_try_slurp(path, &bytes))
		rig_die("cannot open %s: %m", path);
	return bytes;
}

void rig_spit(const char *path, struct rig_bytes bytes, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, bytes.data, bytes.size) != (ssize_t)bytes.size ||
	    fchmod(fd, mode) < 0 || close(fd) < 0)
		rig_die("cannot write %s: %m", path);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

void rig_remove(const char *path)
{
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		rig_die("cannot remove %s: %m", path);
}

void rig_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(022);
}

bool rig_option(struct rig_scenario *s, int option, char *value)
{
	static const char *const kinds[] = {"replace", "append", "lines", "in-place"};

	switch (option) {
	case 'k':
		for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strcmp(kinds[i], value) == 0)
				return s->kind = i, true;
		return false;
	case 'o':
		s->old = rig_slurp(value);
		return true;
	case 'n':
		s->fresh = rig_slurp(value);
		return true;
	case 'i':
		s->input = realpath(value, NULL);
		return s->input != NULL;
	case 'l':
		s->path = "sub/real";
		return s->link = true;
	case 'p':
		s->path = value;
		return !s->old.data && !s->link;
	case 'b':
		s->backup = value;
		return true;
	default:
		return false;
	}
}

void rig_operands(struct rig_scenario *s, char **argv)
{
	if (!argv[0] || !s->fresh.data)
		rig_die("no tool, or no new content");
	s->argv = argv;
	s->tool = strrchr(argv[0], '/');
	if (!s->tool++ || argv[0][0] != '/')
		rig_die("%s is no absolute path", argv[0]);
	s->absent = !s->old.data;
	if (s->absent)
		s->old.data = strdup("");
	if (!s->input)
		s->input = "/dev/null";
	if (!s->path)
		s->path = "f";
}

const char *rig_join(char out[PATH_MAX], const char *dir, const char *name, const char *suffix)
{
	snprintf(out, PATH_MAX, "%s/%s%s", dir, name, suffix ? suffix : "");
	return out;
}

const char *rig_target(const struct rig_scenario *s, const char *dir, char out[PATH_MAX])
{
	return rig_join(out, dir, s->path, NULL);
}

void rig_prepare(const struct rig_scenario *s, const char *dir)
{
	char path[PATH_MAX];

	rig_remove(dir);
	if (mkdir(dir, 0755) < 0)
		rig_die("cannot make %s: %m", dir);
	if (s->link && (mkdir(rig_join(path, dir, "sub", NULL), 0755) < 0 ||
			symlink("sub/real", rig_join(path, dir, "f", NULL)) < 0))
		rig_die("cannot make %s: %m", path);
	if (!s->absent)
		rig_spit(rig_target(s, dir, path), s->old, RIG_OLD_MODE);
}

/* In the child, which becomes the tool. */
static _Noreturn void become(const struct rig_scenario *s, const char *dir,
			     const struct rig_fault *fault, int messages_fd)
{
	struct rlimit limit = {.rlim_cur = (rlim_t)fault->file_size, .rlim_max = RLIM_INFINITY};
	char *argv[64];
	size_t n = 0;
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (char *const *word = fault->wrapper; word && *word && n < 32; word++)
		argv[n++] = *word;
	for (char **word = s->argv; *word && n < 63; word++)
		argv[n++] = *word;
	argv[n] = NULL;
	if (fault->rule)
		setenv("HOLDFAST_FAULT", fault->rule, 1);
	if (fault->log)
		setenv("HOLDFAST_FAULT_LOG", fault->log, 1);
	if (chdir(dir) < 0)
		_exit(125);
	dup2(open(s->input, O_RDONLY), 0);
	dup2(open("/dev/null", O_WRONLY), 1);
	dup2(messages_fd, 2);
	closefrom(3);
	signal(SIGXFSZ, fault->signal ? SIG_DFL : SIG_IGN);
	if (fault->file_size)
		setrlimit(RLIMIT_FSIZE, &limit);
	execvp(argv[0], argv);
	_exit(125);
}

void rig_start(const struct rig_scenario *s, const char *dir, const struct rig_fault *fault,
	       struct rig_run *run)
{
	int pipes[2];

	memset(run, 0, sizeof(*run));
	if (pipe2(pipes, O_CLOEXEC) < 0 || fcntl(pipes[0], F_SETFL, O_NONBLOCK) < 0 ||
	    (run->pid = fork()) < 0)
		rig_die("cannot start %s: %m", s->argv[0]);
	if (run->pid == 0)
		become(s, dir, fault, pipes[1]);
	setpgid(run->pid, run->pid);
	close(pipes[1]);
	run->messages_fd = pipes[0];
}

void rig_wait(struct rig_run *run, long ms)
{
	long until = rig_now_ms() + ms, left;
	int status;
	pid_t pid;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while ((pid = waitpid(run->pid, &status, WNOHANG | WUNTRACED)) == 0) {
		left = until - rig_now_ms();
		if (left <= 0) {
			run->end = RIG_LATE;
			return;
		}
		sigtimedwait(&set, NULL, &(struct timespec){left / 1000, left % 1000 * 1000000});
	}
	if (pid < 0)
		rig_die("cannot wait for %d: %m", (int)run->pid);
	run->end = WIFSTOPPED(status) ? RIG_STOPPED : WIFSIGNALED(status) ? RIG_DIED : RIG_EXITED;
	run->code = WIFEXITED(status)	  ? WEXITSTATUS(status)
		    : WIFSIGNALED(status) ? WTERMSIG(status)
					  : WSTOPSIG(status);
}

void rig_end(struct rig_run *run)
{
	ssize_t got;

	kill(-run->pid, SIGKILL);
	if (run->end == RIG_STOPPED || run->end == RIG_LATE)
		waitpid(run->pid, NULL, 0);
	got = read(run->messages_fd, run->messages, sizeof(run->messages) - 1);
	run->messages[got > 0 ? got : 0] = '\0';
	close(run->messages_fd);
}

unsigned int rig_log(const char *path, unsigned int n, char name[32])
{
	struct rig_bytes log;
	unsigned int count = 0;

	name[0] = '\0';
	if (!rig_try_slurp(path, &log))
		return 0;
	for (char *line = log.data, *end; (end = strchr(line, '\n')); line = end + 1) {
		count++;
		if (count == n)
			sscanf(line, "%*u %31s", name);
	}
	free(log.data);
	return count;
}
