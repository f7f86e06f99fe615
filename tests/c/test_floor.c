/* SPDX-License-Identifier: MIT */
/* test_floor.c - a floor that is measured as often as asked for, and stops when told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "floor.h"

static void test_clock_cost(void **state)
{
	(void)state;
	assert_true(nb_floor_clock_cost_ns(0) == 0);
	assert_true(nb_floor_clock_cost_ns(10000) > 0);
}

static void test_clock_step(void **state)
{
	(void)state;
	assert_int_equal(nb_floor_clock_step_ns(0), 0);
	assert_true(nb_floor_clock_step_ns(100000) > 0);
}

static void test_each_wakeup_counts_once(void **state)
{
	static const int64_t intervals_ns[] = { -1, 0, 1000, 1000000 };
	const atomic_bool stop = false;

	(void)state;
	for (size_t i = 0; i < sizeof(intervals_ns) / sizeof(intervals_ns[0]); i++) {
		struct nb_histogram histogram;

		nb_histogram_reset(&histogram);
		nb_floor_wakeup(&histogram, 20, intervals_ns[i], &stop);
		assert_int_equal(histogram.count, 20);
		assert_true(histogram.min <= histogram.max);
	}
}

/* An hour, or an age each: only the stop lets this end. */
static void test_a_stop_ends_it(void **state)
{
	const atomic_bool stop = true;
	struct nb_histogram histogram;

	(void)state;
	nb_histogram_reset(&histogram);
	nb_floor_wakeup(&histogram, 1000, INT64_C(3600000000000), &stop);
	nb_floor_wakeup(&histogram, 1000, INT64_MAX, &stop);
	assert_int_equal(histogram.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock_cost),
		cmocka_unit_test(test_clock_step),
		cmocka_unit_test(test_each_wakeup_counts_once),
		cmocka_unit_test(test_a_stop_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
