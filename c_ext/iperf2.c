/* SPDX-License-Identifier: MIT */
/* iperf2.c - the header that iperf 2 puts into its UDP datagrams. */
#include "iperf2.h"

#include <errno.h>

#define MICROSECONDS 1000000u
/* An upper half above this, but for the sign, is no upper half but what older versions have there: flags, or padding text. */
#define PLAUSIBLE_UPPER 0xffffu
#define NEGATIVE_UPPER UINT32_MAX

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

int nb_iperf2_parse(const uint8_t *bytes, size_t length, struct nb_iperf2 *datagram)
{
	uint32_t lower, upper, microseconds;
	int64_t id;

	if (length < NB_IPERF2_HEADER)
		return -ENODATA;
	microseconds = get32(bytes + 8);
	if (microseconds >= MICROSECONDS)
		return -ENODATA;
	lower = get32(bytes);
	upper = length >= NB_IPERF2_HEADER_64 ? get32(bytes + 12) : PLAUSIBLE_UPPER + 1;
	if (upper <= PLAUSIBLE_UPPER || upper == NEGATIVE_UPPER) {
		id = (int64_t)((uint64_t)upper << 32 | lower);
		datagram->sequence_bits = 64;
	} else {
		id = (int32_t)lower;
		datagram->sequence_bits = 32;
	}
	datagram->last = id < 0;
	datagram->sequence = id < 0 ? 0 - (uint64_t)id : (uint64_t)id;
	datagram->sent_ns = (int64_t)get32(bytes + 4) * 1000000000 + (int64_t)microseconds * 1000;
	return 0;
}
