/* SPDX-License-Identifier: MIT */
/* rtp.h - the RTP header (RFC 3550 section 5.1), the clocks of its payload types, and its media time as nanoseconds. */
#ifndef NB_RTP_H
#define NB_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NB_RTP_HEADER 12
#define NB_RTP_MP2T 33
#define NB_RTP_FIRST_DYNAMIC 96
#define NB_RTP_DEFAULT_CLOCK_HZ 90000

struct nb_rtp {
	uint8_t payload_type;
	bool marker;
	uint16_t sequence;
	uint32_t timestamp;
	uint32_t ssrc;
	const uint8_t *payload; /* after CSRCs and header extension */
	size_t payload_length; /* without padding */
};

/**
 * nb_rtp_parse() - Read an RTP header.
 * @bytes: UDP payload, not trusted
 * @length: bytes at @bytes
 * @rtp: filled
 *
 * Return: 0; -ENODATA when it cannot be RTP: another version, a payload type that RTCP has (72..76, RFC 5761), or CSRCs, an
 * extension or padding that do not fit
 */
int nb_rtp_parse(const uint8_t *bytes, size_t length, struct nb_rtp *rtp);

/* Of the static payload types by RFC 3551; 90 kHz for every other, as a dynamic one does not say. */
uint32_t nb_rtp_clock_hz(uint8_t payload_type);

/* The media time of one source, laid along the receiver's clock: the first packet stands where it arrived. */
struct nb_media_line {
	bool begun;
	uint32_t clock_hz;
	uint32_t latest; /* media time of the latest packet */
	int64_t units; /* its distance from the first, modulo 2^64 */
	int64_t base_ns; /* where units == 0 stands */
	int64_t latest_ns; /* what the latest packet was given */
	int64_t received_ns; /* when it came */
};

/**
 * nb_media_line_ns() - Place a packet; the 32 bits of its media time are extended, forwards and back.
 * @line: of its source; begins zeroed
 * @media_time: of the packet
 * @clock_hz: of its payload type, not 0
 * @received_ns: its stamp
 *
 * Return: the synthetic send time in ns; only its differences mean anything
 */
int64_t nb_media_line_ns(struct nb_media_line *line, uint32_t media_time, uint32_t clock_hz, int64_t received_ns);

/* Does @media_time go on from the latest one as the receiver's clock did since, within one second? */
bool nb_media_line_continues(const struct nb_media_line *line, uint32_t media_time, int64_t received_ns);

/* The source began anew: whatever media time comes next stands as far from its arrival as the latest packet did. */
void nb_media_line_restart(struct nb_media_line *line, uint32_t media_time, int64_t received_ns);

#endif
