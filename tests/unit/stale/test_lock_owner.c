/* SPDX-License-Identifier: ISC */
#include "stale/lock_owner.h"

#include "hf_test.h"
#include <holdfast/proc.h>

static struct hf_lock_owner_info parse(const char *text)
{
	struct hf_lock_owner_info record;

	hf_lock_owner_parse(text, strlen(text), &record);
	return record;
}

#define assert_form(text, wanted) assert_int_equal(parse(text).form, (wanted))

static void comes_back_as_it_was(void **state)
{
	struct hf_lock_owner_info made, read;
	char text[HF_LOCK_OWNER_MAX];
	struct hf_proc self;
	size_t size;

	(void)state;
	hf_lock_owner_make(&made);
	size = hf_lock_owner_format(&made, text);
	hf_lock_owner_parse(text, size, &read);
	assert_int_equal(read.form, HF_OWNER_HOLDFAST);
	assert_int_equal(read.owner.pid, getpid());
	assert_true(hf_proc_read(getpid(), &self));
	assert_int_equal(read.owner.start, self.start);
	assert_true(hf_process_id_same_boot(&made.owner, &read.owner));
	assert_true(hf_process_id_same_host(&made.owner, &read.owner));
	assert_true(hf_process_id_same_pidns(&made.owner, &read.owner));
	assert_int_equal(made.taken, read.taken);
	assert_string_equal(made.nonce, read.nonce);
	assert_int_equal(atoi(text), getpid());
	assert_int_equal(strcspn(text, "\n"), strspn(text, "0123456789"));
}

static void nonces_differ(void **state)
{
	struct hf_lock_owner_info one, two;

	(void)state;
	hf_lock_owner_make(&one);
	hf_lock_owner_make(&two);
	assert_string_not_equal(one.nonce, two.nonce);
}

/* stale/R2, stale/R3. */
static void reads_a_plain_pid(void **state)
{
	(void)state;
	assert_form("4711\n", HF_OWNER_PID_ONLY);
	assert_form("4711", HF_OWNER_PID_ONLY);
	assert_form("      4711\n", HF_OWNER_PID_ONLY);
	assert_int_equal(parse("      4711\n").owner.pid, 4711);
	assert_int_equal(parse("1\n").owner.pid, 1);
	assert_int_equal(parse("4194304\n").owner.pid, 4194304);
	assert_form("", HF_OWNER_NO_PID);
	assert_form("\n", HF_OWNER_NO_PID);
	assert_form("0", HF_OWNER_NO_PID);
	assert_form("0\n", HF_OWNER_NO_PID);
}

static void refuses_an_invalid_pid(void **state)
{
	static const char *const texts[] = {
		"-1\n",		  "+1\n",   "00\n",	"4194305\n",   "2147483648\n",
		"4294967297\n",	  "1x\n",   "1 \n",	"1 2\n",       "0x10\n",
		"18446744073709551617\n", "99999999999999999999999999\n", "pid 1\n", "\xff\xfe\n",
		"1\n2\n", "1\n\n", "\n1\n", "1\r\n", "12\033[31m\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct hf_lock_owner_info record = parse(texts[i]);

		if (record.form != HF_OWNER_FOREIGN)
			print_error("'%s' is taken for something\n", texts[i]);
		assert_int_equal(record.form, HF_OWNER_FOREIGN);
		assert_int_equal(record.owner.pid, 0);
		assert_non_null(record.why);
	}
}

#define HEAD "4711\nholdfast dotlock 1\n"
#define BOOT "boot 0f6b6f3e-2a51-4b1c-8f9d-0c8e6a1d2b3c\n"
#define NONCE "nonce 0123456789abcdef0123456789abcdef\n"
#define REST "pidns 1\ntimens 2\nstart 3\ntaken 4\n" NONCE

