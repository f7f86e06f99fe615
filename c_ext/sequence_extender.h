/* SPDX-License-Identifier: MIT */
/* sequence_extender.h - the 16-bit sequence of RTP made 64 bits long (RFC 3550 A.1). */
#ifndef NB_SEQUENCE_EXTENDER_H
#define NB_SEQUENCE_EXTENDER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * An extended sequence is NB_EXTENDED_BASE + 65536 * wraps + sequence, so that sequences from before the first one have a
 * place too, and the one named below can be told from all of them.
 */
#define NB_EXTENDED_BASE (UINT64_C(1) << 32)
/* For a sequence that has no place: so far below that every window of a tracker has passed it. */
#define NB_EXTENDED_NOWHERE UINT64_C(0)

#define NB_MAX_DROPOUT 3000 /* RFC 3550 A.1: a gap up to here is loss */

struct nb_sequence_extender {
	bool begun;
	uint16_t max_misorder; /* as far below the highest a sequence is late; RFC 3550 has 100 */
	uint32_t suspect_next; /* the sequence that would make the latest jump a restart; above 65535: none */
	uint64_t highest;      /* extended */
	uint16_t offset;       /* what a restart put between the wire's sequence and ours, modulo 2^16 */
	uint64_t restarts;
};

void nb_sequence_extender_init(struct nb_sequence_extender *extender, uint16_t max_misorder);

/**
 * nb_sequence_extend() - The place of the next sequence, in order of arrival.
 * @extender: of this source
 * @sequence: as it stands in the packet
 * @continues: something else (the media time) proves that the source went on, so that a large jump is loss
 * @restarted: set: this packet is the second in a row after a jump, and goes on right above the highest so far. No loss is
 * claimed, as nobody knows what was between
 *
 * Return: the extended sequence; NB_EXTENDED_NOWHERE for the first packet of a jump that may be a restart, or just a stray
 */
uint64_t nb_sequence_extend(struct nb_sequence_extender *extender, uint16_t sequence, bool continues, bool *restarted);

#endif
