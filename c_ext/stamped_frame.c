/* SPDX-License-Identifier: MIT */
/* stamped_frame.c - what kind a received frame is, and within what its stamps have an order. */
#include "stamped_frame.h"

#include <stdbool.h>
#include <string.h>

#include "packet.h"

#define ETHER_IPV4 0x0800
#define ETHER_IPV6 0x86dd
#define ETHER_PTP 0x88f7
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define IP_TCP 6
#define PORTS 4 /* bytes of them */
#define PORT_PTP_EVENT 319
#define PORT_PTP_GENERAL 320

/* FNV-1a. */
uint64_t nb_stamp_flow(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static bool is_ptp_port(uint16_t port)
{
	return port == PORT_PTP_EVENT || port == PORT_PTP_GENERAL;
}

static uint64_t tcp_flow(const uint8_t *addresses, size_t address_bytes, const uint8_t *ports)
{
	uint8_t name[2 * 16 + PORTS] = { 0 };

	memcpy(name, addresses, address_bytes);
	memcpy(name + address_bytes, ports, PORTS);
	return nb_stamp_flow(name, address_bytes + PORTS);
}

static uint64_t ipv4_flow(const uint8_t *header, size_t captured)
{
	size_t header_length;

	if (captured < IPV4_HEADER || header[0] >> 4 != 4 || header[9] != IP_TCP)
		return NB_STAMP_NO_FLOW;
	/* A fragment: the card sees no ports in the later ones, and goes by addresses alone. */
	if ((header[6] & 0x3f) != 0 || header[7] != 0)
		return NB_STAMP_NO_FLOW;
	header_length = (header[0] & 0x0f) * 4u;
	if (header_length < IPV4_HEADER || captured < header_length + PORTS)
		return NB_STAMP_NO_FLOW;
	return tcp_flow(header + 12, 8, header + header_length);
}

static uint64_t ipv6_flow(const uint8_t *header, size_t captured)
{
	if (captured < IPV6_HEADER + PORTS || header[0] >> 4 != 6 || header[6] != IP_TCP)
		return NB_STAMP_NO_FLOW;
	return tcp_flow(header + 8, 32, header + IPV6_HEADER);
}

static uint64_t flow_of_other(uint16_t type, const uint8_t *bytes, size_t captured)
{
	if (type == ETHER_IPV4)
		return ipv4_flow(bytes, captured);
	if (type == ETHER_IPV6)
		return ipv6_flow(bytes, captured);
	return NB_STAMP_NO_FLOW;
}

enum nb_stamped_kind nb_stamped_kind_of(uint16_t type, const uint8_t sender[8], const uint8_t *bytes, size_t captured,
					size_t wire, uint64_t *flow)
{
	enum nb_fragment fragment;
	struct nb_packet packet;

	if (type == ETHER_PTP) {
		*flow = nb_stamp_flow(sender, 8);
		return NB_STAMPED_PTP_ETHERNET;
	}
	if (nb_network_parse(type, bytes, captured, wire, &packet, &fragment) != 0) {
		*flow = flow_of_other(type, bytes, captured < wire ? captured : wire);
		return NB_STAMPED_OTHER;
	}
	/* Every byte of a flow is set, padding too: the parser zeroes it first. */
	*flow = fragment == NB_FRAGMENT_NONE ? nb_stamp_flow(&packet.flow, sizeof(packet.flow)) : NB_STAMP_NO_FLOW;
	return is_ptp_port(packet.flow.destination_port) ? NB_STAMPED_PTP_UDP : NB_STAMPED_UDP;
}
