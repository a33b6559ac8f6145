/* SPDX-License-Identifier: ISC */
#include "probe/proc_locks.h"

#include <errno.h>
#include <sys/mman.h>

#include "hf_test.h"
#include "waits.h"

static void lines_of_the_kernel_are_parsed(void **state)
{
	static const struct {
		const char *line;
		struct hf_lock_entry record;
	} good[] = {
		{"1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF\n",
		 {{0xfe, 0, 1234}, HF_LOCK_FLOCK, 4711, false, true, 0, INT64_MAX}},
		{"12: FLOCK  ADVISORY  READ  0 00:2b:18446744073709551615 0 EOF\n",
		 {{0, 0x2b, UINT64_MAX}, HF_LOCK_FLOCK, 0, false, false, 0, INT64_MAX}},
		{"3: -> FLOCK  ADVISORY  WRITE 4712 fe:00:1234 0 EOF\n",
		 {{0xfe, 0, 1234}, HF_LOCK_FLOCK, 4712, true, true, 0, INT64_MAX}},
		{"3:      -> FLOCK  ADVISORY  READ  9 103:1ff:7 0 EOF\n",
		 {{0x103, 0x1ff, 7}, HF_LOCK_FLOCK, 9, true, false, 0, INT64_MAX}},
		{"1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 10 14\n",
		 {{0xfe, 0, 1234}, HF_LOCK_POSIX, 4711, false, true, 10, 14}},
		{"1: OFDLCK ADVISORY  READ -1 fe:00:1234 1073741826 9223372036854775807\n",
		 {{0xfe, 0, 1234}, HF_LOCK_OFD, -1, false, false, 1073741826, INT64_MAX}},
	};
	static const char *const other[] = {
		"",
		"\n",
		"1:",
		"FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0 EOF",
		"1: LEASE  ACTIVE    READ  4711 fe:00:1234 0 EOF",
		"1: FLOCK  ADVISORY  WRITE 4711 <none>:0 0 EOF",
		"1: FLOCK  ADVISORY  WRITE",
		"1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234",
		"1: FLOCK  ADVISORY  WRITE 4711 fe:00:1234 0",
		"1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 -1 EOF",
		"1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 99999999999999999999",
		"1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 12x",
		"1: POSIXPOSIXPOSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF",
	};
	struct hf_lock_entry r;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct hf_lock_entry *wanted = &good[i].record;

		assert_true(hf_lock_parse(good[i].line, &r));
		assert_true(hf_lock_id_equal(&r.id, &wanted->id));
		assert_int_equal(r.type, wanted->type);
		assert_int_equal(r.pid, wanted->pid);
		assert_int_equal(r.waits, wanted->waits);
		assert_int_equal(r.exclusive, wanted->exclusive);
		assert_true(r.start == wanted->start && r.last == wanted->last);
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_false(hf_lock_parse(other[i], &r));
}

struct own {
	struct hf_lock_id id;
	int fd, count;
};

static bool is_own(void *context, int fd, const struct hf_lock_entry *record)
{
	struct own *own = context;

	if (hf_lock_id_equal(&record->id, &own->id)) {
		own->fd = fd;
		own->count++;
	}
	return true;
}

/* On the file system of the test, and on one without a device. */
static void an_id_is_the_one_in_the_records(void **state)
{
	int fds[] = {open_lock("id"), memfd_create("id", MFD_CLOEXEC)};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct hf_lock_entries records;
		struct own own = {.fd = -1};
		int in_table = 0;

		assert_int_equal(flock(fds[i], LOCK_SH), 0);
		assert_true(hf_lock_id_of(fds[i], &own.id));
		assert_true(hf_lock_held_by(getpid(), HF_FLOCK_ONLY, is_own, &own));
		assert_int_equal(own.count, 1);
		assert_int_equal(own.fd, fds[i]);
		assert_true(hf_lock_entries_read(&records, HF_FLOCK_ONLY));
		for (size_t k = 0; k < records.count; k++)
			in_table += records.at[k].pid == getpid() && !records.at[k].waits &&
				    hf_lock_id_equal(&records.at[k].id, &own.id);
		assert_int_equal(in_table, 1);
		hf_lock_entries_free(&records);
		close(fds[i]);
	}
	assert_false(hf_lock_id_of(fds[0], &(struct hf_lock_id){0}));
}

static int wait_plainly(const struct rival *self, void *arg)
{
	(void)self;
	return flock(open_lock(arg), LOCK_EX) == 0 ? 0 : 99;
}

static void waiters_are_in_the_records(void **state)
{
	struct rival holder = rival_start(hold, (void *)"w"), waiter[3];
	struct hf_lock_entries records;

	(void)state;
	assert_hears(&holder, 'h');
	for (int i = 0; i < 3; i++) {
		waiter[i] = rival_start(wait_plainly, (void *)"w");
		assert_true(await_waiter(waiter[i].pid));
	}
	assert_true(hf_lock_entries_read(&records, HF_FLOCK_ONLY));
	for (int i = 0; i < 3; i++) {
		bool found = false;

		/* perhaps twice: the kernel's list moves on while it is read */
		for (size_t k = 0; k < records.count; k++)
			found |= records.at[k].waits && records.at[k].pid == waiter[i].pid;
		assert_true(found);
	}
	hf_lock_entries_free(&records);
	rival_tell(&holder, 'g');
	assert_int_equal(rival_end(&holder), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rival_end(&waiter[i]), 0);
}

static void a_living_holder_is_named(void **state)
{
	struct rival holder = rival_start(hold, (void *)"l");
	int fd = open_lock("l");

	(void)state;
	assert_hears(&holder, 'h');
	assert_int_equal(hf_lock_holder(fd), holder.pid);
	rival_end(&holder);
	assert_int_equal(hf_lock_holder(fd), 0);
	close(fd);
}

/* Its child has taken the lock and died: the description is what holds. */
static int inherit(const struct rival *self, void *arg)
{
	int fd = open_lock(arg);
	pid_t taker = fork();

	if (taker == 0)
		_exit(flock(fd, LOCK_EX) == 0 ? 0 : 1);
	waitpid(taker, NULL, 0);
	rival_say(self, 'h');
	rival_hear(self);
	return 0;
}

static void the_heir_of_a_dead_processs_lock_is_found(void **state)
{
	struct rival holder = rival_start(inherit, (void *)"d");
	int fd = open_lock("d");

	(void)state;
	assert_hears(&holder, 'h');
	assert_int_equal(hf_lock_holder(fd), holder.pid);
	rival_end(&holder);
	close(fd);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(lines_of_the_kernel_are_parsed),
	cmocka_unit_test(an_id_is_the_one_in_the_records),
	cmocka_unit_test(waiters_are_in_the_records),
	cmocka_unit_test(a_living_holder_is_named),
	cmocka_unit_test(the_heir_of_a_dead_processs_lock_is_found),
};

HF_TEST_MAIN(tests)
