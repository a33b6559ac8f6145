/* SPDX-License-Identifier: ISC */
#include "base/process_id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/proc_text.h"
#include <holdfast/proc.h>

/* Return the inode of a namespace from the link "pid:[4026531836]"; a stat would create the inode
 * first. */
static uint64_t namespace_of(const char *path)
{
	char text[64];
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	uint64_t inode;

	if (n < 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*[a-z_]:[%" SCNu64 "]", &inode) == 1 ? inode : 0;
}

uint64_t hf_process_id_pidns(void)
{
	return namespace_of("/proc/self/ns/pid");
}

void hf_process_id_self(struct hf_process_id *ident)
{
	struct hf_proc self;

	*ident = (struct hf_process_id){.pid = getpid()};
	gethostname(ident->host, sizeof(ident->host) - 1);
	if (hf_proc_text(ident->boot, HF_BOOT_SIZE, "/proc/sys/kernel/random/boot_id") !=
	    HF_BOOT_SIZE - 1)
		ident->boot[0] = '\0';
	if (!hf_proc_read_self(&self))
		return;
	ident->start = self.start;
	ident->pidns = hf_process_id_pidns();
	ident->timens = namespace_of("/proc/self/ns/time");
}

bool hf_process_id_same_boot(const struct hf_process_id *a, const struct hf_process_id *b)
{
	return a->boot[0] && strcmp(a->boot, b->boot) == 0;
}

bool hf_process_id_same_host(const struct hf_process_id *a, const struct hf_process_id *b)
{
	return a->host[0] && strcmp(a->host, b->host) == 0;
}

bool hf_process_id_same_pidns(const struct hf_process_id *a, const struct hf_process_id *b)
{
	return a->pidns && a->pidns == b->pidns;
}

bool hf_process_id_same_clock(const struct hf_process_id *a, const struct hf_process_id *b)
{
	return a->timens == b->timens;
}
