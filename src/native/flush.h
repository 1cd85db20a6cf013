/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cache lines, the fence and the 8-byte store. Nothing of Node is in it, so that a benchmark can be built of it alone.
 * Invariant: what flush_lines() was given, or nontemporal_*() but for what they have stored plainly, is durable after
 * the next fence_stores(), where a cache line that has left the caches is durable.
 */
#ifndef PMFS2_FLUSH_H
#define PMFS2_FLUSH_H

#include <stddef.h>
#include <stdint.h>

enum { CACHE_LINE_BYTES = 64 };

/* Chooses the instructions of this processor. Before any other call; again does no harm. */
void choose_flush(void);
void choose_nontemporal(void);

/* The name of the flush instruction. */
const char *flush_name(void);
/* Writes back the cache lines that the bytes touch. */
void flush_lines(const char *start, size_t length);
void fence_stores(void);
/* One store of eight bytes to a multiple of eight: a power failure leaves the old bytes or the new ones. */
void store64(char *to, uint64_t value);

/* Of a destination: so many bytes at its start and at its end. */
struct plain_bytes {
	size_t head, tail;
};

/*
 * Copies and zeroes past the caches. The result says how many bytes at each end were stored plainly. The caller flushes
 * them where the domain needs it. Overlapping copies are all plain. What a durable store took, in µs, by stores and a
 * flush and by non-temporal stores, to memory that is not cached and to a place that is read again after each store,
 * which brings the lines back (docs/benchmarks.json: an Intel Xeon, clwb and AVX-512, in RAM; 2026-11-29):
 *
 *                                      not cached         read again
 *                                   flush  non-t.     flush  non-t.
 *   copy, whole lines, 64 B          0.19    0.20      0.18    0.37
 *   copy, whole lines, 256 B         0.25    0.21      0.20    0.60
 *   copy, whole lines, 4 KiB         1.05    0.38      0.85    1.28
 *   zeros, whole lines, 64 B         0.18    0.20      0.19    0.39
 *   zeros, whole lines, 256 B        0.28    0.23      0.20    0.58
 *   zeros, whole lines, 4 KiB        1.01    0.38      0.81    1.12
 *   copy, 4 B into a line, 100 B     0.23    0.26      0.20    0.22
 *   copy, 4 B into a line, 200 B     0.25    0.28      0.23    0.52
 *   copy, 4 B into a line, 300 B     0.27    0.28      0.24    0.56
 *   copy, 4 B into a line, 400 B     0.29    0.29      0.24    0.58
 *   copy, 4 B into a line, 500 B     0.33    0.30      0.28    0.70
 *   copy, 4 B into a line, 1000 B    0.61    0.29      0.34    0.73
 *
 * So what counts is the use, not the size. Whole lines go past the caches at any length: those are data, entries of the
 * undo log, which nobody reads but after a crash, and fresh blocks. Those of metadata are used again, but rarely
 * zeroed: one for 16 inodes, and one for a file that outgrows a block. A single line loses up to 0.02 µs so; on an AMD
 * EPYC it takes 0.12 in place of 0.20 µs (docs/benchmarks.json at 74dc380). Where caches are durable (eADR), the same
 * is done, and has not been measured.
 *
 * Of anything else, the lines at the ends are stored plainly and flushed in any case. Up to 400 bytes, storing what is
 * left in between past the caches gains nothing, and a reader who has to fetch it loses. Such are names, values of
 * attributes and other small metadata, which are used again. Of the sizes above, 500 is the first that gains.
 */
enum { NONTEMPORAL_THRESHOLD_BYTES = 512 };
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
