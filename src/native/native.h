/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the native helper share: arguments in, results out, and the one way to reach
 * mapped memory. Invariant: no address is ever formed from a caller's number but by reach(), which
 * has checked it against its mapping. Calls give a value or a negative errno; only an argument of
 * the wrong type throws.
 */
#ifndef PMFS2_NATIVE_H
#define PMFS2_NATIVE_H

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "The medium is little-endian and is accessed in place: a big-endian processor cannot serve it."
#endif

/* Mirrors of the constants in index.ts. */
enum { MAPPING_READ_ONLY = 1, MAPPING_COPY_ON_WRITE = 2, MAPPING_SYNC = 4 };
enum persist_how { PERSIST_CACHE_LINES = 0, PERSIST_FENCE_ONLY = 8, PERSIST_PAGES = 16 };
enum { STEP_FLUSH = 0, STEP_COPY = 1, STEP_STORE64 = 2, STEP_FENCE = 3 };
enum { LIST_HEADER_WORDS = 1, STEP_WORDS = 6, PIECE_WORDS = 3 };
/* Someone sleeps on the word of a lock that has several holders, which the lower bits count. */
enum { LOCK_WAITED = 0x40000000 };

/* --- arguments.c --- */

/* Stands for a number that is not whole or has more than 32 bits. Negative: no bounds check lets it pass. */
#define NOT_WHOLE INT64_MIN

/*
 * Reads `count` numbers: whole ones of 32 bits (signed or unsigned) as they are, others as NOT_WHOLE.
 * False: an argument is not a number, and a TypeError is pending.
 */
bool read_words(napi_env env, napi_callback_info info, int64_t *words, size_t count);
/* The same for numbers of up to 53 bits. */
bool read_numbers(napi_env env, napi_callback_info info, int64_t *numbers, size_t count);
/* One number of up to 53 bits. */
bool read_number(napi_env env, napi_value value, int64_t *number);
/*
 * A copy of a string, for the caller to free. NULL: not a string or no memory, and an exception is pending.
 * A string with a NUL inside gives an empty *text and -EINVAL in *error.
 */
char *read_string(napi_env env, napi_value value, int *error);
/* A result: a value or a negative errno. */
napi_value give(napi_env env, int64_t number);

/* --- mapping.c --- */

/* A mapping's number is its slot plus a generation, so that the number of an unmapped one stays invalid. */
enum { MAPPING_SLOT_BITS = 15, MAPPING_SLOTS = 1 << MAPPING_SLOT_BITS };

enum access { TO_READ, TO_WRITE };

/*
 * The address of `length` bytes at `offset` of a mapping. 0; -EINVAL: no such mapping, or not all of the
 * bytes lie in it; -EACCES: to be written, but mapped read-only.
 */
int reach(int64_t mapping, int64_t offset, int64_t length, enum access access, char **address);
/* The same, and how what is stored there becomes durable. */
struct place {
	char *address;
	enum persist_how how;
	struct backing *backing;	/* where it is by pages; else NULL */
};
int reach_place(int64_t mapping, int64_t offset, int64_t length, enum access access, struct place *place);
/* The whole mapping. */
int reach_all(int64_t mapping, char **address, size_t *length);
/*
 * Takes the mapping out of the table and unmaps it, or with adopted memory what lies there; its failure by SIGBUS is
 * not counted any more.
 */
int release_mapping(int64_t mapping);
/*
 * Takes memory into the table that somebody else has mapped from `offset` of `fd`, and unmaps after it has been
 * released. `flags` are those of the call `map`. The mapping's number or a negative errno.
 */
int64_t adopt_memory(char *base, size_t length, int64_t fd, int64_t offset, int64_t flags);
/*
 * Maps a file in the place of memory that is somebody else's, who unmaps it after the mapping has been released.
 * `flags` are those of the call `map`. The mapping's number or a negative errno.
 */
int64_t map_over(char *memory, size_t length, int64_t fd, int64_t offset, int64_t flags);
/* Whether its addresses are somebody else's. */
bool is_adopted(int64_t mapping);

/* Once, before any other call. */
void learn_page_size(void);
size_t page_size(void);

/*
 * Failures and bad pages of mapped files and devices; see fault.c and backing.h. A failure is the errno in the upper 32
 * bits and the offset in the mapping in the lower ones. EFAULT stands for a load or a store that ended in SIGBUS,
 * EHWPOISON for one that has met a bad page which cannot be done without. Of one that could not be synced nobody knows
 * the place: the offset is 0.
 */

/* The first failure of a mapping; 0: none, -EINVAL: no such mapping. */
int64_t failure_of(int64_t mapping);
/*
 * Words for all to read, as in index.ts. The first rises with each failure and with each page that is found to be bad
 * or is replaced by zeros. The second counts failures in the process; one of a mapping goes with the mapping. From the
 * entry of the third on, the table of bad pages is empty.
 */
