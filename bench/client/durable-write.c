/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a write to persistent memory takes until it is durable, by size. The source stays in the caches, as a
 * request does. The destination is *cold* (256 MiB in random order, as a file's data), *hot* (the same place over and
 * over), or *reread* (hot, and read back after each write, as metadata).
 *
 *   durable-write memory FILE     copies to the first 256 MiB of FILE, which is mapped: what src/native/ does
 *   durable-write calls FILE      pwrite(2) on FILE, which is made
 *
 * Prints a line for each case, `cold 4096 avx512-fenced 123.4`, the last being nanoseconds per write: the least of the
 * rounds. Of memory, the cases are plain stores, those flushed, and flushed and fenced; and of each kernel of
 * non-temporal stores, these alone, and fenced.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../src/native/flush.h"

enum { RANGE_BYTES = 256 << 20, LARGEST_BYTES = 4 << 20, ROUNDS = 3 };
static const double SECONDS_PER_ROUND = 0.02;
static const size_t sizes[] = { 8,	  64,	   128,	      256,	 512,	  1024,
				4096, 16384, 65536, 262144, 1048576, LARGEST_BYTES };

enum warmth { COLD, HOT, REREAD, WARMTHS };
static const char *const warmth_names[] = { "cold", "hot", "reread" };

struct method {
	const struct line_kernel *kernel;	/* NULL: plain stores */
	bool flushes;
	bool fences;
};

static char *destination, *source;
static int file;
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

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void read_back(const char *from, size_t size)
{
	for (size_t i = 0; i < size; i += CACHE_LINE_BYTES)
		(void)*(const volatile char *)(from + i);
}

static void store(const struct method *method, size_t offset, size_t size)
{
	char *to = destination + offset;

	if (method->kernel)
		method->kernel->copy(to, source, size / CACHE_LINE_BYTES);
	else
		memcpy(to, source, size);
	if (method->flushes)
		flush_lines(to, size);
	if (method->fences)
		fence_stores();
}

static void call(size_t offset, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t written = pwrite(file, source + done, size - done, offset + done);

		if (written <= 0)
			die("pwrite");
		done += written;
	}
}

/* @param method NULL: pwrite(2) */
static void time_writes(const char *name, const struct method *method, size_t size, enum warmth warmth)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double start = seconds(), elapsed;
		long writes = 0;

		do {
			for (int i = 0; i < 16; i++, writes++) {
				size_t offset = warmth == COLD ? next_random() % (RANGE_BYTES / size) * size : 0;

				if (method)
					store(method, offset, size);
				else
					call(offset, size);
				if (warmth == REREAD)
					read_back(destination + offset, size);
			}
			elapsed = seconds() - start;
		} while (elapsed < SECONDS_PER_ROUND);
		/* What the last writes have left to be done is not the next case's. */
		fence_stores();
		if (elapsed / writes < best)
			best = elapsed / writes;
	}
	printf("%s %zu %s %.1f\n", warmth_names[warmth], size, name, best * 1e9);
}

static void time_kernel(const struct line_kernel *kernel, size_t size, enum warmth warmth)
{
	const struct method stores = { kernel, false, false }, fenced = { kernel, false, true };
	char name[64];

	time_writes(kernel->name, &stores, size, warmth);
	snprintf(name, sizeof(name), "%s-fenced", kernel->name);
	time_writes(name, &fenced, size, warmth);
}

static void time_memory(void)
{
	const struct method stores = { NULL, false, false }, flushed = { NULL, true, false },
			    fenced = { NULL, true, true };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (enum warmth warmth = COLD; warmth < WARMTHS; warmth++) {
			time_writes("stores", &stores, sizes[i], warmth);
			time_writes("stores-flushed", &flushed, sizes[i], warmth);
			time_writes("stores-fenced", &fenced, sizes[i], warmth);
			for (const struct line_kernel *kernel = line_kernels; kernel->name; kernel++)
				if (kernel->supported() && sizes[i] >= CACHE_LINE_BYTES)
					time_kernel(kernel, sizes[i], warmth);
		}
	}
}

static void time_calls(void)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (enum warmth warmth = COLD; warmth < REREAD; warmth++)
			time_writes("call", NULL, sizes[i], warmth);
}

int main(int count, char **arguments)
{
	bool is_memory = count == 3 && !strcmp(arguments[1], "memory");

	if (!is_memory && (count != 3 || strcmp(arguments[1], "calls"))) {
		fprintf(stderr, "usage: durable-write memory|calls FILE\n");
		return 2;
	}
	choose_flush();
	source = aligned_alloc(4096, LARGEST_BYTES);
	if (!source)
		die("memory");
	memset(source, 2, LARGEST_BYTES);
	file = open(arguments[2], O_RDWR | (is_memory ? 0 : O_CREAT), 0600);
	if (file < 0)
		die(arguments[2]);
	if (is_memory) {
		destination = mmap(NULL, RANGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		if (destination == MAP_FAILED)
			die("mmap");
		memset(destination, 1, RANGE_BYTES);
		time_memory();
	} else {
		for (size_t offset = 0; offset < RANGE_BYTES; offset += LARGEST_BYTES)
			call(offset, LARGEST_BYTES);
		time_calls();
	}
	return 0;
}
