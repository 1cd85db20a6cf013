/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies and zeroes that bypass the caches. Only whole, aligned cache lines are stored
 * non-temporally; what is left at the head and at the tail is stored plainly. Invariant: the caller learns of each
 * byte that was stored plainly, so once it has flushed these, all of the destination is durable after the next fence.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "flush.h"
#include "primitives.h"

#if defined(__x86_64__)

static int always(void)
{
	return 1;
}

static void copy_lines_sse2(char *to, const char *from, size_t lines)
{
	for (; lines; lines--, to += CACHE_LINE_BYTES, from += CACHE_LINE_BYTES) {
		__m128i a = _mm_loadu_si128((const __m128i *)from);
		__m128i b = _mm_loadu_si128((const __m128i *)from + 1);
		__m128i c = _mm_loadu_si128((const __m128i *)from + 2);
		__m128i d = _mm_loadu_si128((const __m128i *)from + 3);

		stream_128(to, a);
		stream_128(to + 16, b);
		stream_128(to + 32, c);
		stream_128(to + 48, d);
	}
}

static void zero_lines_sse2(char *to, size_t lines)
{
	const __m128i zero = _mm_setzero_si128();

	for (; lines; lines--, to += CACHE_LINE_BYTES)
		for (int i = 0; i < 4; i++)
			stream_128(to + 16 * i, zero);
}

static int has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2"))) static void copy_lines_avx2(char *to, const char *from, size_t lines)
{
	for (; lines; lines--, to += CACHE_LINE_BYTES, from += CACHE_LINE_BYTES) {
		__m256i a = _mm256_loadu_si256((const __m256i *)from);
		__m256i b = _mm256_loadu_si256((const __m256i *)from + 1);

		stream_256(to, a);
		stream_256(to + 32, b);
	}
}

__attribute__((target("avx2"))) static void zero_lines_avx2(char *to, size_t lines)
{
	const __m256i zero = _mm256_setzero_si256();

	for (; lines; lines--, to += CACHE_LINE_BYTES) {
		stream_256(to, zero);
		stream_256(to + 32, zero);
	}
}

static int has_avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}

__attribute__((target("avx512f"))) static void copy_lines_avx512(char *to, const char *from, size_t lines)
{
	for (; lines; lines--, to += CACHE_LINE_BYTES, from += CACHE_LINE_BYTES)
		stream_512(to, _mm512_loadu_si512((const void *)from));
}

__attribute__((target("avx512f"))) static void zero_lines_avx512(char *to, size_t lines)
{
	const __m512i zero = _mm512_setzero_si512();

	for (; lines; lines--, to += CACHE_LINE_BYTES)
		stream_512(to, zero);
}

const struct line_kernel line_kernels[] = {
	{ "avx512", has_avx512, copy_lines_avx512, zero_lines_avx512 },
	{ "avx2", has_avx2, copy_lines_avx2, zero_lines_avx2 },
	{ "sse2", always, copy_lines_sse2, zero_lines_sse2 },
	{ NULL, NULL, NULL, NULL },
};

#else

/* No stores past the caches that are worth it. */
const struct line_kernel line_kernels[] = {
	{ NULL, NULL, NULL, NULL },
};

#endif

/* NULL: none. */
static const struct line_kernel *chosen;

void choose_nontemporal(void)
{
	const struct line_kernel *kernel = line_kernels;

	while (kernel->name && !kernel->supported())
		kernel++;
	chosen = kernel->name ? kernel : NULL;
}

static bool overlap(const char *to, const char *from, size_t length)
{
	return (uintptr_t)to < (uintptr_t)from + length && (uintptr_t)from < (uintptr_t)to + length;
}

/* A destination: whole lines, and what is before and behind them. */
struct parts {
	size_t head, body, tail;
};

static struct parts divide(const char *to, size_t length)
{
	size_t head = -(uintptr_t)to & (CACHE_LINE_BYTES - 1);
	size_t body = (length - head) & ~(size_t)(CACHE_LINE_BYTES - 1);

	return (struct parts){ head, body, length - head - body };
}

/* Whether all of it is better stored through the caches. A line that is not covered as a whole is in any case. */
static bool is_plain(const char *to, size_t length)
{
	bool whole_lines = !(((uintptr_t)to | length) & (CACHE_LINE_BYTES - 1));

	return !chosen || (length < NONTEMPORAL_THRESHOLD_BYTES && !whole_lines);
}

struct plain_bytes nontemporal_copy(char *to, const char *from, size_t length)
{
	struct parts parts;
	size_t behind;

	if (is_plain(to, length) || overlap(to, from, length)) {
		memmove(to, from, length);
		return (struct plain_bytes){ length, 0 };
	}
	parts = divide(to, length);
	behind = parts.head + parts.body;
	memcpy(to, from, parts.head);
	chosen->copy(to + parts.head, from + parts.head, parts.body / CACHE_LINE_BYTES);
	memcpy(to + behind, from + behind, parts.tail);
	return (struct plain_bytes){ parts.head, parts.tail };
}

struct plain_bytes nontemporal_zero(char *to, size_t length)
{
	struct parts parts;

	if (is_plain(to, length)) {
		memset(to, 0, length);
		return (struct plain_bytes){ length, 0 };
	}
	parts = divide(to, length);
	memset(to, 0, parts.head);
	chosen->zero(to + parts.head, parts.body / CACHE_LINE_BYTES);
	memset(to + parts.head + parts.body, 0, parts.tail);
	return (struct plain_bytes){ parts.head, parts.tail };
}
