/* SPDX-License-Identifier: MIT */
/* test_transit_times.c - signed differences of transit. (Jitter and PDV are tested through the tracker.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "transit_times.h"

static void test_differences_keep_their_sign(void **state)
{
	struct nb_transit_histograms histograms = { 0 };
	struct nb_transit_times times = { .histograms = &histograms };

	(void)state;
	nb_transit_times_pair(&times, 100, 130);
	nb_transit_times_pair(&times, 130, 130);
	nb_transit_times_pair(&times, 130, 80);
	assert_int_equal(histograms.ipdv_above.count, 2);
	assert_int_equal(histograms.ipdv_above.min, 0);
	assert_int_equal(histograms.ipdv_above.max, 30);
	assert_int_equal(histograms.ipdv_below.count, 1);
	assert_int_equal(histograms.ipdv_below.max, 50);
}

static void test_hostile_transits_overflow_nothing(void **state)
{
	static const int64_t transits[] = { INT64_MIN, INT64_MAX, 0, -1, INT64_MIN };
	struct nb_transit_histograms histograms = { 0 };
	struct nb_transit_times times = { .histograms = &histograms };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		nb_transit_times_record(&times, transits[i]);
	for (size_t i = 1; i < 5; i++)
		nb_transit_times_pair(&times, transits[i - 1], transits[i]);
	assert_int_equal(histograms.above.count + histograms.below.count, 5);
	assert_int_equal(histograms.ipdv_above.count + histograms.ipdv_below.count, 4);
	assert_int_equal(times.min_ns, INT64_MIN);
	assert_int_equal(times.max_ns, INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences_keep_their_sign),
		cmocka_unit_test(test_hostile_transits_overflow_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
