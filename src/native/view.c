/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mappings as ArrayBuffers. Invariant: a thread has at most one live ArrayBuffer per mapping (it is
 * kept by a weak reference and given again), the collector never frees mapped memory, and unmap()
 * detaches the caller's one, so that a late access by that thread reads undefined and does not fault.
 * Memory that was adopted has an ArrayBuffer already, whose end unmaps it: the reference to that one is strong.
 *
 * The collector counts a mapping as external memory from the moment it has an ArrayBuffer, and may start one
 * collection then; later ones do not come sooner. The count stays as it is: V8 subtracts the same number when the
 * buffer is freed, and recent versions abort if the total would become negative.
 */
#include <stdlib.h>

#include "native.h"

/* What one thread (environment) has given out. Zeroed pages until used: 512 KiB of address space. */
struct views {
	struct {
		napi_ref buffer;
		int32_t mapping;
	} slots[MAPPING_SLOTS];
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

/* The thread's live ArrayBuffer of a mapping, or NULL. */
static napi_value live_view(napi_env env, struct views *views, int64_t mapping)
{
	size_t slot = mapping & (MAPPING_SLOTS - 1);
	napi_value buffer = NULL;

	if (views->slots[slot].mapping != mapping || !views->slots[slot].buffer)
		return NULL;
	if (napi_get_reference_value(env, views->slots[slot].buffer, &buffer) != napi_ok)
		return NULL;
	return buffer;
}

static void forget_view(napi_env env, struct views *views, int64_t mapping)
{
	size_t slot = mapping & (MAPPING_SLOTS - 1);

	if (views->slots[slot].buffer)
		napi_delete_reference(env, views->slots[slot].buffer);
	views->slots[slot].buffer = NULL;
	views->slots[slot].mapping = 0;
}

/* `holders` is 1 where the ArrayBuffer has to live as long as the mapping, else 0. */
static bool note_view(napi_env env, struct views *views, int64_t mapping, napi_value buffer, uint32_t holders)
{
	size_t slot = mapping & (MAPPING_SLOTS - 1);

	forget_view(env, views, mapping);
	if (napi_create_reference(env, buffer, holders, &views->slots[slot].buffer) != napi_ok)
		return false;
	views->slots[slot].mapping = (int32_t)mapping;
	return true;
}

CALL(call_view)
{
	struct views *views = views_of(env);
	napi_value buffer = NULL;
	int64_t mapping;
	size_t length;
	char *base;

	if (!read_words(env, info, &mapping, 1))
		return NULL;
	if (!views || reach_all(mapping, &base, &length)) {
		napi_throw_range_error(env, "EINVAL", views ? "view: no such mapping" : "view: no memory");
		return NULL;
	}
	buffer = live_view(env, views, mapping);
	if (buffer)
		return buffer;
	/* No finalizer: the memory belongs to the table of mappings, not to the collector. */
	if (napi_create_external_arraybuffer(env, base, length, NULL, NULL, &buffer) != napi_ok) {
		napi_throw_error(env, NULL, "view: the engine refused an ArrayBuffer over mapped memory");
		return NULL;
	}
	note_view(env, views, mapping, buffer, 0);
	return buffer;
}

CALL(call_adopt)
{
	struct views *views = views_of(env);
	int64_t numbers[2], mapping;
	size_t given = 3, length;
	napi_value arguments[3];
	void *base;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok ||
	    !read_number(env, arguments[1], &numbers[0]) || !read_number(env, arguments[2], &numbers[1]))
		return NULL;
	if (napi_get_arraybuffer_info(env, arguments[0], &base, &length) != napi_ok) {
		napi_throw_type_error(env, NULL, "adopt: not an ArrayBuffer");
		return NULL;
	}
	if (!views)
		return give(env, -ENOMEM);
	mapping = adopt_memory(numbers[0], base, length, numbers[1]);
	if (mapping >= 0 && !note_view(env, views, mapping, arguments[0], 1)) {
		release_mapping(mapping);
		mapping = -ENOMEM;
	}
	return give(env, mapping);
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
	/* Also when the caller passed null: its ArrayBuffer would point at nothing. */
	buffer = live_view(env, views, mapping);
	/* Without its ArrayBuffer, adopted memory may be unmapped at any time: it is released before. */
	adopted = is_adopted(mapping);
	error = adopted ? release_mapping(mapping) : 0;
	if (buffer && napi_detach_arraybuffer(env, buffer) != napi_ok)
		return give(env, -EBUSY);
	forget_view(env, views, mapping);
	return give(env, adopted ? error : release_mapping(mapping));
}
