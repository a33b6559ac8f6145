/* SPDX-License-Identifier: ISC */

/*
 * stress -m WRITERS [-s SECONDS] [-n TEXTS [-x]] [-p PAUSE] [-k KILL] [-r ROTATE] [-c COPY]
 *	[-D DEATHS] [-B BATCHES] BINDIR
 *
 * Writers of one file, which die of SIGKILL again and again, each acknowledged line exactly once.
 *
 * WRITERS has one letter for each writer: i, atomic-append --in-place; a, atomic-append; u,
 * atomic-update with a command that adds the line; w, atomic-write --if-match of what it read, with
 * the line added; r, g, atomic-record --append with a row, and with a commit. Each makes one
 * attempt after the other, with a pause of up to PAUSE ms before each. Which lines:
 *
 *	-n N		N different ones: no tool can know by the content whose line it is, nor can
 *			the judge; it knows how many there must be at least, and at most
 *	-n N -x		the same, but only two of three attempts, at random, may be killed, and they
 *			have N other lines: the lines of the others must be there exactly
 *	-n 0		each attempt has a line of its own: each must be there exactly
 *
 * Every ROTATE ms or so a process takes the file's lock and renames the file to f.N; every COPY ms
 * or so one takes the lock and replaces the file by a copy of it.
 *
 * The killer, every KILL ms or so, kills any writer, or the one that holds the file's lock, or,
 * half of the times, an appender that leads a batch. How it knows that the victim died while it
 * held the lock: either it stops the victim first, and sees the lock among its descriptors; or it
 * takes a copy of the locked descriptor (pidfd_getfd), so that the lock stays when the victim has
 * died, and a batch that is then beside the file is the victim's, or one that the victim was to
 * settle. It counts the second way only where there is a batch, since a victim could have closed
 * its descriptor in between. The second way is needed: a process that stops first never dies in the
 * middle of a write(2). Half of those that write in place are killed as soon as the file grows.
 *
 * Each batch that a dead leader left is followed until its name is gone: settled.
 *
 * At the end all come to their end, one more line is appended, unfinished records are recovered,
 * and then, for each text, over f and all f.N:
 *
 *	acknowledged <= lines - rows <= acknowledged + killed
 *	the same for the rows of records, of which each has exactly one line
 *
 * 79 ("not known") counts as killed, and is wrong: all writers are of holdfast, and none is stopped
 * for longer than the killer looks. No line is torn, and nothing is left beside the file. With
 * DEATHS and BATCHES, fewer deaths of a holder and fewer settled batches than that make the run
 * fail, too: it did not show enough.
 *
 * Works in the directory "stress" under the current one. Exits 1 if anything was wrong.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define BATCH ".holdfast.f.batch"

enum { PATIENCE_MS = 60000, AIM_MS = 60, LAST = 600000 };

static struct writers all = {.texts = 3, .pause = 4};
static unsigned int seconds = 5, kill_every = 8, rotate_every, copy_every;
static unsigned int least_deaths, least_batches;
static bool with_git;
static pid_t rotator, copier;

/* What the killer has seen. */
static unsigned int deaths, batches, settled, tears;
static ino_t left; /* the batch that is followed; 0: none */

static ino_t inode_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? st.st_ino : 0;
}

/* A time between 1 ms and twice this one. */
static long about(unsigned int ms)
{
	return 1 + random() % (2 * (long)ms);
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Open FILE and lock it, once it is the same file then; -1: it is absent. */
static int lock_file(void)
{
	for (;;) {
		int fd = open("f", O_RDONLY | O_CLOEXEC);
		struct stat st;

		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 && st.st_ino == inode_of("f"))
			return fd;
		close(fd);
	}
}

static pid_t fork_helper(void)
{
	pid_t pid = fork();

	if (pid < 0)
		rig_die("cannot fork: %m");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		srandom((unsigned int)getpid());
	}
	return pid;
}

static pid_t start_rotator(void)
{
	pid_t pid = fork_helper();
	char to[32];

	if (pid)
		return pid;
	for (unsigned int n = 1;; n++) {
		int fd;

		sleep_ms(about(rotate_every));
		fd = lock_file();
		snprintf(to, sizeof(to), "f.%u", n);
		if (fd >= 0 && rename("f", to) < 0)
			_exit(1);
		close(fd);
	}
}

