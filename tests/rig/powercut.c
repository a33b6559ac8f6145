/* SPDX-License-Identifier: ISC */

/*
 * powercut -f ext4|xfs|btrfs -c log|nolog|copy [-m] [-w | -y] [-F FILE] [-C CALL]
 *	[-B RULE] [-v] SCENARIO TOOL [ARGUMENT...]
 *
 * Runs a tool of the fault build up to one call of the fault table after the other, cuts the power
 * there (disk.h), and judges what is on the disk when it comes back (rig.h); at the end, cuts right
 * after the tool has exited 0: then it must be the new content.
 *
 *	-m	the mutation check. Each fsync and fdatasync is left out in turn, the tool runs to
 *		its end, and the power is cut: is it seen? One line for each, "mutation …". With -w,
 *		-y or -F the power is cut at every call after the one left out, and at the end.
 *	-w	before the cut the kernel happens to write back the first half of what was appended
 *	-y	before the cut another process syncs the file
 *	-F FILE	first, a run of the tool with this standard input is killed when it has written a
 *		part of it, and what it leaves is durable
 *	-C CALL	the file system's own commit comes when the tool is at this call, as in linkat#1
 *	-B RULE	a rule of the fault table for all runs (so that another way is taken)
 *	-v	report every run
 *
 * Works in the directory "powercut-FS-CUT" under the current one. Exits 1 if anything was wrong
 * (without -m: a mutation that is not seen here may be seen on another file system).
 */

#include "rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"

enum { MAX_SHOWN = 8 };

static struct rig_scenario scenario;
static const char *fs, *base_rule, *first_input, *commit_at;
static enum disk_cut how;
static bool write_back, sync_file, verbose;
static char dir[PATH_MAX + 8], log_path[PATH_MAX];

static unsigned int runs, stopped, wrong, old_left, new_left, part_left;

/* What happens to the file before the cut: the kernel may write any page at any time, and anybody
 * may sync. */
static void meddle(void)
{
	off_t half = (off_t)(scenario.old.size + scenario.fresh.size / 2);
	char path[PATH_MAX];
	int fd = open(rig_target(&scenario, dir, path), O_RDONLY | O_CLOEXEC);

	if (fd < 0 && scenario.absent)
		return;
	if (fd < 0 || (sync_file && fsync(fd) < 0) ||
	    (write_back && sync_file_range(fd, 0, half,
					   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
						   SYNC_FILE_RANGE_WAIT_AFTER) < 0))
		rig_die("cannot write %s back: %m", path);
	close(fd);
}

/* Has the tool just come to the call that the commit is to come at? */
static bool is_commit_stop(void)
{
	char name[32], wanted[32] = "";
	unsigned int calls = rig_log(log_path, 0, name), k = 0, seen = 0;

	sscanf(commit_at, "%31[^#]#%u", wanted, &k);
	for (unsigned int n = 1; n <= calls; n++) {
		rig_log(log_path, n, name);
		seen += strcmp(name, wanted) == 0;
	}
	return seen == k && strcmp(name, wanted) == 0;
}

/* A run that is killed at its n-th write; has it left a part of its record? */
static bool left_by(unsigned int n)
{
	char rule[32];
	struct rig_fault fault = {.rule = rule};
	struct rig_scenario first = scenario;
	struct rig_sight sight;
	struct rig_run run;

	snprintf(rule, sizeof(rule), "write#%u:kill", n);
	first.input = first_input;
	rig_prepare(&scenario, dir);
	rig_start(&first, dir, &fault, &run);
	rig_wait(&run, RIG_PATIENCE_MS);
	rig_end(&run);
	rig_look(&scenario, dir, &sight);
	free(sight.content.data);
	return run.end == RIG_DIED && sight.state == RIG_PART;
}

static void prepare(void)
{
	static unsigned int n;

	if (!first_input) {
		rig_prepare(&scenario, dir);
	} else if (n == 0 || !left_by(n)) {
		for (n = 1; !left_by(n); n++)
			if (n > 50)
				rig_die("no write but the last leaves a part of %s", first_input);
	}
	disk_sync();
}

/* One run with a cut; NULL, or the complaint. *run has the progress. */
static const char *attempt(const char *own_rule, struct rig_run *run)
{
	char rule[512];
	struct rig_fault fault = {.rule = rule, .log = log_path};
	struct rig_sight sight;
	const char *complaint;

	snprintf(rule, sizeof(rule), "%s%s%s%s%s", commit_at ? commit_at : "",
		 commit_at ? ":stop," : "", own_rule, base_rule ? "," : "",
		 base_rule ? base_rule : "");
	prepare();
	rig_spit(log_path, (struct rig_bytes){"", 0}, 0600);
	rig_start(&scenario, dir, &fault, run);
	rig_wait(run, RIG_PATIENCE_MS);
	if (commit_at && is_commit_stop()) {
		disk_commit();
		kill(run->pid, SIGCONT);
		rig_wait(run, RIG_PATIENCE_MS);
	}
	if (write_back || sync_file)
		meddle();
	disk_cut(how);
	rig_end(run);
	disk_back();
	rig_look(&scenario, dir, &sight);
	complaint = rig_judge(&scenario, dir, run, &sight);
	if (!complaint)
		complaint = rig_judge_next(&scenario, dir, base_rule, run, &sight);
	runs++;
	stopped += run->end == RIG_STOPPED;
	old_left += sight.state == RIG_OLD;
	new_left += sight.state == RIG_NEW;
	part_left += sight.state == RIG_PART;
	free(sight.content.data);
	return complaint;
}

