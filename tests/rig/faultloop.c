/* SPDX-License-Identifier: ISC */

/*
 * faultloop [-t ACTIONS | -s ACTIONS | -z | -f FS] [-B RULE] [-v] SCENARIO TOOL [ARGUMENT...]
 *
 * Runs a tool again and again, disturbed at another place each time, and judges what it leaves
 * (rig.h). What is disturbed, and how:
 *
 *	-t ACTIONS	every call of the fault table (base/sys.h; the tool is of the fault build),
 *			with each of these actions, as in kill,EIO,ENOSPC+ ("+": from that call on)
 *	-s ACTIONS	every system call of an ordinary build that strace(1) sees, likewise; not
 *			those of a COMMAND that the tool runs
 *	-z		RLIMIT_FSIZE: real short writes, at sizes up to that of the new content,
 *			with SIGXFSZ ignored and not
 *	-f FS		a disk that is full (disk.h; needs root), with no block left, one, and so on
 *
 *	-B RULE		a rule of the fault table for all runs (so that another way is taken), after
 *			the one that disturbs
 *	-v		tell of every run
 *
 * Works in the directory "faultloop" under the current one. The last line says how many runs there
 * were and how they ended. Exits 1 if anything was wrong; also if nothing was disturbed, or the
 * disturbances did not leave both old and new content (a loop that shows nothing).
 */

#include "rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

enum { MAX_SHOWN = 8, MAX_LATE = 3, BLOCK = 4096 };

static struct rig_scenario scenario;
static const char *base_rule;
static bool verbose;
static char dir[PATH_MAX], log_path[PATH_MAX];

static struct {
	unsigned int runs, done, uncertain, refused, died, late, wrong;
	unsigned int old_left, new_left;
} count;

static void count_run(const struct rig_run *run, const struct rig_sight *sight)
{
	count.runs++;
	if (run->end == RIG_DIED)
		count.died++;
	else if (run->code == 0)
		count.done++;
	else if (run->code == 76)
		count.uncertain++;
	else
		count.refused++;
	count.old_left += sight->state == RIG_OLD;
	count.new_left += sight->state == RIG_NEW;
}

/* One run; returns what is wrong with it, or NULL. */
static const char *attempt(const struct rig_fault *fault, bool mute, struct rig_run *run)
{
	struct rig_sight sight;
	const char *complaint;

	rig_prepare(&scenario, dir);
	if (truncate(log_path, 0) < 0)
		rig_die("cannot truncate %s: %m", log_path);
	rig_start(&scenario, dir, fault, run);
	run->mute = mute;
	rig_wait(run, RIG_PATIENCE_MS);
	rig_end(run);
	rig_look(&scenario, dir, &sight);
	complaint = rig_judge(&scenario, dir, run, &sight);
	if (!complaint)
		complaint = rig_judge_next(&scenario, dir, base_rule, run, &sight);
	count_run(run, &sight);
	free(sight.content.data);
	return complaint;
}

static void tell(const char *what, const struct rig_run *run, const char *complaint)
{
	static const char *const ends[] = {"exit", "signal", "stopped", "late"};

	if (complaint)
		count.wrong++;
	if (run->end == RIG_LATE && ++count.late > MAX_LATE)
		rig_die("%s hangs again and again", scenario.tool);
	if (!verbose && (!complaint || count.wrong > MAX_SHOWN))
		return;
	printf("%s %s: %s %d%s%s\n", scenario.tool, what, ends[run->end], run->code,
	       complaint ? ": WRONG: " : "", complaint ? complaint : "");
	if (complaint && run->messages[0])
		printf("  it said: %s%s", run->messages, strchr(run->messages, '\n') ? "" : "\n");
}

/* A failure that a full or broken disk causes must be reported as that. */
static const char *judge_status(const char *action, const struct rig_run *run)
{
	if (strncmp(action, "EIO", 3) != 0 && strncmp(action, "ENOSPC", 6) != 0)
		return NULL;
	if (run->end == RIG_EXITED && run->code != 0 && run->code != 74 && run->code != 76)
		return "an I/O error is reported as something else";
	return NULL;
}

/* Call n, or false when the tool made fewer calls. */
static bool table_case(const char *action, unsigned int n)
{
	char rule[256], what[128], name[32];
	size_t len = strlen(action);
	bool sticky = action[len - 1] == '+', reached;
	struct rig_fault fault = {.rule = rule, .log = log_path};
	struct rig_run run;
	const char *complaint;

	snprintf(rule, sizeof(rule), "%u%s:%.*s%s%s", n, sticky ? "+" : "", (int)(len - sticky),
		 action, base_rule ? "," : "", base_rule ? base_rule : "");
	complaint = attempt(&fault, false, &run);
	reached = rig_log(log_path, n, name) >= n;
	snprintf(what, sizeof(what), "%s at call %u (%s)", action, n, reached ? name : "none");
	if (!complaint && reached && strcmp(action, "kill") == 0 && run.end != RIG_DIED)
		complaint = "it was to be killed, and lives";
	if (!complaint && !reached && (run.end != RIG_EXITED || run.code != 0))
		complaint = "it was not disturbed, and failed";
	if (!complaint)
		complaint = judge_status(action, &run);
	tell(what, &run, complaint);
	return reached;
}

