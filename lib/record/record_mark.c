/* SPDX-License-Identifier: ISC */
#include "record/record_mark.h"

#include <errno.h>
#include <inttypes.h>
#include <sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/file_id.h"
#include "atomic/publish.h"
#include "base/side_file.h"
#include "base/tempfile.h"
#include "base/sys.h"

/* ---- names and identities -------------------------------------------------------------------- */

enum hf_status hf_mark_identify(int fd, const char *path, char seen[HF_SEEN_SIZE],
				struct hf_err *err)
{
	struct hf_file_id id = hf_file_id_of(fd);

	*seen = '\0';
	if (fd < 0)
		return HF_OK;
	if (!id.inode)
		return hf_fail_errno(err, "cannot read the state of '%s'", path);
	snprintf(seen, HF_SEEN_SIZE, "%" PRIu64 " %" PRIu32 " %016" PRIx64, id.inode, id.kind,
		 id.witness);
	return HF_OK;
}

/* Parse an identity. A malformed one matches no file. */
static struct hf_file_id parse_identity(const char *seen)
{
	struct hf_file_id id = {.inode = 0};

	if (sscanf(seen, "%" SCNu64 " %" SCNu32 " %" SCNx64, &id.inode, &id.kind, &id.witness) != 3)
		id = (struct hf_file_id){.inode = 0};
	return id;
}

enum hf_same hf_mark_compare(const char *a, const char *b)
{
	struct hf_file_id x = parse_identity(a), y = parse_identity(b);

	return hf_file_id_compare(&x, &y);
}

enum hf_status hf_mark_database(const char *database, char id[HF_MARK_ID], struct hf_err *err)
{
	/* O_PATH: closing any other descriptor of the database would drop SQLite's locks */
	int fd = sys_openat(AT_FDCWD, database, O_PATH | O_CLOEXEC, 0);
	char seen[HF_SEEN_SIZE], hex[65];
	enum hf_status status;
	SHA2_CTX sha;

	if (fd < 0)
		return hf_fail_errno(err, "cannot read the state of '%s'", database);
	status = hf_mark_identify(fd, database, seen, err);
	sys_close(fd);
	if (status != HF_OK)
		return status;
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)seen, strlen(seen));
	SHA256End(&sha, hex);
	snprintf(id, HF_MARK_ID, "%.16s", hex);
	return HF_OK;
}

void hf_mark_name(const char id[HF_MARK_ID], unsigned int slot, char mark[HF_MARK_SIZE])
{
	if (slot)
		snprintf(mark, HF_MARK_SIZE, "%s-%u.record", id, slot);
	else
		snprintf(mark, HF_MARK_SIZE, "%s.record", id);
}

/* ---- there, or not --------------------------------------------------------------------------- */

/* Return true if the mark is the file that FILE was before. The inode number alone does not tell:
 * ext4 gives the number of a removed file to the next one. */
static bool is_old_file(const struct hf_target *target, const char *name, const char *seen)
{
	struct hf_file_id id = hf_file_id_at(target->dir, name), old = parse_identity(seen);

	return *seen && hf_file_id_compare(&id, &old) == HF_SAME_YES;
}

