/* SPDX-License-Identifier: MIT */
/* reordering.h - how far and how late reordered packets come (RFC 4737). */
#ifndef NB_REORDERING_H
#define NB_REORDERING_H

#include <stdint.h>

#include "histogram.h"

/* RFC 4737 section 5: a packet behind so many that all are above it makes TCP believe in a loss. */
#define NB_DUPLICATE_THRESHOLD 3

/* An arrival that left sequences out: the earliest one above each of these. */
struct nb_jump {
	uint64_t sequence;
	uint64_t position; /* in order of arrival, duplicates removed */
};

struct nb_reordering_histograms {
	struct nb_histogram extent;  /* section 4.2.1: in arrival positions, duplicates removed */
	struct nb_histogram late_ns; /* section 4.3 */
};

struct nb_reordering {
	struct nb_reordering_histograms
		*histograms; /* lent; apart, for what is counted per packet should lie together */
	struct nb_jump *jumps; /* the newest of them, a ring; lent by whoever initialised */
	uint32_t capacity;     /* of the ring, a power of two */
	uint64_t count;        /* jumps there ever were */

	uint64_t recent[NB_DUPLICATE_THRESHOLD]; /* latest arrivals, by position modulo their number */
	uint64_t three_reordered;                /* n-reordered with n >= 3 */
};

/**
 * nb_reordering_init() - Begin with no arrival.
 * @reordering: all zero
 * @histograms: lent, all zero
 * @jumps: lent, at least half as many as sequences that may still come late; all zero
 * @capacity: their number, a power of two
 */
void nb_reordering_init(struct nb_reordering *reordering, struct nb_reordering_histograms *histograms,
			struct nb_jump *jumps, uint32_t capacity);

/* Each arrival that is no copy, after it was looked at by the functions below. */
void nb_reordering_arrived(struct nb_reordering *reordering, uint64_t sequence, uint64_t position);

/* The first arrival of all, or one that leaves sequences below it out; above all that were there before. */
void nb_reordering_jumped(struct nb_reordering *reordering, uint64_t sequence, uint64_t position);

/* The earliest arrival above @sequence, which was left out and has not come. */
const struct nb_jump *nb_reordering_find(const struct nb_reordering *reordering, uint64_t sequence);

/**
 * nb_reordering_late() - A reordered packet came.
 * @reordering: counts it
 * @sequence: of the packet
 * @position: of its arrival
 * @jump: what nb_reordering_find() gave for it
 */
void nb_reordering_late(struct nb_reordering *reordering, uint64_t sequence, uint64_t position,
			const struct nb_jump *jump);

#endif
