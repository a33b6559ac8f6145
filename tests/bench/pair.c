/* SPDX-License-Identifier: ISC */
/*
 * pair [-r ROUNDS] [-i INPUT] [-b SCRIPT] [-a SCRIPT] COMMAND… -- COMMAND…
 *
 * Times two commands side by side: in every round each runs once, and the order alternates, so that
 * other load on the machine disturbs both alike. Prints one line:
 *
 *	MEDIAN MEDIAN PEAK PEAK		(microseconds; most resident memory of any run, in KiB)
 *
 * INPUT is every run's standard input (/dev/null by default). The scripts run by sh -c before and
 * after each run, with 1 or 2 as $1, the number of the command, and are not timed; the one after
 * a run checks its result. A command or script that fails ends it all with exit
 * status 1.
 *
 * The memory is that of the command and of the children that it waited for. A new process starts
 * with its parent's peak, which is why this program is small and linked statically.
 */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct side {
	char **argv;
	char name[2];  /* "1", "2": for the scripts */
	int64_t *took; /* a value a round, in nanoseconds */
	long peak;     /* KiB */
};

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Run argv to its end, and fill *usage. Returns the time from spawn to wait. */
static int64_t run(char **argv, const char *input, struct rusage *usage)
{
	posix_spawn_file_actions_t actions;
	int64_t start;
	pid_t pid;
	int status, error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0);
	start = now();
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	if (error) {
		errno = error;
		err(1, "%s", argv[0]);
	}
	if (wait4(pid, &status, 0, usage) < 0)
		err(1, "wait4");
	start = now() - start;
	posix_spawn_file_actions_destroy(&actions);
	if (status != 0)
		errx(1, "%s: failed, wait status %#x", argv[0], (unsigned int)status);
	return start;
}

static void run_script(char *script, struct side *side)
{
	char *argv[] = {"sh", "-c", script, "sh", side->name, NULL};
	struct rusage usage;

	if (script)
		run(argv, "/dev/null", &usage);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median(int64_t *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static _Noreturn void usage_error(void)
{
	errx(64,
	     "usage: pair [-r ROUNDS] [-i INPUT] [-b SCRIPT] [-a SCRIPT] COMMAND... -- COMMAND...");
}

int main(int argc, char **argv)
{
	struct side sides[2] = {{.name = "1"}, {.name = "2"}};
	char *before = NULL, *after = NULL, *input = "/dev/null";
	int rounds = 1, opt, i, round;

	while ((opt = getopt(argc, argv, "+r:i:b:a:")) != -1) {
		switch (opt) {
		case 'r':
			rounds = atoi(optarg);
			break;
		case 'i':
			input = optarg;
			break;
		case 'b':
			before = optarg;
			break;
		case 'a':
			after = optarg;
			break;
		default:
			usage_error();
		}
	}
	sides[0].argv = argv + optind;
	for (i = optind; i < argc && strcmp(argv[i], "--") != 0; i++)
		;
	if (rounds < 1 || i == optind || i + 1 >= argc)
		usage_error();
	argv[i] = NULL;
	sides[1].argv = argv + i + 1;

	for (i = 0; i < 2; i++) {
		sides[i].took = calloc((size_t)rounds, sizeof(*sides[i].took));
		if (!sides[i].took)
			err(71, "calloc");
	}
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < 2; i++) {
			struct side *side = &sides[(round + i) % 2];
			struct rusage usage;

			run_script(before, side);
			side->took[round] = run(side->argv, input, &usage);
			run_script(after, side);
			if (usage.ru_maxrss > side->peak)
				side->peak = usage.ru_maxrss;
		}
	}
	printf("%lld %lld %ld %ld\n", (long long)median(sides[0].took, rounds) / 1000,
	       (long long)median(sides[1].took, rounds) / 1000, sides[0].peak, sides[1].peak);
	return 0;
}
