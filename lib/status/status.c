/* SPDX-License-Identifier: ISC */
#include "status/status.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "keeper/keeper_client.h"
#include "keeper/keeper_list.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

const char *hf_status_verdict(enum hf_verdict state)
{
	static const char *const verdicts[] = {
		[HF_VERDICT_FREE] = "free: no process has it",
		[HF_VERDICT_HELD] = "held: leave it",
		[HF_VERDICT_STALE] = "stale: lock-break moves it aside",
		[HF_VERDICT_UNKNOWN] = "unknown: counts as held",
	};

	return verdicts[state];
}

const char *hf_via_name(enum hf_via via)
{
	static const char *const names[] = {[HF_VIA_TAKEN] = "taken",
					    [HF_VIA_INHERITED] = "inherited",
					    [HF_VIA_REPORTED] = "reported",
					    [HF_VIA_UNSEEN] = "unseen",
					    [HF_VIA_EVIDENCE] = "evidence"};

	return names[via];
}

const char *hf_status_kind(enum hf_lock_type type)
{
	static const char *const names[] = {
		[HF_LOCK_FLOCK] = "flock", [HF_LOCK_POSIX] = "posix", [HF_LOCK_OFD] = "ofd"};

	return names[type];
}

enum hf_status hf_status_no_memory(struct hf_err *err)
{
	return hf_fail(err, HF_OS, "cannot read the locks: out of memory");
}

enum hf_status hf_status_start(struct hf_lock_status *list, struct hf_err *err)
{
	struct hf_proc proc = {.parent = getpid()};

	*list = (struct hf_lock_status){.rows = NULL};
	if (!hf_lock_table_read(&list->table)) {
		if (errno == ENOMEM)
			return hf_status_no_memory(err);
		if (errno == EMFILE || errno == ENFILE)
			return hf_fail_errno(err, "cannot read the locks");
		hf_fail(err, HF_UNAVAILABLE, "cannot read the locks: /proc is not mounted");
		hf_advise(err, "only /proc shows which process holds a lock");
		return HF_UNAVAILABLE;
	}
	while (list->family_count < HF_ANCESTORS_MAX && hf_proc_read(proc.parent, &proc) &&
	       proc.parent > 0)
		list->family[list->family_count++] = proc.parent;
	return HF_OK;
}

static void free_row(struct hf_status_row *row)
{
	free(row->path);
	free(row->holders);
	free(row->waiters);
	free(row->reasons);
}

void hf_status_free(struct hf_lock_status *list)
{
	for (size_t i = 0; i < list->count; i++)
		free_row(&list->rows[i]);
	free(list->rows);
	hf_lock_table_free(&list->table);
	*list = (struct hf_lock_status){.rows = NULL};
}

struct hf_status_row *hf_status_add(struct hf_lock_status *list, const char *kind, const char *path)
{
	char *copy = path ? strdup(path) : NULL;
	struct hf_status_row *row;

	if ((path && !copy) || !(row = hf_array_add(&list->rows, &list->count, sizeof(*row)))) {
		free(copy);
		return NULL;
	}
	*row = (struct hf_status_row){.kind = kind, .path = copy};
	return row;
}

bool hf_status_reason(struct hf_status_row *row, const char *format, ...)
{
	size_t size = row->reasons ? strlen(row->reasons) : 0;
	char line[1024], *more;
	va_list args;

	va_start(args, format);
	hf_vescape(line, sizeof(line), format, args);
	va_end(args);
	more = realloc(row->reasons, size + strlen(line) + 2);
	if (!more)
		return false;
	sprintf(more + size, "%s\n", line);
	row->reasons = more;
	return true;
}

static bool is_ancestor(const struct hf_lock_status *list, pid_t pid)
{
	for (size_t i = 0; i < list->family_count; i++)
		if (list->family[i] == pid)
			return true;
	return false;
}

static void describe_process(struct hf_lock_process *party)
{
	struct hf_proc proc;

	if (!hf_proc_read(party->pid, &proc))
		return;
	hf_proc_command(party->command, sizeof(party->command), &proc);
	party->since = hf_proc_since(&proc);
}

static bool add_process(struct hf_lock_process **parties, size_t *count,
			const struct hf_lock_table_holder *holding)
{
	struct hf_lock_process *party = hf_array_add(parties, count, sizeof(*party));

	if (!party)
		return false;
	*party = (struct hf_lock_process){.pid = holding->pid,
					  .fd = holding->fd,
					  .via = holding->via,
					  .exclusive = holding->record.exclusive,
					  .start = holding->record.start,
					  .last = holding->record.last};
	describe_process(party);
	return true;
}

