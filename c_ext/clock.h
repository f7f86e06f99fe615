/* SPDX-License-Identifier: MIT */
/* clock.h - nanoseconds of the two clocks that the core reads. */
#ifndef NB_CLOCK_H
#define NB_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NB_NS_PER_S INT64_C(1000000000)

/* Timespec to nanoseconds; exact until the year 2262. */
static inline int64_t nb_timespec_ns(const struct timespec *time)
{
	return (int64_t)time->tv_sec * NB_NS_PER_S + time->tv_nsec;
}

/* The clock of kernel receive stamps: what is written into probes and compared between hosts. */
static inline int64_t nb_realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return nb_timespec_ns(&now);
}

/* The clock of schedules and deadlines: never steps. */
static inline int64_t nb_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return nb_timespec_ns(&now);
}

#endif
