/* SPDX-License-Identifier: MIT */
/* decoder.h - which sequence a datagram carries, whoever made it: probe, RTP, MPEG-TS, iperf2; or none. */
#ifndef NB_DECODER_H
#define NB_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"

/* What a table is told to look for. AUTO tries probe, RTP, MPEG-TS and falls back to RAW; iperf2 only when asked for, for its
 * header has no mark by which it could be told from chance. */
enum nb_decode_mode {
	NB_DECODE_AUTO,
	NB_DECODE_PROBE,
	NB_DECODE_RTP,
	NB_DECODE_MPEGTS,
	NB_DECODE_IPERF2,
	NB_DECODE_RAW,
};

/* What a datagram turned out to be. */
enum nb_kind {
	NB_KIND_RAW,
	NB_KIND_PROBE, /* bare, or inside MPEG-TS or RTP: the fields below tell of what is around it, ts among them */
	NB_KIND_RTP, /* by its header alone, unless ts is set: one in eight random datagrams has one (probation.h) */
	NB_KIND_MPEGTS, /* no datagram sequence: loss is seen by continuity counters only */
	NB_KIND_IPERF2,
	NB_KIND_COUNT
};

struct nb_decoded {
	enum nb_kind kind;
	uint32_t tag; /* which stream of one flow: RTP SSRC, a probe's stream, else 0 */
	uint32_t session; /* of a probe, else 0 */
	uint64_t sequence; /* not extended */
	uint8_t sequence_bits; /* 64 probe, 32 or 64 iperf2, 16 RTP, 0 none */
	bool has_sent; /* sent_ns is a CLOCK_REALTIME stamp (probe, iperf2) */
	int64_t sent_ns;
	bool has_media_time; /* media_time in units of media_clock_hz (RTP) */
	uint32_t media_time;
	uint32_t media_clock_hz;
	uint8_t payload_type; /* RTP; 33 is MP2T */
	bool last_of_stream; /* iperf2 says that it is over (negative sequence) */
	const uint8_t *ts; /* whole 188-byte packets inside, or NULL */
	uint32_t ts_packets;
};

/**
 * nb_decode() - Look into a datagram.
 * @payload: UDP payload as far as it was captured; not trusted
 * @length: bytes at @payload
 * @mode: what to look for
 * @decoded: filled
 *
 * Return: 0; -EBADMSG or -EPROTO for a probe that is damaged or of another version; -ENODATA when it is not of the one kind that
 * @mode asks for (then @decoded is of kind RAW)
 */
int nb_decode(const uint8_t *payload, size_t length, enum nb_decode_mode mode, struct nb_decoded *decoded);

#endif
