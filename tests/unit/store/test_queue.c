/* SPDX-License-Identifier: ISC */
/* Jobs: their order, claims, attempts. */

#include "store/queue.h"

#include <holdfast/clock.h>
#include "hf_test.h"

static const struct hf_bytes queue = {"q", 1};

static struct hf_store open_store(const char *path)
{
	struct hf_store_options o = {.wait.deadline = HF_NOWAIT};
	struct hf_store store;
	struct hf_err err;

	assert_status(HF_OK, hf_store_open(&store, path, &o, &err), &err);
	setenv("HOLDFAST_FAULT_CLOCK", "1000000", 1);
	return store;
}

static void set_clock(const char *microseconds)
{
	setenv("HOLDFAST_FAULT_CLOCK", microseconds, 1);
}

static int64_t add(struct hf_store *store, const char *payload, int64_t priority, int64_t most,
		   int64_t delay)
{
	struct hf_job job = {.queue = queue,
			     .payload = {payload, strlen(payload)},
			     .priority = priority,
			     .most = most};
	struct hf_err err;
	int64_t id;

	assert_status(HF_OK,
		      hf_queue_add(store, &job, delay, &job.payload, 1, &id, &id, &err), &err);
	return id;
}

/* The payload, "" for none; *id and *token where there is one. */
static const char *claim(struct hf_store *store, int64_t *id, int64_t *token)
{
	static char payload[64];
	struct hf_job job;
	struct hf_err err;
	enum hf_status status = hf_queue_claim(store, &queue, "me", HF_SECOND, &job, &err);

	if (status == HF_NO)
		return "";
	assert_status(HF_OK, status, &err);
	*id = job.id;
	*token = job.token;
	snprintf(payload, sizeof(payload), "%s/%d", (const char *)job.payload.data,
		 (int)job.attempts);
	hf_job_free(&job);
	return payload;
}

/* store/Q2 */
static void jobs_are_claimed_by_priority_and_age(void **state)
{
	struct hf_store store = open_store("a.db");
	int64_t id, token;
	struct hf_err err;

	(void)state;
	add(&store, "later", 0, 0, 5 * HF_SECOND);
	add(&store, "p1", 1, 0, 0);
	add(&store, "p0", 0, 0, 0);
	add(&store, "p0 new", 0, 0, 0);
	assert_string_equal(claim(&store, &id, &token), "p0/1");
	assert_status(HF_OK, hf_queue_release(&store, id, token, 0, false, &err), &err);
	assert_string_equal(claim(&store, &id, &token), "p0/2");
	assert_string_equal(claim(&store, &id, &token), "p0 new/1");
	assert_string_equal(claim(&store, &id, &token), "p1/1");
	assert_string_equal(claim(&store, &id, &token), "");
	set_clock("5999999");
	assert_string_equal(claim(&store, &id, &token), "p0/3");
	assert_string_equal(claim(&store, &id, &token), "p0 new/2");
	assert_string_equal(claim(&store, &id, &token), "p1/2");
	assert_string_equal(claim(&store, &id, &token), "");
	set_clock("6000000");
	assert_string_equal(claim(&store, &id, &token), "later/1");
	hf_store_close(&store);
}

/* store/Q1, store/Q3, store/Q4 */
static void only_the_current_token_is_accepted(void **state)
{
	struct hf_store store = open_store("b.db");
	int64_t id, old, new;
	struct hf_err err;

	(void)state;
	add(&store, "job", 0, 0, 0);
	claim(&store, &id, &old);
	set_clock("1999999");
	assert_status(HF_OK, hf_queue_renew(&store, id, old, HF_SECOND, &err), &err);
	set_clock("2999999");
	assert_status(HF_NO, hf_queue_renew(&store, id, old, HF_SECOND, &err), NULL);
	assert_status(HF_NO, hf_queue_done(&store, id, old, &err), NULL);
	assert_string_equal(err.message, "cannot end job 1 of 'b.db': its lease has expired");
	assert_string_equal(claim(&store, &id, &new), "job/2");
	assert_true(new > old);
	assert_status(HF_NO, hf_queue_release(&store, id, old, 0, false, &err), NULL);
	assert_status(HF_NO, hf_queue_done(&store, id, old, &err), NULL);
	assert_status(HF_OK, hf_queue_done(&store, id, new, &err), &err);
	assert_status(HF_NO, hf_queue_done(&store, id, new, &err), NULL);
	assert_int_equal(add(&store, "another", 0, 0, 0), 2);
	hf_store_close(&store);
}

