/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that sync one file at the same time, over an fdatasync(2) that lasts until the test lets it end. It is linked
 * with the helper's own source, and stands in for the rest. Prints what happened.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "../../src/native/backing.h"

enum { THREADS = 4 };

static sem_t may_end;
static atomic_int began, ended, returned, failures;
static int next_error;

int fdatasync(int fd)
{
	(void)fd;
	began++;
	sem_wait(&may_end);
	ended++;
	errno = next_error;
	return next_error ? -1 : 0;
}

void count_failure(void)
{
	failures++;
}

void uncount_failure(void)
{
	failures--;
}

static void *sync_it(void *backing)
{
	int error;

	sync_backing(backing);
	error = backing_error(backing);
	returned++;
	return (void *)(intptr_t)error;
}

/* Until a count has reached its value, or a second has passed. */
static void await(atomic_int *count, int value)
{
	const struct timespec pause = { 0, 1000000 };

	for (int n = 0; n < 1000 && *count < value; n++)
		nanosleep(&pause, NULL);
}

/* Time for whatever should not happen. */
static void settle(void)
{
	const struct timespec pause = { 0, 100000000 };

	nanosleep(&pause, NULL);
}

/* One thread syncs; others come when that has begun. Prints the syncs, and who has returned after each. */
static void crowd(struct backing *backing, int error)
{
	pthread_t threads[THREADS];
	void *told;
	int sum = 0;

	began = ended = returned = 0;
	next_error = error;
	pthread_create(&threads[0], NULL, sync_it, backing);
	await(&began, 1);
	for (int i = 1; i < THREADS; i++)
		pthread_create(&threads[i], NULL, sync_it, backing);
	settle();
	printf("began %d returned %d\n", began, returned);
	sem_post(&may_end);
	await(&returned, 1);
	await(&began, 2);
	settle();
	printf("began %d returned %d\n", began, returned);
	/* The kernel reports an error once. */
	next_error = 0;
	sem_post(&may_end);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &told);
		sum += (intptr_t)told == error;
	}
	printf("began %d told %d failures %d\n", began, sum, failures);
}

int main(void)
{
	struct backing *backing = take_backing(0), *again = take_backing(0);

	sem_init(&may_end, 0, 0);
	printf("same %d\n", backing == again);
	drop_backing(again);
	crowd(backing, 0);
	crowd(backing, EIO);
	drop_backing(backing);
	printf("failures %d\n", failures);
	return 0;
}
