/* SPDX-License-Identifier: ISC */
#include "settle.h"

#include "clock.h"
#include "hf_test.h"

static const struct hf_wait now = {.deadline = HF_AT_ONCE};
static struct hf_target target;
static struct stat st;

static int set_up(void **state)
{
	(void)state;
	unlink("f");
	put_file("f", "old\n");
	unlink(".holdfast.f.batch");
	unlink(".holdfast.f.append");
	assert_status(HF_OK, hf_target_open(&target, "f", 0, NULL), NULL);
	assert_int_equal(stat("f", &st), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hf_target_close(&target);
	return 0;
}

/* A batch of "one\n" "two\n", with its second record's owner in *ticket. */
static struct hf_batch make_batch(struct hf_ticket *ticket)
{
	struct hf_record one = {.data = "one\n", .size = 4, .fd = -1},
			 two = {.data = "two\n", .size = 4, .fd = -1};
	struct hf_batch batch;
	struct hf_err err;

	assert_status(HF_OK, hf_spool_publish(&target, -1, &st, &two, ticket), NULL);
	assert_status(HF_OK, hf_batch_take(&target, &batch, &err), &err);
	assert_status(HF_OK, hf_batch_add(&batch, &one, &err), &err);
	return batch;
}

/* The same, as the batch. */
static struct hf_batch enter_batch(struct hf_ticket *ticket)
{
	struct hf_batch batch = make_batch(ticket);
	struct hf_err err;

	assert_status(HF_OK, hf_batch_enter(&target, &batch, &err), &err);
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_CLOSED, &err), &err);
	return batch;
}

/* The leader dies in this state; settled, what does the owner hear? */
static enum hf_spool_state settled(struct hf_batch *batch, struct hf_ticket *ticket)
{
	enum hf_spool_state state;
	enum hf_status status;
	struct hf_err err;

	close(batch->fd);
	assert_status(HF_OK, hf_settle(&target, &st, &now, &err), &err);
	assert_false(is_there(".holdfast.f.batch"));
	assert_false(is_there(".holdfast.f.append"));
	assert_status(HF_OK, hf_settle(&target, &st, &now, &err), &err);
	assert_status(HF_OK, hf_ticket_look(&target, ticket, false, &state, &status), NULL);
	if (state == HF_SPOOL_DONE)
		assert_int_equal(status, HF_OK);
	hf_ticket_close(ticket);
	return state;
}

static void nothing_to_settle(void **state)
{
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_settle(&target, &st, &now, &err), &err);
	assert_file("f", "old\n");
}

static void a_temporary_name_without_a_batch_is_litter(void **state)
{
	struct hf_err err;

	(void)state;
	put_file(".holdfast.f.append", "left by a power cut");
	assert_status(HF_OK, hf_settle(&target, &st, &now, &err), &err);
	assert_false(is_there(".holdfast.f.append"));
	assert_file("f", "old\n");
}

static void closed_was_not_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	put_file(".holdfast.f.append", "linked, and not marked");
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_ABANDONED);
	assert_file("f", "old\n");
}

static void prepared_and_not_renamed_was_not_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	put_file(".holdfast.f.append", "old\ntwo\none\n");
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_PREPARED, NULL), NULL);
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_ABANDONED);
	assert_file("f", "old\n");
}

static void prepared_and_renamed_was_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	put_file(".holdfast.f.append", "old\ntwo\none\n");
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_PREPARED, NULL), NULL);
	assert_int_equal(rename(".holdfast.f.append", "f"), 0);
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_DONE);
	assert_file("f", "old\ntwo\none\n");
}

static void prepared_and_robbed_was_not_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	/* a stranger has removed the temporary name */
	batch.head.inode = st.st_ino;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_PREPARED, NULL), NULL);
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_ABANDONED);
	assert_file("f", "old\n");
}

static void done_stays_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.status = HF_OK;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_DONE, NULL), NULL);
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_DONE);
}

/* A leader that died in place, with this content behind it. */
static enum hf_spool_state in_place(const char *content, const char *after)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);
	enum hf_spool_state state;
	int fd;

	batch.head.inode = st.st_ino;
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	fd = open("f", O_WRONLY);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
	state = settled(&batch, &ticket);
	assert_file("f", after);
	return state;
}

static void in_place_nothing_written(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\n", "old\n"), HF_SPOOL_ABANDONED);
}

static void in_place_torn(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\ntw", "old\n"), HF_SPOOL_ABANDONED);
	set_up(state);
	assert_int_equal(in_place("old\ntwo\non", "old\n"), HF_SPOOL_ABANDONED);
}