/* store/Q5 */
static void attempts(void **state)
{
	struct hf_store store = open_store("c.db");
	int64_t id, token, removed;
	struct hf_err err;

	(void)state;
	add(&store, "job", 0, 2, 0);
	claim(&store, &id, &token);
	assert_status(HF_OK, hf_queue_release(&store, id, token, 0, true, &err), &err);
	assert_string_equal(claim(&store, &id, &token), "job/1");
	assert_status(HF_OK, hf_queue_release(&store, id, token, 0, false, &err), &err);
	assert_string_equal(claim(&store, &id, &token), "job/2");
	assert_status(HF_NO, hf_queue_retry(&store, id, &err), NULL);
	/* its worker dies */
	set_clock("9000000");
	assert_string_equal(claim(&store, &id, &token), "");
	assert_status(HF_NO, hf_queue_done(&store, id, token, &err), NULL);
	assert_string_equal(err.message, "cannot end job 1 of 'c.db': it is dead");
	assert_status(HF_OK, hf_queue_retry(&store, id, &err), &err);
	assert_string_equal(claim(&store, &id, &token), "job/1");
	assert_status(HF_OK, hf_queue_purge(&store, NULL, 0, &removed, &err), &err);
	assert_int_equal(removed, 0);
	hf_store_close(&store);
}

/* The clock does not go by itself here: the wait ends by the deadline, or by what is there. */
static void waiting(void **state)
{
	struct hf_store store = open_store("d.db");
	int64_t id, token;
	struct hf_err err;

	(void)state;
	assert_string_equal(claim(&store, &id, &token), "");
	assert_status(HF_NO, hf_queue_wait(&store, &queue, HF_NOWAIT, &err), &err);
	add(&store, "later", 0, 0, HF_SECOND);
	assert_status(HF_NO, hf_queue_wait(&store, &queue, hf_deadline_in(HF_MS), &err), &err);
	set_clock("2000000");
	assert_status(HF_OK, hf_queue_wait(&store, &queue, HF_NEVER, &err), &err);
	claim(&store, &id, &token);
	assert_status(HF_NO, hf_queue_wait(&store, &queue, HF_NOWAIT, &err), &err);
	set_clock("3000000");
	assert_status(HF_OK, hf_queue_wait(&store, &queue, HF_NEVER, &err), &err);
	hf_store_close(&store);
}

static enum hf_status collect(void *context, const struct hf_job *job, struct hf_err *err)
{
	char *text = context;

	(void)err;
	sprintf(text + strlen(text), "%d:%d ", (int)job->id, (int)job->state);
	return HF_OK;
}

static void listing(void **state)
{
	struct hf_store store = open_store("e.db");
	struct hf_bytes other = {"other", 5};
	int64_t id, token;
	char text[64] = "";
	struct hf_err err;

	(void)state;
	add(&store, "a", 0, 1, 0);
	add(&store, "b", 1, 0, 0);
	add(&store, "c", 0, 0, 0);
	claim(&store, &id, &token);
	assert_status(HF_OK, hf_queue_release(&store, id, token, 0, false, &err), &err);
	claim(&store, &id, &token);
	assert_status(HF_OK, hf_queue_list(&store, &queue, collect, text, &err), &err);
	assert_string_equal(text, "3:1 2:0 1:2 ");
	assert_status(HF_OK, hf_queue_list(&store, &other, collect, text, &err), &err);
	assert_string_equal(text, "3:1 2:0 1:2 ");
	hf_store_close(&store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(jobs_are_claimed_by_priority_and_age),
	cmocka_unit_test(only_the_current_token_is_accepted),
	cmocka_unit_test(attempts),
	cmocka_unit_test(waiting),
	cmocka_unit_test(listing),
};
HF_TEST_MAIN(tests)
