/* SPDX-License-Identifier: MIT */
/* test_summary.c - the numbers of a table row, against values that can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "summary.h"

/* Below 64 every value has a bucket of its own, so quantiles are exact. */

static void test_of_nothing_only_the_count_is_known(void **state)
{
	struct nb_histogram empty;
	struct nb_summary summary = { .count = 5 };

	(void)state;
	nb_histogram_reset(&empty);
	nb_summary_of(&summary, &empty);
	assert_int_equal(summary.count, 0);
	summary.count = 5;
	nb_summary_of_offsets(&summary, &empty, &empty, 1000, 0, 0);
	assert_int_equal(summary.count, 0);
}

static void test_nearest_rank(void **state)
{
	struct nb_histogram histogram;
	struct nb_summary summary;

	(void)state;
	nb_histogram_reset(&histogram);
	for (uint64_t value = 1; value <= 50; value++)
		nb_histogram_record(&histogram, value);
	nb_summary_of(&summary, &histogram);
	assert_int_equal(summary.count, 50);
	assert_int_equal(summary.min, 1);
	assert_int_equal(summary.max, 50);
	assert_true(summary.mean == 25.5);
	assert_int_equal(summary.p50, 25);
	assert_int_equal(summary.p99, 50);
	assert_int_equal(summary.p99_9, 50);
}

/* Values 1000 - 20 .. 1000 + 20, one each; then a base at either end, and in the middle: the summary must not notice. */
static void test_the_base_does_not_matter(void **state)
{
	static const int64_t bases[] = { 980, 1000, 1020 };

	(void)state;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		struct nb_histogram above, below;
		struct nb_summary summary;

		nb_histogram_reset(&above);
		nb_histogram_reset(&below);
		for (int64_t value = 980; value <= 1020; value++) {
			if (value >= bases[i])
				nb_histogram_record(&above, (uint64_t)(value - bases[i]));
			else
				nb_histogram_record(&below, (uint64_t)(bases[i] - value));
		}
		nb_summary_of_offsets(&summary, &above, &below, bases[i], 980, 1020);
		assert_int_equal(summary.count, 41);
		assert_int_equal(summary.min, 980);
		assert_int_equal(summary.max, 1020);
		assert_true(summary.mean == 1000.0);
		assert_int_equal(summary.p50, 1000);
		assert_int_equal(summary.p99, 1020);
		assert_int_equal(summary.p99_9, 1020);
	}
}

static void test_negative_values_keep_their_sign(void **state)
{
	struct nb_histogram above, below;
	struct nb_summary summary;

	(void)state;
	nb_histogram_reset(&above);
	nb_histogram_reset(&below);
	nb_histogram_record(&above, 0);
	nb_histogram_record(&below, 10);
	nb_histogram_record(&below, 30);
	nb_summary_of_offsets(&summary, &above, &below, -100, -130, -100);
	assert_int_equal(summary.p50, -110);
	assert_int_equal(summary.p99, -100);
	assert_int_equal(summary.min, -130);
}

/* Distances modulo 2^64, as of send stamps that a hostile probe claims. */
static void test_the_farthest_values_there_are(void **state)
{
	struct nb_histogram above, below;
	struct nb_summary summary;

	(void)state;
	nb_histogram_reset(&above);
	nb_histogram_reset(&below);
	nb_histogram_record(&below, UINT64_C(1) << 63); /* from 5 down to INT64_MIN + 5 */
	nb_summary_of_offsets(&summary, &above, &below, 5, INT64_MIN + 5, INT64_MIN + 5);
	assert_int_equal(summary.p50, INT64_MIN + 5);
	nb_histogram_reset(&below);
	nb_histogram_record(&above, INT64_MAX);
	nb_summary_of_offsets(&summary, &above, &below, 5, INT64_MIN + 4, INT64_MIN + 4);
	assert_int_equal(summary.p99, INT64_MIN + 4); /* around the corner */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_nothing_only_the_count_is_known),
		cmocka_unit_test(test_nearest_rank),
		cmocka_unit_test(test_the_base_does_not_matter),
		cmocka_unit_test(test_negative_values_keep_their_sign),
		cmocka_unit_test(test_the_farthest_values_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