static void table_loop(const char *action)
{
	unsigned int missed = 0, n;

	/* The number of calls varies a little where a pipe is read: two misses are the end. */
	for (n = 1; missed < 2 && n < 5000; n++)
		missed = table_case(action, n) ? 0 : missed + 1;
	if (n < 10)
		rig_die("%s makes no calls of the fault table", scenario.argv[0]);
}

struct call {
	char name[32];
	unsigned int count;
};

/* Count the system calls by name; returns how many names there are. */
static size_t strace_learn(struct call *calls, size_t max)
{
	char *wrapper[] = {"strace", "-qq", "-o", log_path, NULL};
	struct rig_fault fault = {.wrapper = wrapper};
	struct rig_bytes log;
	struct rig_run run;
	const char *complaint = attempt(&fault, false, &run);
	size_t n = 0, i;
	char name[32];

	if (complaint || run.code != 0)
		rig_die("undisturbed under strace: %s", complaint ? complaint : run.messages);
	log = rig_slurp(log_path);
	for (char *line = log.data; line; line = (line = strchr(line, '\n')) ? line + 1 : NULL) {
		if (sscanf(line, "%31[a-z0-9_](", name) != 1)
			continue;
		for (i = 0; i < n && strcmp(calls[i].name, name) != 0; i++)
			;
		if (i == max)
			rig_die("too many system calls");
		if (i == n)
			calls[n++] = (struct call){.count = 0};
		memcpy(calls[i].name, name, sizeof(name));
		calls[i].count++;
	}
	free(log.data);
	return n;
}

/* A call that the C library makes before main(), and whose failure it reports itself; or one
 * that no kernel lets fail so. */
