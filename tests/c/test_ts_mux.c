/* SPDX-License-Identifier: MIT */
/* test_ts_mux.c - TS packets as ISO 13818-1 writes them, to the bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ts_mux.h"

static uint8_t packet[NB_TS_BYTES];

static void assert_header(uint8_t unit_start, uint16_t pid, uint8_t last)
{
	assert_int_equal(packet[0], 0x47);
	assert_int_equal(packet[1], unit_start << 6 | pid >> 8);
	assert_int_equal(packet[2], pid & 0xff);
	assert_int_equal(packet[3], last);
}

static void assert_stuffed_from(size_t at)
{
	for (; at < NB_TS_BYTES; at++)
		assert_int_equal(packet[at], 0xff);
}

/* The check value of CRC-32/MPEG-2, as catalogues of CRCs have it. */
static void test_the_crc_is_that_of_sections(void **state)
{
	(void)state;
	assert_int_equal(nb_ts_crc32((const uint8_t *)"123456789", 9), 0x0376e6e7);
	assert_int_equal(nb_ts_crc32(NULL, 0), UINT32_MAX);
}

/*
 * §2.4.4.3: table 0, length 5 + 4 + 4 = 13, transport_stream_id 1, version 0 and current, section 0 of 0; program 1 is on
 * PID 0x1000.
 */
static void test_the_pat(void **state)
{
	static const uint8_t section[] = {
		0x00, 0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00, 0x01, 0xf0, 0x00
	};

	(void)state;
	nb_ts_write_pat(packet);
	assert_header(1, 0x0000, 0x10);
	assert_memory_equal(packet + 4, section, sizeof(section));
	assert_int_equal(nb_ts_crc32(packet + 5, 12 + 4), 0);
	/* The same section stands in streams of other multiplexers with the same numbers. */
	assert_memory_equal(packet + 17, ((uint8_t[]){ 0x2a, 0xb1, 0x04, 0xb2 }), 4);
	assert_stuffed_from(21);
}

/* §2.4.4.8: table 2, length 5 + 4 + 5 + 6 + 4 = 24; the clock is on PID 0x100, the probe on 0x1ff0. */
static void test_the_pmt(void **state)
{
	static const uint8_t section[] = { 0x00, 0x02, 0xb0, 0x18, 0x00, 0x01, 0xc1, 0x00, 0x00, 0xe1, 0x00, 0xf0,
					   0x00, 0xf0, 0xff, 0xf0, 0xf0, 0x06, 0x05, 0x04, 'N',  'B',  'P',  'R' };

	(void)state;
	nb_ts_write_pmt(packet);
	assert_header(1, 0x1000, 0x10);
	assert_memory_equal(packet + 4, section, sizeof(section));
	assert_int_equal(nb_ts_crc32(packet + 5, 23 + 4), 0);
	assert_stuffed_from(5 + 27);
}

static void test_padding_and_the_probe(void **state)
{
	(void)state;
	nb_ts_write_null(packet);
	assert_header(0, 0x1fff, 0x10);
	assert_stuffed_from(4);
	nb_ts_write_probe(packet);
	assert_header(1, 0x1ff0, 0x10);
	assert_stuffed_from(4);
	for (uint64_t counter = 0; counter < 40; counter++) {
		nb_ts_set_counter(packet, counter);
		assert_header(1, 0x1ff0, (uint8_t)(0x10 | counter % 16));
	}
	assert_stuffed_from(4);
}

static uint64_t pcr(void)
{
	const uint64_t base = (uint64_t)packet[6] << 25 | packet[7] << 17 | packet[8] << 9 | packet[9] << 1 |
			      packet[10] >> 7;

	assert_int_equal(packet[10] & 0x7e, 0x7e); /* reserved */
	return base * 300 + ((packet[10] & 1u) << 8 | packet[11]);
}

/* §2.4.3.5: PCR = 27 MHz ticks, rounded down: ns * 27 / 1000, modulo 300 * 2^33. */
static void test_the_clock(void **state)
{
	static const struct {
		int64_t media_ns;
		uint64_t ticks;
	} known[] = {
		{ 0, 0 },
		{ 37, 0 },
		{ 38, 1 }, /* 1.026 */
		{ 1000, 27 },
		{ 11112, 300 },                      /* one tick of 90 kHz: 300.024 */
		{ 1052631, 28421 },                  /* 28421.037 */
		{ INT64_C(999999999), 26999999 },    /* 26999999.973 */
		{ INT64_C(3600000000000), UINT64_C(97200000000) },
		{ INT64_C(95443717688888), UINT64_C(2576980377599) }, /* the last tick: 2^33 * 300 - 1 */
		{ INT64_C(95443717688889), 0 },                       /* 2^33 * 300 ticks: wrapped */
	};

	(void)state;
	nb_ts_write_clock(packet);
	assert_header(0, 0x0100, 0x20);
	assert_int_equal(packet[4], 183);
	assert_int_equal(packet[5], 0x10); /* a PCR and nothing else */
	assert_stuffed_from(12);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		nb_ts_set_clock(packet, known[i].media_ns);
		assert_int_equal(pcr(), known[i].ticks);
	}
	assert_header(0, 0x0100, 0x20);
	assert_stuffed_from(12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_crc_is_that_of_sections),
		cmocka_unit_test(test_the_pat),
		cmocka_unit_test(test_the_pmt),
		cmocka_unit_test(test_padding_and_the_probe),
		cmocka_unit_test(test_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
