/* SPDX-License-Identifier: ISC */
#include "cli/live_view.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/copy.h"
#include "base/spawn.h"
#include <holdfast/clock.h>
#include <holdfast/proc.h>

/* Enter and leave the alternate screen without a cursor; go home; clear to the right; clear
 * below. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define NEXT "\033[K\r\n"
#define THE_END "\033[K\033[J"

enum { PLAIN_WIDTH = 80, PLAIN_HEIGHT = 24 };
#define MIN_INTERVAL (10 * HF_MS)

struct window {
	size_t width, height;
};

static struct window window_size(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		return (struct window){PLAIN_WIDTH, PLAIN_HEIGHT};
	return (struct window){size.ws_col, size.ws_row};
}

size_t hf_live_view_width(void)
{
	return window_size().width;
}

size_t hf_live_view_columns(const char *text, size_t *length)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = hf_utf8_length(text);
	wchar_t c;
	int columns;

	*length = n ? n : 1;
	if (n < 2)
		return 1;
	c = s[0] & (0x7f >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (s[i] & 0x3f);
	columns = wcwidth(c);
	return columns < 0 ? 1 : (size_t)columns;
}

/* Print the characters of the line that fit. */
static void put_cut(FILE *out, const char *line, size_t size, size_t width)
{
	size_t n = 0, end = 0, length;

	while (end < size && (n += hf_live_view_columns(line + end, &length)) <= width)
		end += length;
	fwrite(line, 1, end, out);
}

/* Print the picture, cut to the window. */
static void put_cut_picture(FILE *out, const char *picture, const struct window *window)
{
	size_t lines = 0, shown = 0;

	for (const char *s = picture; *s; s++)
		lines += *s == '\n';
	fputs(HOME, out);
	while (*picture) {
		size_t size = strcspn(picture, "\n");

		if (shown + 1 == window->height && lines - shown > 1) {
			fprintf(out, "(%zu more lines)", lines - shown);
			break;
		}
		if (shown++)
			fputs(NEXT, out);
		put_cut(out, picture, size, window->width);
		picture += size + (picture[size] == '\n');
	}
	fputs(THE_END, out);
}

/* Draw the picture, and return title and picture as text. NULL: *status is the reason. */
static char *draw_text(const char *title, hf_draw *draw, void *context, size_t width,
		       enum hf_status *status, struct hf_err *err)
{
	char *text = NULL, now[32];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		*status = hf_fail_errno(err, "cannot draw the table of locks");
		return NULL;
	}
	if (title)
		fprintf(out, "%s  %s\n", hf_proc_time(now, sizeof(now), time(NULL)), title);
	*status = draw(context, out, width, err);
	if (fclose(out) != 0 && *status == HF_OK)
		*status = hf_fail_errno(err, "cannot draw the table of locks");
	return text;
}

/* Write text with one write(2), if possible, so that the screen does not flicker. */
static enum hf_status write_picture(const char *text, const char *end, bool terminal,
				    const struct window *window, struct hf_err *err)
{
	enum hf_status status;
	char *whole = NULL;
	size_t size;
	FILE *out = open_memstream(&whole, &size);

	if (!out)
		return hf_fail_errno(err, "cannot draw the table of locks");
	if (terminal)
		put_cut_picture(out, text, window);
	else
		fprintf(out, "%s%s", text, end);
	status = fclose(out) == 0 ? hf_write_all(STDOUT_FILENO, whole, size, NULL, err)
				  : hf_fail_errno(err, "cannot draw the table of locks");
	free(whole);
	return status;
}

static enum hf_status set_screen(bool terminal, const char *how, struct hf_err *err)
{
	return terminal ? hf_write_all(STDOUT_FILENO, how, strlen(how), NULL, err) : HF_OK;
}

/* Wait until the next picture is due, and handle signals. */
static enum hf_status pause_until(int64_t due, bool terminal, const sigset_t *signals,
				  struct hf_err *err)
{
	int64_t left = hf_time_left(due);
	struct timespec wait = {left / HF_SECOND, left % HF_SECOND};
	int signo = sigtimedwait(signals, NULL, &wait);

	if (signo <= 0 || signo == SIGWINCH)
		return HF_OK;
	set_screen(terminal, LEAVE, err);
	if (signo != SIGTSTP)
		hf_exit_as(signo);
	kill(getpid(), SIGSTOP);
	return set_screen(terminal, ENTER, err);
}

enum hf_status hf_live_view(const char *title, int64_t interval, hf_draw *draw, void *context,
			    struct hf_err *err)
{
	static const int caught[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
	bool terminal = isatty(STDOUT_FILENO);
	enum hf_status status;
	sigset_t signals;

	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaddset(&signals, caught[i]);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	status = set_screen(terminal, ENTER, err);
	while (status == HF_OK) {
		struct window window = window_size();
		int64_t due = hf_deadline_in(interval > MIN_INTERVAL ? interval : MIN_INTERVAL);
		char *text = draw_text(title, draw, context, window.width, &status, err);

		if (status == HF_OK)
			status = write_picture(text, title ? "\n" : "", terminal, &window, err);
		free(text);
		if (status == HF_OK)
			status = pause_until(due, terminal, &signals, err);
	}
	set_screen(terminal, LEAVE, NULL);
	return status;
}
