/* SPDX-License-Identifier: ISC */
#include "git/index_walk.h"

#include <string.h>

enum {
	HEAD = 12,
	EXTENDED = 0x4000,
	SKIPPED = 0x4000, /* in the extended flags */
};

static unsigned int read16(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static unsigned int read32(const unsigned char *at)
{
	return (unsigned int)at[0] << 24 | (unsigned int)at[1] << 16 | read16(at + 2);
}

bool hf_index_walk_begin(struct hf_index_walk *w)
{
	const struct hf_index_bytes *bytes = &w->bytes;

	if (bytes->size < HEAD + w->repo->oid_size || memcmp(bytes->at, "DIRC", 4) != 0)
		return false;
	w->version = read32(bytes->at + 4);
	w->left = read32(bytes->at + 8);
	w->at = HEAD;
	w->len = 0;
	return w->version >= 2 && w->version <= 4;
}

/* Read the name of a version 4 entry, which begins as the one before it. */
static bool read_prefixed_name(struct hf_index_walk *w, struct hf_index_entry *entry, size_t at,
			       size_t end)
{
	const unsigned char *bytes = w->bytes.at;
	size_t strip, len;

	strip = bytes[at] & 127;
	while (bytes[at++] & 128) {
		if (at >= end)
			return false;
		strip = ((strip + 1) << 7) | (bytes[at] & 127);
	}
	len = strnlen((const char *)bytes + at, end - at);
	if (strip > w->len || at + len >= end || w->len - strip + len >= sizeof(w->name))
		return false;
	memcpy(w->name + w->len - strip, bytes + at, len + 1);
	w->len += len - strip;
	entry->name = w->name;
	entry->len = w->len;
	w->at = at + len + 1;
	return true;
}

enum hf_status hf_index_walk_next(struct hf_index_walk *w, struct hf_index_entry *entry)
{
	const size_t end = w->bytes.size - w->repo->oid_size;
	const unsigned char *bytes = w->bytes.at + w->at;
	size_t start = w->at, at = start + HF_INDEX_STAT + w->repo->oid_size + 2;
	unsigned int flags;

	if (!w->left)
		return HF_NO;
	/* at least a name of one letter, and a NUL */
	if (at + 2 > end)
		return HF_DATA;
	flags = read16(bytes + HF_INDEX_STAT + w->repo->oid_size);
	*entry = (struct hf_index_entry){.mode = read32(bytes + HF_INDEX_MODE),
					 .oid = bytes + HF_INDEX_STAT,
					 .offset = start,
					 .stage = flags >> 12 & 3};
	if (flags & EXTENDED && w->version > 2) {
		entry->skipped = read16(w->bytes.at + at) & SKIPPED;
		at += 2;
		if (at + 2 > end)
			return HF_DATA;
	}
	w->left--;
	if (w->version == 4)
		return read_prefixed_name(w, entry, at, end) ? HF_OK : HF_DATA;
	entry->name = (const char *)w->bytes.at + at;
	entry->len = strnlen(entry->name, end - at);
	/* one to eight NULs, to a multiple of eight */
	w->at = start + ((at - start + entry->len + 8) & ~(size_t)7);
	return w->at <= end ? HF_OK : HF_DATA;
}

bool hf_index_has_extension(const struct hf_index_walk *w, const char *signature)
{
	const size_t end = w->bytes.size - w->repo->oid_size;

	for (size_t at = w->at; at + 8 <= end; at += 8 + (size_t)read32(w->bytes.at + at + 4)) {
		const unsigned char *name = w->bytes.at + at;

		if (signature ? memcmp(name, signature, 4) == 0 : *name < 'A' || *name > 'Z')
			return true;
	}
	return false;
}
