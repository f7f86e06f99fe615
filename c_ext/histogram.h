/* SPDX-License-Identifier: MIT */
/* histogram.h - log-linear counts of nanoseconds, with exact count, sum, minimum and maximum beside them. */
#ifndef NB_HISTOGRAM_H
#define NB_HISTOGRAM_H

#include <stdint.h>

/* 32 buckets per power of two: a bucket is at most 1/32 (3.1 %) wide; values below 64 are exact. */
#define NB_HISTOGRAM_SUB_BITS 5
/* Values of 2^40 ns (18 minutes) and more share the last bucket; min, max and sum stay exact. */
#define NB_HISTOGRAM_MAX_BITS 40
#define NB_HISTOGRAM_BUCKETS ((NB_HISTOGRAM_MAX_BITS - NB_HISTOGRAM_SUB_BITS + 1) << NB_HISTOGRAM_SUB_BITS)

/* All zero is empty. */
struct nb_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t min; /* means nothing while empty */
	uint64_t max;
	uint64_t buckets[NB_HISTOGRAM_BUCKETS];
};

void nb_histogram_reset(struct nb_histogram *histogram);
void nb_histogram_record(struct nb_histogram *histogram, uint64_t value);
void nb_histogram_merge(struct nb_histogram *into, const struct nb_histogram *from);

/* Bounds of bucket @index: [lower, upper). */
uint64_t nb_histogram_lower(uint32_t index);
uint64_t nb_histogram_upper(uint32_t index);
uint32_t nb_histogram_index(uint64_t value);

/**
 * nb_histogram_quantile() - Smallest recorded value such that @quantile of all values are not above it.
 * @histogram: the counts
 * @quantile: 0..1 (nearest rank: rank = ceil(quantile * count), at least 1)
 *
 * The bucket's middle, clamped to the exact minimum and maximum; 0 and 1 give these exactly.
 *
 * Return: the value in nanoseconds, 0 when empty (look at count)
 */
uint64_t nb_histogram_quantile(const struct nb_histogram *histogram, double quantile);

#endif
