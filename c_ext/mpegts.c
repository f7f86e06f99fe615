/* SPDX-License-Identifier: MIT */
/* mpegts.c - one packet of an MPEG-2 transport stream (ISO/IEC 13818-1 section 2.4.3), and what a datagram holds of them. */
#include "mpegts.h"

#include <errno.h>

#define HEADER 4
#define PROBE_SEARCH 7 /* packets of an ordinary datagram */

#define FLAG_DISCONTINUITY 0x80
#define FLAG_PCR 0x10

static uint16_t pid_of(const uint8_t *packet)
{
	return (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
}

/* 33 bits of 90 kHz, 6 reserved, 9 bits of 27 MHz. */
static uint64_t pcr_of(const uint8_t *at)
{
	uint64_t base = (uint64_t)at[0] << 25 | (uint64_t)at[1] << 17 | (uint64_t)at[2] << 9 | (uint64_t)at[3] << 1 |
			at[4] >> 7;

	return base * 300 + ((uint64_t)(at[4] & 1) << 8 | at[5]);
}

static void parse_adaptation(const uint8_t *packet, struct nb_ts_header *header)
{
	uint8_t length = packet[HEADER];

	if (HEADER + 1 + length > NB_TS_PACKET) { /* a lie: neither flags nor payload can be believed */
		header->payload_at = NB_TS_PACKET;
		return;
	}
	header->payload_at = (uint8_t)(HEADER + 1 + length);
	if (!length)
		return;
	header->discontinuity = packet[HEADER + 1] & FLAG_DISCONTINUITY;
	if (packet[HEADER + 1] & FLAG_PCR && length >= 7) {
		header->has_pcr = true;
		header->pcr = pcr_of(packet + HEADER + 2);
	}
}

void nb_ts_parse(const uint8_t *packet, struct nb_ts_header *header)
{
	*header = (struct nb_ts_header){
		.pid = pid_of(packet),
		.transport_error = packet[1] & 0x80,
		.unit_start = packet[1] & 0x40,
		.scrambling = packet[3] >> 6,
		.has_adaptation = packet[3] & 0x20,
		.has_payload = packet[3] & 0x10,
		.continuity = packet[3] & 0x0f,
		.payload_at = HEADER,
	};
	if (header->has_adaptation)
		parse_adaptation(packet, header);
	if (!header->has_payload)
		header->payload_at = NB_TS_PACKET;
}

uint32_t nb_ts_whole(const uint8_t *bytes, size_t length)
{
	if (!length || length % NB_TS_PACKET)
		return 0;
	for (size_t at = 0; at < length; at += NB_TS_PACKET) {
		if (bytes[at] != NB_TS_SYNC)
			return 0;
	}
	return (uint32_t)(length / NB_TS_PACKET);
}

int nb_ts_find_probe(const uint8_t *packets, uint32_t count, struct nb_probe *probe)
{
	for (uint32_t i = 0; i < count && i < PROBE_SEARCH; i++) {
		const uint8_t *packet = packets + (size_t)i * NB_TS_PACKET;
		int code;

		/* unit start, no transport error, payload alone */
		if (pid_of(packet) != NB_TS_PID_PROBE || (packet[1] & 0xc0) != 0x40 || (packet[3] & 0x30) != 0x10)
			continue;
		code = nb_probe_decode(packet + HEADER, NB_TS_PACKET - HEADER, probe);
		if (code != -ENODATA)
			return code;
	}
	return -ENODATA;
}

uint32_t nb_ts_crc32(const uint8_t *bytes, size_t length)
{
	static const uint32_t of_nibble[16] = {
		/* polynomial 0x04c11db7, highest bit first */
		0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b, 0x1a864db2, 0x1e475005,
		0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61, 0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd,
	};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < length; i++) {
		crc = crc << 4 ^ of_nibble[crc >> 28 ^ bytes[i] >> 4];
		crc = crc << 4 ^ of_nibble[crc >> 28 ^ (bytes[i] & 0x0f)];
	}
	return crc;
}
