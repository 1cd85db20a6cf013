/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and stores that the kernel answers with SIGBUS. Where the page is bad (a machine check, or the device reports an
 * error for it), it is noted in a table of bad pages, and the rest of the device goes on. Anything else is a failure of
 * the mapping: the disk under a sparse file is full, or the file was truncated. A native call that runs under a guard is
 * left at once. JavaScript cannot be left so: it continues with a page of zeros. Before a call is answered, or data is
 * declared durable, attention() is compared with what the thread has seen of it.
 *
 * Invariant: a page is noted, and the attention counter raised, before zeros take its place, and only a load or a store
 * of JavaScript has it replaced. A failure, and a bad page, stay known until their mapping is unmapped.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

#include "native.h"

/* A mirror of the words in index.ts. */
struct bad_page {
	_Atomic int32_t mapping;	/* 0: free; BEING_FILLED: its page is not there yet */
	int32_t page;
	_Atomic int32_t is_replaced;	/* zeros have taken its place, or are about to */
};

enum { MOST_BAD_PAGES = 256, BEING_FILLED = -1 };

static struct bad_page bad_pages[MOST_BAD_PAGES];
/* No entry from here on was ever filled. */
static _Atomic int32_t bad_pages_used;
int32_t replaced_pages;

_Static_assert(sizeof(struct bad_page) == 3 * sizeof(int32_t), "as in index.ts");

static struct sigaction previous;
/* Where the native call under way is left if it meets SIGBUS; NULL: it is not to be left. */
static __thread sigjmp_buf *volatile guard;

int under_guard(int (*work)(void *context), void *context)
{
	sigjmp_buf here;
	int result;

	/* The handler blocks no signal, so there is no mask to restore, which would take a system call. */
	if (sigsetjmp(here, 0)) {
		guard = NULL;
		return -EIO;
	}
	guard = &here;
	result = work(context);
	guard = NULL;
	return result;
}

static struct bad_page *find_bad_page(int32_t mapping, int32_t page)
{
	int32_t used = atomic_load(&bad_pages_used);

	for (int32_t i = 0; i < used; i++)
		if (atomic_load(&bad_pages[i].mapping) == mapping && bad_pages[i].page == page)
			return &bad_pages[i];
	return NULL;
}

static struct bad_page *add_bad_page(int32_t mapping, int32_t page)
{
	for (int32_t i = 0; i < MOST_BAD_PAGES; i++) {
		int32_t used = atomic_load(&bad_pages_used), none = 0;

		if (!atomic_compare_exchange_strong(&bad_pages[i].mapping, &none, BEING_FILLED))
			continue;
		bad_pages[i].page = page;
		atomic_store(&bad_pages[i].is_replaced, 0);
		atomic_store(&bad_pages[i].mapping, mapping);
		while (used <= i && !atomic_compare_exchange_weak(&bad_pages_used, &used, i + 1))
			;
		return &bad_pages[i];
	}
	return NULL;
}

bool note_bad_page(int32_t mapping, int32_t page, bool is_replaced)
{
	struct bad_page *bad = find_bad_page(mapping, page);
	bool is_news = !bad;

	if (!bad)
		bad = add_bad_page(mapping, page);
	if (!bad)
		return false;
	if (is_replaced && !atomic_exchange(&bad->is_replaced, 1)) {
		__atomic_add_fetch(&replaced_pages, 1, __ATOMIC_SEQ_CST);
		is_news = true;
	}
	if (is_news)
		raise_attention();
	return true;
}

bool find_replaced(int64_t mapping, int64_t offset, int64_t length)
{
	int64_t first = offset / (int64_t)page_size(), last = (offset + length - 1) / (int64_t)page_size();

	if (!length)
		return false;
	for (int32_t i = 0; i < atomic_load(&bad_pages_used); i++) {
		struct bad_page *bad = &bad_pages[i];

		if (atomic_load(&bad->mapping) == mapping && atomic_load(&bad->is_replaced) && bad->page >= first &&
		    bad->page <= last)
			return true;
	}
	return false;
}

void forget_bad_pages(int32_t mapping)
{
	for (int32_t i = 0; i < atomic_load(&bad_pages_used); i++) {
		struct bad_page *bad = &bad_pages[i];

		if (atomic_load(&bad->mapping) != mapping)
			continue;
		if (atomic_exchange(&bad->is_replaced, 0))
			__atomic_sub_fetch(&replaced_pages, 1, __ATOMIC_SEQ_CST);
		atomic_store(&bad->mapping, 0);
	}
}

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
	/* It is not blocked here, so it ends the process at once. */
	sigaction(signal, &previous, NULL);
	raise(signal);
}

static void handle(int signal, siginfo_t *info, void *context)
{
	bool is_machine_check = info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO;
	/* Found in the background, maybe: nobody has loaded anything, and nothing is to be left. */
	bool is_ahead = info->si_code == BUS_MCEERR_AO;
	sigjmp_buf *left = guard;
	int error = errno;

	/*
	 * A positive si_code means that the kernel sent the signal, and the BUS_* codes come with the address that failed
	 * (sigaction(2)). note_fault() refuses an address that is in no mapping of a device.
	 */
	if (info->si_code <= 0 || !note_fault(info->si_addr, is_machine_check, !left && !is_ahead)) {
		pass_on(signal, info, context);
	} else if (!is_ahead) {
		if (left)
			siglongjmp(*left, 1);
		if (!replace_page(info->si_addr))
			pass_on(signal, info, context);
	}
	errno = error;
}

static void install_handler(void)
{
	/* SA_NODEFER: a handler that does not return leaves the signal as it was. */
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER };

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &previous);
}

void survive_faults(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	/* A thread's own memory comes into being when it is touched, which is not to happen in the handler. */
	guard = NULL;
	pthread_once(&once, install_handler);
}

static napi_value give_memory(napi_env env, void *memory, size_t length)
{
	napi_value buffer = NULL;

	if (napi_create_external_arraybuffer(env, memory, length, NULL, NULL, &buffer) != napi_ok)
		napi_throw_error(env, NULL, "the engine refused an ArrayBuffer");
	return buffer;
}

CALL(call_failures)
{
	(void)info;
	return give_memory(env, failure_words(), FAILURE_WORDS * sizeof(int32_t));
}

CALL(call_bad_pages)
{
	(void)info;
	return give_memory(env, bad_pages, sizeof(bad_pages));
}

CALL(call_failure_of)
{
	int64_t mapping;

	if (!read_words(env, info, &mapping, 1))
		return NULL;
	return give(env, failure_of(mapping));
}
