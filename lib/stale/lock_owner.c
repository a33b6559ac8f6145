/* SPDX-License-Identifier: ISC */
#include "stale/lock_owner.h"

#include <bsd/stdlib.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"

#define FORM "holdfast dotlock 1"

void hf_lock_owner_make(struct hf_lock_owner_info *record)
{
	*record = (struct hf_lock_owner_info){.form = HF_OWNER_HOLDFAST, .taken = time(NULL)};
	hf_process_id_self(&record->owner);
	for (int i = 0; i < HF_NONCE_SIZE - 1; i += 8)
		snprintf(record->nonce + i, 9, "%08" PRIx32, arc4random());
}

/* Append "KEY VALUE\n", with "-" for an unknown value. Return the new end. */
static char *put_text(char *out, const char *key, const char *value)
{
	return out + sprintf(out, "%s %s\n", key, value[0] ? value : "-");
}

static char *put_number(char *out, const char *key, uint64_t value)
{
	char text[24] = "";

	if (value)
		snprintf(text, sizeof(text), "%" PRIu64, value);
	return put_text(out, key, text);
}

size_t hf_lock_owner_format(const struct hf_lock_owner_info *record, char out[HF_LOCK_OWNER_MAX])
{
	char *end = out + sprintf(out, "%d\n%s\n", (int)record->owner.pid, FORM);
	char host[HOST_NAME_MAX + 1];

	/* the kernel accepts any bytes in a host name */
	memcpy(host, record->owner.host, sizeof(host));
	for (char *s = host; *s; s++)
		if (!isgraph((unsigned char)*s))
			*s = '?';
	end = put_text(end, "host", host);
	end = put_text(end, "boot", record->owner.boot);
	end = put_number(end, "pidns", record->owner.pidns);
	end = put_number(end, "timens", record->owner.timens);
	end = put_number(end, "start", record->owner.start);
	end = put_number(end, "taken", (uint64_t)record->taken);
	end = put_text(end, "nonce", record->nonce);
	if (record->purpose[0])
		end = put_text(end, "for", record->purpose);
	return (size_t)(end - out);
}

/* Parse text of decimal digits only, at most `max`. */
static bool read_number(const char *text, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (!*text || strlen(text) > 20)
		return false;
	for (; *text; text++)
		if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*text - '0'), &n))
			return false;
	*value = n;
	return n <= max;
}

static bool read_optional_number(const char *text, uint64_t *value)
{
	return strcmp(text, "-") == 0 || read_number(text, INT64_MAX, value);
}

/* Parse a PID (stale/R2). */
static bool read_pid(const char *line, pid_t *pid)
{
	uint64_t n = 0;

	if (!read_number(line + strspn(line, " \t"), HF_PID_MAX, &n) || !n)
		return false;
	*pid = (pid_t)n;
	return true;
}

/* Return true for a nearly correct PID, as "1 " and "1\r", which stale/R2 refuses. */
static bool is_nearly_pid(char *line)
{
	size_t size = strlen(line), all = size;
	pid_t pid;

	while (size && strchr(" \t\r", line[size - 1]))
		size--;
	line[size] = '\0';
	return size < all && read_pid(line, &pid);
}

/* Copy text of exactly size - 1 accepted characters. */
static bool copy_accepted(const char *text, const char *accept, char *out, size_t size)
{
	if (strlen(text) != size - 1 || strspn(text, accept) != size - 1)
		return false;
	memcpy(out, text, size);
	return true;
}

static bool read_host(const char *text, char host[HOST_NAME_MAX + 1])
{
	if (!*text || strlen(text) > HOST_NAME_MAX)
		return false;
	if (strcmp(text, "-") != 0)
		memcpy(host, text, strlen(text) + 1);
	return true;
}

static bool read_boot(const char *text, char boot[HF_BOOT_SIZE])
{
	return strcmp(text, "-") == 0 ||
	       copy_accepted(text, "0123456789abcdef-", boot, HF_BOOT_SIZE);
}

/* Parse the value of one of the lines, in the order of the format. */
static bool read_value(struct hf_lock_owner_info *r, size_t key, const char *value)
{
	uint64_t taken = 0;

	switch (key) {
	case 0:
		return read_host(value, r->owner.host);
	case 1:
		return read_boot(value, r->owner.boot);
	case 2:
		return read_optional_number(value, &r->owner.pidns);
	case 3:
		return read_optional_number(value, &r->owner.timens);
	case 4:
		return read_optional_number(value, &r->owner.start);
	case 5:
		if (!read_optional_number(value, &taken))
			return false;
		r->taken = (int64_t)taken;
		return true;
	default:
		return copy_accepted(value, "0123456789abcdef", r->nonce, HF_NONCE_SIZE);
	}
}

