/* SPDX-License-Identifier: MIT */
/* probation.c - what looks like RTP is RTP once two packets of one SSRC came in sequence (RFC 3550 A.1). */
#include "probation.h"

#include <string.h>

static struct nb_arrival *find(struct nb_probation *probation, uint32_t ssrc)
{
	for (uint32_t i = 0; i < probation->count; i++) {
		if (probation->sightings[i].decoded.tag == ssrc)
			return &probation->sightings[i];
	}
	return NULL;
}

static void forget(struct nb_probation *probation, struct nb_arrival *sighting)
{
	uint32_t after = probation->count - 1 - (uint32_t)(sighting - probation->sightings);

	memmove(sighting, sighting + 1, after * sizeof(*sighting));
	probation->count--;
	probation->oldest = 0;
}

bool nb_probation_see(struct nb_probation *probation, const struct nb_arrival *arrival, struct nb_arrival *first)
{
	struct nb_arrival *sighting = find(probation, arrival->decoded.tag);

	if (sighting && (uint16_t)(sighting->decoded.sequence + 1) == (uint16_t)arrival->decoded.sequence) {
		*first = *sighting;
		forget(probation, sighting);
		return true;
	}
	if (!sighting && probation->count < NB_PROBATION_SOURCES) {
		sighting = &probation->sightings[probation->count++];
	} else if (!sighting) {
		sighting = &probation->sightings[probation->oldest];
		probation->oldest = (probation->oldest + 1) % NB_PROBATION_SOURCES;
	}
	*sighting = *arrival;
	sighting->decoded.ts = NULL; /* lent for one call only */
	return false;
}
