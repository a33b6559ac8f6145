/* SPDX-License-Identifier: ISC */
#include "base/side_file.h"

#include "hf_test.h"

enum { A = 41001, B = 41002 };

static struct hf_target target;
static struct hf_trust trust;
static struct hf_err err;
static char said[1024];

static void note(void *context, const char *line)
{
	(void)context;
	snprintf(said, sizeof(said), "%s", line);
}

/* The target "f" of user A, and the users that it trusts. */
static void begin(mode_t mode, mode_t dir_mode)
{
	if (geteuid() != 0)
		skip();
	put_file("f", "x");
	assert_int_equal(chown("f", A, 1), 0);
	assert_int_equal(chmod("f", mode), 0);
	assert_int_equal(chmod(".", dir_mode), 0);
	assert_status(HF_OK, hf_target_open(&target, "f", 0, &err), &err);
	hf_trust_init(&trust, &target, open("f", O_RDONLY));
	hf_set_notice(note, NULL);
}

static void end(void)
{
	close(trust.fd);
	hf_target_close(&target);
	hf_set_notice(NULL, NULL);
}

/* A side file of that owner and mode. */
static enum hf_status open_side(const char *name, uid_t uid, mode_t mode)
{
	struct stat st;
	int fd;
	enum hf_status status;

	unlink(name);
	put_file(name, "side");
	assert_int_equal(chown(name, uid, 1), 0);
	assert_int_equal(chmod(name, mode), 0);
	said[0] = '\0';
	status = hf_side_open(&trust, name, O_RDWR, &fd, &st, &err);
	if (status == HF_OK)
		close(fd);
	else
		assert_int_equal(fd, -1);
	return status;
}

static void the_owner_must_be_trusted(void **state)
{
	(void)state;
	begin(0640, 0755);
	assert_status(HF_OK, open_side("s1", 0, 0600), &err);
	assert_status(HF_OK, open_side("s2", A, 0600), &err);
	assert_status(HF_NOPERM, open_side("s3", B, 0600), &err);
	assert_non_null(strstr(said, "ignoring 's3' beside 'f', of user 41002"));
	/* said once for a name */
	assert_status(HF_NOPERM, open_side("s3", B, 0600), &err);
	assert_string_equal(said, "");
	/* daemon is in the file's group, which may not write */
	assert_status(HF_NOPERM, open_side("s4", 1, 0600), &err);
	assert_non_null(strstr(said, "daemon"));
	end();
	begin(0660, 0755);
	assert_status(HF_OK, open_side("s5", 1, 0600), &err);
	end();
}

static void an_unknown_user_is_trusted_by_group_and_directory(void **state)
{
	(void)state;
	begin(0660, 0755);
	assert_status(HF_OK, open_side("s1", B, 0600), &err);
	end();
	begin(0660, 01777);
	assert_status(HF_NOPERM, open_side("s1", B, 0600), &err);
	end();
}

static void it_must_not_be_open_to_more_users_than_the_target(void **state)
{
	(void)state;
	begin(0640, 0755);
	assert_status(HF_OK, open_side("s1", 0, 0640), &err);
	assert_status(HF_NOPERM, open_side("s2", 0, 0660), &err);
	assert_status(HF_NOPERM, open_side("s3", 0, 0644), &err);
	assert_non_null(strstr(said, "open to users to whom the file is not"));
	end();
}

static void only_a_regular_file_with_one_name_is_opened(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	begin(0640, 0755);
	assert_status(HF_NO, hf_side_open(&trust, "absent", O_RDWR, &fd, &st, &err), &err);
	mkfifo("fifo", 0600);
	assert_status(HF_NOPERM, hf_side_open(&trust, "fifo", O_RDWR, &fd, &st, &err), &err);
	mkdir("dir", 0700);
	assert_status(HF_NOPERM, hf_side_open(&trust, "dir", O_RDWR, &fd, &st, &err), &err);
	put_file("file", "");
	chmod("file", 0600);
	assert_int_equal(symlink("file", "link"), 0);
	assert_status(HF_NOPERM, hf_side_open(&trust, "link", O_RDWR, &fd, &st, &err), &err);
	assert_status(HF_OK, hf_side_open(&trust, "file", O_RDWR, &fd, &st, &err), &err);
	close(fd);
	assert_int_equal(link("file", "other"), 0);
	assert_status(HF_NOPERM, hf_side_open(&trust, "file", O_RDWR, &fd, &st, &err), &err);
	assert_non_null(strstr(said, "other names"));
	end();
}

static void a_directory_is_trusted_if_its_writers_are(void **state)
{
	(void)state;
	begin(0640, 0755);
	assert_true(hf_trusts_directory(&trust));
	end();
	begin(0640, 01777);
	assert_false(hf_trusts_directory(&trust));
	end();
	begin(0666, 01777);
	assert_true(hf_trusts_directory(&trust));
	end();
	begin(0640, 0775);
	assert_false(chown(".", 0, 1) == 0 && hf_trusts_directory(&trust));
	end();
	begin(0660, 0775);
	assert_true(hf_trusts_directory(&trust));
	assert_int_equal(chown(".", B, 1), 0);
	end();
	begin(0660, 0755);
	assert_false(hf_trusts_directory(&trust));
	assert_int_equal(chown(".", 0, 0), 0);
	end();
}

static void beside_an_absent_target_only_root_and_the_caller_are_trusted(void **state)
{
	(void)state;
	begin(0660, 0755);
	hf_trust_init(&trust, &target, -1);
	assert_status(HF_OK, open_side("s1", 0, 0600), &err);
	assert_status(HF_NOPERM, open_side("s2", 0, 0640), &err);
	assert_status(HF_NOPERM, open_side("s3", A, 0600), &err);
	end();
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_owner_must_be_trusted),
	cmocka_unit_test(an_unknown_user_is_trusted_by_group_and_directory),
	cmocka_unit_test(it_must_not_be_open_to_more_users_than_the_target),
	cmocka_unit_test(only_a_regular_file_with_one_name_is_opened),
	cmocka_unit_test(a_directory_is_trusted_if_its_writers_are),
	cmocka_unit_test(beside_an_absent_target_only_root_and_the_caller_are_trusted),
};
HF_TEST_MAIN(tests)
