/* SPDX-License-Identifier: MIT */
/* summary.h - the few numbers of a distribution that a table shows. */
#ifndef NB_SUMMARY_H
#define NB_SUMMARY_H

#include <stdint.h>

#include "histogram.h"

/* Nanoseconds; everything but count is meaningless while count == 0. */
struct nb_summary {
	uint64_t count;
	int64_t min; /* exact */
	int64_t max; /* exact */
	double mean;
	int64_t p50, p99, p99_9; /* nearest rank, as exact as the histogram's buckets */
};

void nb_summary_of(struct nb_summary *summary, const struct nb_histogram *histogram);

/**
 * nb_summary_of_offsets() - Summary of values that are kept as distances from a base.
 * @summary: filled
 * @above: distances of the values at or above @base
 * @below: distances of the values below it
 * @base: the value that the distances are taken from
 * @min: smallest value, exact
 * @max: largest value, exact
 */
void nb_summary_of_offsets(struct nb_summary *summary, const struct nb_histogram *above,
			   const struct nb_histogram *below, int64_t base, int64_t min, int64_t max);

#endif
