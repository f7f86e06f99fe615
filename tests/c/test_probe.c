/* SPDX-License-Identifier: MIT */
/* test_probe.c - what is encoded comes back, and damage is noticed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe.h"

static const struct nb_probe ordinary = {
	.session = 0x01020304,
	.stream = 0x05060708,
	.sequence = UINT64_C(0x1112131415161718),
	.scheduled_ns = INT64_C(0x2122232425262728),
	.sent_ns = INT64_C(0x3132333435363738),
};

static void test_the_layout_is_the_documented_one(void **state)
{
	static const uint8_t expected[40] = {
		'N',  'B',  'P',  'R',  1,    0,    0,    48, /* magic, version, flags, header length */
		0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* session, stream */
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, /* sequence */
		0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, /* scheduled */
		0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /* sent */
	};
	uint8_t buffer[NB_PROBE_LENGTH];

	(void)state;
	assert_int_equal(nb_probe_encode(buffer, sizeof(buffer), &ordinary), 0);
	assert_memory_equal(buffer, expected, sizeof(expected));
}

/* The check is part of the format: both ends must agree on it, whatever machine or version of this program they are. */
static void test_the_check_never_changes(void **state)
{
	static const uint8_t expected[8] = { 0xdc, 0x19, 0x3d, 0x68, 0xbf, 0x68, 0xe7, 0x69 };
	uint8_t buffer[NB_PROBE_LENGTH];

	(void)state;
	assert_int_equal(nb_probe_encode(buffer, sizeof(buffer), &ordinary), 0);
	assert_memory_equal(buffer + 40, expected, sizeof(expected));
}

static void test_every_field_comes_back(void **state)
{
	const struct nb_probe probes[] = {
		ordinary,
		{ 0 },
		{ UINT32_MAX, UINT32_MAX, UINT64_MAX, INT64_MAX, INT64_MIN },
		{ 1, 2, 3, -4, -5 },
	};
	uint8_t buffer[1316];

	(void)state;
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		struct nb_probe decoded;

		memset(buffer, 0xa5, sizeof(buffer)); /* padding is none of the probe's business */
		assert_int_equal(nb_probe_encode(buffer, sizeof(buffer), &probes[i]), 0);
		assert_int_equal(buffer[NB_PROBE_LENGTH], 0xa5);
		assert_int_equal(nb_probe_decode(buffer, sizeof(buffer), &decoded), 0);
		assert_int_equal(decoded.session, probes[i].session);
		assert_int_equal(decoded.stream, probes[i].stream);
		assert_int_equal(decoded.sequence, probes[i].sequence);
		assert_int_equal(decoded.scheduled_ns, probes[i].scheduled_ns);
		assert_int_equal(decoded.sent_ns, probes[i].sent_ns);
	}
}

static void test_too_little_room_is_refused(void **state)
{
	uint8_t buffer[NB_PROBE_LENGTH - 1];

	(void)state;
	memset(buffer, 0x5a, sizeof(buffer));
	assert_int_equal(nb_probe_encode(buffer, sizeof(buffer), &ordinary), -ENOSPC);
	assert_int_equal(buffer[0], 0x5a);
}

static void test_what_is_no_probe(void **state)
{
	uint8_t buffer[NB_PROBE_LENGTH];
	struct nb_probe probe;

	(void)state;
	assert_int_equal(nb_probe_encode(buffer, sizeof(buffer), &ordinary), 0);
	for (size_t size = 0; size < NB_PROBE_LENGTH; size++)
		assert_int_equal(nb_probe_decode(buffer, size, &probe), -ENODATA);
	buffer[0] = 0x47; /* MPEG-TS */
	assert_int_equal(nb_probe_decode(buffer, sizeof(buffer), &probe), -ENODATA);
}

static void test_any_single_bit_of_damage_is_noticed(void **state)
{
	uint8_t buffer[NB_PROBE_LENGTH];
	struct nb_probe probe;

	(void)state;
	assert_int_equal(nb_probe_encode(buffer, sizeof(buffer), &ordinary), 0);
	for (unsigned int bit = 0; bit < NB_PROBE_LENGTH * 8; bit++) {
		int expected = bit < 4 * 8 ? -ENODATA : bit < 5 * 8 ? -EPROTO : -EBADMSG;

		buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(nb_probe_decode(buffer, sizeof(buffer), &probe), expected);
		buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(nb_probe_decode(buffer, sizeof(buffer), &probe), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_layout_is_the_documented_one),
		cmocka_unit_test(test_the_check_never_changes),
		cmocka_unit_test(test_every_field_comes_back),
		cmocka_unit_test(test_too_little_room_is_refused),
		cmocka_unit_test(test_what_is_no_probe),
		cmocka_unit_test(test_any_single_bit_of_damage_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
