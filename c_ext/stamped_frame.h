/* SPDX-License-Identifier: MIT */
/* stamped_frame.h - what kind a received frame is, and within what its stamps have an order. */
#ifndef NB_STAMPED_FRAME_H
#define NB_STAMPED_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* What a packet socket tells apart: each frame is of one kind, and of NB_STAMPED_ALL. */
enum nb_stamped_kind {
	NB_STAMPED_PTP_ETHERNET, /* EtherType 0x88F7 */
	NB_STAMPED_PTP_UDP,      /* UDP port 319 or 320 */
	NB_STAMPED_UDP,          /* any other UDP */
	NB_STAMPED_OTHER,
	NB_STAMPED_ALL,
	NB_STAMPED_KINDS
};

#define NB_STAMP_NO_FLOW 0 /* nothing tells in which order its stamps should be */

/* The key of a flow that @length bytes name. */
uint64_t nb_stamp_flow(const void *bytes, size_t length);

/**
 * nb_stamped_kind_of() - What a frame is.
 * @type: its EtherType
 * @sender: hardware address of who sent it, as a packet socket tells it
 * @bytes: what follows the EtherType, not trusted
 * @captured: bytes that can be read at @bytes
 * @wire: bytes that were there on the wire
 * @flow: filled with the key of its flow. A card spreads packets over its queues by address and port, and each queue is read for itself:
 *	only of UDP, TCP and PTP over Ethernet, whole packets, is it known that one flow stays in one queue. Else NB_STAMP_NO_FLOW
 */
enum nb_stamped_kind nb_stamped_kind_of(uint16_t type, const uint8_t sender[8], const uint8_t *bytes, size_t captured,
					size_t wire, uint64_t *flow);

#endif
