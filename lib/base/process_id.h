/* SPDX-License-Identifier: ISC */
#ifndef HF_IDENT_H
#define HF_IDENT_H

/*
 * Who am I? What a process writes down, so that others can tell later whether it still lives.
 *
 * A PID means something only in one PID namespace, of one boot, of one machine; and it is used
 * again, so the process that has it now is the one that was meant only if it started at the same
 * time. A boot id (/proc/sys/kernel/random/boot_id) is random: two kernels never share one, and
 * equal boot ids mean one running kernel, whatever the machine calls itself (each container has a
 * host name of its own). Host names are for what has another boot id: an earlier boot of this
 * machine, or another machine.
 *
 * Namespaces are named by the inodes of /proc/self/ns. The time namespace counts because start
 * times are shown shifted by its offset; where it differs they cannot be compared.
 *
 * What cannot be known (no /proc, or one of another PID namespace) is left empty or 0, and
 * compares equal to nothing. Never blocks, never fails. Thread-safe; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HF_BOOT_SIZE = 37 };

/* pidns of the first PID namespace, which sees all: include/uapi/linux/nsfs.h. */
#define HF_FIRST_PIDNS 0xeffffffcU

struct hf_process_id {
	pid_t pid;
	char host[HOST_NAME_MAX + 1];
	char boot[HF_BOOT_SIZE]; /* "" : not known */
	uint64_t pidns, timens;	 /* 0: not known */
	uint64_t start;		 /* as in holdfast/proc.h; 0: not known */
};

/* The PID namespace of this process; 0: not known. */
uint64_t hf_process_id_pidns(void);

/* This process. */
void hf_process_id_self(struct hf_process_id *ident);

/* One running kernel; one host name on it or another; the PID and the start time mean the same. */
bool hf_process_id_same_boot(const struct hf_process_id *a, const struct hf_process_id *b);
bool hf_process_id_same_host(const struct hf_process_id *a, const struct hf_process_id *b);
bool hf_process_id_same_pidns(const struct hf_process_id *a, const struct hf_process_id *b);
bool hf_process_id_same_clock(const struct hf_process_id *a, const struct hf_process_id *b);

#endif
