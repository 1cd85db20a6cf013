/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a worker waits for the next request. Asleep it costs nothing, but its processor may be idle then, and the
 * scheduler moves a client there that is free to move, at every reply: waking an idle processor costs several times
 * what a request does. So a worker first looks for a while, and offers its processor between two looks to whoever
 * else can run there: that takes nothing from a client, or from any program, on the worker's own processor.
 * Invariant: a worker that has had no request for a while sleeps.
 */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "ring.h"

/*
 * A look is long, because the scheduler moves a client to this processor once it is idle: looking keeps the client
 * where it is. What looks in vain may take is earned by requests that come soon, about as much as waking an idle
 * processor for each would have cost. And where another program keeps the processor once it is offered, a worker that
 * looks would have to wait for it, while the kernel lets one that slept run at once. So such a worker sleeps for many
 * times as long as it had to wait, and for twice as long each time that it happens again.
 */
enum { LOOK_NANOSECONDS = 1000000, SOON_NANOSECONDS = 200000 };
enum { EARNED_NANOSECONDS = 100000, MOST_CREDIT_NANOSECONDS = 4000000 };
enum { TIMES_AS_LONG = 64, LONGEST_REST_NANOSECONDS = 1000000000 };

static int64_t now_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Looks for a request from `start` to `end`. *longest becomes the longest time that the processor was away. */
static int look(struct ring *ring, int64_t start, int64_t end, int64_t *longest)
{
	int error = ring_submit(ring);
	int64_t before = start;

	*longest = 0;
	while (!error && !ring_is_ready(ring) && before < end) {
		int64_t after;

		if (ring_has_work(ring))
			error = ring_enter(ring, 0);
		else
			sched_yield();
		after = now_nanoseconds();
		if (after - before > *longest)
			*longest = after - before;
		before = after;
	}
	return error;
}

static int sleep_on(struct ring *ring)
{
	return ring_is_ready(ring) ? 0 : ring_enter(ring, 1);
}

/* After a look that began at `now`, by the longest time that the processor was away. */
static void learn_of_others(struct habit *habit, int64_t longest, int64_t now)
{
	if (longest <= SOON_NANOSECONDS) {
		habit->rest -= habit->rest >> 4;
		return;
	}
	habit->rest *= 2;
	if (habit->rest < longest * TIMES_AS_LONG)
		habit->rest = longest * TIMES_AS_LONG;
	if (habit->rest > LONGEST_REST_NANOSECONDS)
		habit->rest = LONGEST_REST_NANOSECONDS;
	habit->rests_until = now + habit->rest;
}

static void learn_of_requests(struct habit *habit, int64_t waited, int64_t looked)
{
	if (waited <= SOON_NANOSECONDS) {
		habit->credit += EARNED_NANOSECONDS;
		if (habit->credit > MOST_CREDIT_NANOSECONDS)
			habit->credit = MOST_CREDIT_NANOSECONDS;
	} else {
		habit->credit -= looked;
		if (habit->credit < 0)
			habit->credit = 0;
	}
}

static int wait_as_learned(struct ring *ring)
{
	struct habit *habit = &ring->habit;
	int64_t start = now_nanoseconds(), looked = 0, longest;
	int error = 0;

	if (habit->credit >= LOOK_NANOSECONDS && start >= habit->rests_until) {
		error = look(ring, start, start + LOOK_NANOSECONDS, &longest);
		looked = now_nanoseconds() - start;
		learn_of_others(habit, longest, start);
	}
	if (!error)
		error = sleep_on(ring);
	learn_of_requests(habit, now_nanoseconds() - start, looked);
	return error;
}

static int wait_looking(struct ring *ring, int64_t nanoseconds)
{
	int64_t start = now_nanoseconds(), longest;
	int error = look(ring, start, start + nanoseconds, &longest);

	return error ? error : sleep_on(ring);
}

int ring_wait(struct ring *ring, int32_t poll_microseconds)
{
	int error;

	if (poll_microseconds < 0)
		error = wait_as_learned(ring);
	else if (poll_microseconds > 0)
		error = wait_looking(ring, poll_microseconds * INT64_C(1000));
	else
		error = sleep_on(ring);
	return error == -EINTR ? 0 : error;
}
