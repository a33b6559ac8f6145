/* SPDX-License-Identifier: ISC */
#include "record/record_reapply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Find whether another process has committed this path since the tip that was seen, and differently
 * from this record. *entry is then the path at the tip, to be put back. */
static enum hf_status is_committed_by_other(struct hf_repo *repo, const struct hf_intent *intent,
					    const struct hf_repo_change *ours, const char *tip,
					    struct hf_repo_change *entry, bool *is,
					    struct hf_err *err)
{
	struct hf_repo_change seen = {.path = ours->path};
	enum hf_status status;

	*is = false;
	*entry = (struct hf_repo_change){.path = ours->path};
	status = hf_repo_entry(repo, tip, entry, err);
	if (status != HF_OK)
		return status;
	/* a tip that no longer exists proves nothing: the present version counts as another's */
	if (!*intent->tip || hf_repo_entry(repo, intent->tip, &seen, NULL) != HF_OK)
		seen.remove = true;
	*is = (entry->remove != seen.remove || strcmp(entry->oid, seen.oid) != 0 ||
	       entry->mode != seen.mode) &&
	      (entry->remove != ours->remove || strcmp(entry->oid, ours->oid) != 0);
	return HF_OK;
}

static enum hf_status put_back(struct hf_repo *repo, const struct hf_intent *intent,
			       const char *commit, const struct hf_repo_change *theirs,
			       size_t count, char result[HF_OID_SIZE], struct hf_err *err)
{
	enum hf_status status;
	char *message;

	if (asprintf(&message, "Keep what was committed after record %.8s\n", intent->id) < 0)
		return hf_fail(err, HF_OS, "cannot make a commit: out of memory");
	status = hf_repo_commit(repo, commit, theirs, count, message, &intent->author,
				&intent->committer, result, err);
	free(message);
	return status;
}

enum hf_status hf_record_reapply(struct hf_repo *repo, const struct hf_intent *intent,
				 const struct hf_repo_change *ours, const char *commit,
				 const char *tip, struct hf_record_file *files,
				 char result[HF_OID_SIZE], struct hf_err *err)
{
	struct hf_repo_change *theirs = calloc(intent->file_count + 1, sizeof(*theirs));
	enum hf_status status = HF_OK;
	size_t count = 0;

	memcpy(result, commit, HF_OID_SIZE);
	if (!theirs)
		return hf_fail(err, HF_OS, "cannot make a commit: out of memory");
	for (size_t i = 0; i < intent->file_count && status == HF_OK; i++) {
		files[i].reapplied = false;
		if (intent->files[i].op == HF_RECORD_APPEND || !*tip)
			continue;
		status = is_committed_by_other(repo, intent, &ours[i], tip, &theirs[count],
					       &files[i].reapplied, err);
		count += files[i].reapplied;
	}
	if (status == HF_OK && count)
		status = put_back(repo, intent, commit, theirs, count, result, err);
	free(theirs);
	return status;
}
