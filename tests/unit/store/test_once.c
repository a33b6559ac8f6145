/* SPDX-License-Identifier: ISC */
/* Marks, and commands that run once. */

#include "store/once.h"

#include <holdfast/clock.h>
#include "hf_test.h"

#define KEY(text) ((struct hf_bytes){(text), sizeof(text) - 1})

static struct hf_store open_store(const char *path)
{
	struct hf_store_options o = {.wait.deadline = HF_NOWAIT};
	struct hf_store store;
	struct hf_err err;

	assert_status(HF_OK, hf_store_open(&store, path, &o, &err), &err);
	return store;
}

static void set_clock(const char *microseconds)
{
	setenv("HOLDFAST_FAULT_CLOCK", microseconds, 1);
}

static enum hf_status mark(struct hf_store *store, struct hf_bytes key, int64_t ttl)
{
	struct hf_err err;

	return hf_once_mark(store, &key, 1, ttl, &err);
}

/* store/O1, store/O2 */
static void the_first_time_and_ever_after(void **state)
{
	struct hf_bytes ab[] = {KEY("a"), KEY("b")}, bc[] = {KEY("b"), KEY("c")};
	struct hf_store store = open_store("a.db");
	struct hf_err err;

	(void)state;
	assert_status(HF_OK, hf_once_mark(&store, ab, 2, HF_NEVER, &err), &err);
	assert_status(HF_NO, hf_once_mark(&store, bc, 2, HF_NEVER, &err), &err);
	assert_status(HF_NO, hf_once_check(&store, bc, 2, &err), &err);
	assert_status(HF_OK, hf_once_check(&store, ab, 2, &err), &err);
	assert_int_equal(mark(&store, KEY("c"), HF_NEVER), HF_OK);
	hf_store_close(&store);
}

/* store/O3 */
static void it_runs_out_on_the_instant(void **state)
{
	struct hf_store store = open_store("b.db");
	struct hf_bytes key = KEY("k");
	struct hf_err err;

	(void)state;
	set_clock("1000");
	assert_int_equal(mark(&store, key, HF_MS), HF_OK);
	set_clock("1999");
	assert_int_equal(mark(&store, key, HF_MS), HF_NO);
	assert_status(HF_OK, hf_once_check(&store, &key, 1, &err), &err);
	set_clock("2000");
	assert_status(HF_NO, hf_once_check(&store, &key, 1, &err), &err);
	assert_status(HF_NO, hf_once_forget(&store, &key, 1, &err), &err);
	assert_int_equal(mark(&store, key, HF_MS), HF_OK);
	assert_status(HF_OK, hf_once_forget(&store, &key, 1, &err), &err);
	unsetenv("HOLDFAST_FAULT_CLOCK");
	hf_store_close(&store);
}

/* store/O4 */
static void keys_are_bytes(void **state)
{
	struct hf_store store = open_store("c.db");
	struct hf_bytes empty = KEY("");
	char *large = calloc(1, 1 << 20);
	bool first;
	struct hf_err err;

	(void)state;
	assert_int_equal(mark(&store, KEY("a\0b"), HF_NEVER), HF_OK);
	assert_int_equal(mark(&store, KEY("a\0c"), HF_NEVER), HF_OK);
	assert_int_equal(mark(&store, KEY("a"), HF_NEVER), HF_OK);
	assert_int_equal(mark(&store, KEY("A"), HF_NEVER), HF_OK);
	assert_int_equal(mark(&store, KEY("1"), HF_NEVER), HF_OK);
	assert_int_equal(mark(&store, KEY("1.0"), HF_NEVER), HF_OK);
	assert_non_null(large);
	assert_int_equal(mark(&store, (struct hf_bytes){large, 1 << 20}, HF_NEVER), HF_OK);
	large[(1 << 20) - 1] = 1;
	assert_int_equal(mark(&store, (struct hf_bytes){large, 1 << 20}, HF_NEVER), HF_OK);
	assert_int_equal(mark(&store, (struct hf_bytes){large, 1 << 20}, HF_NEVER), HF_NO);
	free(large);
	assert_status(HF_USAGE, hf_once_mark(&store, &empty, 1, HF_NEVER, &err), NULL);
	assert_status(HF_OK, hf_once_mark_each(&store, &empty, 1, HF_NEVER, true, &first, &err),
		      &err);
	assert_true(first);
	hf_store_close(&store);
}

