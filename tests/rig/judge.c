/* SPDX-License-Identifier: ISC */
#include "rig.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool same(struct rig_bytes a, struct rig_bytes b)
{
	return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static struct rig_bytes joined(struct rig_bytes a, struct rig_bytes b)
{
	struct rig_bytes both = {malloc(a.size + b.size + 1), a.size + b.size};

	if (!both.data)
		rig_die("no memory");
	memcpy(both.data, a.data, a.size);
	memcpy(both.data + a.size, b.data, b.size);
	return both;
}

static struct rig_bytes new_content(const struct rig_scenario *s)
{
	return joined(s->kind == RIG_REPLACE ? (struct rig_bytes){"", 0} : s->old, s->fresh);
}

/* Is it the old content and a part of `whole`, which begins with that too? */
static bool is_part(const struct rig_scenario *s, struct rig_bytes content, struct rig_bytes whole)
{
	if (content.size < s->old.size || content.size > whole.size)
		return false;
	for (size_t i = 0; i < content.size; i++)
		if (content.data[i] != whole.data[i] &&
		    (!s->nuls || i < s->old.size || content.data[i] != '\0'))
			return false;
	if (s->kind == RIG_IN_PLACE)
		return true;
	return s->kind == RIG_LINES && content.size && content.data[content.size - 1] == '\n';
}

static bool is_left(const struct rig_scenario *s, struct rig_bytes content)
{
	struct rig_bytes whole = joined(s->old, s->left);
	bool yes = s->left.size && is_part(s, content, whole);

	free(whole.data);
	return yes;
}

/* Where content stops being `wanted`, for the reader of a report. */
static void describe(struct rig_sight *sight, struct rig_bytes wanted)
{
	struct rig_bytes c = sight->content;
	size_t at = 0, nul = 0;

	while (at < c.size && at < wanted.size && c.data[at] == wanted.data[at])
		at++;
	for (size_t i = 0; i < c.size; i++)
		nul += c.data[i] == '\0';
	snprintf(sight->note, sizeof(sight->note),
		 "neither old nor new: %zu bytes, %zu of them NUL, new for the first %zu of %zu",
		 c.size, nul, at, wanted.size);
}

void rig_look(const struct rig_scenario *s, const char *dir, struct rig_sight *sight)
{
	struct rig_bytes fresh = new_content(s);
	char path[PATH_MAX];
	struct stat st;

	memset(sight, 0, sizeof(*sight));
	sight->state = RIG_OTHER;
	if (!rig_try_slurp(rig_target(s, dir, path), &sight->content)) {
		sight->content = (struct rig_bytes){strdup(""), 0};
		sight->state = s->absent ? RIG_OLD : RIG_OTHER;
		if (!s->absent)
			snprintf(sight->note, sizeof(sight->note), "the file is gone");
		goto out;
	}
	if (!s->absent && same(sight->content, s->old))
		sight->state = RIG_OLD;
	else if (same(sight->content, fresh))
		sight->state = RIG_NEW;
	else if (is_part(s, sight->content, fresh) || is_left(s, sight->content))
		sight->state = RIG_PART;
	else
		describe(sight, fresh);
	if (sight->state != RIG_OTHER && stat(path, &st) == 0 &&
	    (st.st_mode & 07777) != (s->absent ? RIG_NEW_MODE : RIG_OLD_MODE)) {
		sight->state = RIG_OTHER;
		snprintf(sight->note, sizeof(sight->note), "mode %o", st.st_mode & 07777);
	}
	if (s->link && (lstat(rig_join(path, dir, "f", NULL), &st) < 0 || !S_ISLNK(st.st_mode))) {
		sight->state = RIG_OTHER;
		snprintf(sight->note, sizeof(sight->note), "the symbolic link is gone");
	}
out:
	free(fresh.data);
}

static char verdict[1024];

#define COMPLAIN(...) (snprintf(verdict, sizeof(verdict), __VA_ARGS__), verdict)

/* J3 */
static const char *judge_messages(const struct rig_scenario *s, const struct rig_run *run)
{
	const char *line = run->messages;
	size_t len = strlen(s->tool);

	if (run->end != RIG_EXITED || run->mute)
		return NULL;
	if (run->code == 0)
		return *line ? "it succeeded, and was not silent" : NULL;
	if (strncmp(line, s->tool, len) != 0 || strncmp(line + len, ": ", 2) != 0)
		return "it failed without saying 'tool: what'";
	while ((line = strchr(line, '\n')) && *++line)
		if (*line != ' ' && *line != '\t')
			return "its advice is not indented";
	return NULL;
}

static const char *judge_backup(const struct rig_scenario *s, const char *dir, bool must,
				struct rig_bytes before)
{
	char path[PATH_MAX];
	struct rig_bytes backup;
	const char *complaint = NULL;

	if (!s->backup || s->absent)
		return NULL;
	if (!rig_try_slurp(rig_join(path, dir, s->path, s->backup), &backup))
		return must ? "there is no backup" : NULL;
	if (!same(backup, before))
		complaint = "the backup is not the old content";
	free(backup.data);
	return complaint;
}

const char *rig_judge(const struct rig_scenario *s, const char *dir, const struct rig_run *run,
		      const struct rig_sight *sight)
{
	bool done = run->end == RIG_EXITED && (run->code == 0 || run->code == 76);
	const char *complaint;

	if (run->end == RIG_LATE)
		return "it hangs";
	if (sight->state == RIG_OTHER)
		return COMPLAIN("the file is damaged (%s)", sight->note);
	if (done && sight->state != RIG_NEW)
		return COMPLAIN("it exited %d, and the new content is not there", run->code);
	if (run->end == RIG_EXITED && !done) {
		if (sight->state == RIG_NEW && s->kind != RIG_IN_PLACE)
			return COMPLAIN("it exited %d, and yet the new content is there",
					run->code);
		if ((run->code == 70 && !run->mute) || run->code == 125 || run->code > 128)
			return COMPLAIN("it exited %d", run->code);
	}
	complaint = judge_messages(s, run);
	return complaint ? complaint : judge_backup(s, dir, done, s->old);
}

/* The first entry of a directory that is neither name nor its backup, in a static buffer; NULL. */
static const char *extra_entry(const struct rig_scenario *s, const char *dir, const char *name)
{
	static char found[NAME_MAX + 1];
	char backup[NAME_MAX + 1];
	struct dirent *entry;
	bool yes = false;
	DIR *d = opendir(dir);

	if (!d)
		rig_die("cannot read %s: %m", dir);
	snprintf(backup, sizeof(backup), "%s%s", name, s->backup ? s->backup : "");
	while (!yes && (entry = readdir(d))) {
		const char *e = entry->d_name;

		yes = strcmp(e, ".") != 0 && strcmp(e, "..") != 0 && strcmp(e, name) != 0 &&
		      strcmp(e, backup) != 0 &&
		      !(s->link && (strcmp(e, "sub") == 0 || strcmp(e, "f") == 0));
		if (yes)
			strcpy(found, e);
	}
	closedir(d);
	return yes ? found : NULL;
}

/* In every directory from the scenario's to the target's. */
static const char *litter(const struct rig_scenario *s, const char *dir)
{
	char at[PATH_MAX], parts[PATH_MAX];
	const char *found = NULL;
	char *rest;

	snprintf(at, sizeof(at), "%s", dir);
	snprintf(parts, sizeof(parts), "%s", s->path);
	for (char *part = strtok_r(parts, "/", &rest); part && !found;
	     part = strtok_r(NULL, "/", &rest)) {
		found = extra_entry(s, at, part);
		strcat(strcat(at, "/"), part);
	}
	return found;
}

/* What the target may be after the next run. */
static bool is_next(const struct rig_scenario *s, const struct rig_run *run,
		    const struct rig_sight *before, struct rig_bytes content)
{
	bool failed = run->end == RIG_EXITED && run->code != 0 && run->code != 76;
	bool undone = s->kind == RIG_IN_PLACE &&
		      (before->state == RIG_PART ||
		       (before->state == RIG_NEW && (failed || run->end != RIG_EXITED)));
	bool kept = !(s->kind == RIG_IN_PLACE && (before->state == RIG_PART || failed));
	struct rig_bytes a = joined(s->old, s->fresh), b = joined(before->content, s->fresh);
	bool yes = s->kind == RIG_REPLACE
			   ? same(content, s->fresh)
			   : (undone && same(content, a)) || (kept && same(content, b)) ||
				     (before->state == RIG_OLD && same(content, a));

	free(a.data);
	free(b.data);
	return yes;
}

const char *rig_next(const struct rig_scenario *s, const char *dir, const char *rule)
{
	const struct rig_fault fault = {.rule = rule};
	const char *name;
	struct rig_run next;

	rig_start(s, dir, &fault, &next);
	rig_wait(&next, RIG_PATIENCE_MS);
	rig_end(&next);
	if (next.end != RIG_EXITED || next.code != 0)
		return COMPLAIN("the next run %s %d: %.300s",
				next.end == RIG_LATE ? "hangs," : "ended with", next.code,
				next.messages);
	if (next.messages[0])
		return COMPLAIN("the next run was not silent: %.300s", next.messages);
	if ((name = litter(s, dir)))
		return COMPLAIN("the next run left %s", name);
	return NULL;
}

const char *rig_judge_next(const struct rig_scenario *s, const char *dir, const char *rule,
			   const struct rig_run *run, const struct rig_sight *sight)
{
	const char *complaint = rig_next(s, dir, rule);
	struct rig_sight after;

	if (complaint)
		return complaint;
	rig_look(s, dir, &after);
	if (!is_next(s, run, sight, after.content))
		complaint = COMPLAIN("after the next run the content is wrong: %zu bytes, before "
				     "it %zu, old %zu, new %zu",
				     after.content.size, sight->content.size, s->old.size,
				     s->fresh.size);
	else if (sight->content.size || !s->absent)
		complaint = judge_backup(s, dir, true, sight->content);
	free(after.content.data);
	return complaint;
}
