/* SPDX-License-Identifier: ISC */
#include "cli/lock_cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cli/flock_options.h"
#include <holdfast/lock_dot.h>
#include <holdfast/lock_file.h>
#include <holdfast/lock_git.h>
#include <holdfast/lock_range.h>
#include <holdfast/lock_slots.h>
#include <holdfast/lock_sqlite.h>
#include "base/sys.h"

void hf_lock_cli_init(struct hf_lock_cli *locks, int argc)
{
	*locks = (struct hf_lock_cli){
		.next.mode = HF_LOCK_EXCLUSIVE, .timeout = -1, .conflict = HF_BUSY};
	locks->wants = calloc((size_t)argc + 1, sizeof(*locks->wants));
	if (!locks->wants)
		exit(HF_OS);
}

void hf_lock_cli_free(struct hf_lock_cli *locks)
{
	free(locks->wants);
	locks->wants = NULL;
}

static int64_t get_size(struct hf_cli *cli, struct hf_lock_cli *locks, const char *arg)
{
	int64_t size;

	if (!hf_flock_size(arg, &size))
		hf_cli_usage(cli, "%s: '%s' is not a size", cli->seen, arg);
	locks->range = true;
	return size;
}

static void add_kind(struct hf_cli *cli, struct hf_lock_cli *locks, const struct hf_lock_ops *ops,
		     const char *arg)
{
	if (locks->next.slots)
		hf_cli_usage(cli, "--slots is for lock files, not for %s", cli->seen);
	locks->next.ops = ops;
	hf_lock_cli_add(locks, arg);
}

bool hf_lock_cli_option(struct hf_cli *cli, struct hf_lock_cli *locks, int id, const char *arg)
{
	switch (id) {
	case 'w':
	case 'n':
		return hf_cli_wait_option(cli, id, arg, &locks->timeout);
	case 'E':
		locks->conflict = (int)hf_cli_number(cli, arg, 0, 255);
		return true;
	case 's':
		locks->next.mode = HF_LOCK_SHARED;
		return true;
	case 'x':
	case 'e':
		locks->next.mode = HF_LOCK_EXCLUSIVE;
		return true;
	case HF_OPT_FILE:
		hf_lock_cli_add(locks, arg);
		return true;
	case HF_OPT_DOTLOCK:
		add_kind(cli, locks, &hf_lock_dot, arg);
		return true;
	case HF_OPT_SQLITE:
		add_kind(cli, locks, &hf_lock_sqlite, arg);
		return true;
	case HF_OPT_SQLITE_FREEZE:
		add_kind(cli, locks, &hf_lock_sqlite_freeze, arg);
		return true;
	case HF_OPT_GIT:
		add_kind(cli, locks, &hf_lock_git, arg);
		return true;
	case HF_OPT_GIT_FREEZE:
		add_kind(cli, locks, &hf_lock_git_freeze, arg);
		return true;
	case HF_OPT_SLOTS:
		locks->next.slots = (int)hf_cli_number(cli, arg, 1, HF_SLOTS_MAX);
		return true;
	case HF_OPT_FCNTL:
		locks->range = true;
		return true;
	case HF_OPT_START:
		locks->start = get_size(cli, locks, arg);
		return true;
	case HF_OPT_LENGTH:
		locks->length = get_size(cli, locks, arg);
		return true;
	default:
		return false;
	}
}

void hf_lock_cli_add(struct hf_lock_cli *locks, const char *path)
{
	locks->next.path = path;
	locks->wants[locks->count++] = locks->next;
	locks->next.slots = 0;
	locks->next.ops = NULL;
}

void hf_lock_cli_check(struct hf_cli *cli, const struct hf_lock_cli *locks)
{
	int slotted = 0;

	for (size_t i = 0; i < locks->count; i++)
		slotted += locks->wants[i].slots > 0;
	if (locks->next.slots)
		hf_cli_usage(cli, "--slots without a lock file behind it");
	if (slotted > 1)
		hf_cli_usage(cli, "only one lock can have --slots");
	if (slotted && locks->range)
		hf_cli_usage(cli, "--slots and --fcntl exclude each other");
}

int hf_lock_cli_fail(const struct hf_cli *cli, const struct hf_lock_cli *locks,
		     const struct hf_err *err)
{
	if (err->status != HF_BUSY || !cli->quiet)
		hf_cli_report(cli, err);
	return err->status == HF_BUSY ? locks->conflict : (int)err->status;
}

enum hf_status hf_lock_cli_acquire(struct hf_lock_cli *locks, struct hf_lockset *set,
				   const struct hf_wait *wait, struct hf_err *err)
{
	for (size_t i = 0; i < locks->count; i++) {
		struct hf_lock_spec *want = &locks->wants[i];
		const struct hf_lock_ops *ops = want->ops      ? want->ops
						: want->slots  ? &hf_lock_slots
						: locks->range ? &hf_lock_range
							       : &hf_lock_file;
		struct hf_lock *lock = hf_lockset_add(set, ops, want->path, want->mode, err);

		if (!lock)
			return err->status;
		want->lock = lock;
		if (ops == &hf_lock_range)
			hf_lock_range_set(lock, locks->start, locks->length);
		if (ops != &hf_lock_slots)
			continue;
		hf_lock_slots_set(lock, want->slots);
		locks->slotted = lock;
	}
	return hf_lockset_acquire(set, wait, err);
}

