/* SPDX-License-Identifier: MIT */
/* ts_mux.h - the packets of a small, legal MPEG transport stream: tables, clock, private data, padding. */
#ifndef NB_TS_MUX_H
#define NB_TS_MUX_H

#include <stddef.h>
#include <stdint.h>

#include "mpegts.h"

#define NB_TS_BYTES 188
#define NB_TS_HEADER_BYTES 4

/* One program: its tables, its clock, and one elementary stream of private data. */
#define NB_TS_PID_CLOCK 0x0100
#define NB_TS_PID_PMT 0x1000
#define NB_TS_PROGRAM 1
#define NB_TS_STREAM_TYPE 0xf0 /* user private (ISO 13818-1, table 2-34): told apart by its registration */

/* Each fills NB_TS_BYTES at @packet; continuity counter 0. */
void nb_ts_write_null(uint8_t *packet);
void nb_ts_write_pat(uint8_t *packet);
void nb_ts_write_pmt(uint8_t *packet);
void nb_ts_write_clock(uint8_t *packet); /* an adaptation field with a PCR of 0, and no payload */
void nb_ts_write_probe(uint8_t *packet); /* private payload from NB_TS_HEADER_BYTES on, all stuffing yet */

/* What differs from packet to packet. Only the lowest four bits of @counter are used. */
void nb_ts_set_counter(uint8_t *packet, uint64_t counter);
/* Of a packet of nb_ts_write_clock(): @media_ns (not negative) in ticks of 27 MHz, rounded down; wraps after 26.5 hours. */
void nb_ts_set_clock(uint8_t *packet, int64_t media_ns);

#endif
