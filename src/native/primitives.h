/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions, and the one system call, that make stores durable, and the store that is whole or not at all: each
 * by itself, with nothing around it. All code that decides what is flushed and when stands above them, and uses no
 * other way. So a test can build the helper with primitives of its own (test/native/shadow/primitives.h, which has the
 * same guard), which note what would be durable.
 */
#ifndef PMFS2_PRIMITIVES_H
#define PMFS2_PRIMITIVES_H

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* Of fault.c, by which zeros take the place of pages. It stores nothing; but what a device refuses, a test can. */
#define map_pages mmap

#if defined(__x86_64__)

#include <immintrin.h>

#define PRIMITIVE static inline __attribute__((always_inline))
#define PRIMITIVE_FOR(instructions) static inline __attribute__((always_inline, target(instructions)))

PRIMITIVE_FOR("clwb") void write_back_clwb(uintptr_t line)
{
	_mm_clwb((void *)line);
}

PRIMITIVE_FOR("clflushopt") void write_back_clflushopt(uintptr_t line)
{
	_mm_clflushopt((void *)line);
}

PRIMITIVE void write_back_clflush(uintptr_t line)
{
	_mm_clflush((void *)line);
}

PRIMITIVE void store_fence(void)
{
	_mm_sfence();
}

/* Non-temporal stores; `to` is aligned to the size of what is stored. */
PRIMITIVE void stream_128(char *to, __m128i value)
{
	_mm_stream_si128((__m128i *)to, value);
}

PRIMITIVE_FOR("avx2") void stream_256(char *to, __m256i value)
{
	_mm256_stream_si256((__m256i *)to, value);
}

PRIMITIVE_FOR("avx512f") void stream_512(char *to, __m512i value)
{
	_mm512_stream_si512((__m512i *)to, value);
}

#elif defined(__aarch64__)

#define PRIMITIVE static inline __attribute__((always_inline))

PRIMITIVE void write_back_cvac(uintptr_t line)
{
	__asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
}

/* By its encoding, as assemblers know the name only for ARMv8.2. */
PRIMITIVE void write_back_cvap(uintptr_t line)
{
	__asm__ volatile("sys #3, c7, c12, #1, %0" : : "r"(line) : "memory");
}

/* As Linux' own arch_wb_cache_pmem(): the persistence point may lie outside the inner domain. */
PRIMITIVE void store_fence(void)
{
	__asm__ volatile("dsb sy" : : : "memory");
}

#else
#error "No cache-line flush is known for this processor: add one to src/native/primitives.h."
#endif

/*
 * One instruction, after all stores that stand before it. By a power failure, eight aligned bytes are durable whole or
 * not at all: what commits a transaction, or makes a header or a copy of the superblock valid, rests on that.
 */
PRIMITIVE void store_eight_bytes(char *to, uint64_t value)
{
	__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);
}

/* fdatasync(2): all that has changed of a file or block device. */
PRIMITIVE int sync_file(int fd)
{
	return fdatasync(fd);
}

#endif
