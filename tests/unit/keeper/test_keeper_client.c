/* SPDX-License-Identifier: ISC */
#include "keeper/keeper_client.h"

#include "base/process_id.h"
#include "base/sys.h"
#include "hf_test.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

static struct hf_err err;

static void a_handle_is_read_as_it_was_written(void **state)
{
	const struct hf_handle h = {4711, 123456, 4026531836, UINT64_C(0x9f86d081884c7d65)};
	char text[HF_HANDLE_SIZE];
	struct hf_handle again;

	(void)state;
	assert_string_equal(hf_handle_format(text, &h),
			    "k1-4711-123456-4026531836-9f86d081884c7d65");
	assert_status(HF_OK, hf_handle_parse(text, &again, &err), &err);
	assert_true(h.pid == again.pid && h.start == again.start && h.pidns == again.pidns &&
		    h.nonce == again.nonce);
}

static void nonsense_is_no_handle(void **state)
{
	static const char *const nonsense[] = {
		"",
		"k1",
		"4711",
		"k1-4711-123456-4026531836-9f86d081884c7d6",
		"k1-4711-123456-4026531836-9f86d081884c7d650",
		"k1-4711-123456-4026531836-9f86d081884c7d65 ",
		" k1-4711-123456-4026531836-9f86d081884c7d65",
		"k1-4711-123456-4026531836-9F86D081884C7D65",
		"k1- 4711-123456-4026531836-9f86d081884c7d65",
		"k1-+4711-123456-4026531836-9f86d081884c7d65",
		"k1-04711-123456-4026531836-9f86d081884c7d65",
		"k1--4711-123456-4026531836-9f86d081884c7d65",
		"k1-0-123456-4026531836-9f86d081884c7d65",
		"k1-4294967297-123456-4026531836-9f86d081884c7d65",
		"k2-4711-123456-4026531836-9f86d081884c7d65",
	};
	struct hf_handle h;

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		assert_status(HF_USAGE, hf_handle_parse(nonsense[i], &h, &err), NULL);
		assert_string_equal(err.advice, "a handle is what lock-acquire prints");
	}
}

/* What a keeper answers to one question. */
struct reply {
	const void *bytes;
	size_t size;
};

static struct hf_handle handle_of(pid_t pid)
{
	struct hf_proc proc;

	assert_true(hf_proc_read(pid, &proc));
	return (struct hf_handle){pid, proc.start, hf_process_id_pidns(), 1};
}

/* Listen under the own keeper name, as a keeper does; answer, and exit. */
static int keep(const struct rival *self, void *arg)
{
	const struct hf_handle h = handle_of(getpid());
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const struct reply *r = arg;
	struct hf_keeper_question q;
	struct sockaddr_un address;
	socklen_t size = hf_keeper_name(&address, h.pidns, h.pid, h.start);

	if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, 4) < 0)
		return 98;
	rival_say(self, 'l');
	fd = accept(fd, NULL, NULL);
	if (recv(fd, &q, sizeof(q), 0) != sizeof(q))
		return 99;
	return r->size && !hf_keeper_send(fd, r->bytes, r->size, NULL, 0);
}

static enum hf_status release_with(const void *bytes, size_t size)
{
	struct reply r = {bytes, size};
	struct rival rival = rival_start(keep, &r);
	struct hf_handle h = handle_of(rival.pid);
	enum hf_status status;

	assert_hears(&rival, 'l');
	status = hf_keeper_release(&h, &err);
	assert_int_equal(rival_end(&rival), 0);
	return status;
}

static void a_keeper_that_is_gone_has_lost_the_lock(void **state)
{
	const struct hf_handle gone = {HF_HANDLE_SIZE, 1, hf_process_id_pidns(), 1};

	(void)state;
	assert_status(HF_NO, hf_keeper_release(&gone, &err), NULL);
	assert_status(HF_NO, hf_keeper_renew(&gone, 0, &err), NULL);
	/* it dies before it answers */
	assert_status(HF_NO, release_with("", 0), NULL);
}

static void an_answer_of_another_form_is_refused(void **state)
{
	struct hf_keeper_answer answer = {.form = HF_KEEPER_FORM};
	const size_t least = offsetof(struct hf_keeper_answer, text);

	(void)state;
	assert_status(HF_OK, release_with(&answer, least), &err);
	assert_status(HF_DATA, release_with(&answer, least - 1), NULL);
	assert_status(HF_DATA, release_with(&answer, least + 1), NULL);
	answer.size = UINT32_MAX;
	assert_status(HF_DATA, release_with(&answer, least), NULL);
	answer.size = 3;
	memcpy(answer.text, "abc", 3);
	assert_status(HF_DATA, release_with(&answer, least + 3), NULL);
	answer.size = 0;
	answer.form++;
	assert_status(HF_DATA, release_with(&answer, least), NULL);
}

static void an_error_is_passed_on(void **state)
{
	struct hf_keeper_answer answer = {
		.form = HF_KEEPER_FORM, .status = HF_NO, .size = 9, .text = "why\0what"};

	(void)state;
	assert_status(HF_NO, release_with(&answer, offsetof(struct hf_keeper_answer, text) + 9),
		      NULL);
	assert_string_equal(err.message, "why");
	assert_string_equal(err.advice, "what");
}

/* A name that another process has taken proves nothing. */
static int ask_parent(const struct rival *self, void *arg)
{
	(void)self;
	return hf_keeper_release(arg, NULL) != HF_NO;
}

static void another_process_under_the_keepers_name_is_not_trusted(void **state)
{
	struct sockaddr_un address;
	struct hf_handle h = {1, 1, hf_process_id_pidns(), 1};
	socklen_t size = hf_keeper_name(&address, h.pidns, h.pid, h.start);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct rival rival;

	(void)state;
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, 4), 0);
	rival = rival_start(ask_parent, &h);
	assert_int_equal(rival_end(&rival), 0);
	close(fd);
}

static void an_unlocked_file_has_no_keeper(void **state)
{
	struct hf_keeper_answer answer;
	struct hf_keeper_loan loan;
	struct stat st;

	(void)state;
	put_file("l", "");
	assert_int_equal(stat("l", &st), 0);
	assert_false(hf_keeper_borrow(&st, &loan));
	assert_false(hf_keeper_find(&st, &loan));
	assert_status(HF_NO, hf_keeper_ask(getpid(), &answer, &err), NULL);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_handle_is_read_as_it_was_written),
	cmocka_unit_test(nonsense_is_no_handle),
	cmocka_unit_test(a_keeper_that_is_gone_has_lost_the_lock),
	cmocka_unit_test(an_answer_of_another_form_is_refused),
	cmocka_unit_test(an_error_is_passed_on),
	cmocka_unit_test(another_process_under_the_keepers_name_is_not_trusted),
	cmocka_unit_test(an_unlocked_file_has_no_keeper),
};
HF_TEST_MAIN(tests)
