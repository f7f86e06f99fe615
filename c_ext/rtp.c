/* SPDX-License-Identifier: MIT */
/* rtp.c - the RTP header (RFC 3550 section 5.1), the clocks of its payload types, and its media time as nanoseconds. */
#include "rtp.h"

#include <errno.h>

#define VERSION_2 0x80
#define VERSION_MASK 0xc0
#define PADDING 0x20
#define EXTENSION 0x10
#define CSRC_COUNT 0x0f
#define EXTENSION_HEADER 4
#define RTCP_FIRST 72 /* 200..204 with the marker's bit off: RTCP on the same port */
#define RTCP_LAST 76
#define NS_PER_S INT64_C(1000000000)

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

int nb_rtp_parse(const uint8_t *bytes, size_t length, struct nb_rtp *rtp)
{
	size_t header, padding = 0;

	if (length < NB_RTP_HEADER || (bytes[0] & VERSION_MASK) != VERSION_2)
		return -ENODATA;
	rtp->payload_type = bytes[1] & 0x7f;
	if (rtp->payload_type >= RTCP_FIRST && rtp->payload_type <= RTCP_LAST)
		return -ENODATA;
	header = NB_RTP_HEADER + 4 * (size_t)(bytes[0] & CSRC_COUNT);
	if (bytes[0] & EXTENSION) {
		if (length < header + EXTENSION_HEADER)
			return -ENODATA;
		header += EXTENSION_HEADER + 4 * (size_t)get16(bytes + header + 2);
	}
	if (length < header)
		return -ENODATA;
	if (bytes[0] & PADDING) { /* the last byte says how much, itself included */
		padding = bytes[length - 1];
		if (!padding || padding > length - header)
			return -ENODATA;
	}
	rtp->marker = bytes[1] & 0x80;
	rtp->sequence = get16(bytes + 2);
	rtp->timestamp = get32(bytes + 4);
	rtp->ssrc = get32(bytes + 8);
	rtp->payload = bytes + header;
	rtp->payload_length = length - header - padding;
	return 0;
}

uint32_t nb_rtp_clock_hz(uint8_t payload_type)
{
	switch (payload_type) {
	case 6: /* DVI4 */
		return 16000;
	case 10: /* L16, stereo and mono */
	case 11:
		return 44100;
	case 16: /* DVI4 */
		return 11025;
	case 17:
		return 22050;
	case 14: /* MPA: audio, and 90 kHz all the same */
		return NB_RTP_DEFAULT_CLOCK_HZ;
	default: /* 0..18: audio. 8 kHz for G722 (9) too, a mistake of RFC 1890 that was kept */
		return payload_type <= 18 ? 8000 : NB_RTP_DEFAULT_CLOCK_HZ;
	}
}

/* --- media time -------------------------------------------------------------------------------------------------- */

/* The nearest way from one media time to another, modulo 2^32: -2^31..2^31-1. */
static int64_t way(uint32_t from, uint32_t to)
{
	return (int32_t)(to - from);
}

/* Exact down to the nanosecond however long the line has become, and modulo 2^64 beyond. */
static uint64_t nanoseconds(int64_t units, uint32_t clock_hz)
{
	int64_t seconds = units / (int64_t)clock_hz, rest = units % (int64_t)clock_hz;

	return (uint64_t)seconds * (uint64_t)NS_PER_S + (uint64_t)(rest * NS_PER_S / (int64_t)clock_hz);
}

/* Put @media_time, as the first of a new count of units, at @place_ns. */
static void anchor(struct nb_media_line *line, uint32_t media_time, int64_t place_ns)
{
	line->latest = media_time;
	line->units = 0;
	line->base_ns = place_ns;
	line->latest_ns = place_ns;
}

int64_t nb_media_line_ns(struct nb_media_line *line, uint32_t media_time, uint32_t clock_hz, int64_t received_ns)
{
	if (!line->begun) {
		line->begun = true;
		line->clock_hz = clock_hz;
		anchor(line, media_time, received_ns);
	} else if (line->clock_hz != clock_hz) { /* another payload type: a new count begins where the old one stands */
		line->clock_hz = clock_hz;
		nb_media_line_restart(line, media_time, received_ns);
	}
	line->units = (int64_t)((uint64_t)line->units + (uint64_t)way(line->latest, media_time));
	line->latest = media_time;
	line->latest_ns = (int64_t)((uint64_t)line->base_ns + nanoseconds(line->units, line->clock_hz));
	line->received_ns = received_ns;
	return line->latest_ns;
}

bool nb_media_line_continues(const struct nb_media_line *line, uint32_t media_time, int64_t received_ns)
{
	uint64_t media, elapsed, difference;

	if (!line->begun)
		return false;
	media = nanoseconds(way(line->latest, media_time), line->clock_hz);
	elapsed = (uint64_t)received_ns - (uint64_t)line->received_ns;
	difference = media - elapsed;
	return difference + (uint64_t)NS_PER_S <= 2 * (uint64_t)NS_PER_S;
}

void nb_media_line_restart(struct nb_media_line *line, uint32_t media_time, int64_t received_ns)
{
	uint64_t transit = (uint64_t)line->received_ns - (uint64_t)line->latest_ns;

	anchor(line, media_time, (int64_t)((uint64_t)received_ns - transit));
}
