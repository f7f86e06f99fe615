/* SPDX-License-Identifier: MIT */
/* test_loss_pattern.c - runs of lost packets and the distances between them, worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loss_pattern.h"

static void lost(struct nb_loss_pattern *pattern, uint64_t count)
{
	nb_loss_pattern_lost(pattern, count);
}

/* @count packets, 10 ns apart, the first at @first_ns. */
static void received(struct nb_loss_pattern *pattern, uint64_t count, int64_t first_ns)
{
	nb_loss_pattern_received(pattern, count, first_ns, first_ns + 10 * (int64_t)(count - 1));
}

/* Losses at sequences 2, 5, 7, 9 and 10: distances 3, 2, 2, 1; four periods of 1, 1, 1, 2. Sequence s comes at 10 s. */
static void test_distances_and_periods(void **state)
{
	struct nb_loss_histograms histograms = { 0 };
	struct nb_loss_pattern pattern = { .histograms = &histograms, .delta = 2 };

	(void)state;
	received(&pattern, 1, 10);
	lost(&pattern, 1);
	received(&pattern, 2, 30);
	lost(&pattern, 1);
	received(&pattern, 1, 60);
	lost(&pattern, 1);
	received(&pattern, 1, 80);
	lost(&pattern, 2);
	assert_int_equal(pattern.periods, 4);
	assert_int_equal(histograms.length_packets.count, 3); /* how long the fourth is, nobody knows yet */
	received(&pattern, 1, 110);

	assert_int_equal(pattern.lost, 5);
	assert_int_equal(pattern.longest, 2);
	assert_int_equal(pattern.noticeable, 3);
	assert_int_equal(histograms.length_packets.count, 4);
	assert_int_equal(histograms.length_packets.buckets[1], 3);
	assert_int_equal(histograms.length_packets.buckets[2], 1);
	assert_int_equal(histograms.between_packets.count, 3);
	assert_int_equal(histograms.between_packets.buckets[3], 1);
	assert_int_equal(histograms.between_packets.buckets[2], 2);
	/* 10 -> 30, 40 -> 60, 60 -> 80, 80 -> 110 without; 30 -> 40, 60 -> 60, 80 -> 80 with packets: 100 in all. */
	assert_int_equal(histograms.length_ns.count, 4);
	assert_int_equal(histograms.length_ns.sum, 20 + 20 + 20 + 30);
	assert_int_equal(histograms.between_ns.count, 3);
	assert_int_equal(histograms.between_ns.sum, 10);
}

static void test_runs_that_are_told_in_pieces(void **state)
{
	struct nb_loss_histograms histograms = { 0 };
	struct nb_loss_pattern pattern = { .histograms = &histograms, .delta = 99 };

	(void)state;
	received(&pattern, 1, 10);
	for (int i = 0; i < 5; i++)
		lost(&pattern, 10);
	received(&pattern, 60, 1000);
	received(&pattern, 38, 2000);
	lost(&pattern, 3);
	received(&pattern, 1, 3000);
	assert_int_equal(pattern.periods, 2);
	assert_int_equal(pattern.longest, 50);
	assert_int_equal(histograms.between_packets.min, 99);
	assert_int_equal(pattern.noticeable,
			 49 + 3); /* all but the first loss: the distance of 99 is not above delta */
	assert_int_equal(histograms.length_ns.min, 3000 - 2370);
	assert_int_equal(histograms.between_ns.max, 2370 - 1000);
}

static void test_no_loss_is_noticeable_with_a_constraint_of_none(void **state)
{
	struct nb_loss_histograms histograms = { 0 };
	struct nb_loss_pattern pattern = { .histograms = &histograms, .delta = 0 };

	(void)state;
	received(&pattern, 1, 10);
	lost(&pattern, 10);
	received(&pattern, 1, 20);
	lost(&pattern, UINT64_C(1) << 60);
	assert_int_equal(pattern.noticeable, 0);
	assert_int_equal(pattern.periods, 2);
	assert_int_equal(pattern.longest, UINT64_C(1) << 60);
}

/* Without a stamp, or with stamps in the wrong order, a period has a length in packets only. */
static void test_time_only_where_stamps_allow(void **state)
{
	struct nb_loss_histograms histograms = { 0 };
	struct nb_loss_pattern pattern = { .histograms = &histograms, .delta = 1 };

	(void)state;
	received(&pattern, 1, 10);
	lost(&pattern, 1);
	nb_loss_pattern_received(&pattern, 1, NB_NO_STAMP, NB_NO_STAMP);
	lost(&pattern, 1);
	received(&pattern, 1, 50);
	lost(&pattern, 1);
	received(&pattern, 1, 40);
	assert_int_equal(histograms.length_packets.count, 3);
	assert_int_equal(histograms.length_ns.count, 0);
	assert_int_equal(histograms.between_packets.count, 2);
	assert_int_equal(histograms.between_ns.count, 1);
	assert_int_equal(histograms.between_ns.max, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distances_and_periods),
		cmocka_unit_test(test_runs_that_are_told_in_pieces),
		cmocka_unit_test(test_no_loss_is_noticeable_with_a_constraint_of_none),
		cmocka_unit_test(test_time_only_where_stamps_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
