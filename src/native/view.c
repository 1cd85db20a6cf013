/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings as ArrayBuffers. Invariant: a thread has at most one live ArrayBuffer per mapping (it is kept by a weak
 * reference and given again), the collector never frees mapped memory, and unmap() detaches the caller's one, so that
 * a late access by that thread reads undefined and does not fault. A SharedArrayBuffer cannot be detached: a late
 * access to what mapOver() has mapped is a SIGSEGV. Where a mapping's addresses are those of an object of the
 * caller's, whose end unmaps them, the reference to that object is strong.
 *
 * The collector counts a mapping as external memory from the moment it has an ArrayBuffer, and may start one
 * collection then; later ones do not come sooner. The count stays as it is: V8 subtracts the same number when the
 * buffer is freed, and recent versions abort if the total would become negative. A SharedArrayBuffer is not counted,
 * but Node-API makes none over memory that is there already: so mapOver() maps over the memory of one.
 */
#include <stdlib.h>

#include "native.h"

/* What a thread has of a mapping, or had of one that used the same slot before. */
struct slot {
	napi_ref view;			/* its ArrayBuffer: weak */
	napi_ref memory;		/* what its addresses belong to: strong */
	int32_t mapping;
};

/* What one thread (environment) has given out. Zeroed pages until used: 768 KiB of address space. */
struct views {
	struct slot slots[MAPPING_SLOTS];
};

static void free_views(napi_env env, void *views, void *hint)
{
	(void)env;
	(void)hint;
	free(views);
}

static struct views *views_of(napi_env env)
{
	struct views *views = NULL;

	if (napi_get_instance_data(env, (void **)&views) != napi_ok)
		return NULL;
	if (views)
		return views;
	views = calloc(1, sizeof(*views));
	if (views && napi_set_instance_data(env, views, free_views, NULL) != napi_ok) {
		free(views);
		return NULL;
	}
	return views;
}

static void forget(napi_env env, napi_ref *reference)
{
	if (*reference)
		napi_delete_reference(env, *reference);
	*reference = NULL;
}

/* The slot of a mapping, empty if another one used it last. */
static struct slot *slot_of(napi_env env, struct views *views, int64_t mapping)
{
	struct slot *slot = &views->slots[mapping & (MAPPING_SLOTS - 1)];

	if (slot->mapping != mapping) {
		forget(env, &slot->view);
		forget(env, &slot->memory);
		slot->mapping = (int32_t)mapping;
	}
	return slot;
}

/* The thread's live ArrayBuffer of a mapping, or NULL. */
static napi_value live_view(napi_env env, const struct slot *slot)
{
	napi_value buffer = NULL;

	if (!slot->view || napi_get_reference_value(env, slot->view, &buffer) != napi_ok)
		return NULL;
	return buffer;
}

static bool note_view(napi_env env, struct slot *slot, napi_value buffer)
{
	forget(env, &slot->view);
	return napi_create_reference(env, buffer, 0, &slot->view) == napi_ok;
}

static bool hold_memory(napi_env env, struct slot *slot, napi_value memory)
{
	return napi_create_reference(env, memory, 1, &slot->memory) == napi_ok;
}

CALL(call_view)
{
	struct views *views = views_of(env);
	napi_value buffer = NULL;
	struct slot *slot;
	int64_t mapping;
	size_t length;
	char *base;

	if (!read_words(env, info, &mapping, 1))
		return NULL;
	if (!views || reach_all(mapping, &base, &length)) {
		napi_throw_range_error(env, "EINVAL", views ? "view: no such mapping" : "view: no memory");
		return NULL;
	}
	slot = slot_of(env, views, mapping);
	buffer = live_view(env, slot);
	if (buffer)
		return buffer;
	/* No finalizer: the memory belongs to the table of mappings, not to the collector. */
	if (napi_create_external_arraybuffer(env, base, length, NULL, NULL, &buffer) != napi_ok) {
		napi_throw_error(env, NULL, "view: the engine refused an ArrayBuffer over mapped memory");
		return NULL;
	}
	note_view(env, slot, buffer);
	return buffer;
}

/* Reads what a call is given: memory, a descriptor, an offset and flags. False: an exception is pending. */
static bool read_memory_and_numbers(napi_env env, napi_callback_info info, napi_value *memory, int64_t numbers[3])
{
	napi_value arguments[4];
	size_t given = 4;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok)
		return false;
	*memory = arguments[0];
	for (int i = 0; i < 3; i++)
		if (!read_number(env, arguments[i + 1], &numbers[i]))
			return false;
	return true;
}

