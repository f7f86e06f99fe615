/* SPDX-License-Identifier: MIT */
/* loss_pattern.h - in which runs packets are lost, and how far apart (RFC 3357). */
#ifndef NB_LOSS_PATTERN_H
#define NB_LOSS_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/* In place of a receive stamp that does not exist or is not of the class in use. */
#define NB_NO_STAMP INT64_MIN

/* Of complete periods: known only once something was received after them. */
struct nb_loss_histograms {
	struct nb_histogram length_packets;  /* 6.3 */
	struct nb_histogram length_ns;       /* from the last packet before a period to the first after it */
	struct nb_histogram between_packets; /* 6.4: last lost one of a period to the first of the next, in sequences */
	struct nb_histogram between_ns; /* from the first packet after a period to the last before the next */
};

/* All zero but for the first two is the pattern of a stream without packets. */
struct nb_loss_pattern {
	struct nb_loss_histograms *histograms; /* lent; apart, for what is counted per packet should lie together */
	uint64_t delta; /* loss constraint: a loss at most so far above the one before is noticeable; RFC 3357 6.1 */
	uint64_t lost;
	uint64_t periods; /* maximal runs of lost sequences; 6.2 */
	uint64_t longest; /* packets of the longest of them, the one in progress included */
	uint64_t noticeable; /* losses whose loss distance is at most delta; the first loss has none */

	/* What the settled part ends with: so many lost ones, or so many received since the last loss. */
	uint64_t lost_run;
	uint64_t received_run;
	int64_t before_ns; /* receive stamp of the last one received; */
	int64_t after_ns; /* of the first one received after the last loss period */
};

/**
 * nb_loss_pattern_lost() - The next @count sequences were lost.
 * @pattern: told of sequences in ascending order, without gaps
 * @count: at least 1
 */
void nb_loss_pattern_lost(struct nb_loss_pattern *pattern, uint64_t count);

/**
 * nb_loss_pattern_received() - The next @count sequences were received.
 * @pattern: told of sequences in ascending order, without gaps
 * @count: at least 1
 * @first_ns: receive stamp of the first of them, NB_NO_STAMP: none; needed only where a loss comes before it
 * @last_ns: of the last of them; needed only where a loss follows
 */
void nb_loss_pattern_received(struct nb_loss_pattern *pattern, uint64_t count, int64_t first_ns, int64_t last_ns);

#endif
