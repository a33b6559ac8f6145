/* SPDX-License-Identifier: ISC */
#include "keeper/keeper_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/array.h"
#include "base/proc_text.h"
#include "base/process_id.h"
#include "base/sys.h"
#include "keeper/keeper_protocol.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

#define PATIENCE (200 * HF_MS)

enum { MAX_ANCESTORS = 1000 }; /* a longer chain is a cycle of reused PIDs */

pid_t hf_keeper_title(pid_t pid)
{
	char title[64], next = 0;
	int owner = 0;

	hf_proc_text(title, sizeof(title), "/proc/%d/cmdline", (int)pid);
	/* a title that was cut off may end within the number */
	if (sscanf(title, HF_KEEPER_TOOL ", for PID %d%c", &owner, &next) != 2 || next != ' ')
		return 0;
	return owner > 0 ? owner : 0;
}

bool hf_keeper_is_of(uid_t uid, pid_t pid)
{
	char path[32];
	struct stat st;

	/* /proc shows a process that is not dumpable as root's: harmless here */
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) == 0 &&
	       (HF_WITHOUT(keeper_user) ? st.st_uid == uid : hf_same_user(st.st_uid, uid));
}

bool hf_keeper_may_say(uid_t uid, pid_t owner)
{
	return uid == 0 || hf_keeper_is_of(uid, owner);
}

static bool is_listed(const struct hf_keepers *keepers, pid_t pid)
{
	for (size_t i = keepers->count; i-- > 0;)
		if (keepers->at[i].pid == pid)
			return true;
	return false;
}

void hf_keepers_read(struct hf_keepers *keepers)
{
	int64_t end = hf_deadline_in(PATIENCE);
	FILE *names = fopen("/proc/net/unix", "re");
	unsigned long long pidns, start, ours = hf_process_id_pidns();
	bool ok = true;
	char line[256];
	int pid;

	*keepers = (struct hf_keepers){NULL, 0};
	while (names && ok && hf_time_left(end) > 0 && fgets(line, sizeof(line), names)) {
		const char *name = strchr(line, '@');
		struct hf_keeper_entry seen;

		/* a client's connection has the name too */
		if (!name ||
		    sscanf(name, "@holdfast/keeper/%llu/%d/%llu", &pidns, &pid, &start) != 3 ||
		    pidns != ours || pid <= 0 || is_listed(keepers, pid))
			continue;
		seen = (struct hf_keeper_entry){
			.pid = pid, .owner = hf_keeper_title(pid), .start = start};
		ok = !seen.owner ||
		     hf_array_append(&keepers->at, &keepers->count, &seen, sizeof(seen));
	}
	if (names)
		fclose(names);
}

void hf_keepers_read_ours(struct hf_keepers *keepers)
{
	struct hf_proc proc = {.parent = getpid()};
	size_t ours = 0;

	hf_keepers_read(keepers);
	for (int i = 0; i < MAX_ANCESTORS && proc.parent > 0 && ours < keepers->count; i++) {
		for (size_t k = ours; k < keepers->count; k++) {
			const struct hf_keeper_entry other = keepers->at[k];

			if (other.owner != proc.parent)
				continue;
			keepers->at[k] = keepers->at[ours];
			keepers->at[ours++] = other;
		}
		if (!hf_proc_read(proc.parent, &proc))
			break;
	}
	keepers->count = ours;
}

void hf_keepers_free(struct hf_keepers *keepers)
{
	free(keepers->at);
	*keepers = (struct hf_keepers){NULL, 0};
}

static bool confirm_keeper(const struct hf_keeper_entry *keeper)
{
	struct hf_proc proc;
	struct ucred peer;
	int fd = -1;
	bool listens = hf_keeper_reach_process(&fd, hf_process_id_pidns(), keeper->pid,
					       keeper->start, 0, &peer) == HF_OK;

	hf_close(fd);
	return listens && hf_keeper_may_say(peer.uid, keeper->owner) &&
	       hf_proc_read(keeper->pid, &proc) && proc.start == keeper->start;
}

bool hf_keeper_is_believed(struct hf_keeper_entry *keeper)
{
	int saved = errno;

	if (keeper->word == HF_KEEPER_UNASKED)
		keeper->word = confirm_keeper(keeper) ? HF_KEEPER_BELIEVED : HF_KEEPER_DOUBTED;
	errno = saved;
	return keeper->word == HF_KEEPER_BELIEVED;
}
