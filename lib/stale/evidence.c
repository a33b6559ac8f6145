/* SPDX-License-Identifier: ISC */
#include "stale/evidence.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "probe/file_users.h"
#include "probe/proc_locks.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

#define say(...) hf_evidence_say(__VA_ARGS__)

enum {
	CLOCK_SLACK = 10, /* seconds by which two readings of an unset clock may differ */
	START_SLACK = 60, /* seconds by which a file's writer may seem younger than the file */
};

void hf_evidence_say(struct hf_evidence *e, const char *format, ...)
{
	va_list args;

	if (e->count == HF_REASONS_MAX)
		e->count--; /* keep space for the reason that decides */
	va_start(args, format);
	hf_vescape(e->reason[e->count++], sizeof(e->reason[0]), format, args);
	va_end(args);
}

const char *hf_verdict_name(enum hf_verdict verdict)
{
	static const char *const names[] = {[HF_VERDICT_FREE] = "free",
					    [HF_VERDICT_HELD] = "held",
					    [HF_VERDICT_STALE] = "stale",
					    [HF_VERDICT_UNKNOWN] = "unknown"};

	return names[verdict];
}

const char *hf_evidence_why(const struct hf_evidence *evidence)
{
	return evidence->count ? evidence->reason[evidence->count - 1] : "it may not be read";
}

/* Known local file systems; an unknown one may be shared. Those with stable inode numbers come
 * first. */
static const unsigned int local_fs[] = {
	0xef53,	    /* ext2, ext3, ext4 */
	0x58465342, /* XFS */
	0x9123683e, /* btrfs */
	0xf2f52010, /* F2FS */
	0x01021994, /* tmpfs */
	0x858458f6, 0x794c7630, 0x2fc12fc1, 0x52654973, 0x3153464a, 0x4d44,	0x2011bab0,
	0x5346544e, 0x7366746e, 0xca451a4e, 0x3434,	0xf15f,	    0x15013346, 0x482b,
};
enum { STABLE_FS = 5, LOCAL_FS = sizeof(local_fs) / sizeof(local_fs[0]) };

static bool is_one_of(int fd, size_t count)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if ((unsigned int)fs.f_type == local_fs[i])
			return true;
	return false;
}

bool hf_is_shared_fs(int fd)
{
	return !is_one_of(fd, LOCAL_FS);
}

bool hf_inodes_identify(int fd)
{
	return is_one_of(fd, STABLE_FS);
}

