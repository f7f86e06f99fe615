/* SPDX-License-Identifier: MIT */
/* deadline.h - until when a capture goes on, and how long it may sleep before it looks up. */
#ifndef NB_DEADLINE_H
#define NB_DEADLINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"

/* No blocking call sleeps longer than this, so that a stop is seen in time. */
#define NB_LOOK_UP_MS 100

/* Is it time to end? @deadline_ns is of CLOCK_MONOTONIC, 0 is never. */
static inline bool nb_deadline_reached(int64_t deadline_ns, const atomic_bool *stop)
{
	if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed))
		return true;
	return deadline_ns != 0 && nb_monotonic_ns() >= deadline_ns;
}

/* Milliseconds to sleep at most, rounded up so that the last one is slept and not spun away. */
static inline int nb_deadline_sleep_ms(int64_t deadline_ns)
{
	int64_t left_ns;

	if (deadline_ns == 0)
		return NB_LOOK_UP_MS;
	left_ns = deadline_ns - nb_monotonic_ns();
	if (left_ns <= 0)
		return 0;
	if (left_ns >= NB_LOOK_UP_MS * INT64_C(1000000))
		return NB_LOOK_UP_MS;
	return (int)((left_ns + 999999) / 1000000);
}

#endif
