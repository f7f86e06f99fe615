/* SPDX-License-Identifier: MIT */
/* envelope.c - what a datagram carries around its probe: nothing, RTP, a legal MPEG transport stream, or both. */
#include "envelope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Theory of operation
 *
 * A datagram is a function of its stream, its sequence and the schedule: RTP sequence, timestamp, continuity counters, PCR
 * and where tables stand depend on nothing that was sent before. So a skipped sequence looks as if the network had lost it,
 * a repeated one is the same datagram twice, and swapped ones arrive as the network would have swapped them.
 *
 * Everything that is the same in each datagram is written once: into the heads, which belong to the sender's messages, and
 * into one copy of a whole payload, whose end is the tail of every datagram. A datagram costs the RTP header's 12 bytes, a
 * continuity counter and its probe; about every 35 ms a PCR, and about every 90 ms two counters more.
 *
 * The clock's packet always stands in second place. So between two PCRs lies a whole number of datagrams, and the rate that
 * a decoder computes from bytes and PCRs (ISO 13818-1 §2.4.2.2) is the schedule's.
 */

struct nb_envelope {
	enum nb_envelope_kind kind;
	uint16_t rtp_first_sequence;
	size_t rtp_bytes; /* 0 or NB_RTP_BYTES */
	size_t payload_bytes;
	uint8_t payload[]; /* Owned. Of a datagram without tables or clock; its end is the tail. */
};

static bool has_rtp(enum nb_envelope_kind kind)
{
	return kind == NB_ENVELOPE_RTP || kind == NB_ENVELOPE_RTP_MPEGTS;
}

static bool has_ts(enum nb_envelope_kind kind)
{
	return kind == NB_ENVELOPE_MPEGTS || kind == NB_ENVELOPE_RTP_MPEGTS;
}

static int check(const struct nb_envelope_config *config, struct nb_error *error)
{
	uint32_t rtp = has_rtp(config->kind) ? NB_RTP_BYTES : 0;
	uint32_t bytes = config->payload_bytes;
	uint32_t least = rtp + (has_ts(config->kind) ? NB_ENVELOPE_TS_LEAST * NB_TS_BYTES : NB_PROBE_LENGTH);

	if (config->kind >= NB_ENVELOPE_COUNT)
		return nb_fail(error, -EINVAL, "send in an envelope of kind %d: there is none", (int)config->kind);
	if (bytes < least || bytes > 65507)
		return nb_fail(error, -EINVAL, "send a payload of %u bytes: not in %u to 65507", bytes, least);
	if (has_ts(config->kind) && (bytes - rtp) % NB_TS_BYTES != 0)
		return nb_fail(error, -EINVAL,
			       "send MPEG-TS in a payload of %u bytes: it takes %s188 for each TS packet, such as %u",
			       bytes, rtp ? "12 for RTP and " : "", rtp + 7 * NB_TS_BYTES);
	return 0;
}

/* The whole payload of a datagram that carries no clock and no tables. */
static void write_payload(struct nb_envelope *envelope)
{
	uint8_t *body = envelope->payload + envelope->rtp_bytes;
	size_t bytes = envelope->payload_bytes - envelope->rtp_bytes;

	if (has_ts(envelope->kind)) {
		nb_ts_write_probe(body);
		for (size_t at = NB_TS_BYTES; at < bytes; at += NB_TS_BYTES)
			nb_ts_write_null(body + at);
		return;
	}
	for (size_t i = NB_PROBE_LENGTH; i < bytes; i++)
		body[i] = (uint8_t)(i - NB_PROBE_LENGTH);
}

int nb_envelope_create(struct nb_envelope **envelope, const struct nb_envelope_config *config, struct nb_error *error)
{
	struct nb_envelope *created;
	int result = check(config, error);

	if (result)
		return result;
	created = calloc(1, sizeof(*created) + config->payload_bytes + 1); /* one more: the tail may be empty */
	if (!created)
		return nb_fail(error, -ENOMEM, "allocate an envelope of %u bytes", config->payload_bytes);
	created->kind = config->kind;
	created->rtp_first_sequence = config->rtp_first_sequence;
	created->rtp_bytes = has_rtp(config->kind) ? NB_RTP_BYTES : 0;
	created->payload_bytes = config->payload_bytes;
	write_payload(created);
	*envelope = created;
	return 0;
}

