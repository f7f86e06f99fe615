/* SPDX-License-Identifier: MIT */
/* test_delay_factor.c - the delay factor of RFC 4445, against values worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "delay_factor.h"

#define MS INT64_C(1000000)
#define START INT64_C(1700000000000000000)
#define RATE 10e6                  /* bits per second */
#define BYTES 1316                 /* seven MPEG-TS packets */
#define SPACING_NS INT64_C(1052800) /* BYTES at RATE */

static void assert_near(double actual, double expected)
{
	if (fabs(actual - expected) > 1e-9 * expected)
		fail_msg("%.6f ns is not %.6f ns", actual, expected);
}

static void test_constant_rate_gives_one_packet(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, RATE);
	for (int64_t i = 0; i < 9500; i++) /* 10.0 s */
		nb_delay_factor_packet(&factor, START + i * SPACING_NS, BYTES);
	assert_int_equal(factor.intervals, 10);
	assert_near(factor.last_ns, 1052800);
	assert_near(factor.max_ns, 1052800);
}

static void test_nothing_is_known_before_an_interval_closed(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, RATE);
	for (int64_t i = 0; i <= 1000; i++) /* the last one exactly at 1 s: still of the interval */
		nb_delay_factor_packet(&factor, START + i * MS, BYTES);
	assert_int_equal(factor.intervals, 0);
	assert_true(factor.max_ns < 0);
	nb_delay_factor_packet(&factor, START + 1001 * MS, BYTES);
	assert_int_equal(factor.intervals, 1);
	assert_true(factor.max_ns > 0);
}

/* 10 packets at once every 10 packet times: the buffer runs 10 packets low, then is filled to 0 again. */
static void test_bursts_add_up(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, RATE);
	nb_delay_factor_packet(&factor, START, BYTES);
	for (int64_t burst = 1; burst <= 200; burst++)
		for (int i = 0; i < 10; i++)
			nb_delay_factor_packet(&factor, START + burst * 10 * SPACING_NS, BYTES);
	assert_true(factor.intervals >= 1);
	assert_near(factor.max_ns, 10 * 1052800);
}

/* One packet half a packet time early: the buffer then holds half a packet too much, beside the usual swing. */
static void test_an_early_packet_raises_the_level(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, RATE);
	for (int64_t i = 0; i <= 1000; i++) {
		int64_t early = i == 500 ? SPACING_NS / 2 : 0;

		nb_delay_factor_packet(&factor, START + i * SPACING_NS - early, BYTES);
	}
	assert_int_equal(factor.intervals, 1);
	assert_near(factor.last_ns, 1052800 + 1052800 / 2.0);
}

static void test_a_silence_shows_in_full(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, RATE);
	nb_delay_factor_packet(&factor, START, BYTES);
	nb_delay_factor_packet(&factor, START + 3000 * MS, BYTES);
	nb_delay_factor_packet(&factor, START + 3001 * MS, BYTES);
	assert_int_equal(factor.intervals, 1);
	assert_near(factor.last_ns, 3000e6);
}

static void test_a_step_back_of_the_clock_starts_over(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, RATE);
	for (int64_t i = 0; i < 500; i++)
		nb_delay_factor_packet(&factor, START + i * SPACING_NS, BYTES);
	for (int64_t i = 0; i < 1000; i++)
		nb_delay_factor_packet(&factor, START - 3600 * 1000 * MS + i * SPACING_NS, BYTES);
	assert_int_equal(factor.intervals, 1);
	assert_near(factor.max_ns, 1052800);
}

static void test_no_media_rate_no_delay_factor(void **state)
{
	struct nb_delay_factor factor;

	(void)state;
	nb_delay_factor_init(&factor, 0);
	for (int64_t i = 0; i < 3000; i++)
		nb_delay_factor_packet(&factor, START + i * MS, BYTES);
	assert_int_equal(factor.intervals, 0);
	assert_true(factor.max_ns < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant_rate_gives_one_packet),
		cmocka_unit_test(test_nothing_is_known_before_an_interval_closed),
		cmocka_unit_test(test_bursts_add_up),
		cmocka_unit_test(test_an_early_packet_raises_the_level),
		cmocka_unit_test(test_a_silence_shows_in_full),
		cmocka_unit_test(test_a_step_back_of_the_clock_starts_over),
		cmocka_unit_test(test_no_media_rate_no_delay_factor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
