/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the ring share. Invariant: a ring and all that hangs from it is used by one thread alone, the
 * one that opened it; its block stays mapped until it is closed.
 */
#ifndef PMFS2_RING_H
#define PMFS2_RING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct submission;
struct completion;

/* What a worker has learned of how soon requests come; see ring-wait.c. */
struct habit {
	int64_t credit;			/* nanoseconds that may be looked for in vain */
	int64_t rest, rests_until;	/* nanoseconds */
};

struct ring {
	int fd;
	char *memory;			/* both queues */
	size_t memory_bytes;
	struct submission *submissions;
	size_t submissions_bytes;
	uint32_t *sq_tail, *sq_flags, *cq_head, *cq_tail;
	uint32_t sq_mask, cq_mask, to_submit, entries;
	struct completion *completions;
	uint16_t *queue_of;		/* by entry */
	struct iovec (*places)[2];	/* by entry: header and payload, for the kernel to keep */
	int32_t *block;			/* the ring block, NULL: none */
	int64_t block_mapping;
	struct habit habit;
};

/* A request is at hand. */
static inline bool ring_is_ready(const struct ring *ring)
{
	return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) != *ring->cq_head;
}

/* Something waits to be done for this ring by its thread, in ring_enter(). */
bool ring_has_work(const struct ring *ring);

/* Hands in what was submitted, and sleeps until there are `wait_for` requests. 0 or a negative errno. */
int ring_enter(struct ring *ring, uint32_t wait_for);

/* Hands in what is due, and waits for nothing. 0 or a negative errno. */
static inline int ring_submit(struct ring *ring)
{
	return ring->to_submit ? ring_enter(ring, 0) : 0;
}

/*
 * Waits for a request: `poll_microseconds` of looking for it before the thread sleeps, negative: as long as has been
 * worth it. Returns 0, also when a signal came; or a negative errno.
 */
int ring_wait(struct ring *ring, int32_t poll_microseconds);

#endif