static void each_by_itself(void **state)
{
	struct hf_bytes keys[] = {KEY("a"), KEY("b"), KEY("a")};
	struct hf_store store = open_store("d.db");
	bool first[3];
	int64_t count;
	struct hf_err err;

	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		assert_status(HF_OK,
			      hf_once_mark_each(&store, keys, 3, HF_NEVER, keep, first, &err),
			      &err);
		assert_true(first[0] && first[1] && !first[2]);
		assert_status(HF_OK, hf_once_count(&store, &count, &err), &err);
		assert_int_equal(count, keep ? 2 : 0);
	}
	hf_store_close(&store);
}

static int claimant(const struct rival *self, void *arg)
{
	struct hf_store store = open_store(arg);
	struct hf_once_claim claim;
	struct hf_bytes key = KEY("job");
	struct hf_err err;

	if (hf_once_claim(&claim, &store, &key, 1, &err) != HF_OK)
		return 1;
	rival_say(self, 'h');
	if (rival_hear(self) != 'd')
		return 2;
	if (hf_once_claim_mark(&claim, &store, HF_NEVER, &err) != HF_OK)
		return 3;
	rival_say(self, 'm');
	rival_hear(self);
	return 0;
}

/* store/O5, store/O6 */
static void a_claimed_key_cannot_be_marked(void **state)
{
	struct rival rival = rival_start(claimant, (void *)"e.db");
	struct hf_store store = open_store("e.db");
	struct hf_bytes keys[] = {KEY("other"), KEY("job")};
	struct hf_once_claim claim;
	char says[128];
	bool first[2];
	struct hf_err err;

	(void)state;
	assert_hears(&rival, 'h');
	assert_status(HF_BUSY, hf_once_mark(&store, keys, 2, HF_NEVER, &err), NULL);
	snprintf(says, sizeof(says),
		 "cannot mark 'job' in 'e.db': its command is run by PID %d (", (int)rival.pid);
	assert_memory_equal(err.message, says, strlen(says));
	assert_status(HF_BUSY, hf_once_mark_each(&store, keys, 2, HF_NEVER, true, first, &err),
		      NULL);
	assert_status(HF_BUSY, hf_once_claim(&claim, &store, &keys[1], 1, &err), NULL);
	assert_status(HF_NO, hf_once_check(&store, keys, 1, &err), &err);
	assert_int_equal(mark(&store, keys[0], HF_NEVER), HF_OK);
	rival_tell(&rival, 'd');
	assert_hears(&rival, 'm');
	/* marked, and still locked */
	assert_status(HF_OK, hf_once_check(&store, keys, 2, &err), &err);
	assert_int_equal(rival_end(&rival), 0);
	assert_status(HF_NO, hf_once_claim(&claim, &store, &keys[1], 1, &err), &err);
	hf_store_close(&store);
}

static void the_dead_hold_nothing(void **state)
{
	struct rival rival = rival_start(claimant, (void *)"f.db");
	struct hf_store store = open_store("f.db");
	struct hf_bytes key = KEY("job");
	struct hf_once_claim claim;
	struct hf_err err;

	(void)state;
	assert_hears(&rival, 'h');
	assert_int_equal(kill(rival.pid, SIGKILL), 0);
	assert_int_equal(rival_end(&rival), 128 + SIGKILL);
	assert_status(HF_OK, hf_once_claim(&claim, &store, &key, 1, &err), &err);
	hf_once_claim_release(&claim);
	assert_int_equal(mark(&store, key, HF_NEVER), HF_OK);
	hf_store_close(&store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(the_first_time_and_ever_after),
	cmocka_unit_test(it_runs_out_on_the_instant),
	cmocka_unit_test(keys_are_bytes),
	cmocka_unit_test(each_by_itself),
	cmocka_unit_test(a_claimed_key_cannot_be_marked),
	cmocka_unit_test(the_dead_hold_nothing),
};
HF_TEST_MAIN(tests)
