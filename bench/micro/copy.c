/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a copy to persistent memory is best made: plain stores and a flush, or non-temporal stores, by
 * size and by vector width. Stands alone, so that the kernels are timed and not the call from JavaScript.
 * The source stays in the cache, as a request does. The destination is one of two: *cold*, 256 MiB in random
 * order, as a file's data; *warm*, the same 32 KiB over and over, read back after each copy, as metadata.
 *
 *   gcc -O2 -D_GNU_SOURCE -o /tmp/copy bench/micro/copy.c src/native/flush.c src/native/nontemporal.c
 *   /tmp/copy [a file on the medium to be timed, at least 256 MiB]
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../../src/native/flush.h"

enum { COLD_BYTES = 256 << 20, WARM_BYTES = 32 << 10, LARGEST_BYTES = 1 << 20, ROUNDS = 3 };
static const double SECONDS_PER_CASE = 0.04;

static char *destination, *source;
static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void read_back(const char *from, size_t size)
{
	for (size_t i = 0; i < size; i += CACHE_LINE_BYTES)
		(void)*(const volatile char *)(from + i);
}

/*
 * Nanoseconds per durable copy into `range` bytes, each place aligned to the size: kernel NULL = plain stores
 * and a flush. The best of the rounds.
 */
static double time_copies(const struct line_kernel *kernel, size_t size, size_t range)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double start = seconds(), elapsed;
		long copies = 0;

		do {
			for (int i = 0; i < 64; i++, copies++) {
				char *to = destination + next_random() % (range / size) * size;

				if (kernel) {
					kernel->copy(to, source, size / CACHE_LINE_BYTES);
				} else {
					memcpy(to, source, size);
					flush_lines(to, size);
				}
				fence_stores();
				if (range == WARM_BYTES)
					read_back(to, size);
			}
			elapsed = seconds() - start;
		} while (elapsed < SECONDS_PER_CASE);
		if (elapsed / copies < best)
			best = elapsed / copies;
	}
	return best * 1e9;
}

static void time_sizes(const char *what, size_t range)
{
	printf("%s destination, ns per copy and fence\n%8s %12s", what, "bytes", flush_name());
	for (const struct line_kernel *kernel = line_kernels; kernel->name; kernel++)
		printf(" %9s nt", kernel->name);
	printf("\n");
	for (size_t size = CACHE_LINE_BYTES; size <= LARGEST_BYTES && size <= range / 2; size *= 2) {
		printf("%8zu %12.0f", size, time_copies(NULL, size, range));
		for (const struct line_kernel *kernel = line_kernels; kernel->name; kernel++) {
			if (kernel->supported())
				printf(" %12.0f", time_copies(kernel, size, range));
			else
				printf(" %12s", "-");
		}
		printf("\n");
	}
}

int main(int count, char **arguments)
{
	int flags = MAP_SHARED, fd = -1;

	choose_flush();
	if (count > 1) {
		fd = open(arguments[1], O_RDWR);
		if (fd < 0) {
			perror(arguments[1]);
			return 1;
		}
	} else {
		flags |= MAP_ANONYMOUS;
	}
	destination = mmap(NULL, COLD_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	source = aligned_alloc(4096, LARGEST_BYTES);
	if (destination == MAP_FAILED || !source) {
		perror("memory");
		return 1;
	}
	memset(destination, 1, COLD_BYTES);
	memset(source, 2, LARGEST_BYTES);
	time_sizes("cold", COLD_BYTES);
	time_sizes("warm", WARM_BYTES);
	return 0;
}
