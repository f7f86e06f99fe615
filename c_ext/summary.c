/* SPDX-License-Identifier: MIT */
/* summary.c - the few numbers of a distribution that a table shows. */
#include "summary.h"

#include <math.h>

void nb_summary_of(struct nb_summary *summary, const struct nb_histogram *histogram)
{
	*summary = (struct nb_summary){ .count = histogram->count };
	if (!histogram->count)
		return;
	summary->min = (int64_t)histogram->min;
	summary->max = (int64_t)histogram->max;
	summary->mean = (double)histogram->sum / (double)histogram->count;
	summary->p50 = (int64_t)nb_histogram_quantile(histogram, 0.5);
	summary->p99 = (int64_t)nb_histogram_quantile(histogram, 0.99);
	summary->p99_9 = (int64_t)nb_histogram_quantile(histogram, 0.999);
}

/* The value of rank @rank (from 1), exact at both ends. Half a rank less survives the rounding of rank -> quantile -> rank. */
static uint64_t of_rank(const struct nb_histogram *histogram, uint64_t rank)
{
	if (rank == 1)
		return histogram->min;
	if (rank == histogram->count)
		return histogram->max;
	return nb_histogram_quantile(histogram, ((double)rank - 0.5) / (double)histogram->count);
}

/*
 * The values in ascending order are: those below the base, farthest first, then those above it, nearest first. Modulo
 * 2^64, as the distances were taken: the middle of a bucket may lie beyond what 64 bits hold with a sign.
 */
static int64_t offset_quantile(const struct nb_histogram *above, const struct nb_histogram *below, int64_t base,
			       double quantile)
{
	uint64_t count = above->count + below->count;
	uint64_t rank = (uint64_t)ceil(quantile * (double)count);

	if (rank <= below->count)
		return (int64_t)((uint64_t)base - of_rank(below, below->count - rank + 1));
	return (int64_t)((uint64_t)base + of_rank(above, rank - below->count));
}

void nb_summary_of_offsets(struct nb_summary *summary, const struct nb_histogram *above,
			   const struct nb_histogram *below, int64_t base, int64_t min, int64_t max)
{
	*summary = (struct nb_summary){ .count = above->count + below->count };
	if (!summary->count)
		return;
	summary->min = min;
	summary->max = max;
	summary->mean = (double)base + ((double)above->sum - (double)below->sum) / (double)summary->count;
	summary->p50 = offset_quantile(above, below, base, 0.5);
	summary->p99 = offset_quantile(above, below, base, 0.99);
	summary->p99_9 = offset_quantile(above, below, base, 0.999);
}
