/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and stores that the kernel answers with SIGBUS. Where the page is bad (a machine check, or the device reports
 * an error for it), it is noted in a table of bad pages, and the rest of the device goes on. Where it can be read after
 * all, the access is done again. Anything else is a failure of the mapping: the disk under a sparse file is full, or
 * the file was truncated. A native call that runs under a guard is left at once. JavaScript cannot be left so: it
 * continues with a page of zeros. Before a call is answered, or data is declared durable, attention() is compared with
 * what the thread has seen of it.
 *
 * Invariant: a page is noted, and the attention counter raised, before zeros take its place, and only a load or a store
 * of JavaScript has it replaced. A failure, and a bad page, stay known until their mapping is unmapped.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "native.h"
#include "primitives.h"

/* A mirror of the words in index.ts. */
struct bad_page {
	_Atomic int32_t mapping;	/* 0: free; BEING_FILLED: its page is not there yet */
	int32_t page;
	_Atomic int32_t is_replaced;	/* zeros have taken its place, or are about to */
};

/*
 * 16 MiB of pages. Each that is replaced may split a mapping of the kernel's in three, of which a process has 65 530 by
 * default (vm.max_map_count). As many pages of mappings that have failed are replaced one by one.
 */
enum { MOST_BAD_PAGES = 4096, BEING_FILLED = -1 };

/* A page is a block of a volume. Larger pages have several, of which others than the one accessed must not be lost. */
enum { USUAL_PAGE_BYTES = 4096 };

/* So often, within a time, an access is done again to a page that can be read. */
enum { MOST_RETRIES = 2, RETRY_SECONDS = 2 };

static struct bad_page bad_pages[MOST_BAD_PAGES];
int32_t replaced_pages;
static _Atomic int32_t failed_pages;

/* A bit for each replaced page, which pages may share and which stays: most look-ups find none, and end there. */
enum { FILTER_BITS = 1 << 16, MOST_FILTERED = 64 };

static _Atomic uint64_t replaced_bits[FILTER_BITS / 64];

_Static_assert(sizeof(struct bad_page) == 3 * sizeof(int32_t), "as in index.ts");

static struct sigaction previous;
/* Where the native call under way is left if it meets SIGBUS; NULL: it is not to be left. */
static __thread sigjmp_buf *volatile guard;
static __thread volatile bool is_in_system_call;
/* The page that this thread has accessed again, how often, and when it did last. */
static __thread const char *retried;
static __thread int retries;
static __thread time_t retried_at;

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

void begin_system_call(void)
{
	is_in_system_call = true;
}

void end_system_call(void)
{
	is_in_system_call = false;
}

/* No entry from here on was ever filled. */
static int32_t bad_pages_used(void)
{
	return __atomic_load_n(&failure_words()[BAD_PAGES_WORD], __ATOMIC_SEQ_CST);
}

static struct bad_page *find_bad_page(int32_t mapping, int32_t page)
{
	int32_t used = bad_pages_used();

	for (int32_t i = 0; i < used; i++)
		if (atomic_load(&bad_pages[i].mapping) == mapping && bad_pages[i].page == page)
			return &bad_pages[i];
	return NULL;
}

static struct bad_page *add_bad_page(int32_t mapping, int32_t page)
{
	for (int32_t i = 0; i < MOST_BAD_PAGES; i++) {
		int32_t *used = &failure_words()[BAD_PAGES_WORD], known = bad_pages_used(), none = 0;

		if (atomic_load(&bad_pages[i].mapping) ||
		    !atomic_compare_exchange_strong(&bad_pages[i].mapping, &none, BEING_FILLED))
			continue;
		bad_pages[i].page = page;
		atomic_store(&bad_pages[i].is_replaced, 0);
		atomic_store(&bad_pages[i].mapping, mapping);
		while (known <= i && !__atomic_compare_exchange_n(used, &known, i + 1, true, __ATOMIC_SEQ_CST,
								  __ATOMIC_SEQ_CST))
			;
		return &bad_pages[i];
	}
	return NULL;
}

static uint32_t filter_bit(int64_t mapping, int64_t page)
{
	return ((uint32_t)mapping * 2654435761u >> 16 ^ (uint32_t)page) % FILTER_BITS;
}

/* Notes a page, by its number in the mapping. `is_replaced`: zeros take its place now. False: there are too many. */
static bool note_bad_page(int32_t mapping, int32_t page, bool is_replaced)
{
	struct bad_page *bad = find_bad_page(mapping, page);
	bool is_news = !bad;

	if (!bad)
		bad = add_bad_page(mapping, page);
	if (!bad)
		return false;
	if (is_replaced && !atomic_exchange(&bad->is_replaced, 1)) {
		uint32_t bit = filter_bit(mapping, page);

		atomic_fetch_or(&replaced_bits[bit / 64], UINT64_C(1) << bit % 64);
		__atomic_add_fetch(&replaced_pages, 1, __ATOMIC_SEQ_CST);
		is_news = true;
	}
	if (is_news)
		raise_attention();
	return true;
}

