/* SPDX-License-Identifier: MIT */
/* pooled.c - distributions over all streams of a table, put together when somebody asks. */
#include "pooled.h"

/*
 * Theory of operation
 *
 * A tracker keeps transit as distances from the stream's first transit, above and below it, since only then are the buckets fine
 * where it matters whatever the clocks' offset is. Pooling moves each bucket's middle back to its place, and bounds it by the
 * exact smallest and largest; count and sum come from the exact figures beside the buckets.
 */

static uint64_t middle(uint32_t bucket)
{
	uint64_t lower = nb_histogram_lower(bucket);

	return lower + (nb_histogram_upper(bucket) - lower) / 2;
}

/* How far apart two stamps are, @later not before @earlier; whatever a hostile probe claims, it fits 64 bits. */
static uint64_t distance(int64_t later, int64_t earlier)
{
	return (uint64_t)later - (uint64_t)earlier;
}

/* Add one side of a stream's transit around its @base; @farthest bounds the middles of the outer buckets. */
static void pool_side(struct nb_histogram *pooled, const struct nb_histogram *side, bool above, uint64_t farthest,
		      uint64_t base)
{
	if (!side->count)
		return;
	for (uint32_t bucket = 0; bucket < NB_HISTOGRAM_BUCKETS; bucket++) {
		uint64_t packets = side->buckets[bucket];
		uint64_t offset;

		if (!packets)
			continue;
		offset = middle(bucket);
		if (offset > farthest)
			offset = farthest;
		pooled->buckets[nb_histogram_index(above ? base + offset : base - offset)] += packets;
	}
	pooled->count += side->count;
	pooled->sum += side->count * base + (above ? side->sum : -side->sum);
}

static void pool_stream(struct nb_histogram *pooled, const struct nb_tracker *tracker,
			const struct nb_stream_counts *counts, int64_t origin)
{
	uint64_t least = distance(counts->transit_min_ns, origin), most = distance(counts->transit_max_ns, origin);
	uint64_t base = distance(counts->transit_base_ns, origin);

	pool_side(pooled, nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE), true, most - base, base);
	pool_side(pooled, nb_tracker_distribution(tracker, NB_TRANSIT_BELOW), false, base - least, base);
	if (least < pooled->min)
		pooled->min = least;
	if (most > pooled->max)
		pooled->max = most;
}

static bool has_transit(const struct nb_tracker *tracker)
{
	return nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->count ||
	       nb_tracker_distribution(tracker, NB_TRANSIT_BELOW)->count;
}

void nb_pooled(struct nb_histogram *pooled, const struct nb_table *table, enum nb_distribution which)
{
	nb_histogram_reset(pooled);
	for (uint32_t i = 0; i < nb_table_count(table); i++)
		nb_histogram_merge(pooled, nb_tracker_distribution(nb_table_tracker(table, i), which));
}

void nb_pooled_pdv(struct nb_histogram *pooled, const struct nb_table *table)
{
	struct nb_stream_counts counts;

	nb_histogram_reset(pooled);
	for (uint32_t i = 0; i < nb_table_count(table); i++) {
		const struct nb_tracker *tracker = nb_table_tracker(table, i);

		nb_tracker_read(tracker, &counts);
		if (has_transit(tracker))
			pool_stream(pooled, tracker, &counts, counts.transit_min_ns);
	}
}

bool nb_pooled_transit(struct nb_histogram *pooled, const struct nb_table *table)
{
	struct nb_stream_counts counts;

	nb_histogram_reset(pooled);
	for (uint32_t i = 0; i < nb_table_count(table); i++) {
		const struct nb_tracker *tracker = nb_table_tracker(table, i);

		nb_tracker_read(tracker, &counts);
		/* What RTP has in place of a send time says nothing about how long a packet took. */
		if (!has_transit(tracker) || nb_table_key(table, i)->kind == NB_KIND_RTP)
			continue;
		if (counts.transit_min_ns < 0)
			return false;
		pool_stream(pooled, tracker, &counts, 0);
	}
	return true;
}
