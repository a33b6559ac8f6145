/* SPDX-License-Identifier: ISC */
#include "atomic/target_check.h"

#include <sys/file.h>

#include "hf_test.h"
#include "waits.h"
#include <holdfast/fd.h>

static struct hf_target target;
static struct hf_err err;

/* Refuse `name`, or not. */
static enum hf_status refuse(const char *name, bool links, const char *backup)
{
	enum hf_status status;
	struct stat st;
	int fd = open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_status(HF_OK, hf_target_open(&target, name, HF_TARGET_NO_FOLLOW, &err), &err);
	assert_int_equal(lstat(name, &st), 0);
	status = hf_target_check(
		&(struct hf_target_claim){.present = true, .fd = fd, .st = st}, &target,
		&(struct hf_target_rules){.hard_links = links, .backup = backup}, &err);
	hf_target_close(&target);
	if (fd >= 0)
		close(fd);
	return status;
}

static void a_target_that_is_no_file_is_refused_by_its_type(void **state)
{
	(void)state;
	mkdir("d", 0777);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("x", "link"), 0);
	assert_status(HF_DATA, refuse("d", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'd': it is a directory");
	assert_status(HF_DATA, refuse("fifo", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'fifo': it is a FIFO");
	assert_status(HF_DATA, refuse("link", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'link': it is a symbolic link");
	assert_status(HF_DATA, refuse("/dev/null", true, NULL), &err);
	assert_string_equal(err.message, "refusing to replace '/dev/null': it is a device");
	put_file("f", "x");
	assert_status(HF_OK, refuse("f", false, NULL), &err);
}

static void several_names_are_refused_without_break_links(void **state)
{
	(void)state;
	put_file("one", "x");
	assert_int_equal(link("one", "one~"), 0);
	assert_status(HF_DATA, refuse("one", false, NULL), &err);
	assert_string_equal(err.message, "refusing to replace 'one': it has 2 hard links");
	assert_non_null(strstr(err.advice, "--break-links"));
	assert_status(HF_OK, refuse("one", true, NULL), &err);
	assert_status(HF_OK, refuse("one", false, "~"), &err);
	assert_status(HF_DATA, refuse("one", false, ".orig"), &err);
}

static void a_live_database_is_refused(void **state)
{
	char page[512] = "SQLite format 3";
	FILE *f = fopen("db", "w");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fwrite(page, sizeof(page), 1, f), 1);
	assert_int_equal(fclose(f), 0);
	assert_status(HF_OK, refuse("db", false, NULL), &err);
	put_file("db-wal", "x");
	assert_status(HF_DATA, refuse("db", true, NULL), &err);
	assert_non_null(strstr(err.message, "live SQLite database"));
}

static const struct hf_wait at_once = {.deadline = 0};

static enum hf_status take(struct hf_target_claim *claim, const char *name,
			   struct hf_target_rules rules)
{
	enum hf_status status;

	assert_status(HF_OK, hf_target_open(&target, name, HF_TARGET_NO_FOLLOW, &err), &err);
	status = hf_target_claim(claim, &target, &rules, &at_once, &err);
	hf_target_close(&target);
	return status;
}

static void a_file_is_locked_and_checked(void **state)
{
	struct hf_target_claim claim, second;

	(void)state;
	put_file("f", "old");
	assert_status(HF_OK, take(&claim, "f", (struct hf_target_rules){0}), &err);
	assert_true(claim.present);
	assert_false(claim.is_link);
	assert_int_equal(hf_fd_held(claim.fd), HF_HELD_EXCLUSIVE);
	assert_int_equal(claim.st.st_size, 3);
	close(claim.fd);

	assert_int_equal(link("f", "f2"), 0);
	assert_status(HF_DATA, take(&claim, "f", (struct hf_target_rules){0}), &err);
	assert_int_equal(claim.fd, -1);
	assert_status(HF_OK, take(&second, "f", (struct hf_target_rules){.hard_links = true}),
		      &err);
	close(second.fd);
}

static void nothing_and_a_link_are_claimed_without_a_lock(void **state)
{
	struct hf_target_claim claim;

	(void)state;
	assert_status(HF_OK, take(&claim, "absent", (struct hf_target_rules){0}), &err);
	assert_false(claim.present);
	assert_int_equal(claim.fd, -1);
	assert_int_equal(symlink("f", "alias"), 0);
	assert_status(HF_OK, take(&claim, "alias", (struct hf_target_rules){.links = true}), &err);
	assert_true(claim.present && claim.is_link);
	assert_int_equal(claim.fd, -1);
	assert_status(HF_DATA, take(&claim, "alias", (struct hf_target_rules){0}), &err);
}

static void the_content_is_what_was_expected_or_not(void **state)
{
	/* of "abc", FIPS 180-2 */
	static const char sha[] = "ba7816bf8f01cfea414140de5dae2223"
				  "B00361A396177A9CB410FF61F20015AD";
	struct hf_target_claim claim;

	(void)state;
	put_file("m", "abc");
	assert_int_equal(symlink("m", "l"), 0);
	assert_status(HF_OK, take(&claim, "m", (struct hf_target_rules){.if_match = sha}), &err);
	close(claim.fd);
	assert_status(HF_NO, take(&claim, "m", (struct hf_target_rules){.if_match = "absent"}),
		      &err);
	assert_string_equal(err.message, "'m' has changed: it exists");
	assert_int_equal(claim.fd, -1);
	assert_status(HF_OK, take(&claim, "no", (struct hf_target_rules){.if_match = "absent"}),
		      &err);
	assert_status(HF_NO, take(&claim, "no", (struct hf_target_rules){.if_match = sha}), &err);
	assert_string_equal(err.message, "'no' has changed: it is absent");
	assert_status(HF_NO,
		      take(&claim, "l", (struct hf_target_rules){.if_match = sha, .links = true}),
		      &err);
	put_file("m", "abd");
	assert_status(HF_NO, take(&claim, "m", (struct hf_target_rules){.if_match = sha}), &err);
	assert_non_null(strstr(err.message, "its SHA-256 is a52d159f262b2c6ddb724a61840befc3"));
}

static void an_expectation_must_be_one(void **state)
{
	static const char *const bad[] = {
		"", "ABSENT", "abc",
		/* 64 of them, but no digits */
		"gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_status(HF_USAGE,
			      hf_target_rules_check(
				      NULL, &(struct hf_target_rules){.if_match = bad[i]}, &err),
			      &err);
	assert_status(HF_OK, hf_target_rules_check(NULL, &(struct hf_target_rules){0}, &err), &err);
}

static void a_locked_file_is_busy_and_a_check_locks_nothing(void **state)
{
	const struct hf_target_rules rules = {0};
	struct hf_target_claim claim;
	struct rival rival;

	(void)state;
	put_file("busy", "x");
	rival = rival_start(hold, (char *)"busy");
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, take(&claim, "busy", rules), &err);
	assert_int_equal(claim.fd, -1);
	assert_status(HF_OK, hf_target_open(&target, "busy", 0, &err), &err);
	assert_status(HF_OK, hf_target_peek(&claim, &target, &rules, &err), &err);
	assert_true(claim.present);
	assert_int_equal(claim.fd, -1);
	hf_target_close(&target);
	rival_end(&rival);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_target_that_is_no_file_is_refused_by_its_type),
	cmocka_unit_test(several_names_are_refused_without_break_links),
	cmocka_unit_test(a_live_database_is_refused),
	cmocka_unit_test(a_file_is_locked_and_checked),
	cmocka_unit_test(nothing_and_a_link_are_claimed_without_a_lock),
	cmocka_unit_test(the_content_is_what_was_expected_or_not),
	cmocka_unit_test(an_expectation_must_be_one),
	cmocka_unit_test(a_locked_file_is_busy_and_a_check_locks_nothing),
};

HF_TEST_MAIN(tests)
