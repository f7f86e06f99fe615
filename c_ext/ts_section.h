/* SPDX-License-Identifier: MIT */
/* ts_section.h - a PSI section put together from the packets of its PID (ISO/IEC 13818-1 section 2.4.4). */
#ifndef NB_TS_SECTION_H
#define NB_TS_SECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NB_TS_SECTION_BYTES 1024 /* of a PAT or PMT section at most */
#define NB_TS_TABLE_PAT 0x00
#define NB_TS_TABLE_PMT 0x02
#define NB_TS_TABLE_STUFFING 0xff

struct nb_ts_section {
	bool active;   /* a section has begun */
	uint16_t have; /* bytes of it; of a whole one its length */
	uint8_t bytes[NB_TS_SECTION_BYTES];
};

/**
 * nb_ts_section_add() - More bytes of a section that is active; all of it up to its end.
 * @section: what there is
 * @bytes: from a packet, not trusted
 * @length: bytes at @bytes
 * @used: set to how many belonged to it
 *
 * Return: true when it is whole; then it is no longer active, and its bytes stay until the next begins
 */
bool nb_ts_section_add(struct nb_ts_section *section, const uint8_t *bytes, size_t length, size_t *used);

#endif
