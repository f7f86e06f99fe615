/* SPDX-License-Identifier: MIT */
/* test_stamped_frame.c - each frame is of one kind, and has a flow only where its stamps have an order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stamped_frame.h"

#define IPV4 0x0800
#define IPV6 0x86dd
#define ARP 0x0806
#define TCP 6
#define UDP 17
#define ESP 50

static const uint8_t router[8] = { 2, 0, 0, 0, 0, 1 }; /* who sends all of it */

/* IPv4, 20 bytes of header, from 10.0.0.1 to 10.0.0.2, with 8 bytes behind it. */
struct frame {
	uint8_t bytes[64];
	size_t length;
};

static struct frame ipv4(uint8_t protocol, uint16_t source_port, uint16_t destination_port)
{
	struct frame frame = { .bytes = { 0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2 },
			       .length = 28 };

	frame.bytes[20] = (uint8_t)(source_port >> 8);
	frame.bytes[21] = (uint8_t)source_port;
	frame.bytes[22] = (uint8_t)(destination_port >> 8);
	frame.bytes[23] = (uint8_t)destination_port;
	frame.bytes[25] = 8;
	return frame;
}

static struct frame ipv6(uint8_t next, uint16_t source_port)
{
	struct frame frame = { .bytes = { 0x60, 0, 0, 0, 0, 8, next, 64 }, .length = 48 };

	frame.bytes[23] = 1;
	frame.bytes[39] = 2;
	frame.bytes[40] = (uint8_t)(source_port >> 8);
	frame.bytes[41] = (uint8_t)source_port;
	frame.bytes[45] = 8;
	return frame;
}

static enum nb_stamped_kind kind_of(uint16_t type, const struct frame *frame, uint64_t *flow)
{
	return nb_stamped_kind_of(type, router, frame->bytes, frame->length, frame->length, flow);
}

static uint64_t other_flow(uint16_t type, struct frame frame)
{
	uint64_t flow;

	assert_int_equal(kind_of(type, &frame, &flow), NB_STAMPED_OTHER);
	return flow;
}

static void ports_and_types_tell_the_kind(void **state)
{
	static const struct {
		uint16_t port;
		enum nb_stamped_kind kind;
	} cases[] = {
		{ 318, NB_STAMPED_UDP }, { 319, NB_STAMPED_PTP_UDP }, { 320, NB_STAMPED_PTP_UDP },
		{ 321, NB_STAMPED_UDP }, { 5004, NB_STAMPED_UDP },
	};
	struct frame frame;
	uint64_t flow;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		frame = ipv4(UDP, 319, cases[i].port);
		assert_int_equal(kind_of(IPV4, &frame, &flow), cases[i].kind);
		assert_int_not_equal(flow, NB_STAMP_NO_FLOW);
	}
	frame = ipv6(UDP, 1);
	assert_int_equal(kind_of(IPV6, &frame, &flow), NB_STAMPED_UDP);
	assert_int_equal(kind_of(0x88f7, &frame, &flow), NB_STAMPED_PTP_ETHERNET);
	assert_int_not_equal(flow, NB_STAMP_NO_FLOW);
	frame.length = 0;
	assert_int_equal(kind_of(0x88f7, &frame, &flow), NB_STAMPED_PTP_ETHERNET);
	assert_int_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
}

/* One router's connections come by several queues of the card: each has an order of its own. */
static void connections_of_one_sender_are_flows_of_their_own(void **state)
{
	struct frame options = ipv4(TCP, 1000, 80);

	(void)state;
	assert_int_equal(other_flow(IPV4, ipv4(TCP, 1000, 80)), other_flow(IPV4, ipv4(TCP, 1000, 80)));
	assert_int_not_equal(other_flow(IPV4, ipv4(TCP, 1000, 80)), other_flow(IPV4, ipv4(TCP, 1001, 80)));
	assert_int_not_equal(other_flow(IPV4, ipv4(TCP, 1000, 80)), other_flow(IPV4, ipv4(TCP, 1000, 81)));
	assert_int_equal(other_flow(IPV6, ipv6(TCP, 1000)), other_flow(IPV6, ipv6(TCP, 1000)));
	assert_int_not_equal(other_flow(IPV6, ipv6(TCP, 1000)), other_flow(IPV6, ipv6(TCP, 1001)));
	memmove(options.bytes + 24, options.bytes + 20, 8); /* the ports stand behind the options */
	memset(options.bytes + 20, 1, 4);
	options.bytes[0] = 0x46;
	options.bytes[3] = 32;
	options.length = 32;
	assert_int_equal(other_flow(IPV4, options), other_flow(IPV4, ipv4(TCP, 1000, 80)));
}

static void what_a_card_may_spread_in_its_own_way_has_no_flow(void **state)
{
	struct frame frame = ipv4(UDP, 1, 5004);
	uint64_t flow;

	(void)state;
	assert_int_equal(other_flow(IPV4, ipv4(ESP, 1000, 80)), NB_STAMP_NO_FLOW);
	assert_int_equal(other_flow(IPV6, ipv6(ESP, 1000)), NB_STAMP_NO_FLOW);
	assert_int_equal(other_flow(ARP, ipv4(TCP, 1000, 80)), NB_STAMP_NO_FLOW);
	frame.bytes[6] = 0x20; /* more fragments follow */
	assert_int_equal(kind_of(IPV4, &frame, &flow), NB_STAMPED_UDP);
	assert_int_equal(flow, NB_STAMP_NO_FLOW);
	frame.bytes[7] = 1; /* a later one */
	assert_int_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
	frame = ipv4(TCP, 1000, 80);
	frame.bytes[6] = 0x20;
	assert_int_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
	frame.bytes[6] = 0x40; /* must not be fragmented: is whole */
	assert_int_not_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
}

static void cut_headers_have_no_flow(void **state)
{
	struct frame frame = ipv4(TCP, 1000, 80);

	(void)state;
	for (frame.length = 0; frame.length < 24; frame.length++)
		assert_int_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
	assert_int_not_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
	frame.bytes[0] = 0x44; /* a header shorter than a header */
	assert_int_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
	frame.bytes[0] = 0x4f; /* one longer than what is there */
	assert_int_equal(other_flow(IPV4, frame), NB_STAMP_NO_FLOW);
	frame = ipv6(TCP, 1000);
	for (frame.length = 0; frame.length < 44; frame.length++)
		assert_int_equal(other_flow(IPV6, frame), NB_STAMP_NO_FLOW);
	assert_int_not_equal(other_flow(IPV6, frame), NB_STAMP_NO_FLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_and_types_tell_the_kind),
		cmocka_unit_test(connections_of_one_sender_are_flows_of_their_own),
		cmocka_unit_test(what_a_card_may_spread_in_its_own_way_has_no_flow),
		cmocka_unit_test(cut_headers_have_no_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