static bool may_be_replaced(int64_t mapping, int64_t first, int64_t last)
{
	if (last - first >= MOST_FILTERED)
		return true;
	for (int64_t page = first; page <= last; page++) {
		uint32_t bit = filter_bit(mapping, page);

		if (atomic_load(&replaced_bits[bit / 64]) >> bit % 64 & 1)
			return true;
	}
	return false;
}

bool find_replaced(int64_t mapping, int64_t offset, int64_t length)
{
	int64_t first = offset / (int64_t)page_size(), last = (offset + length - 1) / (int64_t)page_size();

	if (!length || !may_be_replaced(mapping, first, last))
		return false;
	for (int32_t i = 0; i < bad_pages_used(); i++) {
		struct bad_page *bad = &bad_pages[i];

		if (atomic_load(&bad->mapping) == mapping && atomic_load(&bad->is_replaced) && bad->page >= first &&
		    bad->page <= last)
			return true;
	}
	return false;
}

void forget_zeros(int32_t mapping)
{
	for (int32_t i = 0; i < bad_pages_used(); i++)
		if (atomic_load(&bad_pages[i].mapping) == mapping && atomic_exchange(&bad_pages[i].is_replaced, 0))
			__atomic_sub_fetch(&replaced_pages, 1, __ATOMIC_SEQ_CST);
}

void forget_bad_pages(int32_t mapping)
{
	forget_zeros(mapping);
	for (int32_t i = 0; i < bad_pages_used(); i++)
		if (atomic_load(&bad_pages[i].mapping) == mapping)
			atomic_store(&bad_pages[i].mapping, 0);
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

enum cause { BAD, READABLE, LOST };

/*
 * Why an access ended in SIGBUS. Of a file that was cut short read(2) gives no bytes. Of a hole that the disk has no
 * room for it gives zeros, as it does of a page that can be read again: only another try tells them apart. Devdax has
 * no read(2) (EINVAL): what is no machine check there is a device that is gone.
 */
static enum cause cause_of(const struct mapped_file *file, size_t page_start, bool is_machine_check)
{
	ssize_t got;
	char byte;

	if (is_machine_check)
		return BAD;
	do
		got = pread(file->fd, &byte, 1, file->offset + page_start);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EIO)
		return BAD;
	return got == 1 ? READABLE : LOST;
}

static bool is_to_be_retried(const char *page)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (retried != page || now.tv_sec - retried_at > RETRY_SECONDS)
		retries = 0;
	retried = page;
	retried_at = now.tv_sec;
	return retries++ < MOST_RETRIES;
}

static bool map_zeros(const struct mapped_file *file, char *start, size_t length)
{
	int protection = file->writable ? PROT_READ | PROT_WRITE : PROT_READ;

	return map_pages(start, length, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			 0) == start;
}

/* False: there is no memory. */
static bool replace_page(const struct mapped_file *file, char *page, bool is_noted, int error)
{
	if ((is_noted || atomic_fetch_add(&failed_pages, 1) < MOST_BAD_PAGES) && map_zeros(file, page, page_size()))
		return true;
	/* All of it where the kernel does not divide the mapping, as that of devdax; or has too many. */
	fail_mapping(file->mapping, page - file->base, error);
	return map_zeros(file, file->base, file->length);
}

/* Where it returns true, the access is done again. */
static bool survive(const struct mapped_file *file, char *address, int code)
{
	size_t at = address - file->base, page = at / page_size(), page_start = page * page_size();
	enum cause cause = cause_of(file, page_start, code == BUS_MCEERR_AR || code == BUS_MCEERR_AO);
	/* Found in the background, or by the kernel itself: nobody has loaded anything, and nothing is to be left. */
	bool is_ahead = code == BUS_MCEERR_AO || is_in_system_call;
	int error = cause == BAD ? EHWPOISON : EFAULT;
	sigjmp_buf *left = guard;
	bool is_noted;

	if (cause == READABLE && is_to_be_retried(file->base + page_start))
		return true;
	is_noted = cause == BAD && page_size() == USUAL_PAGE_BYTES &&
		   note_bad_page(file->mapping, (int32_t)page, !left && !is_ahead);
	if (!is_noted)
		fail_mapping(file->mapping, at, error);
	if (is_ahead)
		return true;
	if (left)
		siglongjmp(*left, 1);
	return replace_page(file, file->base + page_start, is_noted, error);
}

static void handle(int signal, siginfo_t *info, void *context)
{
	struct mapped_file file;
	int error = errno;

	/*
	 * A positive si_code means that the kernel sent the signal, and the BUS_* codes come with the address that
	 * failed (sigaction(2)).
	 */
	if (info->si_code <= 0 || !find_mapped_file(info->si_addr, &file) ||
	    !survive(&file, info->si_addr, info->si_code))
		pass_on(signal, info, context);
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