static pid_t start_copier(void)
{
	pid_t pid = fork_helper();

	if (pid)
		return pid;
	for (;;) {
		struct rig_bytes bytes;
		int fd;

		sleep_ms(about(copy_every));
		fd = lock_file();
		if (fd < 0)
			continue;
		bytes = rig_slurp("f");
		rig_spit("copy", bytes, 0644);
		free(bytes.data);
		if (rename("copy", "f") < 0)
			_exit(1);
		close(fd);
	}
}

/* The descriptor by which the process holds the file's lock; -1. */
static int lock_of(pid_t pid, ino_t file)
{
	char path[64], line[256], wanted[32];
	struct dirent *entry;
	int found = -1;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	snprintf(wanted, sizeof(wanted), ":%lu ", (unsigned long)file);
	dir = opendir(path);
	while (dir && found < 0 && (entry = readdir(dir))) {
		FILE *f;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", (int)pid, entry->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (strncmp(line, "lock:", 5) == 0 && strstr(line, "FLOCK") &&
			    strstr(line, "WRITE") && strstr(line, wanted))
				found = atoi(entry->d_name);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The writer that the kernel says has the file locked; NULL. */
static struct writer *holder(ino_t file)
{
	static char locks[1 << 18];
	int fd = open("/proc/locks", O_RDONLY | O_CLOEXEC);
	ssize_t got = read(fd, locks, sizeof(locks) - 1);

	close(fd);
	locks[got > 0 ? got : 0] = '\0';
	for (char *line = strtok(locks, "\n"); line; line = strtok(NULL, "\n")) {
		unsigned long inode;
		int pid;

		if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %*x:%*x:%lu", &pid, &inode) != 2 ||
		    inode != file)
			continue;
		for (unsigned int i = 0; i < all.count; i++)
			if (all.writer[i].pid == pid)
				return &all.writer[i];
	}
	return NULL;
}

static void follow(void)
{
	if (left && inode_of(BATCH) != left) {
		settled++;
		left = 0;
	}
}

/* The file ends with a part of a line. */
static bool is_torn(void)
{
	int fd = open("f", O_RDONLY | O_CLOEXEC);
	char last = '\n';

	if (fd >= 0 && lseek(fd, -1, SEEK_END) >= 0 && read(fd, &last, 1) < 0)
		rig_die("cannot read the file: %m");
	close(fd);
	return last != '\n';
}

/* The victim has died with the lock, and this batch was there. */
static void count_death(ino_t batch)
{
	deaths++;
	follow();
	if (batch && batch != left) {
		batches++;
		left = batch;
	}
}

static void end_writer(struct writer *w)
{
	int status;

	kill(w->pid, SIGKILL);
	if (waitpid(w->pid, &status, 0) != w->pid)
		rig_die("cannot wait for a writer: %m");
	writer_ended(&all, w, status);
}

static void kill_stopped(struct writer *w, ino_t file)
{
	siginfo_t info = {0};
	ino_t batch = 0;
	bool held;

	kill(w->pid, SIGSTOP);
	if (waitid(P_PID, (id_t)w->pid, &info, WSTOPPED | WEXITED | WNOWAIT) < 0)
		rig_die("cannot wait for a writer: %m");
	/* the file may be another one now, and the victim the one that made it */
	held = info.si_code == CLD_STOPPED &&
	       (lock_of(w->pid, file) >= 0 || lock_of(w->pid, inode_of("f")) >= 0);
	if (held)
		batch = inode_of(BATCH);
	end_writer(w);
	if (held)
		count_death(batch);
}

/* Wait until the file grows, which a write(2) in place makes it do page by page; for 20 ms. */
static void await_write(ino_t file)
{
	long until = rig_now_ms() + 20;
	struct stat st, now;

	if (lstat("f", &st) < 0)
		return;
	do {
		if (lstat("f", &now) < 0 || now.st_ino != file)
			return;
	} while (now.st_size == st.st_size && rig_now_ms() < until);
}

static void kill_at_once(struct writer *w, ino_t file, bool in_write)
{
	int process = (int)syscall(SYS_pidfd_open, w->pid, 0), number = lock_of(w->pid, file);
	int copy = process >= 0 && number >= 0 ? (int)syscall(SYS_pidfd_getfd, process, number, 0)
					       : -1;
	ino_t batch = 0;

	if (copy >= 0 && in_write)
		await_write(file);
	end_writer(w);
	if (copy >= 0 && lock_of(getpid(), file) >= 0 && inode_of("f") == file)
		batch = inode_of(BATCH);
	if (batch) {
		tears += is_torn();
		count_death(batch);
	}
	if (copy >= 0)
		close(copy);
	if (process >= 0)
		close(process);
}

