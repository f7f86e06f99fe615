/* SPDX-License-Identifier: MIT */
/* link_layer.c - the UDP datagram in a frame of a capture file, whatever link it was captured on. */
#include "link_layer.h"

#include <errno.h>
#include <string.h>

#define ETHERNET_HEADER 14
#define FAMILY_HEADER 4
#define SLL_HEADER 16
#define SLL2_HEADER 20
#define PACKET_TYPE_OUTGOING 4

#define ETHER_IPV4 0x0800
#define ETHER_IPV6 0x86dd
/* Stands for "no network protocol that we read": no EtherType is below 1536. */
#define ETHER_NONE 0

/* Hardware types of cooked captures whose protocol field is no EtherType. */
enum arp_hardware {
	ARP_FRAD = 770,
	ARP_IEEE80211_RADIOTAP = 803,
	ARP_NETLINK = 824,
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

/* The number of IPv6 differs between systems; that of IPv4 does not. */
static uint16_t type_of_family(uint32_t family)
{
	switch (family) {
	case 2:
		return ETHER_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		return ETHER_IPV6;
	default:
		return ETHER_NONE;
	}
}

/* A family is a small number: which byte order it has shows by which half is empty. */
static uint32_t family_of_null(const uint8_t *frame)
{
	const uint32_t family = get32(frame);

	return family > UINT16_MAX ? __builtin_bswap32(family) : family;
}

static uint16_t type_of_cooked(uint16_t hardware, uint16_t protocol)
{
	if (hardware == ARP_FRAD || hardware == ARP_IEEE80211_RADIOTAP || hardware == ARP_NETLINK)
		return ETHER_NONE;
	return protocol;
}

static uint16_t type_of_version(uint8_t first_byte)
{
	return first_byte >> 4 == 4 ? ETHER_IPV4 : first_byte >> 4 == 6 ? ETHER_IPV6 : ETHER_NONE;
}

/* Length of the link layer's header. Return: it, or -EPROTONOSUPPORT. */
static int header_of(uint32_t link_type)
{
	switch (link_type) {
	case NB_LINK_ETHERNET:
		return ETHERNET_HEADER;
	case NB_LINK_NULL:
	case NB_LINK_LOOP:
		return FAMILY_HEADER;
	case NB_LINK_LINUX_SLL:
		return SLL_HEADER;
	case NB_LINK_LINUX_SLL2:
		return SLL2_HEADER;
	case NB_LINK_RAW_BSD:
	case NB_LINK_RAW_OPENBSD:
	case NB_LINK_RAW:
	case NB_LINK_IPV4:
	case NB_LINK_IPV6:
		return 0;
	default:
		return -EPROTONOSUPPORT;
	}
}

/* EtherType of what follows the header; all of the header is there, and of raw IP its first byte. */
static uint16_t type_in(uint32_t link_type, const uint8_t *frame, struct nb_link_facts *facts)
{
	switch (link_type) {
	case NB_LINK_ETHERNET:
		return get16(frame + 12);
	case NB_LINK_NULL:
		return type_of_family(family_of_null(frame));
	case NB_LINK_LOOP:
		return type_of_family(get32(frame));
	case NB_LINK_LINUX_SLL:
		facts->outgoing = get16(frame) == PACKET_TYPE_OUTGOING;
		return type_of_cooked(get16(frame + 2), get16(frame + 14));
	case NB_LINK_LINUX_SLL2:
		facts->outgoing = frame[10] == PACKET_TYPE_OUTGOING;
		return type_of_cooked(get16(frame + 8), get16(frame));
	case NB_LINK_IPV4:
		return ETHER_IPV4;
	case NB_LINK_IPV6:
		return ETHER_IPV6;
	default:
		return type_of_version(frame[0]);
	}
}

int nb_link_parse(uint32_t link_type, const uint8_t *frame, size_t length, uint64_t wire_length,
		  struct nb_packet *packet, struct nb_link_facts *facts)
{
	const int header = header_of(link_type);
	const bool cut = length < wire_length;
	int code;

	memset(facts, 0, sizeof(*facts));
	if (header < 0)
		return header;
	if (length < (size_t)header || length == 0)
		return cut ? -EMSGSIZE : -EBADMSG;
	if (wire_length < (uint64_t)header)
		return -EBADMSG;
	code = nb_network_parse(type_in(link_type, frame, facts), frame + header, length - (size_t)header,
				(size_t)(wire_length - (uint64_t)header), packet, &facts->fragment);
	/* Of a frame that was cut it cannot be told whether the missing bytes would have made it whole. */
	return code == -EBADMSG && cut ? -EMSGSIZE : code;
}
