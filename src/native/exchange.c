/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One crossing per FUSE request: the reply to the last one goes out, and the thread blocks for the
 * next one. Invariant: a reply is taken from the exchange block once (its length is 0 from then on), a
 * request that was read is always given to the caller, and none whose reply was tried waits for ever. No reply goes
 * out once the memory of a device has failed, or a bad page was found that the caller has not heard of.
 * read(2) and writev(2) are called past the C library, which would make each a cancellation point.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

/* The words of the exchange block, as in index.ts. */
enum {
	FD = 0,
	REPLY_BYTES,
	PIECE_COUNT,
	PIECE_LIST_OFFSET,
	REQUEST_MAPPING,
	REQUEST_OFFSET,
	REQUEST_CAPACITY,
	SECONDS_LOW,
	SECONDS_HIGH,
	NANOSECONDS,
	STOP,
	REPLY_ERRNO,
	RELEASE_MAPPING,
	RELEASE_OFFSET,
	REPLY_ONLY,
	TIMEOUT_MS,
	COARSE_TIME,
	ATTENDED,
	REPLY = 18,
};

/* writev(2) takes 1024 (IOV_MAX); the header and the struct before the pieces are one. */
enum { MAX_PIECES = IOV_MAX - 2 };

/*
 * A reply as it is sent. The kernel reads its pieces straight from mapped memory; but small ones are copied before the
 * last look at the attention counter. Those may be metadata, which another thread's load, too, can find bad and replace
 * by zeros. Contents of files are never replaced: the kernel does not get at them (EFAULT).
 */
enum { SMALL_BYTES = 2048 };
struct reply {
	int count;			/* of the vectors; the first has header and struct, the others a piece each */
	struct iovec vectors[MAX_PIECES + 1];
	char copies[SMALL_BYTES];
};

/* Where the request goes; checked. */
struct request {
	int fd;
	char *buffer;
	size_t capacity;
};

void put_time(int32_t *words, bool coarse)
{
	struct timespec now;
	uint64_t seconds;

	clock_gettime(coarse ? CLOCK_REALTIME_COARSE : CLOCK_REALTIME, &now);
	seconds = (uint64_t)now.tv_sec;
	words[0] = (int32_t)(uint32_t)seconds;
	words[1] = (int32_t)(uint32_t)(seconds >> 32);
	words[2] = (int32_t)now.tv_nsec;
}

static bool stopped(const int32_t *block)
{
	return __atomic_load_n(&block[STOP], __ATOMIC_SEQ_CST) != 0;
}

/* Fills `vectors` with the reply that the block describes. Returns how many, or a negative errno. */
static int gather_reply(int64_t mapping, int64_t offset, const int32_t *block, struct iovec *vectors)
{
	int32_t pieces = block[PIECE_COUNT], bytes = block[REPLY_BYTES];
	char *address;
	int error;

	if (pieces < 0 || pieces > MAX_PIECES || block[PIECE_LIST_OFFSET] & 3)
		return -EINVAL;
	error = reach(mapping, offset + REPLY * 4, bytes, TO_READ, &address);
	if (error)
		return error;
	vectors[0] = (struct iovec){ address, bytes };
	error = reach(mapping, block[PIECE_LIST_OFFSET], (int64_t)pieces * PIECE_WORDS * 4, TO_READ, &address);
	for (int32_t i = 0; i < pieces && !error; i++) {
		const int32_t *piece = (const int32_t *)address + i * PIECE_WORDS;
		int32_t length = piece[2];
		char *start;

		error = reach(piece[0], piece[1], length, TO_READ, &start);
		if (!error)
			vectors[i + 1] = (struct iovec){ start, length };
	}
	return error ? error : pieces + 1;
}

static ssize_t write_reply(int fd, const struct iovec *vectors, int count)
{
	ssize_t sent;

	begin_system_call();
	do
		sent = syscall(SYS_writev, fd, vectors, count);
	while (sent < 0 && errno == EINTR);
	end_system_call();
	return sent;
}

/*
 * Answers EIO in place of a reply that the kernel refused as malformed or could not read: it would let the
 * caller wait for ever, and not even a kill would end that.
 */
static void fail_request(int fd, const struct iovec *refused)
{
	struct fuse_out_header header;
	struct iovec vector = { &header, sizeof(header) };

	if (refused->iov_len < sizeof(header))
		return;
	header = *(const struct fuse_out_header *)refused->iov_base;
	if (!header.unique)
		return;		/* a notification, which nobody waits for */
	header.len = sizeof(header);
	header.error = -EIO;
	write_reply(fd, &vector, 1);
}

/* The kernel could not read some piece of a reply: reads it here, so that SIGBUS tells which. */
static int touch_pieces(void *context)
{
	const struct reply *reply = context;
	size_t page = page_size();

	for (int i = 1; i < reply->count; i++) {
		const volatile char *start = reply->vectors[i].iov_base;

		for (size_t at = 0; at < reply->vectors[i].iov_len;
		     at += page - ((uintptr_t)(start + at) & (page - 1)))
			(void)start[at];
	}
	return 0;
}

static int copy_small_pieces(void *context)
{
	struct reply *reply = context;
	size_t used = 0;

	for (int i = 1; i < reply->count; i++) {
		struct iovec *piece = &reply->vectors[i];

		if (piece->iov_len > SMALL_BYTES - used)
			continue;
		memcpy(reply->copies + used, piece->iov_base, piece->iov_len);
		piece->iov_base = reply->copies + used;
		used += piece->iov_len;
	}
	return 0;
}

/* A piece that may be metadata is the only one of its reply. */
static bool has_small_pieces(const struct reply *reply)
{
	return reply->count > 1 && reply->vectors[reply->count - 1].iov_len <= SMALL_BYTES;
}

