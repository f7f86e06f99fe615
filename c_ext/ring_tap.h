/* SPDX-License-Identifier: MIT */
/* ring_tap.h - the packet socket of a capture ring: opened missing nothing, shut with nothing in flight. */
#ifndef NB_RING_TAP_H
#define NB_RING_TAP_H

#include <linux/if_packet.h>
#include <stddef.h>
#include <stdint.h>

#include "ring_capture.h"
#include "status.h"

struct nb_ring_tap {
	int fd; /* -1: not open */
	uint32_t interface_index;
	uint8_t *ring; /* Owned. Mapped; NULL before. */
	size_t ring_bytes;
	uint32_t block_bytes;
	uint32_t blocks;
	uint32_t retire_ms;
};

/* When it returned 0, frames are being kept. @tap needs closing also after a failure. */
int nb_ring_tap_open(struct nb_ring_tap *tap, const struct nb_ring_capture_config *config, struct nb_error *error);
void nb_ring_tap_close(struct nb_ring_tap *tap);

/* No frame gets into the ring or into the kernel's counts after this has returned, not even one that is on its way. */
int nb_ring_tap_shut(const struct nb_ring_tap *tap, struct nb_error *error);

/* Sleep until a block is ready, @sleep_ms at most. Return: 0, or the error of the interface (-ENETDOWN). */
int nb_ring_tap_wait(const struct nb_ring_tap *tap, int sleep_ms, struct nb_error *error);

/* What the kernel has counted since the last call: asking resets it. tp_packets includes tp_drops. */
int nb_ring_tap_statistics(const struct nb_ring_tap *tap, struct tpacket_stats_v3 *statistics, struct nb_error *error);

#endif
