/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the order in which a batch fences and syncs. It is linked with the helper's own source, and stands in for both.
 */
#include <stdint.h>
#include <stdio.h>

#include "../../src/native/flush.h"
#include "../../src/native/sync-batch.h"

void fence_stores(void)
{
	puts("fence");
}

int msync(void *start, size_t length, int flags)
{
	(void)flags;
	printf("msync %zu+%zu\n", (size_t)((uintptr_t)start / page_size()), length / page_size());
	return 0;
}

int main(void)
{
	struct sync_batch batch = { .count = 0 };

	learn_page_size();
	/* Every other page, one more than a batch holds. */
	for (uintptr_t n = 0; n <= BATCH_SPANS; n++)
		batch_pages(&batch, 1, (const char *)(2 * n * page_size()), 1);
	puts("full");
	sync_pages(&batch);
	puts("again");
	sync_pages(&batch);
	puts("neighbours");
	batch_pages(&batch, 1, (const char *)(2 * page_size()), page_size());
	batch_pages(&batch, 2, (const char *)(4 * page_size()), page_size());
	batch_pages(&batch, 1, (const char *)(3 * page_size()), page_size());
	sync_pages(&batch);
	return batch.error;
}
