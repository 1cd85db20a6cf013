/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shadow of a medium: what its stores, flushes, fences and syncs have made durable, as the primitives tell it,
 * under the code that decides on them, unchanged. Memory is either recorded (an event for each primitive, for the tests
 * that cut the power everywhere), or carried: a second mapping gets what is durable, and outlives the process.
 *
 * A line counts with its bytes at the moment of its flush, and arrives at the next fence of the thread that flushed it.
 * A non-temporal store arrives at that fence, too. All pages of a file arrive when fdatasync(2) has returned, as they
 * were when it was called, and without the non-temporal stores that no fence has followed. An 8-byte store is an event
 * of its own. All other plain stores pass no primitive: the next one sees them as a difference from the bytes seen last,
 * all of a line at once, as their order within it is not known.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../../src/native/backing.h"
#include "../../../src/native/flush.h"
#include "../../../src/native/native.h"

#undef napi_register_module_v1
#undef node_api_module_get_api_version_v1

napi_value register_helper(napi_env env, napi_value exports);

enum { MOST_REGIONS = 64, PAGE_BYTES = 4096, WORD_BYTES = 8 };
/* Mirrors of the constants in test/support/shadow/recording.ts. */
enum event_kind { ORDERED, STREAMED, FLUSHED, FENCED, SYNCED, PUNCHED };

struct region {
	char *base;			/* NULL: free */
	size_t length;
	int64_t mapping;
	const struct backing *backing;	/* what has to be synced, as far as the helper knows */
	int64_t how;			/* PERSIST_*: what makes stores to carried memory durable */
	char *seen;			/* of a recorded region: its bytes when they were looked at last */
	char *durable;			/* of a carried region: the second mapping */
	uint64_t *versions;		/* and of each of its words, when its bytes were taken */
};

struct event {
	uint32_t kind, region, offset, length;
};

