/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores to the medium and their durability: a list of copies, 8-byte stores and ranges to flush is carried
 * out in order, in one crossing. Invariant: when persist() returns 0, every byte that a step stored or named
 * is durable, each in the way of its own mapping. An error of the medium is given back (EIO), and nothing that stands
 * behind the next fence was done; it is noted, so that no later list that names the mapping succeeds. A step that meets
 * a bad page ends the list there and then, with the same error. An 8-byte store is one store, never two (store64()).
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
	const int32_t *steps;
	int64_t count;
	const char *due;		/* the lines of these bytes are still to be flushed */
	const char *due_end;
	struct backing *unsynced[MOST_BACKINGS];
	size_t unsynced_count;
	int error;			/* of the step that ended the list */
	bool is_finished;		/* what the steps have done is durable */
};

static void make_all_durable(struct persister *persister);

static const char *line_of(const char *address)
{
	return (const char *)((uintptr_t)address & ~(uintptr_t)(CACHE_LINE_BYTES - 1));
}

/* A line that cannot be flushed, since its page is bad, is not due any more either. */
static void flush_due(struct persister *persister)
{
	const char *due = persister->due, *end = persister->due_end;

	persister->due = persister->due_end = NULL;
	flush_lines(due, end - due);
}

/* Flushes the lines of a range with the next one, or widens what is due by it. */
static void flush_later(struct persister *persister, const char *address, size_t length)
{
	const char *end = address + length, *line_behind = line_of(persister->due_end + CACHE_LINE_BYTES - 1);

	if (address < line_of(persister->due) || line_of(address) > line_behind) {
		flush_due(persister);
		persister->due = address;
		persister->due_end = end;
	} else {
		if (address < persister->due)
			persister->due = address;
		if (end > persister->due_end)
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

/*
 * Reaches memory for a step. Zeros that have taken the place of a bad page lead nowhere, and are not to go anywhere.
 * Inlined: as a call, it makes each step 3 ns slower.
 */
static inline __attribute__((always_inline)) int reach_for_step(int64_t mapping, int64_t offset, int64_t length,
								enum access access, struct place *place)
{
	int error = reach_place(mapping, offset, length, access, place);

	return !error && touches_replaced(mapping, offset, length) ? -EIO : error;
}

static int flush_step(struct persister *persister, int64_t mapping, int64_t offset, int64_t length)
{
	struct place place;
	int error = reach_for_step(mapping, offset, length, TO_READ, &place);

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
	struct place to, from;
	int error = reach_for_step(mapping, offset, length, TO_WRITE, &to);

	if (!error)
		error = reach_for_step(from_mapping, from_offset, length, TO_READ, &from);
	if (error)
		return error;
	if (to.how == PERSIST_PAGES) {
		memmove(to.address, from.address, length);
		make_durable(persister, &to, length);
	} else {
		plain = nontemporal_copy(to.address, from.address, length);
		if (to.how == PERSIST_CACHE_LINES)
			flush_plain(persister, to.address, length, plain);
	}
	/* Another thread may have met a bad page. What publishes the copy stands behind it, and is not done. */
	return touches_replaced(from_mapping, from_offset, length) ? -EIO : 0;
}

static int store64_step(struct persister *persister, const int32_t *step, int64_t mapping, int64_t offset)
{
	uint64_t value = (uint64_t)(uint32_t)step[4] << 32 | (uint32_t)step[3];
	struct place to;
	int error = offset & 7 ? -EINVAL : reach_for_step(mapping, offset, sizeof(value), TO_WRITE, &to);

	if (error)
		return error;
	store64(to.address, value);
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
	/* Nobody stores to the list meanwhile: it lies in memory of this process, and is the calling thread's. */
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

static int finish(void *context)
{
	struct persister *persister = context;

	make_all_durable(persister);
	persister->is_finished = true;
	return persister->error;
}

/* Carries out the steps up to the first that cannot be. 0 or a negative errno. */
static int carry_out_all(void *context)
{
	struct persister *persister = context;
	const int32_t *step = persister->steps, *end = step + persister->count * STEP_WORDS;
	int error = 0;

	for (; step < end && !error; step += STEP_WORDS) {
		error = carry_out(persister, step);
		if (step[0] == STEP_FENCE && has_failed(persister->steps, persister->count))
			error = -EIO;
	}
	persister->error = error;
	return finish(persister);
}

/*
 * Carries out the steps, and makes durable what they have done by then. No lock is held where lines are stored to or
 * flushed, so a bad page may end either.
 */
static int carry_out_list(struct persister *persister)
{
	int error = under_guard(carry_out_all, persister);

	/* A bad page has ended it. Where a line that is due has turned bad, the next time none is. */
	while (!persister->is_finished)
		under_guard(finish, persister);
	return persister->error ? persister->error : error;
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
	persister.steps = steps;
	persister.count = count;
	persister.due = persister.due_end = NULL;
	persister.unsynced_count = 0;
	persister.error = 0;
	persister.is_finished = false;
	error = carry_out_list(&persister);
	return give(env, !error && has_failed(steps, count) ? -EIO : error);
}

struct zeroing {
	struct place to;
	int64_t length;
};

static int zero_bytes(void *context)
{
	const struct zeroing *zeroing = context;
	struct persister persister = { .due = NULL };
	const struct place *to = &zeroing->to;
	struct plain_bytes plain = nontemporal_zero(to->address, zeroing->length);

	if (to->how == PERSIST_CACHE_LINES) {
		flush_plain(&persister, to->address, zeroing->length, plain);
		flush_due(&persister);
	}
	return to->how == PERSIST_PAGES;
}

CALL(call_zero)
{
	struct zeroing zeroing;
	int64_t arguments[3];
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	zeroing.length = arguments[2];
	error = reach_for_step(arguments[0], arguments[1], arguments[2], TO_WRITE, &zeroing.to);
	return give(env, error ? error : under_guard(zero_bytes, &zeroing));
}

CALL(call_flush_instruction)
{
	napi_value result = NULL;

	(void)info;
	napi_create_string_utf8(env, flush_name(), NAPI_AUTO_LENGTH, &result);
	return result;
}
