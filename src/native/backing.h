/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files and devices that are mapped, each kept open once. Behind the page cache, one fdatasync(2) writes whatever
 * mappings have changed of a file, wherever that lies, and has the disk write its cache. Nothing of Node is in it, so
 * that a test can be built of it alone. Invariant: when sync_backing() returns and backing_error() is 0, all that was
 * stored before the call is durable; an error that any thread was given holds for every thread, as long as the file is
 * mapped.
 */
#ifndef PMFS2_BACKING_H
#define PMFS2_BACKING_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct backing {
	struct backing *next;
	int fd;
	dev_t device, special;
	ino_t inode;
	size_t mappings;		/* that have taken it */
	pthread_mutex_t mutex;
	pthread_cond_t one_ended;
	uint64_t begun, ended;		/* calls of fdatasync(2); there is one at a time */
	_Atomic int error;		/* of the first that failed: an errno */
};

/*
 * The backing of an open file: the one that other mappings of the file have taken, or a new one. That keeps the file
 * open by a descriptor of a higher number, so that the first descriptors of several files are in the order of their
 * opening. NULL where that cannot be had, and errno says why.
 */
struct backing *take_backing(int fd);
void drop_backing(struct backing *backing);
/* Waits for a sync that began after the call. Threads that wait at the same time share one. */
void sync_backing(struct backing *backing);
/* The errno of the first sync that failed, or 0. */
int backing_error(struct backing *backing);

/* mapping.c has it; called when the first sync of a backing has failed, before anybody takes it for durable. */
void count_failure(void);
/* The same; called when one that has failed is mapped no more. */
void uncount_failure(void);

#endif
