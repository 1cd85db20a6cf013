/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copies out of mapped memory for JavaScript. Invariant: a page that cannot be read is noted, and is not replaced by
 * zeros, which another thread could take for what it holds.
 */
#include <string.h>

#include "native.h"

struct load {
	char *to;
	const char *from;
	size_t length;
};

static int copy_out(void *context)
{
	const struct load *load = context;

	memcpy(load->to, load->from, load->length);
	return 0;
}

CALL(call_load)
{
	napi_value arguments[5];
	size_t given = 5, room;
	napi_typedarray_type type;
	int64_t numbers[4];
	struct load load;
	char *from;
	void *into;
	int error;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok)
		return NULL;
	for (int i = 0; i < 4; i++)
		if (!read_number(env, arguments[i < 3 ? i : 4], &numbers[i]))
			return NULL;
	if (napi_get_typedarray_info(env, arguments[3], &type, &room, &into, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array) {
		napi_throw_type_error(env, NULL, "load: not a Uint8Array");
		return NULL;
	}
	error = reach(numbers[0], numbers[1], numbers[2], TO_READ, &from);
	if (error)
		return give(env, error);
	if (numbers[3] < 0 || (uint64_t)numbers[3] > room || (uint64_t)numbers[2] > room - (uint64_t)numbers[3])
		return give(env, -EINVAL);
	load = (struct load){ (char *)into + numbers[3], from, numbers[2] };
	error = touches_replaced(numbers[0], numbers[1], numbers[2]) ? -EIO : under_guard(copy_out, &load);
	/* Zeros may have taken the place of a page while it was copied. */
	if (!error && touches_replaced(numbers[0], numbers[1], numbers[2]))
		error = -EIO;
	return give(env, error);
}
