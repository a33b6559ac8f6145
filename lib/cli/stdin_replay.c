/* SPDX-License-Identifier: ISC */
#include "cli/stdin_replay.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/copy.h"
#include "base/sys.h"
#include "base/tempfile.h"

enum { PIECE = 1 << 16 };

static enum hf_status feed_run(void *context, struct hf_err *err);

static void ignore_signal(int signo)
{
	(void)signo;
}

void hf_stdin_replay_open(struct hf_stdin_replay *r, int in)
{
	int mode = fcntl(in, F_GETFL) & O_ACCMODE;
	struct sigaction action;
	struct stat st;

	*r = (struct hf_stdin_replay){
		.can_again = true, .in = in, .run = -1, .pipe = -1, .kept = -1};
	r->feed = (struct hf_io){
		.fd = -1, .ready = feed_run, .context = r, .ends_with_command = true};
	if (mode == O_WRONLY || fstat(in, &st) < 0)
		return;
	if (S_ISREG(st.st_mode) && (r->start = lseek(in, 0, SEEK_CUR)) >= 0)
		r->kind = HF_REPLAY_FILE;
	if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return;
	r->kind = HF_REPLAY_STREAM;
	/* a run need not read its input; execve(2) resets a handler */
	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL)
		signal(SIGPIPE, ignore_signal);
}

/* Open the file again, so that a background process of an earlier run cannot move our offset. */
static enum hf_status begin_file(struct hf_stdin_replay *r, int *in, struct hf_err *err)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->in);
	r->run = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	*in = r->run < 0 ? r->in : r->run;
	if (lseek(*in, r->start, SEEK_SET) < 0)
		return hf_fail_errno(err, "cannot read standard input again");
	return HF_OK;
}

/* Wait for space in the pipe or for input, and always for the exit of the pipe's last reader. */
static bool poll_next(struct hf_stdin_replay *r)
{
	struct epoll_event writable = {.data.fd = r->pipe}, more = {.data.fd = r->in};

	writable.events = r->sent < r->length ? EPOLLOUT : 0;
	more.events = EPOLLIN | EPOLLONESHOT;
	return epoll_ctl(r->feed.fd, EPOLL_CTL_MOD, r->pipe, &writable) == 0 &&
	       (writable.events || epoll_ctl(r->feed.fd, EPOLL_CTL_MOD, r->in, &more) == 0);
}

static enum hf_status begin_stream(struct hf_stdin_replay *r, int *in, struct hf_err *err)
{
	struct epoll_event none = {.events = EPOLLONESHOT};
	int ends[2];

	r->sent = 0;
	r->feed.fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->feed.fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return hf_fail_errno(err, "cannot pass on standard input");
	*in = r->run = ends[0];
	r->pipe = ends[1];
	r->io = &r->feed;
	none.data.fd = r->pipe;
	if (fcntl(r->pipe, F_SETFL, O_NONBLOCK) < 0 ||
	    epoll_ctl(r->feed.fd, EPOLL_CTL_ADD, r->pipe, &none) < 0)
		return hf_fail_errno(err, "cannot pass on standard input");
	none.data.fd = r->in;
	if (epoll_ctl(r->feed.fd, EPOLL_CTL_ADD, r->in, &none) < 0 || !poll_next(r))
		return hf_fail_errno(err, "cannot pass on standard input");
	return HF_OK;
}

enum hf_status hf_stdin_replay_begin(struct hf_stdin_replay *r, int *in, struct hf_err *err)
{
	*in = -1;
	switch (r->kind) {
	case HF_REPLAY_FILE:
		return begin_file(r, in, err);
	case HF_REPLAY_STREAM:
		return begin_stream(r, in, err);
	default:
		return HF_OK;
	}
}

static void close_fd(int *fd)
{
	hf_close(*fd);
	*fd = -1;
}

void hf_stdin_replay_started(struct hf_stdin_replay *r)
{
	if (r->kind == HF_REPLAY_STREAM)
		close_fd(&r->run);
}

static int make_kept(void)
{
	int fd = hf_tempfile_unnamed();

	return fd >= 0 ? fd : memfd_create("input", MFD_CLOEXEC);
}

static bool keep_piece(struct hf_stdin_replay *r, const char *piece, size_t size)
{
	if (r->kept < 0)
		return false;
	if (hf_pwrite_all(r->kept, piece, size, r->length, "standard input", NULL) != HF_OK)
		return false;
	r->length += (off_t)size;
	return true;
}

/* Read the available input after all kept input is sent. */
static enum hf_status take_input(struct hf_stdin_replay *r, struct hf_err *err)
{
	char piece[PIECE];
	ssize_t n = sys_read(r->in, piece, sizeof(piece));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return HF_OK;
	if (n < 0)
		return hf_fail_errno_as(err, HF_IO, "cannot read standard input");
	r->end = n == 0;
	if (r->can_again) {
		if (r->kept < 0)
			r->kept = make_kept();
		if (keep_piece(r, piece, (size_t)n))
			return HF_OK;
		/* this run continues: a file for one piece suffices */
		r->can_again = false;
		close_fd(&r->kept);
		r->kept = memfd_create("input", MFD_CLOEXEC);
	}
	r->length = r->sent = 0;
	if (keep_piece(r, piece, (size_t)n))
		return HF_OK;
	return hf_fail_errno_as(err, HF_IO, "cannot pass on standard input");
}

/* Send kept input. HF_NO: no process reads it any more. */
static enum hf_status send_kept(struct hf_stdin_replay *r, struct hf_err *err)
{
	char piece[PIECE];
	off_t left = r->length - r->sent;
	ssize_t n = sys_pread(r->kept, piece, left < PIECE ? (size_t)left : PIECE, r->sent);

	if (n > 0)
		n = sys_write(r->pipe, piece, (size_t)n);
	if (n >= 0)
		r->sent += n;
	else if (errno == EPIPE)
		return HF_NO;
	else if (errno != EINTR && errno != EAGAIN)
		return hf_fail_errno_as(err, HF_IO, "cannot pass on standard input");
	return HF_OK;
}

static enum hf_status feed_run(void *context, struct hf_err *err)
{
	struct hf_stdin_replay *r = context;
	struct epoll_event events[2];
	enum hf_status status = HF_OK;
	/* one is ready, unless another reader of the same pipe has taken the data */
	int n = epoll_wait(r->feed.fd, events, 2, 100);

	for (int i = 0; i < n && status == HF_OK; i++) {
		if (events[i].data.fd == r->in)
			status = take_input(r, err);
		else
			status = events[i].events & EPOLLERR ? HF_NO : send_kept(r, err);
	}
	if (status == HF_OK && r->end && r->sent == r->length)
		status = HF_NO;
	if (status == HF_OK && !poll_next(r))
		status = hf_fail_errno_as(err, HF_IO, "cannot pass on standard input");
	if (status != HF_OK)
		close_fd(&r->pipe);
	return status;
}

void hf_stdin_replay_end(struct hf_stdin_replay *r)
{
	if (r->kind == HF_REPLAY_FILE && r->run >= 0)
		lseek(r->in, lseek(r->run, 0, SEEK_CUR), SEEK_SET);
	close_fd(&r->run);
	close_fd(&r->pipe);
	close_fd(&r->feed.fd);
	r->io = NULL;
}

void hf_stdin_replay_close(struct hf_stdin_replay *r)
{
	hf_stdin_replay_end(r);
	close_fd(&r->kept);
}
