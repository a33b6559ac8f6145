/* SPDX-License-Identifier: ISC */
#include "spool/spool_leader.h"

#include <sys/file.h>

#include <holdfast/clock.h>
#include "hf_test.h"

static const struct hf_wait now = {.deadline = HF_NOWAIT};
static struct hf_target target;
static int target_fd;

static int set_up(void **state)
{
	(void)state;
	put_file("f", "old\n");
	unlink(".holdfast.f.spool");
	unlink(".holdfast.f.batch");
	assert_status(HF_OK, hf_target_open(&target, "f", 0, NULL), NULL);
	target_fd = open("f", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(target_fd);
	hf_target_close(&target);
	return 0;
}

static struct hf_ticket publish(const char *text)
{
	struct hf_append_record record = {.data = text, .size = strlen(text), .fd = -1};
	struct hf_ticket ticket;

	assert_status(HF_OK,
		      hf_spool_publish(&target, target_fd, &record, &ticket),
		      NULL);
	return ticket;
}

static struct hf_batch take(void)
{
	struct hf_batch batch;
	struct hf_err err;

	assert_status(HF_OK, hf_batch_take(&target, HF_TRUST_NAMED, &batch, &err), &err);
	assert_status(HF_OK, hf_batch_judge(&batch, &err), &err);
	assert_status(HF_OK, hf_batch_enter(HF_TRUST_NAMED, &batch, &err), &err);
	return batch;
}

/* The batch's records, one after the other. */
static void assert_records(const struct hf_batch *batch, const char *text)
{
	char found[1024] = "";
	struct hf_append_record record;
	uint64_t at = 0;
	size_t n = 0;

	while (hf_batch_next(batch, &at, &record, NULL) == HF_OK) {
		assert_true(n + record.size < sizeof(found));
		assert_int_equal(pread(record.fd, found + n, record.size, (off_t)record.offset),
				 (ssize_t)record.size);
		n += record.size;
	}
	found[n] = '\0';
	assert_string_equal(found, text);
}

static enum hf_ticket_end look(const struct hf_ticket *ticket, enum hf_status *status)
{
	return hf_ticket_check(ticket, status);
}

static enum hf_status open_batch(struct hf_batch *batch)
{
	struct hf_trust trust;
	struct hf_err err;

	hf_trust_init(&trust, &target, HF_TRUST_NAMED);
	return hf_batch_open(&target, &trust, ".holdfast.f.batch", &now, batch, &err);
}

static void records_come_in_order(void **state)
{
	struct hf_ticket a = publish("one\n"), b = publish("two\n");
	struct hf_batch batch = take();

	(void)state;
	assert_false(is_there(".holdfast.f.spool"));
	assert_true(is_there(".holdfast.f.batch"));
	assert_records(&batch, "one\ntwo\n");
	assert_true(hf_ticket_in(&a, &batch));
	hf_batch_finish(&batch);
	assert_false(is_there(".holdfast.f.batch"));
	hf_ticket_close(&a);
	hf_ticket_close(&b);
}

static int publish_and_wait(const struct rival *self, void *arg)
{
	struct hf_ticket ticket = publish(arg);

	rival_say(self, 'p');
	rival_hear(self);
	return ticket.fd < 0;
}

static void a_dead_owner_is_left_out(void **state)
{
	struct rival dead = rival_start(publish_and_wait, (void *)"dead\n"),
		     alive = rival_start(publish_and_wait, (void *)"alive\n");
	struct hf_batch batch;

	(void)state;
	assert_hears(&dead, 'p');
	assert_hears(&alive, 'p');
	kill(dead.pid, SIGKILL);
	assert_int_equal(rival_end(&dead), 128 + SIGKILL);
	batch = take();
	assert_records(&batch, "alive\n");
	hf_batch_finish(&batch);
	assert_int_equal(rival_end(&alive), 0);
}

static void a_withdrawn_record_is_left_out(void **state)
{
	struct hf_ticket a = publish("stays\n"), b = publish("goes\n");
	struct hf_batch batch;
	enum hf_status status;

	(void)state;
	assert_true(hf_ticket_withdraw(&b));
	batch = take();
	assert_records(&batch, "stays\n");
	hf_batch_finish(&batch);
	/* and its owner, had it not withdrawn, would know */
	assert_int_equal(look(&b, &status), HF_TICKET_ABANDONED);
	hf_ticket_close(&a);
	hf_ticket_close(&b);
}

static void the_last_to_withdraw_removes_the_spool(void **state)
{
	struct hf_ticket a = publish("one\n"), b = publish("two\n"), c;
	enum hf_status status;

	(void)state;
	assert_true(hf_ticket_withdraw(&a));
	assert_true(is_there(".holdfast.f.spool"));
	assert_true(hf_ticket_withdraw(&b));
	assert_false(is_there(".holdfast.f.spool"));
	c = publish("three\n");
	assert_int_equal(look(&c, &status), HF_TICKET_OPEN);
	assert_int_equal(look(&b, &status), HF_TICKET_ABANDONED);
	hf_ticket_close(&a);
	hf_ticket_close(&b);
	hf_ticket_close(&c);
}

static void the_outcome_is_reported(void **state)
{
	struct hf_ticket a = publish("one\n");
	struct hf_batch batch = take();
	enum hf_status status;

	(void)state;
	batch.head.status = HF_UNCERTAIN;
	assert_status(HF_OK, hf_batch_mark(&batch, HF_SPOOL_DONE, NULL), NULL);
	hf_batch_finish(&batch);
	assert_int_equal(look(&a, &status), HF_TICKET_DONE);
	assert_int_equal(status, HF_UNCERTAIN);
	hf_ticket_close(&a);
}

static void a_leader_that_dies_before_marking_has_done_nothing(void **state)
{
	struct hf_ticket a = publish("one\n");
	struct hf_batch batch = take(), again;
	enum hf_status status;

	(void)state;
	assert_int_equal(look(&a, &status), HF_TICKET_TAKEN);
	close(batch.fd);
	assert_int_equal(look(&a, &status), HF_TICKET_ABANDONED);
	/* its leftover is found, and blocks a second batch */
	assert_status(HF_OK, hf_batch_make(&target, target_fd, &again, NULL),
		      NULL);
	assert_status(HF_BUSY, hf_batch_enter(HF_TRUST_NAMED, &again, NULL), NULL);
	hf_batch_finish(&again);
	assert_status(HF_OK, open_batch(&again), NULL);
	assert_int_equal(again.head.state, HF_SPOOL_CLOSED);
	hf_batch_finish(&again);
	hf_ticket_close(&a);
}

static int lead_until_told(const struct rival *self, void *arg)
{
	struct hf_batch batch = take();

	(void)arg;
	rival_say(self, 't');
	rival_hear(self);
	batch.head.status = HF_OK;
	hf_batch_mark(&batch, HF_SPOOL_DONE, NULL);
	hf_batch_finish(&batch);
	return 0;
}

static void a_check_needs_no_lock_and_names_the_leader(void **state)
{
	struct hf_ticket a = publish("one\n");
	struct rival leader = rival_start(lead_until_told, NULL);
	char who[256], pid[32];
	enum hf_status status;
	int other;

	(void)state;
	assert_hears(&leader, 't');
	/* another process, or a reader, has its lock */
	other = open(".holdfast.f.batch", O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(look(&a, &status), HF_TICKET_TAKEN);
	assert_false(hf_ticket_withdraw(&a));
	assert_false(hf_ticket_leader(&a, who, sizeof(who)));
	snprintf(pid, sizeof(pid), "PID %d ", (int)leader.pid);
	assert_non_null(strstr(who, pid));
	rival_tell(&leader, 'g');
	assert_int_equal(rival_end(&leader), 0);
	assert_int_equal(look(&a, &status), HF_TICKET_DONE);
	close(other);
	hf_ticket_close(&a);
}

static void a_torn_record_is_written_over(void **state)
{
	struct hf_ticket a = publish("one\n"), b;
	struct stat st;
	struct hf_batch batch;

	(void)state;
	/* a writer that died after half a frame, before the head counted it */
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(pwrite(a.fd, "FRAMgarbage", 11, st.st_size), 11);
	b = publish("two\n");
	batch = take();
	assert_records(&batch, "one\ntwo\n");
	hf_batch_finish(&batch);
	hf_ticket_close(&a);
	hf_ticket_close(&b);
}

static void a_file_after_a_power_cut_is_only_a_leftover(void **state)
{
	static const char line[] = "garbage that is longer than any head of a spool is, so that "
				   "reading one does not end early; ";
	char longer[4 * sizeof(line)] = "";
	const char *const left[] = {"", longer};
	struct hf_batch batch;

	(void)state;
	for (int i = 0; i < 4; i++)
		strcat(longer, line);
	for (size_t i = 0; i < 2; i++) {
		struct hf_ticket a;

		put_file(".holdfast.f.spool", left[i]);
		assert_status(HF_NO, hf_batch_take(&target, HF_TRUST_NAMED, &batch, NULL), NULL);
		assert_false(is_there(".holdfast.f.spool"));
		put_file(".holdfast.f.spool", left[i]);
		a = publish("one\n");
		batch = take();
		assert_records(&batch, "one\n");
		hf_batch_finish(&batch);
		hf_ticket_close(&a);
		put_file(".holdfast.f.batch", left[i]);
		assert_status(HF_DATA, open_batch(&batch), NULL);
		hf_batch_finish(&batch);
	}
}

static void a_hostile_frame_is_refused(void **state)
{
	struct hf_ticket a = publish("one\n");
	struct hf_spool_frame frame = {.magic = HF_SPOOL_FRAME_MAGIC, .size = UINT64_MAX - 4};
	struct hf_append_record record;
	struct hf_batch batch;
	struct hf_err err;
	uint64_t at = 0;

	(void)state;
	batch = take();
	assert_int_equal(pwrite(a.fd, &frame, sizeof(frame), (off_t)a.offset), sizeof(frame));
	assert_status(HF_DATA, hf_batch_next(&batch, &at, &record, &err), &err);
	at = 0;
	frame.magic = 0;
	frame.size = 4;
	assert_int_equal(pwrite(a.fd, &frame, sizeof(frame), (off_t)a.offset), sizeof(frame));
	assert_status(HF_DATA, hf_batch_next(&batch, &at, &record, &err), &err);
	hf_batch_finish(&batch);
	hf_ticket_close(&a);
}

static void a_large_record_is_not_handed_over(void **state)
{
	struct hf_append_record record = {.data = "", .size = HF_APPEND_RECORD_SMALL + 1, .fd = -1};
	struct hf_ticket ticket;

	(void)state;
	assert_status(HF_NO,
		      hf_spool_publish(&target, target_fd, &record, &ticket),
		      NULL);
	assert_int_equal(ticket.fd, -1);
	assert_false(is_there(".holdfast.f.spool"));
}

static void it_is_for_users_who_may_read_and_write_the_target(void **state)
{
	struct hf_ticket a;
	struct stat st;

	(void)state;
	assert_int_equal(chmod("f", 0664), 0);
	a = publish("one\n");
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	hf_ticket_close(&a);
}

static void a_link_in_its_place_is_not_followed(void **state)
{
	struct hf_append_record record = {.data = "one\n", .size = 4, .fd = -1};
	struct hf_ticket ticket;

	(void)state;
	put_file("precious", "precious\n");
	assert_int_equal(symlink("precious", ".holdfast.f.spool"), 0);
	assert_status(HF_NO,
		      hf_spool_publish(&target, target_fd, &record, &ticket),
		      NULL);
	assert_file("precious", "precious\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
	TEST(records_come_in_order),
	TEST(a_dead_owner_is_left_out),
	TEST(a_withdrawn_record_is_left_out),
	TEST(the_last_to_withdraw_removes_the_spool),
	TEST(the_outcome_is_reported),
	TEST(a_leader_that_dies_before_marking_has_done_nothing),
	TEST(a_check_needs_no_lock_and_names_the_leader),
	TEST(a_torn_record_is_written_over),
	TEST(a_file_after_a_power_cut_is_only_a_leftover),
	TEST(a_hostile_frame_is_refused),
	TEST(a_large_record_is_not_handed_over),
	TEST(it_is_for_users_who_may_read_and_write_the_target),
	TEST(a_link_in_its_place_is_not_followed),
};
HF_TEST_MAIN(tests)
