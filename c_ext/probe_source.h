/* SPDX-License-Identifier: MIT */
/* probe_source.h - what is sent next: whose turn it is, which sequence, and the faults that were asked for. */
#ifndef NB_PROBE_SOURCE_H
#define NB_PROBE_SOURCE_H

#include <stdint.h>

#include "status.h"

/*
 * Streams take turns, so that each is evenly spaced. Faults are per stream and exact, for proving receivers: sequence
 * s is skipped where (s + 1) % skip_every == 0, sent twice where (s + 1) % repeat_every == 0, and exchanged with its
 * successor where (s + 2) % swap_every == 0 (s + 1 goes out first: one reordered packet, RFC 4737). 0 turns a fault
 * off. A skipped sequence takes a turn of the schedule and sends nothing; a repeated one sends two datagrams in one
 * turn. Skipping wins: a skipped sequence is neither repeated nor swapped, and what would have been its partner keeps
 * its place. A swapped sequence may be repeated too. Pairs cannot overlap, so a swap_every of 1 acts as 2.
 */
struct nb_faults {
	uint32_t skip_every;
	uint32_t repeat_every;
	uint32_t swap_every;
};

/*
 * One stream's books: sequences == sent + skipped + unsent; datagrams == sent + repeated.
 * A refused sequence stays used up: the receiver sees a hole there, and the books say that it is no loss.
 *
 * The books balance after every settled turn, also between the two turns of a swapped pair: once s + 1 went out, s
 * counts as used up and skipped, until its own turn is settled. So a schedule that ends just there leaves s skipped:
 * no loss either.
 */
struct nb_source_counts {
	uint64_t sequences; /* numbers used up, 0 .. sequences - 1 */
	uint64_t sent;      /* sequences of which the local stack took at least one datagram */
	uint64_t datagrams; /* taken by the local stack */
	uint64_t skipped;
	uint64_t repeated;
	uint64_t swapped;   /* pairs of which both were sent, the later one first */
	uint64_t unsent;    /* sequences that the local stack refused altogether */
	uint64_t refused;   /* datagrams that it refused */
};

struct nb_source; /* opaque */

int nb_source_create(struct nb_source **source, uint32_t streams, const struct nb_faults *faults,
		     struct nb_error *error);
void nb_source_destroy(struct nb_source *source);

/* What one turn of the schedule sends: @copies datagrams (0 skipped, 1, or 2) of @sequence on @stream (an index). */
struct nb_turn {
	uint32_t stream;
	uint32_t copies;
	uint64_t sequence;
};

void nb_source_next(struct nb_source *source, struct nb_turn *turn);
/* The same where a written schedule says whose turn it is: @stream is an index. */
void nb_source_next_of(struct nb_source *source, uint32_t stream, struct nb_turn *turn);
/* @turn is over: the local stack took @accepted of its copies. Each turn is settled exactly once. */
void nb_source_settle(struct nb_source *source, const struct nb_turn *turn, uint32_t accepted);
void nb_source_read(const struct nb_source *source, uint32_t stream, struct nb_source_counts *counts);

#endif
