/* SPDX-License-Identifier: ISC */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char verdict[512];

#define COMPLAIN(...) (snprintf(verdict, sizeof(verdict), __VA_ARGS__), verdict)

/* Record i: a few bytes to a few pages. */
static struct rig_bytes make_record(unsigned int i)
{
	size_t size = 20 + (size_t)i * i * 500;
	struct rig_bytes r = {malloc(size + 64), 0};

	r.size = (size_t)snprintf(r.data, 64, "record %u:", i);
	for (; r.size < size; r.size++)
		r.data[r.size] = (char)('a' + (int)(r.size + i) % 26);
	r.data[r.size++] = '\n';
	return r;
}

void group_set_up(struct group *g, const char *here)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i <= g->count; i++) {
		struct rig_scenario *s = &g->appender[i];

		s->kind = g->kind;
		s->old = (struct rig_bytes){strdup("the old content\nof two lines\n"), 29};
		s->fresh = make_record(i);
		snprintf(path, sizeof(path), "%s/record.%u", here, i);
		rig_spit(path, s->fresh, 0600);
		s->input = strdup(path);
		rig_operands(s, g->argv);
	}
}

void group_prepare(struct group *g)
{
	rig_prepare(&g->appender[0], g->dir);
	rig_spit(g->log, (struct rig_bytes){"", 0}, 0600);
}

static bool ended(const struct rig_run *r)
{
	return r->end == RIG_EXITED || r->end == RIG_DIED;
}

static bool at_rest(const struct rig_run *r)
{
	return ended(r) || r->end == RIG_STOPPED;
}

/* Is it asleep in flock(2) or fcntl(2)? Then how often it has gone to sleep until now; else -1. */
static long waits(const struct rig_run *r)
{
	char path[64], line[256];
	long number = -1, switches = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)r->pid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		sscanf(line, "%ld", &number);
	/* an ordinary user may not read that of a process that has just ended */
	if (!f && errno != ENOENT && errno != EACCES)
		rig_die("cannot read %s: %m", path);
	if (f)
		fclose(f);
	if (number != SYS_flock && number != SYS_fcntl)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)r->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "voluntary_ctxt_switches: %ld", &switches);
	if (f)
		fclose(f);
	return switches;
}

/* Wait until each of the first n is at its end, stopped, or waits for a lock: and has slept all the
 * time from one check of all of them to the next, so that no process is left to wake it. */
static bool come_to_rest(struct group *g, unsigned int n)
{
	long until = rig_now_ms() + RIG_PATIENCE_MS, before[GROUP_MAX];

	for (int quiet = 0; quiet < 2; quiet++) {
		for (unsigned int i = 0; i < n; i++) {
			struct rig_run *r = &g->run[i];
			long now = 0;

			if (!at_rest(r))
				rig_wait(r, 0);
			if (!at_rest(r))
				now = waits(r);
			if (now < 0 || (quiet > 0 && now != before[i]))
				quiet = -1;
			before[i] = now;
		}
		if (rig_now_ms() > until)
			return false;
		if (quiet < 1)
			nanosleep(&(struct timespec){0, 300000}, NULL);
	}
	return true;
}

