/* SPDX-License-Identifier: MIT */
/* iperf2.h - the header that iperf 2 puts into its UDP datagrams. */
#ifndef NB_IPERF2_H
#define NB_IPERF2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Big endian: i32 id, u32 seconds, u32 microseconds (CLOCK_REALTIME of the sender); since 2.0.9, where both ends know it, also
 * u32 id2: the upper half of the id. A negative id says that it was the last: the datagram that would have had its opposite.
 */
#define NB_IPERF2_HEADER 12
#define NB_IPERF2_HEADER_64 16

struct nb_iperf2 {
	uint64_t sequence;
	uint8_t sequence_bits; /* 32 or 64 */
	bool last;
	int64_t sent_ns;
};

/* Return: 0; -ENODATA when it is too short, or its microseconds are none. There is no other mark. */
int nb_iperf2_parse(const uint8_t *bytes, size_t length, struct nb_iperf2 *datagram);

#endif