CALL(call_adopt)
{
	struct views *views = views_of(env);
	int64_t numbers[3], mapping;
	napi_value memory;
	struct slot *slot;
	size_t length;
	void *base;

	if (!read_memory_and_numbers(env, info, &memory, numbers))
		return NULL;
	if (napi_get_arraybuffer_info(env, memory, &base, &length) != napi_ok) {
		napi_throw_type_error(env, NULL, "adopt: not an ArrayBuffer");
		return NULL;
	}
	if (!views)
		return give(env, -ENOMEM);
	mapping = adopt_memory(base, length, numbers[0], numbers[1], numbers[2]);
	if (mapping < 0)
		return give(env, mapping);
	slot = slot_of(env, views, mapping);
	if (!note_view(env, slot, memory) || !hold_memory(env, slot, memory)) {
		release_mapping(mapping);
		mapping = -ENOMEM;
	}
	return give(env, mapping);
}

/* The memory of a Uint8Array, also of one over a SharedArrayBuffer. False: it is none, and a TypeError is pending. */
static bool read_bytes(napi_env env, napi_value value, char **bytes, size_t *length)
{
	napi_typedarray_type type;

	if (napi_get_typedarray_info(env, value, &type, length, (void **)bytes, NULL, NULL) == napi_ok &&
	    type == napi_uint8_array)
		return true;
	napi_throw_type_error(env, NULL, "not a Uint8Array");
	return false;
}

CALL(call_map_over)
{
	struct views *views = views_of(env);
	int64_t numbers[3], mapping;
	napi_value memory;
	size_t length;
	char *bytes;

	if (!read_memory_and_numbers(env, info, &memory, numbers) || !read_bytes(env, memory, &bytes, &length))
		return NULL;
	if (!views)
		return give(env, -ENOMEM);
	mapping = map_over(bytes, length, numbers[0], numbers[1], numbers[2]);
	if (mapping >= 0 && !hold_memory(env, slot_of(env, views, mapping), memory)) {
		release_mapping(mapping);
		mapping = -ENOMEM;
	}
	return give(env, mapping);
}

CALL(call_bytes_before)
{
	napi_value arguments[2];
	size_t given = 2, length;
	int64_t boundary;
	char *bytes;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok ||
	    !read_number(env, arguments[1], &boundary) || !read_bytes(env, arguments[0], &bytes, &length))
		return NULL;
	/* A power of two. */
	if (boundary <= 0 || boundary & (boundary - 1))
		return give(env, -EINVAL);
	return give(env, (int64_t)(-(uintptr_t)bytes & (uintptr_t)(boundary - 1)));
}

/* Whether `value` is null, or an ArrayBuffer that lies at `base`. */
static bool is_view_of(napi_env env, napi_value value, const char *base)
{
	napi_valuetype type;
	bool is_buffer;
	size_t length;
	void *data;

	if (napi_typeof(env, value, &type) == napi_ok && type == napi_null)
		return true;
	return napi_is_arraybuffer(env, value, &is_buffer) == napi_ok && is_buffer &&
	       napi_get_arraybuffer_info(env, value, &data, &length) == napi_ok && data == base;
}

CALL(call_unmap)
{
	struct views *views = views_of(env);
	napi_value arguments[2], buffer;
	size_t given = 2, length;
	struct slot *slot;
	int64_t mapping;
	bool adopted;
	char *base;
	int error;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok ||
	    !read_number(env, arguments[0], &mapping))
		return NULL;
	if (!views)
		return give(env, -ENOMEM);
	if (reach_all(mapping, &base, &length) || !is_view_of(env, arguments[1], base))
		return give(env, -EINVAL);
	slot = slot_of(env, views, mapping);
	/* Also when the caller passed null: its ArrayBuffer would point at nothing. */
	buffer = live_view(env, slot);
	/* Somebody else's addresses may be unmapped at any time once nothing holds them: they are released before. */
	adopted = is_adopted(mapping);
	error = adopted ? release_mapping(mapping) : 0;
	if (buffer && napi_detach_arraybuffer(env, buffer) != napi_ok)
		return give(env, -EBUSY);
	forget(env, &slot->view);
	forget(env, &slot->memory);
	return give(env, adopted ? error : release_mapping(mapping));
}