static void tell(const char *what, const struct rig_run *run, const char *complaint)
{
	if (!verbose && (!complaint || wrong > MAX_SHOWN))
		return;
	printf("%s on %s, %s: %s, %s%d%s%s\n", scenario.tool, fs, disk_cuts[how], what,
	       run->end == RIG_STOPPED ? "stopped by " : "exit ", run->code,
	       complaint ? ": WRONG: " : "", complaint ? complaint : "");
	if (complaint && run->messages[0])
		printf("  it said: %s\n", run->messages);
}

static void cut_everywhere(void)
{
	char rule[32], what[80], name[32];
	unsigned int ended = 0;

	for (unsigned int n = 1; ended < 2 && n < 2000; n++) {
		struct rig_run run;
		const char *complaint;

		snprintf(rule, sizeof(rule), "%u:stop", n);
		complaint = attempt(rule, &run);
		ended = run.end == RIG_STOPPED ? 0 : ended + 1;
		if (!complaint && ended && (run.end != RIG_EXITED || run.code != 0))
			complaint = "it was not disturbed, and failed";
		rig_log(log_path, n, name);
		snprintf(what, sizeof(what), "cut at call %u (%s)", n, ended ? "the end" : name);
		wrong += complaint != NULL;
		tell(what, &run, complaint);
	}
	printf("%s on %s, %s: %u runs, %u stopped; %u left old, %u part, %u new; %u wrong\n",
	       scenario.tool, fs, disk_cuts[how], runs, stopped, old_left, part_left, new_left,
	       wrong);
	if (stopped < 10 || !old_left || !new_left) {
		puts("rig: the cuts show nothing: not both old and new");
		wrong++;
	}
}

/* Leave out the sync that is call n and the k-th of its name. */
static void mutate(const char *name, unsigned int n, unsigned int k, unsigned int which,
		   unsigned int of)
{
	char rule[96], seen[300] = "not seen";
	struct rig_run run = {.end = RIG_STOPPED};

	for (unsigned int stop = n + 1; run.end == RIG_STOPPED; stop++) {
		const char *complaint;

		if (write_back || sync_file || first_input)
			snprintf(rule, sizeof(rule), "%s#%u:skip,%u:stop", name, k, stop);
		else
			snprintf(rule, sizeof(rule), "%s#%u:skip", name, k);
		complaint = attempt(rule, &run);
		if (run.end == RIG_EXITED && run.code != 0)
			rig_die("with %s the tool exits %d: %s", rule, run.code, run.messages);
		if (complaint) {
			snprintf(seen, sizeof(seen), "SEEN at call %u: %s", stop, complaint);
			break;
		}
	}
	printf("mutation %s %s %s: sync %u of %u (%s#%u) left out: %s\n", scenario.tool, fs,
	       disk_cuts[how], which, of, name, k, seen);
}

static bool is_sync(const char *name)
{
	return strcmp(name, "fsync") == 0 || strcmp(name, "fdatasync") == 0;
}

static void leave_out_each(void)
{
	char names[500][32];
	unsigned int calls = 0, syncs = 0, k[2] = {0, 0}, which = 0;
	struct rig_run run;
	const char *complaint = attempt("100000:kill", &run);

	if (complaint)
		rig_die("with every sync in its place: %s", complaint);
	while (calls < 500 && rig_log(log_path, calls + 1, names[calls]) > calls)
		syncs += is_sync(names[calls++]);
	for (unsigned int n = 0; n < calls; n++)
		if (is_sync(names[n]))
			mutate(names[n], n + 1, ++k[names[n][1] == 'd'], ++which, syncs);
	if (syncs < 2)
		rig_die("%s makes no syncs", scenario.tool);
}

static _Noreturn void usage(void)
{
	puts("usage: powercut -f FS -c log|nolog|copy [-m] [-w | -y] [-C CALL] [-B RULE] "
	     "[-v] " RIG_USAGE " TOOL [ARGUMENT...]");
	exit(64);
}

static void set_up(void)
{
	char where[PATH_MAX - 16];

	if (!getcwd(where, sizeof(where) - 32))
		rig_die("no current directory: %m");
	snprintf(where + strlen(where), 32, "/powercut-%.8s-%.8s", fs, disk_cuts[how]);
	disk_make(where, fs);
	snprintf(dir, sizeof(dir), "%s/d", disk_root());
	snprintf(log_path, sizeof(log_path), "%s/log", where);
}

int main(int argc, char **argv)
{
	bool mutations = false, cut_given = false;
	int option;

	rig_init();
	while ((option = getopt(argc, argv, RIG_OPTIONS "f:c:mwyF:C:B:v")) != -1) {
		switch (option) {
		case 'f':
			fs = optarg;
			break;
		case 'c':
			cut_given = disk_cut_named(optarg, &how);
			break;
		case 'm':
			mutations = true;
			break;
		case 'w':
			write_back = true;
			break;
		case 'y':
			sync_file = true;
			break;
		case 'F':
			first_input = realpath(optarg, NULL);
			break;
		case 'C':
			commit_at = optarg;
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
	if (!fs || !cut_given)
		usage();
	rig_operands(&scenario, argv + optind);
	scenario.nuls = true;
	if (first_input)
		scenario.left = rig_slurp(first_input);
	set_up();
	if (mutations)
		leave_out_each();
	else
		cut_everywhere();
	return wrong != 0;
}
