/* SPDX-License-Identifier: ISC */
#include "base/attributes.h"

#include <errno.h>
#include <sys/xattr.h>

#include "base/sys.h"
#include "hf_test.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static struct hf_err err;

/* An ACL as the kernel takes it (linux/posix_acl_xattr.h): user::rw- user:1:rw- group::r--
 * mask::rw- other::--- */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, permissions;
		uint32_t id;
	} entries[5];
} acl = {2,
	 {{0x01, 6, UINT32_MAX},
	  {0x02, 6, 1},
	  {0x04, 4, UINT32_MAX},
	  {0x10, 6, UINT32_MAX},
	  {0x20, 0, UINT32_MAX}}};

static int make(const char *name, mode_t mode)
{
	int fd;

	unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

static struct stat stat_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st;
}

static enum hf_status copy(int from, int to)
{
	struct stat st = stat_of(from);

	return hf_copy_attributes(from, to, &st, "f", &err);
}

static void assert_mode(int fd, mode_t mode)
{
	assert_int_equal(stat_of(fd).st_mode & 07777, mode);
}

static void assert_xattr(int fd, const char *name, const void *value, size_t size)
{
	char found[128];

	assert_int_equal(fgetxattr(fd, name, found, sizeof(found)), size);
	assert_memory_equal(found, value, size);
}

static void mode_and_attributes_go_along(void **state)
{
	static const mode_t modes[] = {0644, 0600, 0755, 0400, 0, 04755, 02711, 06755};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int from = make("from", modes[i]), to = make("to", 0600);

		assert_status(HF_OK, copy(from, to), &err);
		assert_mode(to, modes[i]);
		close(from);
		close(to);
	}
	int from = make("from", 0644), to = make("to", 0600);

	assert_int_equal(fsetxattr(from, "user.one", "1", 1, 0), 0);
	assert_int_equal(fsetxattr(from, "user.empty", "", 0, 0), 0);
	assert_int_equal(fchmod(from, 0444), 0);
	assert_status(HF_OK, copy(from, to), &err);
	assert_xattr(to, "user.one", "1", 1);
	assert_xattr(to, "user.empty", "", 0);
	close(from);
	close(to);
}

static void an_acl_goes_along_and_a_default_one_does_not_come_in(void **state)
{
	int from, to;

	(void)state;
	from = make("from", 0640);
	to = make("to", 0600);
	assert_int_equal(fsetxattr(from, ACCESS, &acl, sizeof(acl), 0), 0);
	assert_mode(from, 0660);
	assert_status(HF_OK, copy(from, to), &err);
	assert_xattr(to, ACCESS, &acl, sizeof(acl));
	assert_mode(to, 0660);
	close(from);
	close(to);

	from = make("from", 0644);
	mkdir("d", 0777);
	assert_int_equal(setxattr("d", DEFAULT, &acl, sizeof(acl), 0), 0);
	to = make("d/to", 0600);
	assert_true(fgetxattr(to, ACCESS, NULL, 0) > 0);
	assert_status(HF_OK, copy(from, to), &err);
	assert_int_equal(fgetxattr(to, ACCESS, NULL, 0), -1);
	assert_int_equal(errno, ENODATA);
	assert_mode(to, 0644);
	close(from);
	close(to);
}

static void root_keeps_the_owner_and_setuid(void **state)
{
	int from = make("from", 0600), to = make("to", 0600);
	struct stat st;

	(void)state;
	require_root();
	assert_int_equal(fchown(from, 1, 2), 0);
	assert_int_equal(fchmod(from, 06755), 0);
	assert_status(HF_OK, copy(from, to), &err);
	/* and once more, on a file that has it all */
	assert_status(HF_OK, copy(from, to), &err);
	st = stat_of(to);
	assert_int_equal(st.st_uid, 1);
	assert_int_equal(st.st_gid, 2);
	assert_mode(to, 06755);
	close(from);
	close(to);
}

/* As user 1 in group 1, which may not give away a file. */
static int copy_as_other(const struct rival *self, void *arg)
{
	int from = *(int *)arg, to;
	struct stat st, now;

	(void)self;
	if (setgid(1) < 0 || setuid(1) < 0)
		return 99;
	to = open(".", O_TMPFILE | O_RDWR, 0600);
	if (to < 0 || fstat(from, &st) < 0)
		return 98;
	if (hf_copy_attributes(from, to, &st, "f", NULL) != HF_OK || fstat(to, &now) < 0)
		return 97;
	if (now.st_uid != 1)
		return 96;
	return now.st_gid == st.st_gid && (now.st_mode & 07777) == 02755 ? 0
	       : now.st_gid == 1 && (now.st_mode & 07777) == 0755	 ? 1
									 : 95;
}

