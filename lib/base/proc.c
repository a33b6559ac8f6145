/* SPDX-License-Identifier: ISC */
#include <holdfast/proc.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/proc_text.h"

enum { MAX_ANCESTORS = 1000 }; /* a longer chain is a cycle of reused PIDs */

bool hf_proc_mounted(void)
{
	char buf[1024];

	return hf_proc_text(buf, sizeof(buf), "/proc/self/stat") > 0 && atoi(buf) == getpid();
}

/* Parse a line of /proc/PID/stat. */
static bool parse_stat(const char *line, struct hf_proc *proc)
{
	const char *open = strchr(line, '('), *close = strrchr(line, ')');
	unsigned long long start;
	int parent;

	*proc = (struct hf_proc){.pid = atoi(line)};
	/* fields 3 (state), 4 (parent) and 22 (start time) */
	if (!open || !close || close < open ||
	    sscanf(close + 1,
		   " %c %d %*s %*s %*s %*s %*s %*s %*s %*s"
		   " %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
		   &proc->state, &parent, &start) != 3) {
		errno = EPROTO;
		return false;
	}
	proc->parent = parent;
	proc->start = start;
	snprintf(proc->name, sizeof(proc->name), "%.*s", (int)(close - open - 1), open + 1);
	return true;
}

bool hf_proc_read(pid_t pid, struct hf_proc *proc)
{
	char buf[1024];

	return pid > 0 && hf_proc_text(buf, sizeof(buf), "/proc/%d/stat", (int)pid) > 0 &&
	       parse_stat(buf, proc);
}

bool hf_proc_read_self(struct hf_proc *proc)
{
	char buf[1024];

	return hf_proc_text(buf, sizeof(buf), "/proc/self/stat") > 0 && parse_stat(buf, proc) &&
	       proc->pid == getpid();
}

static bool has_ended(const struct hf_proc *proc)
{
	return proc->state == 'Z' || proc->state == 'X';
}

/* Return true if the process has other threads than the first. */
static bool has_threads(pid_t pid, char path[32])
{
	struct stat st;

	snprintf(path, 32, "/proc/%d/task", (int)pid);
	return stat(path, &st) == 0 && st.st_nlink > 2 + 1;
}

bool hf_proc_is_zombie(const struct hf_proc *proc)
{
	char path[32];

	return has_ended(proc) && !has_threads(proc->pid, path);
}

pid_t hf_proc_shown(pid_t pid)
{
	struct dirent *entry;
	struct hf_proc proc;
	pid_t shown = pid;
	char path[32];
	DIR *dir;

	if (!has_threads(pid, path) || !hf_proc_read(pid, &proc) || !has_ended(&proc))
		return pid;
	dir = opendir(path);
	while (dir && shown == pid && (entry = readdir(dir)))
		if (hf_proc_read(atoi(entry->d_name), &proc) && !has_ended(&proc))
			shown = proc.pid;
	if (dir)
		closedir(dir);
	return shown;
}

bool hf_proc_descends(pid_t pid, pid_t ancestor)
{
	struct hf_proc proc;

	for (int i = 0; i < MAX_ANCESTORS && pid > 0; i++) {
		if (pid == ancestor)
			return true;
		if (!hf_proc_read(pid, &proc))
			return false;
		pid = proc.parent;
	}
	return false;
}

bool hf_proc_is_ancestor(pid_t pid)
{
	return pid > 0 && hf_proc_descends(getpid(), pid);
}

int64_t hf_proc_since(const struct hf_proc *proc)
{
	int64_t ticks = sysconf(_SC_CLK_TCK);
	struct timespec now, up;

	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
		return 0;
	/* whole seconds are computed last, so that two readings of one process agree */
	return ((int64_t)(now.tv_sec - up.tv_sec) * ticks +
		(now.tv_nsec - up.tv_nsec) / (1000000000 / ticks) + (int64_t)proc->start) /
	       ticks;
}

char *hf_proc_time(char *out, size_t size, int64_t since)
{
	time_t start = (time_t)since, now = time(NULL);
	struct tm then, today;
	bool same;

	out[0] = '\0';
	if (!start || !localtime_r(&start, &then) || !localtime_r(&now, &today))
		return out;
	same = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
	if (!strftime(out, size, same ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then))
		out[0] = '\0';
	return out;
}

char *hf_proc_command(char *out, size_t size, const struct hf_proc *proc)
{
	ssize_t n = hf_proc_text(out, size, "/proc/%d/cmdline", (int)proc->pid);

	while (n > 1 && !out[n - 2]) /* a title that was written over the arguments */
		n--;
	for (ssize_t i = 0; i < n - 1; i++)
		if (out[i] == '\0')
			out[i] = ' ';
	if (n <= 0)
		snprintf(out, size, "%s", proc->name);
	return out;
}

/* Read the process. Return false, with what is known of it in out, if that fails. */
static bool read_or_name(char *out, size_t size, pid_t pid, struct hf_proc *proc)
{
	char command[200];

	if (pid <= 0) {
		snprintf(out, size, "a process that you may not see");
		return false;
	}
	if (!hf_proc_read(pid, proc)) {
		/* hidepid hides the directory of a living process as if it did not exist */
		bool gone =
			(errno == ENOENT || errno == ESRCH) && kill(pid, 0) < 0 && errno == ESRCH;

		snprintf(out, size,
			 gone ? "PID %d (gone)" : "PID %d (a process that you may not see)", pid);
		return false;
	}
	hf_proc_command(command, sizeof(command), proc);
	snprintf(out, size, "PID %d (%s)", pid, command);
	return true;
}

char *hf_proc_name(char *out, size_t size, pid_t pid)
{
	struct hf_proc proc;

	read_or_name(out, size, pid, &proc);
	return out;
}

char *hf_proc_describe(char *out, size_t size, pid_t pid)
{
	struct hf_proc proc;
	char since[32];
	size_t used;

	if (!read_or_name(out, size, pid, &proc))
		return out;
	hf_proc_time(since, sizeof(since), hf_proc_since(&proc));
	used = strlen(out);
	if (since[0])
		snprintf(out + used, size - used, ", running since %s", since);
	return out;
}
