/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flush, fence and the 8-byte store. The instruction is chosen once, at run time, so that one build runs on any
 * processor of the architecture. Invariant: every line that a range touches is flushed, also the
 * first and the last when the range is not aligned to lines.
 */
#include "flush.h"

#include <stdint.h>

#include "primitives.h"

static void (*flush_chosen)(const char *start, size_t length);
static const char *chosen_name;

const char *flush_name(void)
{
	return chosen_name;
}

#if defined(__x86_64__)

#include <cpuid.h>

/* CPUID leaf 7, EBX (Intel SDM, volume 2, CPUID) */
enum { CPUID_CLFLUSHOPT = 1 << 23, CPUID_CLWB = 1 << 24 };

#define FLUSH_EACH_LINE(write_back)                                                              \
	do {                                                                                     \
		uintptr_t line = (uintptr_t)start & ~(uintptr_t)(CACHE_LINE_BYTES - 1);          \
                                                                                                 \
		for (; line < (uintptr_t)start + length; line += CACHE_LINE_BYTES)               \
			write_back(line);                                                        \
	} while (0)

__attribute__((target("clwb"))) static void flush_clwb(const char *start, size_t length)
{
	FLUSH_EACH_LINE(write_back_clwb);
}

__attribute__((target("clflushopt"))) static void flush_clflushopt(const char *start, size_t length)
{
	FLUSH_EACH_LINE(write_back_clflushopt);
}

static void flush_clflush(const char *start, size_t length)
{
	FLUSH_EACH_LINE(write_back_clflush);
}

void choose_flush(void)
{
	unsigned int eax, ebx = 0, ecx, edx;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		ebx = 0;
	if (ebx & CPUID_CLWB) {
		flush_chosen = flush_clwb;
		chosen_name = "clwb";
	} else if (ebx & CPUID_CLFLUSHOPT) {
		flush_chosen = flush_clflushopt;
		chosen_name = "clflushopt";
	} else {
		flush_chosen = flush_clflush;
		chosen_name = "clflush";
	}
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

#define HWCAP_CLEAN_TO_PERSISTENCE (1UL << 16)	/* HWCAP_DCPOP (Linux, arm64/elf_hwcaps) */

static uintptr_t line_bytes;

static void flush_cvac(const char *start, size_t length)
{
	uintptr_t line = (uintptr_t)start & ~(line_bytes - 1);

	for (; line < (uintptr_t)start + length; line += line_bytes)
		write_back_cvac(line);
}

static void flush_cvap(const char *start, size_t length)
{
	uintptr_t line = (uintptr_t)start & ~(line_bytes - 1);

	for (; line < (uintptr_t)start + length; line += line_bytes)
		write_back_cvap(line);
}

void choose_flush(void)
{
	uint64_t cache_type;

	__asm__("mrs %0, ctr_el0" : "=r"(cache_type));
	line_bytes = (uintptr_t)4 << (cache_type >> 16 & 15);	/* DminLine */
	if (getauxval(AT_HWCAP) & HWCAP_CLEAN_TO_PERSISTENCE) {
		flush_chosen = flush_cvap;
		chosen_name = "dc cvap";
	} else {
		flush_chosen = flush_cvac;
		chosen_name = "dc cvac";
	}
}

#endif

/* A function of its own, which a test can find and read (test/native/primitives.test.ts). */
void store64(char *to, uint64_t value)
{
	store_eight_bytes(to, value);
}

void fence_stores(void)
{
	store_fence();
}

void flush_lines(const char *start, size_t length)
{
	flush_chosen(start, length);
}
