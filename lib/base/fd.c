/* SPDX-License-Identifier: ISC */
#include <holdfast/fd.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include <holdfast/path.h>

/* Return the flock(2) lock of fd; HF_HELD_NONE also if it holds other locks only. *any: it holds
 * some lock. */
static enum hf_held read_locks(int fd, bool *any)
{
	char path[40], line[256];
	enum hf_held held = HF_HELD_NONE;
	FILE *f;

	*any = false;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT && access("/proc/self/fdinfo", F_OK) == 0 ? HF_HELD_NONE
										 : HF_HELD_UNKNOWN;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "lock:", 5) != 0)
			continue;
		*any = true;
		if (strstr(line, " FLOCK "))
			held = strstr(line, " WRITE ") ? HF_HELD_EXCLUSIVE : HF_HELD_SHARED;
	}
	fclose(f);
	return held;
}

enum hf_held hf_fd_held(int fd)
{
	bool any;

	return read_locks(fd, &any);
}

bool hf_fd_locks(int fd)
{
	bool any;

	return read_locks(fd, &any) == HF_HELD_UNKNOWN || any;
}

/* Return what fd holds, if it is open on this inode. */
static enum hf_held held_on(int fd, const struct stat *inode)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !hf_same_inode(&st, inode))
		return HF_HELD_NONE;
	return hf_fd_held(fd);
}

/* Return where to continue after the next descriptor in the list; NULL at the end, or if
 * malformed. */
static const char *next_named(const char *s, int *fd)
{
	char *end;
	long n;

	if (!s || !*s)
		return NULL;
	n = strtol(s, &end, 10);
	if (end == s || n < 0 || n > 1 << 20 || (*end && *end != ','))
		return NULL;
	*fd = (int)n;
	return *end ? end + 1 : end;
}

enum hf_held hf_fd_inherited(const struct stat *inode, int *fd)
{
	enum hf_held best = HF_HELD_NONE;
	const char *s = getenv(HF_FD_ENV);
	int candidate;

	while ((s = next_named(s, &candidate))) {
		enum hf_held held = held_on(candidate, inode);

		if (held > best) {
			best = held;
			*fd = candidate;
		}
	}
	return best;
}

void hf_fd_inherited_each(bool (*each)(void *context, int fd), void *context)
{
	const char *s = getenv(HF_FD_ENV);
	int fd;

	while ((s = next_named(s, &fd))) {
		enum hf_held held = hf_fd_held(fd);

		/* a close-on-exec descriptor was not inherited */
		if ((held == HF_HELD_SHARED || held == HF_HELD_EXCLUSIVE) &&
		    !(fcntl(fd, F_GETFD) & FD_CLOEXEC) && !each(context, fd))
			return;
	}
}

int hf_fd_high(int fd)
{
	static const int bases[] = {HF_FD_BASE, 10}; /* a shell's own redirections end at 9 */
	int high = -1;

	for (size_t i = 0; high < 0 && i < sizeof(bases) / sizeof(bases[0]); i++) {
		high = fcntl(fd, F_DUPFD_CLOEXEC, bases[i]);
		if (high < 0 && errno != EINVAL && errno != EMFILE)
			return -1;
	}
	if (high < 0)
		return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
	sys_close(fd);
	return high;
}

/* Return true if the list contains this descriptor. */
static bool is_named(const char *list, int wanted)
{
	int fd;

	while ((list = next_named(list, &fd)))
		if (fd == wanted)
			return true;
	return false;
}

enum hf_status hf_fd_export(const int *fds, size_t count, struct hf_err *err)
{
	char list[1024] = "";
	size_t used = 0;
	const char *s = getenv(HF_FD_ENV);
	int fd;

	while ((s = next_named(s, &fd))) {
		if (hf_fd_locks(fd) && used < sizeof(list) - 16 && !is_named(list, fd))
			used += (size_t)sprintf(list + used, "%s%d", used ? "," : "", fd);
	}
	for (size_t i = 0; i < count; i++) {
		if (used >= sizeof(list) - 16)
			return hf_fail(err, HF_OS, "too many locks are inherited to be named in %s",
				       HF_FD_ENV);
		if (!is_named(list, fds[i]))
			used += (size_t)sprintf(list + used, "%s%d", used ? "," : "", fds[i]);
	}
	if ((used ? setenv(HF_FD_ENV, list, 1) : unsetenv(HF_FD_ENV)) < 0)
		return hf_fail_errno(err, "cannot set %s", HF_FD_ENV);
	return HF_OK;
}
