/* SPDX-License-Identifier: ISC */
#include "ident.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc.h"

static uint64_t namespace_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static void read_boot(char boot[HF_BOOT_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd >= 0) {
		n = read(fd, boot, HF_BOOT_SIZE - 1);
		close(fd);
	}
	boot[n == HF_BOOT_SIZE - 1 ? n : 0] = '\0';
}

void hf_ident_self(struct hf_ident *ident)
{
	struct hf_proc self;

	*ident = (struct hf_ident){.pid = getpid()};
	gethostname(ident->host, sizeof(ident->host) - 1);
	read_boot(ident->boot);
	/* another namespace's /proc would show another's start time under our PID */
	if (!hf_proc_mounted() || !hf_proc_read(ident->pid, &self))
		return;
	ident->start = self.start;
	ident->pidns = namespace_of("/proc/self/ns/pid");
	ident->timens = namespace_of("/proc/self/ns/time");
}

bool hf_ident_same_boot(const struct hf_ident *a, const struct hf_ident *b)
{
	return a->boot[0] && strcmp(a->boot, b->boot) == 0;
}

bool hf_ident_same_host(const struct hf_ident *a, const struct hf_ident *b)
{
	return a->host[0] && strcmp(a->host, b->host) == 0;
}

bool hf_ident_same_pidns(const struct hf_ident *a, const struct hf_ident *b)
{
	return a->pidns && a->pidns == b->pidns;
}

bool hf_ident_same_clock(const struct hf_ident *a, const struct hf_ident *b)
{
	return a->timens == b->timens;
}