/* The next victim: any writer, the one with the lock, or an appender with a batch. */
static enum aim { ANY, HOLDER, LEADER } aim;
static long aimed; /* since when, rig_now_ms() */

static void take_aim(void)
{
	unsigned int any = (unsigned int)random() % 8;

	aim = any == 0 ? ANY : any < 4 ? HOLDER : LEADER;
	aimed = rig_now_ms();
}

/* The one that it is aimed at, now; NULL: there is none. */
static struct writer *find_victim(ino_t file)
{
	struct writer *w;

	if (aim == ANY)
		w = &all.writer[(unsigned int)random() % all.count];
	else
		w = holder(file);
	if (!w || w->pid == 0 || !w->mortal)
		return NULL;
	if (aim == LEADER && (!strchr("ia", w->kind) || !inode_of(BATCH)))
		return NULL;
	return w;
}

static bool kill_one(void)
{
	ino_t file = inode_of("f");
	struct writer *w = find_victim(file);

	if (!w) {
		if (rig_now_ms() > aimed + AIM_MS)
			take_aim();
		return false;
	}
	if (random() % 3 == 0)
		kill_stopped(w, file);
	else
		kill_at_once(w, file, w->kind == 'i' && random() % 2);
	take_aim();
	return true;
}

/* Count those that have ended; wait for one for so long. */
static void reap(long ms)
{
	sigset_t set;
	int status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &(struct timespec){ms / 1000, ms % 1000 * 1000000});
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == rotator || pid == copier)
			rig_die("a helper failed");
		for (unsigned int i = 0; i < all.count; i++)
			if (all.writer[i].pid == pid)
				writer_ended(&all, &all.writer[i], status);
	}
}

static bool all_ended(void)
{
	for (unsigned int i = 0; i < all.count; i++)
		if (all.writer[i].pid)
			return false;
	return true;
}

static void end_helper(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static void play(void)
{
	long end = rig_now_ms() + (long)seconds * 1000, next = rig_now_ms() + about(kill_every);

	if (rotate_every)
		rotator = start_rotator();
	if (copy_every)
		copier = start_copier();
	for (long now; (now = rig_now_ms()) < end;) {
		for (unsigned int i = 0; i < all.count; i++)
			if (all.writer[i].pid == 0 && all.writer[i].due <= now)
				writer_start(&all, &all.writer[i]);
		if (kill_every && now >= next && kill_one())
			next = rig_now_ms() + about(kill_every);
		follow();
		reap(1);
	}
	for (end = rig_now_ms() + PATIENCE_MS; !all_ended() && rig_now_ms() < end;)
		reap(10);
	if (!all_ended())
		ledger_wrong(&all.ledger, 1, "a writer does not end");
	if (all.unknown)
		ledger_wrong(&all.ledger, all.unknown, "%u ends are not known (79)", all.unknown);
	for (unsigned int i = 0; i < all.count; i++)
		if (all.writer[i].pid)
			end_writer(&all.writer[i]);
	end_helper(&rotator);
	end_helper(&copier);
}

static bool has(char kind)
{
	for (unsigned int i = 0; i < all.count; i++)
		if (all.writer[i].kind == kind)
			return true;
	return false;
}

static void shell(const char *command)
{
	if (system(command) != 0)
		rig_die("failed: %s", command);
}

static void set_up(void)
{
	rig_remove("stress");
	if (mkdir("stress", 0755) < 0 || chdir("stress") < 0 || mkdir("src", 0755) < 0)
		rig_die("cannot make the directory: %m");
	with_git = has('g');
	if (with_git)
		shell("git init -q . && git config user.name n && git config user.email n@x");
	if ((with_git || has('r')) &&
	    writers_run(&all, (const char *[]){"sqlite-run", "db", "CREATE TABLE t(n)", NULL}, NULL,
			NULL) != 0)
		rig_die("cannot make the database");
}

/* One more line; records are finished; nothing is left. */
static void finish(void)
{
	struct rig_bytes line = ledger_line(LAST);
	char *rows;

	rig_spit("src/last", line, 0644);
	free(line.data);
	if (writers_run(&all, (const char *[]){"atomic-append", "f", NULL}, "src/last", NULL) != 0)
		ledger_wrong(&all.ledger, 1, "one more line cannot be appended");
	else
		ledger_of(&all.ledger, LAST)->done++;
	if (!with_git && !has('r'))
		return;
	if (writers_run(&all,
			(const char *[]){"atomic-record", "--recover", "--sqlite", "db", NULL},
			NULL, NULL) != 0)
		ledger_wrong(&all.ledger, 1, "the records cannot be recovered");
	if (writers_run(&all,
			(const char *[]){"sqlite-run", "--read", "db",
					 "SELECT n, count(*) FROM t GROUP BY n", NULL},
			NULL, &rows) != 0)
		rig_die("cannot read the database");
	ledger_rows(&all.ledger, rows);
	free(rows);
}

static unsigned int look(void)
{
	unsigned int rotated = 0;
	struct dirent *entry;
	DIR *dir = opendir(".");

	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strcmp(name, "f") == 0)
			ledger_read(&all.ledger, name, false);
		else if (strncmp(name, "f.", 2) == 0)
			rotated++, ledger_read(&all.ledger, name, true);
		else if (strncmp(name, ".holdfast", 9) == 0)
			ledger_wrong(&all.ledger, 1, "%s is left", name);
	}
	closedir(dir);
	return rotated;
}

