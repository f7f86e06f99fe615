/* SPDX-License-Identifier: MIT */
/* stamp_series.c - which packets of one kind carried a hardware stamp, and whether those stamps can be believed. */
#include "stamp_series.h"

#include <stddef.h>

#include "stamped_frame.h"

/*
 * Theory of operation
 *
 * Order: the latest stamp of each flow is kept in a table of fixed size, addressed by the flow's key. Two flows that meet in one
 * place put each other out, which costs a comparison and never makes a wrong one.
 *
 * Rate: a kernel stamp is late by what the interrupt took, never early. So in each window of time the packet with the least
 * (kernel - hardware) tells best how the clocks stand to each other; how that least difference moves from the first window to the
 * last is how much the rates differ. All differences are taken modulo 2^64, then relative to the first: a card's clock may start
 * anywhere.
 */

#define WINDOW_NS INT64_C(50000000)

static void compare_with_flow(struct nb_stamp_series *series, uint64_t key, int64_t hardware_ns)
{
	struct nb_stamp_flow *flow = &series->flows[(key ^ key >> 32) % NB_STAMP_FLOWS];

	if (key == NB_STAMP_NO_FLOW)
		return;
	/* A stamp is never 0, so a place that was never used is told by it. */
	if (flow->key == key && flow->hardware_ns != 0) {
		series->counts.compared++;
		series->counts.backward += hardware_ns < flow->hardware_ns;
		series->counts.repeated += hardware_ns == flow->hardware_ns;
	}
	flow->key = key;
	flow->hardware_ns = hardware_ns;
}

/* How far the offset of @point is from that of @base: small, whatever the offsets are. */
static int64_t moved_ns(const struct nb_stamp_point *point, const struct nb_stamp_point *base)
{
	return (int64_t)(point->offset_ns - base->offset_ns);
}

static void compare_clocks(struct nb_stamp_series *series, int64_t hardware_ns, int64_t kernel_ns)
{
	struct nb_stamp_point point = { .at_ns = kernel_ns, .offset_ns = (uint64_t)kernel_ns - (uint64_t)hardware_ns };

	if (series->windows == 0) {
		series->began_ns = kernel_ns;
		series->open = point;
		series->windows = 1;
		return;
	}
	if (kernel_ns < series->began_ns)
		return; /* the system's clock was set back: no rate follows from that */
	point.window = (kernel_ns - series->began_ns) / WINDOW_NS;
	if (point.window == series->open.window) {
		if (moved_ns(&point, &series->open) < 0)
			series->open = point;
		return;
	}
	if (series->windows == 1)
		series->first = series->open;
	series->last = series->open;
	series->open = point;
	series->windows += series->windows < UINT32_MAX;
}

void nb_stamp_series_add(struct nb_stamp_series *series, uint64_t flow, int64_t hardware_ns, int64_t kernel_ns)
{
	struct nb_stamp_counts *counts = &series->counts;

	counts->packets++;
	if (kernel_ns != 0) {
		counts->kernel++;
		if (counts->first_ns == 0)
			counts->first_ns = kernel_ns;
		counts->last_ns = kernel_ns;
	}
	if (hardware_ns == 0)
		return;
	counts->hardware++;
	counts->equal_kernel += hardware_ns == kernel_ns;
	compare_with_flow(series, flow, hardware_ns);
	if (kernel_ns > 0)
		compare_clocks(series, hardware_ns, kernel_ns);
}

void nb_stamp_series_read(const struct nb_stamp_series *series, struct nb_stamp_counts *counts)
{
	*counts = series->counts;
	counts->rate_known = false;
	counts->rate_ppm = 0.0;
	counts->rate_span_ns = series->windows > 2 ? series->last.at_ns - series->first.at_ns : 0;
	if (counts->rate_span_ns < NB_STAMP_RATE_SPAN_NS)
		return;
	/* A card that runs fast makes (kernel - hardware) fall. */
	counts->rate_ppm = -(double)moved_ns(&series->last, &series->first) * 1e6 / (double)counts->rate_span_ns;
	counts->rate_known = true;
}
