/* SPDX-License-Identifier: ISC */
#ifndef HF_PROC_H
#define HF_PROC_H

/*
 * Processes as /proc shows them: identity, ancestry, and a description for messages.
 *
 * A PID is reused, so a process is identified by its PID and its start time (field 22 of
 * /proc/PID/stat, clock ticks since boot), within one boot and one PID namespace. Fields are
 * counted from the last ')', since a command's name may contain anything.
 *
 * What cannot be read is unknown, never dead. Every result is a snapshot, for judging and for
 * messages. Never blocks. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hf_proc {
	pid_t pid, parent;
	uint64_t start; /* clock ticks since boot */
	char state;	/* R S D T Z …, proc(5) */
	char name[64];	/* the command's name, at most 15 bytes as the kernel keeps it */
};

/* Return true if /proc is mounted and belongs to this PID namespace (/proc/self/stat names this
 * process). */
bool hf_proc_mounted(void);

/* Read a process. Return false if it does not exist or may not be seen (errno). */
bool hf_proc_read(pid_t pid, struct hf_proc *proc);

/* Read this process. Return false if /proc is not mounted, or belongs to another PID namespace, in
 * which our PID is another process. */
bool hf_proc_read_self(struct hf_proc *proc);

/* Return true if the process has exited and only waits to be reaped; false if only its first thread
 * has exited. */
bool hf_proc_is_zombie(const struct hf_proc *proc);

/* When the first thread of a process has exited, /proc/PID/fd, cwd, cmdline and the like are empty
 * although other threads live. Return the ID of one of these then; otherwise pid. */
pid_t hf_proc_shown(pid_t pid);

/* Return true if pid is this process or one of its ancestors; false if unknown. */
bool hf_proc_is_ancestor(pid_t pid);

/* Return true if `ancestor` is pid or an ancestor of it. */
bool hf_proc_descends(pid_t pid, pid_t ancestor);

/* Write the command with its arguments, as much as fits; its short name if that is empty or
 * unreadable. The bytes are raw: call hf_escape() before printing. Return out. */
char *hf_proc_command(char *out, size_t size, const struct hf_proc *proc);

/* Return the wall-clock second of its start; 0: unknown. */
int64_t hf_proc_since(const struct hf_proc *proc);

/* Format "10:42:03", preceded by the date if it is not today; "" for 0. Return out. */
char *hf_proc_time(char *out, size_t size, int64_t since);

/* Write "PID 4711 (rsync -a /a /b)"; or "PID 4711 (gone)" or "a process that you may not see".
 * Return out. */
char *hf_proc_name(char *out, size_t size, pid_t pid);

/* Write the same, followed by ", running since 10:42:03", with the date if it is not today. Return
 * out. */
char *hf_proc_describe(char *out, size_t size, pid_t pid);

#endif