static void read_owner(int fd, const struct stat *st, struct hf_lock_owner_info *record)
{
	int file = fd;

	*record = (struct hf_lock_owner_info){.form = HF_OWNER_FOREIGN,
					      .why = "it is not a regular file"};
	if (S_ISDIR(st->st_mode)) {
		struct stat inner;

		file = sys_openat(fd, "pid", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
		if (file < 0 && errno == ENOENT) {
			record->form = HF_OWNER_NO_PID;
			record->why = "it is a directory without a file 'pid'";
		} else if (file < 0) {
			record->why = "its file 'pid' cannot be read";
		}
		if (file >= 0 && sys_fstat(file, &inner) == 0 && S_ISREG(inner.st_mode))
			hf_lock_owner_read(file, record);
	} else if (S_ISREG(st->st_mode)) {
		hf_lock_owner_read(fd, record);
	}
	if (file >= 0 && file != fd)
		sys_close(file);
}

bool hf_evidence_set_held(struct hf_evidence *e, pid_t pid)
{
	e->verdict = HF_VERDICT_HELD;
	e->pid = pid;
	return true;
}

static bool set_stale(struct hf_evidence *e)
{
	e->verdict = HF_VERDICT_STALE;
	return true;
}

char *hf_evidence_owner(char *out, size_t size, const struct hf_lock_owner_info *record)
{
	const char *host = record->owner.host[0] ? record->owner.host : "?";

	if (record->owner.pid)
		snprintf(out, size, "PID %d of host '%s'", (int)record->owner.pid, host);
	else
		snprintf(out, size, "a process of host '%s'", host);
	return out;
}

/* Decide if the lock is locked with flock(2) (stale/E1). */
bool hf_evidence_by_flock(const struct hf_stale_query *of, struct hf_evidence *e)
{
	char who[512];
	struct hf_lock_entries records;
	struct hf_lock_id id;
	bool listed = false;
	pid_t pid;

	if (of->locked)
		return false;
	pid = hf_lock_holder(of->fd);
	if (!pid && hf_lock_id_of(of->fd, &id) && hf_lock_entries_read(&records, HF_FLOCK_ONLY)) {
		for (size_t i = 0; i < records.count; i++)
			listed |= !records.at[i].waits && hf_lock_id_equal(&records.at[i].id, &id);
		hf_lock_entries_free(&records);
	}
	if (!pid && !listed)
		return false;
	say(e, "it is locked by flock(2): %s", hf_proc_describe(who, sizeof(who), pid));
	if (!pid && e->record.form == HF_OWNER_HOLDFAST)
		say(e, "its record names %s", hf_evidence_owner(who, sizeof(who), &e->record));
	return hf_evidence_set_held(e, pid);
}

/* Compare boot, host and PID namespace (stale/E2, stale/E3). Return true if that decides. *lost:
 * only the age can decide. */
static bool judge_origin(const struct hf_stale_query *of, const struct hf_process_id *self,
			 struct hf_evidence *e, bool *lost)
{
	const struct hf_process_id *owner = &e->record.owner;
	bool shared = hf_is_shared_fs(of->fd);
	char who[HF_OWNER_SIZE];

	/* a process that is refused the lock sees only the last reason, so it names the owner */
	hf_evidence_owner(who, sizeof(who), &e->record);
	if (e->record.form == HF_OWNER_PID_ONLY) {
		*lost = shared && !of->alone;
		if (*lost)
			say(e, "PID %d may be of another host, on a network file system",
			    (int)owner->pid);
		return false;
	}
	if (!self->boot[0] || !owner->boot[0]) {
		say(e,
		    "%s has taken it, and the boot is not known: without /proc nothing can be "
		    "compared",
		    who);
		*lost = true;
	} else if (!hf_process_id_same_boot(self, owner)) {
		say(e, "it was taken on host '%s' in another boot", owner->host);
		*lost = shared || !hf_process_id_same_host(self, owner);
		if (!*lost) {
			say(e, "that was an earlier boot of this host");
			return set_stale(e);
		}
		say(e, "%s may still live: %s", who,
		    shared ? "this is a network file system" : "it is not this host");
	} else if (e->record.form == HF_OWNER_TRUNCATED) {
		say(e, "its content is lost, and it is of this boot");
		*lost = true;
	} else if (!hf_process_id_same_pidns(self, owner)) {
		say(e, "it was taken in another PID namespace: %s is not visible", who);
		*lost = true;
	}
	return false;
}

/* Return the time of the boot in seconds of the present wall clock. */
static int64_t boot_time(void)
{
	struct timespec now, up;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &up);
	return now.tv_sec - up.tv_sec;
}

/* Return true if the wall clock seems not to have been set since boot: the kernel makes /dev when
 * it starts. A container's /dev is younger; then it is unknown, and false is correct. */
static bool clock_was_not_set(void)
{
	struct statx dev;
	int64_t apart;

	if (statx(AT_FDCWD, "/dev", 0, STATX_BTIME, &dev) < 0 || !(dev.stx_mask & STATX_BTIME))
		return false;
	apart = dev.stx_btime.tv_sec - boot_time();
	return apart >= -CLOCK_SLACK && apart <= CLOCK_SLACK;
}

bool hf_evidence_is_later(const struct hf_proc *proc, const struct stat *st)
{
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);

	return boot_time() + (int64_t)(proc->start / ticks) > st->st_mtime + START_SLACK &&
	       clock_was_not_set();
}

/* Return true if the living process is not the owner, and say why. */
static bool pid_was_reused(const struct hf_proc *proc, const struct hf_process_id *self,
			   const struct stat *st, struct hf_evidence *e)
{
	const struct hf_process_id *owner = &e->record.owner;
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	struct timespec up;

	if (e->record.form == HF_OWNER_HOLDFAST) {
		clock_gettime(CLOCK_BOOTTIME, &up);
		if (!owner->start || !hf_process_id_same_clock(self, owner) ||
		    owner->start == proc->start)
			return false;
		if (owner->start > ((uint64_t)up.tv_sec + 1) * ticks) {
			say(e, "its start time is in the future, and proves nothing");
			return false;
		}
		say(e, "PID %d is used again: the owner started at tick %llu, this process at %llu",
		    (int)proc->pid, (unsigned long long)owner->start,
		    (unsigned long long)proc->start);
		return true;
	}
	if (!hf_evidence_is_later(proc, st))
		return false;
	say(e, "PID %d is used again: this process started after the file was written",
	    (int)proc->pid);
	return true;
}

/* Return true if the owner is dead, and say why (stale/E4). */
static bool owner_is_dead(const struct hf_process_id *self, const struct stat *st,
			  struct hf_evidence *e)
{
	pid_t pid = e->record.owner.pid;
	struct hf_proc proc;
	char who[512];

