/* SPDX-License-Identifier: MIT */
/* arrival_times.h - when the packets of one stream came: inter-arrival times, over all and per window of time. */
#ifndef NB_ARRIVAL_TIMES_H
#define NB_ARRIVAL_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/* Windows that are kept to be read: the newest ones in which anything came. */
#define NB_WINDOWS_KEPT 64

/* One window of time. An IAT counts for the window that it ends in, a missing packet for the one in which that showed. */
struct nb_time_window {
	uint64_t number; /* from 0 at the stream's first packet; windows in which nothing came are left out */
	uint64_t packets;
	uint64_t bytes;
	uint64_t missing; /* left out in sequence: lost, or late */
	uint64_t iat_count;
	uint64_t iat_sum_ns;
	uint64_t iat_max_ns;
};

struct nb_arrival_history {
	struct nb_histogram iat;
	struct nb_time_window kept[NB_WINDOWS_KEPT]; /* by windows_filled modulo their number */
};

struct nb_arrival_times {
	struct nb_arrival_history *history; /* lent; apart, for what is counted per packet should lie together */
	int64_t window_ns;
	int64_t error_iat_ns;

	bool begun;       /* first_ns and last_ns hold */
	int64_t first_ns;
	int64_t last_ns;
	int64_t latest_iat_ns; /* of the latest arrival; -1: it was the first, or not timed */
	uint64_t clock_backwards;
	uint64_t error_windows;
	uint64_t window_end; /* of the window in progress, in ns since first_ns */
	bool in_error;       /* the one in progress */
	uint64_t missing;    /* as told at the latest arrival */
	struct nb_time_window window;  /* the one in progress */
	uint64_t windows_filled;       /* before it */
};

/* @times is all zero, and so is @history, which is lent. Both lengths are sound, window_ns above 0. */
void nb_arrival_times_init(struct nb_arrival_times *times, struct nb_arrival_history *history, int64_t window_ns,
			   int64_t error_iat_ns);

/**
 * nb_arrival_times_record() - One timed arrival.
 * @times: counts it
 * @received_ns: its stamp; not trusted, may lie before the one before
 * @bytes: of UDP payload
 * @missing: sequences left out so far, this arrival's included
 */
void nb_arrival_times_record(struct nb_arrival_times *times, int64_t received_ns, uint32_t bytes, uint64_t missing);

/* Windows begun since the first arrival, those without arrivals included; the last may be partial. */
uint64_t nb_arrival_times_windows(const struct nb_arrival_times *times);

/* Copy the newest windows in which anything came to @windows, oldest first, the one in progress last. Return: their number */
uint32_t nb_arrival_times_kept(const struct nb_arrival_times *times, struct nb_time_window windows[NB_WINDOWS_KEPT]);

#endif
