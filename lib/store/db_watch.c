/* SPDX-License-Identifier: ISC */
#include "store/db_watch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#include "base/sys.h"
#include <holdfast/clock.h>
#include "wait/file_watch.h"

enum { NAP_MS = 1, NAP_MAX_MS = 1000, NAP_BLIND_MS = 100 };

enum {
	EVENTS = IN_MODIFY | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE | IN_CREATE | IN_DELETE |
		 IN_MOVED_TO | IN_ONLYDIR
};

void hf_db_watch_begin(struct hf_db_watch *watch, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (watch->begun)
		return;
	*watch = (struct hf_db_watch){.begun = true, .nap = NAP_MS * HF_MS};
	snprintf(watch->name, sizeof(watch->name), "%s", slash ? slash + 1 : path);
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	watch->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->notify >= 0 && inotify_add_watch(watch->notify, dir, EVENTS) < 0)
		hf_db_watch_end(watch);
}

void hf_db_watch_sleep(struct hf_db_watch *watch, int64_t until)
{
	int64_t max = (watch->notify < 0 ? NAP_BLIND_MS : NAP_MAX_MS) * HF_MS;
	int64_t begin = hf_now(), end = begin + watch->nap, left;

	if (until < end)
		end = until;
	watch->nap = watch->nap < max / 2 ? watch->nap * 2 : max;
	while ((left = end - hf_now()) > 0) {
		struct pollfd polled = {.fd = watch->notify, .events = POLLIN};
		struct timespec ts = {.tv_sec = left / HF_SECOND, .tv_nsec = left % HF_SECOND};
		int ready = ppoll(&polled, 1, &ts, NULL);

		if (ready < 0)
			return;
		if (ready > 0 && hf_file_watch_read(watch->notify, watch->name, true)) {
			watch->nap = NAP_MS * HF_MS;
			/* check at most once a millisecond, however busy the database is */
			if (begin + NAP_MS * HF_MS < end)
				end = begin + NAP_MS * HF_MS;
		}
	}
}

void hf_db_watch_end(struct hf_db_watch *watch)
{
	hf_close(watch->notify);
	watch->notify = -1;
}
