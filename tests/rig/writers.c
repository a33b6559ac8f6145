/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <sha2.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

/* In the child: standard input is a copy of the file with the line after it; hash is that of the
 * copy, or "absent". Other writers may change the file while it is read. */
static void read_and_add(const struct rig_bytes *line, char hash[SHA256_DIGEST_STRING_LENGTH])
{
	int fd = memfd_create("new", 0), from = open("f", O_RDONLY);
	static uint8_t buffer[1 << 16];
	SHA2_CTX context;
	ssize_t n = 0;

	SHA256Init(&context);
	while (from >= 0 && (n = read(from, buffer, sizeof(buffer))) > 0) {
		SHA256Update(&context, buffer, (size_t)n);
		if (write(fd, buffer, (size_t)n) != n)
			_exit(125);
	}
	if (n < 0 || write(fd, line->data, line->size) != (ssize_t)line->size)
		_exit(125);
	SHA256End(&context, hash);
	if (from < 0)
		strcpy(hash, "absent");
	lseek(fd, 0, SEEK_SET);
	dup2(fd, 0);
	close(fd);
}

static void become(const char *bin, const char *tool, const char *const *words)
{
	const char *argv[16] = {tool};
	char path[PATH_MAX];
	size_t n = 1;

	while (*words && n < 15)
		argv[n++] = *words++;
	argv[n] = NULL;
	execv(rig_join(path, bin, "/", tool), (char **)argv);
	_exit(125);
}

static _Noreturn void become_writer(const struct writers *all, const struct writer *w,
				    const struct rig_bytes *line, const char *source)
{
	char hash[SHA256_DIGEST_STRING_LENGTH], part[64], sql[64];
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(open(source, O_RDONLY), 0);
	dup2(open("said", O_WRONLY | O_APPEND | O_CREAT, 0644), 2);
	dup2(open("/dev/null", O_WRONLY), 1);
	closefrom(3);
	snprintf(part, sizeof(part), "f=%s", source);
	snprintf(sql, sizeof(sql), "INSERT INTO t VALUES (%u)", w->number);
	switch (w->kind) {
	case 'i':
		become(all->bin, "atomic-append", (const char *[]){"--in-place", "f", NULL});
		break;
	case 'a':
		become(all->bin, "atomic-append", (const char *[]){"f", NULL});
		break;
	case 'u':
		become(all->bin, "atomic-update",
		       (const char *[]){"--init", "", "f", "grep", "-h", ".", "-", source, NULL});
		break;
	case 'w':
		read_and_add(line, hash);
		become(all->bin, "atomic-write", (const char *[]){"--if-match", hash, "f", NULL});
		break;
	case 'r':
		become(all->bin, "atomic-record",
		       (const char *[]){"-q", "--sqlite", "db", "--append", part, "--sql", sql,
					NULL});
		break;
	case 'g':
		become(all->bin, "atomic-record",
		       (const char *[]){"-q", "--sqlite", "db", "--git", ".", "--append", part,
					"--sql", sql, "-m", "line", NULL});
		break;
	}
	_exit(125);
}

void writer_start(struct writers *all, struct writer *w)
{
	struct rig_bytes line;
	char source[32];

	w->mortal = !all->apart || random() % 3;
	w->number = all->texts ? (unsigned int)random() % all->texts : all->attempts;
	if (all->apart && w->mortal)
		w->number += all->texts;
	all->attempts++;
	line = ledger_line(w->number);
	snprintf(source, sizeof(source), "src/%u", w->place);
	rig_spit(source, line, 0644);
	w->pid = fork();
	if (w->pid < 0)
		rig_die("cannot start a writer: %m");
	if (w->pid == 0)
		become_writer(all, w, &line, source);
	free(line.data);
}

void writer_ended(struct writers *all, struct writer *w, int status)
{
	struct ledger_text *text = ledger_of(&all->ledger, w->number);
	bool records = w->kind == 'r' || w->kind == 'g';
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);

	w->pid = 0;
	w->due = rig_now_ms() + (all->pause ? random() % all->pause : 0);
	switch (code) {
	case 0:
	case 76:
		all->unsure += code == 76;
		all->done++;
		++*(records ? &text->rows_done : &text->done);
		return;
	case 79:
	case -SIGKILL:
		++*(code == 79 ? &all->unknown : &all->killed);
		++*(records ? &text->rows_maybe : &text->maybe);
		return;
	case 1:
	case 75:
		all->refused++;
		if (code == 75 || w->kind == 'w')
			return;
		break;
	default:
		break;
	}
	ledger_wrong(&all->ledger, 1, "a writer (%c) ended with %d", w->kind, code);
}

int writers_run(const struct writers *all, const char *const argv[], const char *input,
		char **output)
{
	int status, out = memfd_create("output", 0);
	pid_t pid = out < 0 ? -1 : fork();
	struct stat st;

	if (pid < 0)
		rig_die("cannot run %s: %m", argv[0]);
	if (pid == 0) {
		dup2(open(input ? input : "/dev/null", O_RDONLY), 0);
		dup2(out, 1);
		dup2(open("said", O_WRONLY | O_APPEND | O_CREAT, 0644), 2);
		become(all->bin, argv[0], argv + 1);
	}
	if (waitpid(pid, &status, 0) != pid || fstat(out, &st) < 0)
		rig_die("cannot wait for %s: %m", argv[0]);
	if (output) {
		*output = calloc(1, (size_t)st.st_size + 1);
		if (!*output || pread(out, *output, (size_t)st.st_size, 0) != st.st_size)
			rig_die("cannot read what %s says: %m", argv[0]);
	}
	close(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
