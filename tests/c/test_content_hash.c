/* SPDX-License-Identifier: MIT */
/* test_content_hash.c - what is equal has one hash however it was captured; what is not has two, also where somebody wants one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "content_hash.h"

#define SEED 0x5eed1234u

static uint8_t payload[8192];

static struct nb_packet packet_of(uint32_t captured, uint32_t length)
{
	return (struct nb_packet){
		.flow = { .family = 4,
			  .source = { 10, 0, 0, 1 },
			  .destination = { 239, 1, 2, 3 },
			  .source_port = 4000,
			  .destination_port = 5004 },
		.payload = payload,
		.payload_length = captured,
		.datagram_length = length,
	};
}

static uint32_t hash_of(uint32_t captured, uint32_t length)
{
	const struct nb_packet packet = packet_of(captured, length);

	return nb_content_hash(SEED, &packet);
}

static int fill(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	return 0;
}

static void every_byte_counts(void **state)
{
	static const uint32_t lengths[] = { 1, 7, 8, 9, 188, 1316, NB_CONTENT_BYTES };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const uint32_t hash = hash_of(lengths[i], lengths[i]);

		assert_int_equal(hash, hash_of(lengths[i], lengths[i]));
		for (uint32_t at = 0; at < lengths[i]; at++) {
			payload[at] ^= 1;
			assert_int_not_equal(hash, hash_of(lengths[i], lengths[i]));
			payload[at] ^= 1;
		}
	}
}

static void lengths_count(void **state)
{
	(void)state;
	memset(payload, 0, sizeof(payload));
	assert_int_not_equal(hash_of(8, 8), hash_of(7, 7)); /* zeros that are there are no padding */
	assert_int_not_equal(hash_of(0, 0), hash_of(1, 1));
	assert_int_not_equal(hash_of(8, 8), hash_of(8, 9));
}

/* A jumbo frame, its first fragment of Ethernet, and what an application's buffer held of it. */
static void a_long_datagram_is_the_same_however_it_was_captured(void **state)
{
	(void)state;
	assert_int_equal(hash_of(8000, 8000), hash_of(2048, 8000));
	assert_int_equal(hash_of(8000, 8000), hash_of(1472, 8000));
	assert_int_not_equal(hash_of(8000, 8000), hash_of(8001, 8001));
	assert_int_not_equal(hash_of(8000, 8000), hash_of(1471, 8000));
}

static void flow_and_seed_count(void **state)
{
	struct nb_packet packet = packet_of(100, 100);
	const uint32_t hash = nb_content_hash(SEED, &packet);

	(void)state;
	assert_int_not_equal(hash, nb_content_hash(SEED + 1, &packet));
	packet.flow.source[3]++;
	assert_int_not_equal(hash, nb_content_hash(SEED, &packet));
	packet = packet_of(100, 100);
	packet.flow.destination[15]++;
	assert_int_not_equal(hash, nb_content_hash(SEED, &packet));
	packet = packet_of(100, 100);
	packet.flow.source_port++;
	assert_int_not_equal(hash, nb_content_hash(SEED, &packet));
	packet = packet_of(100, 100);
	packet.flow.destination_port++;
	assert_int_not_equal(hash, nb_content_hash(SEED, &packet));
	packet = packet_of(100, 100);
	packet.flow.family = 6;
	assert_int_not_equal(hash, nb_content_hash(SEED, &packet));
}

/* The highest bit of a word, and what multiplying and folding make of it in the next: in a hash of that kind it cancels out. */
static void no_seed_is_needed_to_fail(void **state)
{
	struct nb_packet packet = packet_of(64, 64);

	(void)state;
	for (uint32_t seed = 0; seed < 1000; seed++) {
		const uint32_t hash = nb_content_hash(seed, &packet);
		uint32_t other;

		payload[23] ^= 0x80;
		payload[31] ^= 0x80;
		payload[28] ^= 0x04; /* bit 63 - 29 of the word */
		other = nb_content_hash(seed, &packet);
		payload[23] ^= 0x80;
		payload[31] ^= 0x80;
		payload[28] ^= 0x04;
		assert_int_not_equal(hash, other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_byte_counts, fill),
		cmocka_unit_test_setup(lengths_count, fill),
		cmocka_unit_test_setup(a_long_datagram_is_the_same_however_it_was_captured, fill),
		cmocka_unit_test_setup(flow_and_seed_count, fill),
		cmocka_unit_test_setup(no_seed_is_needed_to_fail, fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
