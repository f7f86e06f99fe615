/* SPDX-License-Identifier: MIT */
/* test_link_layer.c - one datagram behind every link header that capture files come with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "link_layer.h"

/* UDP from 10.1.2.3:4000 to 239.1.2.3:5004, four bytes of payload. */
static const uint8_t ipv4[] = {
	0x45, 0, 0, 32, 0,    1,    0,    0,    1, 17, 0, 0, 10,  1,   2,   3,
	239,  1, 2, 3,  0x0f, 0xa0, 0x13, 0x8c, 0, 12, 0, 0, 'd', 'a', 't', 'a',
};
/* The same from 2001:db8::1 to ff15::2. */
static const uint8_t ipv6[] = {
	0x60, 0, 0, 0, 0,    12,   17,   1,    0x20, 0x01, 0x0d, 0xb8, 0,   0,   0,   0,   0, 0,
	0,    0, 0, 0, 0,    1,    0xff, 0x15, 0,    0,    0,    0,    0,   0,   0,   0,   0, 0,
	0,    0, 0, 2, 0x0f, 0xa0, 0x13, 0x8c, 0,    12,   0,    0,    'd', 'a', 't', 'a',
};

struct parsed {
	int code;
	struct nb_packet packet;
	struct nb_link_facts facts;
	char payload[5];
};

/* @header and @network one after the other, on the heap at their exact length, so that a sanitizer sees every step beyond. */
static struct parsed parse_cut(uint32_t link, const void *header, size_t header_length, const void *network,
			       size_t network_length, size_t captured, uint64_t wire)
{
	uint8_t *frame = malloc(captured != 0 ? captured : 1);
	uint8_t whole[128];
	struct parsed parsed = { 0 };

	assert_non_null(frame);
	assert_true(header_length + network_length <= sizeof(whole) && captured <= header_length + network_length);
	memcpy(whole, header, header_length);
	memcpy(whole + header_length, network, network_length);
	memcpy(frame, whole, captured);
	parsed.code = nb_link_parse(link, frame, captured, wire, &parsed.packet, &parsed.facts);
	if (parsed.code == 0 && parsed.packet.payload_length < sizeof(parsed.payload))
		memcpy(parsed.payload, parsed.packet.payload, parsed.packet.payload_length);
	free(frame);
	return parsed;
}

static struct parsed parse(uint32_t link, const void *header, size_t header_length, const void *network,
			   size_t network_length)
{
	const size_t length = header_length + network_length;

	return parse_cut(link, header, header_length, network, network_length, length, length);
}

static void assert_datagram(const struct parsed *parsed, uint8_t family)
{
	assert_int_equal(parsed->code, 0);
	assert_int_equal(parsed->packet.flow.family, family);
	assert_int_equal(parsed->packet.flow.source_port, 4000);
	assert_int_equal(parsed->packet.flow.destination_port, 5004);
	assert_int_equal(parsed->packet.datagram_length, 4);
	assert_string_equal(parsed->payload, "data");
	assert_int_equal(parsed->facts.fragment, NB_FRAGMENT_NONE);
}

#define HEADER(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

static void every_link_type(void **state)
{
	struct parsed parsed;

	(void)state;
	parsed = parse(NB_LINK_ETHERNET, HEADER(1, 0, 0x5e, 1, 2, 3, 2, 0, 0, 0, 0, 1, 8, 0), ipv4, sizeof(ipv4));
	assert_datagram(&parsed, 4);
	/* 802.1ad outside, 802.1Q inside. */
	parsed = parse(NB_LINK_ETHERNET,
		       HEADER(1, 0, 0x5e, 1, 2, 3, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 200, 0x86, 0xdd),
		       ipv6, sizeof(ipv6));
	assert_datagram(&parsed, 6);
	parsed = parse(NB_LINK_NULL, HEADER(2, 0, 0, 0), ipv4, sizeof(ipv4));
	assert_datagram(&parsed, 4);
	parsed = parse(NB_LINK_NULL, HEADER(0, 0, 0, 2), ipv4, sizeof(ipv4));
	assert_datagram(&parsed, 4);
	parsed = parse(NB_LINK_NULL, HEADER(0, 0, 0, 30), ipv6, sizeof(ipv6));
	assert_datagram(&parsed, 6);
	parsed = parse(NB_LINK_LOOP, HEADER(0, 0, 0, 24), ipv6, sizeof(ipv6));
	assert_datagram(&parsed, 6);
	for (size_t i = 0; i < 3; i++) {
		const uint32_t raw[] = { NB_LINK_RAW, NB_LINK_RAW_BSD, NB_LINK_RAW_OPENBSD };

		parsed = parse(raw[i], "", 0, ipv4, sizeof(ipv4));
		assert_datagram(&parsed, 4);
		parsed = parse(raw[i], "", 0, ipv6, sizeof(ipv6));
		assert_datagram(&parsed, 6);
	}
	parsed = parse(NB_LINK_IPV4, "", 0, ipv4, sizeof(ipv4));
	assert_datagram(&parsed, 4);
	parsed = parse(NB_LINK_IPV6, "", 0, ipv6, sizeof(ipv6));
	assert_datagram(&parsed, 6);
}