/* Parse the lines after the first two (stale/R4). Return NULL, or what is wrong. */
static const char *read_holdfast_lines(char *text, struct hf_lock_owner_info *record)
{
	static const char *const keys[] = {"host",  "boot",  "pidns", "timens",
					   "start", "taken", "nonce"};
	const size_t count = sizeof(keys) / sizeof(keys[0]);
	size_t known = 0;
	char *line;

	while ((line = strsep(&text, "\n")) && text) {
		char *value = strchr(line, ' ');

		if (!value)
			return "one of its lines has no value";
		*value++ = '\0';
		if (known < count && strcmp(line, keys[known]) == 0) {
			if (!read_value(record, known++, value))
				return "one of its values is not of its form";
			continue;
		}
		for (size_t i = 0; i < count; i++)
			if (known < count || strcmp(line, keys[i]) == 0)
				return "its lines are not those of a record";
		if (strcmp(line, "for") == 0)
			snprintf(record->purpose, sizeof(record->purpose), "%s", value);
	}
	return known < count ? "it is cut off" : NULL;
}

static void set_foreign(struct hf_lock_owner_info *record, enum hf_lock_owner_resemblance likeness,
			const char *why)
{
	*record = (struct hf_lock_owner_info){
		.form = HF_OWNER_FOREIGN, .likeness = likeness, .why = why};
}

void hf_lock_owner_parse(const char *bytes, size_t size, struct hf_lock_owner_info *record)
{
	char text[HF_LOCK_OWNER_MAX + 1], *rest = text, *line;
	const char *why;

	*record = (struct hf_lock_owner_info){.form = HF_OWNER_NO_PID};
	if (size > HF_LOCK_OWNER_MAX) {
		set_foreign(record, HF_OWNER_DATA, "it is longer than any record");
		return;
	}
	if (memchr(bytes, '\0', size)) {
		set_foreign(record, HF_OWNER_OBSCURE, "it is binary");
		return;
	}
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (text[strspn(text, " \t\n")] == '\0') {
		record->why = "it is empty";
		return;
	}
	line = strsep(&rest, "\n");
	if (strcmp(line, "0") == 0 && (!rest || !*rest)) {
		record->why = "it says 0, as procmail's does, and dotlockfile's without -p";
		return;
	}
	if (!read_pid(line, &record->owner.pid)) {
		set_foreign(record, is_nearly_pid(line) ? HF_DOT_RECORD : HF_OWNER_DATA,
			    "its first line is not a PID");
		return;
	}
	record->form = HF_OWNER_PID_ONLY;
	if (!rest || !*rest)
		return;
	line = strsep(&rest, "\n");
	if (!rest || strcmp(line, FORM) != 0) {
		set_foreign(record, HF_DOT_RECORD, "its second line is not known");
		return;
	}
	record->form = HF_OWNER_HOLDFAST;
	if (bytes[size - 1] != '\n') {
		set_foreign(record, HF_DOT_RECORD, "it is cut off");
		return;
	}
	why = read_holdfast_lines(rest, record);
	if (why)
		set_foreign(record, HF_DOT_RECORD, why);
}

/* Read what a power cut left of a lock of holdfast. */
static void read_truncated(int fd, struct hf_lock_owner_info *record)
{
	char mark[HF_BOOT_SIZE + HOST_NAME_MAX + 2], *host;
	ssize_t n = sys_fgetxattr(fd, HF_DOT_XATTR, mark, sizeof(mark) - 1);

	if (n <= 0)
		return;
	mark[n] = '\0';
	host = strchr(mark, ' ');
	if (!host)
		return;
	*host++ = '\0';
	*record = (struct hf_lock_owner_info){.form = HF_OWNER_TRUNCATED,
					      .why = "its content is lost"};
	if (!mark[0] || !read_boot(mark, record->owner.boot) ||
	    !read_host(host, record->owner.host))
		set_foreign(record, HF_DOT_RECORD, "its mark is not of its form");
}

void hf_lock_owner_read(int fd, struct hf_lock_owner_info *record)
{
	char bytes[HF_LOCK_OWNER_MAX + 1];
	size_t size = 0;
	ssize_t n = 1;

	while (size < sizeof(bytes) && n > 0) {
		n = sys_pread(fd, bytes + size, sizeof(bytes) - size, (off_t)size);
		if (n > 0)
			size += (size_t)n;
	}
	if (n < 0) {
		set_foreign(record, HF_OWNER_OBSCURE, "it cannot be read");
		return;
	}
	hf_lock_owner_parse(bytes, size, record);
	if (record->form == HF_OWNER_FOREIGN || record->form == HF_OWNER_NO_PID)
		read_truncated(fd, record);
}
