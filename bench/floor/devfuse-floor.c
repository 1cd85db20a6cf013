/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor under every FUSE server that speaks over the plain /dev/fuse channel: one root directory
 * whose files are anonymous memory, and no file system behind it. Whatever a real server takes longer
 * than this one is its own; whatever both take is the kernel's. So it asks the kernel for what a real
 * server asks for, copies what a real server has to copy, and does nothing else: one thread, blocking
 * in read(2), answering by writev(2), with the data of a READ pointing straight into the file.
 *
 *   devfuse-floor MOUNTPOINT [CPU]	(root; says "ready" once mounted; end it with umount MOUNTPOINT)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bit 36 of INIT's flags, which is bit 4 of flags2; headers older than protocol 7.39 lack it. */
#define INIT2_DIRECT_IO_ALLOW_MMAP	(1u << 4)

#define MAX_FILES		16
#define FILE_CAPACITY_BYTES	(64ul << 20)
#define MAX_WRITE_BYTES		(1ul << 20)
#define PAGE_BYTES		4096ul
#define VALID_SECONDS		(365ul * 86400)
#define FIRST_FILE_ID		(FUSE_ROOT_ID + 1)

/* A file stays in its slot until it is unlinked and the kernel has forgotten it. */
struct file {
	char name[64];		/* empty once unlinked */
	char *memory;		/* FILE_CAPACITY_BYTES; NULL in a free slot */
	uint64_t size;
	uint64_t lookups;
};

struct reply {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_write_out write;
		struct fuse_statfs_out statfs;
		struct {
			struct fuse_entry_out entry;
			struct fuse_open_out open;
		} create;
	} body;
};

static struct file files[MAX_FILES];
static struct reply reply;
static char *data;		/* what a READ or READDIR sends after the header */
static size_t data_bytes;
static char listing[MAX_FILES * 128];

