/* SPDX-License-Identifier: ISC */
#include "atomic/target_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "atomic/backup.h"
#include "atomic/sqlite_live.h"
#include "atomic/target_lock.h"
#include "base/copy.h"
#include "base/sys.h"
#include "spool/append_recovery.h"

#define ABSENT "absent"

enum hf_status hf_target_rules_check(const struct hf_target *target,
				     const struct hf_target_rules *rules, struct hf_err *err)
{
	const char *match = rules->if_match;

	if (match && strcmp(match, ABSENT) != 0 &&
	    (strlen(match) != 64 || strspn(match, "0123456789abcdefABCDEF") != 64))
		return hf_fail(err, HF_USAGE, "'%s' is neither a SHA-256 nor '" ABSENT "'", match);
	return rules->backup ? hf_backup_check(target, rules->backup, err) : HF_OK;
}

/* ---- what must not be replaced --------------------------------------------------------------- */

static const char *describe_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
	case S_IFCHR:
		return "a device";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "not a regular file";
	}
}

static enum hf_status check_kind(const struct hf_target *target, const struct stat *st,
				 struct hf_err *err)
{
	if (S_ISREG(st->st_mode))
		return HF_OK;
	return hf_fail(err, HF_DATA, "refusing to replace '%s': it is %s", target->path,
		       describe_kind(st->st_mode));
}

/* FUSE and NFS cache the link count for a while. After a replacement it often is the two names that
 * a temporary file had for a moment. So ask the file system itself. */
static unsigned long count_names(int fd, const struct stat *st)
{
	struct statx now;

	if (st->st_nlink > 1 &&
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_NLINK, &now) == 0 &&
	    now.stx_mask & STATX_NLINK)
		return now.stx_nlink;
	return (unsigned long)st->st_nlink;
}

static enum hf_status check_names(const struct hf_target_claim *claim,
				  const struct hf_target *target, const char *backup,
				  struct hf_err *err)
{
	unsigned long names = count_names(claim->fd, &claim->st);

	if (names <= 1 || hf_backup_explains(target, &claim->st, backup))
		return HF_OK;
	hf_fail(err, HF_DATA, "refusing to replace '%s': it has %lu hard links", target->path,
		names);
	if (hf_backup_explains(target, &claim->st, "~"))
		hf_advise(err,
			  "one is '%s~', as a backup that was interrupted leaves it: "
			  "'atomic-write -b' goes on from there",
			  target->path);
	hf_advise(err, "the other names would keep the old content; atomic-write and its like "
		       "have --break-links to accept that");
	return HF_DATA;
}

static enum hf_status check_file(const struct hf_target_claim *claim,
				 const struct hf_target *target,
				 const struct hf_target_rules *rules, struct hf_err *err)
{
	char why[400];
	enum hf_status status = check_kind(target, &claim->st, err);

	if (status == HF_OK && !rules->hard_links)
		status = check_names(claim, target, rules->backup, err);
	if (status != HF_OK || !hf_sqlite_live(target, claim->fd, &claim->st, why, sizeof(why)))
		return status;
	hf_fail(err, HF_DATA, "refusing to replace '%s': it is a live SQLite database (%s)",
		target->path, why);
	hf_advise(err, "replacing it would corrupt it; use sqlite3's .backup and .restore");
	return HF_DATA;
}

enum hf_status hf_target_check_image(const struct hf_target *target, struct hf_err *err)
{
	const char *beside = hf_sqlite_beside(target);
	struct stat st;
	char why[400];
	bool live;
	int fd;

	if (!beside)
		return HF_OK;
	fd = sys_openat(target->dir, target->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	live = fd >= 0 && sys_fstat(fd, &st) == 0 &&
	       hf_sqlite_live(target, fd, &st, why, sizeof(why));
	hf_close(fd);
	if (live)
		return HF_OK;
	hf_fail(err, HF_DATA,
		"refusing to put a database at '%s': it has the %s file of another database",
		target->path, beside);
	hf_advise(err, "SQLite would read it into the new database; remove it if it is not needed");
	return HF_DATA;
}

/* ---- --if-match ------------------------------------------------------------------------------ */

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
		return claim->present ? fail_if_match(target, "it exists", "", err) : HF_OK;
	if (!claim->present || claim->is_link)
		return fail_if_match(target, "it is ", claim->present ? "a symbolic link" : ABSENT,
				     err);
	status = hf_sha256(claim->fd, hex, target->path, err);
	if (status != HF_OK || strcasecmp(hex, wanted) == 0)
		return status;
	return fail_if_match(target, "its SHA-256 is ", hex, err);
}

/* ---- claim ----------------------------------------------------------------------------------- */

enum hf_status hf_target_check(const struct hf_target_claim *claim, const struct hf_target *target,
			       const struct hf_target_rules *rules, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	if (claim->present && !claim->is_link)
		status = check_file(claim, target, rules, err);
	return status == HF_OK ? check_if_match(claim, target, rules->if_match, err) : status;
}

enum hf_status hf_target_peek(struct hf_target_claim *claim, const struct hf_target *target,
			      const struct hf_target_rules *rules, struct hf_err *err)
{
	*claim = (struct hf_target_claim){.fd = -1};
	if (sys_fstatat(target->dir, target->name, &claim->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
			       ? HF_OK
			       : hf_fail_errno(err, "cannot read the state of '%s'", target->path);
	claim->present = true;
	claim->is_link = rules->links && S_ISLNK(claim->st.st_mode);
	return claim->is_link ? HF_OK : check_kind(target, &claim->st, err);
}

enum hf_status hf_target_recover(const struct hf_target_claim *claim,
				 const struct hf_target *target,
				 const struct hf_target_rules *rules, const struct hf_wait *wait,
				 struct hf_err *err)
{
	enum hf_status status =
		HF_WITHOUT(settle)
			? HF_OK
			: hf_append_recover(target, claim->present ? &claim->st : NULL, wait, err);

	return status == HF_NOPERM && !rules->keeps_old ? HF_OK : status;
}

enum hf_status hf_target_claim(struct hf_target_claim *claim, const struct hf_target *target,
			       const struct hf_target_rules *rules, const struct hf_wait *wait,
			       struct hf_err *err)
{
	enum hf_status status = HF_OK;

	*claim = (struct hf_target_claim){.fd = -1, .present = true};
	claim->is_link =
		rules->links &&
		sys_fstatat(target->dir, target->name, &claim->st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISLNK(claim->st.st_mode);
	if (!claim->is_link)
		status = hf_target_lock(target, wait, &claim->fd, &claim->st, err);
	if (status == HF_NOINPUT) {
		claim->present = false;
		status = HF_OK;
	}
	if (status == HF_OK && !claim->is_link)
		status = hf_target_recover(claim, target, rules, wait, err);
	if (status == HF_OK)
		status = hf_target_check(claim, target, rules, err);
	if (status != HF_OK) {
		hf_close(claim->fd);
		claim->fd = -1;
	}
	return status;
}
