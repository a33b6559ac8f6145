/* SPDX-License-Identifier: ISC */
#include "spool/append_recovery.h"

#include <holdfast/clock.h>
#include "hf_test.h"
#include "spool/append_in_place.h"

static const struct hf_wait now = {.deadline = HF_NOWAIT};
static struct hf_target target;
static int target_fd;
static struct stat st;

static int set_up(void **state)
{
	(void)state;
	unlink("f");
	put_file("f", "old\n");
	unlink(".holdfast.f.batch");
	unlink(".holdfast.f.append");
	assert_status(HF_OK, hf_target_open(&target, "f", 0, NULL), NULL);
	target_fd = open("f", O_RDONLY | O_CLOEXEC);
	assert_int_equal(stat("f", &st), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(target_fd);
	hf_target_close(&target);
	return 0;
}

/* A batch of "one\n" "two\n", with its second record's owner in *ticket. */
static struct hf_batch make_batch(struct hf_ticket *ticket)
{
	struct hf_append_record one = {.data = "one\n", .size = 4, .fd = -1},
				two = {.data = "two\n", .size = 4, .fd = -1};
	struct hf_batch batch;
	struct hf_err err;

	assert_status(HF_OK, hf_spool_publish(&target, target_fd, &two, ticket), NULL);
	assert_status(HF_OK, hf_batch_take(&target, HF_TRUST_NAMED, &batch, &err), &err);
	assert_status(HF_OK, hf_batch_add(&batch, &one, &err), &err);
	return batch;
}

/* The same, as the batch. */
static struct hf_batch enter_batch(struct hf_ticket *ticket)
{
	struct hf_batch batch = make_batch(ticket);
	struct hf_err err;

	assert_status(HF_OK, hf_batch_enter(HF_TRUST_NAMED, &batch, &err), &err);
	batch.head.target = hf_file_id_at(target.dir, "f");
	return batch;
}

/* The owner's outcome; a batch of unknown outcome is lost. */
static enum hf_ticket_end end_of(struct hf_ticket *ticket)
{
	enum hf_status status = HF_OK;
	enum hf_ticket_end end = hf_ticket_check(ticket, &status);

	hf_ticket_close(ticket);
	if (end == HF_TICKET_DONE && status == HF_UNKNOWN)
		return HF_TICKET_LOST;
	assert_int_equal(status, HF_OK);
	return end;
}

/* The leader dies in this state; return the owner's outcome after recovery. */
static enum hf_ticket_end settled(struct hf_batch *batch, struct hf_ticket *ticket)
{
	struct hf_err err;

	close(batch->fd);
	assert_status(HF_OK, hf_append_recover(&target, &st, &now, &err), &err);
	assert_false(is_there(".holdfast.f.batch"));
	assert_false(is_there(".holdfast.f.append"));
	assert_status(HF_OK, hf_append_recover(&target, &st, &now, &err), &err);
	return end_of(ticket);
}

static void nothing_to_settle(void **state)
{
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_append_recover(&target, &st, &now, &err), &err);
	assert_file("f", "old\n");
}

static void closed_was_not_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	put_file(".holdfast.f.append", "linked, and not marked");
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_ABANDONED);
	assert_file("f", "old\n");
}

/* The new file has this name, and the leader has marked that it is about to be renamed. */
static struct hf_batch prepare(struct hf_ticket *ticket, const char *name)
{
	struct hf_batch batch = enter_batch(ticket);

	put_file(name, "old\ntwo\none\n");
	batch.head.fresh = hf_file_id_at(target.dir, name);
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_PREPARED, NULL), NULL);
	return batch;
}

static void prepared_and_not_renamed_was_not_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = prepare(&ticket, ".holdfast.f.append");

	(void)state;
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_ABANDONED);
	assert_file("f", "old\n");
}

static void prepared_and_renamed_was_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = prepare(&ticket, ".holdfast.f.append");

	(void)state;
	assert_int_equal(rename(".holdfast.f.append", "f"), 0);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_DONE);
	assert_file("f", "old\ntwo\none\n");
}

static void prepared_and_exchanged_was_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = prepare(&ticket, ".holdfast.f.append");

	(void)state;
	assert_int_equal(renameat2(AT_FDCWD, ".holdfast.f.append", AT_FDCWD, "f", RENAME_EXCHANGE),
			 0);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_DONE);
	assert_file("f", "old\ntwo\none\n");
}

static void prepared_renamed_and_rotated_was_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = prepare(&ticket, "f.1");

	(void)state;
	put_file("other", "new\n");
	assert_int_equal(rename("other", "f"), 0);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_DONE);
	unlink("f.1");
}

static void prepared_and_robbed_was_not_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = prepare(&ticket, ".holdfast.f.append");

	(void)state;
	/* another process has removed the temporary name */
	unlink(".holdfast.f.append");
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_ABANDONED);
	assert_file("f", "old\n");
}

/* The file system gives the number of a file that is gone to the next one. */
static void prepared_and_replaced_by_another_program_is_not_known(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = prepare(&ticket, ".holdfast.f.append");

	(void)state;
	assert_int_equal(rename(".holdfast.f.append", "f"), 0);
	put_file("other", "of another program\n");
	assert_int_equal(rename("other", "f"), 0);
	assert_int_equal(stat("f", &st), 0);
	batch.head.target.inode = st.st_ino;
	batch.head.target.witness++;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_PREPARED, NULL), NULL);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_LOST);
	assert_file("f", "of another program\n");
}

