/* SPDX-License-Identifier: ISC */
#include "keeper/keeper_list.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/process_id.h"
#include "hf_test.h"
#include "keeper/keeper_protocol.h"
#include "waits.h"
#include <holdfast/proc.h>

/* A process with this title, and by this user; it listens under a keeper's name if it is to. */
struct figure {
	const char *title;
	uid_t uid;
	bool listens;
	int gate[2];
};

static void become(const struct figure *f)
{
	struct sockaddr_un address;
	struct hf_proc self;
	int fd;

	if (f->uid && setuid(f->uid) < 0)
		_exit(99);
	if (f->listens && hf_proc_read(getpid(), &self)) {
		socklen_t size =
			hf_keeper_name(&address, hf_process_id_pidns(), getpid(), self.start);

		fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
		if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, 4) < 0)
			_exit(98);
	}
	execl("/bin/sleep", f->title, "60", (char *)NULL);
	_exit(97);
}

/* Returns when the program has been started: the gate closes on exec. */
static pid_t figure_start(struct figure *f)
{
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(f->gate, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		become(f);
	close(f->gate[1]);
	assert_int_equal(read(f->gate[0], &byte, 1), 0);
	close(f->gate[0]);
	return pid;
}

static void figure_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static pid_t title_of(const char *title)
{
	struct figure f = {.title = title};
	pid_t pid = figure_start(&f), owner = hf_keeper_title(pid);

	figure_end(pid);
	return owner;
}

static void a_title_names_the_owner(void **state)
{
	(void)state;
	assert_int_equal(title_of("lock-acquire, for PID 4711 (deploy.sh)"), 4711);
	assert_int_equal(title_of("lock-acquire, for PID 4711 "), 4711);
	assert_int_equal(title_of("lock-acquire, for PID 47"), 0); /* cut: whose? */
	assert_int_equal(title_of("lock-acquire, for no owner"), 0);
	assert_int_equal(title_of("lock-acquire, for PID -1 (x)"), 0);
	assert_int_equal(title_of("lock-acquire"), 0);
	assert_int_equal(hf_keeper_title(0), 0);
}

/* What is seen of a figure that says it keeps for this process. */
static bool is_seen_as_ours(struct figure *f, bool *believed)
{
	char title[64];
	struct hf_keepers keepers;
	bool seen = false;
	pid_t pid;

	snprintf(title, sizeof(title), "lock-acquire, for PID %d (test)", (int)getpid());
	f->title = title;
	pid = figure_start(f);
	hf_keepers_read(&keepers);
	for (size_t i = 0; i < keepers.count; i++) {
		if (keepers.at[i].pid != pid)
			continue;
		seen = keepers.at[i].owner == getpid();
		*believed = hf_keeper_is_believed(&keepers.at[i]);
	}
	hf_keepers_free(&keepers);
	figure_end(pid);
	return seen;
}

static void a_listening_keeper_of_the_owners_user_is_trusted(void **state)
{
	struct figure f = {.listens = true};
	bool believed;

	(void)state;
	assert_true(is_seen_as_ours(&f, &believed));
	assert_true(believed);
}

static void a_title_without_a_name_is_not_seen(void **state)
{
	struct figure f = {.listens = false};
	bool believed;

	(void)state;
	assert_false(is_seen_as_ours(&f, &believed));
}

static void Y2_another_users_keeper_is_not_trusted(void **state)
{
	struct figure f = {.listens = true, .uid = 65534};
	bool believed = true;

	(void)state;
	require_root();
	assert_true(is_seen_as_ours(&f, &believed));
	assert_false(believed);
}

/* Has taken the name of its parent, which does not listen. */
static int take_parents_name(const struct rival *self, void *arg)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct sockaddr_un address;
	struct hf_proc parent;
	socklen_t size;

	(void)arg;
	if (!hf_proc_read(getppid(), &parent))
		return 99;
	size = hf_keeper_name(&address, hf_process_id_pidns(), getppid(), parent.start);
	if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, 4) < 0)
		return 98;
	rival_say(self, 'n');
	rival_hear(self);
	return 0;
}

static void Y2_a_keeper_whose_name_another_process_has_is_not_trusted(void **state)
{
	struct rival rival = rival_start(take_parents_name, NULL);
	struct hf_keeper_entry seen = {.pid = getpid(), .owner = getppid()};
	struct hf_proc self;

	(void)state;
	assert_hears(&rival, 'n');
	assert_true(hf_proc_read(getpid(), &self));
	seen.start = self.start;
	assert_false(hf_keeper_is_believed(&seen));
	rival_tell(&rival, 'e');
	assert_int_equal(rival_end(&rival), 0);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_title_names_the_owner),
	cmocka_unit_test(a_listening_keeper_of_the_owners_user_is_trusted),
	cmocka_unit_test(a_title_without_a_name_is_not_seen),
	cmocka_unit_test(Y2_another_users_keeper_is_not_trusted),
	cmocka_unit_test(Y2_a_keeper_whose_name_another_process_has_is_not_trusted),
};

HF_TEST_MAIN(tests)
