/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting on a word of mapped memory (futex(2)), between threads as between processes: Atomics.wait
 * would refuse an ArrayBuffer that is not a SharedArrayBuffer. Invariant: the shared form of the
 * futex is used, never the private one, because another process may map the same memory.
 */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "native.h"

static long futex(char *word, int operation, uint32_t value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

static void release_shared(int32_t *word)
{
	int32_t left = __atomic_sub_fetch(word, 1, __ATOMIC_SEQ_CST);

	if (left == LOCK_WAITED && __atomic_compare_exchange_n(word, &left, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		futex((char *)word, FUTEX_WAKE, INT32_MAX, NULL);
}

int release_lock(int32_t *place)
{
	char *word;
	int error;

	if (!place[0])
		return 0;
	error = place[1] & 3 ? -EINVAL : reach(place[0], place[1], 4, TO_WRITE, &word);
	if (!error)
		release_shared((int32_t *)word);
	place[0] = 0;
	return error;
}

CALL(call_futex_wait)
{
	int64_t arguments[4], timeout_ms;
	struct timespec timeout;
	char *word;
	int error;

	if (!read_words(env, info, arguments, 4))
		return NULL;
	timeout_ms = arguments[3];
	if (arguments[1] & 3 || arguments[2] == NOT_WHOLE || timeout_ms == NOT_WHOLE)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], 4, TO_READ, &word);
	if (error)
		return give(env, error);
	timeout.tv_sec = timeout_ms / 1000;
	timeout.tv_nsec = timeout_ms % 1000 * 1000000;
	if (futex(word, FUTEX_WAIT, (uint32_t)arguments[2], timeout_ms < 0 ? NULL : &timeout))
		return give(env, -errno);
	return give(env, 0);
}

CALL(call_futex_wake)
{
	int64_t arguments[3];
	char *word;
	long woken;
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	if (arguments[1] & 3 || arguments[2] < 0 || arguments[2] > INT32_MAX)
		return give(env, -EINVAL);
	error = reach(arguments[0], arguments[1], 4, TO_READ, &word);
	if (error)
		return give(env, error);
	woken = futex(word, FUTEX_WAKE, (uint32_t)arguments[2], NULL);
	return give(env, woken < 0 ? -errno : woken);
}
