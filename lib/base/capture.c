/* SPDX-License-Identifier: ISC */
#include "base/capture.h"

#include "base/copy.h"
#include "base/spawn.h"
#include "base/sys.h"

struct output {
	int pipe, file;
	int64_t size;
	const char *command, *name;
};

static enum hf_status splice_output(void *context, struct hf_err *err)
{
	struct output *o = context;
	enum hf_status status = hf_copy_some(o->pipe, o->file, &o->size, o->command, o->name, err);

	if (status != HF_OK) {
		sys_close(o->pipe);
		o->pipe = -1;
	}
	return status;
}

enum hf_status hf_capture(char **argv, int in, int fd, const char *name, int *wait_status,
			  struct hf_err *err)
{
	struct output output = {.file = fd, .command = argv[0], .name = name};
	struct hf_io io = {.ready = splice_output, .context = &output};
	struct hf_command command = {.argv = argv, .in = in};
	struct hf_child child;
	enum hf_status status;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return hf_fail_errno(err, "cannot make a pipe for '%s'", argv[0]);
	io.fd = output.pipe = ends[0];
	command.out = ends[1];
	status = hf_spawn(&child, &command, err);
	if (sys_close(ends[1]) < 0 && status == HF_OK) {
		/* a writer may still be alive, and the end of the output would never come */
		status = hf_fail_errno_as(err, HF_IO, "cannot read the output of '%s'", argv[0]);
		sys_close(output.pipe);
		output.pipe = -1;
		hf_supervise(&child, NULL, NULL);
		*wait_status = child.wait_status;
	} else if (status == HF_OK) {
		status = hf_supervise(&child, &io, err);
		*wait_status = child.wait_status;
	}
	hf_close(output.pipe);
	return status;
}
