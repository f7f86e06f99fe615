/* SPDX-License-Identifier: MIT */
/* timeline.h - the media time of each sequence of a stream, and which of them carry a clock or tables. */
#ifndef NB_TIMELINE_H
#define NB_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "pacer.h"
#include "status.h"

/* What an envelope has to know of one sequence. */
struct nb_moment {
	int64_t media_ns;       /* since the schedule's start */
	bool clock;             /* a PCR is due */
	bool tables;            /* PAT and PMT are due */
	uint64_t tables_before; /* how often they were due before in this stream */
};

struct nb_timeline_config {
	const struct nb_pacer *pacer; /* lent; outlives the timeline */
	uint32_t stream_count;
	double rate_pps;              /* of all streams; 0: none */
	const int64_t *offsets_ns;    /* a written schedule, or NULL; copied */
	const uint32_t *turn_streams; /* index of the stream of each of its turns; NULL: they take turns */
	uint64_t turns;               /* of the written schedule */
};

struct nb_timeline; /* opaque */

int nb_timeline_create(struct nb_timeline **timeline, const struct nb_timeline_config *config, struct nb_error *error);
void nb_timeline_destroy(struct nb_timeline *timeline);

/**
 * nb_timeline_at() - What is due with @sequence of @stream (an index).
 * @timeline: created
 * @stream: below stream_count
 * @sequence: any
 * @now_ns: since the start; the media time where there is neither a rate nor a written schedule
 * @moment: filled
 */
void nb_timeline_at(const struct nb_timeline *timeline, uint32_t stream, uint64_t sequence, int64_t now_ns,
		    struct nb_moment *moment);

#endif