static void setuid_goes_where_the_owner_cannot_be_kept(void **state)
{
	int from = make("from", 0600);
	struct rival rival;

	(void)state;
	require_root();
	assert_int_equal(chmod(".", 0777), 0);
	assert_int_equal(fchown(from, 0, 1), 0);
	assert_int_equal(fchmod(from, 06755), 0);
	rival = rival_start(copy_as_other, &from);
	assert_int_equal(rival_end(&rival), 0); /* the group is kept, and its bit */
	assert_int_equal(fchown(from, 0, 0), 0);
	assert_int_equal(fchmod(from, 06755), 0);
	rival = rival_start(copy_as_other, &from);
	assert_int_equal(rival_end(&rival), 1); /* neither */
	close(from);
}

static void attributes_of_the_system_are_left_out(void **state)
{
	int from = make("from", 0644), to = make("to", 0600);

	(void)state;
	assert_int_equal(fsetxattr(from, "user.one", "1", 1, 0), 0);
	setenv("HOLDFAST_FAULT", "fsetxattr#1+:EPERM", 1);
	assert_status(HF_NOPERM, copy(from, to), &err);
	assert_non_null(strstr(err.message, "user.one"));
	unsetenv("HOLDFAST_FAULT");
	assert_int_equal(fremovexattr(from, "user.one"), 0);
	hf_test_need(fsetxattr(from, "trusted.one", "1", 1, 0) == 0,
		     "trusted attributes: root with CAP_SYS_ADMIN");
	setenv("HOLDFAST_FAULT", "fsetxattr#1+:EPERM", 1);
	assert_status(HF_OK, copy(from, to), &err);
	unsetenv("HOLDFAST_FAULT");
	assert_status(HF_OK, copy(from, to), &err);
	assert_xattr(to, "trusted.one", "1", 1);
	close(from);
	close(to);
}

static void a_file_system_without_attributes_has_none(void **state)
{
	int from = make("from", 0640), to = make("to", 0600);

	(void)state;
	setenv("HOLDFAST_FAULT", "flistxattr#1+:EOPNOTSUPP", 1);
	assert_status(HF_OK, copy(from, to), &err);
	setenv("HOLDFAST_FAULT", "flistxattr#1+:EIO", 1);
	assert_status(HF_IO, copy(from, to), &err);
	unsetenv("HOLDFAST_FAULT");
	assert_mode(to, 0640);
	close(from);
	close(to);
}

/* Whether there is an ACL decides what the mode's group bits mean. */
static void an_unreadable_acl_is_an_error(void **state)
{
	int from, to;
	struct stat st;

	(void)state;
	put_file("from", "x");
	put_file("to", "x");
	assert_int_equal(chmod("from", 0660), 0);
	from = open("from", O_RDWR | O_CLOEXEC);
	to = open("to", O_RDWR | O_CLOEXEC);
	assert_int_equal(fchmod(to, 0600), 0);
	assert_int_equal(fstat(from, &st), 0);
	hf_fault_reset();
	setenv("HOLDFAST_FAULT", "fgetxattr#1:EIO", 1);
	assert_status(HF_IO, hf_share_access(from, to, &st, "from", &err), &err);
	assert_int_equal(fstat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	hf_fault_reset();
	assert_status(HF_IO, hf_copy_attributes(from, to, &st, "from", &err), &err);
	unsetenv("HOLDFAST_FAULT");
	close(from);
	close(to);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_unreadable_acl_is_an_error),
	cmocka_unit_test(mode_and_attributes_go_along),
	cmocka_unit_test(an_acl_goes_along_and_a_default_one_does_not_come_in),
	cmocka_unit_test(root_keeps_the_owner_and_setuid),
	cmocka_unit_test(setuid_goes_where_the_owner_cannot_be_kept),
	cmocka_unit_test(attributes_of_the_system_are_left_out),
	cmocka_unit_test(a_file_system_without_attributes_has_none),
};

HF_TEST_MAIN(tests)
