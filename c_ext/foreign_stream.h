/* SPDX-License-Identifier: MIT */
/* foreign_stream.h - what a stream has besides its tracker: RTP's long sequence and media time, a TS monitor, a probation. */
#ifndef NB_FOREIGN_STREAM_H
#define NB_FOREIGN_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "decoder.h"
#include "packet.h"
#include "stream_tracker.h"
#include "ts_monitor.h"

/* What can be read of it. */
struct nb_foreign_counts {
	uint8_t payload_type; /* RTP, of the latest packet */
	uint32_t media_clock_hz; /* RTP; 0: there is no media time */
	uint64_t restarts; /* RTP: sources that began anew under the same SSRC */
	bool has_ts; /* ts holds */
	struct nb_ts_counts ts;
};

/* One arrival, as far as a stream's tracker is concerned. */
struct nb_arrival {
	struct nb_decoded decoded; /* ts is looked at only within the call that lends it */
	int64_t received_ns;
	uint32_t bytes;
	enum nb_stamp_class stamp_class;
	bool timed;
};

struct nb_foreign; /* opaque */

/* @reorder_window: of the tracker; a packet so far back may still be late. Return: NULL when there is no memory. */
struct nb_foreign *nb_foreign_create(uint32_t reorder_window);
void nb_foreign_destroy(struct nb_foreign *foreign);

/*
 * Feed @tracker with an arrival of an RTP stream: its media time in place of a send time, and its sequence extended, which takes
 * the place of the 16 bits in @arrival, too.
 */
void nb_foreign_rtp(struct nb_foreign *foreign, struct nb_tracker *tracker, struct nb_arrival *arrival);

/* Look at the arrival's TS packets; the monitor is made with the first. Without memory for it there is none. */
void nb_foreign_ts(struct nb_foreign *foreign, const struct nb_arrival *arrival);

void nb_foreign_read(const struct nb_foreign *foreign, struct nb_foreign_counts *counts);

#endif