enum { ATTENTION_WORD = 0, FAILURES_WORD = 1, BAD_PAGES_WORD = 2, FAILURE_WORDS = 3 };
int32_t *failure_words(void);
static inline int32_t attention(void)
{
	return __atomic_load_n(&failure_words()[ATTENTION_WORD], __ATOMIC_SEQ_CST);
}
static inline int32_t failure_count(void)
{
	return __atomic_load_n(&failure_words()[FAILURES_WORD], __ATOMIC_SEQ_CST);
}
void raise_attention(void);

/*
 * Whether any mapping has failed that is not apart (setApart), and so may be served: by a look at each. A mapping that
 * is apart fails for those alone who name it.
 */
bool find_failure(void);
static inline bool has_served_memory_failed(void)
{
	return failure_count() && find_failure();
}

/* A mapping of a file or device, for the handler of signals. */
struct mapped_file {
	int32_t mapping;
	bool writable;
	int fd;				/* by which it can be read */
	int64_t offset;			/* where it begins in the file */
	char *base;
	size_t length;
};
/* In a signal's handler: the one in which an address lies. False: there is none. */
bool find_mapped_file(const char *address, struct mapped_file *found);
/* The same: notes that it has failed there, if nothing of it has before. */
void fail_mapping(int32_t mapping, int64_t offset, int error);

/* --- fault.c --- */

/* Installs the handler of SIGBUS, once. In each thread, before it makes any other call. */
void survive_faults(void);
/*
 * Does `work`, and gives what it gives; -EIO: it met memory that cannot be accessed, which is noted, and was left
 * there. So it may hold no lock where it loads and stores, and what it has changed by then lies in *context, not in its
 * own variables. Not within another guard.
 */
int under_guard(int (*work)(void *context), void *context);
/*
 * Around a system call that reads mapped memory. The kernel may report a machine check that it has met itself when the
 * call returns: the page is noted, and left as it is.
 */
void begin_system_call(void);
void end_system_call(void);
/* How many pages zeros have taken the place of. */
extern int32_t replaced_pages;
bool find_replaced(int64_t mapping, int64_t offset, int64_t length);
/* Whether zeros have taken the place of some page of these bytes, or are about to. */
static inline bool touches_replaced(int64_t mapping, int64_t offset, int64_t length)
{
	return __atomic_load_n(&replaced_pages, __ATOMIC_SEQ_CST) && find_replaced(mapping, offset, length);
}
void forget_bad_pages(int32_t mapping);
/* Another file takes the place of the zeros. Its bad pages stay known. */
void forget_zeros(int32_t mapping);

/* --- exchange.c and ring.c --- */

/* Value of the stop word of a thread that will go on. */
enum { STOP_PAUSE = 2 };

/* --- thread.c --- */

/* Installs the handler of the interrupting signal, once, and lets the signal through to this thread. */
void accept_interrupts(void);

/* --- futex.c --- */

/*
 * Lets go of a lock that has several holders, and wakes whoever sleeps on it if this was the last. `place` is its
 * mapping (0: none; it is 0 afterwards) and its offset. 0, or -EINVAL: there is no such word.
 */
int release_lock(int32_t *place);

/* --- exchange.c --- */

/*
 * CLOCK_REALTIME to three words: seconds (low, high), nanoseconds; or, if `coarse`, CLOCK_REALTIME_COARSE, which moves
 * on with the kernel's tick.
 */
void put_time(int32_t *words, bool coarse);

/* --- the calls --- */

#define CALL(name) napi_value name(napi_env env, napi_callback_info info)

CALL(call_map);
CALL(call_adopt);
CALL(call_map_over);
CALL(call_bytes_before);
CALL(call_remap);
CALL(call_set_apart);
CALL(call_drop_pages);
CALL(call_map_anonymous);
CALL(call_memory_file);
CALL(call_unmap);
CALL(call_view);
CALL(call_failures);
CALL(call_bad_pages);
CALL(call_load);
CALL(call_failure_of);
CALL(call_flush_instruction);
CALL(call_persist);
CALL(call_zero);
CALL(call_futex_wait);
CALL(call_futex_wake);
CALL(call_pin);
CALL(call_thread_id);
CALL(call_read_clock);
CALL(call_interrupt_thread);
CALL(call_name_thread);
CALL(call_mount);
CALL(call_umount);
CALL(call_fusermount);
CALL(call_watch_mounts);
CALL(call_exchange);
CALL(call_open_ring);
CALL(call_close_ring);
CALL(call_register_entry);
CALL(call_exchange_ring);
CALL(call_submit_ring);
CALL(call_lock_file);
CALL(call_block_device_bytes);
CALL(call_allocate);
CALL(call_punch_hole);
CALL(call_allocated_bytes);
CALL(call_file_extents);
CALL(call_is_behind_loop);
CALL(call_connect_abstract);
CALL(call_peer_process);
CALL(call_peer_user);

#endif
