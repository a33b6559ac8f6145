/* SPDX-License-Identifier: ISC */
#include "cli/lock_cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/flock_options.h"
#include <holdfast/lock_dot.h>
#include <holdfast/lock_file.h>
#include <holdfast/lock_git.h>
#include <holdfast/lock_range.h>
#include <holdfast/lock_sqlite.h>

void hf_lock_cli_init(struct hf_lock_cli *locks, int argc)
{
	*locks = (struct hf_lock_cli){.mode = HF_LOCK_EXCLUSIVE};
	locks->specs = calloc((size_t)argc + 1, sizeof(*locks->specs));
	if (!locks->specs)
		exit(HF_OS);
}

void hf_lock_cli_free(struct hf_lock_cli *locks)
{
	free(locks->specs);
	locks->specs = NULL;
}

static void add(struct hf_lock_cli *locks, const struct hf_lock_ops *ops, const char *path)
{
	locks->specs[locks->count++] = (struct hf_lock_spec){
		.ops = ops, .path = path, .mode = locks->mode, .slots = (int)locks->slots};
	locks->slots = 0;
}

void hf_lock_cli_add(struct hf_lock_cli *locks, const char *path)
{
	add(locks, NULL, path);
}

static void set_size(struct hf_cli *cli, struct hf_lock_cli *locks, int64_t *size, const char *arg)
{
	if (!hf_flock_size(arg, size))
		hf_cli_usage(cli, "%s: '%s' is not a size", cli->option, arg);
	locks->range = true;
}

void hf_lock_cli_take(struct hf_cli *cli, const struct hf_opt *option, char *arg)
{
	static const struct hf_lock_ops *const kinds[] = {
		[HF_OPT_FILE - HF_OPT_FILE] = NULL,
		[HF_OPT_DOTLOCK - HF_OPT_FILE] = &hf_lock_dot,
		[HF_OPT_SQLITE - HF_OPT_FILE] = &hf_lock_sqlite,
		[HF_OPT_SQLITE_FREEZE - HF_OPT_FILE] = &hf_lock_sqlite_freeze,
		[HF_OPT_GIT - HF_OPT_FILE] = &hf_lock_git,
		[HF_OPT_GIT_FREEZE - HF_OPT_FILE] = &hf_lock_git_freeze,
	};
	struct hf_lock_cli *locks = option->context;

	switch (option->id) {
	case 's':
		locks->mode = HF_LOCK_SHARED;
		break;
	case 'x':
	case 'e':
		locks->mode = HF_LOCK_EXCLUSIVE;
		break;
	case HF_OPT_START:
		set_size(cli, locks, &locks->start, arg);
		break;
	case HF_OPT_LENGTH:
		set_size(cli, locks, &locks->length, arg);
		break;
	default:
		if (locks->slots && option->id != HF_OPT_FILE)
			hf_cli_usage(cli, "--slots is for lock files, not for %s", cli->option);
		add(locks, kinds[option->id - HF_OPT_FILE], arg);
	}
}

void hf_lock_cli_check(struct hf_cli *cli, const struct hf_lock_cli *locks)
{
	int slotted = 0;

	for (size_t i = 0; i < locks->count; i++)
		slotted += locks->specs[i].slots > 0;
	if (locks->slots)
		hf_cli_usage(cli, "--slots without a lock file after it");
	if (slotted > 1)
		hf_cli_usage(cli, "only one lock can have --slots");
	if (slotted && locks->range)
		hf_cli_usage(cli, "--slots and --fcntl exclude each other");
}

enum hf_status hf_lock_cli_acquire(struct hf_lock_cli *locks, struct hf_lockset *set,
				   const struct hf_wait *wait, struct hf_err *err)
{
	for (size_t i = 0; i < locks->count; i++) {
		struct hf_lock_spec *spec = &locks->specs[i];
		const struct hf_lock_ops *ops = spec->ops      ? spec->ops
						: spec->slots  ? &hf_lock_slots
						: locks->range ? &hf_lock_range
							       : &hf_lock_file;
		struct hf_lock *lock = hf_lockset_add(set, ops, spec->path, spec->mode, err);

		if (!lock)
			return err->status;
		spec->lock = lock;
		if (ops == &hf_lock_range)
			hf_lock_range_set(lock, locks->start, locks->length);
		if (ops != &hf_lock_slots)
			continue;
		hf_lock_slots_set(lock, spec->slots);
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
			hf_dot_touch(t->locks->specs[i].lock);
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
	hf_close(t.timer);
	for (size_t i = 0; i < locks->count; i++) {
		if (!locks->specs[i].lock)
			continue;
		if (hf_dot_lost(locks->specs[i].lock))
			hf_cli_notice(
				cli,
				"dotlock '%s' was lost: another program removed or replaced it",
				locks->specs[i].path);
		if (hf_sqlite_thawed(locks->specs[i].lock))
			hf_cli_notice(cli, "'%s' was thawed: the process that froze it was killed",
				      locks->specs[i].path);
	}
	return status;
}

static bool has_kind(const struct hf_lock_cli *locks, const struct hf_lock_ops *ops)
{
	for (size_t i = 0; i < locks->count; i++)
		if (locks->specs[i].ops == ops)
			return true;
	return false;
}

bool hf_lock_cli_has_dotlock(const struct hf_lock_cli *locks)
{
	return has_kind(locks, &hf_lock_dot);
}

bool hf_lock_cli_has_frozen(const struct hf_lock_cli *locks)
{
	return has_kind(locks, &hf_lock_git_freeze) || has_kind(locks, &hf_lock_sqlite_freeze);
}

/* Write "descriptor 9, /path" to name; without the path if there is none. */
static void name_descriptor(int fd, char *name, size_t size)
{
	int length = snprintf(name, size, "descriptor %d", fd);
	char link[32];
	ssize_t path_size;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	path_size = readlink(link, name + length + 2, size - (size_t)length - 3);
	if (path_size <= 0 || name[length + 2] != '/')
		return;
	memcpy(name + length, ", ", 2);
	name[length + 2 + path_size] = '\0';
}

enum hf_status hf_lock_cli_descriptor(const struct hf_lock_cli *locks, int fd, bool unlock,
				      const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_lock_mode mode = locks->mode;
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
		if (locks->specs[i].ops)
			hf_cli_usage(cli, "--remove is for lock files, not for a turnstile");
		else if (stat(locks->specs[i].path, &st) == 0 && !S_ISREG(st.st_mode))
			hf_cli_usage(cli, "--remove: '%s' is not a regular file",
				     locks->specs[i].path);
}

void hf_lock_cli_remove(const struct hf_cli *cli, const struct hf_lock_cli *locks)
{
	struct hf_err err;

	for (size_t i = 0; i < locks->count; i++) {
		enum hf_status status = hf_lock_file_remove(locks->specs[i].path, &err);

		if (status != HF_OK && status != HF_NO)
			hf_cli_report(cli, &err);
	}
}
