/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores to the medium and their durability: a list of copies, 8-byte stores and ranges to flush is carried
 * out in order, in one crossing. Invariant: when persist() returns 0, every byte that a step stored or named
 * is durable. An error of the medium is given back (EIO), and nothing that stands behind the next fence was done; it is
 * noted in the mapping, so that no later list that names the mapping succeeds. An 8-byte store is one store, never two.
 */
#include <string.h>

#include "flush.h"
#include "native.h"
#include "sync-batch.h"

/*
 * Carries out steps one after the other, and makes what they touch durable in the way of one kind of memory. Lines are
 * flushed one step late: small stores come in runs to the same line, which then leaves the caches once.
 */
struct persister {
	int64_t how;
	const char *due;		/* lines from here on are still to be flushed */
	const char *due_end;
	struct sync_batch batch;
};

/* The spans stay as they are: clearing them would cost more than most lists. */
static void start_persister(struct persister *persister, int64_t how)
{
	persister->how = how;
	persister->due = persister->due_end = NULL;
	persister->batch.count = 0;
	persister->batch.error = 0;
}

static const char *line_of(const char *address)
{
	return (const char *)((uintptr_t)address & ~(uintptr_t)(CACHE_LINE_BYTES - 1));
}

static void flush_due(struct persister *persister)
{
	flush_lines(persister->due, persister->due_end - persister->due);
	persister->due = persister->due_end = NULL;
}

/* Flushes the lines of a range with the next one, or widens what is due by it. */
static void flush_later(struct persister *persister, const char *address, size_t length)
{
	const char *start = line_of(address), *end = address + length;

	if (start < persister->due || start > line_of(persister->due_end + CACHE_LINE_BYTES - 1)) {
		flush_due(persister);
		persister->due = start;
		persister->due_end = end;
	} else if (end > persister->due_end) {
		persister->due_end = end;
	}
}

static void make_durable(struct persister *persister, int64_t mapping, const char *address, size_t length)
{
	if (!length)
		return;
	if (persister->how == PERSIST_CACHE_LINES)
		flush_later(persister, address, length);
	else if (persister->how == PERSIST_PAGES)
		batch_pages(&persister->batch, mapping, address, length);
}

static int flush_step(struct persister *persister, int64_t mapping, int64_t offset, int64_t length)
{
	char *address;
	int error = reach(mapping, offset, length, TO_READ, &address);

	if (!error)
		make_durable(persister, mapping, address, length);
	return error;
}

static int copy_step(struct persister *persister, const int32_t *step, int64_t mapping, int64_t offset)
{
	int32_t length = step[3], from_mapping = step[4], from_offset = step[5];
	char *to, *from;
	int error = reach(mapping, offset, length, TO_WRITE, &to);

	if (!error)
		error = reach(from_mapping, from_offset, length, TO_READ, &from);
	if (error)
		return error;
	if (persister->how == PERSIST_PAGES) {
		memmove(to, from, length);
		make_durable(persister, mapping, to, length);
	} else {
		nontemporal_copy(to, from, length);
	}
	return 0;
}

static int store64_step(struct persister *persister, const int32_t *step, int64_t mapping, int64_t offset)
{
	uint64_t value = (uint64_t)(uint32_t)step[4] << 32 | (uint32_t)step[3];
	char *to;
	int error = offset & 7 ? -EINVAL : reach(mapping, offset, sizeof(value), TO_WRITE, &to);

	if (error)
		return error;
	__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);
	make_durable(persister, mapping, to, sizeof(value));
	return 0;
}

static void make_all_durable(struct persister *persister)
{
	flush_due(persister);
	fence_stores();
	sync_pages(&persister->batch);
	if (persister->batch.error)
		note_failure((const char *)persister->batch.failed, -persister->batch.error);
}

/* Whether memory that the steps name has failed, in this call or before. */
static bool has_failed(const int32_t *steps, int64_t count)
{
	if (!failure_count())
		return false;
	for (int64_t i = 0; i < count; i++) {
		const int32_t *step = steps + i * STEP_WORDS;

		if (step[0] != STEP_FENCE && failure_of(step[1]) > 0)
			return true;
	}
	return false;
}

static int carry_out(struct persister *persister, const int32_t *step)
{
	/* Read once: the list may lie in memory that others can write. */
	int32_t kind = step[0], mapping = step[1], offset = step[2];

	switch (kind) {
	case STEP_FLUSH:
		return flush_step(persister, mapping, offset, step[3]);
	case STEP_COPY:
		return copy_step(persister, step, mapping, offset);
	case STEP_STORE64:
		return store64_step(persister, step, mapping, offset);
	case STEP_FENCE:
		make_all_durable(persister);
		return 0;
	default:
		return -EINVAL;
	}
}

CALL(call_persist)
{
	struct persister persister;
	int64_t arguments[2], count;
	const int32_t *steps;
	int error;
	char *list;

	if (!read_words(env, info, arguments, 2))
		return NULL;
	if (arguments[1] & 3)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], LIST_HEADER_WORDS * 4, TO_READ, &list);
	if (error)
		return give(env, error);
	count = ((const int32_t *)list)[0];
	start_persister(&persister, ((const int32_t *)list)[1]);
	if (count < 0 || persister.how < PERSIST_CACHE_LINES || persister.how > PERSIST_PAGES)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], (LIST_HEADER_WORDS + count * STEP_WORDS) * 4, TO_READ, &list);
	if (error)
		return give(env, error);
	steps = (const int32_t *)list + LIST_HEADER_WORDS;
	if (has_failed(steps, count))
		return give(env, -EIO);
	for (int64_t i = 0; i < count && !error; i++) {
		error = carry_out(&persister, steps + i * STEP_WORDS);
		if (steps[i * STEP_WORDS] == STEP_FENCE && has_failed(steps, count))
			error = -EIO;
	}
	make_all_durable(&persister);
	return give(env, !error && has_failed(steps, count) ? -EIO : error);
}

CALL(call_zero)
{
	int64_t arguments[3];
	char *to;
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	error = reach(arguments[0], arguments[1], arguments[2], TO_WRITE, &to);
	if (!error)
		nontemporal_zero(to, arguments[2]);
	return give(env, error);
}

CALL(call_flush_instruction)
{
	napi_value result = NULL;

	(void)info;
	napi_create_string_utf8(env, flush_name(), NAPI_AUTO_LENGTH, &result);
	return result;
}
