/* SPDX-License-Identifier: ISC */
#include "sqlite/shm_space.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { MAX_REGIONS = 256, BLOCK = 512 /* of st_blocks */ };

/* Where such a file is mapped, for a signal handler: size 0 is free. */
static struct {
	atomic_uintptr_t at;
	atomic_size_t size;
} regions[MAX_REGIONS];

static volatile sig_atomic_t says = HF_IO;

enum hf_status hf_sql_shm_says(enum hf_status status)
{
	enum hf_status before = (enum hf_status)says;

	says = status;
	return before;
}

static void note_region(void *at, size_t size)
{
	for (size_t i = 0; i < MAX_REGIONS; i++) {
		uintptr_t none = 0;

		if (atomic_compare_exchange_strong(&regions[i].at, &none, (uintptr_t)at)) {
			atomic_store(&regions[i].size, size);
			return;
		}
	}
}

static int unmap(void *at, size_t size)
{
	for (size_t i = 0; i < MAX_REGIONS; i++)
		if (atomic_load(&regions[i].at) == (uintptr_t)at) {
			atomic_store(&regions[i].size, 0);
			atomic_store(&regions[i].at, 0);
		}
	return munmap(at, size);
}

static bool is_lack_of_space(int errnum)
{
	return errnum == ENOSPC || errnum == EDQUOT || errnum == EIO || errnum == EFBIG;
}

/* Fill the holes (sqlite/M1). false with errno. */
static bool fill_holes(void *at, size_t size, int fd, off_t offset)
{
	struct stat st;

	if (HF_WITHOUT(shm_space) || fstat(fd, &st) < 0 ||
	    (off_t)st.st_blocks * BLOCK >= st.st_size)
		return true;
	if (fallocate(fd, 0, offset, (off_t)size) == 0)
		return true;
	if (is_lack_of_space(errno))
		return false;
	/* EINVAL: a kernel before 5.14; EFAULT: it would have been a SIGBUS */
	if (madvise(at, size, MADV_POPULATE_WRITE) == 0 || errno != EFAULT)
		return true;
	errno = ENOSPC;
	return false;
}

static void *map(void *wanted, size_t size, int protection, int flags, int fd, off_t offset)
{
	void *at = mmap(wanted, size, protection, flags, fd, offset);
	int saved;

	if (at == MAP_FAILED || !(protection & PROT_WRITE) || !(flags & MAP_SHARED) || fd < 0)
		return at;
	if (fill_holes(at, size, fd, offset)) {
		note_region(at, size);
		return at;
	}
	saved = errno;
	munmap(at, size);
	errno = saved;
	return MAP_FAILED;
}

static void say(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
}

/* End the process (sqlite/M2). */
static void on_bus_error(int signo, siginfo_t *info, void *context)
{
	uintptr_t where = (uintptr_t)info->si_addr;

	(void)context;
	for (size_t i = 0; i < MAX_REGIONS; i++) {
		uintptr_t at = atomic_load(&regions[i].at);

		if (!at || where < at || where - at >= atomic_load(&regions[i].size))
			continue;
		say(program_invocation_short_name);
		say(": cannot write to a database's -shm file: is the disk full, or failing?\n");
		say(says == HF_UNKNOWN ? "  it is not known whether the change was committed: "
					 "see whether it is in the database\n"
		    : says == HF_UNCERTAIN ? "  what was committed before stays\n"
					   : "  nothing was done\n");
		_exit(says);
	}
	signal(signo, SIG_DFL); /* the instruction is run once more, and kills */
}

void hf_sql_shm_guard(sqlite3_vfs *vfs)
{
	struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, old;

	vfs->xSetSystemCall(vfs, "mmap", (sqlite3_syscall_ptr)map);
	vfs->xSetSystemCall(vfs, "munmap", (sqlite3_syscall_ptr)unmap);
	if (sigaction(SIGBUS, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
	    old.sa_handler == SIG_DFL)
		sigaction(SIGBUS, &action, NULL);
}
