/* SPDX-License-Identifier: ISC */
/* Leases: one holder a name, an end, a token that only grows. */

#include "store/lease.h"

#include "hf_test.h"
#include <holdfast/clock.h>

#define NAME(text) ((struct hf_bytes){(text), sizeof(text) - 1})

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

static int64_t acquire(struct hf_store *store, struct hf_bytes name, int64_t ttl)
{
	int64_t token = 0;
	struct hf_err err;
	enum hf_status status =
		hf_lease_acquire(store, &name, 1, "me", ttl, HF_NOWAIT, &token, &err);

	return status == HF_OK ? token : -(int64_t)status;
}

/* store/E1, store/E2 */
static void one_holder_a_name(void **state)
{
	struct hf_bytes ab[] = {NAME("a"), NAME("b")}, bc[] = {NAME("b"), NAME("c")};
	struct hf_store store = open_store("a.db");
	int64_t token;
	struct hf_err err;

	(void)state;
	set_clock("1000000");
	assert_status(HF_OK,
		      hf_lease_acquire(&store, ab, 2, "me", HF_SECOND, HF_NOWAIT, &token, &err),
		      &err);
	assert_status(HF_BUSY,
		      hf_lease_acquire(&store, bc, 2, "other", HF_SECOND, HF_NOWAIT, &token, &err),
		      NULL);
	assert_string_equal(err.message,
			    "cannot acquire 'b' in 'a.db': held by 'me' (token 1) for 1s");
	assert_true(acquire(&store, NAME("c"), HF_SECOND) > 0);
	assert_int_equal(acquire(&store, NAME("A"), HF_SECOND), 3);
	hf_store_close(&store);
}

/* store/E4, store/E5 */
static void it_expires_on_the_instant(void **state)
{
	struct hf_lease_proof first = {.token = 1}, second = {.token = 2};
	struct hf_store store = open_store("b.db");
	struct hf_bytes name = NAME("n");
	struct hf_err err;

	(void)state;
	set_clock("1000000");
	assert_int_equal(acquire(&store, name, HF_SECOND), 1);
	set_clock("1999999");
	assert_int_equal(acquire(&store, name, HF_SECOND), -HF_BUSY);
	assert_status(HF_OK, hf_lease_renew(&store, &name, 1, &first, HF_SECOND, &err), &err);
	set_clock("2999999");
	assert_status(HF_NO, hf_lease_renew(&store, &name, 1, &first, HF_SECOND, &err), NULL);
	assert_status(HF_NO, hf_lease_release(&store, &name, 1, &first, &err), NULL);
	assert_string_equal(err.message,
			    "cannot release 'n' in 'b.db': no process holds it any more");
	assert_int_equal(acquire(&store, name, HF_SECOND), 2);
	assert_status(HF_NO, hf_lease_renew(&store, &name, 1, &first, HF_SECOND, &err), NULL);
	assert_status(HF_OK, hf_lease_release(&store, &name, 1, &second, &err), &err);
	assert_int_equal(acquire(&store, name, HF_SECOND), 3);
	hf_store_close(&store);
}

static void a_wrong_proof_is_refused(void **state)
{
	struct hf_lease_proof proofs[] = {{.token = 2},
					  {.holder = "other"},
					  {.token = 1, .holder = "other"},
					  {.token = 2, .holder = "me"}};
	struct hf_store store = open_store("c.db");
	struct hf_bytes name = NAME("n");
	struct hf_err err;

	(void)state;
	set_clock("1000000");
	assert_int_equal(acquire(&store, name, HF_SECOND), 1);
	for (size_t i = 0; i < 4; i++)
		assert_status(HF_NO, hf_lease_release(&store, &name, 1, &proofs[i], &err), NULL);
	assert_status(HF_OK,
		      hf_lease_release(&store, &name, 1, &(struct hf_lease_proof){1, "me"}, &err),
		      &err);
	hf_store_close(&store);
}

static enum hf_status count(void *context, const struct hf_lease *lease, struct hf_err *err)
{
	int *n = context;

	(void)err;
	assert_memory_equal(lease->name.data, *n ? "b" : "a", 2);
	assert_string_equal(lease->holder, "me");
	return ++*n == 3 ? HF_IO : HF_OK;
}

static void only_held_names_are_listed(void **state)
{
	struct hf_store store = open_store("d.db");
	struct hf_err err;
	int n = 0;

	(void)state;
	set_clock("1000000");
	acquire(&store, NAME("b"), HF_NEVER);
	acquire(&store, NAME("a"), HF_SECOND);
	acquire(&store, NAME("c"), HF_MS);
	set_clock("1500000");
	assert_status(HF_OK, hf_lease_list(&store, count, &n, &err), &err);
	assert_int_equal(n, 2);
	hf_store_close(&store);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(one_holder_a_name),
	cmocka_unit_test(it_expires_on_the_instant),
	cmocka_unit_test(a_wrong_proof_is_refused),
	cmocka_unit_test(only_held_names_are_listed),
};
HF_TEST_MAIN(tests)
