/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Durability of ranges of mapped memory, each in the way that its mapping needs. Invariant: when
 * persist() returns 0 with the fence asked for, every byte of every range is durable; an error of
 * the medium (EIO) is given back, and the other ranges have been tried all the same.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "flush.h"
#include "native.h"

/* Page ranges that are gathered, sorted and merged before msync(2), because each call may wait for the disk. */
enum { BATCH_SPANS = 64 };

struct span {
	uintptr_t start, end;
};

struct batch {
	struct span spans[BATCH_SPANS];
	size_t count;
	uintptr_t page_bytes;
	int error;
};

static void sync_span(struct batch *batch, const struct span *span)
{
	if (msync((void *)span->start, span->end - span->start, MS_SYNC) && !batch->error)
		batch->error = -errno;
}

static void sync_batch(struct batch *batch)
{
	struct span merged;

	if (!batch->count)
		return;
	merged = batch->spans[0];
	for (size_t i = 1; i < batch->count; i++) {
		const struct span *next = &batch->spans[i];

		if (next->start > merged.end) {
			sync_span(batch, &merged);
			merged = *next;
		} else if (next->end > merged.end) {
			merged.end = next->end;
		}
	}
	sync_span(batch, &merged);
	batch->count = 0;
}

/* Puts the range's pages into the batch, which is kept sorted by start. */
static void add_pages(struct batch *batch, const char *address, size_t length)
{
	struct span span = {
		(uintptr_t)address & ~(batch->page_bytes - 1),
		((uintptr_t)address + length + batch->page_bytes - 1) & ~(batch->page_bytes - 1),
	};
	size_t at;

	if (batch->count == BATCH_SPANS)
		sync_batch(batch);
	for (at = batch->count; at && batch->spans[at - 1].start > span.start; at--)
		batch->spans[at] = batch->spans[at - 1];
	batch->spans[at] = span;
	batch->count++;
}

/* One range of the list; 0 or a negative errno. */
static int read_range(const int32_t *words, char **address, size_t *length)
{
	int32_t mapping = words[0], offset = words[1], bytes = words[2];

	*length = bytes;
	return reach(mapping, offset, bytes, TO_READ, address);
}

static int persist_pages(const int32_t *list, size_t count)
{
	struct batch batch = { .count = 0, .page_bytes = sysconf(_SC_PAGESIZE) };

	/* Non-temporal stores must have arrived before the kernel reads the pages. */
	fence_stores();
	for (size_t i = 0; i < count; i++) {
		size_t length;
		char *address;
		int error = read_range(list + i * RANGE_WORDS, &address, &length);

		if (error)
			return error;
		if (length)
			add_pages(&batch, address, length);
	}
	sync_batch(&batch);
	return batch.error;
}

static int persist_lines(const int32_t *list, size_t count, bool flush)
{
	for (size_t i = 0; i < count; i++) {
		size_t length;
		char *address;
		int error = read_range(list + i * RANGE_WORDS, &address, &length);

		if (error)
			return error;
		if (flush && length)
			flush_lines(address, length);
	}
	return 0;
}

CALL(call_persist)
{
	int64_t arguments[5], count;
	char *list;
	int error;

	if (!read_words(env, info, arguments, 5))
		return NULL;
	count = arguments[2];
	if (count < 0 || arguments[1] & 3)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], count * RANGE_WORDS * 4, TO_READ, &list);
	if (error)
		return give(env, error);
	switch (arguments[3]) {
	case PERSIST_CACHE_LINES:
		error = persist_lines((const int32_t *)list, count, true);
		break;
	case PERSIST_FENCE_ONLY:
		error = persist_lines((const int32_t *)list, count, false);
		break;
	case PERSIST_PAGES:
		return give(env, persist_pages((const int32_t *)list, count));
	default:
		return give(env, -EINVAL);
	}
	if (!error && arguments[4])
		fence_stores();
	return give(env, error);
}

CALL(call_flush_instruction)
{
	napi_value result = NULL;

	(void)info;
	napi_create_string_utf8(env, flush_name(), NAPI_AUTO_LENGTH, &result);
	return result;
}