enum hf_status hf_mark_look(const struct hf_target *target, int old, const char *mark,
			    const char *seen, bool *there, struct hf_err *err)
{
	char name[NAME_MAX + 1];
	struct hf_trust trust;
	struct stat st;

	*there = false;
	hf_target_side(target, mark, name);
	if (sys_fstatat(target->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? HF_OK
			       : hf_fail_errno(err, "cannot read the state of '%s' beside '%s'",
					       name, target->path);
	/* record/M6 */
	hf_trust_init(&trust, target, old);
	*there = S_ISREG(st.st_mode) && hf_trusts(&trust, &st);
	if (*there && is_old_file(target, name, seen)) {
		*there = false;
		sys_unlinkat(target->dir, name, 0);
	} else if (!*there)
		hf_notice("ignoring '%s' beside '%s': a user who may not write the file made it",
			  name, target->path);
	return HF_OK;
}

void hf_mark_remove(const struct hf_target *target, const char *mark)
{
	char name[NAME_MAX + 1];
	int saved = errno;

	sys_unlinkat(target->dir, hf_target_side(target, mark, name), 0);
	errno = saved;
}

/* ---- put ------------------------------------------------------------------------------------- */

static enum hf_status fail_mark(const struct hf_target *target, struct hf_err *err)
{
	return hf_fail_errno(err, "cannot append to '%s'", target->path);
}

/* Rename to a name that must be free; HF_NO if it is not. */
static enum hf_status move_free(const struct hf_target *target, const char *from, const char *to,
				struct hf_err *err)
{
	struct stat st;
	int dir = target->dir;

	if (sys_renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return HF_OK;
	if (errno != EINVAL && errno != ENOSYS)
		return errno == EEXIST ? HF_NO : fail_mark(target, err);
	/* NFS and some FUSE do not know the flag. This is the only run with this database. */
	if (sys_fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return HF_NO;
	return sys_renameat2(dir, from, dir, to, 0) == 0 ? HF_OK : fail_mark(target, err);
}

/* Remove a leftover mark (record/M5). HF_NO: this process must not remove it. */
static enum hf_status remove_leftover(const struct hf_target *target, int old, const char *mark,
				      struct hf_err *err)
{
	char name[NAME_MAX + 1];
	bool there;
	enum hf_status status = hf_mark_look(target, old, mark, "", &there, err);

	if (status != HF_OK || !there)
		return status == HF_OK ? HF_NO : status;
	hf_target_side(target, mark, name);
	return sys_unlinkat(target->dir, name, 0) == 0 || errno == ENOENT ? HF_OK : HF_NO;
}

enum hf_status hf_mark_put(const struct hf_target *target, int old, int fd, const char *name,
			   const char *mark, struct hf_err *err)
{
	char wanted[NAME_MAX + 1];
	enum hf_status status;

	hf_target_side(target, mark, wanted);
	/* it becomes FILE later, and stays locked until its record is finished */
	if (sys_flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fail_mark(target, err);
	for (int tries = 0; tries < 2; tries++) {
		status = *name ? move_free(target, name, wanted, err)
			       : hf_tempfile_link(target, fd, wanted, err);
		if (status == HF_NO)
			status = remove_leftover(target, old, mark, err);
		else
			return status;
		if (status != HF_OK)
			return status;
	}
	return HF_NO;
}

/* ---- replace, take --------------------------------------------------------------------------- */

static enum hf_status fail_overtaken(const struct hf_target *target, struct hf_err *err)
{
	errno = EEXIST;
	return hf_fail_errno_as(err, HF_BUSY, "'%s' was changed by another process", target->path);
}

enum hf_status hf_mark_replace(const struct hf_target *target, int fd, const char *name,
			       const char *mark, struct hf_err *err)
{
	char wanted[NAME_MAX + 1], fresh[NAME_MAX + 1];
	enum hf_status status;
	int dir = target->dir;

	hf_target_side(target, mark, wanted);
	snprintf(fresh, sizeof(fresh), "%s", name);
	status = hf_publish_name(target, fd, "tmp", NULL, fresh, err);
	if (status == HF_OK && hf_publish_syncs_late(fd) && hf_publish_fsync(fd) < 0)
		status = fail_mark(target, err);
	if (status != HF_OK)
		return status;
	/* record/M3 */
	if (sys_renameat2(dir, fresh, dir, wanted, RENAME_EXCHANGE) == 0) {
		sys_unlinkat(dir, fresh, 0);
		return HF_OK;
	}
	if ((errno == EINVAL || errno == ENOSYS) && sys_renameat2(dir, fresh, dir, wanted, 0) == 0)
		return HF_OK;
	status = errno == ENOENT ? fail_overtaken(target, err) : fail_mark(target, err);
	sys_unlinkat(dir, fresh, 0);
	return status;
}

/* If the file system cannot rename to a name that must be free: create that name as an empty file,
 * and replace it. A crash in between leaves the empty file, to which recovery appends. */
static enum hf_status create_empty(const struct hf_target *target, const char *name,
				   struct hf_err *err)
{
	int fd = sys_openat(target->dir, target->name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool same;

	if (fd < 0)
		return errno == EEXIST ? fail_overtaken(target, err) : fail_mark(target, err);
	same = sys_flock(fd, LOCK_EX | LOCK_NB) == 0 &&
	       hf_names_inode(target->dir, target->name, fd);
	if (same && sys_renameat2(target->dir, name, target->dir, target->name, 0) < 0)
		same = false;
	sys_close(fd);
	return same ? HF_OK : fail_overtaken(target, err);
}

static enum hf_status create_from_mark(const struct hf_target *target, const char *name,
				       struct hf_err *err)
{
	int dir = target->dir;

	if (sys_renameat2(dir, name, dir, target->name, RENAME_NOREPLACE) == 0)
		return HF_OK;
	if (errno == EINVAL || errno == ENOSYS)
		return create_empty(target, name, err);
	return errno == EEXIST || errno == ENOENT ? fail_overtaken(target, err)
						  : fail_mark(target, err);
}

enum hf_status hf_mark_take(const struct hf_target *target, int fd, const struct stat *old,
			    const char *mark, struct hf_err *err)
{
	char name[NAME_MAX + 1];

	hf_target_side(target, mark, name);
	return old ? hf_publish_exchange(target, fd, name, old, err)
		   : create_from_mark(target, name, err);
}