static void cooked(void **state)
{
	struct parsed parsed;

	(void)state;
	/* Packet type 2 (multicast), hardware 1 (Ethernet), an address of 6 bytes, EtherType. */
	parsed = parse(NB_LINK_LINUX_SLL, HEADER(0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0), ipv4, sizeof(ipv4));
	assert_datagram(&parsed, 4);
	assert_false(parsed.facts.outgoing);
	parsed = parse(NB_LINK_LINUX_SLL, HEADER(0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x86, 0xdd), ipv6,
		       sizeof(ipv6));
	assert_datagram(&parsed, 6);
	assert_true(parsed.facts.outgoing);
	/* A tag between. */
	parsed = parse(NB_LINK_LINUX_SLL, HEADER(0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7, 8, 0), ipv4,
		       sizeof(ipv4));
	assert_datagram(&parsed, 4);
	/* EtherType, interface 3, hardware 1, packet type 4, an address of 6 bytes. */
	parsed = parse(NB_LINK_LINUX_SLL2, HEADER(8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0), ipv4,
		       sizeof(ipv4));
	assert_datagram(&parsed, 4);
	assert_true(parsed.facts.outgoing);
	/* Of netlink the same field is a family, here one that looks like an EtherType. */
	parsed = parse(NB_LINK_LINUX_SLL, HEADER(0, 0, 0x03, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0), ipv4,
		       sizeof(ipv4));
	assert_int_equal(parsed.code, -ENOMSG);
}

static void what_is_no_datagram(void **state)
{
	struct parsed parsed;

	(void)state;
	assert_int_equal(parse(105, HEADER(8, 0), ipv4, sizeof(ipv4)).code, -EPROTONOSUPPORT);
	assert_int_equal(parse(NB_LINK_NULL, HEADER(0, 0, 0, 7), ipv4, sizeof(ipv4)).code, -ENOMSG);
	assert_int_equal(parse(NB_LINK_RAW, "", 0, HEADER(0x55, 0, 0, 0)).code, -ENOMSG);
	/* Link type and version disagree. */
	assert_int_equal(parse(NB_LINK_IPV6, "", 0, ipv4, sizeof(ipv4)).code, -EBADMSG);
	assert_int_equal(parse(NB_LINK_RAW, "", 0, "", 0).code, -EBADMSG);
	assert_int_equal(parse(NB_LINK_ETHERNET, HEADER(1, 2, 3), "", 0).code, -EBADMSG);
	parsed = parse_cut(NB_LINK_RAW, "", 0, ipv4, sizeof(ipv4), sizeof(ipv4), sizeof(ipv4) - 1);
	assert_int_equal(parsed.code, -EBADMSG); /* longer than it was on the wire */
}

/* Every length that a snapshot may have: either cut short of the UDP header, or a datagram with less payload. */
static void cut_anywhere(void **state)
{
	const uint8_t header[] = { 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0 };
	const size_t whole = sizeof(header) + sizeof(ipv4), headers = whole - 4;

	(void)state;
	for (size_t captured = 0; captured < whole; captured++) {
		const struct parsed parsed = parse_cut(NB_LINK_LINUX_SLL, header, sizeof(header), ipv4, sizeof(ipv4),
						       captured, whole);

		assert_int_equal(parsed.code, captured < headers ? -EMSGSIZE : 0);
		if (parsed.code != 0)
			continue;
		assert_int_equal(parsed.packet.payload_length, captured - headers);
		assert_int_equal(parsed.packet.datagram_length, 4);
	}
}

static void fragments(void **state)
{
	uint8_t first[sizeof(ipv4)], later[sizeof(ipv4)];
	struct parsed parsed;

	(void)state;
	memcpy(first, ipv4, sizeof(ipv4));
	first[6] = 0x20; /* more fragments */
	first[24] = 4;   /* UDP says 1036: of all fragments together */
	parsed = parse(NB_LINK_RAW, "", 0, first, sizeof(first));
	assert_int_equal(parsed.code, 0);
	assert_int_equal(parsed.facts.fragment, NB_FRAGMENT_FIRST);
	assert_int_equal(parsed.packet.datagram_length, 4 * 256 + 12 - 8);
	assert_int_equal(parsed.packet.payload_length, 4);
	memcpy(later, ipv4, sizeof(ipv4));
	later[7] = 4; /* at byte 32 */
	parsed = parse(NB_LINK_RAW, "", 0, later, sizeof(later));
	assert_int_equal(parsed.code, -ENOMSG);
	assert_int_equal(parsed.facts.fragment, NB_FRAGMENT_LATER);
	later[9] = 6; /* of TCP: not ours to count */
	parsed = parse(NB_LINK_RAW, "", 0, later, sizeof(later));
	assert_int_equal(parsed.code, -ENOMSG);
	assert_int_equal(parsed.facts.fragment, NB_FRAGMENT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_link_type), cmocka_unit_test(cooked),    cmocka_unit_test(what_is_no_datagram),
		cmocka_unit_test(cut_anywhere),    cmocka_unit_test(fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
