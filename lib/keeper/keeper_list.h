/* SPDX-License-Identifier: ISC */
#ifndef HF_KEEPER_LIST_H
#define HF_KEEPER_LIST_H

/*
 * List the keepers of this PID namespace, and the process for which each one holds locks.
 *
 *	hf_keepers_read_ours(&keepers);
 *	for each entry: hf_keeper_is_believed(&entry)
 *	hf_keepers_free(&keepers);
 *
 * The list comes from /proc/net/unix and /proc/PID/cmdline and proves nothing by itself (keeper/Y1
 * to Y3 in README.md). Entries that cannot be read are left out; a listing ends after 200 ms. Never
 * blocks. Thread-safe; not async-signal-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The first word of a keeper's title: the tool that starts it. */
#define HF_KEEPER_TOOL "lock-acquire"

struct hf_keeper_entry {
	pid_t pid, owner; /* owner: from its title */
	uint64_t start;
	enum { HF_KEEPER_UNASKED, HF_KEEPER_BELIEVED, HF_KEEPER_DOUBTED } word;
};
struct hf_keepers {
	struct hf_keeper_entry *at;
	size_t count;
};

/* List all keepers that have an owner; the second function only those whose owner is this process
 * or an ancestor of it. */
void hf_keepers_read(struct hf_keepers *keepers);
void hf_keepers_read_ours(struct hf_keepers *keepers);
void hf_keepers_free(struct hf_keepers *keepers);

/* Return true if the keeper is believed (keeper/Y2). The result is stored in word. */
bool hf_keeper_is_believed(struct hf_keeper_entry *keeper);

/* Return the owner that the title of pid names; 0 if it names none, is cut off, or pid is not a
 * keeper. */
pid_t hf_keeper_title(pid_t pid);

/* Return true if pid runs as this user. */
bool hf_keeper_is_of(uid_t uid, pid_t pid);

/* Return true if a keeper of this user is believed about that owner (keeper/Y2). */
bool hf_keeper_may_say(uid_t uid, pid_t owner);

#endif
