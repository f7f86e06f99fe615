/* SPDX-License-Identifier: MIT */
/* ts_mux.c - the packets of a small, legal MPEG transport stream: tables, clock, private data, padding. */
#include "ts_mux.h"

#include <string.h>

/*
 * Theory of operation
 *
 * The stream is the least that ISO 13818-1 lets a program be: a PAT that names the PMT, a PMT that names the clock's PID and
 * one elementary stream, the clock, and the stream. Demultiplexers accept it and find nothing to play.
 *
 * The elementary stream's type is one of those left to the user, with a registration descriptor "NBPR". Types 0x05 and 0x06,
 * "private sections" and "PES packets with private data", would want a section's or a PES header in front of the probe. Of
 * packets that carry only private data the standard leaves payload_unit_start_indicator undefined (§2.4.3.3); it is set.
 *
 * The clock has a PID of its own, in packets without payload. Such packets do not count in continuity (§2.4.3.3).
 */

#define SYNC_BYTE 0x47
#define UNIT_START 0x40
#define PAYLOAD_ONLY 0x10
#define ADAPTATION_ONLY 0x20
#define HAS_PCR 0x10
#define CRC_BYTES 4
#define PCR_OFFSET 6

static void write_header(uint8_t *packet, uint16_t pid, uint8_t unit_start, uint8_t control)
{
	memset(packet, 0xff, NB_TS_BYTES);
	packet[0] = SYNC_BYTE;
	packet[1] = (uint8_t)(unit_start | pid >> 8);
	packet[2] = (uint8_t)pid;
	packet[3] = control;
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A packet of one section: @body stands between the section's 8 bytes of header and its CRC. */
static void write_section(uint8_t *packet, uint16_t pid, uint8_t table, uint16_t extension, const uint8_t *body,
			  size_t body_bytes)
{
	uint8_t *section = packet + NB_TS_HEADER_BYTES + 1; /* pointer_field: the section begins at once */
	uint32_t crc;

	write_header(packet, pid, UNIT_START, PAYLOAD_ONLY);
	packet[NB_TS_HEADER_BYTES] = 0;
	section[0] = table;
	put16(section + 1,
	      0xb000 | (uint32_t)(5 + body_bytes + CRC_BYTES)); /* section_syntax_indicator, reserved, length */
	put16(section + 3, extension);
	section[5] = 0xc1; /* reserved, version 0, current */
	section[6] = 0;    /* of sections 0 to 0 */
	section[7] = 0;
	memcpy(section + 8, body, body_bytes);
	crc = nb_ts_crc32(section, 8 + body_bytes);
	put16(section + 8 + body_bytes, crc >> 16);
	put16(section + 8 + body_bytes + 2, crc);
}

void nb_ts_write_null(uint8_t *packet)
{
	write_header(packet, NB_TS_PID_NULL, 0, PAYLOAD_ONLY);
}

void nb_ts_write_pat(uint8_t *packet)
{
	static const uint8_t body[] = {
		NB_TS_PROGRAM >> 8,
		NB_TS_PROGRAM & 0xff,
		0xe0 | NB_TS_PID_PMT >> 8,
		NB_TS_PID_PMT & 0xff,
	};

	write_section(packet, NB_TS_PID_PAT, 0x00, 1, body, sizeof(body));
}

void nb_ts_write_pmt(uint8_t *packet)
{
	static const uint8_t body[] = {
		0xe0 | NB_TS_PID_CLOCK >> 8,
		NB_TS_PID_CLOCK & 0xff,
		0xf0, /* no descriptor of the program */
		0x00,
		NB_TS_STREAM_TYPE,
		0xe0 | NB_TS_PID_PROBE >> 8,
		NB_TS_PID_PROBE & 0xff,
		0xf0, /* 6 bytes of descriptors: registration "NBPR" */
		0x06,
		0x05,
		0x04,
		'N',
		'B',
		'P',
		'R',
	};

	write_section(packet, NB_TS_PID_PMT, 0x02, NB_TS_PROGRAM, body, sizeof(body));
}

void nb_ts_write_clock(uint8_t *packet)
{
	write_header(packet, NB_TS_PID_CLOCK, 0, ADAPTATION_ONLY);
	packet[4] = NB_TS_BYTES - NB_TS_HEADER_BYTES - 1;
	packet[5] = HAS_PCR;
	nb_ts_set_clock(packet, 0);
}

void nb_ts_write_probe(uint8_t *packet)
{
	write_header(packet, NB_TS_PID_PROBE, UNIT_START, PAYLOAD_ONLY);
}

void nb_ts_set_counter(uint8_t *packet, uint64_t counter)
{
	packet[3] = (uint8_t)((packet[3] & 0xf0) | (counter & 0x0f));
}

void nb_ts_set_clock(uint8_t *packet, int64_t media_ns)
{
	/* Seconds apart, so that nothing overflows; 33 bits of 90 kHz, 6 reserved bits, 9 bits of the remainder. */
	uint64_t seconds = (uint64_t)media_ns / 1000000000, rest_ns = (uint64_t)media_ns % 1000000000;
	uint64_t ticks = seconds * 27000000 + rest_ns * 27 / 1000;
	uint64_t base = ticks / 300, extension = ticks % 300;
	uint8_t *at = packet + PCR_OFFSET;

	at[0] = (uint8_t)(base >> 25);
	at[1] = (uint8_t)(base >> 17);
	at[2] = (uint8_t)(base >> 9);
	at[3] = (uint8_t)(base >> 1);
	at[4] = (uint8_t)((base & 1) << 7 | 0x7e | extension >> 8);
	at[5] = (uint8_t)extension;
}
