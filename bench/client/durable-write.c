/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a write to persistent memory takes until it is durable, by size. The source stays in the caches, as a
 * request does. The destination is *cold* (256 MiB in random order, as a file's data), *hot* (the same place over and
 * over), or *reread* (hot, and read back after each write, as metadata).
 *
 *   durable-write memory FILE     copies to the first 256 MiB of FILE, which is mapped: what src/native/ does
 *   durable-write calls FILE      pwrite(2) on FILE, which is made, and at the end of FILE-grown
 *
 * Prints a line for each case, `cold 4096 avx512-fenced 123.4`, the last being nanoseconds per write: the least of the
 * rounds. Of memory, the cases are plain stores, those flushed, and flushed and fenced; and of each kernel of
 * non-temporal stores, these alone, and fenced. Of the best kernel there are also `copy-flush` and
 * `copy-non-temporal`, of lengths that are no multiple of a line to 4 bytes behind the start of one, and `zero-flush`
 * and `zero-non-temporal`, of whole lines. An append is *cold* where it comes to blocks last used some 100 MiB ago, and
 * *hot* where 8 MiB are all that is free, so that a file takes the blocks of the one before it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "../../src/native/flush.h"

enum { RANGE_BYTES = 256 << 20, LARGEST_BYTES = 4 << 20 };
/* How far a file grows before it is cut off. */
enum { COLD_APPEND_BYTES = 128 << 20, HOT_APPEND_BYTES = 8 << 20 };
/* What is left free besides, for the map of the file. */
enum { SPARE_BYTES = 1 << 20 };
/* Of copies that are not whole lines: where they begin. */
enum { SKEW_BYTES = 4 };
/* Many and short: some of them are not interrupted by what else the machine does. */
enum { ROUNDS = 40, APPEND_ROUNDS = 10 };
static const double SECONDS_PER_ROUND = 0.001, SECONDS_PER_APPEND_ROUND = 0.004;
static const size_t sizes[] = { 8,	  64,	   128,	      256,	 512,	  1024,
				4096, 16384, 65536, 262144, 1048576, LARGEST_BYTES };
static const size_t part_sizes[] = { 100, 150, 200, 300, 400, 500, 1000 };
static const size_t zero_sizes[] = { 64, 128, 192, 256, 512, 1024, 4096 };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum warmth { COLD, HOT, REREAD, WARMTHS };
static const char *const warmth_names[] = { "cold", "hot", "reread" };

struct method {
	void (*write)(const struct method *method, size_t offset, size_t size);
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

/* As nontemporal_copy() does from its threshold on: whole lines past the caches, head and tail plainly, and flushed. */
static void store_part(const struct method *method, size_t offset, size_t size)
{
	char *to = destination + offset + SKEW_BYTES;
	size_t head = CACHE_LINE_BYTES - SKEW_BYTES, lines = (size - head) / CACHE_LINE_BYTES;
	size_t behind = head + lines * CACHE_LINE_BYTES;

	if (method->kernel) {
		memcpy(to, source, head);
		method->kernel->copy(to + head, source + head, lines);
		memcpy(to + behind, source + behind, size - behind);
		flush_lines(to, head);
		if (size > behind)
			flush_lines(to + behind, size - behind);
	} else {
		memcpy(to, source, size);
		flush_lines(to, size);
	}
	fence_stores();
}

static void zero(const struct method *method, size_t offset, size_t size)
{
	char *to = destination + offset;

	if (method->kernel) {
		method->kernel->zero(to, size / CACHE_LINE_BYTES);
	} else {
		memset(to, 0, size);
		flush_lines(to, size);
	}
	fence_stores();
}

static void write_all(int to, size_t offset, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t written = pwrite(to, source + done, size - done, offset + done);

		if (written <= 0)
			die("pwrite");
		done += written;
	}
}

static void call(const struct method *method, size_t offset, size_t size)
{
	(void)method;
	write_all(file, offset, size);
}

