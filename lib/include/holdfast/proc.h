/* SPDX-License-Identifier: ISC */
#ifndef HF_PROC_H
#define HF_PROC_H

/*
 * Processes as /proc shows them: identity, ancestry, and a line for a message.
 *
 * A PID alone is not an identity, since it is used again: a process is its PID and its start time
 * (/proc/PID/stat field 22, clock ticks since boot), within one boot and one PID namespace. The
 * fields are counted from the last ')', since a command's name may hold anything.
 *
 * What cannot be read is unknown, never dead. Everything here is a snapshot, for judging and for
 * messages; no promise rests on it alone. Never blocks. Thread-safe; not async-signal-safe.
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

/* Is /proc mounted, and of this PID namespace? (/proc/self/stat names us) */
bool hf_proc_mounted(void);

/* false: no such process, or it may not be seen (errno tells). */
bool hf_proc_read(pid_t pid, struct hf_proc *proc);

/* This process, in one read. false: /proc is not mounted, or is another PID namespace's, where our
 * PID is another process. */
bool hf_proc_read_self(struct hf_proc *proc);

/* Has it ended, and waits only for its parent to be told? Not if only its first thread has. */
bool hf_proc_is_zombie(const struct hf_proc *proc);

/* Of /proc/PID/fd, cwd, cmdline and the like nothing is left when a process's first thread has
 * ended, though others live and have all of it. Then the ID of one of these, whose /proc/ID shows
 * it; else pid. */
pid_t hf_proc_shown(pid_t pid);

/* Is pid this process, or one of its ancestors? false where it cannot be known. */
bool hf_proc_is_ancestor(pid_t pid);

/* Is `ancestor` an ancestor of pid, or pid itself? */
bool hf_proc_descends(pid_t pid, pid_t ancestor);

/* Its command, as much of it as fits; the short name in place of one that is empty or may not be
 * read. Bytes as they are: hf_escape() before it is shown. Returns out. */
char *hf_proc_command(char *out, size_t size, const struct hf_proc *proc);

/* The wall clock's second at which it started; 0: not known. */
int64_t hf_proc_since(const struct hf_proc *proc);

/* "10:42:03", with the date before it when it is not today; "" for 0. Returns out. */
char *hf_proc_time(char *out, size_t size, int64_t since);

/* Write "PID 4711 (rsync -a /a /b)" into out; "PID 4711 (gone)" or "a process that you may not see"
 * where that is so. Return out. */
char *hf_proc_name(char *out, size_t size, pid_t pid);

/* Write the same, and ", running since 10:42:03", with the date before the time when it is not
 * today. Return out. */
char *hf_proc_describe(char *out, size_t size, pid_t pid);

#endif
