/* SPDX-License-Identifier: MIT */
/* ts_monitor.h - is one transport stream whole: continuity per PID, TR 101 290 first priority, PCR. */
#ifndef NB_TS_MONITOR_H
#define NB_TS_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

/* Limits of ETSI TR 101 290 section 5.2.1 (and 5.2.2 for the PCR). */
#define NB_TS_PSI_INTERVAL_NS INT64_C(500000000)
#define NB_TS_PID_ABSENT_NS INT64_C(5000000000)
#define NB_TS_PCR_INTERVAL_NS INT64_C(100000000)

/* Events, unless the name says otherwise. */
struct nb_ts_counts {
	uint64_t packets;          /* of 188 bytes; null packets included */
	uint64_t null_packets;
	uint64_t cc_errors;        /* continuity_count_error: a counter that is not the one expected */
	uint64_t
		ts_lost_estimate; /* sum of (counter - expected) mod 16: packets that are missing, modulo 16 each time */
	uint64_t duplicates; /* exact copies of the packet before of that PID; one is legal */
	uint64_t sync_losses; /* TS_sync_loss: two sync bytes in a row wrong, until five in a row were right */
	uint64_t sync_byte_errors;
	uint64_t pat_errors; /* PAT_error_2: none for 0.5 s, another table on PID 0, or PID 0 scrambled */
	uint64_t pmt_errors; /* PMT_error_2: a PMT none for 0.5 s, or scrambled; only PMTs that the PAT names */
	uint64_t pid_errors; /* PID_error: a PID that a PMT names, none for 5 s */
	uint64_t transport_errors; /* packets with transport_error_indicator; nothing else of them is believed */
	uint64_t crc_errors; /* PAT or PMT sections, read no further */
	uint64_t untracked_packets; /* of PIDs that found no room: without continuity */
	uint32_t pids; /* that were seen, the null packets' apart */
	uint32_t programs; /* that the latest PAT names */
	uint64_t pcrs; /* of all PCR PIDs */
	uint64_t pcr_interval_errors; /* more than 100 ms between two PCRs of one PID, by arrival */
	int64_t pat_interval_max_ns; /* 0 while there were not two */
	int64_t pmt_interval_max_ns;
	int64_t pcr_interval_max_ns;
	double mux_rate_bps; /* by the PCR of the first PID that had one, where nothing was missing; 0 unknown */
	double delay_factor_max_ns; /* RFC 4445 with mux_rate_bps as it was after the first second; negative: none */
	double media_rate_bps; /* the rate of that delay factor; 0 none */
};

struct nb_ts_monitor; /* opaque */

int nb_ts_monitor_create(struct nb_ts_monitor **monitor, struct nb_error *error);
void nb_ts_monitor_destroy(struct nb_ts_monitor *monitor);

/**
 * nb_ts_monitor_datagram() - The packets of one datagram, in order.
 * @monitor: of their stream
 * @packets: @count times 188 bytes, not trusted
 * @count: their number
 * @received_ns: stamp; meaningless unless @timed
 * @timed: intervals are taken from this stamp; else only packets are looked at
 */
void nb_ts_monitor_datagram(struct nb_ts_monitor *monitor, const uint8_t *packets, uint32_t count, int64_t received_ns,
			    bool timed);

/* Any time; what has been absent for too long at the latest stamp counts. */
void nb_ts_monitor_read(const struct nb_ts_monitor *monitor, struct nb_ts_counts *counts);

#endif
