/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The FUSE channel over io_uring (Linux 6.14): requests come as completions into memory that was registered
 * for them, and a reply is a submission that asks for the next request. Invariant: one call is one crossing,
 * and it enters the kernel only when no request is at hand; a ring is used by the thread that opened it alone.
 *
 * The kernel's headers may be older than what is used here, so its structures are written out
 * (include/uapi/linux/fuse.h of protocol 7.42, include/uapi/linux/io_uring.h of Linux 6.1).
 */
#include <linux/fuse.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

/* The words of the ring block, as in index.ts. */
enum {
	FD = 0,
	HEADERS_OFFSET,
	PAYLOADS_OFFSET,
	PAYLOAD_BYTES,
	PIECE_COUNT,
	PIECE_LIST_OFFSET,
	REPLY_ENTRY,
	REPLY_BYTES,
	RELEASE_MAPPING,
	RELEASE_OFFSET,
	SECONDS_LOW,
	SECONDS_HIGH,
	NANOSECONDS,
	STOP,
	POLL_MICROSECONDS,
	BLOCK_WORDS = 16,
};

enum { HEADER_STRIDE_BYTES = 512, MAX_ENTRIES = 4096, MAX_RINGS = 1024 };

/* struct fuse_uring_req_header: the request going in, the reply coming out. */
struct entry_header {
	char in_out[128];		/* fuse_in_header, then fuse_out_header */
	char op_in[128];		/* the opcode's own struct */
	uint64_t flags;
	uint64_t commit_id;		/* goes back with the reply */
	uint32_t payload_bytes;
	uint32_t padding;
	uint64_t reserved;
};

/* struct fuse_uring_cmd_req, in the last 80 bytes of a submission. */
struct fuse_command {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t queue;
	uint8_t padding[6];
};

enum { COMMAND_REGISTER = 1, COMMAND_COMMIT_AND_FETCH = 2 };

/* struct io_uring_sqe with IORING_SETUP_SQE128, as IORING_OP_URING_CMD uses it. */
struct submission {
	uint8_t opcode;
	uint8_t flags;
	uint16_t priority;
	int32_t fd;
	uint32_t command;
	uint32_t padding;
	uint64_t address;
	uint32_t length;
	uint32_t command_flags;
	uint64_t user_data;
	uint64_t unused;
	char data[80];
};

_Static_assert(sizeof(struct entry_header) == 288, "as in the kernel");
_Static_assert(sizeof(struct submission) == 128, "as in the kernel");

struct completion {
	uint64_t user_data;
	int32_t result;
	uint32_t flags;
};

/* struct io_uring_params */
struct parameters {
	uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, reserved[3];
	struct {
		uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
		uint64_t user_address;
	} sq;
	struct {
		uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, reserved;
		uint64_t user_address;
	} cq;
};

_Static_assert(sizeof(struct parameters) == 120, "as in the kernel");

enum { OP_URING_CMD = 46, OFFSET_SQ_RING = 0, OFFSET_SQES = 0x10000000 };
enum { SETUP_TASKRUN_FLAG = 1 << 9, SETUP_SQE128 = 1 << 10, SETUP_SINGLE_ISSUER = 1 << 12, SETUP_DEFER_TASKRUN = 1 << 13 };
enum { ENTER_GETEVENTS = 1, SQ_TASKRUN = 1 << 2, FEATURE_SINGLE_MMAP = 1 };

#ifndef SYS_io_uring_setup
enum { SYS_io_uring_setup = 425, SYS_io_uring_enter = 426 };
#endif

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
};

static struct ring *rings[MAX_RINGS];
static pthread_mutex_t rings_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct ring *ring_of(int64_t number)
{
	return number >= 0 && number < MAX_RINGS ? rings[number] : NULL;
}

static void free_ring(struct ring *ring)
{
	if (ring->fd >= 0)
		close(ring->fd);
	if (ring->memory)
		munmap(ring->memory, ring->memory_bytes);
	if (ring->submissions)
		munmap(ring->submissions, ring->submissions_bytes);
	free(ring->queue_of);
	free(ring->places);
	free(ring);
}

static void *map_ring(int fd, size_t bytes, off_t offset)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

	return memory == MAP_FAILED ? NULL : memory;
}