static void die(const char *format, ...)
{
	va_list arguments;
	int error = errno;

	fputs("devfuse-floor: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, ": %s\n", strerror(error));
	exit(1);
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

static void fill_attr(struct fuse_attr *a, uint64_t id)
{
	struct file *f = file_of(id);

	a->ino = id;
	a->mode = f ? S_IFREG | 0644 : S_IFDIR | 0755;
	a->nlink = f ? f->name[0] != 0 : 2;
	a->size = f ? f->size : 0;
	a->blocks = a->size / 512;
	a->blksize = PAGE_BYTES;
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

static int init(const struct fuse_init_in *in)
{
	struct fuse_init_out *o = &reply.body.init;
	const uint32_t flags = FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |
			       FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS |
			       FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;

	o->major = FUSE_KERNEL_VERSION;
	o->minor = in->minor;
	o->max_readahead = in->max_readahead;
	o->flags = flags & in->flags;
	o->flags2 = in->flags & FUSE_INIT_EXT ? INIT2_DIRECT_IO_ALLOW_MMAP & in->flags2 : 0;
	o->max_background = 64;
	o->congestion_threshold = 48;
	o->max_write = MAX_WRITE_BYTES;
	o->max_pages = MAX_WRITE_BYTES / PAGE_BYTES;
	o->time_gran = 1;
	return sizeof(*o);
}

static int lookup(const char *name)
{
	struct file *f = find(name);

	/* Node 0 with a lifetime: the kernel remembers that the name is missing. */
	if (f)
		fill_entry(&reply.body.entry, f);
	else
		reply.body.entry.entry_valid = VALID_SECONDS;
	return sizeof(reply.body.entry);
}

static int create(const char *name)
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
	fill_entry(&reply.body.create.entry, f);
	reply.body.create.open.open_flags = FOPEN_KEEP_CACHE;
	return sizeof(reply.body.create);
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

static int setattr(uint64_t id, const struct fuse_setattr_in *in)
{
	struct file *f = file_of(id);
	int err = f && in->valid & FATTR_SIZE ? resize(f, in->size) : 0;

	if (err)
		return err;
	reply.body.attr.attr_valid = VALID_SECONDS;
	fill_attr(&reply.body.attr.attr, id);
	return sizeof(reply.body.attr);
}

static int getattr(uint64_t id)
{
	return setattr(id, &(struct fuse_setattr_in){ .valid = 0 });
}

static int open_file(struct file *f, const struct fuse_open_in *in)
{
	if (in->flags & O_TRUNC)
		f->size = 0;
	reply.body.open.open_flags = FOPEN_KEEP_CACHE;
	return sizeof(reply.body.open);
}

static int read_file(struct file *f, const struct fuse_read_in *in)
{
	if (in->offset >= f->size)
		return 0;
	data = f->memory + in->offset;
	data_bytes = f->size - in->offset < in->size ? f->size - in->offset : in->size;
	return 0;
}

static int write_file(struct file *f, const struct fuse_write_in *in)
{
	uint64_t end = in->offset + in->size;
	int err = in->offset > f->size ? resize(f, in->offset) : 0;

	if (err || end > FILE_CAPACITY_BYTES)
		return -ENOSPC;
	memcpy(f->memory + in->offset, in + 1, in->size);
	if (end > f->size)
		f->size = end;
	reply.body.write.size = in->size;
	return sizeof(reply.body.write);
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
static int read_directory(const struct fuse_read_in *in)
{
	data = listing;
	for (uint64_t i = in->offset; i < MAX_FILES; i++) {
		struct fuse_dirent *d = (void *)(data + data_bytes);
		size_t length = strlen(files[i].name);

		if (!files[i].memory || !length)
			continue;
		if (data_bytes + FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + length) > in->size)
			break;
		d->ino = FIRST_FILE_ID + i;
		d->off = i + 1;
		d->namelen = length;
		d->type = S_IFREG >> 12;
		memcpy(d->name, files[i].name, length);
		data_bytes += FUSE_DIRENT_SIZE(d);
	}
	return 0;
}

static int statfs(void)
{
	struct fuse_kstatfs *s = &reply.body.statfs.st;

	s->blocks = MAX_FILES * FILE_CAPACITY_BYTES / PAGE_BYTES;
	s->bfree = s->bavail = s->blocks;
	s->files = s->ffree = MAX_FILES;
	s->bsize = s->frsize = PAGE_BYTES;
	s->namelen = sizeof(files->name) - 1;
	return sizeof(reply.body.statfs);
}

static int answer(const struct fuse_in_header *h, const void *in)
{
	struct file *f = file_of(h->nodeid);

	switch (h->opcode) {
	case FUSE_INIT:
		return init(in);
	case FUSE_LOOKUP:
		return lookup(in);
	case FUSE_GETATTR:
		return getattr(h->nodeid);
	case FUSE_SETATTR:
		return setattr(h->nodeid, in);
	case FUSE_CREATE:
		return create((const char *)in + sizeof(struct fuse_create_in));
	case FUSE_UNLINK:
		return unlink_file(in);
	case FUSE_OPEN:
		return f ? open_file(f, in) : -ESTALE;
	case FUSE_READ:
		return f ? read_file(f, in) : -ESTALE;
	case FUSE_WRITE:
		return f ? write_file(f, in) : -ESTALE;
	case FUSE_OPENDIR:
		return sizeof(reply.body.open);
	case FUSE_READDIR:
		return read_directory(in);
	case FUSE_STATFS:
		return statfs();
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return 0;
	default:		/* FLUSH, FSYNC and GETXATTR too: the kernel then stops sending them */
		return -ENOSYS;
	}
}

/* Returns whether the request was one that gets no reply. */
static int handled_without_reply(const struct fuse_in_header *h, const void *in)
{
	const struct fuse_batch_forget_in *batch = in;
	const struct fuse_forget_one *one = (const void *)(batch + 1);

	switch (h->opcode) {
	case FUSE_FORGET:
		forget(h->nodeid, ((const struct fuse_forget_in *)in)->nlookup);
		return 1;
	case FUSE_BATCH_FORGET:
		for (uint32_t i = 0; i < batch->count; i++)
			forget(one[i].nodeid, one[i].nlookup);
		return 1;
	default:
		return h->opcode == FUSE_INTERRUPT;
	}
}

static void serve(int fd)
{
	size_t capacity = MAX_WRITE_BYTES + PAGE_BYTES;
	char *request = aligned_alloc(PAGE_BYTES, capacity);
	const struct fuse_in_header *h = (void *)request;

	if (!request)
		die("%zu bytes for requests", capacity);
	for (;;) {
		ssize_t got = read(fd, request, capacity);
		int body;

		if (got < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (got < 0 && errno == ENODEV)		/* unmounted */
			return;
		if (got < 0)
			die("reading /dev/fuse");
		if (handled_without_reply(h, h + 1))
			continue;
		memset(&reply.body, 0, sizeof(reply.body));
		data_bytes = 0;
		body = answer(h, h + 1);
		reply.header.error = body < 0 ? body : 0;
		reply.header.unique = h->unique;
		reply.header.len = sizeof(reply.header) + (body > 0 ? body : 0) + data_bytes;

		struct iovec pieces[2] = {
			{ &reply, sizeof(reply.header) + (body > 0 ? body : 0) },
			{ data, data_bytes },
		};

		/* ENOENT: the request was interrupted meanwhile. */
		if (writev(fd, pieces, data_bytes ? 2 : 1) < 0 && errno != ENOENT)
			die("answering opcode %u", h->opcode);
	}
}

int main(int argc, char **argv)
{
	char options[128];
	cpu_set_t cpus;
	int fd;

	if (argc != 2 && argc != 3) {
		fputs("usage: devfuse-floor MOUNTPOINT [CPU]\n", stderr);
		return 2;
	}
	if (argc == 3) {
		CPU_ZERO(&cpus);
		CPU_SET(atoi(argv[2]), &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus))
			die("pinning to cpu %s", argv[2]);
	}
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("opening /dev/fuse");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fd);
	if (mount("devfuse-floor", argv[1], "fuse", MS_NOSUID | MS_NODEV, options))
		die("mounting on %s", argv[1]);
	puts("ready");
	fflush(stdout);
	serve(fd);
	return 0;
}
