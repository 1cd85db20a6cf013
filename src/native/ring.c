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
#include <unistd.h>

#include "native.h"
#include "ring.h"

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
	NO_WAIT,
	COARSE_TIME,
	ATTENDED,
	BLOCK_WORDS,
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

/* The ring's number, or -ENOSPC. */
static int enter_ring(struct ring *ring)
{
	int number;

	pthread_mutex_lock(&rings_mutex);
	for (number = 0; number < MAX_RINGS && rings[number]; number++)
		;
	if (number < MAX_RINGS)
		rings[number] = ring;
	pthread_mutex_unlock(&rings_mutex);
	return number < MAX_RINGS ? number : -ENOSPC;
}

/* Reaches the ring block; mapping 0 is none. Returns 0 or a negative errno. */
static int take_block(struct ring *ring, int64_t mapping, int64_t offset)
{
	char *start;
	int error;

	if (!mapping)
		return 0;
	error = offset & 3 ? -EINVAL : reach(mapping, offset, BLOCK_WORDS * 4, TO_WRITE, &start);
	if (!error) {
		ring->block = (int32_t *)start;
		ring->block_mapping = mapping;
	}
	return error;
}

CALL(call_open_ring)
{
	int64_t arguments[3], result;
	struct ring *ring;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	if (arguments[0] < 1 || arguments[0] > MAX_ENTRIES)
		return give(env, -EINVAL);
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return give(env, -ENOMEM);
	ring->entries = arguments[0];
	result = set_up(ring);
	if (!result)
		result = take_block(ring, arguments[1], arguments[2]);
	if (!result)
		result = enter_ring(ring);
	if (result < 0)
		free_ring(ring);
	return give(env, result);
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

/* Finds where an entry's header and payload lie. Returns 0 or a negative errno. */
static int place_entry(struct ring *ring, int64_t entry)
{
	const int32_t *block = ring->block;
	int64_t bytes = block[PAYLOAD_BYTES], header_offset = block[HEADERS_OFFSET] + entry * HEADER_STRIDE_BYTES;
	struct iovec *place = ring->places[entry];
	char *header, *payload;
	int error;

	error = header_offset & 7 ? -EINVAL
				  : reach(ring->block_mapping, header_offset, sizeof(struct entry_header), TO_WRITE,
					  &header);
	if (!error)
		error = reach(ring->block_mapping, block[PAYLOADS_OFFSET] + entry * bytes, bytes, TO_WRITE, &payload);
	if (error)
		return error;
	place[0] = (struct iovec){ header, sizeof(struct entry_header) };
	place[1] = (struct iovec){ payload, bytes };
	return 0;
}

CALL(call_register_entry)
{
	int64_t arguments[3], entry, queue;
	struct submission *s;
	struct ring *ring;
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	ring = ring_of(arguments[0]);
	entry = arguments[1];
	queue = arguments[2];
	if (!ring || !ring->block || entry < 0 || entry >= ring->entries || queue < 0 || queue > UINT16_MAX)
		return give(env, -EINVAL);
	error = place_entry(ring, entry);
	if (error)
		return give(env, error);
	ring->queue_of[entry] = queue;
	s = submit(ring, ring->block[FD], COMMAND_REGISTER, entry);
	s->address = (uintptr_t)ring->places[entry];
	s->length = 2;
	return give(env, 0);
}

/* What is to go into a payload. */
struct gathering {
	const struct ring *ring;
	const struct iovec *payload;
	int64_t bytes;			/* of the payload, in the end */
};

/* Copies the reply's pieces behind its struct. Returns 0 or a negative errno. */
static int gather(void *context)
{
	struct gathering *gathering = context;
	const struct ring *ring = gathering->ring;
	const struct iovec *payload = gathering->payload;
	const int32_t *block = ring->block;
	int64_t bytes = block[REPLY_BYTES], pieces = block[PIECE_COUNT], room = payload->iov_len;
	char *list;
	int error;

	if (bytes < 0 || bytes > room || pieces < 0 || block[PIECE_LIST_OFFSET] & 3)
		return -EINVAL;
	error = reach(ring->block_mapping, block[PIECE_LIST_OFFSET], pieces * PIECE_WORDS * 4, TO_READ, &list);
	for (int64_t i = 0; i < pieces && !error; i++) {
		const int32_t *piece = (const int32_t *)list + i * PIECE_WORDS;
		int32_t length = piece[2];
		char *start;

		error = reach(piece[0], piece[1], length, TO_READ, &start);
		if (!error && bytes + length > room)
			error = -EINVAL;
		if (error)
			break;
		memcpy((char *)payload->iov_base + bytes, start, length);
		bytes += length;
	}
	gathering->bytes = bytes;
	return error;
}

/* Answers EIO: a piece of the reply lies in a bad page. */
static void fail_reply(struct entry_header *header)
{
	struct fuse_out_header *out = (void *)header->in_out;

	out->len = sizeof(*out);
	out->error = -EIO;
}

/*
 * Hands in the reply that the block describes, if any. Returns 0; -EINVAL: the block is wrong; -EIO: the memory of a
 * device has failed, and no reply goes out any more; -EHWPOISON: a bad page was found that the caller has not heard of,
 * and the reply has not been handed in.
 */
static int commit(struct ring *ring)
{
	int32_t *block = ring->block;
	int32_t entry = block[REPLY_ENTRY];
	struct gathering gathering;
	struct entry_header *header;
	struct submission *s;
	int error;

	if (entry < 0)
		return has_served_memory_failed() ? -EIO : 0;
	if (entry >= (int64_t)ring->entries || !ring->places[entry][0].iov_base)
		return -EINVAL;
	gathering = (struct gathering){ ring, &ring->places[entry][1], 0 };
	error = block[PIECE_COUNT] ? under_guard(gather, &gathering) : gather(&gathering);
	if (has_served_memory_failed())
		return -EIO;
	/* After the last load: what was copied may be zeros that another thread has put there. */
	if (block[ATTENDED] != attention())
		return -EHWPOISON;
	if (error && error != -EIO)
		return -EINVAL;
	header = ring->places[entry][0].iov_base;
	if (error)
		fail_reply(header);
	header->payload_bytes = error ? 0 : gathering.bytes;
	s = submit(ring, block[FD], COMMAND_COMMIT_AND_FETCH, entry);
	((struct fuse_command *)s->data)->commit_id = header->commit_id;
	block[REPLY_ENTRY] = -1;
	return 0;
}

bool ring_has_work(const struct ring *ring)
{
	return __atomic_load_n(ring->sq_flags, __ATOMIC_RELAXED) & SQ_TASKRUN;
}

int ring_enter(struct ring *ring, uint32_t wait_for)
{
	int done = syscall(SYS_io_uring_enter, ring->fd, ring->to_submit, wait_for, ENTER_GETEVENTS, NULL, 0);

	if (done < 0)
		return -errno;
	ring->to_submit -= done;
	return 0;
}

static int32_t stop_of(const struct ring *ring)
{
	return __atomic_load_n(&ring->block[STOP], __ATOMIC_SEQ_CST);
}

/* The last reply is still due: its effect is durable, and the caller is to hear so. */
static int interrupted(struct ring *ring)
{
	int error = ring_submit(ring);

	return error ? error : -EINTR;
}

/*
 * Hands in what is due, and takes in what has come. Returns 0, -EAGAIN where no request has come, or another negative
 * errno.
 */
static int look_once(struct ring *ring)
{
	int error = ring_enter(ring, 0);

	if (error && error != -EINTR)
		return error;
	if (ring_is_ready(ring))
		return 0;
	return stop_of(ring) ? -EINTR : -EAGAIN;
}

/* Blocks until there is a request. Returns 0 or a negative errno. */
static int await(struct ring *ring)
{
	/* Requests at hand are served before a stop, as nobody would serve them later, but not before a pause. */
	if (stop_of(ring) == STOP_PAUSE)
		return interrupted(ring);
	if (ring->block[NO_WAIT])
		return look_once(ring);
	/*
	 * A finished reply must not wait for the request at hand. No request is short for certain: any may have to wait
	 * for a lock. With one request at a time there is none at hand, and the reply goes with the wait for the next.
	 */
	if (ring_is_ready(ring)) {
		int error = ring_submit(ring);

		if (error && error != -EINTR)
			return error;
	}
	while (!ring_is_ready(ring)) {
		int error;

		if (stop_of(ring))
			return interrupted(ring);
		error = ring_wait(ring, ring->block[POLL_MICROSECONDS]);
		if (error)
			return error;
	}
	return 0;
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
	int64_t number, result;
	struct ring *ring;
	int error;

	if (!read_words(env, info, &number, 1))
		return NULL;
	ring = ring_of(number);
	if (!ring || !ring->block)
		return give(env, -EINVAL);
	error = commit(ring);
	if (!error)
		error = release_lock(&ring->block[RELEASE_MAPPING]);
	if (!error)
		error = await(ring);
	if (error && error != -EAGAIN)
		return give(env, error);
	result = error ? error : take(ring);
	put_time(&ring->block[SECONDS_LOW], ring->block[COARSE_TIME] != 0);
	return give(env, result);
}

CALL(call_submit_ring)
{
	struct ring *ring;
	int64_t number;
	int error;

	if (!read_words(env, info, &number, 1))
		return NULL;
	ring = ring_of(number);
	if (!ring || !ring->block)
		return give(env, -EINVAL);
	error = commit(ring);
	if (!error)
		error = release_lock(&ring->block[RELEASE_MAPPING]);
	return give(env, error ? error : ring_submit(ring));
}
