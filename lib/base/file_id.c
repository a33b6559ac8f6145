/* SPDX-License-Identifier: ISC */
#include "base/file_id.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/hash.h"
#include "base/side_file.h"
#include "base/sys.h"

enum { NONE, HANDLE, BIRTH };

/* FUSE uses XFS's types of handles, and makes a new handle after the kernel has dropped a file from
 * its cache. */
enum { TYPE_INO64_GEN = 0x81, TYPE_INO64_GEN_PARENT = 0x82, MAX_HANDLE = 128 };

static bool lasts(int fd, int type)
{
	struct statfs fs;

	if (type != TYPE_INO64_GEN && type != TYPE_INO64_GEN_PARENT)
		return true;
	return fstatfs(fd, &fs) == 0 && fs.f_type != FUSE_SUPER_MAGIC;
}

static bool by_handle(struct hf_file_id *id, int fd)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE];
	} u;
	int mount;

	memset(&u, 0, sizeof(u));
	u.handle.handle_bytes = MAX_HANDLE;
	if (name_to_handle_at(fd, "", &u.handle, &mount, AT_EMPTY_PATH) < 0 ||
	    u.handle.handle_bytes > MAX_HANDLE || !lasts(fd, u.handle.handle_type))
		return false;
	id->witness = hf_hash(HF_HASH_START, &u.handle.handle_type, sizeof(u.handle.handle_type));
	id->witness = hf_hash(id->witness, u.handle.f_handle, u.handle.handle_bytes);
	id->kind = HANDLE;
	return true;
}

static void by_birth(struct hf_file_id *id, int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) < 0 || !(st.stx_mask & STATX_BTIME))
		return;
	id->witness = (uint64_t)st.stx_btime.tv_sec * UINT64_C(1000000000) + st.stx_btime.tv_nsec;
	id->kind = BIRTH;
}

struct hf_file_id hf_file_id_of(int fd)
{
	struct hf_file_id id = {.kind = NONE};
	struct stat st;

	if (fd < 0 || sys_fstat(fd, &st) < 0)
		return id;
	id.inode = st.st_ino;
	if (!HF_WITHOUT(generation) && !by_handle(&id, fd))
		by_birth(&id, fd);
	return id;
}

struct hf_file_id hf_file_id_at(int dir, const char *name)
{
	int fd = sys_openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
	struct hf_file_id id = hf_file_id_of(fd);

	hf_close(fd);
	return id;
}

int hf_file_id_find(const struct hf_target *target, const struct hf_file_id *wanted, int flags)
{
	const int always = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	DIR *dir = hf_side_list(target);
	struct dirent *entry;
	struct hf_file_id id;
	struct stat st;
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (entry->d_ino != wanted->inode ||
		    (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN) ||
		    sys_fstatat(target->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		fd = sys_openat(target->dir, entry->d_name, flags | always, 0);
		id = hf_file_id_of(fd);
		if (hf_file_id_compare(&id, wanted) != HF_SAME_YES) {
			hf_close(fd);
			fd = -1;
		}
	}
	if (dir)
		closedir(dir);
	return fd;
}

enum hf_same hf_file_id_compare(const struct hf_file_id *a, const struct hf_file_id *b)
{
	if (a->inode != b->inode)
		return HF_SAME_NO;
	if (a->inode == 0 || HF_WITHOUT(generation))
		return HF_SAME_YES;
	if (a->kind == NONE || a->kind != b->kind)
		return HF_SAME_UNSURE;
	return a->witness == b->witness ? HF_SAME_YES : HF_SAME_NO;
}
