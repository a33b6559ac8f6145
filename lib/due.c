/* SPDX-License-Identifier: ISC */
#include "due.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

#include "path.h"
#include "publish.h"
#include "sys.h"

enum { TOGETHER = 16 };

struct hf_due_sync {
	int fd, errnum; /* errnum 0: it is durable */
	const char *what;
	struct stat st;
};

enum hf_status hf_due_add(struct hf_due *due, int fd, const char *what, struct hf_err *err)
{
	struct hf_due_sync *more, sync = {.what = what};

	if (sys_fstat(fd, &sync.st) < 0)
		return hf_fail_errno(err, "cannot sync '%s'", what);
	for (size_t i = 0; i < due->count; i++)
		if (hf_same_inode(&due->at[i].st, &sync.st))
			return HF_OK;
	more = reallocarray(due->at, due->count + 1, sizeof(*more));
	if (!more)
		return hf_fail_errno(err, "cannot sync '%s'", what);
	due->at = more;
	sync.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (sync.fd < 0)
		return hf_fail_errno(err, "cannot sync '%s'", what);
	due->at[due->count++] = sync;
	return HF_OK;
}

static void *sync_one(void *arg)
{
	struct hf_due_sync *sync = arg;

	sync->errnum = hf_publish_fsync(sync->fd) < 0 ? errno : 0;
	return NULL;
}

static void sync_together(struct hf_due_sync *syncs, size_t count)
{
	pthread_t threads[TOGETHER];
	size_t started = 0;

	for (; started + 1 < count; started++)
		if (pthread_create(&threads[started], NULL, sync_one, &syncs[started]) != 0)
			break;
	for (size_t i = started; i < count; i++)
		sync_one(&syncs[i]);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
}

enum hf_status hf_due_settle(struct hf_due *due, struct hf_err *err)
{
	enum hf_status status = HF_OK;

	for (size_t from = 0; from < due->count; from += TOGETHER) {
		size_t left = due->count - from;

		sync_together(&due->at[from], left < TOGETHER ? left : TOGETHER);
	}
	for (size_t i = 0; i < due->count && status == HF_OK; i++) {
		errno = due->at[i].errnum;
		if (errno)
			status = hf_fail_errno(err, "cannot sync '%s'", due->at[i].what);
	}
	hf_due_drop(due);
	return status;
}

void hf_due_drop(struct hf_due *due)
{
	int saved = errno;

	for (size_t i = 0; i < due->count; i++)
		sys_close(due->at[i].fd);
	free(due->at);
	*due = (struct hf_due){NULL, 0};
	errno = saved;
}
