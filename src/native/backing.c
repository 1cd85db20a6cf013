/* SPDX-License-Identifier: GPL-2.0-only */
/* Mapped files and devices, and fdatasync(2) of those behind the page cache; see backing.h. */
#include "backing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "primitives.h"

static struct backing *all;
static pthread_mutex_t all_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct backing *make_backing(int fd, const struct stat *file)
{
	struct backing *backing = malloc(sizeof(*backing));

	if (!backing)
		return NULL;
	*backing = (struct backing){
		.next = all,
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, fd),
		.device = file->st_dev,
		.special = file->st_rdev,
		.inode = file->st_ino,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.one_ended = PTHREAD_COND_INITIALIZER,
	};
	if (backing->fd < 0) {
		free(backing);
		return NULL;
	}
	all = backing;
	return backing;
}

static bool is_of(const struct backing *backing, const struct stat *file)
{
	return backing->device == file->st_dev && backing->inode == file->st_ino && backing->special == file->st_rdev;
}

struct backing *take_backing(int fd)
{
	struct backing *backing;
	struct stat file;

	if (fstat(fd, &file))
		return NULL;
	pthread_mutex_lock(&all_mutex);
	for (backing = all; backing && !is_of(backing, &file);)
		backing = backing->next;
	if (!backing)
		backing = make_backing(fd, &file);
	if (backing)
		backing->mappings++;
	pthread_mutex_unlock(&all_mutex);
	return backing;
}

void drop_backing(struct backing *backing)
{
	struct backing **link = &all;

	pthread_mutex_lock(&all_mutex);
	if (!--backing->mappings) {
		while (*link != backing)
			link = &(*link)->next;
		*link = backing->next;
		close(backing->fd);
		if (backing->error)
			uncount_failure();
		free(backing);
	}
	pthread_mutex_unlock(&all_mutex);
}

/* No signal interrupts it: the kernel reports an error once, and a call that was interrupted may have been the one. */
static int sync_once(int fd)
{
	sigset_t signals, before;
	int error;

	sigfillset(&signals);
	pthread_sigmask(SIG_BLOCK, &signals, &before);
	error = sync_file(fd) ? errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

void sync_backing(struct backing *backing)
{
	uint64_t needed;

	pthread_mutex_lock(&backing->mutex);
	/* A sync that has begun may have passed the pages of this thread already. */
	needed = backing->begun + 1;
	while (backing->ended < needed) {
		int error;

		if (backing->begun > backing->ended) {
			pthread_cond_wait(&backing->one_ended, &backing->mutex);
			continue;
		}
		backing->begun++;
		pthread_mutex_unlock(&backing->mutex);
		error = sync_once(backing->fd);
		pthread_mutex_lock(&backing->mutex);
		/* Noted before another thread can take a later success for its own. */
		if (error && !backing->error) {
			backing->error = error;
			count_failure();
		}
		backing->ended++;
		pthread_cond_broadcast(&backing->one_ended);
	}
	pthread_mutex_unlock(&backing->mutex);
}

int backing_error(struct backing *backing)
{
	return backing->error;
}
