/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files of a floor, and the answers to requests about them. One lock guards names, sizes and lives of files.
 * A READ or WRITE inside a file takes none: floors race on data as any memory does, and nobody checks theirs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "null-server.h"

#define MAX_FILES		16
#define FILE_CAPACITY_BYTES	(64ul << 20)
#define VALID_SECONDS		(365ul * 86400)
#define FIRST_FILE_ID		(FUSE_ROOT_ID + 1)

/* A file stays in its slot until it is unlinked and the kernel has forgotten it. */
struct file {
	char name[64];		/* empty once unlinked */
	char *memory;		/* FILE_CAPACITY_BYTES; NULL in a free slot */
	uint64_t size;
	uint64_t lookups;
};

static struct file files[MAX_FILES];
static pthread_mutex_t files_mutex = PTHREAD_MUTEX_INITIALIZER;

void die(const char *format, ...)
{
	va_list arguments;
	int error = errno;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
}

void pin_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("pinning to cpu %d", cpu);
}

int mount_floor(const char *mountpoint)
{
	char options[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("opening /dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fd);
	if (mount(program_invocation_short_name, mountpoint, "fuse", MS_NOSUID | MS_NODEV, options))
		die("mounting on %s", mountpoint);
	puts("ready");
	fflush(stdout);
	return fd;
}

static struct file *file_of(uint64_t id)
{
	if (id < FIRST_FILE_ID || id >= FIRST_FILE_ID + MAX_FILES || !files[id - FIRST_FILE_ID].memory)
		return NULL;
	return &files[id - FIRST_FILE_ID];
}

static struct file *find(const char *name)
{
	for (struct file *f = files; f < files + MAX_FILES; f++)
		if (f->memory && !strcmp(f->name, name))
			return f;
	return NULL;
}

static void free_if_unused(struct file *f)
{
	if (f->name[0] || f->lookups)
		return;
	munmap(f->memory, FILE_CAPACITY_BYTES);
	f->memory = NULL;
}

static void forget(uint64_t id, uint64_t lookups)
{
	struct file *f = file_of(id);

	if (!f)
		return;
	f->lookups -= lookups < f->lookups ? lookups : f->lookups;
	free_if_unused(f);
}

static void fill_attr(struct fuse_attr *attr, uint64_t id)
{
	struct file *f = file_of(id);

	attr->ino = id;
	attr->mode = f ? S_IFREG | 0644 : S_IFDIR | 0755;
	attr->nlink = f ? f->name[0] != 0 : 2;
	attr->size = f ? f->size : 0;
	attr->blocks = attr->size / 512;
	attr->blksize = PAGE_BYTES;
}

static void fill_entry(struct fuse_entry_out *e, struct file *f)
{
	e->nodeid = FIRST_FILE_ID + (f - files);
	e->entry_valid = VALID_SECONDS;
	e->attr_valid = VALID_SECONDS;
	fill_attr(&e->attr, e->nodeid);
	f->lookups++;
}

/* Each of the functions below returns the bytes of the reply's body, or a negative errno. */

static int init(const struct fuse_init_in *in, struct fuse_init_out *o, uint32_t flags2)
{
	const uint32_t flags = FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |
			       FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
			       FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;

	o->major = FUSE_KERNEL_VERSION;
	o->minor = in->minor;
	o->max_readahead = in->max_readahead;
	o->flags = flags & in->flags;
	o->flags2 = in->flags & FUSE_INIT_EXT ? (INIT2_DIRECT_IO_ALLOW_MMAP | flags2) & in->flags2 : 0;
	o->max_background = 64;
	o->congestion_threshold = 48;
	o->max_write = MAX_WRITE_BYTES;
	o->max_pages = MAX_WRITE_BYTES / PAGE_BYTES;
	o->time_gran = 1;
	return sizeof(*o);
}

static int lookup(const char *name, struct fuse_entry_out *o)
{
	struct file *f = find(name);

	/* Node 0 with a lifetime: the kernel remembers that the name is missing. */
	if (f)
		fill_entry(o, f);
	else
		o->entry_valid = VALID_SECONDS;
	return sizeof(*o);
}

static int create(const char *name, struct answer *a)
{
	struct file *f = files;

	if (strlen(name) >= sizeof(f->name))
		return -ENAMETOOLONG;
	while (f->memory)
		if (++f == files + MAX_FILES)
			return -ENOSPC;
	f->memory = mmap(NULL, FILE_CAPACITY_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (f->memory == MAP_FAILED) {
		f->memory = NULL;
		return -ENOMEM;
	}
	strcpy(f->name, name);
	f->size = 0;
	fill_entry(&a->body.create.entry, f);
	a->body.create.open.open_flags = FOPEN_KEEP_CACHE;
	return sizeof(a->body.create);
}

/* The kernel leaves no stale bytes past the end in its own pages; here they are zeroed when the file grows. */
static int resize(struct file *f, uint64_t size)
{
	if (size > FILE_CAPACITY_BYTES)
		return -ENOSPC;
	if (size > f->size)
		memset(f->memory + f->size, 0, size - f->size);
	f->size = size;
	return 0;
}

static int setattr(uint64_t id, const struct fuse_setattr_in *in, struct fuse_attr_out *o)
{
	struct file *f = file_of(id);
	int err = f && in && in->valid & FATTR_SIZE ? resize(f, in->size) : 0;

	if (err)
		return err;
	o->attr_valid = VALID_SECONDS;
	fill_attr(&o->attr, id);
	return sizeof(*o);
}

static int open_file(struct file *f, const struct fuse_open_in *in, struct fuse_open_out *o)
{
	if (in->flags & O_TRUNC)
		f->size = 0;
	o->open_flags = FOPEN_KEEP_CACHE;
	return sizeof(*o);
}

static int unlink_file(const char *name)
{
	struct file *f = find(name);

	if (!f)
		return -ENOENT;
	f->name[0] = 0;
	free_if_unused(f);
	return 0;
}

/* A directory offset is the number of the slot that comes next. */
static int read_directory(const struct fuse_read_in *in, struct answer *a)
{
	a->data = a->listing;
	for (uint64_t i = in->offset; i < MAX_FILES; i++) {
		struct fuse_dirent *d = (void *)(a->listing + a->data_bytes);
		size_t length = strlen(files[i].name);
		size_t end = a->data_bytes + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + length);

		if (!files[i].memory || !length)
			continue;
		if (end > in->size || end > sizeof(a->listing))
			break;
		d->ino = FIRST_FILE_ID + i;
		d->off = i + 1;
		d->namelen = length;
		d->type = S_IFREG >> 12;
		memcpy(d->name, files[i].name, length);
		a->data_bytes = end;
	}
	return 0;
}

static int statfs(struct fuse_kstatfs *s)
{
	s->blocks = MAX_FILES * FILE_CAPACITY_BYTES / PAGE_BYTES;
	s->bfree = s->bavail = s->blocks;
	s->files = s->ffree = MAX_FILES;
	s->bsize = s->frsize = PAGE_BYTES;
	s->namelen = sizeof(files->name) - 1;
	return sizeof(struct fuse_statfs_out);
}

static int read_file(struct file *f, const struct fuse_read_in *in, struct answer *a)
{
	uint64_t size = __atomic_load_n(&f->size, __ATOMIC_RELAXED);

	if (in->offset >= size)
		return 0;
	a->data = f->memory + in->offset;
	a->data_bytes = size - in->offset < in->size ? size - in->offset : in->size;
	return 0;
}

static int grow(struct file *f, uint64_t gap_end, uint64_t end)
{
	int err = 0;

	pthread_mutex_lock(&files_mutex);
	if (gap_end > f->size)
		err = resize(f, gap_end);
	if (!err && end > f->size)
		f->size = end;
	pthread_mutex_unlock(&files_mutex);
	return err;
}

static int write_file(struct file *f, const struct fuse_write_in *in, const char *bytes, struct fuse_write_out *o)
{
	uint64_t end = in->offset + in->size;

	if (end > FILE_CAPACITY_BYTES)
		return -ENOSPC;
	if (end > __atomic_load_n(&f->size, __ATOMIC_RELAXED) && grow(f, in->offset, end))
		return -ENOSPC;
	memcpy(f->memory + in->offset, bytes, in->size);
	o->size = in->size;
	return sizeof(*o);
}

static int answer_locked(const struct request *r, struct answer *a, uint32_t flags2)
{
	struct file *f = file_of(r->header->nodeid);

	switch (r->header->opcode) {
	case FUSE_INIT:
		return init(r->op, &a->body.init, flags2);
	case FUSE_LOOKUP:
		return lookup(r->rest, &a->body.entry);
	case FUSE_GETATTR:
		return setattr(r->header->nodeid, NULL, &a->body.attr);
	case FUSE_SETATTR:
		return setattr(r->header->nodeid, r->op, &a->body.attr);
	case FUSE_CREATE:
		return create(r->rest, a);
	case FUSE_UNLINK:
		return unlink_file(r->rest);
	case FUSE_OPEN:
		return f ? open_file(f, r->op, &a->body.open) : -ESTALE;
	case FUSE_OPENDIR:
		return sizeof(a->body.open);
	case FUSE_READDIR:
		return read_directory(r->op, a);
	case FUSE_STATFS:
		return statfs(&a->body.statfs.st);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return 0;
	default:		/* FLUSH, FSYNC and GETXATTR too: the kernel then stops sending them */
		return -ENOSYS;
	}
}

static int answer_body(const struct request *r, struct answer *a, uint32_t flags2)
{
	struct file *f = file_of(r->header->nodeid);
	int body;

	/* An open file stays in its slot, so these two need no lock to find it. */
	if (r->header->opcode == FUSE_READ)
		return f ? read_file(f, r->op, a) : -ESTALE;
	if (r->header->opcode == FUSE_WRITE)
		return f ? write_file(f, r->op, r->rest, &a->body.write) : -ESTALE;
	pthread_mutex_lock(&files_mutex);
	body = answer_locked(r, a, flags2);
	pthread_mutex_unlock(&files_mutex);
	return body;
}

void answer(const struct request *r, struct answer *a, uint32_t flags2)
{
	int body;

	memset(&a->body, 0, sizeof(a->body));
	a->data_bytes = 0;
	body = answer_body(r, a, flags2);
	a->body_bytes = body > 0 ? body : 0;
	a->header.error = body < 0 ? body : 0;
	a->header.unique = r->header->unique;
	a->header.len = sizeof(a->header) + a->body_bytes + a->data_bytes;
}

int handled_without_reply(const struct request *r)
{
	const struct fuse_batch_forget_in *batch = r->op;
	const struct fuse_forget_one *one = (const void *)(batch + 1);

	if (r->header->opcode == FUSE_INTERRUPT)
		return 1;
	if (r->header->opcode != FUSE_FORGET && r->header->opcode != FUSE_BATCH_FORGET)
		return 0;
	pthread_mutex_lock(&files_mutex);
	if (r->header->opcode == FUSE_FORGET)
		forget(r->header->nodeid, ((const struct fuse_forget_in *)r->op)->nlookup);
	else
		for (uint32_t i = 0; i < batch->count; i++)
			forget(one[i].nodeid, one[i].nlookup);
	pthread_mutex_unlock(&files_mutex);
	return 1;
}

struct request request_in(const void *message)
{
	const struct fuse_in_header *h = message;
	const char *op = (const char *)(h + 1);

	switch (h->opcode) {
	case FUSE_CREATE:
		return (struct request){ h, op, op + sizeof(struct fuse_create_in) };
	case FUSE_WRITE:
		return (struct request){ h, op, op + sizeof(struct fuse_write_in) };
	default:
		return (struct request){ h, op, op };
	}
}
