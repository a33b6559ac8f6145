/* SPDX-License-Identifier: ISC */

/*
 * groupfault -t ACTIONS [-k append|in-place] [-p PLACE] [-j APPENDERS] [-u] [-v]
 *	[-f FS -c CUT [-o RULE]] TOOL [ARGUMENT...]
 *
 * Several appenders at one file (group.h), of which one, the victim, in place PLACE of the queue,
 * is disturbed: at each of its calls of the fault table in turn, with each of these actions:
 *
 *	kill		it dies there
 *	EIO, ENOSPC+ …	the call fails ("+": and all that follow)
 *	stop		it stops there; when the others have come as far as they can, it goes on
 *	stopkill	it stops there; when the others have come as far as they can, it dies
 *
 * With -f and -c the power is cut (disk.h) when all have come as far as they can; then what was
 * acknowledged must be on the disk. -o RULE disturbs the others (a sync left out, which must be
 * seen). -u: the ARGUMENTs say how long to wait, and it may be too short.
 *
 * First an undisturbed round: together they must replace the file fewer times than they are.
 *
 * Works in the directory "groupfault" (or "groupfault-FS-CUT") under the current one. Exits 1 if
 * anything was wrong.
 */

#include "group.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

enum { MAX_SHOWN = 8 };

static struct group group = {.count = 5, .kind = RIG_APPEND};
static const char *fs;
static enum disk_cut cut;
static bool verbose;
static unsigned int rounds, done, refused, died, stopped, wrong;

static const char *attempt(const char *rule, bool stopkill)
{
	const char *complaint;

	group.victim_rule = rule;
	group_prepare(&group);
	if (fs)
		disk_sync();
	complaint = group_play(&group);
	stopped += group.run[group.victim].end == RIG_STOPPED;
	if (fs) {
		group_freeze(&group);
		disk_cut(cut);
	} else if (!complaint) {
		complaint = group_resume(&group, stopkill);
	}
	group_end(&group);
	if (fs)
		disk_back();
	rounds++;
	for (unsigned int i = 0; i < group.count; i++) {
		done += group.run[i].end == RIG_EXITED && group.run[i].code == 0;
		refused += group.run[i].end == RIG_EXITED && group.run[i].code != 0;
		died += group.run[i].end == RIG_DIED;
	}
	return complaint ? complaint : group_judge(&group, fs != NULL);
}

static void tell(const char *what, const char *complaint)
{
	if (complaint)
		wrong++;
	if (!verbose && (!complaint || wrong > MAX_SHOWN))
		return;
	printf("%s, victim in place %u, %s: %s%s (ends:", group.appender[0].tool, group.victim,
	       what, complaint ? "WRONG: " : "", complaint ? complaint : "fine");
	for (unsigned int i = 0; i < group.count; i++)
		printf(" %s%d", group.run[i].end == RIG_DIED ? "signal " : "", group.run[i].code);
	printf(")\n");
}

static void fault_loop(const char *action)
{
	size_t len = strlen(action);
	bool stop = strncmp(action, "stop", 4) == 0, sticky = action[len - 1] == '+';
	const struct rig_run *victim = &group.run[group.victim];
	unsigned int missed = 0, n;

	group.may_be_unsure = sticky;
	for (n = 1; missed < 2 && n < 1000; n++) {
		char rule[64], what[96], name[32];
		const char *complaint;

		snprintf(rule, sizeof(rule), "%u%s:%.*s", n, sticky ? "+" : "",
			 stop ? 4 : (int)(len - sticky), action);
		complaint = attempt(rule, strcmp(action, "stopkill") == 0);
		missed = rig_log(group.log, n, name) < n ? missed + 1 : 0;
		snprintf(what, sizeof(what), "%s at call %u (%s)", action, n, name);
		if (!complaint && missed && victim->code != 0 && !group.may_be_busy && !fs)
			complaint = "the victim was not disturbed, and failed";
		tell(what, complaint);
	}
	if (n < 15)
		rig_die("%s makes no calls of the fault table", group.argv[0]);
}

