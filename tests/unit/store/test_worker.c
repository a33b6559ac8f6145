/* SPDX-License-Identifier: ISC */
/* Workers: what becomes of a job, and several of them. */

#include "store/worker.h"

#include <holdfast/clock.h>
#include "hf_test.h"

static struct hf_store open_store(const char *path, int jobs)
{
	struct hf_store_options o = {.wait.deadline = HF_NOWAIT};
	struct hf_job job = {.queue = {"q", 1}, .payload = {"text", 4}, .most = 2};
	struct hf_store store;
	struct hf_err err;
	int64_t id;

	assert_status(HF_OK, hf_store_open(&store, path, &o, &err), &err);
	while (jobs--)
		assert_status(HF_OK,
			      hf_queue_add(&store, &job, 0, &job.payload, 1, &id, &id, &err),
			      &err);
	return store;
}

static char told[256];

static void tell(void *context, const struct hf_job *job, enum hf_worker_result end,
		 int wait_status)
{
	(void)context;
	sprintf(told + strlen(told), "%d:%d:%d ", (int)job->id, (int)end, wait_status >> 8);
}

static struct hf_work make_work(const char *script)
{
	static char *words[4] = {"sh", "-c"};

	words[2] = (char *)script;
	told[0] = '\0';
	return (struct hf_work){.queue = {"q", 1},
				.holder = "me",
				.ttl = 60 * HF_SECOND,
				.timeout = 10 * HF_SECOND,
				.command = words,
				.tell = tell};
}

/* store/W1 */
static void works_until_no_job_is_left(void **state)
{
	struct hf_store store = open_store("a.db", 2);
	struct hf_work work = make_work("[ \"$(cat)\" = text ] && [ $HOLDFAST_JOB = 1 ] || exit 3");
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_work(&store, &work, &err), &err);
	assert_string_equal(told, "1:0:0 2:1:3 2:2:3 ");
	assert_int_equal(work.done, 1);
	assert_int_equal(work.failed, 2);
	assert_int_equal(work.asked, 0);
	hf_store_close(&store);
}

static void a_command_that_is_not_there(void **state)
{
	struct hf_store store = open_store("b.db", 1);
	struct hf_work work = make_work("true");
	char *words[] = {"no-such-command", NULL}, **usual = work.command;
	struct hf_err err;

	(void)state;
	work.command = words;
	assert_int_equal(hf_work(&store, &work, &err), 127);
	work.command = usual;
	assert_status(HF_OK, hf_work(&store, &work, &err), &err);
	assert_string_equal(told, "1:0:0 ");
	hf_store_close(&store);
}

/* store/W2: the lease is no longer its own when it is renewed. */
static void a_lease_that_is_lost(void **state)
{
	struct hf_store store = open_store("c.db", 1);
	struct hf_work work = make_work("exec sleep 60");
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_store_begin(&store, (const struct hf_store_table *[]){NULL}, &err),
		      &err);
	assert_status(HF_OK,
		      hf_db_exec(store.db,
				 "CREATE TRIGGER lose AFTER UPDATE ON holdfast_job WHEN new.due >"
				 " old.due AND old.state = 1 BEGIN UPDATE holdfast_job SET token ="
				 " token + 1 WHERE id = new.id; END",
				 NULL, 0, NULL, &err),
		      &err);
	assert_status(HF_OK, hf_store_end(&store, HF_OK, &err), &err);
	work.ttl = 3 * HF_SECOND;
	/* the first renewal gives the job another token, the second one finds it */
	assert_status(HF_OK, hf_work(&store, &work, &err), &err);
	assert_string_equal(told, "1:3:0 ");
	hf_store_close(&store);
}

static int body(void *context)
{
	int *arg = context;

	return *arg;
}

static void several(void **state)
{
	int arg = 0, worst, asked;
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_workers(3, body, &arg, &worst, &asked, &err), &err);
	assert_int_equal(worst, 0);
	arg = 7;
	assert_status(HF_OK, hf_workers(3, body, &arg, &worst, &asked, &err), &err);
	assert_int_equal(worst, 7);
	assert_int_equal(asked, 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(works_until_no_job_is_left),
	cmocka_unit_test(a_command_that_is_not_there),
	cmocka_unit_test(a_lease_that_is_lost),
	cmocka_unit_test(several),
};
HF_TEST_MAIN(tests)
