/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of mappings: one for the whole process, so that every worker thread names the same
 * memory by the same number. Changes are made under a mutex; look-ups take no lock. Invariant: a
 * slot's number is published last when it is filled and withdrawn first when it is emptied, and no
 * number is given out twice before a slot's generations are used up (65 535 reuses), so that a stale
 * number names nothing.
 */
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backing.h"
#include "native.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Offsets travel as 32-bit signed words; a window is half of that at most. */
static const int64_t MAX_MAPPING_BYTES = INT64_C(1) << 31;

struct mapping {
	_Atomic int32_t number;		/* 0: the slot is empty */
	uint16_t generation;
	bool writable;
	bool shared;			/* what is stored is not only this process's */
	bool of_file;			/* or of a device: what is behind it may fail */
	bool adopted;			/* the addresses are somebody else's, who unmaps them */
	bool lost;			/* zeros lie there, since mapping another file failed */
	bool apart;			/* no part of what is served: see find_failure() */
	enum persist_how how;
	struct backing *backing;	/* of a file or device */
	int fd;				/* by which the file can be read; -1: there is none */
	off_t offset;			/* where it begins in the file */
	char *base;
	size_t length;
	_Atomic int64_t failure;	/* the first one, as in native.h */
};

static struct mapping table[MAPPING_SLOTS];
static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
/* Slot 0 stays empty: a word that was never filled in names no mapping. */
static uint32_t next_slot = 1;
/* No slot from here on was ever filled. */
static _Atomic uint32_t slots_used = 1;
static int32_t failures[FAILURE_WORDS];
static size_t page_bytes;

void learn_page_size(void)
{
	page_bytes = sysconf(_SC_PAGESIZE);
}

size_t page_size(void)
{
	return page_bytes;
}

static inline const struct mapping *look_up(int64_t number)
{
	const struct mapping *m;

	if (number <= 0 || number > INT32_MAX)
		return NULL;
	m = &table[number & (MAPPING_SLOTS - 1)];
	return atomic_load_explicit(&m->number, memory_order_acquire) == number ? m : NULL;
}

int reach_place(int64_t mapping, int64_t offset, int64_t length, enum access access, struct place *place)
{
	const struct mapping *m = look_up(mapping);

	if (!m || offset < 0 || length < 0 || (uint64_t)offset > m->length ||
	    (uint64_t)length > m->length - (uint64_t)offset)
		return -EINVAL;
	if (access == TO_WRITE && !m->writable)
		return -EACCES;
	*place = (struct place){ m->base + offset, m->how, m->how == PERSIST_PAGES ? m->backing : NULL };
	return 0;
}

int reach(int64_t mapping, int64_t offset, int64_t length, enum access access, char **address)
{
	struct place place;
	int error = reach_place(mapping, offset, length, access, &place);

	if (!error)
		*address = place.address;
	return error;
}

int reach_all(int64_t mapping, char **address, size_t *length)
{
	const struct mapping *m = look_up(mapping);

	if (!m)
		return -EINVAL;
	*address = m->base;
	*length = m->length;
	return 0;
}

int32_t *failure_words(void)
{
	return failures;
}

void raise_attention(void)
{
	__atomic_add_fetch(&failures[ATTENTION_WORD], 1, __ATOMIC_SEQ_CST);
}

/* Whoever finds the attention raised looks at the count. */
void count_failure(void)
{
	__atomic_add_fetch(&failures[FAILURES_WORD], 1, __ATOMIC_SEQ_CST);
	raise_attention();
}

void uncount_failure(void)
{
	__atomic_sub_fetch(&failures[FAILURES_WORD], 1, __ATOMIC_SEQ_CST);
}

int64_t failure_of(int64_t mapping)
{
	const struct mapping *m = look_up(mapping);
	int64_t failure;

	if (!m)
		return -EINVAL;
	failure = atomic_load(&m->failure);
	if (!failure && m->backing)
		failure = (int64_t)backing_error(m->backing) << 32;
	return failure;
}

bool find_failure(void)
{
	uint32_t used = atomic_load_explicit(&slots_used, memory_order_acquire);
	bool found = false;

	/* What is behind a mapping is let go of after its number is withdrawn, under the mutex. */
	pthread_mutex_lock(&table_mutex);
	for (uint32_t slot = 1; slot < used && !found; slot++) {
		int32_t number = atomic_load(&table[slot].number);

		found = number && !table[slot].apart && failure_of(number) > 0;
	}
	pthread_mutex_unlock(&table_mutex);
	return found;
}

