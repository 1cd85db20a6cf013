/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The floor under every FUSE server that speaks over the plain /dev/fuse channel. Whatever a real server takes
 * longer than this one is its own; whatever both take is the kernel's. One thread, blocking in read(2), answering
 * by writev(2), with the data of a READ pointing straight into the file.
 *
 *   devfuse-floor MOUNTPOINT [CPU]	(root; says "ready" once mounted; end it with umount MOUNTPOINT)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "null-server.h"

static void serve(int fd)
{
	size_t capacity = MAX_WRITE_BYTES + PAGE_BYTES;
	char *message = aligned_alloc(PAGE_BYTES, capacity);
	static struct answer a;

	if (!message)
		die("%zu bytes for requests", capacity);
	for (;;) {
		ssize_t got = read(fd, message, capacity);
		struct request r = request_in(message);

		if (got < 0 && (errno == EINTR || errno == ENOENT))
			continue;
		if (got < 0 && errno == ENODEV)		/* unmounted */
			return;
		if (got < 0)
			die("reading /dev/fuse");
		if (handled_without_reply(&r))
			continue;
		answer(&r, &a, 0);

		struct iovec pieces[2] = {
			{ &a, sizeof(a.header) + a.body_bytes },
			{ (char *)a.data, a.data_bytes },
		};

		/* ENOENT: the request was interrupted meanwhile. */
		if (writev(fd, pieces, a.data_bytes ? 2 : 1) < 0 && errno != ENOENT)
			die("answering opcode %u", r.header->opcode);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3) {
		fputs("usage: devfuse-floor MOUNTPOINT [CPU]\n", stderr);
		return 2;
	}
	if (argc == 3)
		pin_to(atoi(argv[2]));
	serve(mount_floor(argv[1]));
	return 0;
}