static void a_batch_of_another_name_is_not_trusted(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.offset = 0;
	batch.head.name++;
	put_file("f", "tw");
	assert_int_equal(stat("f", &st), 0);
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_LOST);
	assert_file("f", "tw");
}

static void a_numbered_batch_is_found_where_the_name_is_taken(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch;
	struct hf_err err;

	(void)state;
	assert_int_equal(mkdir(".holdfast.f.batch", 0700), 0);
	batch = enter_batch(&ticket);
	assert_string_not_equal(batch.name, ".holdfast.f.batch");
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	put_file("f", "old\ntwo\non");
	close(batch.fd);
	assert_status(HF_OK, hf_append_recover(&target, &st, &now, &err), &err);
	assert_false(is_there(batch.name));
	assert_file("f", "old\n");
	assert_int_equal(end_of(&ticket), HF_TICKET_ABANDONED);
	rmdir(".holdfast.f.batch");
}

static void done_stays_done(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.status = HF_OK;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_DONE, NULL), NULL);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_DONE);
}

/* A leader that died in place, and left this content. */
static enum hf_ticket_end in_place(const char *content, const char *after)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);
	enum hf_ticket_end state;
	int fd;

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
	assert_int_equal(in_place("old\n", "old\n"), HF_TICKET_ABANDONED);
}

static void in_place_torn(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\ntw", "old\n"), HF_TICKET_ABANDONED);
	set_up(state);
	assert_int_equal(in_place("old\ntwo\non", "old\n"), HF_TICKET_ABANDONED);
}

static void in_place_blocks_that_did_not_reach_the_disk(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	assert_int_equal(truncate("f", 4 + 8), 0); /* all of it NUL */
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_ABANDONED);
	assert_file("f", "old\n");
}

static void in_place_whole(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\ntwo\none\n", "old\ntwo\none\n"), HF_TICKET_DONE);
}

static void in_place_whole_and_more(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\ntwo\none\nmore", "old\ntwo\none\nmore"), HF_TICKET_DONE);
}

static void in_place_behind_somebody_elses(void **state)
{
	(void)state;
	assert_int_equal(in_place("old\n>>\ntwo\none\n", "old\n>>\ntwo\none\n"), HF_TICKET_DONE);
	set_up(state);
	/* what is not all ours is not cut off */
	assert_int_equal(in_place("old\n>>\ntwo", "old\n>>\ntwo"), HF_TICKET_ABANDONED);
}

static void in_place_shorter_than_it_was(void **state)
{
	(void)state;
	put_file("f", "");
	assert_int_equal(in_place("x", "x"), HF_TICKET_ABANDONED);
}

static void in_place_of_another_file(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);

	(void)state;
	batch.head.offset = 4;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_IN_PLACE, NULL), NULL);
	put_file("new", "new\ntw");
	assert_int_equal(rename("new", "f"), 0);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_LOST);
	assert_file("f", "new\ntw");
}

/* As a log that was rotated: the old one has another name, and FILE is another one, or absent. */
static enum hf_ticket_end rotated(const char *content, const char *then, bool anew)
{
	struct hf_ticket ticket;
	struct hf_batch batch = enter_batch(&ticket);
	enum hf_ticket_end state;

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
		close(batch.fd);
		assert_status(HF_OK, hf_append_recover(&target, NULL, &now, NULL), NULL);
		state = end_of(&ticket);
		assert_false(is_there("f"));
	}
	assert_file("f.1", then);
	return state;
}

static void in_place_and_rotated_since(void **state)
{
	for (int anew = 0; anew <= 1; anew++) {
		set_up(state);
		assert_int_equal(rotated("old\ntwo\none\n", "old\ntwo\none\n", anew),
				 HF_TICKET_DONE);
		set_up(state);
		assert_int_equal(rotated("old\ntwo\none\nmore\n", "old\ntwo\none\nmore\n",
					 anew),
				 HF_TICKET_DONE);
		set_up(state);
		/* the torn end has a whole record, whose owner appends it again */
		assert_int_equal(rotated("old\ntwo\non", "old\n", anew), HF_TICKET_ABANDONED);
	}
}

static void writing_in_place(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = make_batch(&ticket);
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_append_in_place(&st, &batch, true, &err), &err);
	assert_file("f", "old\ntwo\none\n");
	assert_int_equal(batch.head.offset, 4);
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_DONE);
}

static void writing_in_place_that_fails_is_taken_back(void **state)
{
	struct hf_ticket ticket;
	struct hf_batch batch = make_batch(&ticket);
	struct hf_err err;

	(void)state;
	setenv("HOLDFAST_FAULT", "fdatasync#1+:EIO", 1);
	assert_status(HF_IO, hf_append_in_place(&st, &batch, true, &err), &err);
	unsetenv("HOLDFAST_FAULT");
	assert_file("f", "old\n");
	assert_int_equal(settled(&batch, &ticket), HF_TICKET_ABANDONED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(nothing_to_settle),
	TEST(closed_was_not_done),
	TEST(prepared_and_not_renamed_was_not_done),
	TEST(prepared_and_renamed_was_done),
	TEST(prepared_and_exchanged_was_done),
	TEST(prepared_renamed_and_rotated_was_done),
	TEST(prepared_and_robbed_was_not_done),
	TEST(prepared_and_replaced_by_another_program_is_not_known),
	TEST(a_batch_of_another_name_is_not_trusted),
	TEST(a_numbered_batch_is_found_where_the_name_is_taken),
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
