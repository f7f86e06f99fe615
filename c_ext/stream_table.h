/* SPDX-License-Identifier: MIT */
/* stream_table.h - packet to its stream: finds the tracker, feeds it, keeps what concerns all streams together. */
#ifndef NB_STREAM_TABLE_H
#define NB_STREAM_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "decoder.h"
#include "foreign_stream.h"
#include "packet.h"
#include "status.h"
#include "stream_tracker.h"

struct nb_table_config {
	uint32_t max_streams;
	uint32_t session;        /* only probes of this session; 0: any */
	bool probes_only;        /* true: packets that are no probe are counted as foreign and make no stream */
	enum nb_decode_mode decode; /* what to look for; what is not of that kind is raw traffic */
	uint32_t rtp_clock_hz;   /* of RTP's dynamic payload types, which do not say; 0: 90 kHz */
	enum nb_stamp_class stamp_class; /* packets stamped so are *timed*; others are counted, never timed */
	struct nb_tracker_config tracker;
	int64_t series_ns;       /* length of a time series' point; 0: no series */
	uint32_t series_points;  /* the newest so many are kept */
	uint64_t log_capacity;   /* packets that the packet log can hold; 0: no log */
	bool log_content;        /* the log takes every timed packet, by its content instead of a sequence */
	uint32_t content_seed;   /* of the content's hash; who compares two logs gives both the same */
};

/*
 * Which stream: flow, kind, and what tells streams of one flow apart. Two sources that send to one group are two streams (so are
 * two sessions of one source, and two SSRCs).
 */
struct nb_stream_key {
	struct nb_flow flow;
	enum nb_kind kind;
	uint32_t session; /* 0 unless probe */
	uint32_t stream;  /* a probe's number, the SSRC of RTP, else 0 */
};

struct nb_table_totals {
	uint64_t packets;         /* all that were handed over: tracked + foreign + refused + damaged */
	uint64_t bytes;
	uint64_t tracked;
	uint64_t foreign;         /* another session; or no probe, where only probes are wanted */
	uint64_t damaged;         /* a probe with a wrong check or another version */
	uint64_t refused_streams; /* packets of streams that found no room */
	uint64_t
		logged; /* the log takes timed packets with a sequence (of any content, where log_content says so); where a
			  * session is named, only its probes */
	uint64_t log_overflow; /* of these, such as found no room; 0 without a log */
	uint64_t series_overwritten; /* points that made room for newer ones */
	uint64_t stamps[NB_STAMP_CLASSES]; /* packets by the class of their stamp */
	int64_t first_ns, last_ns; /* of tracked and timed packets, in order of arrival; 0 when there were none */
};

/*
 * One point of the time series: tracked and timed packets of all streams. Its start is a multiple of series_ns after
 * the first of them. A packet whose point is gone already counts in the newest.
 */
struct nb_series_point {
	int64_t start_ns;
	uint64_t packets;
	uint64_t bytes;
	uint64_t iat_count; /* IATs are of one stream each, as everywhere */
	uint64_t iat_sum_ns;
	uint64_t iat_max_ns;
};

/* One line of the packet log; 16 bytes, native byte order. */
struct nb_log_entry {
	int64_t received_ns;
	uint32_t stream; /* the probe's stream number, or the SSRC */
	uint32_t sequence; /* low 32 bits; of RTP the extended ones: its 16, and the wraps since the first packet */
	/*
	 * With log_content: stream is the index of the packet's stream in the upper 16 bits, and the UDP payload's length in the
	 * lower; sequence is nb_content_hash(). The index tells the flow at any time: a stream's flow never changes.
	 */
};

struct nb_table; /* opaque */

int nb_table_create(struct nb_table **table, const struct nb_table_config *config, struct nb_error *error);
void nb_table_destroy(struct nb_table *table);

/* A capture holds the lock for a batch of packets; a reader for one snapshot. */
void nb_table_lock(struct nb_table *table);
void nb_table_unlock(struct nb_table *table);

/* All below: the caller holds the lock. */
void nb_table_record(struct nb_table *table, const struct nb_packet *packet);
/* Forget every packet so far, as if the table had just been made. What a capture has not read yet (a ring's block) is still to come. */
void nb_table_restart(struct nb_table *table);
void nb_table_finish(struct nb_table *table);
void nb_table_totals(const struct nb_table *table, struct nb_table_totals *totals);
uint32_t nb_table_count(const struct nb_table *table);
const struct nb_stream_key *nb_table_key(const struct nb_table *table, uint32_t index);
const struct nb_tracker *nb_table_tracker(const struct nb_table *table, uint32_t index);
/* All zero for a stream that has nothing of the kind, such as one of bare probes. */
void nb_table_foreign(const struct nb_table *table, uint32_t index, struct nb_foreign_counts *counts);
/* Kernel stamp to the moment the application had the packet; only where read_ns was given. */
const struct nb_histogram *nb_table_delivery(const struct nb_table *table);
/* The series, oldest first: point @index of nb_table_series_count(). The newest point may still grow. */
uint32_t nb_table_series_count(const struct nb_table *table);
const struct nb_series_point *nb_table_series(const struct nb_table *table, uint32_t index);
const struct nb_log_entry *nb_table_log(const struct nb_table *table, uint64_t *count);

#endif
