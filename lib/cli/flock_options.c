/* SPDX-License-Identifier: ISC */
#include "cli/flock_options.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>

#include "base/strerror.h"
#include "cli/cli.h"
#include "cli/getopt_glibc.h"
#include <holdfast/err.h>

enum { OPT_VERBOSE = HF_OPT_OWN, OPT_FCNTL, OPT_START, OPT_LENGTH, OPT_FD };

/* Three tables: an abbreviation of an old option keeps its meaning. */
static const struct option old_options[] = {
	{"shared", no_argument, NULL, 's'},
	{"exclusive", no_argument, NULL, 'x'},
	{"unlock", no_argument, NULL, 'u'},
	{"nonblocking", no_argument, NULL, 'n'},
	{"nb", no_argument, NULL, 'n'},
	{"timeout", required_argument, NULL, 'w'},
	{"wait", required_argument, NULL, 'w'},
	{"conflict-exit-code", required_argument, NULL, 'E'},
	{"close", no_argument, NULL, 'o'},
	{"no-fork", no_argument, NULL, 'F'},
	{"verbose", no_argument, NULL, OPT_VERBOSE},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};
static const struct option new_options[] = {
	{"fcntl", no_argument, NULL, OPT_FCNTL},
	{"start", required_argument, NULL, OPT_START},
	{"length", required_argument, NULL, OPT_LENGTH},
	{"fd", required_argument, NULL, OPT_FD},
	{NULL, 0, NULL, 0},
};
static const struct option fd_options[] = {
	/* after --fd */
	{"command", required_argument, NULL, 'c'},
	{NULL, 0, NULL, 0},
};

/* Lost output is a failure, as in util-linux. */
int hf_flock_finish(int status)
{
	if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EBADF && errno != EPIPE) {
		fprintf(stderr, "flock: write error: %s\n", hf_strerror(errno));
		return EXIT_FAILURE;
	}
	return ferror(stderr) ? EXIT_FAILURE : status;
}

void hf_flock_fail(int status, int errnum, const char *format, ...)
{
	va_list args;

	fputs("flock: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	if (errnum)
		fprintf(stderr, ": %s", hf_strerror(errnum));
	fputc('\n', stderr);
	exit(hf_flock_finish(status));
}

static _Noreturn void try_help(void)
{
	fputs("Try 'flock --help' for more information.\n", stderr);
	exit(HF_USAGE);
}

static _Noreturn void print_help(void)
{
	fputs("Usage: flock [options] FILE|DIRECTORY COMMAND [ARGUMENT...]\n"
	      "       flock [options] FILE|DIRECTORY -c STRING\n"
	      "       flock [options] DESCRIPTOR\n"
	      "       flock [options] --fd DESCRIPTOR COMMAND [ARGUMENT...]\n"
	      "Hold a lock while running a command: flock(1), by holdfast.\n\n"
	      "Options:\n"
	      "  -s, --shared                 take a shared lock\n"
	      "  -x, -e, --exclusive          take an exclusive lock (default)\n"
	      "  -u, --unlock                 release the lock\n"
	      "  -n, --nb, --nonblock         fail rather than wait\n"
	      "  -w, --wait, --timeout SECS   wait at most SECS seconds\n"
	      "  -E, --conflict-exit-code N   exit with N instead of 1 if the lock is busy\n"
	      "  -o, --close                  close the descriptor in COMMAND\n"
	      "  -c, --command STRING         run STRING by the shell\n"
	      "  -F, --no-fork                become COMMAND\n"
	      "      --fcntl                  lock by fcntl(2), open file description locks\n"
	      "      --start SIZE             lock from byte SIZE on (implies --fcntl)\n"
	      "      --length SIZE            lock SIZE bytes (implies --fcntl)\n"
	      "      --fd N                   lock this descriptor while COMMAND runs\n"
	      "      --verbose                report how long getting the lock took\n"
	      "  -h, --help                   show this help\n"
	      "  -V, --version                show the version\n",
	      stdout);
	exit(hf_flock_finish(HF_OK));
}

bool hf_flock_size(const char *text, int64_t *size)
{
	static const char units[] = "KMGTPE";
	const char *unit;
	long double n;
	char *end;
	int power = 0, base = 1024;

	errno = EINVAL;
	/* no sign and no "inf", but 0x and a fraction, as in util-linux */
	if (*text < '0' || *text > '9')
		return false;
	n = strtold(text, &end);
	if (*end && (unit = memchr(units, *end & ~0x20, sizeof(units) - 1))) {
		power = (int)(unit - units) + 1;
		end++;
		if (strcasecmp(end, "iB") == 0)
			end += 2;
		else if (strcasecmp(end, "B") == 0)
			end++, base = 1000;
	}
	if (*end)
		return false;
	while (power-- > 0)
		n *= base;
	errno = ERANGE;
	if (n >= 0x1p63L)
		return false;
	*size = (int64_t)n;
	return true;
}

static int64_t get_size(const char *text, const char *what)
{
	int64_t size;

	if (!hf_flock_size(text, &size))
		hf_flock_fail(HF_USAGE, errno == ERANGE ? errno : 0, "%s: '%s'", what, text);
	return size;
}

static int get_int(const char *text, const char *what)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end)
		hf_flock_fail(HF_USAGE, 0, "%s: '%s'", what, text);
	if (errno || n < INT_MIN || n > INT_MAX)
		hf_flock_fail(HF_USAGE, ERANGE, "%s: '%s'", what, text);
	return (int)n;
}