/* stale/R1, stale/R4. */
static void reads_only_records_of_its_own_form(void **state)
{
	(void)state;
	assert_form(HEAD "host a\n" BOOT REST, HF_OWNER_HOLDFAST);
	assert_form(HEAD "host a\n" BOOT REST "later more\n", HF_OWNER_HOLDFAST);
	assert_form(HEAD "host -\nboot -\npidns -\ntimens -\nstart -\ntaken -\n" NONCE,
		    HF_OWNER_HOLDFAST);
	assert_form(HEAD "host a\033[2Jb\n" BOOT REST, HF_OWNER_HOLDFAST);
	assert_form(HEAD "host a\n" BOOT REST "host b\n", HF_OWNER_FOREIGN);
	assert_form(HEAD "host a\nhost a\n" BOOT REST, HF_OWNER_FOREIGN);
	assert_form(HEAD "host \n" BOOT REST, HF_OWNER_FOREIGN);
	assert_form(HEAD "host\n" BOOT REST, HF_OWNER_FOREIGN);
	assert_form(HEAD BOOT "host a\n" REST, HF_OWNER_FOREIGN);
	assert_form(HEAD "host a\nboot 1\n" REST, HF_OWNER_FOREIGN);
	assert_form(HEAD "host a\n" BOOT "pidns -1\ntimens 2\nstart 3\ntaken 4\n" NONCE,
		    HF_OWNER_FOREIGN);
	assert_form(HEAD "host a\n" BOOT
			 "pidns 99999999999999999999\ntimens 2\nstart 3\ntaken 4\n" NONCE,
		    HF_OWNER_FOREIGN);
	assert_form(HEAD "host a\n" BOOT "pidns 1\ntimens 2\nstart 3\ntaken 4\nnonce 1\n",
		    HF_OWNER_FOREIGN);
	assert_form("0\nholdfast dotlock 1\nhost a\n" BOOT REST, HF_OWNER_FOREIGN);
	assert_form("4711\nholdfast dotlock 2\nhost a\n" BOOT REST, HF_OWNER_FOREIGN);
}

/* However short it is cut, it is never taken for a record, nor for a dead PID. */
static void refuses_a_truncated_record(void **state)
{
	static const char text[] = HEAD "host a\n" BOOT REST;
	struct hf_lock_owner_info record;

	(void)state;
	for (size_t size = sizeof("4711\n"); size < sizeof(text) - 1; size++) {
		hf_lock_owner_parse(text, size, &record);
		assert_int_equal(record.form, HF_OWNER_FOREIGN);
	}
}

/* A stream of bad bytes: nothing but an answer is wanted, and the sanitizers' silence. */
static void survives_anything(void **state)
{
	static char text[2 * HF_LOCK_OWNER_MAX];
	struct hf_lock_owner_info record;
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t size = sizeof(HEAD "host a\n" BOOT REST) - 1;

		memcpy(text, HEAD "host a\n" BOOT REST, size);
		for (int i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % size] = (char)(seed >> 24);
		}
		hf_lock_owner_parse(text, size - (seed >> 16) % 3, &record);
		assert_true(record.form == HF_OWNER_HOLDFAST || record.owner.pid >= 0);
	}
	memset(text, '1', sizeof(text));
	hf_lock_owner_parse(text, sizeof(text), &record);
	assert_int_equal(record.form, HF_OWNER_FOREIGN);
	hf_lock_owner_parse(text, HF_LOCK_OWNER_MAX, &record);
	assert_int_equal(record.form, HF_OWNER_FOREIGN);
	memset(text, 0, sizeof(text));
	hf_lock_owner_parse(text, 100, &record);
	assert_int_equal(record.form, HF_OWNER_FOREIGN);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(comes_back_as_it_was),
	cmocka_unit_test(nonces_differ),
	cmocka_unit_test(reads_a_plain_pid),
	cmocka_unit_test(refuses_an_invalid_pid),
	cmocka_unit_test(reads_only_records_of_its_own_form),
	cmocka_unit_test(refuses_a_truncated_record),
	cmocka_unit_test(survives_anything),
};
HF_TEST_MAIN(tests)
