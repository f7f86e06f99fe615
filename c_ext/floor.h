/* SPDX-License-Identifier: MIT */
/* floor.h - what this place costs before any packet moves: reading the clock, waking up. */
#ifndef NB_FLOOR_H
#define NB_FLOOR_H

#include <stdatomic.h>
#include <stdint.h>

#include "histogram.h"

/* Nanoseconds of one clock_gettime(CLOCK_REALTIME), the mean over @readings. */
double nb_floor_clock_cost_ns(uint32_t readings);
/* Smallest step seen between two readings that differ; 0 when none did. */
int64_t nb_floor_clock_step_ns(uint32_t readings);
/* How late an absolute sleep of @interval_ns wakes up, @wakeups times; ends early when @stop is set. */
void nb_floor_wakeup(struct nb_histogram *histogram, uint32_t wakeups, int64_t interval_ns, const atomic_bool *stop);

#endif
