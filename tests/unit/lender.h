/* SPDX-License-Identifier: ISC */
#ifndef HF_TEST_LENDER_H
#define HF_TEST_LENDER_H

/*
 * A rival that a borrower takes for the keeper of its ancestor: it listens under the name of an
 * inode, and lends a descriptor that need not be what was asked for. Whether the descriptor holds
 * the lock, the borrower has to ask the kernel.
 *
 *	struct lender lender = {.named = "l", .lent = "other", .operation = LOCK_EX};
 *	struct rival rival = rival_start(lend, &lender);
 *
 *	assert_hears(&rival, 'l');
 */

#include <poll.h>
#include <sys/file.h>

#include "base/process_id.h"
#include "hf_test.h"
#include "keeper/keeper_protocol.h"
#include <holdfast/lock_range.h>
#include <holdfast/proc.h>

struct lender {
	const char *named; /* the file that it is asked for */
	const char *lent;  /* the file whose descriptor it lends */
	int operation;	   /* flock(2) on that one; 0: none */
	bool range;	   /* a range of that one, start and length */
	bool hold;	   /* it holds that range of `named`, too, by a descriptor that it keeps */
	int64_t start, length;
};

static inline int lender_listen(const char *path)
{
	struct sockaddr_un address;
	struct stat st;
	socklen_t size;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (stat(path, &st) < 0)
		return -1;
	size = hf_keeper_lock_name(&address, st.st_dev, st.st_ino, 0);
	if (bind(fd, (const struct sockaddr *)&address, size) < 0 || listen(fd, 8) < 0)
		return -1;
	return fd;
}

static inline int lend(const struct rival *self, void *arg)
{
	const struct lender *l = arg;
	struct hf_keeper_answer answer = {.form = HF_KEEPER_FORM,
					  .pidns = hf_process_id_pidns(),
					  .pid = getpid(),
					  .owner = getppid(),
					  .left = INT64_MAX};
	int fd = open(l->lent, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	int kept = open(l->named, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	struct pollfd polled[] = {{.fd = lender_listen(l->named), .events = POLLIN},
				  {.fd = self->hear, .events = POLLIN}};
	struct hf_proc owner;

	/* the owner is the test's parent, an ancestor of the borrower */
	if (!hf_proc_read(getppid(), &owner) || !hf_proc_read(owner.parent, &owner))
		return 97;
	answer.owner = owner.pid;
	answer.owner_start = owner.start;
	if (polled[0].fd < 0 || (l->operation && flock(fd, l->operation) < 0) ||
	    (l->range && hf_range_try(fd, HF_LOCK_EXCLUSIVE, l->start, l->length) < 0) ||
	    (l->hold && hf_range_try(kept, HF_LOCK_EXCLUSIVE, l->start, l->length) < 0))
		return 98;
	rival_say(self, 'l');
	while (poll(polled, 2, -1) > 0 && !polled[1].revents) {
		int client = accept4(polled[0].fd, NULL, NULL, SOCK_CLOEXEC);
		struct hf_keeper_question q;

		if (recv(client, &q, sizeof(q), 0) == sizeof(q))
			hf_keeper_send(client, &answer, offsetof(struct hf_keeper_answer, text),
				       &fd, q.what == HF_KEEPER_BORROW);
		close(client);
	}
	return 0;
}

#endif
