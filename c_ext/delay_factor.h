/* SPDX-License-Identifier: MIT */
/* delay_factor.h - the delay factor of the media delivery index (RFC 4445 section 3.1). */
#ifndef NB_DELAY_FACTOR_H
#define NB_DELAY_FACTOR_H

#include <stdint.h>

/*
 * Interval 1 s, from just after its last packet to just after the next interval's last packet. VB(0) = 0; for packet i
 * at T_i since the interval began VB(i,pre) = sum of earlier bytes - MR * T_i, VB(i,post) = VB(i,pre) + B_i;
 * DF = (VB_max - VB_min) / MR. A perfect CBR stream gives B / MR.
 */
struct nb_delay_factor {
	double bytes_per_ns; /* media rate; 0 disables */
	int64_t started_ns;  /* when the interval began; 0 before the first packet */
	uint64_t bytes;      /* in this interval */
	double vb_min, vb_max;
	double last_ns;      /* DF of the last closed interval, -1 none */
	double max_ns;       /* largest of the closed intervals, -1 none */
	uint64_t intervals;
	int64_t previous_ns; /* arrival of the latest packet */
};

void nb_delay_factor_init(struct nb_delay_factor *factor, double media_rate_bps);
void nb_delay_factor_packet(struct nb_delay_factor *factor, int64_t received_ns, uint32_t bytes);

#endif
