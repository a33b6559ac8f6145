/* SPDX-License-Identifier: ISC */
#include "wait/wait_check.h"

#include <stdio.h>
#include <unistd.h>

#include <holdfast/clock.h>

#define MAX_SELDOM (60 * HF_SECOND)

enum { SELDOM = 4 }; /* times as long as the wait so far */

static void fail_held_by_ancestor(const struct hf_wait_check *l,
				  const struct hf_ancestor_lock *owner, struct hf_err *err)
{
	char who[512];

	if (owner->pid == getpid())
		hf_fail(err, HF_USAGE,
			"cannot lock '%s': this command holds it already, by descriptor %d",
			l->path, owner->fd);
	else
		hf_fail(err, HF_USAGE,
			"cannot lock '%s': it is held by this command's own ancestor, %s", l->path,
			hf_proc_describe(who, sizeof(who), owner->pid));
	hf_advise(err, "lock another file here, or release the lock first: this command would wait "
		       "for itself");
}

static void fail_kept(const struct hf_wait_check *l, const struct hf_keeper_loan *kept,
		      struct hf_err *err)
{
	char keeper[300], owner[300];

	hf_fail(err, HF_USAGE,
		"cannot lock '%s': it is held by %s, for this command's own ancestor, %s", l->path,
		hf_proc_name(keeper, sizeof(keeper), kept->keeper),
		hf_proc_name(owner, sizeof(owner), kept->owner));
	hf_advise(err, "lock another file here, or release the lock first (lock-release)");
}

static void fail_deadlock(const struct hf_wait_check *l, struct hf_wait_findings *f,
			  struct hf_err *err)
{
	char text[900] = "";

	hf_deadlock_find(l->fd, &f->records, &f->keepers, &f->family, text, sizeof(text));
	hf_fail(err, HF_BUSY, "cannot lock '%s': deadlock: %s", l->path, text);
	hf_advise(err, "this command is the youngest in the deadlock and ends it: try it again");
	hf_advise(err, "take all the locks by one lock-run, which orders them");
}

static void fail_without_proc(const struct hf_wait_check *l, struct hf_err *err)
{
	hf_fail(err, HF_UNAVAILABLE,
		"cannot wait for '%s' without a limit: /proc is not mounted, and the lock may be "
		"held by "
		"this command's own ancestor",
		l->path);
	hf_advise(err, "mount /proc, or limit the wait with -w");
}

/* Return true if the family holds another lock, for which other processes may wait. */
static bool holds_other(const struct hf_ancestor_locks *family, const struct hf_lock_id *id)
{
	for (size_t i = 0; i < family->count; i++)
		if (!hf_lock_id_equal(&family->at[i].record.id, id))
			return true;
	return false;
}

/* Read everything about the family and all other waiters: the expensive part. */
static void search_deadlock(struct hf_wait_check *l, struct hf_wait_findings *f,
			    const struct hf_lock_id *id)
{
	if (!hf_lock_entries_read(&f->records, HF_FLOCK_ONLY))
		return;
	hf_ancestor_locks_free(&f->family);
	hf_ancestor_locks_read(&f->family, getpid(), &f->records, &f->keepers);
	l->likely = holds_other(&f->family, id);
	f->circle = l->likely && hf_deadlock_find(l->fd, &f->records, &f->keepers, &f->family, NULL,
						  0) == HF_DEADLOCK_VICTIM;
}

/* Check the family. Return false if nothing is visible. */
static bool check_family(struct hf_wait_check *l, struct hf_wait_findings *f,
			 const struct hf_lock_id *id)
{
	if (!hf_ancestor_locks_read(&f->family, getpid(), NULL, &f->keepers))
		return false;
	l->likely = holds_other(&f->family, id);
	return true;
}

/* Check the family, its keepers and, if a deadlock is possible, all other waiters. */
static bool check_deadlock(struct hf_wait_check *l, struct hf_wait_findings *f,
			   const struct hf_lock_id *id)
{
	bool seldom = hf_now() >= l->seldom, was_likely = l->likely;
	int64_t pause;

	if (seldom || was_likely)
		hf_keepers_read(&f->keepers);
	if (!check_family(l, f, id))
		return false;
	if (l->likely && !seldom && !was_likely)
		hf_keepers_read(&f->keepers);
	if (l->likely || was_likely || (seldom && f->family.hidden))
		search_deadlock(l, f, id);
	if (seldom) {
		pause = SELDOM * (hf_now() - l->start);
		l->seldom = hf_now() + (pause < MAX_SELDOM ? pause : MAX_SELDOM);
	}
	return true;
}

bool hf_wait_check(struct hf_wait_check *l, enum hf_wait_what what, struct hf_wait_findings *f)
{
	struct hf_lock_id id;
	struct stat st;

	*f = (struct hf_wait_findings){.forbidden.status = HF_OK};
	if (what == HF_WAIT_ORDER) {
		if (l->forbid)
			l->forbid(l->path, &f->forbidden);
		return true;
	}
	if (!hf_lock_id_of(l->fd, &id) ||
	    !(what == HF_WAIT_SELF ? check_family(l, f, &id) : check_deadlock(l, f, &id))) {
		f->blind = l->unlimited && l->nested && !hf_proc_mounted();
		return false;
	}
	f->owner = hf_ancestor_self_deadlock(&f->family, &id, l->exclusive);
	if (!f->owner && fstat(l->fd, &st) == 0 && hf_keeper_find(&st, &f->kept)) {
		f->lent = l->borrows && f->kept.lends;
		if (!hf_ancestor_waits_for_us(f->kept.owner))
			f->kept.owner = 0;
	}
	return f->family.count > 0;
}

bool hf_wait_must_end(const struct hf_wait_check *l, struct hf_wait_findings *f, struct hf_err *err)
{
	if (f->lent)
		err->status = HF_NO;
	else if (f->owner)
		fail_held_by_ancestor(l, f->owner, err);
	else if (f->kept.owner)
		fail_kept(l, &f->kept, err);
	else if (f->circle)
		fail_deadlock(l, f, err);
	else if (f->blind)
		fail_without_proc(l, err);
	else if (f->forbidden.status != HF_OK)
		*err = f->forbidden;
	else
		return false;
	return true;
}

void hf_wait_check_free(struct hf_wait_findings *f)
{
	hf_ancestor_locks_free(&f->family);
	hf_keepers_free(&f->keepers);
	hf_lock_entries_free(&f->records);
}
