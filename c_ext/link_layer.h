/* SPDX-License-Identifier: MIT */
/* link_layer.h - the UDP datagram in a frame of a capture file, whatever link it was captured on. */
#ifndef NB_LINK_LAYER_H
#define NB_LINK_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/* The link types (LINKTYPE_ numbers of the tcpdump group) that are understood. */
enum nb_link_type {
	NB_LINK_NULL = 0, /* BSD loopback: address family in the byte order of whoever captured */
	NB_LINK_ETHERNET = 1,
	NB_LINK_RAW_BSD = 12,     /* DLT_RAW of most systems; such files exist */
	NB_LINK_RAW_OPENBSD = 14, /* DLT_RAW of OpenBSD */
	NB_LINK_RAW = 101,
	NB_LINK_LOOP = 108,       /* OpenBSD loopback: address family in network byte order */
	NB_LINK_LINUX_SLL = 113,  /* `tcpdump -i any` */
	NB_LINK_IPV4 = 228,
	NB_LINK_IPV6 = 229,
	NB_LINK_LINUX_SLL2 = 276,
};

struct nb_link_facts {
	enum nb_fragment fragment;
	bool outgoing; /* sent by the host that captured; only cooked captures say so */
};

/**
 * nb_link_parse() - Find the UDP datagram in a captured frame.
 * @link_type: LINKTYPE_ number
 * @frame: link-layer bytes, not trusted
 * @length: bytes captured at @frame
 * @wire_length: bytes that were on the wire; at least @length
 * @packet: flow, payload, payload_length and datagram_length are filled; the rest is left alone
 * @facts: always filled
 *
 * Return: 0; -ENOMSG when it is not UDP over IPv4 or IPv6, or a later fragment; -EMSGSIZE when too few bytes were captured
 * to tell; -EBADMSG when a header lies; -EPROTONOSUPPORT for another link type
 */
int nb_link_parse(uint32_t link_type, const uint8_t *frame, size_t length, uint64_t wire_length,
		  struct nb_packet *packet, struct nb_link_facts *facts);

#endif
