/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cache lines and the fence, with nothing of Node in it, so that a benchmark can be built of it alone.
 * Invariant: what flush_lines() was given, or nontemporal_*() but for what they have stored plainly, is durable after
 * the next fence_stores(), where a cache line that has left the caches is durable.
 */
#ifndef PMFS2_FLUSH_H
#define PMFS2_FLUSH_H

#include <stddef.h>

enum { CACHE_LINE_BYTES = 64 };

/* Chooses the instructions of this processor. Before any other call; again does no harm. */
void choose_flush(void);
void choose_nontemporal(void);

/* The name of the flush instruction. */
const char *flush_name(void);
/* Writes back the cache lines that the bytes touch. */
void flush_lines(const char *start, size_t length);
void fence_stores(void);

/* Of a destination: so many bytes at its start and at its end. */
struct plain_bytes {
	size_t head, tail;
};

/*
 * Copies and zeroes past the caches; what is given back was stored plainly, and is for the caller to flush where lines
 * need that. Short and overlapping copies are all plain. Of a durable copy (bench/client/durable-write.c; AMD EPYC,
 * clwb and AVX2, in RAM, µs), stores and a flush took 0.19, 0.21 and 0.82 for 64 B, 256 B and 4 KiB into memory that
 * is not cached, and non-temporal stores 0.11, 0.12 and 0.28. Where the place is read again, which brings the lines
 * back, they took 0.20, 0.21 and 0.43 against 0.31, 0.42 and 0.85. So what counts is the use, not the size: the
 * threshold, which is PMDK's, tells small metadata, which is used over and over, from data. Copies of whole lines to
 * whole lines go past the caches at any length: those are data, and entries of the undo log, which nobody reads but
 * after a crash.
 */
enum { NONTEMPORAL_THRESHOLD_BYTES = 256 };
struct plain_bytes nontemporal_copy(char *to, const char *from, size_t length);
struct plain_bytes nontemporal_zero(char *to, size_t length);

/* The kernels for whole cache lines, by name; for the benchmark. */
struct line_kernel {
	const char *name;
	int (*supported)(void);
	/* `to` is aligned to a cache line, `from` to nothing. */
	void (*copy)(char *to, const char *from, size_t lines);
	void (*zero)(char *to, size_t lines);
};
/* Best first; ends with a name of NULL. There may be none. */
extern const struct line_kernel line_kernels[];

#endif