	if (kill(pid, 0) < 0 && errno == ESRCH) {
		say(e, "PID %d is dead", (int)pid);
		return true;
	}
	/* /proc belongs to another namespace or hides the process: it lives */
	if (!self->start || !hf_proc_read(pid, &proc)) {
		say(e, "PID %d lives, and may not be inspected", (int)pid);
		return false;
	}
	if (hf_proc_is_zombie(&proc)) {
		say(e, "PID %d is dead, a zombie", (int)pid);
		return true;
	}
	if (pid_was_reused(&proc, self, st, e))
		return true;
	say(e, "%s, lives", hf_proc_describe(who, sizeof(who), pid));
	return false;
}

/* Return true if a plain PID may belong to an outer namespace, whose processes are invisible
 * (stale/E3). */
static bool may_be_outer_pid(const struct hf_stale_query *of, const struct hf_process_id *self,
			     struct hf_evidence *e)
{
	if (of->alone || self->pidns == HF_FIRST_PIDNS)
		return false;
	say(e, "PID %d may belong to a PID namespace that is not visible from this one",
	    (int)e->record.owner.pid);
	return true;
}

/* Search processes that use the file or work in its directory (stale/E5, stale/E6). */
bool hf_evidence_by_users(const struct hf_stale_query *of, pid_t inner, bool place,
			  struct hf_evidence *e)
{
	struct hf_file_users users;
	char who[512];

	hf_file_users_find(of->fd, place ? of->place : -1, inner, &users);
	e->hidden = users.hidden;
	if (users.written) {
		say(e, "it is open for writing, or locked, in %s",
		    hf_proc_describe(who, sizeof(who), users.writer));
		return hf_evidence_set_held(e, users.writer);
	}
	if (users.inner) {
		say(e, "PID %d of a PID namespace below lives: it is %s", (int)inner,
		    hf_proc_describe(who, sizeof(who), users.inner));
		return hf_evidence_set_held(e, users.inner);
	}
	if (users.worker) {
		say(e, "%s works in its directory",
		    hf_proc_describe(who, sizeof(who), users.worker));
		return hf_evidence_set_held(e, users.worker);
	}
	if (place && !e->hidden)
		say(e, "no process has it open for writing or works in its directory");
	return false;
}

/* Decide by age (stale/E7). */
bool hf_evidence_by_age(const struct hf_stale_query *of, const struct stat *st,
			struct hf_evidence *e)
{
	struct timespec now;
	int64_t age;
	char old[32], limit[32];

	if (e->hidden && !of->alone) {
		say(e, "not every process may be inspected (only --alone decides then)");
		return false;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	age = ((int64_t)now.tv_sec - st->st_mtim.tv_sec) * HF_SECOND + now.tv_nsec -
	      st->st_mtim.tv_nsec;
	if (age < 0) {
		say(e, "it was last written in the future, and has no age");
		return false;
	}
	hf_format_duration(old, sizeof(old), age);
	hf_format_duration(limit, sizeof(limit), of->stale_after);
	if (age <= of->stale_after) {
		say(e, "it is %s old, within the limit of %s", old, limit);
		return false;
	}
	say(e, "it is %s old, past the limit of %s", old, limit);
	return set_stale(e);
}

void hf_evidence_judge(const struct hf_stale_query *of, struct hf_evidence *e)
{
	struct hf_process_id self;
	struct stat st;
	bool lost = false;

	*e = (struct hf_evidence){.verdict = HF_VERDICT_UNKNOWN};
	if (sys_fstat(of->fd, &st) < 0) {
		say(e, "it cannot be inspected");
		return;
	}
	hf_process_id_self(&self);
	read_owner(of->fd, &st, &e->record);
	if (hf_evidence_by_flock(of, e))
		return;
	if (e->record.form == HF_OWNER_HOLDFAST || e->record.form == HF_OWNER_PID_ONLY ||
	    e->record.form == HF_OWNER_TRUNCATED) {
		if (judge_origin(of, &self, e, &lost))
			return;
		if (!lost && !owner_is_dead(&self, &st, e)) {
			hf_evidence_set_held(e, e->record.owner.pid);
			return;
		}
		if (!lost && e->record.form == HF_OWNER_PID_ONLY &&
		    (hf_evidence_by_users(of, e->record.owner.pid, false, e) ||
		     may_be_outer_pid(of, &self, e)))
			return;
		if (!lost) {
			set_stale(e);
			return;
		}
	} else {
		say(e, "its owner is not known: %s", e->record.why);
	}
	if (of->stale_after != HF_NEVER && (e->record.form == HF_OWNER_NO_PID || of->alone) &&
	    !hf_evidence_by_users(of, 0, true, e))
		hf_evidence_by_age(of, &st, e);
}
