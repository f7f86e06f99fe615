/* SPDX-License-Identifier: MIT */
/* mpegts.h - one packet of an MPEG-2 transport stream (ISO/IEC 13818-1 section 2.4.3), and what a datagram holds of them. */
#ifndef NB_MPEGTS_H
#define NB_MPEGTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probe.h"

#define NB_TS_PACKET 188
#define NB_TS_SYNC 0x47
#define NB_TS_PIDS 8192
#define NB_TS_PID_PAT 0
#define NB_TS_PID_NULL 0x1fff
#define NB_TS_PID_PROBE 0x1ff0 /* private: our probe rides here */
#define NB_TS_PCR_HZ UINT64_C(27000000)
#define NB_TS_PCR_WRAP ((UINT64_C(1) << 33) * 300)

struct nb_ts_header {
	uint16_t pid;
	bool transport_error;
	bool unit_start; /* a section or a PES packet begins here */
	uint8_t scrambling;
	bool has_adaptation;
	bool has_payload;
	uint8_t continuity;
	bool discontinuity;
	bool has_pcr;
	uint64_t pcr; /* in units of NB_TS_PCR_HZ */
	uint8_t payload_at; /* offset; NB_TS_PACKET when there is none, or the adaptation field takes more than there is */
};

/* Read the 188 bytes at @packet; not trusted, but for their number. The sync byte is not looked at. */
void nb_ts_parse(const uint8_t *packet, struct nb_ts_header *header);

/* Does this consist of whole packets, each with its sync byte? Return: their number, 0 no. */
uint32_t nb_ts_whole(const uint8_t *bytes, size_t length);

/* The probe in one of @count packets. Return: as nb_probe_decode(); -ENODATA when none of the first seven carries one. */
int nb_ts_find_probe(const uint8_t *packets, uint32_t count, struct nb_probe *probe);

/* CRC of PSI sections (ISO/IEC 13818-1 annex A); 0 over a whole section, its own CRC included. */
uint32_t nb_ts_crc32(const uint8_t *bytes, size_t length);

#endif
