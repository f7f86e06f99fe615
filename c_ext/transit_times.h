/* SPDX-License-Identifier: MIT */
/* transit_times.h - how long packets were on the way: jitter, delay variation; needs no agreement of clocks. */
#ifndef NB_TRANSIT_TIMES_H
#define NB_TRANSIT_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

struct nb_transit_histograms {
	struct nb_histogram above;      /* transit at or above base_ns, */
	struct nb_histogram below;      /* and the distance below it */
	struct nb_histogram ipdv_above; /* RFC 5481 section 4.1: differences at or above 0, */
	struct nb_histogram ipdv_below; /* and the size of those below it */
};

/* Transit is receive stamp less send stamp, modulo 2^64: that of clocks that disagree is large, its changes are exact. */
struct nb_transit_times {
	struct nb_transit_histograms *histograms; /* lent; apart, for what is counted per packet should lie together */
	bool begun; /* what follows holds */
	int64_t base_ns; /* of the first packet; above and below are relative to it */
	int64_t min_ns;
	int64_t max_ns;
	int64_t previous_ns; /* in order of arrival */
	double jitter_ns; /* RFC 3550 A.8, current value */
	double jitter_max_ns;
};

/* One packet that is no copy, in order of arrival. All zero but for histograms is the beginning. */
void nb_transit_times_record(struct nb_transit_times *times, int64_t transit_ns);

/* Transits of two packets with successive sequences; each such pair once, in whatever order the two came. */
void nb_transit_times_pair(struct nb_transit_times *times, int64_t earlier_ns, int64_t later_ns);

#endif
