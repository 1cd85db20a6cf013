/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stores to mapped memory: copies, zeroes, and the one 8-byte store that ends a transaction.
 * Invariant: nothing is stored outside the named bytes, and store64() is one store, never two.
 */
#include <string.h>

#include "flush.h"
#include "native.h"

/* One copy of the list; 0 or a negative errno. */
static int copy_one(const int32_t *words, int64_t how)
{
	/* Read once: the list may lie in memory that others can write. */
	int32_t to_mapping = words[0], to_offset = words[1];
	int32_t from_mapping = words[2], from_offset = words[3], length = words[4];
	char *to, *from;
	int error = reach(to_mapping, to_offset, length, TO_WRITE, &to);

	if (!error)
		error = reach(from_mapping, from_offset, length, TO_READ, &from);
	if (error)
		return error;
	if (how == COPY_NON_TEMPORAL)
		nontemporal_copy(to, from, length);
	else
		memmove(to, from, length);
	return 0;
}

CALL(call_copy)
{
	int64_t arguments[4], count, how;
	char *list;
	int error;

	if (!read_words(env, info, arguments, 4))
		return NULL;
	count = arguments[2];
	how = arguments[3];
	if (count < 0 || arguments[1] & 3 || (how != COPY_PLAIN && how != COPY_NON_TEMPORAL))
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], count * COPY_WORDS * 4, TO_READ, &list);
	for (int64_t i = 0; i < count && !error; i++)
		error = copy_one((const int32_t *)list + i * COPY_WORDS, how);
	return give(env, error);
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

CALL(call_store64)
{
	int64_t arguments[4];
	uint64_t value;
	char *to;
	int error;

	if (!read_words(env, info, arguments, 4))
		return NULL;
	if (arguments[1] & 7 || arguments[2] == NOT_WHOLE || arguments[3] == NOT_WHOLE)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], sizeof(value), TO_WRITE, &to);
	if (error)
		return give(env, error);
	value = (uint64_t)(uint32_t)arguments[3] << 32 | (uint32_t)arguments[2];
	__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);
	return give(env, 0);
}
