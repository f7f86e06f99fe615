/* SPDX-License-Identifier: MIT */
/* envelope.h - what a datagram carries around its probe: nothing, RTP, a legal MPEG transport stream, or both. */
#ifndef NB_ENVELOPE_H
#define NB_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include "probe.h"
#include "status.h"
#include "timeline.h"
#include "ts_mux.h"

enum nb_envelope_kind {
	NB_ENVELOPE_RAW,        /* probe, padding */
	NB_ENVELOPE_MPEGTS,     /* whole TS packets, the probe in the first */
	NB_ENVELOPE_RTP,        /* RTP header (payload type 96), probe, padding */
	NB_ENVELOPE_RTP_MPEGTS, /* RTP header (payload type 33), whole TS packets */
	NB_ENVELOPE_COUNT
};

#define NB_RTP_BYTES 12
#define NB_RTP_PROBE 96 /* payload types */
#define NB_RTP_MP2T 33

/* TS packets of a datagram, in their order: probe; clock; PAT; PMT; padding. Or padding where none of them is due. */
#define NB_ENVELOPE_TS_LEAST 4
/* The part of a datagram that differs from others is its head, at most so long; the rest is its tail. */
#define NB_ENVELOPE_HEAD_MOST (NB_RTP_BYTES + NB_ENVELOPE_TS_LEAST * NB_TS_BYTES)

/* What a head holds, apart from RTP: the probe alone, the clock as well, the tables as well. */
enum nb_envelope_cut { NB_CUT_PROBE, NB_CUT_CLOCK, NB_CUT_TABLES, NB_CUT_COUNT };

struct nb_envelope_config {
	enum nb_envelope_kind kind;
	uint32_t payload_bytes;      /* of the whole UDP payload */
	uint16_t rtp_first_sequence; /* of sequence 0 */
};

struct nb_envelope; /* opaque */

/* Refuses with -EINVAL a payload that the envelope does not fit, and says which would. */
int nb_envelope_create(struct nb_envelope **envelope, const struct nb_envelope_config *config, struct nb_error *error);
void nb_envelope_destroy(struct nb_envelope *envelope);

/* Write what is the same in every head into NB_ENVELOPE_HEAD_MOST bytes; once per buffer. */
void nb_envelope_lay_out(const struct nb_envelope *envelope, uint8_t *head);

/**
 * nb_envelope_prepare() - Write what differs, apart from the probe.
 * @envelope: created
 * @head: laid out
 * @sequence: of the probe; RTP sequence and continuity counters follow it
 * @ssrc: RTP's, where its timestamp begins as well
 * @moment: time and tables of this sequence; not read by NB_ENVELOPE_RAW
 *
 * Return: how the datagram is cut
 */
enum nb_envelope_cut nb_envelope_prepare(const struct nb_envelope *envelope, uint8_t *head, uint64_t sequence,
					 uint32_t ssrc, const struct nb_moment *moment);

/* Where in the head the probe goes. */
size_t nb_envelope_probe_offset(const struct nb_envelope *envelope);
/* Bytes of a head that is cut so: a multiple of 4. */
size_t nb_envelope_head_bytes(const struct nb_envelope *envelope, enum nb_envelope_cut cut);
/* What follows a head that is cut so, the same in each datagram; lent. */
const uint8_t *nb_envelope_tail(const struct nb_envelope *envelope, enum nb_envelope_cut cut, size_t *bytes);

#endif