static bool is_odd(const char *name)
{
	static const char *const names[] = {
		"wait4", "arch_prctl", "mprotect", "set_tid_address", "brk", "set_robust_list",
		"rseq",	 "prlimit64",  "mmap"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void strace_case(const char *action, const char *name, unsigned int n)
{
	char trace[64], inject[128], what[128];
	char *wrapper[] = {"strace", "-qq", "-o", "/dev/null", "-e", trace, "-e", inject, NULL};
	struct rig_fault fault = {.wrapper = wrapper};
	bool death = strcmp(action, "kill") == 0;
	bool mute = is_odd(name) || strncmp(name, "write", 5) == 0;
	struct rig_run run;
	const char *complaint;

	snprintf(trace, sizeof(trace), "trace=%s", name);
	snprintf(inject, sizeof(inject), "inject=%s:%s%s:when=%u", name,
		 death ? "signal=" : "error=", death ? "KILL" : action, n);
	complaint = attempt(&fault, mute, &run);
	snprintf(what, sizeof(what), "%s at %s %u", action, name, n);
	tell(what, &run, complaint);
}

static void strace_loop(const char *action)
{
	struct call calls[64];
	size_t n = strace_learn(calls, sizeof(calls) / sizeof(calls[0]));
	bool death = strcmp(action, "kill") == 0;

	for (size_t i = 0; i < n; i++) {
		/* An error here is strace's own to report, or cannot be: the process is over. */
		if (!death && (strcmp(calls[i].name, "execve") == 0 ||
			       strcmp(calls[i].name, "exit_group") == 0))
			continue;
		for (unsigned int k = 1; k <= calls[i].count; k++)
			strace_case(action, calls[i].name, k);
	}
}

static void size_loop(bool deadly)
{
	size_t size = (scenario.kind == RIG_REPLACE ? 0 : scenario.old.size) + scenario.fresh.size;
	size_t step = size / 50 + 1;
	char what[64];

	for (size_t limit = 1; limit < size + step; limit += step) {
		struct rig_fault fault = {.file_size = (int64_t)limit, .signal = deadly};
		struct rig_run run;
		const char *complaint = attempt(&fault, false, &run);

		snprintf(what, sizeof(what), "with files of at most %zu bytes", limit);
		if (!complaint && limit >= size && run.code != 0)
			complaint = "it was not disturbed, and failed";
		if (!complaint && !deadly && run.code != 0 && run.code != 74)
			complaint = "a file size limit is reported as something else";
		tell(what, &run, complaint);
	}
}

/* Take all the space there is but for so many blocks. */
static void fill(const char *path, unsigned int blocks)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t size = 0;

	if (fd < 0)
		rig_die("cannot open %s: %m", path);
	for (off_t step = 1 << 20; step >= BLOCK; step /= 2)
		while (fallocate(fd, 0, size, step) == 0)
			size += step;
	if (ftruncate(fd, size < blocks * BLOCK ? 0 : size - blocks * BLOCK) < 0 || fsync(fd) < 0)
		rig_die("cannot leave %u blocks: %m", blocks);
	close(fd);
}

/* The next run comes when there is space again; so this does what attempt() does by itself. */
static const char *attempt_full(const char *filler, unsigned int blocks, struct rig_run *run)
{
	struct rig_sight sight;
	const char *complaint;

	rig_prepare(&scenario, dir);
	fill(filler, blocks);
	rig_start(&scenario, dir, &(struct rig_fault){.rule = base_rule}, run);
	rig_wait(run, RIG_PATIENCE_MS);
	rig_end(run);
	rig_look(&scenario, dir, &sight);
	complaint = rig_judge(&scenario, dir, run, &sight);
	rig_remove(filler);
	disk_sync();
	if (!complaint)
		complaint = rig_judge_next(&scenario, dir, base_rule, run, &sight);
	count_run(run, &sight);
	free(sight.content.data);
	return complaint;
}

static void full_loop(const char *fs)
{
	char where[PATH_MAX - 8], filler[PATH_MAX], what[64];
	unsigned int successes = 0;

	snprintf(where, sizeof(where), "%.*s.%.8s", (int)sizeof(where) - 10, dir, fs);
	disk_make(where, fs);
	snprintf(dir, sizeof(dir), "%s/d", disk_root());
	rig_join(filler, disk_root(), "filler", NULL);
	for (unsigned int blocks = 0; successes < 3 && blocks < 100; blocks++) {
		struct rig_run run;
		const char *complaint = attempt_full(filler, blocks, &run);

		successes = run.code == 0 ? successes + 1 : 0;
		if (!complaint && run.code != 0 && run.code != 74)
			complaint = "a full disk is reported as something else";
		snprintf(what, sizeof(what), "with %u blocks on %s", blocks, fs);
		tell(what, &run, complaint);
	}
	if (successes == 0)
		rig_die("%s: it never has enough", fs);
}

static void for_each(char *list, void (*loop)(const char *action))
{
	for (char *word = strtok(list, ","); word; word = strtok(NULL, ","))
		loop(word);
}

static _Noreturn void usage(void)
{
	puts("usage: faultloop [-t ACTIONS | -s ACTIONS | -z | -f FS] [-B RULE] [-v] " RIG_USAGE
	     " TOOL [ARGUMENT...]");
	exit(64);
}

static void set_up(void)
{
	char here[PATH_MAX - 32];

	if (!getcwd(here, sizeof(here)))
		rig_die("no current directory: %m");
	snprintf(dir, sizeof(dir), "%s/faultloop", here);
	snprintf(log_path, sizeof(log_path), "%s/faultloop.log", here);
	rig_spit(log_path, (struct rig_bytes){"", 0}, 0600);
}

int main(int argc, char **argv)
{
	char *table = NULL, *strace = NULL, *full = NULL;
	bool sizes = false;
	int option;

	rig_init();
	while ((option = getopt(argc, argv, RIG_OPTIONS "t:s:zf:B:v")) != -1) {
		switch (option) {
		case 't':
			table = optarg;
			break;
		case 's':
			strace = optarg;
			break;
		case 'z':
			sizes = true;
			break;
		case 'f':
			full = optarg;
			break;
		case 'B':
			base_rule = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			if (!rig_option(&scenario, option, optarg))
				usage();
		}
	}
	rig_operands(&scenario, argv + optind);
	set_up();
	if (table)
		for_each(table, table_loop);
	if (strace)
		for_each(strace, strace_loop);
	if (sizes)
		size_loop(false), size_loop(true);
	if (full)
		full_loop(full);
	if (count.runs == 0)
		usage();
	rig_remove(dir);
	printf("%s: %u runs: %u done, %u uncertain, %u refused, %u died; %u left old, %u new; "
	       "%u wrong\n",
	       scenario.tool, count.runs, count.done, count.uncertain, count.refused, count.died,
	       count.old_left, count.new_left, count.wrong);
	if (count.old_left == 0 || count.new_left == 0 || count.refused + count.died == 0) {
		puts("rig: the loop shows nothing: no disturbance, or not both old and new");
		return 1;
	}
	return count.wrong != 0;
}
