/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores to the medium and their durability: a list of copies, 8-byte stores and ranges to flush is carried
 * out in order, in one crossing. Invariant: when persist() returns 0, every byte that a step stored or named
 * is durable, each in the way of its own mapping. An error of the medium is given back (EIO), and nothing that stands
 * behind the next fence was done; it is noted, so that no later list that names the mapping succeeds. An 8-byte store
 * is one store, never two.
 */
#include <string.h>

#include "backing.h"
#include "flush.h"
#include "native.h"

/* As many devices as a volume has; a list that names more is carried out with a fence between. */
enum { MOST_BACKINGS = 16 };

/*
 * Carries out steps one after the other, and makes what each touches durable in the way of its mapping. Lines are
 * flushed one step late: small stores come in runs to the same line, which then leaves the caches once.
 */
struct persister {
	const char *due;		/* lines from here on are still to be flushed */
	const char *due_end;
	struct backing *unsynced[MOST_BACKINGS];
	size_t unsynced_count;
};

static void make_all_durable(struct persister *persister);

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

static void sync_later(struct persister *persister, struct backing *backing)
{
	for (size_t i = 0; i < persister->unsynced_count; i++)
		if (persister->unsynced[i] == backing)
			return;
	if (persister->unsynced_count == MOST_BACKINGS)
		make_all_durable(persister);
	persister->unsynced[persister->unsynced_count++] = backing;
}

static void make_durable(struct persister *persister, const struct place *place, size_t length)
{
	if (!length)
		return;
	if (place->how == PERSIST_CACHE_LINES)
		flush_later(persister, place->address, length);
	else if (place->how == PERSIST_PAGES)
		sync_later(persister, place->backing);
}

static int flush_step(struct persister *persister, int64_t mapping, int64_t offset, int64_t length)
{
	struct place place;
	int error = reach_place(mapping, offset, length, TO_READ, &place);

	if (!error)
		make_durable(persister, &place, length);
	return error;
}

/* Flushes what a copy has stored plainly. */
static void flush_plain(struct persister *persister, const char *to, size_t length, struct plain_bytes plain)
{
	if (plain.head)
		flush_later(persister, to, plain.head);
	if (plain.tail)
		flush_later(persister, to + length - plain.tail, plain.tail);
}

static int copy_step(struct persister *persister, const int32_t *step, int64_t mapping, int64_t offset)
{
	int32_t length = step[3], from_mapping = step[4], from_offset = step[5];
	struct plain_bytes plain;
	struct place to;
	char *from;
	int error = reach_place(mapping, offset, length, TO_WRITE, &to);

	if (!error)
		error = reach(from_mapping, from_offset, length, TO_READ, &from);
	if (error)
		return error;
	if (to.how == PERSIST_PAGES) {
		memmove(to.address, from, length);
		make_durable(persister, &to, length);
		return 0;
	}
	plain = nontemporal_copy(to.address, from, length);
	if (to.how == PERSIST_CACHE_LINES)
		flush_plain(persister, to.address, length, plain);
	return 0;
}

static int store64_step(struct persister *persister, const int32_t *step, int64_t mapping, int64_t offset)
{
	uint64_t value = (uint64_t)(uint32_t)step[4] << 32 | (uint32_t)step[3];
	struct place to;
	int error = offset & 7 ? -EINVAL : reach_place(mapping, offset, sizeof(value), TO_WRITE, &to);

	if (error)
		return error;
	__atomic_store_n((uint64_t *)to.address, value, __ATOMIC_RELEASE);
	make_durable(persister, &to, sizeof(value));
	return 0;
}

/* Non-temporal stores have arrived before the kernel reads the pages. */
static void make_all_durable(struct persister *persister)
{
	flush_due(persister);
	fence_stores();
	for (size_t i = 0; i < persister->unsynced_count; i++)
		sync_backing(persister->unsynced[i]);
	persister->unsynced_count = 0;
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
	if (count < 0)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], (LIST_HEADER_WORDS + count * STEP_WORDS) * 4, TO_READ, &list);
	if (error)
		return give(env, error);
	steps = (const int32_t *)list + LIST_HEADER_WORDS;
	if (has_failed(steps, count))
		return give(env, -EIO);
	/* unsynced[] itself is not cleared: that would cost more than most lists. */
	persister.due = persister.due_end = NULL;
	persister.unsynced_count = 0;
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
	struct persister persister = { NULL };
	int64_t arguments[3], length;
	struct plain_bytes plain;
	struct place to;
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	length = arguments[2];
	error = reach_place(arguments[0], arguments[1], length, TO_WRITE, &to);
	if (error)
		return give(env, error);
	plain = nontemporal_zero(to.address, length);
	if (to.how == PERSIST_CACHE_LINES) {
		flush_plain(&persister, to.address, length, plain);
		flush_due(&persister);
	}
	return give(env, to.how == PERSIST_PAGES);
}

CALL(call_flush_instruction)
{
	napi_value result = NULL;

	(void)info;
	napi_create_string_utf8(env, flush_name(), NAPI_AUTO_LENGTH, &result);
	return result;
}
