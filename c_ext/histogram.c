/* SPDX-License-Identifier: MIT */
/* histogram.c - log-linear counts of nanoseconds, with exact count, sum, minimum and maximum beside them. */
#include "histogram.h"

#include <string.h>

/**
 * DOC: Theory of operation
 *
 * A value's power of two picks a row, its next NB_HISTOGRAM_SUB_BITS bits the bucket in it: two shifts and an addition,
 * no search and no division. Values below two rows' length have a bucket each, so the small ones are exact, and a
 * larger one is off by half a bucket at most, 1/64 of itself. The rows join up: with v in [2^k, 2^(k+1)) and shift = k
 * - SUB_BITS, v >> shift lies in [32, 64), and (shift << SUB_BITS) + (v >> shift) goes on where row k - 1 ended.
 */
#define ROW (UINT32_C(1) << NB_HISTOGRAM_SUB_BITS)
#define LAST (NB_HISTOGRAM_BUCKETS - 1)

void nb_histogram_reset(struct nb_histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->min = UINT64_MAX;
}

uint32_t nb_histogram_index(uint64_t value)
{
	uint32_t shift;

	if (value < 2 * ROW)
		return (uint32_t)value;
	if (value >> NB_HISTOGRAM_MAX_BITS)
		return LAST;
	shift = 63 - (uint32_t)__builtin_clzll(value) - NB_HISTOGRAM_SUB_BITS;
	return (shift << NB_HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

uint64_t nb_histogram_lower(uint32_t index)
{
	uint32_t shift;

	if (index > LAST)
		index = LAST;
	if (index < 2 * ROW)
		return index;
	shift = (index >> NB_HISTOGRAM_SUB_BITS) - 1;
	return (uint64_t)(index - (shift << NB_HISTOGRAM_SUB_BITS)) << shift;
}

uint64_t nb_histogram_upper(uint32_t index)
{
	return index >= LAST ? UINT64_MAX : nb_histogram_lower(index + 1);
}

/* A sum of hostile stamps stays at the top instead of starting again from nothing. */
static uint64_t add_saturating(uint64_t sum, uint64_t value)
{
	uint64_t result;

	return __builtin_add_overflow(sum, value, &result) ? UINT64_MAX : result;
}

void nb_histogram_record(struct nb_histogram *histogram, uint64_t value)
{
	if (!histogram->count++ || value < histogram->min)
		histogram->min = value;
	histogram->sum = add_saturating(histogram->sum, value);
	if (value > histogram->max)
		histogram->max = value;
	histogram->buckets[nb_histogram_index(value)]++;
}

void nb_histogram_merge(struct nb_histogram *into, const struct nb_histogram *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min < into->min)
		into->min = from->min;
	into->count += from->count;
	into->sum = add_saturating(into->sum, from->sum);
	if (from->max > into->max)
		into->max = from->max;
	for (uint32_t index = 0; index < NB_HISTOGRAM_BUCKETS; index++)
		into->buckets[index] += from->buckets[index];
}

/* Nearest rank. What a decimal fraction loses in binary (0.07 * 100 is just above 7) must not push it up a rank. */
static uint64_t rank_of(uint64_t count, double quantile)
{
	double exact = quantile * (double)count * (1 - 1e-12);
	uint64_t rank = (uint64_t)exact;

	if ((double)rank < exact)
		rank++;
	if (!rank)
		return 1;
	return rank < count ? rank : count;
}

uint64_t nb_histogram_quantile(const struct nb_histogram *histogram, double quantile)
{
	uint64_t rank, seen = 0;

	if (!histogram->count)
		return 0;
	if (!(quantile > 0)) /* NaN too */
		return histogram->min;
	if (quantile >= 1)
		return histogram->max;

	rank = rank_of(histogram->count, quantile);
	for (uint32_t index = 0; index < LAST; index++) {
		uint64_t lower = nb_histogram_lower(index), middle;

		seen += histogram->buckets[index];
		if (seen < rank)
			continue;
		middle = lower + (nb_histogram_upper(index) - lower) / 2;
		if (middle < histogram->min)
			return histogram->min;
		return middle > histogram->max ? histogram->max : middle;
	}
	return histogram->max; /* the last bucket has no upper bound, so no middle */
}