/* Bytes on their way to the second mapping. */
struct capture {
	struct region *region;
	size_t offset, length;
	uint64_t version;
	bool streamed;
	char bytes[CACHE_LINE_BYTES];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct region regions[MOST_REGIONS];
static uint64_t last_version;
static char *events;
static size_t events_length, events_room;
/* A page that is being synced. */
struct page {
	struct region *region;
	int64_t mapping;	/* the region may be another one's by now */
	size_t offset;
	uint64_t version;
	char bytes[PAGE_BYTES];
};

struct pages {
	struct page *pages;
	size_t count, room;
};

/* Of this thread, until its next fence. */
static __thread struct {
	struct capture *captures;
	size_t count, room;
} pending;

static void *grown(void *memory, size_t *room, size_t needed, size_t size)
{
	if (needed <= *room)
		return memory;
	*room = needed * 2;
	memory = realloc(memory, *room * size);
	if (!memory)
		abort();
	return memory;
}

static struct region *region_at(uintptr_t address)
{
	for (int i = 0; i < MOST_REGIONS; i++) {
		struct region *r = &regions[i];

		if (r->base && address >= (uintptr_t)r->base && address < (uintptr_t)r->base + r->length)
			return r;
	}
	return NULL;
}

/* --- recording --- */

static void note(enum event_kind kind, const struct region *r, size_t offset, size_t length)
{
	bool has_bytes = kind == ORDERED || kind == STREAMED || kind == PUNCHED;
	struct event event = { kind, r ? r - regions : 0, offset, length };
	size_t needed = events_length + sizeof(event) + (has_bytes ? length : 0);

	events = grown(events, &events_room, needed, 1);
	memcpy(events + events_length, &event, sizeof(event));
	if (has_bytes)
		memcpy(events + events_length + sizeof(event), r->base + offset, length);
	events_length = needed;
}

/* Notes what plain stores have changed in one line since it was looked at last. */
static void look_at_line(struct region *r, size_t offset)
{
	char *now = r->base + offset, *before = r->seen + offset;
	size_t start = 0, end = CACHE_LINE_BYTES;

	if (!memcmp(now, before, CACHE_LINE_BYTES))
		return;
	while (now[start] == before[start])
		start++;
	while (now[end - 1] == before[end - 1])
		end--;
	note(ORDERED, r, offset + start, end - start);
	memcpy(before, now, CACHE_LINE_BYTES);
}

static void look_at_all(struct region *r)
{
	for (size_t page = 0; page < r->length; page += PAGE_BYTES)
		if (memcmp(r->base + page, r->seen + page, PAGE_BYTES))
			for (size_t line = page; line < page + PAGE_BYTES; line += CACHE_LINE_BYTES)
				look_at_line(r, line);
}

/* --- carrying --- */

static void capture(struct region *r, size_t offset, size_t length, bool streamed)
{
	struct capture *c;

	pending.captures = grown(pending.captures, &pending.room, pending.count + 1, sizeof(*c));
	c = &pending.captures[pending.count++];
	c->region = r;
	c->offset = offset;
	c->length = length;
	c->version = ++last_version;
	c->streamed = streamed;
	memcpy(c->bytes, r->base + offset, length);
}

/* Another thread may have carried later bytes already. */
static void carry(struct region *r, size_t offset, const char *bytes, size_t length, uint64_t version)
{
	for (size_t done = 0; done < length; done += WORD_BYTES) {
		uint64_t *newest = &r->versions[(offset + done) / WORD_BYTES];

		if (version <= *newest)
			continue;
		*newest = version;
		*(uint64_t *)(r->durable + offset + done) = *(const uint64_t *)(bytes + done);
	}
}

static bool is_streaming(const struct region *r, size_t offset)
{
	for (size_t i = 0; i < pending.count; i++) {
		const struct capture *c = &pending.captures[i];

		if (c->region == r && c->streamed && offset >= c->offset && offset < c->offset + c->length)
			return true;
	}
	return false;
}

static bool is_of_file(const struct region *r, int fd)
{
	return r->base && r->backing && r->backing->fd == fd;
}

static bool is_recorded_of(const struct region *r, int fd)
{
	return is_of_file(r, fd) && r->seen;
}

static bool is_carried_by(const struct region *r, int fd)
{
	return is_of_file(r, fd) && !r->seen && r->how == PERSIST_PAGES;
}

/* Takes what the second mapping of a file lacks. */
static void take_pages(struct region *r, struct pages *taken)
{
	uint64_t version = ++last_version;

	for (size_t at = 0; at < r->length; at += PAGE_BYTES) {
		struct page *page;

		if (!memcmp(r->base + at, r->durable + at, PAGE_BYTES))
			continue;
		taken->pages = grown(taken->pages, &taken->room, taken->count + 1, sizeof(*page));
		page = &taken->pages[taken->count++];
		page->region = r;
		page->mapping = r->mapping;
		page->offset = at;
		page->version = version;
		memcpy(page->bytes, r->base + at, PAGE_BYTES);
	}
}

static void carry_page(const struct page *page)
{
	for (size_t done = 0; done < PAGE_BYTES; done += WORD_BYTES)
		if (!is_streaming(page->region, page->offset + done))
			carry(page->region, page->offset + done, page->bytes + done, WORD_BYTES, page->version);
}

/* --- the primitives --- */

void shadow_write_back(uintptr_t address)
{
	uintptr_t line = address & ~(uintptr_t)(CACHE_LINE_BYTES - 1);
	struct region *r;

	pthread_mutex_lock(&mutex);
	r = region_at(line);
	if (r && r->seen) {
		look_at_line(r, line - (uintptr_t)r->base);
		note(FLUSHED, r, line - (uintptr_t)r->base, CACHE_LINE_BYTES);
	} else if (r && r->how == PERSIST_CACHE_LINES) {
		capture(r, line - (uintptr_t)r->base, CACHE_LINE_BYTES, false);
	}
	pthread_mutex_unlock(&mutex);
}

void shadow_stream(char *to, const void *value, size_t length)
{
	struct region *r;
	size_t offset;

	pthread_mutex_lock(&mutex);
	r = region_at((uintptr_t)to);
	/* A bad page ends the call, as it may where nothing is noted of it. */
	if (!r) {
		pthread_mutex_unlock(&mutex);
		memcpy(to, value, length);
		return;
	}
	offset = to - r->base;
	if (r->seen)
		look_at_line(r, offset & ~(size_t)(CACHE_LINE_BYTES - 1));
	memcpy(to, value, length);
	if (r->seen) {
		note(STREAMED, r, offset, length);
		memcpy(r->seen + offset, value, length);
	} else {
		capture(r, offset, length, true);
	}
	pthread_mutex_unlock(&mutex);
}

void shadow_store_eight_bytes(char *to, uint64_t value)
{
	struct region *r;
	size_t offset;

	pthread_mutex_lock(&mutex);
	r = region_at((uintptr_t)to);
	/* Of carried memory, its flush or sync takes what was stored. A bad page may end the call here. */
	if (!r || !r->seen) {
		pthread_mutex_unlock(&mutex);
		__atomic_store_n((uint64_t *)to, value, __ATOMIC_RELEASE);
		return;
	}
	offset = to - r->base;
	look_at_line(r, offset & ~(size_t)(CACHE_LINE_BYTES - 1));
	*(uint64_t *)to = value;
	note(ORDERED, r, offset, sizeof(value));
	memcpy(r->seen + offset, &value, sizeof(value));
	pthread_mutex_unlock(&mutex);
}

void shadow_fence(void)
{
	bool recorded = false;

	pthread_mutex_lock(&mutex);
	for (int i = 0; i < MOST_REGIONS; i++) {
		struct region *r = &regions[i];

		if (!r->seen)
			continue;
		recorded = true;
		look_at_all(r);
	}
	if (recorded)
		note(FENCED, NULL, 0, 0);
	for (size_t i = 0; i < pending.count; i++) {
		struct capture *c = &pending.captures[i];

		if (c->region->durable && c->region->how == PERSIST_CACHE_LINES)
			carry(c->region, c->offset, c->bytes, c->length, c->version);
	}
	pending.count = 0;
	pthread_mutex_unlock(&mutex);
}

int shadow_sync_file(int fd)
{
	struct pages taken = { NULL, 0, 0 };
	int result;

	/* What is stored from here on may come too late for the call. Several mappings may be of one file. */
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < MOST_REGIONS; i++) {
		if (is_recorded_of(&regions[i], fd))
			look_at_all(&regions[i]);
		else if (is_carried_by(&regions[i], fd))
			take_pages(&regions[i], &taken);
	}
	pthread_mutex_unlock(&mutex);
	result = fdatasync(fd);
	pthread_mutex_lock(&mutex);
	for (int i = 0; !result && i < MOST_REGIONS; i++)
		if (is_recorded_of(&regions[i], fd))
			note(SYNCED, &regions[i], 0, regions[i].length);
	for (size_t i = 0; !result && i < taken.count; i++) {
		const struct page *page = &taken.pages[i];

		if (is_carried_by(page->region, fd) && page->region->mapping == page->mapping)
			carry_page(page);
	}
	pthread_mutex_unlock(&mutex);
	free(taken.pages);
	return result;
}

