/* SPDX-License-Identifier: MIT */
/* test_packet.c - the UDP datagram in a frame: every header that may stand before it, and every lie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet.h"

#define PAYLOAD 100
#define IPV4_AT 14 /* without tags */
#define UDP_AT (IPV4_AT + 20)

/* A frame under construction. */
struct frame {
	uint8_t bytes[2048];
	size_t length;
};

static void add(struct frame *frame, const void *bytes, size_t length)
{
	memcpy(frame->bytes + frame->length, bytes, length);
	frame->length += length;
}

static void add8(struct frame *frame, unsigned int value)
{
	frame->bytes[frame->length++] = (uint8_t)value;
}

static void set16(struct frame *frame, size_t at, size_t value)
{
	frame->bytes[at] = (uint8_t)(value >> 8);
	frame->bytes[at + 1] = (uint8_t)value;
}

static void add16(struct frame *frame, size_t value)
{
	frame->length += 2;
	set16(frame, frame->length - 2, value);
}

static void add_zeros(struct frame *frame, size_t count)
{
	memset(frame->bytes + frame->length, 0, count);
	frame->length += count;
}

static void add_ethernet(struct frame *frame)
{
	add(frame, "\x01\x00\x5e\x01\x02\x03\x02\x00\x00\x00\x00\x01", 12);
}

/* Ports 4000 to 5004, and @payload bytes 0, 1, 2, ... */
static void add_udp(struct frame *frame, size_t payload)
{
	add16(frame, 4000);
	add16(frame, 5004);
	add16(frame, 8 + payload);
	add16(frame, 0);
	for (size_t i = 0; i < payload; i++)
		add8(frame, (unsigned int)i & 0xff);
}

/* From 10.1.2.3 to 239.1.2.3, with @options bytes of options. */
static void add_ipv4(struct frame *frame, size_t options, size_t payload)
{
	add16(frame, 0x0800);
	add8(frame, 0x40 | (unsigned int)(20 + options) / 4);
	add8(frame, 0);
	add16(frame, 20 + options + 8 + payload);
	add_zeros(frame, 4);
	add8(frame, 1);
	add8(frame, 17);
	add_zeros(frame, 2);
	add(frame, "\x0a\x01\x02\x03\xef\x01\x02\x03", 8);
	add_zeros(frame, options);
	add_udp(frame, payload);
}

static struct frame plain_ipv4(void)
{
	struct frame frame = { .length = 0 };

	add_ethernet(&frame);
	add_ipv4(&frame, 0, PAYLOAD);
	return frame;
}

