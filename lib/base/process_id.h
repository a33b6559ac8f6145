/* SPDX-License-Identifier: ISC */
#ifndef HF_PROCESS_ID_H
#define HF_PROCESS_ID_H

/*
 * The identity of a process, to be written to a file, so that another process can find out later
 * whether it still lives.
 *
 * A PID has a meaning only in one PID namespace of one boot of one machine, and is reused: the
 * start time makes it unique. README.md explains the fields. An unknown value is empty or 0 and
 * equals nothing.
 *
 * Never blocks, never fails. Thread-safe; not async-signal-safe.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HF_BOOT_SIZE = 37 };

/* pidns of the first PID namespace, which sees all processes: include/uapi/linux/nsfs.h. */
#define HF_FIRST_PIDNS 0xeffffffcU

struct hf_process_id {
	pid_t pid;
	char host[HOST_NAME_MAX + 1];
	char boot[HF_BOOT_SIZE]; /* "": unknown */
	uint64_t pidns, timens;	 /* 0: unknown */
	uint64_t start;		 /* as in holdfast/proc.h; 0: unknown */
};

/* Return the inode of the PID namespace of this process; 0: unknown. */
uint64_t hf_process_id_pidns(void);

/* Describe this process. */
void hf_process_id_self(struct hf_process_id *ident);

/* Return true if both have the same running kernel; the same host name; the same PID namespace, so
 * that PIDs can be compared; the same time namespace, so that start times can be compared. */
bool hf_process_id_same_boot(const struct hf_process_id *a, const struct hf_process_id *b);
bool hf_process_id_same_host(const struct hf_process_id *a, const struct hf_process_id *b);
bool hf_process_id_same_pidns(const struct hf_process_id *a, const struct hf_process_id *b);
bool hf_process_id_same_clock(const struct hf_process_id *a, const struct hf_process_id *b);

#endif
