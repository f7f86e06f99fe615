/* SPDX-License-Identifier: MIT */
/* stream_tracker.h - one stream's state: what arrived, what did not, in which order and when. */
#ifndef NB_STREAM_TRACKER_H
#define NB_STREAM_TRACKER_H

#include <stdbool.h>
#include <stdint.h>

#include "arrival_times.h"
#include "histogram.h"
#include "status.h"

struct nb_tracker_config {
	uint32_t reorder_window; /* sequences that stay open for late arrival; a power of two, 64..1048576 */
	int64_t window_ns;       /* length of the windows of iat_error_windows (1 s) */
	int64_t error_iat_ns;    /* a window whose largest IAT is above this is an error window (45 ms) */
	double media_rate_bps;   /* of the UDP payload, for the delay factor; 0: none */
	uint64_t loss_distance;  /* a loss at most so far behind the one before is noticeable; RFC 3357 section 6.1 */
};

/* Everything that can be read of a stream but for distributions. Times are ns. */
struct nb_stream_counts {
	uint64_t packets;    /* all that arrived: unique + duplicate + beyond_window */
	uint64_t bytes;      /* UDP payload */
	uint64_t unique;     /* distinct sequences */
	uint64_t duplicate;  /* RFC 5560: copies beyond the first */
	uint64_t replicated; /* distinct sequences that came more than once */
	uint64_t reordered;  /* RFC 4737 section 3.3, duplicates removed first */
	uint64_t three_reordered; /* RFC 4737 section 5: of these, n-reordered with n >= 3 */
	uint64_t missing;    /* left out so far, late or lost: lost + reordered once all is settled */
	uint64_t beyond_window; /* older than the window: late or duplicate cannot be told */
	uint64_t lost;       /* holes that the window has passed; after nb_tracker_finish() all of them */
	uint64_t loss_periods;  /* RFC 3357: maximal runs of lost sequences */
	uint64_t longest_loss;  /* packets of the longest of them */
	uint64_t noticeable_losses; /* RFC 3357 section 6.1, by loss_distance */
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
	double delay_factor_last_ns; /* of the latest closed interval; negative likewise */
	uint64_t intervals;          /* of RFC 4445 that have closed, each of about 1 s */
	uint64_t
		interval_missing_last; /* datagrams missing in the latest closed interval: MLR before it is in TS packets */
	uint64_t interval_missing_max; /* the most of any closed interval */
};

/* What is known of a stream as a distribution; all but IAT of first copies only. Signed ones are in two parts. */
enum nb_distribution {
	NB_IAT,
	NB_TRANSIT_ABOVE, /* transit relative to transit_base_ns: at or above it, */
	NB_TRANSIT_BELOW, /* and the distance below it */
	NB_IPDV_ABOVE, /* RFC 5481 section 4.1: transit less that of the sequence before, at or above 0, */
	NB_IPDV_BELOW, /* and the size of those below it */
	NB_LOSS_LENGTH_PACKETS, /* RFC 3357, see loss_pattern.h; those of settled sequences */
	NB_LOSS_LENGTH_NS,
	NB_LOSS_BETWEEN_PACKETS,
	NB_LOSS_BETWEEN_NS,
	NB_REORDER_EXTENT_PACKETS, /* RFC 4737 section 4.2: arrivals since the earliest one that is above */
	NB_REORDER_LATE_NS, /* RFC 4737 section 4.3: time since that arrival */
	NB_DISTRIBUTIONS
};

struct nb_tracker; /* opaque */

int nb_tracker_create(struct nb_tracker **tracker, const struct nb_tracker_config *config, struct nb_error *error);
void nb_tracker_destroy(struct nb_tracker *tracker);

/*
 * One arrival. @timed: the stamp is of the class that this table's statistics use (else only counted). A sequence more
 * than reorder_window above the others moves the window there, at a cost that does not grow with the gap. A stream is
 * fed by one of the three, never by several: with sequence and send stamp; with sequence, but nothing that says when it
 * was sent; with neither.
 */
void nb_tracker_sequenced(struct nb_tracker *tracker, uint64_t sequence, int64_t sent_ns, int64_t received_ns,
			  uint32_t bytes, bool timed);
void nb_tracker_unstamped(struct nb_tracker *tracker, uint64_t sequence, int64_t received_ns, uint32_t bytes,
			  bool timed);
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
const struct nb_histogram *nb_tracker_distribution(const struct nb_tracker *tracker, enum nb_distribution which);
static inline const struct nb_histogram *nb_tracker_iat(const struct nb_tracker *tracker)
{
	return nb_tracker_distribution(tracker, NB_IAT);
}
/* The newest windows of window_ns in which anything came, oldest first. Return: their number */
uint32_t nb_tracker_windows(const struct nb_tracker *tracker, struct nb_time_window windows[NB_WINDOWS_KEPT]);

#endif