/* Meanwhile the kernel does not divide mappings, as it does not those of devdax. */
static __thread bool is_undivided;

void *shadow_map_pages(void *address, size_t length, int protection, int flags, int fd, long offset)
{
	if (is_undivided && length == PAGE_BYTES) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return mmap(address, length, protection, flags, fd, offset);
}

/* --- the calls --- */

static void forget(struct region *r)
{
	if (r->durable)
		munmap(r->durable, r->length);
	if (r->versions)
		munmap(r->versions, r->length);
	free(r->seen);
	memset(r, 0, sizeof(*r));
}

static struct region *find_region(int64_t mapping)
{
	for (int i = 0; i < MOST_REGIONS; i++)
		if (regions[i].base && regions[i].mapping == mapping)
			return &regions[i];
	return NULL;
}

/* A free region over the mapping, under the mutex; or NULL. */
static struct region *claim_region(int64_t mapping, int64_t how)
{
	struct place place;
	char *base;
	size_t length;

	if (reach_place(mapping, 0, 0, TO_READ, &place) || reach_all(mapping, &base, &length) || length % PAGE_BYTES)
		return NULL;
	for (int i = 0; i < MOST_REGIONS; i++) {
		struct region *r = &regions[i];

		if (r->base)
			continue;
		*r = (struct region){
			.base = base,
			.length = length,
			.mapping = mapping,
			.backing = place.backing,
			.how = how,
		};
		return r;
	}
	return NULL;
}

