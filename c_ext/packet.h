/* SPDX-License-Identifier: MIT */
/* packet.h - one received datagram, as every capture hands it to the stream table. */
#ifndef NB_PACKET_H
#define NB_PACKET_H

#include <stddef.h>
#include <stdint.h>

enum nb_stamp_class {
	NB_STAMP_USER,     /* read from the clock by this program */
	NB_STAMP_KERNEL,   /* taken by the kernel when the driver handed it the packet */
	NB_STAMP_HARDWARE, /* taken by the network card */
	NB_STAMP_CLASSES
};

/* Who sends to whom. IPv4 addresses stand in the first four bytes, the rest zero. Ports in host order. */
struct nb_flow {
	uint8_t family; /* 4 or 6 */
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t source_port;
	uint16_t destination_port;
};

struct nb_packet {
	struct nb_flow flow;
	const uint8_t *payload;   /* UDP payload, as far as it was captured */
	uint32_t payload_length;  /* bytes captured at @payload */
	uint32_t datagram_length; /* UDP payload length on the wire */
	int64_t received_ns;      /* CLOCK_REALTIME */
	enum nb_stamp_class stamp_class;
	int64_t read_ns; /* when the application held it in its hands, CLOCK_REALTIME; 0 unknown */
};

/**
 * nb_frame_parse() - Find the UDP datagram in an Ethernet frame (802.1Q and 802.1ad tags skipped).
 * @frame: link-layer bytes, not trusted
 * @captured: bytes at @frame
 * @wire: bytes that the frame had on the wire, which no header may exceed
 * @packet: flow, payload, payload_length and datagram_length are filled; the rest is left alone
 *
 * Return: 0; -ENOMSG when it is not UDP over IPv4 or IPv6, or a later fragment; -EBADMSG when a header is cut or lies
 */
int nb_frame_parse(const uint8_t *frame, size_t captured, size_t wire, struct nb_packet *packet);

/* Is a UDP datagram whole? */
enum nb_fragment {
	NB_FRAGMENT_NONE,
	NB_FRAGMENT_FIRST, /* its UDP length speaks of all fragments together */
	NB_FRAGMENT_LATER, /* has no ports: not parsed */
};

/**
 * nb_network_parse() - As nb_frame_parse(), from where the EtherType is known (the link layer is another's, or gone).
 * @type: EtherType of what @bytes are; tags are skipped
 * @bytes: what follows the EtherType, not trusted
 * @captured: bytes that can be read at @bytes
 * @wire: bytes that were there on the wire
 * @packet: as for nb_frame_parse()
 * @fragment: always filled; NB_FRAGMENT_LATER comes with -ENOMSG
 *
 * Return: as nb_frame_parse()
 */
int nb_network_parse(uint16_t type, const uint8_t *bytes, size_t captured, size_t wire, struct nb_packet *packet,
		     enum nb_fragment *fragment);

#endif
