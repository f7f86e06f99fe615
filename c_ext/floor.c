/* SPDX-License-Identifier: MIT */
/* floor.c - what this place costs before any packet moves: reading the clock, waking up. */
#include "floor.h"

#include <stdbool.h>
#include <stddef.h>

#include "clock.h"

#define SLEEP_SLICE_NS INT64_C(50000000)

double nb_floor_clock_cost_ns(uint32_t readings)
{
	int64_t began_ns = nb_monotonic_ns();

	if (readings == 0)
		return 0;
	for (uint32_t i = 0; i < readings; i++) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		/* The reading counts, not what it says; without this a compiler may leave it out. */
		__asm__ volatile("" : : "g"(&now) : "memory");
	}
	return (double)(nb_monotonic_ns() - began_ns) / readings;
}

int64_t nb_floor_clock_step_ns(uint32_t readings)
{
	int64_t smallest_ns = 0;
	int64_t before_ns = nb_monotonic_ns();

	/* CLOCK_MONOTONIC ticks as CLOCK_REALTIME does, and is never set back in between. */
	for (uint32_t i = 0; i < readings; i++) {
		int64_t now_ns = nb_monotonic_ns();
		int64_t step_ns = now_ns - before_ns;

		if (step_ns > 0 && (smallest_ns == 0 || step_ns < smallest_ns))
			smallest_ns = step_ns;
		before_ns = now_ns;
	}
	return smallest_ns;
}

static bool stopped(const atomic_bool *stop)
{
	return stop != NULL && atomic_load_explicit(stop, memory_order_relaxed);
}

/* Sleep until @wake_ns by the same call as the pacer, in slices; false when stopped. */
static bool sleep_until(int64_t wake_ns, const atomic_bool *stop)
{
	int64_t now_ns = nb_monotonic_ns();

	while (now_ns < wake_ns) {
		int64_t until_ns = wake_ns - now_ns > SLEEP_SLICE_NS ? now_ns + SLEEP_SLICE_NS : wake_ns;
		struct timespec until = {
			.tv_sec = (time_t)(until_ns / NB_NS_PER_S),
			.tv_nsec = (long)(until_ns % NB_NS_PER_S),
		};

		if (stopped(stop))
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		now_ns = nb_monotonic_ns();
	}
	return !stopped(stop);
}

void nb_floor_wakeup(struct nb_histogram *histogram, uint32_t wakeups, int64_t interval_ns, const atomic_bool *stop)
{
	for (uint32_t i = 0; i < wakeups; i++) {
		/* From now, not from the wake-up before: one late wake-up must not turn the next sleeps into none. */
		int64_t wake_ns;

		if (__builtin_add_overflow(nb_monotonic_ns(), interval_ns > 0 ? interval_ns : 0, &wake_ns))
			wake_ns = INT64_MAX;
		if (!sleep_until(wake_ns, stop))
			return;
		nb_histogram_record(histogram, (uint64_t)(nb_monotonic_ns() - wake_ns));
	}
}