bool hf_status_holder(const struct hf_lock_status *list, struct hf_status_row *row, pid_t pid)
{
	struct hf_lock_table_holder holding = {.pid = pid, .fd = -1, .via = HF_VIA_EVIDENCE};

	holding.record = (struct hf_lock_entry){.exclusive = true, .last = INT64_MAX};
	row->mine |= is_ancestor(list, pid);
	return add_process(&row->holders, &row->holder_count, &holding);
}

bool hf_status_judged(const struct hf_lock_status *list, struct hf_status_row *row,
		      const struct hf_evidence *evidence)
{
	bool ok = true;

	row->state = evidence->verdict;
	for (int i = 0; i < evidence->count && ok; i++)
		ok = hf_status_reason(row, "%s", evidence->reason[i]);
	return ok && (evidence->pid <= 0 || hf_status_holder(list, row, evidence->pid));
}

/* Ask the process whether it is a keeper, and for which owner. */
static bool ask_keeper(const struct hf_lock_status *list, struct hf_status_row *row,
		       struct hf_lock_process *party)
{
	struct hf_keeper_answer state;
	char left[32], owner[512];
	struct hf_proc proc;

	if (party->pid <= 0 || !hf_proc_read(party->pid, &proc) ||
	    strcmp(proc.name, HF_KEEPER_TOOL) != 0 ||
	    hf_keeper_ask(party->pid, &state, NULL) != HF_OK)
		return true;
	party->keeps = true;
	party->owner = state.owner;
	party->left = state.left;
	row->taken = row->taken ? row->taken : state.since;
	row->mine |= is_ancestor(list, state.owner);
	if (state.owner && !hf_status_reason(row, "it is held until %s exits",
					     hf_proc_name(owner, sizeof(owner), state.owner)))
		return false;
	return state.left == HF_NEVER ||
	       hf_status_reason(row, "it is held for another %s, unless it is renewed",
				hf_format_duration(left, sizeof(left), state.left));
}

/* Order: the taker first, then the oldest. */
static int compare_processes(const void *left, const void *right)
{
	const struct hf_lock_process *a = left, *b = right;
	bool took = a->via == HF_VIA_TAKEN;

	if (took != (b->via == HF_VIA_TAKEN))
		return took ? -1 : 1;
	if (a->since != b->since)
		return a->since < b->since ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* Add the reasons that the holders do not give. */
static bool add_reasons(struct hf_status_row *row, const struct hf_locked_file *locked)
{
	static const char *const calls[] = {
		[HF_LOCK_FLOCK] = "flock(2)",
		[HF_LOCK_POSIX] = "fcntl(2)",
		[HF_LOCK_OFD] = "fcntl(2), for an open file",
	};
	bool ok = hf_status_reason(row, "it is locked by %s", calls[locked->type]);
	pid_t dead = 0;

	if (!row->holder_count && locked->own)
		return ok && hf_status_reason(row, "by this process itself, which inherited it");
	if (!row->holder_count)
		return ok && hf_status_reason(row, "it is changing hands");
	for (size_t i = 0; i < locked->holder_count && ok; i++) {
		const struct hf_lock_table_holder *h = &locked->holders[i];

		if (h->via == HF_VIA_REPORTED)
			ok = hf_status_reason(
				row, "PID %d took it; its descriptors may not be inspected",
				(int)h->pid);
		else if (h->via == HF_VIA_UNSEEN)
			ok = hf_status_reason(row, "held by a process that you may not see");
		else if (h->via == HF_VIA_INHERITED && h->record.pid > 0 && h->record.pid != dead &&
			 kill(h->record.pid, 0) < 0 && errno == ESRCH)
			ok = hf_status_reason(
				row,
				"PID %d took it and is dead; a process that inherited it holds it",
				(int)(dead = h->record.pid));
	}
	return ok;
}

bool hf_status_fill(const struct hf_lock_status *list, struct hf_status_row *row,
		    const struct hf_locked_file *locked)
{
	bool ok = true;

	row->id = locked->id;
	row->state = HF_VERDICT_HELD;
	row->mine |= locked->own;
	for (size_t i = 0; i < locked->holder_count && ok; i++) {
		row->mine |= is_ancestor(list, locked->holders[i].pid);
		ok = add_process(&row->holders, &row->holder_count, &locked->holders[i]);
	}
	for (size_t i = 0; i < locked->waiter_count && ok; i++)
		ok = add_process(&row->waiters, &row->waiter_count, &locked->waiters[i]);
	if (ok && row->holder_count > 1)
		qsort(row->holders, row->holder_count, sizeof(*row->holders), compare_processes);
	ok = ok && add_reasons(row, locked);
	for (size_t i = 0; i < row->holder_count && ok; i++)
		ok = ask_keeper(list, row, &row->holders[i]);
	return ok;
}
