/* SPDX-License-Identifier: ISC */

/*
 * lock-and-write LOCK DURATION FILE TEXT
 *
 * Waits at most DURATION for LOCK, replaces FILE by TEXT and a newline while it holds it, and exits
 * with the library's status: 0 when the new content is durable, 75 when the lock was busy.
 *
 *	cc -o lock-and-write lock-and-write.c $(pkg-config --cflags --libs holdfast)
 */

#include <holdfast.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum hf_status write_all(int fd, const char *data, size_t size, struct hf_err *err)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return hf_fail_errno_as(err, HF_IO, "cannot write");
		data += n;
		size -= (size_t)n;
	}
	return HF_OK;
}

/* FILE is the whole old or the whole new content at every instant, whatever fails here. */
static enum hf_status replace(const char *file, const char *text, int64_t deadline,
			      struct hf_err *err)
{
	struct hf_atomic_options options = {.wait.deadline = deadline};
	struct hf_atomic *a;
	enum hf_status status = hf_atomic_begin(&a, file, &options, err);

	if (status != HF_OK)
		return status;
	status = write_all(hf_atomic_fd(a), text, strlen(text), err);
	if (status == HF_OK)
		status = write_all(hf_atomic_fd(a), "\n", 1, err);
	if (status == HF_OK)
		status = hf_atomic_commit(a, err);
	hf_atomic_end(a);
	return status;
}

int main(int argc, char **argv)
{
	struct hf_wait wait = {0};
	struct hf_err err;
	struct hf_lockset *set;
	enum hf_status status;
	int64_t duration;

	if (argc != 5) {
		fprintf(stderr, "usage: lock-and-write LOCK DURATION FILE TEXT\n");
		return HF_USAGE;
	}
	set = hf_lockset_new();
	if (!set)
		return HF_OS;
	status = hf_parse_duration(argv[2], &duration, &err);
	if (status == HF_OK) {
		wait.deadline = hf_deadline_in(duration);
		if (!hf_lockset_add(set, &hf_lock_file, argv[1], HF_LOCK_EXCLUSIVE, &err))
			status = err.status;
	}
	if (status == HF_OK)
		status = hf_lockset_acquire(set, &wait, &err);
	if (status == HF_OK)
		status = replace(argv[3], argv[4], wait.deadline, &err);
	hf_lockset_free(set);

	if (status != HF_OK)
		fprintf(stderr, "lock-and-write: %s\n%s", err.message, err.advice);
	return status;
}