void nb_envelope_destroy(struct nb_envelope *envelope)
{
	free(envelope);
}

void nb_envelope_lay_out(const struct nb_envelope *envelope, uint8_t *head)
{
	uint8_t *body = head + envelope->rtp_bytes;

	memset(head, 0, NB_ENVELOPE_HEAD_MOST);
	if (envelope->rtp_bytes) {
		head[0] = 0x80; /* version 2; no padding, extension or CSRC */
		head[1] = has_ts(envelope->kind) ? NB_RTP_MP2T
						 : NB_RTP_PROBE; /* no marker: the timestamp never jumps */
	}
	if (has_ts(envelope->kind)) {
		nb_ts_write_probe(body);
		nb_ts_write_clock(body + NB_TS_BYTES);
		nb_ts_write_pat(body + 2 * NB_TS_BYTES);
		nb_ts_write_pmt(body + 3 * NB_TS_BYTES);
	}
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

/* Ticks of 90 kHz, rounded down, modulo 2^32. */
static uint32_t rtp_ticks(int64_t media_ns)
{
	uint64_t seconds = (uint64_t)media_ns / 1000000000, rest_ns = (uint64_t)media_ns % 1000000000;

	return (uint32_t)(seconds * 90000 + rest_ns * 9 / 100000);
}

static enum nb_envelope_cut prepare_ts(uint8_t *packets, uint64_t sequence, const struct nb_moment *moment)
{
	nb_ts_set_counter(packets, sequence);
	if (!moment->clock && !moment->tables)
		return NB_CUT_PROBE;
	nb_ts_set_clock(packets + NB_TS_BYTES, moment->media_ns);
	if (!moment->tables)
		return NB_CUT_CLOCK;
	nb_ts_set_counter(packets + 2 * NB_TS_BYTES, moment->tables_before);
	nb_ts_set_counter(packets + 3 * NB_TS_BYTES, moment->tables_before);
	return NB_CUT_TABLES;
}

enum nb_envelope_cut nb_envelope_prepare(const struct nb_envelope *envelope, uint8_t *head, uint64_t sequence,
					 uint32_t ssrc, const struct nb_moment *moment)
{
	if (envelope->rtp_bytes) {
		put16(head + 2, (uint16_t)(envelope->rtp_first_sequence + sequence));
		put32(head + 4, ssrc + rtp_ticks(moment->media_ns));
		put32(head + 8, ssrc);
	}
	if (!has_ts(envelope->kind))
		return NB_CUT_PROBE;
	return prepare_ts(head + envelope->rtp_bytes, sequence, moment);
}

size_t nb_envelope_probe_offset(const struct nb_envelope *envelope)
{
	return envelope->rtp_bytes + (has_ts(envelope->kind) ? NB_TS_HEADER_BYTES : 0);
}

size_t nb_envelope_head_bytes(const struct nb_envelope *envelope, enum nb_envelope_cut cut)
{
	if (has_ts(envelope->kind) && cut == NB_CUT_TABLES)
		return envelope->rtp_bytes + (size_t)NB_ENVELOPE_TS_LEAST * NB_TS_BYTES;
	if (has_ts(envelope->kind) && cut == NB_CUT_CLOCK)
		return envelope->rtp_bytes + (size_t)2 * NB_TS_BYTES;
	return nb_envelope_probe_offset(envelope) + NB_PROBE_LENGTH;
}

const uint8_t *nb_envelope_tail(const struct nb_envelope *envelope, enum nb_envelope_cut cut, size_t *bytes)
{
	size_t head_bytes = nb_envelope_head_bytes(envelope, cut);

	*bytes = envelope->payload_bytes - head_bytes;
	return envelope->payload + head_bytes;
}