CALL(call_set_apart)
{
	int64_t arguments[2];
	struct mapping *m;

	if (!read_numbers(env, info, arguments, 2))
		return NULL;
	pthread_mutex_lock(&table_mutex);
	m = (struct mapping *)look_up(arguments[0]);
	if (m)
		m->apart = arguments[1];
	pthread_mutex_unlock(&table_mutex);
	return give(env, m ? 0 : -EINVAL);
}

bool find_mapped_file(const char *address, struct mapped_file *found)
{
	uint32_t used = atomic_load_explicit(&slots_used, memory_order_acquire);

	for (uint32_t slot = 1; slot < used; slot++) {
		const struct mapping *m = &table[slot];
		int32_t number = atomic_load_explicit(&m->number, memory_order_acquire);

		if (!number || !m->of_file || address < m->base || address >= m->base + m->length)
			continue;
		*found = (struct mapped_file){ number, m->writable, m->fd, m->offset, m->base, m->length };
		return true;
	}
	return false;
}

void fail_mapping(int32_t mapping, int64_t offset, int error)
{
	struct mapping *m = (struct mapping *)look_up(mapping);
	int64_t none = 0;

	if (m && atomic_compare_exchange_strong(&m->failure, &none, (int64_t)error << 32 | offset))
		count_failure();
}

/* An empty slot, or NULL. Under the mutex. */
static struct mapping *find_slot(void)
{
	for (uint32_t tried = 1; tried < MAPPING_SLOTS; tried++) {
		struct mapping *m = &table[next_slot];

		next_slot = next_slot + 1 < MAPPING_SLOTS ? next_slot + 1 : 1;
		if (!atomic_load_explicit(&m->number, memory_order_relaxed))
			return m;
	}
	return NULL;
}

/* How memory is mapped. */
struct way {
	int protection, flags;		/* of mmap(2) */
	enum persist_how how;
};

/* MAP_SHARED_VALIDATE contains the bit of MAP_PRIVATE. */
static bool is_shared(const struct way *way)
{
	return way->flags & MAP_SHARED;
}

/* Whose memory it is. */
enum origin { ANONYMOUS, OF_FILE, ADOPTED };

/* `offset`: where it begins in the file, if it is of one. */
static int64_t enter(char *base, size_t length, enum origin origin, const struct way *way, struct backing *backing,
		     off_t offset)
{
	int64_t number = -ENOSPC;
	struct mapping *m;

	pthread_mutex_lock(&table_mutex);
	m = find_slot();
	if (m) {
		m->base = base;
		m->length = length;
		m->writable = way->protection & PROT_WRITE;
		m->shared = is_shared(way);
		m->of_file = origin != ANONYMOUS;
		m->adopted = origin == ADOPTED;
		m->lost = false;
		m->apart = false;
		m->how = way->how;
		m->backing = backing;
		m->fd = backing ? backing->fd : -1;
		m->offset = offset;
		atomic_store(&m->failure, 0);
		if ((uint32_t)(m - table) >= atomic_load(&slots_used))
			atomic_store(&slots_used, (uint32_t)(m - table) + 1);
		number = (int64_t)m->generation << MAPPING_SLOT_BITS | (m - table);
		atomic_store_explicit(&m->number, (int32_t)number, memory_order_release);
	}
	pthread_mutex_unlock(&table_mutex);
	return number;
}

/* Takes what is behind a file that is mapped. 0 or a negative errno. */
static int take(int fd, struct backing **backing)
{
	*backing = take_backing(fd);
	return *backing ? 0 : -errno;
}

static void drop_if_taken(struct backing *backing)
{
	if (backing)
		drop_backing(backing);
}

/*
 * Lets go of the file behind somebody else's addresses at once. They stay taken, since their owner unmaps them, and
 * nobody else may be given them before that.
 */