/* A process that holds the file's lock, and is no tool's ancestor (a tool would see that). */
static pid_t hold(struct group *g)
{
	char path[PATH_MAX], byte;
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		rig_die("cannot have a holder: %m");
	if (pid == 0) {
		int fd = open(rig_target(&g->appender[0], g->dir, path), O_RDONLY | O_CLOEXEC);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fd >= 0 && flock(fd, LOCK_EX) == 0 && write(ready[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		rig_die("the lock of the file is not to be had");
	close(ready[0]);
	return pid;
}

static void start(struct group *g, unsigned int i)
{
	bool victim = i == g->victim;
	struct rig_fault fault = {.rule = victim ? g->victim_rule : g->others_rule,
				  .log = victim ? g->log : NULL};

	rig_start(&g->appender[i], g->dir, &fault, &g->run[i]);
	g->run[i].end = RIG_LATE;
}

const char *group_play(struct group *g)
{
	const char *complaint = NULL;
	pid_t holder = hold(g);

	for (unsigned int i = 0; i < g->count; i++) {
		start(g, i);
		if (!come_to_rest(g, i + 1))
			complaint = "an appender comes to no rest";
	}
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	return come_to_rest(g, g->count) ? complaint : "they come to no rest";
}

const char *group_resume(struct group *g, bool kill_it)
{
	long until = rig_now_ms() + RIG_PATIENCE_MS;

	for (unsigned int i = 0; i < g->count; i++) {
		struct rig_run *r = &g->run[i];

		while (!ended(r)) {
			/* it may also come to its stop only now, and keep the others waiting */
			if (g->run[g->victim].end == RIG_STOPPED) {
				g->run[g->victim].end = RIG_LATE;
				kill(g->run[g->victim].pid, kill_it ? SIGKILL : SIGCONT);
			}
			rig_wait(r, 50);
			if (!ended(&g->run[g->victim]) && r != &g->run[g->victim])
				rig_wait(&g->run[g->victim], 0);
			if (rig_now_ms() > until)
				return COMPLAIN("appender %u hangs", i);
		}
	}
	return NULL;
}

void group_freeze(struct group *g)
{
	for (unsigned int i = 0; i < g->count; i++) {
		const struct rig_run *r = &g->run[i];
		siginfo_t info;

		if (ended(r) || r->end == RIG_STOPPED)
			continue;
		kill(-r->pid, SIGSTOP);
		waitid(P_PID, (id_t)r->pid, &info, WSTOPPED | WEXITED | WNOWAIT);
	}
}

void group_end(struct group *g)
{
	for (unsigned int i = 0; i < g->count; i++) {
		rig_end(&g->run[i]);
		if (!ended(&g->run[i])) {
			g->run[i].end = RIG_DIED;
			g->run[i].code = SIGKILL;
		}
	}
}

/* Count the records after the old content; *tail is the rest at the end, no whole record. */
static const char *count_records(const struct group *g, struct rig_bytes content,
				 unsigned int counts[GROUP_MAX + 1], size_t *tail)
{
	struct rig_bytes old = g->appender[0].old;
	size_t at = old.size;

	memset(counts, 0, sizeof(unsigned int[GROUP_MAX + 1]));
	if (content.size < at || memcmp(content.data, old.data, at) != 0)
		return "the old content is not there";
	for (;;) {
		unsigned int i;

		for (i = 0; i <= g->count; i++) {
			struct rig_bytes r = g->appender[i].fresh;

			if (r.size <= content.size - at &&
			    memcmp(content.data + at, r.data, r.size) == 0)
				break;
		}
		if (i > g->count)
			break;
		counts[i]++;
		at += g->appender[i].fresh.size;
	}
	*tail = content.size - at;
	return NULL;
}

/* G1. torn: a tail is allowed, and so is in it what is to be cut off. */
static const char *judge_content(const struct group *g, bool torn, bool last)
{
	char path[PATH_MAX];
	struct rig_bytes content;
	unsigned int counts[GROUP_MAX + 1];
	size_t tail;
	const char *complaint;

	if (!rig_try_slurp(rig_target(&g->appender[0], g->dir, path), &content))
		return "the file is gone";
	complaint = count_records(g, content, counts, &tail);
	free(content.data);
	if (complaint)
		return complaint;
	if (tail && !torn)
		return COMPLAIN("%zu bytes at the end are no whole record", tail);
	if (last && counts[g->count] != 1)
		return COMPLAIN("the next record is there %u times", counts[g->count]);
	for (unsigned int i = 0; i < g->count; i++) {
		int code = g->run[i].end == RIG_EXITED ? g->run[i].code : -1;

		if (code == 79 && (g->may_be_busy || (i == g->victim && g->may_be_unsure)))
			code = -1;
		if ((code == 0 || code == 76) && counts[i] != 1)
			return COMPLAIN("appender %u exited %d, its record is there %u times", i,
					code, counts[i]);
		if (code > 0 && code != 76 && counts[i] != 0 && !torn)
			return COMPLAIN("appender %u exited %d, and yet its record is there", i,
					code);
		if (counts[i] > 1)
			return COMPLAIN("appender %u's record is there %u times", i, counts[i]);
	}
	return NULL;
}

/* G2 */
static const char *judge_ends(const struct group *g)
{
	const struct rig_run *victim = &g->run[g->victim];

	for (unsigned int i = 0; i < g->count; i++) {
		const struct rig_run *r = &g->run[i];
		bool busy =
			g->may_be_busy && r->end == RIG_EXITED && (r->code == 75 || r->code == 79);
		bool unsure = r->code == 76 && victim->code == 76;

		if (r != victim && r->code != 0 && !busy && !unsure)
			return COMPLAIN("appender %u, not the victim, ends with %d: %.300s", i,
					r->code, r->messages);
		if (r->code == 0 && r->messages[0])
			return COMPLAIN("appender %u succeeds and says %.300s", i, r->messages);
	}
	return NULL;
}

const char *group_judge(struct group *g, bool cut)
{
	const struct rig_run *victim = &g->run[g->victim];
	bool torn = g->kind == RIG_IN_PLACE && (cut || victim->end == RIG_DIED || victim->code);
	const char *complaint = cut ? NULL : judge_ends(g);

	if (!complaint)
		complaint = judge_content(g, torn, false);
	if (!complaint)
		complaint = rig_next(&g->appender[g->count], g->dir, NULL);
	return complaint ? complaint : judge_content(g, false, true);
}
