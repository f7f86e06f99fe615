/* SPDX-License-Identifier: MIT */
/* transit_times.c - how long packets were on the way: jitter, delay variation; needs no agreement of clocks. */
#include "transit_times.h"

/* Modulo 2^64 read as a signed number: hostile stamps give nonsense, but overflow nothing. */
static int64_t difference(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

static void record_signed(struct nb_histogram *above, struct nb_histogram *below, int64_t value)
{
	nb_histogram_record(value < 0 ? below : above, magnitude(value));
}

/* RFC 3550 A.8. D is the change of transit from one arrival to the next. */
static void count_jitter(struct nb_transit_times *times, int64_t transit_ns)
{
	double change = (double)magnitude(difference(transit_ns, times->previous_ns));

	times->jitter_ns += (change - times->jitter_ns) / 16;
	if (times->jitter_ns > times->jitter_max_ns)
		times->jitter_max_ns = times->jitter_ns;
}

void nb_transit_times_record(struct nb_transit_times *times, int64_t transit_ns)
{
	if (times->begun) {
		count_jitter(times, transit_ns);
	} else {
		times->begun = true;
		times->base_ns = transit_ns;
		times->min_ns = transit_ns;
		times->max_ns = transit_ns;
	}
	times->previous_ns = transit_ns;
	if (transit_ns < times->min_ns)
		times->min_ns = transit_ns;
	if (transit_ns > times->max_ns)
		times->max_ns = transit_ns;
	record_signed(&times->histograms->above, &times->histograms->below, difference(transit_ns, times->base_ns));
}

void nb_transit_times_pair(struct nb_transit_times *times, int64_t earlier_ns, int64_t later_ns)
{
	record_signed(&times->histograms->ipdv_above, &times->histograms->ipdv_below, difference(later_ns, earlier_ns));
}