struct touch {
	const struct hf_lock_cli *locks;
	int timer;
};

static enum hf_status touch_locks(void *context, struct hf_err *err)
{
	const struct touch *t = context;
	uint64_t times;

	(void)err;
	if (read(t->timer, &times, sizeof(times)) == sizeof(times))
		for (size_t i = 0; i < t->locks->count; i++)
			hf_dot_touch(t->locks->wants[i].lock);
	return HF_OK;
}

/* Start a timer that also counts the time in which the machine sleeps, as a file's age does.
 * Without one, dotlocks are not touched; only a lock that is held for long is then in danger. */
static int start_timer(void)
{
	struct itimerspec every = {.it_interval.tv_sec = HF_DOT_TOUCH / HF_SECOND};
	int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);

	every.it_value = every.it_interval;
	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

enum hf_status hf_lock_cli_supervise(const struct hf_cli *cli, struct hf_lock_cli *locks,
				     struct hf_child *child, struct hf_err *err)
{
	struct touch t = {.locks = locks, .timer = -1};
	struct hf_io io = {.ready = touch_locks, .context = &t, .ends_with_command = true};
	enum hf_status status;

	if (hf_lock_cli_has_dotlock(locks))
		io.fd = t.timer = start_timer();
	status = hf_supervise(child, t.timer >= 0 ? &io : NULL, err);
	if (t.timer >= 0)
		sys_close(t.timer);
	for (size_t i = 0; i < locks->count; i++) {
		if (!locks->wants[i].lock)
			continue;
		if (hf_dot_lost(locks->wants[i].lock))
			hf_cli_notice(cli, "dotlock '%s' was lost: somebody removed or replaced it",
				      locks->wants[i].path);
		if (hf_sqlite_thawed(locks->wants[i].lock))
			hf_cli_notice(cli, "'%s' was thawed: somebody killed what held it frozen",
				      locks->wants[i].path);
	}
	return status;
}

bool hf_lock_cli_has_dotlock(const struct hf_lock_cli *locks)
{
	bool has = false;

	for (size_t i = 0; i < locks->count; i++)
		has |= locks->wants[i].ops == &hf_lock_dot;
	return has;
}

/* Write "descriptor 9, /path" to name; without the path if there is none. */
static void name_descriptor(int fd, char *name, size_t size)
{
	int length = snprintf(name, size, "descriptor %d", fd);
	char link[32];
	ssize_t got;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	got = readlink(link, name + length + 2, size - (size_t)length - 3);
	if (got <= 0 || name[length + 2] != '/')
		return;
	memcpy(name + length, ", ", 2);
	name[length + 2 + got] = '\0';
}

bool hf_lock_cli_has_frozen(const struct hf_lock_cli *locks)
{
	bool has = false;

	for (size_t i = 0; i < locks->count; i++)
		has |= locks->wants[i].ops == &hf_lock_git_freeze ||
		       locks->wants[i].ops == &hf_lock_sqlite_freeze;
	return has;
}

enum hf_status hf_lock_cli_descriptor(const struct hf_lock_cli *locks, int fd, bool unlock,
				      const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_lock_mode mode = locks->next.mode;
	int flags = fcntl(fd, F_GETFD);
	char name[PATH_MAX + 32];

	snprintf(name, sizeof(name), "descriptor %d", fd);
	/* an inherited descriptor is not close-on-exec; this one was opened in place of a closed
	 * one (cli/cli.h) */
	if (flags < 0 || (flags & FD_CLOEXEC))
		return hf_fail(err, HF_DATA, "cannot lock %s: it is not open", name);
	if (unlock && locks->range)
		hf_range_unlock(fd, locks->start, locks->length);
	else if (unlock && sys_flock(fd, LOCK_UN) < 0)
		return hf_fail_errno(err, "cannot unlock %s", name);
	if (unlock)
		return HF_OK;
	name_descriptor(fd, name, sizeof(name));
	if (locks->range)
		return hf_range_wait(fd, mode, locks->start, locks->length, name, wait, err);
	return hf_lock_wait(fd, mode, name, wait, err);
}

void hf_lock_cli_check_remove(struct hf_cli *cli, const struct hf_lock_cli *locks)
{
	struct stat st;

	if (hf_lock_cli_has_dotlock(locks))
		hf_cli_usage(cli, "--remove is for lock files: a dotlock is removed anyway");
	for (size_t i = 0; i < locks->count; i++)
		if (locks->wants[i].ops)
			hf_cli_usage(cli, "--remove is for lock files, not for a turnstile");
		else if (stat(locks->wants[i].path, &st) == 0 && !S_ISREG(st.st_mode))
			hf_cli_usage(cli, "--remove: '%s' is not a regular file",
				     locks->wants[i].path);
}

void hf_lock_cli_remove(const struct hf_cli *cli, const struct hf_lock_cli *locks)
{
	struct hf_err err;

	for (size_t i = 0; i < locks->count; i++) {
		enum hf_status status = hf_lock_file_remove(locks->wants[i].path, &err);

		if (status != HF_OK && status != HF_NO)
			hf_cli_report(cli, &err);
	}
}