/* From 2001:db8::1 to ff15::2. What follows the header is @length bytes, of which the first is of protocol @next. */
static void add_ipv6(struct frame *frame, unsigned int next, size_t length)
{
	static const uint8_t source[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	static const uint8_t destination[16] = { 0xff, 0x15, [15] = 2 };

	add16(frame, 0x86dd);
	add16(frame, 0x6000);
	add16(frame, 0);
	add16(frame, length);
	add8(frame, next);
	add8(frame, 1);
	add(frame, source, 16);
	add(frame, destination, 16);
}

/* Parse the first @length bytes, copied to the heap at exactly that length, so that a sanitizer sees every step beyond it. */
static int parse_cut(const struct frame *frame, size_t length, struct nb_packet *packet)
{
	uint8_t *copy = malloc(length ? length : 1);
	int code;

	assert_non_null(copy);
	memcpy(copy, frame->bytes, length);
	memset(packet, 0xee, sizeof(*packet));
	code = nb_frame_parse(copy, length, frame->length, packet);
	if (!code) {
		uint8_t sum = 0;

		assert_true(packet->payload >= copy);
		assert_true(packet->payload + packet->payload_length <= copy + length);
		assert_true(packet->payload_length <= packet->datagram_length);
		for (uint32_t i = 0; i < packet->payload_length; i++)
			sum |= packet->payload[i] ^ (uint8_t)i;
		assert_int_equal(sum, 0); /* the payload that add_udp() wrote */
	}
	free(copy);
	return code;
}

static int parse(const struct frame *frame, struct nb_packet *packet)
{
	return parse_cut(frame, frame->length, packet);
}

static void assert_ipv4_flow(const struct nb_packet *packet)
{
	static const uint8_t source[16] = { 10, 1, 2, 3 }, destination[16] = { 239, 1, 2, 3 };

	assert_int_equal(packet->flow.family, 4);
	assert_memory_equal(packet->flow.source, source, 16);
	assert_memory_equal(packet->flow.destination, destination, 16);
	assert_int_equal(packet->flow.source_port, 4000);
	assert_int_equal(packet->flow.destination_port, 5004);
}

static void assert_whole(const struct nb_packet *packet)
{
	assert_int_equal(packet->payload_length, PAYLOAD);
	assert_int_equal(packet->datagram_length, PAYLOAD);
}

static void test_ipv4(void **state)
{
	struct frame frame = plain_ipv4();
	struct nb_packet packet;

	(void)state;
	assert_int_equal(parse(&frame, &packet), 0);
	assert_ipv4_flow(&packet);
	assert_whole(&packet);
	assert_int_equal(((uint8_t *)&packet.read_ns)[0], 0xee); /* the rest is left alone */
}

static void test_ipv4_options_are_skipped(void **state)
{
	(void)state;
	for (size_t options = 4; options <= 40; options += 4) {
		struct frame frame = { .length = 0 };
		struct nb_packet packet;

		add_ethernet(&frame);
		add_ipv4(&frame, options, PAYLOAD);
		assert_int_equal(parse(&frame, &packet), 0);
		assert_ipv4_flow(&packet);
		assert_whole(&packet);
	}
}

static void test_tags_are_skipped(void **state)
{
	static const uint16_t tags[] = { 0x8100, 0x88a8, 0x9100 };

	(void)state;
	for (size_t outer = 0; outer < 3; outer++) {
		for (size_t inner = 0; inner < 3; inner++) {
			struct frame frame = { .length = 0 };
			struct nb_packet packet;

			add_ethernet(&frame);
			add16(&frame, tags[outer]);
			add16(&frame, 100);
			add16(&frame, tags[inner]);
			add16(&frame, 200);
			add_ipv4(&frame, 0, PAYLOAD);
			assert_int_equal(parse(&frame, &packet), 0);
			assert_ipv4_flow(&packet);
			assert_whole(&packet);
		}
	}
}

static void test_padding_is_no_payload(void **state)
{
	struct frame frame = { .length = 0 };
	struct nb_packet packet;

	(void)state;
	add_ethernet(&frame);
	add_ipv4(&frame, 0, 3);
	add_zeros(&frame, 60 - frame.length);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_int_equal(packet.payload_length, 3);
	assert_int_equal(packet.datagram_length, 3);
}

static void test_an_empty_datagram_is_one(void **state)
{
	struct frame frame = { .length = 0 };
	struct nb_packet packet;

	(void)state;
	add_ethernet(&frame);
	add_ipv4(&frame, 0, 0);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_int_equal(packet.payload_length, 0);
	assert_int_equal(packet.datagram_length, 0);
}

static void test_bytes_behind_the_datagram_are_no_payload(void **state)
{
	struct frame frame = plain_ipv4();
	struct nb_packet packet;

	(void)state;
	set16(&frame, UDP_AT + 4, 8 + 10);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_int_equal(packet.payload_length, 10);
	assert_int_equal(packet.datagram_length, 10);
}

static void test_a_short_capture_knows_what_it_lacks(void **state)
{
	struct frame frame = plain_ipv4();

	(void)state;
	for (size_t length = 0; length <= frame.length; length++) {
		struct nb_packet packet;
		int code = parse_cut(&frame, length, &packet);

		if (length < UDP_AT + 8) {
			assert_int_equal(code, -EBADMSG);
			continue;
		}
		assert_int_equal(code, 0);
		assert_ipv4_flow(&packet);
		assert_int_equal(packet.payload_length, length - UDP_AT - 8);
		assert_int_equal(packet.datagram_length, PAYLOAD);
	}
}

static void test_ipv4_fragments(void **state)
{
	struct frame frame = plain_ipv4();
	struct nb_packet packet;

	(void)state;
	/* The first of a datagram of 3000 bytes. */
	set16(&frame, IPV4_AT + 6, 0x2000);
	set16(&frame, UDP_AT + 4, 8 + 3000);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_ipv4_flow(&packet);
	assert_int_equal(packet.payload_length, PAYLOAD);
	assert_int_equal(packet.datagram_length, 3000);

	/* A middle one, the last one, and a whole datagram that must not be split. */
	set16(&frame, IPV4_AT + 6, 0x2000 | 185);
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
	set16(&frame, IPV4_AT + 6, 370);
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
	set16(&frame, IPV4_AT + 6, 0x4000);
	set16(&frame, UDP_AT + 4, 8 + PAYLOAD);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_whole(&packet);
}

static void test_lies_of_ipv4_and_udp(void **state)
{
	static const struct {
		size_t at;
		size_t value; /* 16 bits */
		const char *lie;
	} lies[] = {
		{ IPV4_AT, 0x6500, "version 6 under type IPv4" },
		{ IPV4_AT, 0x4400, "header of 16 bytes" },
		{ IPV4_AT + 2, 0, "total length 0" },
		{ IPV4_AT + 2, 19, "shorter than its header" },
		{ IPV4_AT + 2, 27, "no room for UDP" },
		{ IPV4_AT + 2, 20 + 8 + PAYLOAD - 1, "UDP does not fit" },
		{ IPV4_AT + 2, 20 + 8 + PAYLOAD + 1, "longer than the frame" },
		{ IPV4_AT + 2, 65535, "much longer than the frame" },
		{ UDP_AT + 4, 7, "UDP shorter than its header" },
		{ UDP_AT + 4, 0, "UDP length 0" },
		{ UDP_AT + 4, 8 + PAYLOAD + 1, "UDP longer than IP" },
		{ UDP_AT + 4, 65535, "UDP much longer than IP" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct frame frame = plain_ipv4();
		struct nb_packet packet;

		set16(&frame, lies[i].at, lies[i].value);
		if (parse(&frame, &packet) != -EBADMSG)
			fail_msg("believed: %s", lies[i].lie);
	}
}

static void test_what_is_not_udp(void **state)
{
	struct frame frame = plain_ipv4();
	struct nb_packet packet;

	(void)state;
	frame.bytes[IPV4_AT + 9] = 6;
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
	set16(&frame, 12, 0x0806); /* ARP */
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
	set16(&frame, 12, 100); /* IEEE 802.3 with a length */
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
}

static void assert_ipv6_flow(const struct nb_packet *packet)
{
	static const uint8_t source[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	static const uint8_t destination[16] = { 0xff, 0x15, [15] = 2 };

	assert_int_equal(packet->flow.family, 6);
	assert_memory_equal(packet->flow.source, source, 16);
	assert_memory_equal(packet->flow.destination, destination, 16);
	assert_int_equal(packet->flow.source_port, 4000);
	assert_int_equal(packet->flow.destination_port, 5004);
}

static void test_ipv6(void **state)
{
	struct frame frame = { .length = 0 };
	struct nb_packet packet;

	(void)state;
	add_ethernet(&frame);
	add_ipv6(&frame, 17, 8 + PAYLOAD);
	add_udp(&frame, PAYLOAD);
	add_zeros(&frame, 6);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_ipv6_flow(&packet);
	assert_whole(&packet);
}

/* An extension header of @units * 8 + 8 bytes, followed by protocol @next. */
static void add_extension(struct frame *frame, unsigned int next, unsigned int units)
{
	add8(frame, next);
	add8(frame, units);
	add_zeros(frame, units * 8 + 6);
}

static void test_ipv6_extensions_are_skipped(void **state)
{
	struct frame frame = { .length = 0 };
	struct nb_packet packet;

	(void)state;
	add_ethernet(&frame);
	add_ipv6(&frame, 0, 8 + 24 + 16 + 8 + PAYLOAD);
	add_extension(&frame, 43, 0); /* hop by hop, then routing */
	add_extension(&frame, 60, 2); /* routing, then destination options */
	add_extension(&frame, 17, 1);
	add_udp(&frame, PAYLOAD);
	assert_int_equal(parse(&frame, &packet), 0);
	assert_ipv6_flow(&packet);
	assert_whole(&packet);

	for (size_t length = 14; length < frame.length; length++) {
		int expected = length < frame.length - PAYLOAD ? -EBADMSG : 0;

		assert_int_equal(parse_cut(&frame, length, &packet), expected);
	}
}

static void test_ipv6_extensions_are_bounded(void **state)
{
	(void)state;
	for (unsigned int count = 1; count <= 9; count++) {
		struct frame frame = { .length = 0 };
		struct nb_packet packet;

		add_ethernet(&frame);
		add_ipv6(&frame, 60, count * 8 + 8 + PAYLOAD);
		for (unsigned int i = 1; i <= count; i++)
			add_extension(&frame, i < count ? 60 : 17, 0);
		add_udp(&frame, PAYLOAD);
		assert_int_equal(parse(&frame, &packet), count <= 8 ? 0 : -EBADMSG);
	}
}

static void test_ipv6_fragments(void **state)
{
	struct frame frame = { .length = 0 };
	struct nb_packet packet;
	size_t fragment_at;

	(void)state;
	add_ethernet(&frame);
	add_ipv6(&frame, 44, 8 + 8 + PAYLOAD);
	fragment_at = frame.length;
	add_extension(&frame, 17, 0);
	add_udp(&frame, PAYLOAD);

	/* All of the datagram in one "fragment" (RFC 6946); its UDP length must not lie. */
	assert_int_equal(parse(&frame, &packet), 0);
	assert_ipv6_flow(&packet);
	assert_whole(&packet);
	set16(&frame, fragment_at + 8 + 4, 8 + 3000);
	assert_int_equal(parse(&frame, &packet), -EBADMSG);

	set16(&frame, fragment_at + 2, 1); /* the first of more */
	assert_int_equal(parse(&frame, &packet), 0);
	assert_int_equal(packet.payload_length, PAYLOAD);
	assert_int_equal(packet.datagram_length, 3000);
	set16(&frame, fragment_at + 2, 185 << 3 | 1);
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
	set16(&frame, fragment_at + 2, 370 << 3);
	assert_int_equal(parse(&frame, &packet), -ENOMSG);
}

static void test_lies_of_ipv6(void **state)
{
	struct frame frame = { .length = 0 }, changed;
	struct nb_packet packet;

	(void)state;
	add_ethernet(&frame);
	add_ipv6(&frame, 60, 8 + 8 + PAYLOAD);
	add_extension(&frame, 17, 0);
	add_udp(&frame, PAYLOAD);
	assert_int_equal(parse(&frame, &packet), 0);

	changed = frame;
	changed.bytes[14] = 0x40; /* version 4 under type IPv6 */
	assert_int_equal(parse(&changed, &packet), -EBADMSG);
	changed = frame;
	set16(&changed, 14 + 4, 0); /* nothing behind the header */
	assert_int_equal(parse(&changed, &packet), -EBADMSG);
	changed = frame;
	set16(&changed, 14 + 4, 8 + 8 + PAYLOAD - 1); /* UDP does not fit */
	assert_int_equal(parse(&changed, &packet), -EBADMSG);
	changed = frame;
	set16(&changed, 14 + 4, 8 + 8 + PAYLOAD + 1); /* longer than the frame */
	assert_int_equal(parse(&changed, &packet), -EBADMSG);
	changed = frame;
	changed.bytes[14 + 40 + 1] = 255; /* the extension reaches beyond the packet */
	assert_int_equal(parse(&changed, &packet), -EBADMSG);
	changed = frame;
	changed.bytes[14 + 40] = 6; /* TCP behind the extension */
	assert_int_equal(parse(&changed, &packet), -ENOMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv4_options_are_skipped),
		cmocka_unit_test(test_tags_are_skipped),
		cmocka_unit_test(test_padding_is_no_payload),
		cmocka_unit_test(test_an_empty_datagram_is_one),
		cmocka_unit_test(test_bytes_behind_the_datagram_are_no_payload),
		cmocka_unit_test(test_a_short_capture_knows_what_it_lacks),
		cmocka_unit_test(test_ipv4_fragments),
		cmocka_unit_test(test_lies_of_ipv4_and_udp),
		cmocka_unit_test(test_what_is_not_udp),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_ipv6_extensions_are_skipped),
		cmocka_unit_test(test_ipv6_extensions_are_bounded),
		cmocka_unit_test(test_ipv6_fragments),
		cmocka_unit_test(test_lies_of_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
