/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stands in for src/native/primitives.h, by the same guard, where the helper is built for tests: each primitive tells
 * the shadow (shadow.c) what it would make durable. It is included before everything else.
 */
#ifndef PMFS2_PRIMITIVES_H
#define PMFS2_PRIMITIVES_H

#include <stddef.h>
#include <stdint.h>

/* The helper's own registration, which shadow.c calls, under another name. */
#define napi_register_module_v1 register_helper
#define node_api_module_get_api_version_v1 helper_api_version

void shadow_write_back(uintptr_t line);
void shadow_fence(void);
void shadow_stream(char *to, const void *value, size_t length);
void shadow_store_eight_bytes(char *to, uint64_t value);
int shadow_sync_file(int fd);
void *shadow_map_pages(void *address, size_t length, int protection, int flags, int fd, long offset);

#if defined(__x86_64__)

#include <immintrin.h>

#define write_back_clwb shadow_write_back
#define write_back_clflushopt shadow_write_back
#define write_back_clflush shadow_write_back

static inline void stream_128(char *to, __m128i value)
{
	shadow_stream(to, &value, sizeof(value));
}

__attribute__((target("avx2"))) static inline void stream_256(char *to, __m256i value)
{
	shadow_stream(to, &value, sizeof(value));
}

__attribute__((target("avx512f"))) static inline void stream_512(char *to, __m512i value)
{
	shadow_stream(to, &value, sizeof(value));
}

#else

#define write_back_cvac shadow_write_back
#define write_back_cvap shadow_write_back

#endif

#define store_fence shadow_fence
#define store_eight_bytes shadow_store_eight_bytes
#define sync_file shadow_sync_file
#define map_pages shadow_map_pages

#endif
