/* SPDX-License-Identifier: MIT */
/* ring_capture.h - an AF_PACKET ring (TPACKET_V3): what a capture sees, with books that balance to the packet. */
#ifndef NB_RING_CAPTURE_H
#define NB_RING_CAPTURE_H

#include <linux/filter.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pcap_writer.h"
#include "status.h"
#include "stream_table.h"

struct nb_ring_capture_config {
	uint32_t interface_index; /* required */
	uint16_t port_low;        /* UDP destination ports low..high, filtered in the kernel; 0..0: all UDP */
	uint16_t port_high;
	/* Instead of ports: a program of the caller's (lent), which returns how many bytes are kept of a frame; may be NULL. */
	const struct sock_filter *filter;
	uint16_t filter_instructions;
	uint32_t block_bytes;     /* power of two, multiple of the page size; 0: 1 MiB */
	uint32_t blocks;          /* 0: 64 */
	uint32_t snapshot_bytes;  /* bytes kept of a frame; 0: 256. A program of the caller's decides that itself. */
	uint32_t retire_ms;       /* a block is handed over at least this often, up to 1000; 0: 10 */
	bool incoming_only;       /* PACKET_IGNORE_OUTGOING */
	bool hardware_stamps;     /* prefer raw hardware stamps where the interface delivers them */
};

/* After run() returned: kernel_packets == frames + kernel_drops, exactly. */
struct nb_ring_capture_counts {
	uint64_t frames;         /* walked in the ring */
	uint64_t
		datagrams; /* of these, UDP that was handed to the table; without a table this and the next two stay 0 */
	uint64_t not_udp; /* fragments and the like */
	uint64_t damaged; /* header cut or lying */
	uint64_t kernel_packets; /* tp_packets: what the socket's filter let through, drops included */
	uint64_t kernel_drops; /* tp_drops: no room in the ring */
	uint64_t freezes; /* tp_freeze_q_cnt */
	uint64_t blocks; /* handed over */
	uint64_t losing_blocks; /* blocks with TP_STATUS_LOSING */
	uint64_t ring_bytes;
};

struct nb_ring_capture; /* opaque */

/* Nothing of before the filter and the ring: the socket is bound last. When it returned 0, packets are being kept. */
int nb_ring_capture_create(struct nb_ring_capture **capture, const struct nb_ring_capture_config *config,
			   struct nb_error *error);
void nb_ring_capture_destroy(struct nb_ring_capture *capture);

/**
 * nb_ring_capture_write_to() - Hand every frame to a writer, beside the table or instead of it.
 * @capture: before its run
 * @writer: lent until the run is over, NULL for none; it is settled after each block, and left open
 *
 * A run ends early when the writer wants no more frames; what the ring still holds is handed to it all the same, and counted
 * there: frames == the writer's frames.
 */
void nb_ring_capture_write_to(struct nb_ring_capture *capture, struct nb_pcap_writer *writer);

/* As nb_socket_capture_run(), once; at the end the tap is shut, the last block waited for, the books closed. @table may be
 * NULL when there is a writer. */
int nb_ring_capture_run(struct nb_ring_capture *capture, struct nb_table *table, int64_t deadline_ns,
			const atomic_bool *stop, struct nb_error *error);
void nb_ring_capture_read(struct nb_ring_capture *capture, struct nb_ring_capture_counts *counts);

#endif
