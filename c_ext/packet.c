/* SPDX-License-Identifier: MIT */
/* packet.c - the UDP datagram in a frame, found without trusting a byte of it. */
#include "packet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define ETHERNET_HEADER 14
#define VLAN_TAG 4
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define UDP_HEADER 8
#define FRAGMENT_HEADER 8
#define EXTENSION_HEADERS_MAX 8

enum ether_type {
	ETHER_IPV4 = 0x0800,
	ETHER_VLAN = 0x8100,
	ETHER_IPV6 = 0x86dd,
	ETHER_QINQ = 0x88a8,
	ETHER_QINQ_OLD = 0x9100,
};

enum ip_protocol {
	IP_HOP_BY_HOP = 0,
	IP_UDP = 17,
	IP_ROUTING = 43,
	IP_FRAGMENT = 44,
	IP_DESTINATION_OPTIONS = 60,
};

/*
 * What is left to parse. @captured bytes can be read; @declared is what the wire and the headers so far say there is:
 * more, where the capture cut the frame short; less, where Ethernet padded it.
 */
struct rest {
	const uint8_t *bytes;
	size_t captured;
	size_t declared;
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void skip(struct rest *rest, size_t length)
{
	rest->bytes += length;
	rest->captured -= length;
	rest->declared -= length;
}

/* Are the next @length bytes both declared and captured? */
static bool holds(const struct rest *rest, size_t length)
{
	return rest->captured >= length && rest->declared >= length;
}

/* The network header says how long it all is. Padding behind it is dropped. Return: false when it says too much. */
static bool declare(struct rest *rest, size_t length)
{
	if (length > rest->declared)
		return false;
	rest->declared = length;
	if (rest->captured > length)
		rest->captured = length;
	return true;
}

/* The UDP length of a first fragment speaks of the whole datagram, of which @rest is only a part. */
static int parse_udp(struct rest *rest, bool fragment, struct nb_packet *packet)
{
	size_t length;

	if (!holds(rest, UDP_HEADER))
		return -EBADMSG;
	length = get16(rest->bytes + 4);
	if (length < UDP_HEADER || (!fragment && length > rest->declared))
		return -EBADMSG;

	packet->flow.source_port = get16(rest->bytes);
	packet->flow.destination_port = get16(rest->bytes + 2);
	skip(rest, UDP_HEADER);
	length -= UDP_HEADER;
	packet->payload = rest->bytes;
	packet->payload_length = (uint32_t)(rest->captured < length ? rest->captured : length);
	packet->datagram_length = (uint32_t)length;
	return 0;
}

static int parse_ipv4(struct rest *rest, struct nb_packet *packet, enum nb_fragment *kind)
{
	const uint8_t *header = rest->bytes;
	size_t header_length, total_length;
	uint16_t fragment;

	if (rest->captured < IPV4_HEADER)
		return -EBADMSG;
	header_length = (header[0] & 0x0f) * 4u;
	if (header[0] >> 4 != 4 || header_length < IPV4_HEADER)
		return -EBADMSG;
	fragment = get16(header + 6);
	if (header[9] != IP_UDP)
		return -ENOMSG;
	if (fragment & 0x1fff) {
		*kind = NB_FRAGMENT_LATER;
		return -ENOMSG;
	}
	if (fragment & 0x2000)
		*kind = NB_FRAGMENT_FIRST;
	total_length = get16(header + 2);
	if (total_length < header_length)
		return -EBADMSG;

	if (!declare(rest, total_length) || !holds(rest, header_length))
		return -EBADMSG;
	packet->flow.family = 4;
	memcpy(packet->flow.source, header + 12, 4);
	memcpy(packet->flow.destination, header + 16, 4);
	skip(rest, header_length);
	return parse_udp(rest, fragment & 0x2000, packet);
}

static int parse_ipv6(struct rest *rest, struct nb_packet *packet, enum nb_fragment *kind)
{
	const uint8_t *header = rest->bytes;
	bool fragment = false;
	uint8_t next;

	if (rest->captured < IPV6_HEADER || header[0] >> 4 != 6)
		return -EBADMSG;
	next = header[6];
	if (!declare(rest, IPV6_HEADER + (size_t)get16(header + 4)))
		return -EBADMSG;
	skip(rest, IPV6_HEADER);

	for (unsigned int extensions = 0; next != IP_UDP; extensions++) {
		const uint8_t *extension = rest->bytes;
		size_t length;

		if (next != IP_HOP_BY_HOP && next != IP_ROUTING && next != IP_DESTINATION_OPTIONS &&
		    next != IP_FRAGMENT)
			return -ENOMSG;
		if (extensions == EXTENSION_HEADERS_MAX || !holds(rest, 8))
			return -EBADMSG;
		if (next == IP_FRAGMENT) {
			uint16_t field = get16(extension + 2);

			if (field & 0xfff8) {
				*kind = extension[0] == IP_UDP ? NB_FRAGMENT_LATER : NB_FRAGMENT_NONE;
				return -ENOMSG;
			}
			fragment = field & 1;
			*kind = fragment ? NB_FRAGMENT_FIRST : NB_FRAGMENT_NONE;
			length = FRAGMENT_HEADER;
		} else {
			length = (extension[1] + 1u) * 8;
		}
		if (!holds(rest, length))
			return -EBADMSG;
		next = extension[0];
		skip(rest, length);
	}

	packet->flow.family = 6;
	memcpy(packet->flow.source, header + 8, 16);
	memcpy(packet->flow.destination, header + 24, 16);
	return parse_udp(rest, fragment, packet);
}

int nb_network_parse(uint16_t type, const uint8_t *bytes, size_t captured, size_t wire, struct nb_packet *packet,
		     enum nb_fragment *fragment)
{
	struct rest rest = { .bytes = bytes, .captured = captured < wire ? captured : wire, .declared = wire };

	memset(&packet->flow, 0, sizeof(packet->flow));
	*fragment = NB_FRAGMENT_NONE;
	while (type == ETHER_VLAN || type == ETHER_QINQ || type == ETHER_QINQ_OLD) {
		if (rest.captured < VLAN_TAG)
			return -EBADMSG;
		type = get16(rest.bytes + 2);
		skip(&rest, VLAN_TAG);
	}

	switch (type) {
	case ETHER_IPV4:
		return parse_ipv4(&rest, packet, fragment);
	case ETHER_IPV6:
		return parse_ipv6(&rest, packet, fragment);
	default:
		return -ENOMSG;
	}
}

int nb_frame_parse(const uint8_t *frame, size_t captured, size_t wire, struct nb_packet *packet)
{
	enum nb_fragment fragment;

	if (captured < ETHERNET_HEADER || wire < ETHERNET_HEADER) {
		memset(&packet->flow, 0, sizeof(packet->flow));
		return -EBADMSG;
	}
	return nb_network_parse(get16(frame + 12), frame + ETHERNET_HEADER, captured - ETHERNET_HEADER,
				wire - ETHERNET_HEADER, packet, &fragment);
}
