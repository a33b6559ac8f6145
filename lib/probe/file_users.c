/* SPDX-License-Identifier: ISC */
#include "probe/file_users.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process_id.h"
#include "probe/proc_locks.h"
#include <holdfast/clock.h>
#include <holdfast/err.h>
#include <holdfast/path.h>
#include <holdfast/proc.h>

enum { SEARCH_MS = 500 };

struct search {
	struct stat file, place, pidns;
	pid_t self;
	bool has_place, has_pidns, files; /* files: inspect the descriptors too */
	pid_t inner;
	struct hf_file_users *found;
};

/* Return true if this descriptor of the file is open for writing or holds a lock. */
static bool is_writer(int dir, const char *number)
{
	char path[NAME_MAX + 16], line[256];
	unsigned int flags = O_RDWR;
	bool locks = false;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "fdinfo/%s", number);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return true;
	}
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "flags: %o", &flags);
		locks |= strncmp(line, "lock:", 5) == 0;
	}
	fclose(f);
	return locks || ((flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH));
}

/* Set *writes if the process has the file open for writing or locked. Return false if the process
 * may not be inspected. */
static bool find_writing_fd(int dir, struct search *s, bool *writes)
{
	int fd = openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	struct stat st;
	DIR *list;

	*writes = false;
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH;
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return false;
	}
	while (!*writes && (entry = readdir(list)))
		if (entry->d_name[0] != '.' && fstatat(fd, entry->d_name, &st, 0) == 0 &&
		    hf_same_inode(&st, &s->file))
			*writes = is_writer(dir, entry->d_name);
	closedir(list);
	return true;
}

/* Return true if the last number after "NSpid:" is the requested PID. Only processes of another
 * namespace are read. */
static bool has_inner_pid(int dir, const struct search *s)
{
	char text[4096], *line, *end;
	struct stat ns;
	ssize_t n;
	int fd;

	if (s->has_pidns && fstatat(dir, "ns/pid", &ns, 0) == 0 && ns.st_ino == s->pidns.st_ino)
		return false;
	fd = openat(dir, "status", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, "\nNSpid:");
	if (!line)
		return false;
	end = strchr(line + 1, '\n');
	if (end)
		*end = '\0';
	line = strrchr(line, '\t');
	/* one number only: a process of this namespace */
	return line && line[-1] != ':' && atoi(line + 1) == s->inner;
}

/* HF_OK: no process has the file open for writing or locked. HF_NO: one has. Other: unknown. */
static enum hf_status test_writers(int fd)
{
	/* up to the mark of a waiter */
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = HF_WAITER_MARK};
	struct stat st;

	if (fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		return HF_NO;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return HF_OK; /* a directory cannot be open for writing */
	/* breaking a lease raises SIGIO by default, which would terminate this process */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)
		return HF_OS;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN ? HF_NO : HF_OS;
	fcntl(fd, F_SETLEASE, F_UNLCK);
	return HF_OK;
}

static void inspect_user(int proc, const char *number, struct search *s)
{
	pid_t pid = atoi(number);
	pid_t shown = hf_proc_shown(pid);
	char name[16];
	struct stat cwd;
	bool writes;
	int dir;

	snprintf(name, sizeof(name), "%d", (int)shown);
	dir = openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		s->found->hidden |= errno != ENOENT && errno != ESRCH;
		return;
	}
	if (s->files) {
		if (!find_writing_fd(dir, s, &writes))
			s->found->hidden = true;
		if (writes)
			s->found->writer = pid;
	}
	if (s->inner && has_inner_pid(dir, s))
		s->found->inner = pid;
	if (s->has_place) {
		bool seen = fstatat(dir, "cwd", &cwd, 0) == 0;

		if (!seen && errno != ENOENT && errno != ESRCH && !hf_proc_is_ancestor(pid))
			s->found->hidden = true;
		if (seen && hf_same_inode(&cwd, &s->place) && !hf_proc_is_ancestor(pid))
			s->found->worker = pid;
	}
	close(dir);
	/* its main thread has exited since */
	s->found->hidden |= hf_proc_shown(pid) != shown;
}

void hf_file_users_find(int fd, int place, pid_t inner, struct hf_file_users *lookers)
{
	struct search s = {.inner = inner, .self = getpid(), .found = lookers};
	int64_t end = hf_now() + SEARCH_MS * HF_MS;
	enum hf_status tested = test_writers(fd);
	struct dirent *entry;
	DIR *proc;

	*lookers = (struct hf_file_users){.written = tested == HF_NO, .hidden = true};
	s.files = tested != HF_OK;
	s.has_place = place >= 0 && fstat(place, &s.place) == 0;
	s.has_pidns = stat("/proc/self/ns/pid", &s.pidns) == 0;
	if (fstat(fd, &s.file) < 0 || !hf_proc_mounted() || !(proc = opendir("/proc")))
		return;
	lookers->hidden =
		!s.has_pidns || s.pidns.st_ino != HF_FIRST_PIDNS || access("/proc/1", F_OK) < 0;
	while (!lookers->writer && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    atoi(entry->d_name) == s.self)
			continue;
		if (hf_now() > end) {
			lookers->hidden = true;
			break;
		}
		inspect_user(dirfd(proc), entry->d_name, &s);
	}
	closedir(proc);
	lookers->written |= lookers->writer > 0;
}
