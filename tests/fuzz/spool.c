/* SPDX-License-Identifier: ISC */
/*
 * Fuzzing of what an append finds beside its file: a spool with records that others handed over, a
 * batch that a dead leader left, and its temporary file. The head has a checksum that is right, and
 * the frames are valid, but for the sizes, offsets, states and identities that the input mutates;
 * or the whole of it is the input.
 *
 * All of it is of this user's, so it may be obeyed. What must hold nevertheless: the append ends in
 * time; when it has succeeded, its record is in the file once, at its end; when it has failed, at
 * most once; and the file never becomes larger than what was there to be read.
 */

#include <sys/stat.h>

#include <holdfast/append.h>
#include <holdfast/clock.h>
#include "base/file_id.h"
#include "fuzz.h"
#include "spool/spool_file.h"

static const char old[] = "line one\nline two\nline three\n", record[] = "\001our record\002\n";

enum {
	IN_PLACE = 1,  /* the append's way */
	BATCH = 2,     /* a dead leader's, else a spool that waits */
	TEMPORARY = 4, /* there is a temporary file */
	LED = 8,       /* the leader lives */
	OWNED = 16,    /* the records' owners live */
	RAW = 32,
	ABSENT = 64, /* there is no file */
	BOTH = 128,  /* the same content as spool and as batch */
	MAX_FRAMES = 8,
};

/* What is planted. */
struct side {
	struct hf_spool_head head;
	uint8_t data[65536];
	size_t size;
	uint64_t places[MAX_FRAMES];
	size_t count;
};

static struct hf_target target;

/* The file's identity, or one that is nearly so. */
static struct hf_file_id take_id(struct input *in, const char *name)
{
	struct hf_file_id id = hf_file_id_at(target.dir, name);
	uint8_t how = take_byte(in);

	if (how & 3)
		return id;
	id.inode += how & 4;
	id.witness ^= how & 8;
	id.kind = how >> 4;
	return id;
}

static void build_frames(struct input *in, struct side *side)
{
	size_t n = take_byte(in) % (MAX_FRAMES + 1);

	side->size = sizeof(side->head);
	for (side->count = 0; side->count < n; side->count++) {
		struct hf_spool_frame frame = {.magic = HF_SPOOL_FRAME_MAGIC};
		struct input data = take_piece(in, 255);

		if (side->size + sizeof(frame) + data.left > sizeof(side->data))
			break;
		frame.size = take_byte(in) & 3 ? data.left
					       : take_offset(in, data.left, sizeof(side->data));
		frame.left_out = take_byte(in) % 8 == 0;
		if (take_byte(in) % 32 == 31)
			frame.magic ^= take_byte(in);
		side->places[side->count] = side->size;
		memcpy(side->data + side->size, &frame, sizeof(frame));
		if (data.left)
			memcpy(side->data + side->size + sizeof(frame), data.at, data.left);
		side->size += sizeof(frame) + data.left;
	}
}

static void build(struct input *in, struct side *side)
{
	struct hf_spool_head *head = &side->head;

	*head = hf_spool_new_head(&target, HF_SPOOL_OPEN);
	head->state = take_byte(in) % 8;
	head->status = take_byte(in);
	head->target = take_id(in, "log");
	head->fresh = take_id(in, ".holdfast.log.append");
	head->number = take_byte(in) & 1 ? (uint32_t)take_number(in) : 0;
	head->leader.pid = take_byte(in) & 1 ? (int32_t)take_number(in) : 0;
	head->offset = take_offset(in, 0, sizeof(old) - 1);
	build_frames(in, side);
	head->end = take_byte(in) & 3 ? side->size : take_offset(in, side->size, sizeof(*head));
}

static int plant(const char *what, struct side *side, uint8_t flags)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), ".holdfast.log.%s", what);
	fd = put_file(name, side->data, side->size, true);
	require(fchmod(fd, 0600) == 0);
	if (flags & RAW)
		return fd;
	require(hf_spool_write_head(fd, &side->head));
	if (flags & LED)
		require(hf_spool_mark(fd, HF_SPOOL_LEADER, F_WRLCK));
	for (size_t i = 0; flags & OWNED && i < side->count; i++)
		require(hf_spool_mark(fd, side->places[i], F_WRLCK));
	return fd;
}

/* An empty directory. */
static void begin(void)
{
	char path[512];
	struct hf_err err;

	if (target.path)
		hf_target_close(&target);
	remove_tree(in_dir("", path));
	require(mkdir(fuzz_dir, 0700) == 0);
	require(hf_target_open(&target, in_dir("log", path), 0, &err) == HF_OK);
	target.path = "log";
}

static int count_records(const char *data, size_t size)
{
	const char *end = data + size;
	int n = 0;

	while ((data = memmem(data, (size_t)(end - data), record, sizeof(record) - 1))) {
		data += sizeof(record) - 1;
		n++;
	}
	return n;
}

static void check(enum hf_status status, size_t given)
{
	size_t size = 0, n = sizeof(record) - 1;
	char *now = get_file("log", &size);

	if (status == HF_OK) {
		require(now && size >= n && memcmp(now + size - n, record, n) == 0);
		require(count_records(now, size) == 1);
	}
	require(size <= sizeof(old) + given + n);
	require(!now || count_records(now, size) <= 1);
	free(now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct side side;
	struct input in = {data, size};
	uint8_t flags = take_byte(&in);
	struct hf_append_record ours = {.data = record, .size = sizeof(record) - 1, .fd = -1};
	struct hf_append_options options = {.in_place = flags & IN_PLACE};
	int spool = -1, batch = -1;
	enum hf_status status;
	struct hf_err err;
	char path[512];

	begin();
	if (!(flags & ABSENT))
		put_file("log", old, sizeof(old) - 1, false);
	if (flags & TEMPORARY)
		put_file(".holdfast.log.append", "half", 4, false);
	if (flags & RAW) {
		side.size = in.left < sizeof(side.data) ? in.left : sizeof(side.data);
		memcpy(side.data, in.at, side.size);
	} else {
		build(&in, &side);
	}
	/* a record of ours in there would be found twice */
	if (count_records((const char *)side.data, side.size) > 0)
		return -1;
	if (flags & (BATCH | BOTH))
		batch = plant("batch", &side, flags);
	if (!(flags & BATCH) || flags & BOTH)
		spool = plant("spool", &side, flags);
	options.file.wait.deadline = hf_now() + HF_SECOND / 20;
	status = hf_append(in_dir("log", path), &ours, &options, &err);
	require(hf_now() < options.file.wait.deadline + HF_SECOND);
	check(status, 2 * side.size);
	if (spool >= 0)
		close(spool);
	if (batch >= 0)
		close(batch);
	return 0;
}