static void time_writes(const char *name, const struct method *method, size_t size, enum warmth warmth)
{
	double best = 1e18;
	/* What is no power of two, and may be skewed, has more room. */
	size_t room = size & (size - 1) ? 1024 + CACHE_LINE_BYTES : size;

	for (int round = 0; round < ROUNDS; round++) {
		double start = seconds(), elapsed;
		long writes = 0;

		do {
			for (int i = 0; i < 16; i++, writes++) {
				size_t offset = warmth == COLD ? next_random() % (RANGE_BYTES / room) * room : 0;

				method->write(method, offset, size);
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
	const struct method stores = { store, kernel, false, false }, fenced = { store, kernel, false, true };
	char name[64];

	time_writes(kernel->name, &stores, size, warmth);
	snprintf(name, sizeof(name), "%s-fenced", kernel->name);
	time_writes(name, &fenced, size, warmth);
}

static void time_memory(void)
{
	const struct method stores = { store, NULL, false, false }, flushed = { store, NULL, true, false },
			    fenced = { store, NULL, true, true };

	for (size_t i = 0; i < COUNT(sizes); i++) {
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

/* Both ways, where a threshold decides between them. */
static void time_short(void)
{
	const struct line_kernel *kernel = line_kernels;

	while (kernel->name && !kernel->supported())
		kernel++;
	if (!kernel->name)
		return;
	for (enum warmth warmth = COLD; warmth < WARMTHS; warmth += REREAD) {
		const struct method flushed = { store_part, NULL, true, true };
		const struct method past = { store_part, kernel, true, true };
		const struct method zero_flushed = { zero, NULL, true, true }, zero_past = { zero, kernel, true, true };

		for (size_t i = 0; i < COUNT(part_sizes); i++) {
			time_writes("copy-flush", &flushed, part_sizes[i], warmth);
			time_writes("copy-non-temporal", &past, part_sizes[i], warmth);
		}
		for (size_t i = 0; i < COUNT(zero_sizes); i++) {
			time_writes("zero-flush", &zero_flushed, zero_sizes[i], warmth);
			time_writes("zero-non-temporal", &zero_past, zero_sizes[i], warmth);
		}
	}
}

/* @param most how far the file grows */
static void time_appends(const char *warmth, int grown, size_t size, size_t most)
{
	double best = 1e18;

	for (int round = 0; round < APPEND_ROUNDS; round++) {
		double elapsed = 0;
		long writes = 0;

		while (elapsed < SECONDS_PER_APPEND_ROUND) {
			double start = seconds(), taken = 0;

			for (size_t end = 0; end + size <= most && elapsed + taken < SECONDS_PER_APPEND_ROUND; writes++) {
				write_all(grown, end, size);
				end += size;
				taken = seconds() - start;
			}
			elapsed += taken;
			if (ftruncate(grown, 0))
				die("ftruncate");
		}
		if (elapsed / writes < best)
			best = elapsed / writes;
	}
	printf("%s %zu append-call %.1f\n", warmth, size, best * 1e9);
}

static off_t free_bytes(int of)
{
	struct statvfs volume;

	if (fstatvfs(of, &volume))
		die("fstatvfs");
	return volume.f_bfree * volume.f_frsize;
}

/* Appends to a second file; before that, all that is free is written once, since memory comes into being when touched. */
static void time_grown(const char *path)
{
	char name[4096];
	int grown, filler;
	off_t room;

	snprintf(name, sizeof(name), "%s-grown", path);
	grown = open(name, O_RDWR | O_CREAT, 0600);
	snprintf(name, sizeof(name), "%s-filler", path);
	filler = open(name, O_RDWR | O_CREAT, 0600);
	if (grown < 0 || filler < 0)
		die(name);
	for (size_t end = 0; free_bytes(filler) > SPARE_BYTES + LARGEST_BYTES; end += LARGEST_BYTES)
		write_all(filler, end, LARGEST_BYTES);
	if (ftruncate(filler, 0))
		die("ftruncate");
	for (size_t i = 0; i < COUNT(sizes); i++)
		time_appends("cold", grown, sizes[i], COLD_APPEND_BYTES);
	/* In steps, as the map of the filler takes room as well. */
	for (off_t end = 0; (room = free_bytes(filler) - HOT_APPEND_BYTES - SPARE_BYTES) > SPARE_BYTES; end += room / 2)
		if (fallocate(filler, 0, end, room / 2))
			die("fallocate");
	for (size_t i = 0; i < COUNT(sizes); i++)
		time_appends("hot", grown, sizes[i], HOT_APPEND_BYTES);
	if (ftruncate(filler, 0))
		die("ftruncate");
}

static void time_calls(void)
{
	const struct method calls = { call, NULL, false, false };

	for (size_t i = 0; i < COUNT(sizes); i++)
		for (enum warmth warmth = COLD; warmth < REREAD; warmth++)
			time_writes("call", &calls, sizes[i], warmth);
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
		time_short();
	} else {
		for (size_t offset = 0; offset < RANGE_BYTES; offset += LARGEST_BYTES)
			write_all(file, offset, LARGEST_BYTES);
		time_calls();
		time_grown(arguments[2]);
	}
	return 0;
}
