/* SPDX-License-Identifier: MIT */
/* pacer.h - when the next packet is due: an absolute schedule, slept to and then spun to. */
#ifndef NB_PACER_H
#define NB_PACER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "status.h"

/* Bounds of a paced rate: one packet in 17 minutes, one in a nanosecond. */
#define NB_PACER_RATE_MIN_PPS 1e-3
#define NB_PACER_RATE_MAX_PPS 1e9
/* Of a written schedule: half a gigabyte of offsets, and 17 weeks. */
#define NB_PACER_OFFSETS_MOST (UINT64_C(1) << 26)
#define NB_PACER_OFFSET_MAX_NS (INT64_C(10000000) * 1000000000)

struct nb_pacer_config {
	uint64_t packets;        /* of the whole schedule; 0: endless */
	double rate_pps;         /* > 0; or 0: as fast as possible (each packet is due at once, no lateness) */
	uint32_t burst;          /* this many are due together, the mean rate unchanged; at least 1 */
	const int64_t *offsets_ns; /* a written schedule instead of a rate (which is 0 then, and burst 1): when each of
				    * @packets is due, since the start, never falling; copied. NULL: none */
	int64_t spin_ns; /* wake up this long before a packet is due and spin; 0 picks 100 us */
};

struct nb_pacer; /* opaque */

int nb_pacer_create(struct nb_pacer **pacer, const struct nb_pacer_config *config, struct nb_error *error);
void nb_pacer_destroy(struct nb_pacer *pacer);

/* The schedule begins at @monotonic_ns: packet 0 is due then, or where a written schedule puts it. */
void nb_pacer_start(struct nb_pacer *pacer, int64_t monotonic_ns);

/**
 * nb_pacer_wait() - Wait until at least one packet is due.
 * @pacer: started
 * @most: packets that the caller can take at once
 * @stop: checked at least every 100 ms; NULL never stops
 *
 * After a stall, what was missed is caught up in batches of @most, at no more than twice the rate.
 *
 * Return: packets that are due now, 1..@most; 0 when the schedule has ended or @stop was set
 */
uint32_t nb_pacer_wait(struct nb_pacer *pacer, uint32_t most, const atomic_bool *stop);

/* When packet @index of the schedule is due, CLOCK_MONOTONIC ns; exact integer arithmetic, no drift; saturates. */
int64_t nb_pacer_due(const struct nb_pacer *pacer, uint64_t index);
/* Has each packet a time, by a rate or a written schedule? */
bool nb_pacer_is_timed(const struct nb_pacer *pacer);
/* The same since the start, as if there were no bursts: at a rate packets are spread evenly. 0 where nothing is timed. */
int64_t nb_pacer_even_ns(const struct nb_pacer *pacer, uint64_t index);
/* Index of the next packet that nb_pacer_wait() will hand out. */
uint64_t nb_pacer_next(const struct nb_pacer *pacer);
/* Packets that were due when nb_pacer_wait() last handed some out: above nb_pacer_next() when the caller lags. */
uint64_t nb_pacer_intended(const struct nb_pacer *pacer);
/* @packet was handed to the kernel at @monotonic_ns: its lateness goes into the histogram (early counts as 0). */
void nb_pacer_sent(struct nb_pacer *pacer, uint64_t index, int64_t monotonic_ns);
const struct nb_histogram *nb_pacer_lateness(const struct nb_pacer *pacer);

#endif