static int vacate(char *base, size_t length)
{
	return mmap(base, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == base ?
		       0 :
		       -errno;
}

static int let_go(char *base, size_t length, bool adopted)
{
	if (adopted)
		return vacate(base, length);
	return munmap(base, length) ? -errno : 0;
}

/* `over`: the addresses to map it at, which are somebody else's; or NULL. */
static int64_t map_file(int fd, int64_t offset, size_t length, char *over, const struct way *way)
{
	struct backing *backing;
	int64_t number;
	char *base;
	int error = take(fd, &backing);

	if (error)
		return error;
	base = mmap(over, length, way->protection, way->flags | (over ? MAP_FIXED : 0), fd, offset);
	if (base == MAP_FAILED) {
		number = -errno;
		/* Linux may have unmapped what was there. */
		if (over)
			vacate(over, length);
	} else {
		number = enter(base, length, over ? ADOPTED : OF_FILE, way, backing, offset);
		if (number < 0)
			let_go(base, length, over != NULL);
	}
	if (number < 0)
		drop_if_taken(backing);
	return number;
}

static int64_t check_length(int64_t length)
{
	if (length <= 0)
		return -EINVAL;
	return length > MAX_MAPPING_BYTES ? -EFBIG : 0;
}

/* What the flags of a mapping ask for. 0 or -EINVAL. */
static int translate_flags(int64_t flags, struct way *way)
{
	int64_t how = flags & (PERSIST_FENCE_ONLY | PERSIST_PAGES);

	if (flags & ~(MAPPING_READ_ONLY | MAPPING_COPY_ON_WRITE | MAPPING_SYNC | how) ||
	    how == (PERSIST_FENCE_ONLY | PERSIST_PAGES))
		return -EINVAL;
	way->protection = flags & MAPPING_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	way->flags = MAP_SHARED;
	/* Nothing that is stored goes further than to memory. */
	way->how = flags & (MAPPING_READ_ONLY | MAPPING_COPY_ON_WRITE) ? PERSIST_FENCE_ONLY : how;
	if (flags & MAPPING_SYNC) {
		if (flags & MAPPING_COPY_ON_WRITE)
			return -EINVAL;
		/* Only with VALIDATE does the kernel refuse a flag that it cannot honour. */
		way->flags = MAP_SHARED_VALIDATE | MAP_SYNC;
	} else if (flags & MAPPING_COPY_ON_WRITE) {
		/* What is never stored to needs no memory set aside. */
		way->flags = MAP_PRIVATE | MAP_NORESERVE;
	}
	return 0;
}

CALL(call_map)
{
	int64_t arguments[4], fd, offset, length, error;
	struct way way;

	if (!read_numbers(env, info, arguments, 4))
		return NULL;
	fd = arguments[0];
	offset = arguments[1];
	length = arguments[2];
	if (fd < 0 || fd > INT_MAX || offset < 0 || translate_flags(arguments[3], &way))
		return give(env, -EINVAL);
	error = check_length(length);
	if (error)
		return give(env, error);
	return give(env, map_file((int)fd, offset, length, NULL, &way));
}

int64_t map_over(char *memory, size_t length, int64_t fd, int64_t offset, int64_t flags)
{
	struct way way;
	int64_t error;

	if (fd < 0 || fd > INT_MAX || offset < 0 || (uintptr_t)memory % page_size() || translate_flags(flags, &way))
		return -EINVAL;
	error = check_length(length);
	if (error)
		return error;
	return map_file((int)fd, offset, length, memory, &way);
}

int64_t adopt_memory(char *base, size_t length, int64_t fd, int64_t offset, int64_t flags)
{
	struct backing *backing;
	struct way way;
	int64_t number;
	int error;

	/* Memory of the heap is not to be mapped anew when the mapping goes. */
	if (fd < 0 || fd > INT_MAX || offset < 0 || (uintptr_t)base % page_size() || translate_flags(flags, &way))
		return -EINVAL;
	number = check_length(length);
	if (number)
		return number;
	error = take((int)fd, &backing);
	if (error)
		return error;
	number = enter(base, length, ADOPTED, &way, backing, offset);
	if (number < 0)
		drop_if_taken(backing);
	return number;
}

bool is_adopted(int64_t mapping)
{
	const struct mapping *m = look_up(mapping);

	return m && m->adopted;
}

/*
 * Linux may have unmapped what was there before it noticed that the file cannot be mapped. Zeros take the addresses
 * at once, before something else is given them, and the mapping has failed until a file is mapped there.
 */
static void fill_hole(struct mapping *m, int error)
{
	int protection = m->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	int64_t none = 0;
	/* What still lies there is left alone. */
	char *zeros = mmap(m->base, m->length, protection,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);

	if (zeros == MAP_FAILED)
		return;
	/* A kernel before 4.17, where the flag is a hint. */
	if (zeros != m->base) {
		munmap(zeros, m->length);
		return;
	}
	if (atomic_compare_exchange_strong(&m->failure, &none, (int64_t)-error << 32)) {
		m->lost = true;
		count_failure();
	}
}

static void find_again(struct mapping *m)
{
	if (m->lost && atomic_exchange(&m->failure, 0))
		uncount_failure();
	m->lost = false;
}

/* The kernel replaces a mapping in one step: a thread that reads meanwhile finds either. Under the mutex. */
static int replace(struct mapping *m, int fd, int64_t offset, const struct way *way)
{
	struct backing *backing;
	int error = take(fd, &backing);

	if (error)
		return error;
	/* A page that was bad is looked for in the file again: that it still is, is news then. */
	forget_zeros(atomic_load(&m->number));
	if (mmap(m->base, m->length, way->protection, way->flags | MAP_FIXED, fd, offset) == MAP_FAILED) {
		error = -errno;
		fill_hole(m, error);
		drop_if_taken(backing);
		return error;
	}
	find_again(m);
	m->fd = backing->fd;
	m->offset = offset;
	drop_if_taken(m->backing);
	m->backing = backing;
	m->how = way->how;
	m->writable = way->protection & PROT_WRITE;
	m->shared = is_shared(way);
	return 0;
}

CALL(call_remap)
{
	int64_t arguments[4], fd, offset;
	struct mapping *m;
	struct way way;
	int error;

	if (!read_numbers(env, info, arguments, 4))
		return NULL;
	fd = arguments[1];
	offset = arguments[2];
	if (fd < 0 || fd > INT_MAX || offset < 0 || translate_flags(arguments[3], &way))
		return give(env, -EINVAL);
	pthread_mutex_lock(&table_mutex);
	m = (struct mapping *)look_up(arguments[0]);
	error = m ? replace(m, (int)fd, offset, &way) : -EINVAL;
	pthread_mutex_unlock(&table_mutex);
	return give(env, error);
}

/* Private pages are left alone: what was stored there would be lost. */
CALL(call_drop_pages)
{
	const struct mapping *m;
	int64_t arguments[3];
	char *address;
	int error;

	if (!read_words(env, info, arguments, 3))
		return NULL;
	error = reach(arguments[0], arguments[1], arguments[2], TO_READ, &address);
	if (error)
		return give(env, error);
	m = look_up(arguments[0]);
	if (!m || !m->shared)
		return give(env, -EPERM);
	return give(env, madvise(address, arguments[2], MADV_DONTNEED) ? -errno : 0);
}

/* A memfd of zeros. Returns its descriptor or a negative errno. */
static int make_memory_file(const char *name, int64_t length)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, length)) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