static void get_timeout(struct hf_flock_request *r, const char *text)
{
	long double seconds;
	char *end;

	errno = 0;
	seconds = strtold(text, &end);
	if (end == text || *end)
		hf_flock_fail(HF_USAGE, 0, "invalid timeout value: '%s'", text);
	if (errno)
		hf_flock_fail(HF_USAGE, errno, "invalid timeout value: '%s'", text);
	r->timed = true;
	r->timeout = (struct timeval){.tv_sec = -1}; /* the timer refuses this */
	if (seconds >= 0 && seconds < 0x1p63L) {
		r->timeout.tv_sec = (time_t)seconds;
		r->timeout.tv_usec =
			(suseconds_t)((seconds - (long double)r->timeout.tv_sec) * 1000000);
	}
}

/* Return the table that contains this option, or an abbreviation of it. */
static const struct option *table_of(const char *word, bool with_fd)
{
	const struct option *const tables[] = {old_options, new_options, fd_options};
	size_t len;

	if (!word || strncmp(word, "--", 2) != 0)
		return old_options;
	word += 2;
	len = strcspn(word, "=");
	for (size_t i = 0; i < (with_fd ? 3 : 2) && len; i++)
		for (const struct option *o = tables[i]; o->name; o++)
			if (strncmp(o->name, word, len) == 0)
				return tables[i];
	return old_options;
}

static void set_option(struct hf_flock_request *r, int option, char *arg)
{
	switch (option) {
	case 's':
		r->operation = LOCK_SH;
		break;
	case 'e':
	case 'x':
		r->operation = LOCK_EX;
		break;
	case 'u':
		r->operation = LOCK_UN;
		break;
	case 'o':
		r->close = true;
		break;
	case 'F':
		r->no_fork = true;
		break;
	case 'n':
		r->nonblock = true;
		break;
	case 'w':
		get_timeout(r, arg);
		break;
	case 'E':
		r->conflict = get_int(arg, "invalid exit code");
		if (r->conflict < 0 || r->conflict > 255)
			hf_flock_fail(HF_USAGE, 0, "exit code out of range (expected 0 to 255)");
		break;
	case 'c':
		r->command = hf_cli_shell(arg);
		break;
	case OPT_VERBOSE:
		r->verbose = true;
		break;
	case OPT_FCNTL:
		r->fcntl = true;
		break;
	case OPT_START:
		r->fcntl = true;
		r->start = get_size(arg, "invalid start offset");
		break;
	case OPT_LENGTH:
		r->fcntl = true;
		r->length = get_size(arg, "invalid length of lock range");
		break;
	case OPT_FD:
		r->fd = get_int(arg, "bad file descriptor");
		break;
	case 'V':
		printf("flock from holdfast %s\n", HF_VERSION);
		exit(hf_flock_finish(HF_OK));
	case 'h':
		print_help();
	default:
		try_help();
	}
}

void hf_flock_parse(struct hf_flock_request *r, int argc, char **argv)
{
	struct hf_options options = {.tool = argv[0], .next = argv + 1};
	char **words;
	int option;

	*r = (struct hf_flock_request){.fd = -1, .operation = LOCK_EX, .conflict = 1};
	if (argc < 2) {
		fputs("flock: not enough arguments\n", stderr);
		try_help();
	}
	while ((option = hf_options_next(&options,
					 r->fd >= 0 ? "sexnoFuw:E:hVc:?" : "sexnoFuw:E:hV?",
					 table_of(*options.next, r->fd >= 0))) != -1)
		set_option(r, option, options.arg);
	words = options.next;
	if (r->no_fork && r->close)
		hf_flock_fail(HF_USAGE, 0, "the --no-fork and --close options are incompatible");
	if (r->fd >= 0) {
		if (r->command && words[0])
			hf_flock_fail(HF_USAGE, 0, "-c requires exactly one command argument");
		words--; /* as if it were the file */
	} else if (!words[0]) {
		hf_flock_fail(HF_USAGE, 0, "requires file descriptor, file or directory");
	} else if (!words[1]) {
		r->fd = get_int(words[0], "bad file descriptor");
	} else {
		r->file = words[0];
	}
	if (r->command || !words[1])
		return;
	r->command = words + 1;
	if (strcmp(words[1], "-c") != 0 && strcmp(words[1], "--command") != 0)
		return;
	if (!words[2] || words[3])
		hf_flock_fail(HF_USAGE, 0, "%s requires exactly one command argument", words[1]);
	r->command = hf_cli_shell(words[2]);
}