static void in_place_blocks_that_did_not_reach_the_disk(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.inode = st.st_ino;
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	assert_int_equal(truncate("f", 4 + 8), 0); /* all of it NUL */
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_ABANDONED);
	assert_file("f", "old\n");
}

static void in_place_whole(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\ntwo\none\n", "old\ntwo\none\n"), HF_SPOOL_DONE);
}

static void in_place_whole_and_more(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\ntwo\none\nmore", "old\ntwo\none\nmore"), HF_SPOOL_DONE);
}

static void in_place_behind_somebody_elses(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\n>>\ntwo\none\n", "old\n>>\ntwo\none\n"), HF_SPOOL_DONE);
	set_up(state);
	/* what is not all ours is not cut off */
	assert_int_equal(in_place("old\n>>\ntwo", "old\n>>\ntwo"), HF_SPOOL_ABANDONED);
}

static void in_place_shorter_than_it_was(void **state)
{
	(void)state;
	put_file("f", "");
	assert_int_equal(in_place("x", "x"), HF_SPOOL_ABANDONED);
}

static void in_place_of_another_file(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.inode = st.st_ino;
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	put_file("new", "new\ntw");
	assert_int_equal(rename("new", "f"), 0);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_ABANDONED);
	assert_file("f", "new\ntw");
}

/* As a log that was rotated: the old one has another name, and FILE is another one, or absent. */
static enum hf_spool_state rotated(const char *content, bool anew)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);
	enum hf_spool_state state;

	batch.head.inode = st.st_ino;
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	put_file("f", content);
	assert_int_equal(rename("f", "f.1"), 0);
	if (anew) {
		put_file("f", "new\n");
		assert_int_equal(stat("f", &st), 0);
		state = settled(&batch, &ticket);
		assert_file("f", "new\n");
	} else {
		enum hf_status status;

		close(batch.fd);
		assert_status(HF_OK, hf_settle(&target, NULL, &now, NULL), NULL);
		assert_status(HF_OK, hf_ticket_look(&target, &ticket, false, &state, &status),
			      NULL);
		hf_ticket_close(&ticket);
		assert_false(is_there("f"));
	}
	assert_file("f.1", content);
	return state;
}

static void in_place_and_rotated_since(void **state)
{
	for (int anew = 0; anew <= 1; anew++) {
		set_up(state);
		assert_int_equal(rotated("old\ntwo\none\n", anew), HF_SPOOL_DONE);
		set_up(state);
		assert_int_equal(rotated("old\ntwo\none\nmore\n", anew), HF_SPOOL_DONE);
		set_up(state);
		/* it is nobody's to cut any more */
		assert_int_equal(rotated("old\ntwo\non", anew), HF_SPOOL_ABANDONED);
	}
}

static void writing_in_place(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = make_batch(&ticket);
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_write_in_place(&target, &st, &batch, true, &err), &err);
	assert_file("f", "old\ntwo\none\n");
	assert_int_equal(batch.head.offset, 4);
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_DONE);
}

static void writing_in_place_that_fails_is_taken_back(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = make_batch(&ticket);
	struct hf_err err;

	(void)state;
	setenv("HOLDFAST_FAULT", "fdatasync#1+:EIO", 1);
	assert_status(HF_IO, hf_write_in_place(&target, &st, &batch, true, &err), &err);
	unsetenv("HOLDFAST_FAULT");
	assert_file("f", "old\n");
	assert_int_equal(settled(&batch, &ticket), HF_SPOOL_ABANDONED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(nothing_to_settle),
	TEST(a_temporary_name_without_a_batch_is_litter),
	TEST(closed_was_not_done),
	TEST(prepared_and_not_renamed_was_not_done),
	TEST(prepared_and_renamed_was_done),
	TEST(prepared_and_robbed_was_not_done),
	TEST(done_stays_done),
	TEST(in_place_nothing_written),
	TEST(in_place_torn),
	TEST(in_place_blocks_that_did_not_reach_the_disk),
	TEST(in_place_whole),
	TEST(in_place_whole_and_more),
	TEST(in_place_behind_somebody_elses),
	TEST(in_place_shorter_than_it_was),
	TEST(in_place_of_another_file),
	TEST(in_place_and_rotated_since),
	TEST(writing_in_place),
	TEST(writing_in_place_that_fails_is_taken_back),
};
HF_TEST_MAIN(tests)
