/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arguments from JavaScript and results to it. Invariant: a number that does not fit is never cut
 * down to one that does (napi_get_value_int32 would turn 2^32 + 8 into 8): it becomes NOT_WHOLE,
 * which every bounds check refuses.
 */
#include <stdlib.h>
#include <string.h>

#include "native.h"

enum { MAX_ARGUMENTS = 8 };

static const double MAX_WORD = 4294967295.0;		/* 2^32 - 1 */
static const double MIN_WORD = -2147483648.0;		/* -2^31 */
static const double MAX_SAFE = 9007199254740991.0;	/* 2^53 - 1 */

static inline int64_t whole(double value, double min, double max)
{
	int64_t number;

	if (!(value >= min && value <= max))	/* NaN fails too */
		return NOT_WHOLE;
	number = (int64_t)value;
	return (double)number == value ? number : NOT_WHOLE;
}

static bool read_doubles(napi_env env, napi_callback_info info, int64_t *numbers, size_t count,
			 double min, double max)
{
	napi_value values[MAX_ARGUMENTS];
	size_t given = MAX_ARGUMENTS;

	/* Arguments that were not given come as undefined, and fail below. */
	if (count > MAX_ARGUMENTS || napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok)
		return false;
	for (size_t i = 0; i < count; i++) {
		double value;

		if (napi_get_value_double(env, values[i], &value) != napi_ok) {
			napi_throw_type_error(env, NULL, "a number was expected");
			return false;
		}
		numbers[i] = whole(value, min, max);
	}
	return true;
}

bool read_words(napi_env env, napi_callback_info info, int64_t *words, size_t count)
{
	return read_doubles(env, info, words, count, MIN_WORD, MAX_WORD);
}

bool read_numbers(napi_env env, napi_callback_info info, int64_t *numbers, size_t count)
{
	return read_doubles(env, info, numbers, count, -MAX_SAFE, MAX_SAFE);
}

bool read_number(napi_env env, napi_value value, int64_t *number)
{
	double given;

	if (napi_get_value_double(env, value, &given) != napi_ok) {
		napi_throw_type_error(env, NULL, "a number was expected");
		return false;
	}
	*number = whole(given, -MAX_SAFE, MAX_SAFE);
	return true;
}

/* -EINVAL where there is a NUL in it: the kernel would see less of it than the caller wrote. */
static char *checked_string(char *text, size_t length, int *error)
{
	if (strlen(text) != length) {
		text[0] = '\0';
		*error = -EINVAL;
	}
	return text;
}

/* A string's UTF-8, or the bytes of a Buffer, which may be any. NULL: an exception is pending. */
char *read_string(napi_env env, napi_value value, int *error)
{
	bool is_buffer = false;
	size_t length;
	void *bytes;
	char *text;

	*error = 0;
	if (napi_is_buffer(env, value, &is_buffer) == napi_ok && is_buffer) {
		if (napi_get_buffer_info(env, value, &bytes, &length) != napi_ok)
			return NULL;
		text = malloc(length + 1);
		if (!text) {
			napi_throw_error(env, "ENOMEM", "no memory for a string");
			return NULL;
		}
		if (length)
			memcpy(text, bytes, length);
		text[length] = '\0';
		return checked_string(text, length, error);
	}
	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) {
		napi_throw_type_error(env, NULL, "a string was expected");
		return NULL;
	}
	text = malloc(length + 1);
	if (!text || napi_get_value_string_utf8(env, value, text, length + 1, &length) != napi_ok) {
		napi_throw_error(env, "ENOMEM", "no memory for a string");
		free(text);
		return NULL;
	}
	return checked_string(text, length, error);
}

napi_value give(napi_env env, int64_t number)
{
	napi_value result = NULL;

	if (number >= INT32_MIN && number <= INT32_MAX)
		napi_create_int32(env, (int32_t)number, &result);
	else
		napi_create_int64(env, number, &result);
	return result;
}