/* Makes the ring of `ring->entries` entries. Returns 0 or a negative errno. */
static int set_up(struct ring *ring)
{
	/* Task work runs only when this thread asks for completions: the cheapest there is, measured. */
	struct parameters p = {
		.flags = SETUP_SQE128 | SETUP_SINGLE_ISSUER | SETUP_DEFER_TASKRUN | SETUP_TASKRUN_FLAG,
	};
	size_t sq_bytes, cq_bytes;
	uint32_t *array;

	ring->fd = syscall(SYS_io_uring_setup, ring->entries, &p);
	if (ring->fd < 0)
		return -errno;
	if (!(p.features & FEATURE_SINGLE_MMAP))
		return -EOPNOTSUPP;
	sq_bytes = p.sq.array + p.sq_entries * sizeof(uint32_t);
	cq_bytes = p.cq.cqes + p.cq_entries * sizeof(struct completion);
	ring->memory_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	ring->memory = map_ring(ring->fd, ring->memory_bytes, OFFSET_SQ_RING);
	ring->submissions_bytes = p.sq_entries * sizeof(struct submission);
	ring->submissions = map_ring(ring->fd, ring->submissions_bytes, OFFSET_SQES);
	ring->queue_of = calloc(ring->entries, sizeof(*ring->queue_of));
	ring->places = calloc(ring->entries, sizeof(*ring->places));
	if (!ring->memory || !ring->submissions || !ring->queue_of || !ring->places)
		return -ENOMEM;
	ring->sq_tail = (uint32_t *)(ring->memory + p.sq.tail);
	ring->sq_flags = (uint32_t *)(ring->memory + p.sq.flags);
	ring->sq_mask = *(uint32_t *)(ring->memory + p.sq.ring_mask);
	ring->cq_head = (uint32_t *)(ring->memory + p.cq.head);
	ring->cq_tail = (uint32_t *)(ring->memory + p.cq.tail);
	ring->cq_mask = *(uint32_t *)(ring->memory + p.cq.ring_mask);
	ring->completions = (struct completion *)(ring->memory + p.cq.cqes);
	/* Submissions are taken in the order of their slots. */
	array = (uint32_t *)(ring->memory + p.sq.array);
	for (uint32_t i = 0; i < p.sq_entries; i++)
		array[i] = i;
	return 0;
}

CALL(call_open_ring)
{
	struct ring *ring;
	int64_t entries;
	int number, error;

	if (!read_words(env, info, &entries, 1))
		return NULL;
	if (entries < 1 || entries > MAX_ENTRIES)
		return give(env, -EINVAL);
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return give(env, -ENOMEM);
	ring->entries = entries;
	error = set_up(ring);
	if (error) {
		free_ring(ring);
		return give(env, error);
	}
	pthread_mutex_lock(&rings_mutex);
	for (number = 0; number < MAX_RINGS && rings[number]; number++)
		;
	if (number < MAX_RINGS)
		rings[number] = ring;
	pthread_mutex_unlock(&rings_mutex);
	if (number == MAX_RINGS) {
		free_ring(ring);
		return give(env, -ENOSPC);
	}
	return give(env, number);
}

CALL(call_close_ring)
{
	struct ring *ring;
	int64_t number;

	if (!read_words(env, info, &number, 1))
		return NULL;
	pthread_mutex_lock(&rings_mutex);
	ring = ring_of(number);
	if (ring)
		rings[number] = NULL;
	pthread_mutex_unlock(&rings_mutex);
	if (!ring)
		return give(env, -EINVAL);
	free_ring(ring);
	return give(env, 0);
}

/* Adds a submission; there are as many slots as entries, and each entry has one in flight at the most. */
static struct submission *submit(struct ring *ring, int fd, uint32_t what, uint32_t entry)
{
	uint32_t tail = *ring->sq_tail;
	struct submission *s = &ring->submissions[tail & ring->sq_mask];

	memset(s, 0, sizeof(*s));
	s->opcode = OP_URING_CMD;
	s->fd = fd;
	s->command = what;
	s->user_data = entry;
	((struct fuse_command *)s->data)->queue = ring->queue_of[entry];
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	ring->to_submit++;
	return s;
}

/* Where an entry's header and payload lie. Returns 0 or a negative errno. */
static int find_entry(const struct ring *ring, int64_t mapping, const int32_t *block, int64_t entry,
		      struct entry_header **header, char **payload)
{
	int64_t bytes = block[PAYLOAD_BYTES];
	char *start;
	int error;

	if (entry < 0 || entry >= ring->entries || block[HEADERS_OFFSET] & 7)
		return -EINVAL;
	error = reach(mapping, block[HEADERS_OFFSET] + entry * HEADER_STRIDE_BYTES, sizeof(**header), TO_WRITE,
		      &start);
	if (error)
		return error;
	*header = (struct entry_header *)start;
	return reach(mapping, block[PAYLOADS_OFFSET] + entry * bytes, bytes, TO_WRITE, payload);
}

/* The ring block of a call's second and third argument. Returns 0 or a negative errno. */
static int find_block(int64_t mapping, int64_t offset, int32_t **block)
{
	char *start;
	int error;

	if (offset & 3)
		return -EINVAL;
	error = reach(mapping, offset, BLOCK_WORDS * 4, TO_WRITE, &start);
	*block = (int32_t *)start;
	return error;
}

CALL(call_register_entry)
{
	int64_t arguments[5], entry, queue;
	struct entry_header *header;
	struct submission *s;
	struct ring *ring;
	int32_t *block;
	char *payload;
	int error;

	if (!read_words(env, info, arguments, 5))
		return NULL;
	ring = ring_of(arguments[0]);
	entry = arguments[3];
	queue = arguments[4];
	if (!ring || queue < 0 || queue > UINT16_MAX)
		return give(env, -EINVAL);
	error = find_block(arguments[1], arguments[2], &block);
	if (!error)
		error = find_entry(ring, arguments[1], block, entry, &header, &payload);
	if (error)
		return give(env, error);
	ring->queue_of[entry] = queue;
	ring->places[entry][0] = (struct iovec){ header, sizeof(*header) };
	ring->places[entry][1] = (struct iovec){ payload, block[PAYLOAD_BYTES] };
	s = submit(ring, block[FD], COMMAND_REGISTER, entry);
	s->address = (uintptr_t)ring->places[entry];
	s->length = 2;
	return give(env, 0);
}

