/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells when the mount table of this process changes. The kernel offers no event that Node can wait for, so a thread
 * waits in poll(2) and writes to a pipe. Invariant: the thread ends when the pipe's reader does.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "native.h"

struct watch {
	int table;
	int pipe;
};

static void *watch_table(void *argument)
{
	struct watch watch = *(struct watch *)argument;
	struct pollfd waits[] = {
		{ .fd = watch.table, .events = POLLPRI },
		{ .fd = watch.pipe },	/* POLLERR, which always counts: nobody reads any more */
	};

	free(argument);
	for (;;) {
		if (poll(waits, 2, -1) < 0)
			continue;	/* EINTR or ENOMEM */
		if (waits[1].revents)
			break;
		/* A full pipe has told it already. */
		if (waits[0].revents && write(watch.pipe, "", 1) < 0 && errno != EAGAIN && errno != EINTR)
			break;
	}
	close(watch.table);
	close(watch.pipe);
	return NULL;
}

/* Starts the thread, which then owns both descriptors. 0 or a negative errno. */
static int start(int table, int pipe)
{
	struct watch *watch = malloc(sizeof(*watch));
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	if (!watch)
		return -ENOMEM;
	*watch = (struct watch){ table, pipe };
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + 16384);
	/* Signals are for the threads that expect them; a write to a pipe without a reader is to fail, not to kill. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attributes, watch_table, watch);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error)
		free(watch);
	return -error;
}

CALL(call_watch_mounts)
{
	int ends[2], table, error;

	(void)info;
	table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (table < 0)
		return give(env, -errno);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK)) {
		error = -errno;
		close(table);
		return give(env, error);
	}
	error = start(table, ends[1]);
	if (error) {
		close(table);
		close(ends[1]);
		close(ends[0]);
		return give(env, error);
	}
	return give(env, ends[0]);
}
