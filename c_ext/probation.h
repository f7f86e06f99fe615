/* SPDX-License-Identifier: MIT */
/* probation.h - what looks like RTP is RTP once two packets of one SSRC came in sequence (RFC 3550 A.1). */
#ifndef NB_PROBATION_H
#define NB_PROBATION_H

#include <stdbool.h>
#include <stdint.h>

#include "foreign_stream.h"

/*
 * Until then its packets are raw traffic of their flow. The latest of up to so many SSRCs is remembered, so that a stream does
 * not lose its first packet, and sources that take turns on one port are all found.
 */
#define NB_PROBATION_SOURCES 4

struct nb_probation {
	uint32_t count;
	uint32_t oldest; /* makes room when all are taken */
	struct nb_arrival sightings[NB_PROBATION_SOURCES]; /* in order of arrival while none was replaced */
};

/**
 * nb_probation_see() - Does @arrival follow the packet of its SSRC that is remembered?
 * @probation: of its flow
 * @arrival: RTP by its header
 * @first: set, when so, to the packet that it follows, which is forgotten here
 *
 * Return: true when so; else @arrival itself is remembered
 */
bool nb_probation_see(struct nb_probation *probation, const struct nb_arrival *arrival, struct nb_arrival *first);

#endif
