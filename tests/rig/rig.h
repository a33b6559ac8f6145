/* SPDX-License-Identifier: ISC */
#ifndef RIG_H
#define RIG_H

/*
 * What the rigs share: a scenario (a tool, a file and its old and new content), one run of the tool
 * under it, and the judgement of what that run left.
 *
 * A scenario lives in a directory of its own, which is made afresh for every run and where the tool
 * is started:
 *
 *	f		the target (with -l a symbolic link to sub/real, which is then the target;
 *			with -p the target is PATH, whose directories the tool makes)
 *	fSUFFIX		with -b: the backup that the tool is asked to make
 *
 * and nothing else may be there after the next undisturbed run: whatever else there is, is litter.
 *
 * Every rig judges by the same rules:
 *
 *	J1  The target is the whole old or the whole new content, with its mode.
 *	J2  Exit 0 and 76 mean new. Any other exit status means old. Only a death may mean either.
 *	J3  Success is silent; a failure says "tool: …" in one line, then indented advice.
 *	J4  The next run succeeds, works on what was there, and leaves no litter.
 *
 * Two kinds of scenario allow more. RIG_LINES (every line is a record): whole lines of the new
 * content, in order, may be there, unless the status says all of them. RIG_IN_PLACE: after a death
 * or a failure a part of the record may be there; the next run has removed it (J4), and where the
 * run said that it failed, has removed the whole of it. After a power cut that part may have NULs
 * where data did not reach the disk.
 */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

struct rig_bytes {
	char *data;
	size_t size;
};

enum rig_kind { RIG_REPLACE, RIG_APPEND, RIG_LINES, RIG_IN_PLACE };

struct rig_scenario {
	enum rig_kind kind;
	bool absent;		/* there is no old file; old is empty */
	bool link;		/* f is a symbolic link */
	bool nuls;		/* a part may have NULs for what did not reach the disk */
	const char *path;	/* the target's, in the directory: f, sub/real, or as given */
	const char *backup;	/* suffix, or NULL */
	const char *input;	/* the tool's standard input, absolute path */
	struct rig_bytes old;
	struct rig_bytes fresh;	/* the new content, or the record that is appended */
	struct rig_bytes left;	/* another record, of which an earlier run left a part; or none */
	char **argv;		/* the tool, absolute path, and its arguments */
	const char *tool;	/* its last component */
};

/* How one run is disturbed. Zeroed: not at all. */
struct rig_fault {
	const char *rule;     /* HOLDFAST_FAULT */
	const char *log;      /* HOLDFAST_FAULT_LOG */
	char *const *wrapper; /* a command before the tool (strace) */
	int64_t file_size;    /* RLIMIT_FSIZE, if not 0 */
	bool signal;	      /* SIGXFSZ is not ignored */
};

enum rig_end { RIG_EXITED, RIG_DIED, RIG_STOPPED, RIG_LATE };

struct rig_run {
	pid_t pid; /* also its process group */
	int messages_fd;
	enum rig_end end;
	int code; /* exit status, or the signal */
	char messages[4096];
	bool mute; /* J3 is not asked: the disturbance may be in the message, or cannot be */
};

enum rig_state { RIG_OLD, RIG_NEW, RIG_PART, RIG_OTHER };

struct rig_sight {
	enum rig_state state;
	struct rig_bytes content; /* to be freed */
	char note[200];		  /* what is wrong, or "" */
};

#define RIG_PATIENCE_MS 20000

/* Of the target: an old one's, and one that was created. */
#define RIG_OLD_MODE 0640
#define RIG_NEW_MODE 0644

/* The rig itself cannot go on: says so, and exits 2. */
_Noreturn void rig_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole file (to be freed). try: false if there is none. */
struct rig_bytes rig_slurp(const char *path);
bool rig_try_slurp(const char *path, struct rig_bytes *bytes);
void rig_spit(const char *path, struct rig_bytes bytes, mode_t mode);
void rig_remove(const char *path);
long rig_now_ms(void);

/* To be called first: the rig then can wait for its children. */
void rig_init(void);

/* An option of the scenario: -k KIND, -o OLD, -n NEW, -i INPUT, -l, -p PATH, -b SUFFIX. */
#define RIG_OPTIONS "+k:o:n:i:lp:b:"
#define RIG_USAGE                                                                                  \
	"[-k replace|append|lines|in-place] [-o OLD] -n NEW [-i INPUT] [-l | -p PATH] [-b SUFFIX]"
bool rig_option(struct rig_scenario *s, int option, char *value);
void rig_operands(struct rig_scenario *s, char **argv);

/* DIR/NAME[SUFFIX]; the target's path. Both return out. */
const char *rig_join(char out[PATH_MAX], const char *dir, const char *name, const char *suffix);
const char *rig_target(const struct rig_scenario *s, const char *dir, char out[PATH_MAX]);

/* Make the directory afresh, with the old content in it. */
void rig_prepare(const struct rig_scenario *s, const char *dir);

/* Start the tool in the directory; wait until it ends or stops, at most ms milliseconds (then it is
 * RIG_LATE, and still there); end it and all that it started. */
void rig_start(const struct rig_scenario *s, const char *dir, const struct rig_fault *fault,
	       struct rig_run *run);
void rig_wait(struct rig_run *run, long ms);
void rig_end(struct rig_run *run);

/* J1. What the target in the directory is. */
void rig_look(const struct rig_scenario *s, const char *dir, struct rig_sight *sight);

/* J2, J3: NULL, or what is wrong (in a static buffer). A run that was stopped counts as dead. */
const char *rig_judge(const struct rig_scenario *s, const char *dir, const struct rig_run *run,
		      const struct rig_sight *sight);

/* The tool once more: it succeeds, is silent and leaves no litter; NULL, or what is wrong. */
const char *rig_next(const struct rig_scenario *s, const char *dir, const char *rule);

/* J4, after rig_judge(): that, and what it made of what was there. */
const char *rig_judge_next(const struct rig_scenario *s, const char *dir, const char *rule,
			   const struct rig_run *run, const struct rig_sight *sight);

/* The number of lines in a fault log, and the name on line n (into name), or "". */
unsigned int rig_log(const char *path, unsigned int n, char name[32]);

#endif
