/* SPDX-License-Identifier: MIT */
/* sequence_extender.c - the 16-bit sequence of RTP made 64 bits long (RFC 3550 A.1). */
#include "sequence_extender.h"

/**
 * DOC: Theory of operation
 *
 * The distance of a sequence from the highest so far is taken modulo 2^16, and falls into one of three parts:
 *
 *	1 .. MAX_DROPOUT - 1		in order, with a gap that is loss
 *	-max_misorder .. 0		late, or a copy
 *	all that is between		a jump
 *
 * A jump is an outage, when the media time went on meanwhile as the receiver's clock did: then its gap is loss (modulo
 * 65536, for more the wire does not say). Else it is a source that began anew, or a stray packet: RFC 3550 waits for two
 * packets in a row, and so do we.
 */
#define WRAP 65536u
#define NO_SUSPECT WRAP

void nb_sequence_extender_init(struct nb_sequence_extender *extender, uint16_t max_misorder)
{
	*extender = (struct nb_sequence_extender){ .max_misorder = max_misorder, .suspect_next = NO_SUSPECT };
}

static uint64_t take_jump(struct nb_sequence_extender *extender, uint16_t sequence, uint16_t above, bool continues,
			  bool *restarted)
{
	if (continues) {
		extender->suspect_next = NO_SUSPECT;
		return extender->highest += above;
	}
	if (sequence != extender->suspect_next) {
		extender->suspect_next = (uint16_t)(sequence + 1);
		return NB_EXTENDED_NOWHERE;
	}
	extender->suspect_next = NO_SUSPECT;
	extender->highest++;
	extender->offset = (uint16_t)(extender->highest - sequence);
	extender->restarts++;
	*restarted = true;
	return extender->highest;
}

uint64_t nb_sequence_extend(struct nb_sequence_extender *extender, uint16_t sequence, bool continues, bool *restarted)
{
	uint16_t ours = (uint16_t)(sequence + extender->offset), above, below;

	*restarted = false;
	if (!extender->begun) {
		extender->begun = true;
		extender->highest = NB_EXTENDED_BASE + ours;
		return extender->highest;
	}
	above = (uint16_t)(ours - extender->highest);
	below = (uint16_t)(extender->highest - ours);
	if (below <= extender->max_misorder) {
		extender->suspect_next = NO_SUSPECT;
		return extender->highest - below;
	}
	if (above >= NB_MAX_DROPOUT)
		return take_jump(extender, sequence, above, continues, restarted);
	extender->suspect_next = NO_SUSPECT;
	extender->highest += above;
	return extender->highest;
}