/* Copies the reply's pieces behind its struct. Returns the payload's bytes or a negative errno. */
static int64_t gather(int64_t mapping, const int32_t *block, char *payload)
{
	int64_t bytes = block[REPLY_BYTES], pieces = block[PIECE_COUNT];
	char *list;
	int error;

	if (bytes < 0 || bytes > block[PAYLOAD_BYTES] || pieces < 0 || block[PIECE_LIST_OFFSET] & 3)
		return -EINVAL;
	error = reach(mapping, block[PIECE_LIST_OFFSET], pieces * PIECE_WORDS * 4, TO_READ, &list);
	for (int64_t i = 0; i < pieces && !error; i++) {
		const int32_t *piece = (const int32_t *)list + i * PIECE_WORDS;
		int32_t length = piece[2];
		char *start;

		error = reach(piece[0], piece[1], length, TO_READ, &start);
		if (!error && bytes + length > block[PAYLOAD_BYTES])
			error = -EINVAL;
		if (error)
			break;
		memcpy(payload + bytes, start, length);
		bytes += length;
	}
	return error ? error : bytes;
}

/* Hands in the reply that the block describes, if any. Returns 0 or -EINVAL: a bad block. */
static int commit(struct ring *ring, int64_t mapping, int32_t *block)
{
	int32_t entry = block[REPLY_ENTRY];
	struct entry_header *header;
	struct submission *s;
	int64_t bytes;
	char *payload;
	int error;

	if (entry < 0)
		return 0;
	error = find_entry(ring, mapping, block, entry, &header, &payload);
	if (error)
		return -EINVAL;
	bytes = gather(mapping, block, payload);
	if (bytes < 0)
		return -EINVAL;
	header->payload_bytes = bytes;
	s = submit(ring, block[FD], COMMAND_COMMIT_AND_FETCH, entry);
	((struct fuse_command *)s->data)->commit_id = header->commit_id;
	block[REPLY_ENTRY] = -1;
	return 0;
}

static int enter(struct ring *ring, uint32_t wait_for)
{
	int done = syscall(SYS_io_uring_enter, ring->fd, ring->to_submit, wait_for, ENTER_GETEVENTS, NULL, 0);

	if (done < 0)
		return -errno;
	ring->to_submit -= done;
	return 0;
}

static bool is_ready(const struct ring *ring)
{
	return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) != *ring->cq_head;
}

static int64_t now_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Looks for a request for so long, without sleeping. Returns 0 or a negative errno. */
static int poll_ring(struct ring *ring, int32_t microseconds)
{
	int error = ring->to_submit ? enter(ring, 0) : 0;
	int64_t end;

	if (error || is_ready(ring))
		return error;
	end = now_nanoseconds() + microseconds * INT64_C(1000);
	while (!is_ready(ring) && now_nanoseconds() < end) {
		if (__atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & SQ_TASKRUN) {
			error = enter(ring, 0);
			if (error)
				return error;
		}
		relax();
	}
	return 0;
}

/* Blocks until there is a request. Returns 0 or a negative errno. */
static int await(struct ring *ring, const int32_t *block)
{
	for (;;) {
		int error = 0;

		if (__atomic_load_n(&block[STOP], __ATOMIC_SEQ_CST))
			return -EINTR;
		if (block[POLL_MICROSECONDS] > 0)
			error = poll_ring(ring, block[POLL_MICROSECONDS]);
		if (!error && !is_ready(ring))
			error = enter(ring, 1);
		if (error && error != -EINTR)
			return error;
		if (is_ready(ring))
			return 0;
	}
}

/* The next request's entry, or a negative errno. */
static int64_t take(struct ring *ring)
{
	uint32_t head = *ring->cq_head;
	struct completion c = ring->completions[head & ring->cq_mask];

	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	if (c.result >= 0)
		return c.user_data;
	/* All entries end so when the mount does. */
	return c.result == -ENOTCONN || c.result == -ECONNABORTED || c.result == -ECANCELED ? -ENODEV : c.result;
}

CALL(call_exchange_ring)
{
	int64_t arguments[3], result;
	struct ring *ring;
	int32_t *block;
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	ring = ring_of(arguments[0]);
	if (!ring)
		return give(env, -EINVAL);
	error = find_block(arguments[1], arguments[2], &block);
	if (!error)
		error = commit(ring, arguments[1], block);
	if (!error)
		error = release_lock(&block[RELEASE_MAPPING]);
	if (!error && !is_ready(ring))
		error = await(ring, block);
	if (error)
		return give(env, error);
	result = take(ring);
	put_time(&block[SECONDS_LOW]);
	return give(env, result);
}
