/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calling thread: its processor, its number, its name, and the signal that gets it out of a
 * blocking read. Invariant: the signal's handler does nothing and is installed without SA_RESTART,
 * so that all it can do is end a system call with EINTR. It is not a real-time signal: those are
 * queued, and refused with EAGAIN where RLIMIT_SIGPENDING is reached (signal(7)).
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "native.h"

/* More processors than Linux can be built for (CONFIG_NR_CPUS is 8192 at most). */
enum { MAX_PROCESSORS = 65536 };

enum { INTERRUPT_SIGNAL = SIGURG };

static void do_nothing(int signal)
{
	(void)signal;
}

static void install_handler(void)
{
	struct sigaction action = { .sa_handler = do_nothing };

	sigemptyset(&action.sa_mask);
	sigaction(INTERRUPT_SIGNAL, &action, NULL);
}

void accept_interrupts(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t signals;

	pthread_once(&once, install_handler);
	sigemptyset(&signals);
	sigaddset(&signals, INTERRUPT_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

CALL(call_pin)
{
	cpu_set_t *processors;
	int64_t processor;
	size_t bytes;
	int error = 0;

	if (!read_words(env, info, &processor, 1))
		return NULL;
	if (processor < 0 || processor >= MAX_PROCESSORS)
		return give(env, -EINVAL);
	processors = CPU_ALLOC(processor + 1);
	if (!processors)
		return give(env, -ENOMEM);
	bytes = CPU_ALLOC_SIZE(processor + 1);
	CPU_ZERO_S(bytes, processors);
	CPU_SET_S(processor, bytes, processors);
	if (sched_setaffinity(0, bytes, processors))	/* 0: this thread, not the process */
		error = -errno;
	CPU_FREE(processors);
	return give(env, error);
}

CALL(call_thread_id)
{
	(void)info;
	return give(env, syscall(SYS_gettid));
}

CALL(call_interrupt_thread)
{
	int64_t thread;

	if (!read_words(env, info, &thread, 1))
		return NULL;
	if (thread <= 0 || thread > INT32_MAX)
		return give(env, -EINVAL);
	/* tgkill: a thread of this process and of no other, even if the number is used anew. */
	return give(env, syscall(SYS_tgkill, getpid(), (pid_t)thread, INTERRUPT_SIGNAL) ? -errno : 0);
}

CALL(call_name_thread)
{
	size_t given = 1;
	napi_value argument;
	char *name;
	int error;

	if (napi_get_cb_info(env, info, &given, &argument, NULL, NULL) != napi_ok)
		return NULL;
	name = read_string(env, argument, &error);
	if (!name)
		return NULL;
	if (!error && prctl(PR_SET_NAME, name))	/* cuts it to 15 bytes */
		error = -errno;
	free(name);
	return give(env, error);
}
