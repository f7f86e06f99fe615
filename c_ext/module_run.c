/* SPDX-License-Identifier: MIT */
/* module_run.c - blocking calls of the core: without the GIL, and still interruptible by Ctrl-C. */
#include "module.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "clock.h"

/*
 * Theory of operation
 *
 * Python runs signal handlers in the main thread only, between bytecodes: a thread inside the core would never get there. So
 * the core's loop runs in a thread of its own, with all signals blocked (none disturbs the packets), and the caller waits for
 * it without the GIL, looking for signals every 100 ms. The thread inherits the caller's CPU affinity, scheduling class and
 * network namespace.
 */

struct blocking_call {
	nb_blocking call;
	void *context;
	const atomic_bool *stop;
	struct nb_error error;
	int code;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool has_ended; /* under lock */
};

static void *blocking_thread(void *argument)
{
	struct blocking_call *blocking = argument;

	blocking->code = blocking->call(blocking->context, blocking->stop, &blocking->error);
	pthread_mutex_lock(&blocking->lock);
	blocking->has_ended = true;
	pthread_cond_signal(&blocking->ended);
	pthread_mutex_unlock(&blocking->lock);
	return NULL;
}

static int start_thread(pthread_t *thread, struct blocking_call *blocking)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(thread, NULL, blocking_thread, blocking);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code ? nb_fail(&blocking->error, -code, "start a thread") : 0;
}

/* Wait at most 100 ms. */
static bool wait_for_end(struct blocking_call *blocking)
{
	int64_t until_ns = nb_monotonic_ns() + 100 * INT64_C(1000000);
	struct timespec until = { .tv_sec = until_ns / NB_NS_PER_S, .tv_nsec = until_ns % NB_NS_PER_S };
	bool has_ended;
	int code = 0;

	pthread_mutex_lock(&blocking->lock);
	while (!blocking->has_ended && code != ETIMEDOUT)
		code = pthread_cond_timedwait(&blocking->ended, &blocking->lock, &until);
	has_ended = blocking->has_ended;
	pthread_mutex_unlock(&blocking->lock);
	return has_ended;
}

int nb_deadline_after(uint64_t duration_ns, int64_t *deadline_ns)
{
	if (duration_ns > INT64_MAX / 2) {
		PyErr_SetString(PyExc_ValueError, "duration_ns must be below 2^62");
		return -1;
	}
	*deadline_ns = duration_ns ? nb_monotonic_ns() + (int64_t)duration_ns : 0;
	return 0;
}

int nb_run_blocking(nb_blocking call, void *context, atomic_bool *stop)
{
	struct blocking_call blocking = { .call = call, .context = context, .stop = stop };
	bool has_ended = false, raised = false;
	pthread_condattr_t attributes;
	pthread_t thread;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&blocking.ended, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&blocking.lock, NULL);

	blocking.code = start_thread(&thread, &blocking);
	if (blocking.code)
		goto out_destroy;
	while (!has_ended) {
		/* Dropped, since the core works for seconds and other threads read its counts meanwhile. */
		Py_BEGIN_ALLOW_THREADS has_ended = wait_for_end(&blocking);
		Py_END_ALLOW_THREADS if (!raised && PyErr_CheckSignals())
		{
			raised = true; /* the exception stays set until the thread has closed its books */
			atomic_store(stop, true);
		}
	}
	pthread_join(thread, NULL);
out_destroy:
	pthread_mutex_destroy(&blocking.lock);
	pthread_cond_destroy(&blocking.ended);
	if (raised)
		return -1;
	if (blocking.code) {
		nb_raise_os(&blocking.error);
		return -1;
	}
	return 0;
}
