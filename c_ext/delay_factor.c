/* SPDX-License-Identifier: MIT */
/* delay_factor.c - the delay factor of the media delivery index (RFC 4445 section 3.1). */
#include "delay_factor.h"

#include "clock.h"

#define INTERVAL_NS ((uint64_t)NB_NS_PER_S)

/**
 * DOC: Theory of operation
 *
 * A virtual buffer is filled by what arrives and drained at the media rate; how far its level swings, in time at that
 * rate, is the delay factor. An interval begins just after a packet (the stream's first, later the last of the interval
 * before), with an empty buffer, and ends with the last packet that comes within one second. That it was the last is
 * known only when the next one arrives, which then opens the next interval. A silence of more than a second has no
 * packet to end with: the packet that breaks it still belongs to the interval, so that the silence shows in the delay
 * factor in full.
 */

/* Begin just after a packet that arrived at @start_ns. */
static void begin_interval(struct nb_delay_factor *factor, int64_t start_ns)
{
	factor->started_ns = start_ns;
	factor->bytes = 0;
	factor->vb_min = 0;
	factor->vb_max = 0;
}

static void close_interval(struct nb_delay_factor *factor)
{
	factor->last_ns = (factor->vb_max - factor->vb_min) / factor->bytes_per_ns;
	if (factor->last_ns > factor->max_ns)
		factor->max_ns = factor->last_ns;
	factor->intervals++;
}

static void note_level(struct nb_delay_factor *factor, double level)
{
	if (level < factor->vb_min)
		factor->vb_min = level;
	if (level > factor->vb_max)
		factor->vb_max = level;
}

static uint64_t elapsed_ns(const struct nb_delay_factor *factor, int64_t now_ns)
{
	return (uint64_t)now_ns - (uint64_t)factor->started_ns;
}

void nb_delay_factor_init(struct nb_delay_factor *factor, double media_rate_bps)
{
	*factor = (struct nb_delay_factor){
		.bytes_per_ns = media_rate_bps / 8 / (double)NB_NS_PER_S,
		.last_ns = -1,
		.max_ns = -1,
	};
}

void nb_delay_factor_packet(struct nb_delay_factor *factor, int64_t received_ns, uint32_t bytes)
{
	double level;

	if (!(factor->bytes_per_ns > 0))
		return;
	/* The first packet; or the clock was set back, and what the interval measured is worth nothing. */
	if (!factor->started_ns || received_ns < factor->started_ns) {
		begin_interval(factor, received_ns);
		factor->previous_ns = received_ns;
		return;
	}

	if (factor->bytes && elapsed_ns(factor, received_ns) > INTERVAL_NS) {
		close_interval(factor);
		begin_interval(factor, factor->previous_ns);
	}
	/* After a small step back the interval may have begun later than this packet came. */
	level = (double)factor->bytes;
	if (received_ns > factor->started_ns)
		level -= factor->bytes_per_ns * (double)elapsed_ns(factor, received_ns);
	note_level(factor, level);
	note_level(factor, level + bytes);
	factor->bytes += bytes;
	factor->previous_ns = received_ns;
}
