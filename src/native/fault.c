/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices that fail under a load or a store. The kernel reports this by SIGBUS: the disk under a sparse file is full,
 * the file was truncated, or the medium is bad. The handler records the failure in the mapping, replaces the page by
 * zeros, and lets the thread continue. Before a call is answered, or data is declared durable, failure_count() is
 * checked. Invariant: a failure is recorded before its page is replaced, and stays until its mapping is unmapped.
 */
#include <pthread.h>
#include <signal.h>

#include "native.h"

static struct sigaction previous;

/* The signal is not ours: it does what it did before. */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal, info, context);
		return;
	}
	if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal);
		return;
	}
	/* It is blocked here, so it ends the process when this handler returns. */
	sigaction(signal, &previous, NULL);
	raise(signal);
}

static void handle(int signal, siginfo_t *info, void *context)
{
	int error = errno;

	/*
	 * A positive si_code means that the kernel sent the signal, and the BUS_* codes come with the address that failed
	 * (sigaction(2)). replace_failed_page() refuses an address that is in no mapping of a device.
	 */
	if (info->si_code <= 0 || !replace_failed_page(info->si_addr))
		pass_on(signal, info, context);
	errno = error;
}

static void install_handler(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &previous);
}

void survive_faults(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install_handler);
}

CALL(call_failures)
{
	napi_value buffer = NULL;

	(void)info;
	if (napi_create_external_arraybuffer(env, failure_counter(), sizeof(int32_t), NULL, NULL, &buffer) != napi_ok)
		napi_throw_error(env, NULL, "failures: the engine refused an ArrayBuffer");
	return buffer;
}

CALL(call_failure_of)
{
	int64_t mapping;

	if (!read_words(env, info, &mapping, 1))
		return NULL;
	return give(env, failure_of(mapping));
}
