/* SPDX-License-Identifier: MIT */
/* timeline.c - the media time of each sequence of a stream, and which of them carry a clock or tables. */
#include "timeline.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Theory of operation
 *
 * At a rate, sequence s of stream k has turn s * streams + k of the schedule, and its media time is that turn's, spread
 * evenly even where turns go out in bursts: bytes and time of the transport stream then grow together. The clock goes with
 * every nth sequence and the tables with every mth, as many as fit into 35 ms and 90 ms: below the 40 ms and 100 ms of DVB
 * (TR 101 290 lets tables take 500 ms).
 *
 * A written schedule is no function, so it is laid out once: stream by stream, each sequence's time and whether tables go
 * with it. Each datagram carries the clock, for nothing is known of the gap that follows it; tables go with the first
 * sequence that comes 50 ms after the last that had them.
 */

#define CLOCK_EVERY_S 0.035
#define TABLES_EVERY_S 0.090
#define TABLES_AFTER_NS INT64_C(50000000)
#define TABLES_UNTIMED 100 /* sequences, where there is no rate */

#define MARK_TABLES 0x10 /* and the number of those before, modulo 16, below */

struct nb_timeline {
	const struct nb_pacer *pacer;
	uint32_t stream_count;
	bool timed;            /* by a rate */
	uint64_t clock_every;  /* sequences */
	uint64_t tables_every; /* sequences */
	int64_t *media_ns;     /* Owned. Stream by stream; NULL unless there is a written schedule. */
	uint8_t *marks;        /* Owned. The same. */
	uint64_t *starts;      /* Owned. Of each stream in these, and their end. */
};

static uint64_t as_many_as_fit(double rate_pps, double seconds)
{
	double fit = rate_pps * seconds;

	return fit < 1 ? 1 : (uint64_t)fit;
}

static uint32_t stream_of(const struct nb_timeline_config *config, uint64_t turn)
{
	return config->turn_streams ? config->turn_streams[turn] : (uint32_t)(turn % config->stream_count);
}

/* Where each stream's sequences begin: counted, then summed up. */
static void find_starts(struct nb_timeline *timeline, const struct nb_timeline_config *config)
{
	for (uint64_t turn = 0; turn < config->turns; turn++)
		timeline->starts[stream_of(config, turn) + 1]++;
	for (uint32_t i = 0; i < config->stream_count; i++)
		timeline->starts[i + 1] += timeline->starts[i];
}

static void mark_tables(struct nb_timeline *timeline, uint32_t stream)
{
	int64_t last_ns = 0;
	uint8_t before = 0;

	for (uint64_t at = timeline->starts[stream]; at < timeline->starts[stream + 1]; at++) {
		bool first = at == timeline->starts[stream];

		timeline->marks[at] = before & 0x0f;
		if (!first && timeline->media_ns[at] - last_ns < TABLES_AFTER_NS)
			continue;
		timeline->marks[at] |= MARK_TABLES;
		last_ns = timeline->media_ns[at];
		before++;
	}
}

static int lay_out(struct nb_timeline *timeline, const struct nb_timeline_config *config, struct nb_error *error)
{
	uint64_t *next = calloc(config->stream_count, sizeof(*next));

	timeline->media_ns = calloc(config->turns, sizeof(*timeline->media_ns));
	timeline->marks = calloc(config->turns, sizeof(*timeline->marks));
	timeline->starts = calloc((size_t)config->stream_count + 1, sizeof(*timeline->starts));
	if (!next || !timeline->media_ns || !timeline->marks || !timeline->starts) {
		free(next);
		return nb_fail(error, -ENOMEM, "allocate the timeline of %llu packets",
			       (unsigned long long)config->turns);
	}
	find_starts(timeline, config);
	for (uint32_t i = 0; i < config->stream_count; i++)
		next[i] = timeline->starts[i];
	for (uint64_t turn = 0; turn < config->turns; turn++)
		timeline->media_ns[next[stream_of(config, turn)]++] = config->offsets_ns[turn];
	for (uint32_t i = 0; i < config->stream_count; i++)
		mark_tables(timeline, i);
	free(next);
	return 0;
}

int nb_timeline_create(struct nb_timeline **timeline, const struct nb_timeline_config *config, struct nb_error *error)
{
	double stream_pps = config->rate_pps / config->stream_count;
	struct nb_timeline *created = calloc(1, sizeof(*created));
	int result;

	if (!created)
		return nb_fail(error, -ENOMEM, "allocate a timeline");
	created->pacer = config->pacer;
	created->stream_count = config->stream_count;
	created->timed = config->rate_pps > 0;
	created->clock_every = as_many_as_fit(stream_pps, CLOCK_EVERY_S);
	created->tables_every = created->timed ? as_many_as_fit(stream_pps, TABLES_EVERY_S) : TABLES_UNTIMED;
	if (config->offsets_ns) {
		result = lay_out(created, config, error);
		if (result) {
			nb_timeline_destroy(created);
			return result;
		}
	}
	*timeline = created;
	return 0;
}

void nb_timeline_destroy(struct nb_timeline *timeline)
{
	if (!timeline)
		return;
	free(timeline->media_ns);
	free(timeline->marks);
	free(timeline->starts);
	free(timeline);
}

static void written_at(const struct nb_timeline *timeline, uint32_t stream, uint64_t sequence, struct nb_moment *moment)
{
	uint64_t first = timeline->starts[stream], end = timeline->starts[stream + 1];
	bool beyond = sequence >= end - first; /* the later half of a swapped pair that the schedule's end tore */
	uint64_t at = beyond ? end - 1 : first + sequence;

	*moment = (struct nb_moment){ .clock = true };
	if (first == end)
		return;
	moment->media_ns = timeline->media_ns[at];
	moment->tables = !beyond && (timeline->marks[at] & MARK_TABLES);
	moment->tables_before = timeline->marks[at] & 0x0f;
}

void nb_timeline_at(const struct nb_timeline *timeline, uint32_t stream, uint64_t sequence, int64_t now_ns,
		    struct nb_moment *moment)
{
	if (timeline->media_ns) {
		written_at(timeline, stream, sequence, moment);
		return;
	}
	moment->media_ns = timeline->timed
				   ? nb_pacer_even_ns(timeline->pacer, sequence * timeline->stream_count + stream)
				   : now_ns;
	moment->clock = sequence % timeline->clock_every == 0;
	moment->tables = sequence % timeline->tables_every == 0;
	moment->tables_before = sequence / timeline->tables_every;
}