/* record(mapping): from now on, its primitives are noted. Its number in the events, or -EINVAL. */
CALL(call_record)
{
	int64_t mapping, result = -EINVAL;
	struct region *r;

	if (!read_numbers(env, info, &mapping, 1))
		return NULL;
	pthread_mutex_lock(&mutex);
	r = claim_region(mapping, PERSIST_CACHE_LINES);
	if (r) {
		r->seen = malloc(r->length);
		if (!r->seen)
			abort();
		memcpy(r->seen, r->base, r->length);
		result = r - regions;
	}
	pthread_mutex_unlock(&mutex);
	return give(env, result);
}

/* punched(mapping, offset, length): the kernel has put zeros there, which last from the next fence on. */
CALL(call_punched)
{
	int64_t arguments[3];
	struct region *r;

	if (!read_numbers(env, info, arguments, 3))
		return NULL;
	pthread_mutex_lock(&mutex);
	r = find_region(arguments[0]);
	if (r && r->seen) {
		memset(r->seen + arguments[1], 0, arguments[2]);
		note(PUNCHED, r, arguments[1], arguments[2]);
	}
	pthread_mutex_unlock(&mutex);
	return give(env, 0);
}

/* stopRecording(): a Buffer of all events; nothing is recorded any more. */
CALL(call_stop_recording)
{
	napi_value result = NULL;

	(void)info;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < MOST_REGIONS; i++) {
		struct region *r = &regions[i];

		if (!r->seen)
			continue;
		look_at_all(r);
		forget(r);
	}
	napi_create_buffer_copy(env, events_length, events, NULL, &result);
	events_length = 0;
	pthread_mutex_unlock(&mutex);
	return result;
}

/* carry(mapping, fd, offset, how): what becomes durable of the mapping goes to this part of the file, too. */
CALL(call_carry)
{
	int64_t arguments[4], result = -EINVAL;
	struct region *r;

	if (!read_numbers(env, info, arguments, 4))
		return NULL;
	pthread_mutex_lock(&mutex);
	r = claim_region(arguments[0], arguments[3]);
	if (r) {
		r->durable = mmap(NULL, r->length, PROT_READ | PROT_WRITE, MAP_SHARED, arguments[1], arguments[2]);
		r->versions = mmap(NULL, r->length, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (r->durable == MAP_FAILED || r->versions == MAP_FAILED)
			abort();
		result = 0;
	}
	pthread_mutex_unlock(&mutex);
	return give(env, result);
}

/* forget(mapping): before it is unmapped. */
CALL(call_forget)
{
	struct region *r;
	int64_t mapping;

	if (!read_numbers(env, info, &mapping, 1))
		return NULL;
	pthread_mutex_lock(&mutex);
	r = find_region(mapping);
	if (r)
		forget(r);
	pthread_mutex_unlock(&mutex);
	return give(env, 0);
}

enum { FORGE_UNDIVIDED = 1, FORGE_IN_SYSTEM_CALL = 2 };

/*
 * machineCheck(mapping, offset, code, how): what the kernel sends a thread that has met one there, by its BUS_* code.
 * A process may send itself any signal.
 */
CALL(call_machine_check)
{
	siginfo_t forged = { .si_signo = SIGBUS };
	int64_t arguments[4];
	char *address;

	if (!read_numbers(env, info, arguments, 4) || reach(arguments[0], arguments[1], 1, TO_READ, &address))
		return NULL;
	forged.si_code = (int)arguments[2];
	forged.si_addr = address;
	is_undivided = arguments[3] & FORGE_UNDIVIDED;
	if (arguments[3] & FORGE_IN_SYSTEM_CALL)
		begin_system_call();
	if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &forged))
		abort();
	end_system_call();
	is_undivided = false;
	return give(env, 0);
}

NAPI_MODULE_INIT()
{
	static const struct {
		const char *name;
		napi_callback call;
	} calls[] = {
		{ "record", call_record },
		{ "punched", call_punched },
		{ "stopRecording", call_stop_recording },
		{ "carry", call_carry },
		{ "forget", call_forget },
		{ "machineCheck", call_machine_check },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		napi_property_descriptor property = {
			.utf8name = calls[i].name,
			.method = calls[i].call,
			.attributes = napi_enumerable,
		};

		if (napi_define_properties(env, exports, 1, &property) != napi_ok)
			return NULL;
	}
	return register_helper(env, exports);
}
