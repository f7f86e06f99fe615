/* SPDX-License-Identifier: MIT */
/* stream_tracker.h - one stream's state: what arrived, what did not, in which order and when. */
#ifndef NB_STREAM_TRACKER_H
#define NB_STREAM_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "delay_factor.h"
#include "histogram.h"
#include "status.h"

struct nb_tracker_config {
	uint32_t reorder_window; /* sequences that stay open for late arrival; a power of two, 64..1048576 */
	int64_t window_ns;       /* length of the windows of iat_error_windows (1 s) */
	int64_t error_iat_ns;    /* a window whose largest IAT is above this is an error window (45 ms) */
	double media_rate_bps;   /* of the UDP payload, for the delay factor; 0: none */
};

/* Everything that can be read of a stream. Times are ns. Fields of histograms stay in the tracker. */
struct nb_stream_counts {
	uint64_t packets;    /* all that arrived: unique + duplicate + beyond_window */
	uint64_t bytes;      /* UDP payload */
	uint64_t unique;     /* distinct sequences */
	uint64_t duplicate;  /* RFC 5560: copies beyond the first */
	uint64_t reordered;  /* RFC 4737 section 3.3, duplicates removed first */
	uint64_t beyond_window; /* older than the window: late or duplicate cannot be told */
	uint64_t lost;       /* holes that the window has passed; after nb_tracker_finish() all of them */
	uint64_t loss_periods;  /* RFC 3357: maximal runs of lost sequences */
	uint64_t longest_loss;  /* packets of the longest of them */
	uint64_t first_sequence; /* lowest; meaningless while unique == 0 */
	uint64_t last_sequence;  /* highest */
	bool sequenced;      /* false: raw traffic, only packets, bytes and IAT mean anything */
	int64_t first_ns;    /* stamps of the first and the latest timed arrival; 0 while windows == 0 */
	int64_t last_ns;
	double jitter_ns;    /* RFC 3550 A.8, current value; of first copies, as is transit */
	double jitter_max_ns;
	uint64_t clock_backwards; /* IAT below zero, counted as 0 in the histogram */
	uint64_t windows;    /* of window_ns, begun since first_ns; the last may be partial */
	uint64_t iat_error_windows; /* of these; an IAT counts for the window that it ends in */
	int64_t transit_base_ns; /* receive - send of the first packet; the transit histograms are relative to it */
	int64_t transit_min_ns;  /* receive - send, smallest and largest; exact */
	int64_t transit_max_ns;
	uint64_t stamps[3];  /* packets by enum nb_stamp_class */
	double delay_factor_max_ns; /* RFC 4445, over closed intervals; negative: none closed, or no media rate */
};

struct nb_tracker; /* opaque */

int nb_tracker_create(struct nb_tracker **tracker, const struct nb_tracker_config *config, struct nb_error *error);
void nb_tracker_destroy(struct nb_tracker *tracker);

/*
 * One arrival. @timed: the stamp is of the class that this table's statistics use (else only counted). A sequence more
 * than reorder_window above the others moves the window there, at a cost that does not grow with the gap. A stream is
 * fed by one of the two, never by both.
 */
void nb_tracker_sequenced(struct nb_tracker *tracker, uint64_t sequence, int64_t sent_ns, int64_t received_ns,
			  uint32_t bytes, bool timed);
void nb_tracker_raw(struct nb_tracker *tracker, int64_t received_ns, uint32_t bytes, bool timed);
void nb_tracker_stamp(struct nb_tracker *tracker, unsigned int stamp_class);

/*
 * Settle what is still open: holes in the window become lost, and unique + lost == last_sequence - first_sequence + 1.
 * Idempotent; arrivals after it are still counted: above last_sequence as ever, up to it as beyond_window. May be
 * called again then.
 */
void nb_tracker_finish(struct nb_tracker *tracker);

/* Any time. Before finish, holes that a late packet may still fill are in no count. */
void nb_tracker_read(const struct nb_tracker *tracker, struct nb_stream_counts *counts);
/* The IAT that the latest arrival ended, as it went into the histogram; -1 when it was the first, or not timed. */
int64_t nb_tracker_latest_iat(const struct nb_tracker *tracker);
const struct nb_histogram *nb_tracker_iat(const struct nb_tracker *tracker);
/* Transit relative to transit_base_ns: at or above it, and the distance below it. */
const struct nb_histogram *nb_tracker_transit_above(const struct nb_tracker *tracker);
const struct nb_histogram *nb_tracker_transit_below(const struct nb_tracker *tracker);

#endif
