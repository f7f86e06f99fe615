/* SPDX-License-Identifier: MIT */
/* reordering.c - how far and how late reordered packets come (RFC 4737). */
#include "reordering.h"

/**
 * DOC: Theory of operation
 *
 * The extent of a reordered packet goes back to the earliest arrival above it, and that is the one that left it out: the
 * jump from below its sequence to above it. A jump over several sequences is the earliest arrival above each of them.
 * So only jumps are remembered, in order of arrival, which is their order of sequence too, and a search in it by
 * halves finds the lowest jump above a sequence. A stream in order makes none, and touches no memory here.
 *
 * A jump is wanted as long as something that it left out may still come. Two jumps are two sequences apart at least, so
 * half as many of them as there are sequences that may come late are enough, and older ones are overwritten.
 */

void nb_reordering_init(struct nb_reordering *reordering, struct nb_reordering_histograms *histograms,
			struct nb_jump *jumps, uint32_t capacity)
{
	reordering->histograms = histograms;
	reordering->jumps = jumps;
	reordering->capacity = capacity;
}

void nb_reordering_arrived(struct nb_reordering *reordering, uint64_t sequence, uint64_t position)
{
	reordering->recent[position % NB_DUPLICATE_THRESHOLD] = sequence;
}

static struct nb_jump *jump_of(const struct nb_reordering *reordering, uint64_t number)
{
	return &reordering->jumps[number & (reordering->capacity - 1)];
}

void nb_reordering_jumped(struct nb_reordering *reordering, uint64_t sequence, uint64_t position)
{
	*jump_of(reordering, reordering->count++) = (struct nb_jump){ .sequence = sequence, .position = position };
}

const struct nb_jump *nb_reordering_find(const struct nb_reordering *reordering, uint64_t sequence)
{
	uint64_t high = reordering->count - 1; /* above @sequence, as the newest is */
	uint64_t low = high < reordering->capacity ? 0 : high - reordering->capacity + 1;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (jump_of(reordering, middle)->sequence > sequence)
			high = middle;
		else
			low = middle + 1;
	}
	return jump_of(reordering, high);
}

void nb_reordering_late(struct nb_reordering *reordering, uint64_t sequence, uint64_t position,
			const struct nb_jump *jump)
{
	uint32_t above = 0;

	nb_histogram_record(&reordering->histograms->extent, position - jump->position);
	if (position < NB_DUPLICATE_THRESHOLD)
		return;
	for (uint32_t i = 0; i < NB_DUPLICATE_THRESHOLD; i++)
		above += reordering->recent[i] > sequence;
	reordering->three_reordered += above == NB_DUPLICATE_THRESHOLD;
}
