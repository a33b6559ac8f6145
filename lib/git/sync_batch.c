/* SPDX-License-Identifier: ISC */
#include "git/sync_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "atomic/publish.h"
#include "base/array.h"
#include "base/sys.h"
#include <holdfast/path.h>

enum { TOGETHER = 4, STACK = 128 * 1024 };

struct hf_sync_batch_sync {
	int fd, errnum; /* errnum 0: it is durable */
	bool lent;
	const char *what;
	struct stat st;
};

static enum hf_status add(struct hf_sync_batch *due, int fd, bool lent, const char *what,
			  struct hf_err *err)
{
	struct hf_sync_batch_sync *added, sync = {.fd = fd, .lent = lent, .what = what};
	enum hf_status status;

	if (sys_fstat(fd, &sync.st) < 0)
		return hf_fail_errno(err, "cannot sync '%s'", what);
	for (size_t i = 0; i < due->count; i++)
		if (hf_same_inode(&due->at[i].st, &sync.st))
			return HF_OK;
	if (!lent)
		sync.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	added = sync.fd < 0 ? NULL : hf_array_add(&due->at, &due->count, sizeof(*added));
	if (added) {
		*added = sync;
		return HF_OK;
	}
	status = hf_fail_errno(err, "cannot sync '%s'", what);
	if (!lent && sync.fd >= 0)
		sys_close(sync.fd);
	return status;
}

enum hf_status hf_sync_batch_add(struct hf_sync_batch *due, int fd, const char *what,
				 struct hf_err *err)
{
	return add(due, fd, false, what, err);
}

enum hf_status hf_sync_batch_lend(struct hf_sync_batch *due, int fd, const char *what,
				  struct hf_err *err)
{
	return add(due, fd, true, what, err);
}

/* A thread syncs every step-th entry. */
struct share {
	struct hf_sync_batch_sync *syncs;
	size_t from, count, step;
};

static void *sync_share(void *arg)
{
	const struct share *share = arg;

	for (size_t i = share->from; i < share->count; i += share->step)
		share->syncs[i].errnum = hf_publish_fsync(share->syncs[i].fd) < 0 ? errno : 0;
	return NULL;
}

static void sync_together(struct hf_sync_batch_sync *syncs, size_t count)
{
	struct share shares[TOGETHER];
	pthread_t threads[TOGETHER];
	pthread_attr_t attr;
	size_t step = count < TOGETHER ? count : TOGETHER, started = 0;

	for (size_t i = 0; i < step; i++)
		shares[i] = (struct share){syncs, i, count, step};
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (; started + 1 < step; started++)
		if (pthread_create(&threads[started], &attr, sync_share, &shares[started]) != 0)
			break;
	pthread_attr_destroy(&attr);
	for (size_t i = started; i < step; i++)
		sync_share(&shares[i]);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

enum hf_status hf_sync_batch_run(struct hf_sync_batch *due, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	sync_together(due->at, due->count);
	for (size_t i = 0; i < due->count && status == HF_OK; i++) {
		errno = due->at[i].errnum;
		if (errno)
			status = hf_fail_errno(err, "cannot sync '%s'", due->at[i].what);
	}
	hf_sync_batch_discard(due);
	return status;
}

void hf_sync_batch_discard(struct hf_sync_batch *due)
{
	int saved = errno;

	for (size_t i = 0; i < due->count; i++)
		if (!due->at[i].lent)
			sys_close(due->at[i].fd);
	free(due->at);
	*due = (struct hf_sync_batch){NULL, 0};
	errno = saved;
}
