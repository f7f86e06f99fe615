/* SPDX-License-Identifier: MIT */
/* foreign_stream.c - what a stream has besides its tracker: RTP's long sequence and media time, and a TS monitor. */
#include "foreign_stream.h"

#include <stdlib.h>

#include "rtp.h"
#include "sequence_extender.h"

struct nb_foreign {
	struct nb_sequence_extender extender;
	struct nb_media_line media;
	uint8_t payload_type;
	struct nb_ts_monitor *ts; /* Owned; NULL until there are TS packets. */
};

struct nb_foreign *nb_foreign_create(uint32_t reorder_window)
{
	struct nb_foreign *self = calloc(1, sizeof(*self));

	if (self)
		nb_sequence_extender_init(&self->extender,
					  reorder_window < NB_MAX_DROPOUT ? (uint16_t)reorder_window : NB_MAX_DROPOUT);
	return self;
}

void nb_foreign_destroy(struct nb_foreign *foreign)
{
	if (!foreign)
		return;
	nb_ts_monitor_destroy(foreign->ts);
	free(foreign);
}

/*
 * A packet that has no place (see sequence_extender.h) counts in the tracker's beyond_window, and leaves the media time
 * alone: it may be a stray. Stamps of another class than the table's are of another clock, so the media line knows only
 * timed packets.
 */
void nb_foreign_rtp(struct nb_foreign *foreign, struct nb_tracker *tracker, struct nb_arrival *arrival)
{
	struct nb_decoded *decoded = &arrival->decoded;
	struct nb_media_line *media = &foreign->media;
	bool continues, restarted;
	uint64_t sequence;
	int64_t sent_ns = 0;

	foreign->payload_type = decoded->payload_type;
	continues = arrival->timed && nb_media_line_continues(media, decoded->media_time, arrival->received_ns);
	sequence = nb_sequence_extend(&foreign->extender, (uint16_t)decoded->sequence, continues, &restarted);
	if (arrival->timed && sequence != NB_EXTENDED_NOWHERE) {
		if (restarted && media->begun)
			nb_media_line_restart(media, decoded->media_time, arrival->received_ns);
		sent_ns = nb_media_line_ns(media, decoded->media_time, decoded->media_clock_hz, arrival->received_ns);
	}
	decoded->sequence = sequence;
	nb_tracker_sequenced(tracker, sequence, sent_ns, arrival->received_ns, arrival->bytes, arrival->timed);
}

void nb_foreign_ts(struct nb_foreign *foreign, const struct nb_arrival *arrival)
{
	if (!foreign->ts && nb_ts_monitor_create(&foreign->ts, NULL))
		return;
	nb_ts_monitor_datagram(foreign->ts, arrival->decoded.ts, arrival->decoded.ts_packets, arrival->received_ns,
			       arrival->timed);
}

void nb_foreign_read(const struct nb_foreign *foreign, struct nb_foreign_counts *counts)
{
	*counts = (struct nb_foreign_counts){
		.payload_type = foreign->payload_type,
		.media_clock_hz = foreign->media.clock_hz,
		.restarts = foreign->extender.restarts,
		.has_ts = foreign->ts != NULL,
	};
	if (foreign->ts)
		nb_ts_monitor_read(foreign->ts, &counts->ts);
}