static int report(const char *mixture, unsigned int rotated)
{
	struct ledger *l = &all.ledger;

	printf("%-8s %s, %u s: %u attempts: %u done (%u by 76), %u not done, %u not known, %u "
	       "killed; "
	       "%u died with the lock, %u in a write; %u batches left by the dead, %u settled; %u "
	       "lines, of these "
	       "%u lines and %u records of the killed; %u files, %u torn ends; %u wrong\n",
	       mixture,
	       all.apart   ? "apart"
	       : all.texts ? "equal"
			   : "own",
	       seconds, all.attempts, all.done, all.unsure, all.refused, all.unknown, all.killed,
	       deaths, tears, batches, settled, l->lines, l->late, l->late_rows, rotated + 1,
	       l->torn, l->wrong);
	if (l->wrong == 0 && (deaths < least_deaths || settled < least_batches)) {
		printf("this run does not count: %u deaths with the lock and %u settled batches "
		       "are "
		       "wanted\n",
		       least_deaths, least_batches);
		return 1;
	}
	return l->wrong != 0;
}

static _Noreturn void usage(void)
{
	puts("usage: stress -m WRITERS [-s SECONDS] [-n TEXTS [-x]] [-p PAUSE] [-k KILL] [-r "
	     "ROTATE] "
	     "[-c COPY] [-D DEATHS] [-B BATCHES] BINDIR");
	exit(64);
}

static void set_writers(const char *letters)
{
	all.count = 0;
	for (; *letters && all.count < WRITERS_MAX; letters++) {
		if (!strchr("iauwrg", *letters))
			usage();
		all.writer[all.count] = (struct writer){.kind = *letters, .place = all.count};
		all.count++;
	}
}

int main(int argc, char **argv)
{
	const char *mixture = NULL;
	int option;

	rig_init();
	srandom((unsigned int)(rig_now_ms() ^ getpid()));
	while ((option = getopt(argc, argv, "m:s:n:xp:k:r:c:D:B:")) != -1) {
		unsigned int value = optarg ? (unsigned int)atoi(optarg) : 0;

		switch (option) {
		case 'm':
			set_writers(mixture = optarg);
			break;
		case 's':
			seconds = value;
			break;
		case 'n':
			all.texts = value;
			break;
		case 'x':
			all.apart = true;
			break;
		case 'p':
			all.pause = value;
			break;
		case 'k':
			kill_every = value;
			break;
		case 'r':
			rotate_every = value;
			break;
		case 'c':
			copy_every = value;
			break;
		case 'D':
			least_deaths = value;
			break;
		case 'B':
			least_batches = value;
			break;
		default:
			usage();
		}
	}
	if (!mixture || !all.count || optind + 1 != argc || argv[optind][0] != '/')
		usage();
	all.bin = argv[optind];
	set_up();
	play();
	finish();
	follow();
	unsigned int rotated = look();
	ledger_judge(&all.ledger);
	return report(mixture, rotated);
}
