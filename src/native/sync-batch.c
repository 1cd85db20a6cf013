/* SPDX-License-Identifier: GPL-2.0-only */
/* Page ranges that are gathered for msync(2); see sync-batch.h. */
#include "sync-batch.h"

#include <errno.h>
#include <unistd.h>

#include "flush.h"
#include "primitives.h"

static uintptr_t page_bytes;

void learn_page_size(void)
{
	page_bytes = sysconf(_SC_PAGESIZE);
}

size_t page_size(void)
{
	return page_bytes;
}

static void sync_span(struct sync_batch *batch, const struct span *span)
{
	if (!write_pages(span->start, span->end - span->start, MS_SYNC) || batch->error)
		return;
	batch->error = -errno;
	batch->failed = span->start;
}

void sync_pages(struct sync_batch *batch)
{
	struct span merged;

	if (!batch->count)
		return;
	/* Non-temporal stores must have arrived before the kernel reads the pages. */
	fence_stores();
	merged = batch->spans[0];
	for (size_t i = 1; i < batch->count; i++) {
		const struct span *next = &batch->spans[i];

		if (next->start > merged.end || next->mapping != merged.mapping) {
			sync_span(batch, &merged);
			merged = *next;
		} else if (next->end > merged.end) {
			merged.end = next->end;
		}
	}
	sync_span(batch, &merged);
	batch->count = 0;
}

void batch_pages(struct sync_batch *batch, int64_t mapping, const char *address, size_t length)
{
	struct span span = {
		(uintptr_t)address & ~(page_bytes - 1),
		((uintptr_t)address + length + page_bytes - 1) & ~(page_bytes - 1),
		mapping,
	};
	size_t at;

	if (batch->count == BATCH_SPANS)
		sync_pages(batch);
	for (at = batch->count; at && batch->spans[at - 1].start > span.start; at--)
		batch->spans[at] = batch->spans[at - 1];
	batch->spans[at] = span;
	batch->count++;
}
