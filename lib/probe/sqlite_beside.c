/* SPDX-License-Identifier: ISC */
#include "probe/sqlite_beside.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"

static const char *const suffixes[] = {"-journal", "-wal", "-shm"};

enum { COUNT = sizeof(suffixes) / sizeof(suffixes[0]) };

const char *hf_sqlite_suffix(const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < COUNT; i++) {
		size_t n = strlen(suffixes[i]);

		if (size > n && strcmp(name + size - n, suffixes[i]) == 0)
			return name + size - n;
	}
	return NULL;
}

const char *hf_sqlite_distrusts(struct hf_trust *trust, int fd, const struct stat *st)
{
	if (HF_WITHOUT(sqlite_beside) && S_ISREG(st->st_mode))
		return NULL;
	return hf_side_distrusts(trust, fd, st);
}

int hf_sqlite_open_path(int dir, const char *name)
{
	return sys_openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
}

enum hf_status hf_sqlite_refuse_beside(const char *path, const char *name, uid_t owner,
				       const char *why, struct hf_err *err)
{
	char who[HF_USER_SIZE];

	hf_fail(err, HF_NOPERM, "cannot use database '%s': '%s' beside it belongs to %s: %s", path,
		name, hf_user_name(who, owner), why);
	hf_advise(err, "SQLite would write its content to the database: examine it, and remove it");
	hf_advise(err, "keep the database in a directory in which only its users can make files");
	return HF_NOPERM;
}

enum hf_status hf_sqlite_check_beside(const char *path, struct hf_err *err)
{
	char name[NAME_MAX + 16];
	enum hf_status status = HF_OK;
	struct hf_target target;
	struct hf_trust trust;
	struct stat st;
	int db;

	if (hf_target_open(&target, path, HF_TARGET_NO_SYNC | HF_TARGET_ANY_NAME, NULL) != HF_OK)
		return HF_OK;
	db = hf_sqlite_open_path(target.dir, target.name);
	hf_trust_init(&trust, &target, db);
	for (size_t i = 0; i < COUNT && status == HF_OK; i++) {
		const char *why;
		int fd;

		snprintf(name, sizeof(name), "%s%s", target.name, suffixes[i]);
		fd = hf_sqlite_open_path(target.dir, name);
		if (fd < 0)
			continue;
		why = sys_fstat(fd, &st) == 0 ? hf_sqlite_distrusts(&trust, fd, &st) : NULL;
		if (why)
			status = hf_sqlite_refuse_beside(path, name, st.st_uid, why, err);
		sys_close(fd);
	}
	hf_close(db);
	hf_target_close(&target);
	return status;
}