static unsigned int count_moves(int watch)
{
	char events[16384];
	unsigned int moves = 0;
	ssize_t got = read(watch, events, sizeof(events));

	for (ssize_t at = 0; at < got;) {
		const struct inotify_event *event = (const void *)(events + at);

		/* the other half of a move only keeps equal events from being merged */
		moves += (event->mask & IN_MOVED_TO) && strcmp(event->name, "f") == 0;
		at += (ssize_t)sizeof(*event) + event->len;
	}
	return moves;
}

static void undisturbed(void)
{
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	const char *complaint;
	char words[128];
	unsigned int moves;

	group_prepare(&group);
	if (watch < 0 || inotify_add_watch(watch, group.dir, IN_MOVE) < 0)
		rig_die("cannot watch %s: %m", group.dir);
	complaint = group_play(&group);
	if (!complaint)
		complaint = group_resume(&group, false);
	moves = count_moves(watch);
	close(watch);
	group_end(&group);
	if (!complaint)
		complaint = group_judge(&group, false);
	if (!complaint && group.kind == RIG_APPEND && moves + 1 >= group.count) {
		snprintf(words, sizeof(words),
			 "%u appends replaced the file %u times, not together", group.count, moves);
		complaint = words;
	}
	tell("undisturbed", complaint);
}

static _Noreturn void usage(void)
{
	puts("usage: groupfault -t ACTIONS [-k append|in-place] [-p PLACE] [-j APPENDERS] [-u] "
	     "[-v] "
	     "[-f FS -c CUT [-o RULE]] TOOL [ARGUMENT...]");
	exit(64);
}

static void set_up(void)
{
	char here[PATH_MAX - 64];

	if (!getcwd(here, sizeof(here) - 64))
		rig_die("no current directory: %m");
	strcat(here, "/groupfault");
	if (fs)
		snprintf(here + strlen(here), 32, "-%.8s-%.8s", fs, disk_cuts[cut]);
	rig_remove(here);
	if (mkdir(here, 0755) < 0)
		rig_die("cannot make %s: %m", here);
	if (fs)
		disk_make(here, fs);
	group_set_up(&group, here);
	snprintf(group.dir, sizeof(group.dir), "%s/d", fs ? disk_root() : here);
	snprintf(group.log, sizeof(group.log), "%s/log", here);
}

int main(int argc, char **argv)
{
	char *actions = NULL;
	bool cut_given = false;
	int option;

	rig_init();
	while ((option = getopt(argc, argv, "+t:k:p:j:uvf:c:o:")) != -1) {
		switch (option) {
		case 't':
			actions = optarg;
			break;
		case 'k':
			group.kind = strcmp(optarg, "in-place") == 0 ? RIG_IN_PLACE : RIG_APPEND;
			break;
		case 'p':
			group.victim = (unsigned int)atoi(optarg);
			break;
		case 'j':
			group.count = (unsigned int)atoi(optarg);
			break;
		case 'u':
			group.may_be_busy = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'f':
			fs = optarg;
			break;
		case 'c':
			cut_given = disk_cut_named(optarg, &cut);
			break;
		case 'o':
			group.others_rule = optarg;
			break;
		default:
			usage();
		}
	}
	group.argv = argv + optind;
	if (!actions || group.count < 2 || group.count >= GROUP_MAX ||
	    group.victim >= group.count || (fs && !cut_given))
		usage();
	set_up();
	if (!group.may_be_busy && !group.others_rule)
		undisturbed();
	for (char *word = strtok(actions, ","); word; word = strtok(NULL, ","))
		fault_loop(word);
	printf("%s, victim in place %u of %u: %u rounds: %u done, %u refused, %u died, %u were "
	       "stopped; %u wrong\n",
	       group.appender[0].tool, group.victim, group.count, rounds, done, refused, died,
	       stopped, wrong);
	if (done == 0 || refused + died + stopped == 0) {
		puts("rig: the loop shows nothing: no disturbance, or no success");
		return 1;
	}
	return wrong != 0;
}
