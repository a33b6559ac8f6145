/* SPDX-License-Identifier: ISC */
#include "base/access.h"

#include "hf_test.h"

/* Ids that no user database has, and a group that has one known member. */
enum { A = 41001, B = 41002, G = 41100 };

static struct hf_err err;

static struct hf_access of(const char *path, uid_t uid, gid_t gid, mode_t mode, const char *acl)
{
	struct hf_access access;
	char command[200];
	int fd;

	unlink(path);
	put_file(path, "x");
	assert_int_equal(chown(path, uid, gid), 0);
	assert_int_equal(chmod(path, mode), 0);
	if (acl) {
		snprintf(command, sizeof(command), "setfacl -m %s %s", acl, path);
		assert_int_equal(system(command), 0);
	}
	fd = open(path, O_RDONLY);
	assert_status(HF_OK, hf_access_read(&access, fd, path, &err), &err);
	close(fd);
	return access;
}

static bool is_within(const struct hf_access *inner, struct hf_access outer, unsigned int perm)
{
	return hf_access_within(inner, &outer, perm, 0);
}

static void needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

static void the_owner_and_root_are_always_permitted(void **state)
{
	struct hf_access access;

	(void)state;
	needs_root();
	access = of("f", A, A, 0400, NULL);
	assert_int_equal(hf_access_permits(&access, A, W_OK), HF_MEMBER_YES);
	assert_int_equal(hf_access_permits(&access, 0, W_OK), HF_MEMBER_YES);
	assert_int_equal(hf_access_permits(&access, B, W_OK), HF_MEMBER_NO);
	assert_int_equal(hf_access_permits(&access, B, R_OK), HF_MEMBER_NO);
}

static void others_are_permitted_by_the_mode(void **state)
{
	struct hf_access access;

	(void)state;
	needs_root();
	access = of("f", A, A, 0646, NULL);
	assert_int_equal(hf_access_permits(&access, 1, W_OK), HF_MEMBER_YES);
	assert_int_equal(hf_access_permits(&access, 1, R_OK | W_OK), HF_MEMBER_YES);
	access = of("f", A, 1, 0606, NULL);
	/* daemon is in group 1, which may do nothing */
	assert_int_equal(hf_access_permits(&access, 1, R_OK), HF_MEMBER_NO);
}

static void a_group_means_its_members(void **state)
{
	struct hf_access access;

	(void)state;
	needs_root();
	assert_int_equal(hf_is_member(1, 1), HF_MEMBER_YES);
	assert_int_equal(hf_is_member(1, 2), HF_MEMBER_NO);
	assert_int_equal(hf_is_member(A, 1), HF_MEMBER_UNKNOWN);
	access = of("f", A, 1, 0660, NULL);
	assert_int_equal(hf_access_permits(&access, 1, W_OK), HF_MEMBER_YES);
	assert_int_equal(hf_access_permits(&access, 2, W_OK), HF_MEMBER_NO);
	assert_int_equal(hf_access_permits(&access, B, W_OK), HF_MEMBER_UNKNOWN);
	access = of("f", A, 1, 0640, NULL);
	assert_int_equal(hf_access_permits(&access, 1, W_OK), HF_MEMBER_NO);
	assert_int_equal(hf_access_permits(&access, B, W_OK), HF_MEMBER_NO);
}

static void an_acl_names_users_and_groups_below_its_mask(void **state)
{
	struct hf_access access;

	(void)state;
	needs_root();
	access = of("f", A, A, 0600, "u:41002:rw,g:1:r");
	assert_int_equal(hf_access_permits(&access, B, W_OK), HF_MEMBER_YES);
	assert_int_equal(hf_access_permits(&access, 1, R_OK), HF_MEMBER_YES);
	assert_int_equal(hf_access_permits(&access, 1, W_OK), HF_MEMBER_NO);
	access = of("f", A, A, 0600, "u:41002:rw,m::r");
	assert_int_equal(hf_access_permits(&access, B, W_OK), HF_MEMBER_NO);
	assert_int_equal(hf_access_permits(&access, B, R_OK), HF_MEMBER_YES);
	/* the mode shows the mask as the group's bits; the group itself may nothing */
	access = of("f", A, 1, 0600, "u:41002:rw,g::-");
	assert_int_equal(access.st.st_mode & 070, 060);
	assert_int_equal(hf_access_permits(&access, 1, W_OK), HF_MEMBER_NO);
}

static void one_file_is_open_to_no_more_than_another(void **state)
{
	struct hf_access narrow, wide, acl, group;

	(void)state;
	needs_root();
	narrow = of("f", A, A, 0600, NULL);
	wide = of("g", A, A, 0644, NULL);
	assert_true(hf_access_within(&narrow, &wide, R_OK | W_OK, 0));
	assert_false(hf_access_within(&wide, &narrow, R_OK | W_OK, 0));
	assert_true(hf_access_within(&wide, &narrow, W_OK, 0));
	acl = of("h", A, A, 0600, "u:41002:rw");
	assert_false(hf_access_within(&acl, &wide, W_OK, 0));
	assert_true(hf_access_within(&acl, &wide, R_OK, 0));
	assert_true(hf_access_within(&acl, &wide, W_OK, B));
	/* another owner's own file */
	assert_false(hf_access_within(&narrow, &(struct hf_access){.st.st_nlink = 1}, W_OK, 0));
	/* the same group; a group of one known member */
	group = of("i", A, G, 0660, NULL);
	assert_true(hf_access_within(&group, &group, R_OK | W_OK, 0));
	group = of("i", A, 1, 0660, NULL);
	assert_true(is_within(&group, of("j", 1, 2, 0666, NULL), W_OK));
	assert_false(is_within(&group, of("j", A, 2, 0660, NULL), W_OK));
	assert_true(is_within(&group, of("j", A, 2, 0660, "u:1:rw"), W_OK));
	/* a permission of all others does not apply to a user that is named and denied */
	assert_false(is_within(&wide, of("j", A, A, 0666, "u:41002:-"), R_OK));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_owner_and_root_are_always_permitted),
	cmocka_unit_test(others_are_permitted_by_the_mode),
	cmocka_unit_test(a_group_means_its_members),
	cmocka_unit_test(an_acl_names_users_and_groups_below_its_mask),
	cmocka_unit_test(one_file_is_open_to_no_more_than_another),
};
HF_TEST_MAIN(tests)
