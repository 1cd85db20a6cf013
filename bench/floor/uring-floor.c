/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor under every FUSE server that speaks over io_uring (Linux 6.14): per possible processor one thread
 * pinned to it, one ring, and a few entries of 1 MiB. A request comes as a completion into the memory of its
 * entry, the reply goes out of the same memory, and one call commits replies and waits. INIT, FORGET and
 * INTERRUPT never come by a ring: the main thread reads them from /dev/fuse.
 *
 *   uring-floor MOUNTPOINT [look]	(root, /sys/module/fuse/parameters/enable_uring is Y; end it with umount MOUNTPOINT)
 *
 * A thread that has nothing to do sleeps. With `look` it first looks for the next request for a millisecond and gives
 * its processor away between two looks, so that the processor is not idle and the scheduler leaves a client where it
 * is.
 *
 * Debian's liburing-dev is needed to compile it. The kernel's headers may be older than the ring, so its structures
 * are written out as include/uapi/linux/fuse.h has them from protocol 7.42 on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "null-server.h"

/* struct fuse_uring_req_header: filled by the kernel with a request, then by the server with its reply. */
struct entry_header {
	char in_out[128];	/* fuse_in_header going in, fuse_out_header coming out */
	char op_in[128];	/* the opcode's own struct */
	uint64_t flags;
	uint64_t commit_id;	/* goes back in the commit */
	uint32_t payload_bytes;
	uint32_t padding;
	uint64_t reserved;
};

/* struct fuse_uring_cmd_req, in the 80-byte command area of a submission. */
struct fuse_command {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t queue;
	uint8_t padding[6];
};

_Static_assert(sizeof(struct entry_header) == 288, "as in the kernel");

enum { COMMAND_REGISTER = 1, COMMAND_COMMIT_AND_FETCH = 2 };
enum { ENTRIES_PER_QUEUE = 4, RING_ENTRIES = 16 };
enum { LOOK_NANOSECONDS = 1000000 };

struct entry {
	struct entry_header *header;
	char *payload;
	struct iovec places[2];
};

static int fuse_fd;
static bool looks;

static struct fuse_command *command_of(struct io_uring_sqe *s)
{
	return (void *)s->cmd;
}

static struct io_uring_sqe *prepare(struct io_uring *ring, int command, int queue, int number)
{
	struct io_uring_sqe *s = io_uring_get_sqe(ring);

	if (!s) {
		errno = EBUSY;
		die("a ring with more requests than entries");
	}
	memset(s, 0, 2 * sizeof(*s));		/* IORING_SETUP_SQE128 */
	s->opcode = IORING_OP_URING_CMD;
	s->fd = fuse_fd;
	s->cmd_op = command;
	s->user_data = number;
	command_of(s)->queue = queue;
	return s;
}

static void register_entry(struct io_uring *ring, struct entry *e, int queue, int number)
{
	struct io_uring_sqe *s = prepare(ring, COMMAND_REGISTER, queue, number);

	e->header = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
	e->payload = mmap(NULL, MAX_WRITE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!e->header || e->payload == MAP_FAILED)
		die("memory for entry %d of queue %d", number, queue);
	e->places[0] = (struct iovec){ e->header, sizeof(*e->header) };
	e->places[1] = (struct iovec){ e->payload, MAX_WRITE_BYTES };
	s->addr = (uintptr_t)e->places;
	s->len = 2;
}

/* The reply takes the place of the request. */
static void answer_entry(struct entry *e, struct answer *a)
{
	struct request r = { (void *)e->header->in_out, e->header->op_in, e->payload };

	answer(&r, a, 0);
	memcpy(e->header->in_out, &a->header, sizeof(a->header));
	memcpy(e->payload, &a->body, a->body_bytes);
	memcpy(e->payload + a->body_bytes, a->data, a->data_bytes);
	e->header->payload_bytes = a->body_bytes + a->data_bytes;
}

static long long now_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Submits the replies and returns when a request is there, or after a look without one. */
static void look(struct io_uring *ring)
{
	long long end = now_nanoseconds() + LOOK_NANOSECONDS;

	io_uring_submit(ring);
	while (!io_uring_cq_ready(ring) && now_nanoseconds() < end) {
		if (*ring->sq.kflags & IORING_SQ_TASKRUN)
			io_uring_get_events(ring);
		else
			sched_yield();
	}
}

static void *serve_queue(void *argument)
{
	int queue = (long)argument, error;
	struct entry entries[ENTRIES_PER_QUEUE];
	struct answer a = { .data = a.listing };
	/* Of all flags tried these two made the largest difference. */
	struct io_uring_params p = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 (looks ? IORING_SETUP_TASKRUN_FLAG : 0),
	};
	struct io_uring ring;

	pin_to(queue);
	error = -io_uring_queue_init_params(RING_ENTRIES, &ring, &p);
	if (error) {
		errno = error;
		die("making the ring of queue %d", queue);
	}
	for (int i = 0; i < ENTRIES_PER_QUEUE; i++)
		register_entry(&ring, &entries[i], queue, i);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned int head, seen = 0;
		int submitted;

		if (looks)
			look(&ring);
		submitted = io_uring_submit_and_wait(&ring, 1);
		if (submitted < 0 && submitted != -EINTR)
			return NULL;
		io_uring_for_each_cqe(&ring, head, cqe) {
			struct entry *e = &entries[cqe->user_data];

			if (cqe->res < 0)	/* -ENOTCONN: unmounted */
				return NULL;
			seen++;
			answer_entry(e, &a);
			command_of(prepare(&ring, COMMAND_COMMIT_AND_FETCH, queue, cqe->user_data))->commit_id =
				e->header->commit_id;
		}
		io_uring_cq_advance(&ring, seen);
	}
}

/* The ring goes live only when every queue has its entries, and the kernel holds requests back until then. */
static void start_queues(void)
{
	for (long queue = 0; queue < sysconf(_SC_NPROCESSORS_CONF); queue++) {
		pthread_t thread;

		errno = pthread_create(&thread, NULL, serve_queue, (void *)queue);
		if (errno)
			die("starting the thread of queue %ld", queue);
	}
}

static void serve_device(void)
{
	size_t capacity = MAX_WRITE_BYTES + PAGE_BYTES;
	char *message = aligned_alloc(PAGE_BYTES, capacity);
	static struct answer a;

	if (!message)
		die("%zu bytes for requests", capacity);
	for (;;) {
		ssize_t got = read(fuse_fd, message, capacity);
		struct request r = request_in(message);

		if (got < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (got < 0 && errno == ENODEV)		/* unmounted */
			return;
		if (got < 0)
			die("reading /dev/fuse");
		if (handled_without_reply(&r))
			continue;
		answer(&r, &a, INIT2_OVER_IO_URING);
		if (r.header->opcode == FUSE_INIT && !(a.body.init.flags2 & INIT2_OVER_IO_URING)) {
			errno = EOPNOTSUPP;
			die("FUSE over io_uring");
		}
		if (write(fuse_fd, &a, sizeof(a.header) + a.body_bytes) < 0 && errno != ENOENT)
			die("answering opcode %u", r.header->opcode);
		if (r.header->opcode == FUSE_INIT)
			start_queues();
	}
}

int main(int argc, char **argv)
{
	looks = argc == 3 && !strcmp(argv[2], "look");
	if (argc != 2 && !looks) {
		fputs("usage: uring-floor MOUNTPOINT [look]\n", stderr);
		return 2;
	}
	fuse_fd = mount_floor(argv[1]);
	serve_device();
	return 0;
}
