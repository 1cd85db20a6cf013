/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page ranges that are to reach the disk: gathered, sorted and merged before msync(2), because each call may wait for
 * the disk. Nothing of Node is in it, so that a test can be built of it alone. Invariant: the stores before a call of
 * batch_pages() or sync_pages() have arrived in memory before the kernel reads the pages, also non-temporal ones.
 */
#ifndef PMFS2_SYNC_BATCH_H
#define PMFS2_SYNC_BATCH_H

#include <stddef.h>
#include <stdint.h>

enum { BATCH_SPANS = 64 };

struct span {
	uintptr_t start, end;
	int64_t mapping;
};

struct sync_batch {
	struct span spans[BATCH_SPANS];	/* sorted by start */
	size_t count;
	int error;			/* of the first msync(2) that failed: a negative errno */
	uintptr_t failed;		/* and where its pages begin */
};

/* Once, before any other call. */
void learn_page_size(void);
size_t page_size(void);
/*
 * Adds the pages that bytes of a mapping touch. A full batch is synced first. Pages of two mappings that lie next to each
 * other are not merged: msync(2) ends at the first mapping that fails.
 */
void batch_pages(struct sync_batch *batch, int64_t mapping, const char *address, size_t length);
/* Syncs all pages of the batch, also behind one that fails, and empties it. */
void sync_pages(struct sync_batch *batch);

#endif
