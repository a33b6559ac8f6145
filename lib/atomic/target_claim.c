/* SPDX-License-Identifier: ISC */
#include "atomic/target_claim.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/copy.h"
#include "atomic/target_lock.h"
#include "atomic/target_check.h"
#include "spool/append_recovery.h"
#include "base/sys.h"

#define ABSENT "absent"

enum hf_status hf_target_rules_check(const struct hf_target_rules *rules, struct hf_err *err)
{
	const char *match = rules->if_match;

	if (!match || strcmp(match, ABSENT) == 0 ||
	    (strlen(match) == 64 && strspn(match, "0123456789abcdefABCDEF") == 64))
		return HF_OK;
	return hf_fail(err, HF_USAGE, "'%s' is neither a SHA-256 nor '" ABSENT "'", match);
}

static enum hf_status fail_if_match(const struct hf_target *target, const char *how,
				    const char *what, struct hf_err *err)
{
	hf_fail(err, HF_NO, "'%s' has changed: %s%s", target->path, how, what);
	hf_advise(err, "nothing was done: read it again, and decide again");
	return HF_NO;
}

static enum hf_status check_if_match(const struct hf_target_claim *claim,
				     const struct hf_target *target, const char *wanted,
				     struct hf_err *err)
{
	enum hf_status status;
	char hex[65];

	if (!wanted)
		return HF_OK;
	if (strcmp(wanted, ABSENT) == 0)
		return claim->present ? fail_if_match(target, "it is there", "", err) : HF_OK;
	if (!claim->present || claim->is_link)
		return fail_if_match(target, "it is ", claim->present ? "a symbolic link" : ABSENT,
				     err);
	status = hf_sha256(claim->fd, hex, target->path, err);
	if (status != HF_OK || strcasecmp(hex, wanted) == 0)
		return status;
	return fail_if_match(target, "its SHA-256 is ", hex, err);
}

enum hf_status hf_target_claim_check(const struct hf_target_claim *claim,
				     const struct hf_target *target,
				     const struct hf_target_rules *rules, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (claim->present && !claim->is_link)
		status = hf_target_check(target, claim->fd, &claim->st, rules->hard_links,
					 rules->backup, err);
	return status == HF_OK ? check_if_match(claim, target, rules->if_match, err) : status;
}

static bool is_symbolic_link(struct hf_target_claim *claim, const struct hf_target *target)
{
	return sys_fstatat(target->dir, target->name, &claim->st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISLNK(claim->st.st_mode);
}

enum hf_status hf_target_claim_peek(struct hf_target_claim *claim, const struct hf_target *target,
				    const struct hf_target_rules *rules, struct hf_err *err)
{
	*claim = (struct hf_target_claim){.fd = -1};
	if (sys_fstatat(target->dir, target->name, &claim->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? HF_OK
				       : hf_fail_errno(err, "cannot look at '%s'", target->path);
	claim->present = true;
	claim->is_link = rules->links && S_ISLNK(claim->st.st_mode);
	return claim->is_link ? HF_OK : hf_target_check_kind(target, &claim->st, err);
}

enum hf_status hf_claim_settle(const struct hf_target_claim *claim, const struct hf_target *target,
			       const struct hf_target_rules *rules, const struct hf_wait *wait,
			       struct hf_err *err)
{
	enum hf_status status =
		HF_WITHOUT(settle)
			? HF_OK
			: hf_append_recover(target, claim->present ? &claim->st : NULL, wait, err);

	return status == HF_NOPERM && !rules->keeps_old ? HF_OK : status;
}

enum hf_status hf_target_claim_acquire(struct hf_target_claim *claim,
				       const struct hf_target *target,
				       const struct hf_target_rules *rules,
				       const struct hf_wait *wait, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	*claim = (struct hf_target_claim){.fd = -1, .present = true};
	claim->is_link = rules->links && is_symbolic_link(claim, target);
	if (!claim->is_link)
		status = hf_target_lock(target, wait, &claim->fd, &claim->st, err);
	if (status == HF_NOINPUT) {
		claim->present = false;
		status = HF_OK;
	}
	if (status == HF_OK && !claim->is_link)
		status = hf_claim_settle(claim, target, rules, wait, err);
	if (status == HF_OK)
		status = hf_target_claim_check(claim, target, rules, err);
	if (status != HF_OK && claim->fd >= 0) {
		sys_close(claim->fd);
		claim->fd = -1;
	}
	return status;
}
