/* SPDX-License-Identifier: MIT */
/* loss_pattern.c - in which runs packets are lost, and how far apart (RFC 3357). */
#include "loss_pattern.h"

/**
 * DOC: Theory of operation
 *
 * Sequences come in order, in runs. The loss distance of a lost packet is its sequence less that of the one lost before:
 * 1 inside a run, and one more than what was received in between for the first of a run. So a run of any length costs
 * the same, and the distances need no histogram of their own: they are between_packets, and `lost - periods` ones.
 *
 * A lost packet has no stamp. Its period is told in time by the stamps around it, which cut a stream into stretches with
 * and without loss that add up to the whole. Where reordering put these stamps the wrong way round, the stretch has no
 * length in time that means anything, and is in the histogram of packets alone.
 */

static void record_time(struct nb_histogram *histogram, int64_t from_ns, int64_t to_ns)
{
	if (from_ns != NB_NO_STAMP && to_ns != NB_NO_STAMP && to_ns >= from_ns)
		nb_histogram_record(histogram, (uint64_t)to_ns - (uint64_t)from_ns);
}

static void begin_period(struct nb_loss_pattern *pattern)
{
	if (pattern->periods++) {
		uint64_t distance = pattern->received_run + 1;

		nb_histogram_record(&pattern->histograms->between_packets, distance);
		record_time(&pattern->histograms->between_ns, pattern->after_ns, pattern->before_ns);
		pattern->noticeable += distance <= pattern->delta;
	}
	pattern->received_run = 0;
}

void nb_loss_pattern_lost(struct nb_loss_pattern *pattern, uint64_t count)
{
	uint64_t adjacent = count; /* that have a lost packet right below them */

	if (!pattern->lost_run) {
		begin_period(pattern);
		adjacent--;
	}
	if (pattern->delta)
		pattern->noticeable += adjacent;
	pattern->lost += count;
	pattern->lost_run += count;
	if (pattern->lost_run > pattern->longest)
		pattern->longest = pattern->lost_run;
}

void nb_loss_pattern_received(struct nb_loss_pattern *pattern, uint64_t count, int64_t first_ns, int64_t last_ns)
{
	if (pattern->lost_run) {
		nb_histogram_record(&pattern->histograms->length_packets, pattern->lost_run);
		record_time(&pattern->histograms->length_ns, pattern->before_ns, first_ns);
		pattern->after_ns = first_ns;
		pattern->lost_run = 0;
	}
	pattern->received_run += count;
	pattern->before_ns = last_ns;
}