/*
 * Sends the reply. 0; -EINVAL: the block is wrong; -EHWPOISON: a bad page was found that the caller has not heard of,
 * and nothing has been sent.
 */
static int send_reply(int64_t mapping, int64_t offset, int32_t *block)
{
	struct reply reply;
	int error = 0;

	reply.count = gather_reply(mapping, offset, block, reply.vectors);
	if (reply.count < 0)
		return -EINVAL;
	if (has_small_pieces(&reply) && under_guard(copy_small_pieces, &reply))
		error = EFAULT;
	if (has_served_memory_failed())
		return -EIO;
	if (block[ATTENDED] != attention())
		return -EHWPOISON;
	if (!error && write_reply(block[FD], reply.vectors, reply.count) < 0)
		error = errno;
	if (error) {
		if (error == EFAULT)
			under_guard(touch_pieces, &reply);
		/* ENOENT: the request was interrupted meanwhile, and nobody waits for the reply. */
		if (error != ENOENT)
			fail_request(block[FD], &reply.vectors[0]);
	}
	block[REPLY_ERRNO] = error;
	block[REPLY_BYTES] = 0;
	return 0;
}

/*
 * Threads that wait for a request for a limited time. While there are some, the descriptor is non-blocking: another
 * thread may take the request that poll(2) has reported, and a read(2) would then block for ever.
 */
static pthread_mutex_t waiting_lock = PTHREAD_MUTEX_INITIALIZER;
static int waiting;

/* Counts one waiting thread more or less (0: neither), and makes the descriptor block, or not, as is then right. */
static bool count_waiting(int fd, int change)
{
	bool is_needed;

	pthread_mutex_lock(&waiting_lock);
	waiting += change;
	is_needed = waiting > 0;
	if (change >= 0) {
		int flags = fcntl(fd, F_GETFL);

		fcntl(fd, F_SETFL, is_needed ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	}
	pthread_mutex_unlock(&waiting_lock);
	return is_needed;
}

/*
 * Waits for a request for so long, not at all if the time is negative. Returns its bytes; 0: one came, but another
 * thread took it, or it was interrupted; -EAGAIN: none came; or another negative errno.
 */
static ssize_t receive_within(const struct request *request, const int32_t *block)
{
	struct pollfd wait = { .fd = request->fd, .events = POLLIN };
	ssize_t received = -EAGAIN;

	/* A pause waits: whoever looks for a request in between has one in hand, and ends that first. */
	if (stopped(block) && block[STOP] != STOP_PAUSE)
		return -EINTR;
	count_waiting(request->fd, 1);
	if (poll(&wait, 1, block[TIMEOUT_MS] < 0 ? 0 : block[TIMEOUT_MS]) != 0) {
		received = syscall(SYS_read, request->fd, request->buffer, request->capacity);
		if (received < 0)
			received = errno == EAGAIN || errno == EINTR || errno == ENOENT ? 0 : -errno;
	}
	count_waiting(request->fd, -1);
	return received;
}

/* Blocks for the next request. Returns its bytes, 0 if the thread was interrupted, or a negative errno. */
static ssize_t receive(const struct request *request, const int32_t *block)
{
	for (;;) {
		ssize_t received;

		if (stopped(block))
			return -EINTR;
		received = syscall(SYS_read, request->fd, request->buffer, request->capacity);
		if (received >= 0)
			return received;
		switch (errno) {
		case EINTR:
			return stopped(block) ? -EINTR : 0;
		case ENOENT:	/* the request was interrupted before it was read */
			break;
		case EAGAIN: {
			/* The descriptor is non-blocking as long as that is needed: wait here. */
			struct pollfd wait = { .fd = request->fd, .events = POLLIN };

			if (count_waiting(request->fd, 0))
				poll(&wait, 1, -1);
			break;
		}
		default:
			return -errno;
		}
	}
}

CALL(call_exchange)
{
	int64_t arguments[2];
	struct request request;
	int32_t *block;
	ssize_t received;
	char *start;
	int error;

	if (!read_words(env, info, arguments, 2))
		return NULL;
	if (arguments[1] & 3)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], REPLY * 4, TO_WRITE, &start);
	if (error)
		return give(env, error);
	block = (int32_t *)start;
	request.fd = block[FD];
	request.capacity = (uint32_t)block[REQUEST_CAPACITY];
	error = reach(block[REQUEST_MAPPING], block[REQUEST_OFFSET], block[REQUEST_CAPACITY], TO_WRITE,
		      &request.buffer);
	if (has_served_memory_failed())
		error = -EIO;
	if (!error && block[REPLY_BYTES])
		error = send_reply(arguments[0], arguments[1], block);
	else
		block[REPLY_ERRNO] = 0;
	if (!error)
		error = release_lock(&block[RELEASE_MAPPING]);
	if (!error && has_served_memory_failed())
		error = -EIO;
	if (error || block[REPLY_ONLY])
		return give(env, error);
	received = block[TIMEOUT_MS] != 0 ? receive_within(&request, block) : receive(&request, block);
	if (received > 0 || received == -EAGAIN)
		put_time(&block[SECONDS_LOW], block[COARSE_TIME] != 0);
	return give(env, received);
}

CALL(call_read_clock)
{
	int64_t arguments[2];
	char *words;
	int error;

	if (!read_words(env, info, arguments, 2))
		return NULL;
	error = arguments[1] & 3 ? -EINVAL : reach(arguments[0], arguments[1], 3 * 4, TO_WRITE, &words);
	if (!error)
		put_time((int32_t *)(void *)words, false);
	return give(env, error);
}