CALL(call_memory_file)
{
	napi_value values[2];
	size_t given = 2;
	int64_t length, fd;
	char *name;
	int error;

	if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok ||
	    !read_number(env, values[1], &length))
		return NULL;
	name = read_string(env, values[0], &error);
	if (!name)
		return NULL;
	if (error || length <= 0)
		fd = -EINVAL;
	else
		fd = make_memory_file(name, length);
	free(name);
	return give(env, fd);
}

/* No file stands behind it that has a descriptor: the limits on those and on the size of files do not apply. */
CALL(call_map_anonymous)
{
	static const struct way way = { PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, PERSIST_CACHE_LINES };
	int64_t length, result;
	char *base;

	if (!read_numbers(env, info, &length, 1))
		return NULL;
	result = check_length(length);
	if (result)
		return give(env, result);
	base = mmap(NULL, length, way.protection, way.flags, -1, 0);
	if (base == MAP_FAILED)
		return give(env, -errno);
	result = enter(base, length, ANONYMOUS, &way, NULL, 0);
	if (result < 0)
		munmap(base, length);
	return give(env, result);
}

int release_mapping(int64_t mapping)
{
	struct backing *backing;
	struct mapping *m;
	bool adopted;
	char *base;
	size_t length;
	int error;

	pthread_mutex_lock(&table_mutex);
	m = (struct mapping *)look_up(mapping);
	if (!m) {
		pthread_mutex_unlock(&table_mutex);
		return -EINVAL;
	}
	atomic_store_explicit(&m->number, 0, memory_order_release);
	m->generation++;
	base = m->base;
	length = m->length;
	adopted = m->adopted;
	backing = m->backing;
	/* Nothing can be read or stored through it any more. A handler that comes late leaves the count too high. */
	if (atomic_exchange(&m->failure, 0))
		uncount_failure();
	forget_bad_pages((int32_t)mapping);
	pthread_mutex_unlock(&table_mutex);
	error = let_go(base, length, adopted);
	drop_if_taken(backing);
	return error;
}
