/* SPDX-License-Identifier: ISC */
#include "fate.h"

#include <errno.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "sys.h"

static enum hf_status read_failed(const struct hf_record_file *f, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot read '%s'", f->path);
}

/* Is the file, up to where it ended before, what it was? */
static enum hf_status begins_as_before(const struct hf_record_file *f, bool *is, struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;
	char piece[64 * 1024], hex[65];
	int64_t left = plan->old_size;
	SHA2_CTX sha;

	*is = !plan->old[0];
	if (*is || f->st.st_size < plan->old_size)
		return HF_OK;
	SHA256Init(&sha);
	while (left > 0) {
		size_t most = left < (int64_t)sizeof(piece) ? (size_t)left : sizeof(piece);
		ssize_t n = sys_pread(f->fd, piece, most, plan->old_size - left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? read_failed(f, err) : HF_OK;
		SHA256Update(&sha, (const uint8_t *)piece, (size_t)n);
		left -= n;
	}
	*is = strcmp(SHA256End(&sha, hex), plan->old) == 0;
	return HF_OK;
}

/* Is the record in the file: at this place, or (at < 0) anywhere? */
static enum hf_status has_record(const struct hf_record_file *f, int64_t at, bool *has,
				 struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;
	size_t size = (size_t)f->st.st_size;
	char *bytes;

	*has = false;
	if (size < plan->size || (at >= 0 && at > (int64_t)(size - plan->size)) || !plan->size)
		return HF_OK;
	bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, f->fd, 0);
	if (bytes == MAP_FAILED)
		return read_failed(f, err);
	*has = at >= 0 ? memcmp(bytes + at, plan->content, plan->size) == 0
		       : memmem(bytes, size, plan->content, plan->size) != NULL;
	munmap(bytes, size);
	return HF_OK;
}

/* *correct: the intent must say first what is there now. V4 */
static enum hf_status judge_append(const struct hf_hold *hold, const struct hf_record_file *f,
				   enum hf_fate *fate, bool *correct, struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;
	bool as_before, has = false;
	enum hf_status status;

	*fate = HF_TO_DO;
	if (!f->present) {
		*correct = plan->old[0];
		if (*correct)
			hf_hold_say(hold, "'%s' was removed meanwhile; it is made anew", f->path);
		return HF_OK;
	}
	status = begins_as_before(f, &as_before, err);
	if (status == HF_OK)
		status = has_record(f, as_before ? plan->old_size : -1, &has, err);
	if (status != HF_OK)
		return status;
	if (has)
		*fate = HF_IS_DONE;
	*correct = !has && !(as_before && plan->old[0] && f->st.st_size == plan->old_size);
	if (!as_before)
		hf_hold_say(hold, "'%s' was rewritten meanwhile; it %s the record", f->path,
			    has ? "has" : "gets");
	return HF_OK;
}

enum hf_status hf_fate_judge(const struct hf_hold *hold, const struct hf_record_file *f,
			     const char found[65], enum hf_fate *fate, bool *correct,
			     struct hf_err *err)
{
	const struct hf_intent_file *plan = f->plan;

	*correct = false;
	*fate = HF_IS_DONE;
	if (plan->op == HF_RECORD_APPEND)
		return judge_append(hold, f, fate, correct, err);
	if (strcmp(found, plan->fresh) == 0 && (*found || plan->op != HF_RECORD_SNAPSHOT))
		return HF_OK;
	*fate = strcmp(found, plan->old) == 0 ? HF_TO_DO : HF_STAYS;
	/* how the image is known again: it is made now */
	*correct = plan->op == HF_RECORD_SNAPSHOT && *fate == HF_TO_DO;
	return HF_OK;
}
