/* SPDX-License-Identifier: ISC */
#include "wait/file_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

enum { OFTEN_MS = 10 };

static enum hf_status begin_watch(struct hf_file_watch *await, const char *name, int64_t deadline,
				  struct hf_err *err)
{
	*await = (struct hf_file_watch){.name = name, .notify = -1, .process = -1};
	return hf_backoff_init(&await->backoff, NULL, deadline, err);
}

enum hf_status hf_file_watch_begin_often(struct hf_file_watch *await, int64_t deadline,
					 struct hf_err *err)
{
	enum hf_status status = begin_watch(await, NULL, deadline, err);

	if (await->backoff.cap > OFTEN_MS * HF_MS)
		await->backoff.cap = OFTEN_MS * HF_MS;
	return status;
}

enum hf_status hf_file_watch_begin(struct hf_file_watch *await, int dir, const char *name,
				   int64_t deadline, struct hf_err *err)
{
	char path[40];
	enum hf_status status = begin_watch(await, name, deadline, err);

	if (status != HF_OK)
		return status;
	await->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (await->notify >= 0 &&
	    inotify_add_watch(await->notify, path, IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) < 0) {
		close(await->notify);
		await->notify = -1;
	}
	return HF_OK;
}

static void forget_process(struct hf_file_watch *await)
{
	if (await->process >= 0)
		close(await->process);
	await->process = -1;
	await->pid = 0;
}

void hf_file_watch_process(struct hf_file_watch *await, int pid)
{
	if (pid == await->pid)
		return;
	forget_process(await);
	if (pid > 0 && (await->process = pidfd_open(pid, 0)) >= 0)
		await->pid = pid;
}

static bool is_about(const char *entry, const char *name, bool beside)
{
	size_t len = strlen(name);

	return strncmp(entry, name, len) == 0 && (!entry[len] || (beside && entry[len] == '-'));
}

bool hf_file_watch_read(int notify, const char *name, bool beside)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool found = false;
	ssize_t n;

	while ((n = read(notify, events, sizeof(events))) > 0) {
		for (char *next = events; next < events + n;) {
			const struct inotify_event *event = (const void *)next;

			found |= !event->len || is_about(event->name, name, beside);
			next += sizeof(*event) + event->len;
		}
	}
	return found;
}

bool hf_file_watch_sleep(struct hf_file_watch *await)
{
	int64_t sleep = hf_backoff_next(&await->backoff), end = hf_now() + sleep, left = sleep;

	for (; left > 0; left = end - hf_now()) {
		struct pollfd polled[] = {{.fd = await->notify, .events = POLLIN},
					  {.fd = await->process, .events = POLLIN}};
		struct timespec ts = {.tv_sec = left / HF_SECOND, .tv_nsec = left % HF_SECOND};
		int ready = ppoll(polled, 2, &ts, NULL);

		if (ready <= 0)
			break;
		if (polled[1].revents) { /* a pidfd stays readable */
			forget_process(await);
			break;
		}
		if (polled[0].revents && hf_file_watch_read(await->notify, await->name, false))
			break;
	}
	return sleep > 0;
}

void hf_file_watch_end(struct hf_file_watch *await)
{
	int saved = errno;

	forget_process(await);
	if (await->notify >= 0)
		close(await->notify);
	await->notify = -1;
	errno = saved;
}
