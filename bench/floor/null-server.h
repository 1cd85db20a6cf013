/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the floors of all channels have in common: one root directory whose files are anonymous memory, and no
 * file system behind it. It asks the kernel for what a real server asks for and copies what a real server has to
 * copy. Invariant: answer() touches the reply that it is given, and the files; so threads may call it side by
 * side, each with a reply of its own.
 */
#ifndef NULL_SERVER_H
#define NULL_SERVER_H

#include <linux/fuse.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_WRITE_BYTES	(1ul << 20)
#define PAGE_BYTES	4096ul

/* Bits of INIT's flags2, which newer kernels have than the headers may be. */
#define INIT2_DIRECT_IO_ALLOW_MMAP	(1u << 4)
#define INIT2_OVER_IO_URING		(1u << 9)

/* `op` is the opcode's own struct; `rest` are the names or the data that follow it. */
struct request {
	const struct fuse_in_header *header;
	const void *op;
	const char *rest;
};

/* A reply is the header, `body_bytes` of the body, and `data_bytes` from `data`: in a file or in `listing`. */
struct answer {
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
	size_t body_bytes;
	const char *data;
	size_t data_bytes;
	char listing[4096];
};

/* As read from /dev/fuse: a header, the opcode's struct, the rest, in one piece. */
struct request request_in(const void *message);

/* Makes the whole reply. `flags2` is what INIT asks for besides what every floor does. */
void answer(const struct request *r, struct answer *a, uint32_t flags2);

/* Whether the request was one that gets no reply; it is dealt with then. */
int handled_without_reply(const struct request *r);

/* Mounts, and returns the descriptor of /dev/fuse; says "ready" on stdout. */
int mount_floor(const char *mountpoint);

void pin_to(int cpu);

/* Prints what failed and why (errno), and ends the program. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
