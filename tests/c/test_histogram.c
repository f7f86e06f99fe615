/* SPDX-License-Identifier: MIT */
/* test_histogram.c - buckets that join up, exact extremes, quantiles that are as near as promised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "histogram.h"

#define VALUES 5000

/* Marsaglia's xorshift64: the same numbers on every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void test_buckets_join_up(void **state)
{
	(void)state;
	assert_int_equal(nb_histogram_lower(0), 0);
	for (uint32_t index = 0; index < NB_HISTOGRAM_BUCKETS; index++) {
		uint64_t lower = nb_histogram_lower(index), upper = nb_histogram_upper(index);

		assert_true(lower < upper);
		assert_int_equal(nb_histogram_index(lower), index);
		assert_int_equal(nb_histogram_index(upper - 1), index);
		if (index + 1 < NB_HISTOGRAM_BUCKETS)
			assert_int_equal(upper, nb_histogram_lower(index + 1));
	}
	assert_int_equal(nb_histogram_upper(NB_HISTOGRAM_BUCKETS - 1), UINT64_MAX);
	assert_int_equal(nb_histogram_index(UINT64_MAX), NB_HISTOGRAM_BUCKETS - 1);
}

static void test_buckets_are_as_narrow_as_promised(void **state)
{
	(void)state;
	for (uint32_t index = 0; index + 1 < NB_HISTOGRAM_BUCKETS; index++) {
		uint64_t lower = nb_histogram_lower(index), width = nb_histogram_upper(index) - lower;

		if (index < 64)
			assert_int_equal(width, 1);
		else
			assert_true(width * 32 <= lower);
	}
}

static void test_an_empty_one_says_so(void **state)
{
	struct nb_histogram histogram;

	(void)state;
	nb_histogram_reset(&histogram);
	assert_int_equal(histogram.count, 0);
	assert_int_equal(histogram.min, UINT64_MAX);
	assert_int_equal(nb_histogram_quantile(&histogram, 0.5), 0);
}

static void test_extremes_and_sum_are_exact(void **state)
{
	struct nb_histogram histogram;

	(void)state;
	nb_histogram_reset(&histogram);
	nb_histogram_record(&histogram, 1000003);
	nb_histogram_record(&histogram, 77);
	nb_histogram_record(&histogram, (UINT64_C(1) << 50) + 1);
	assert_int_equal(histogram.count, 3);
	assert_int_equal(histogram.min, 77);
	assert_int_equal(histogram.max, (UINT64_C(1) << 50) + 1);
	assert_int_equal(histogram.sum, (UINT64_C(1) << 50) + 1 + 1000003 + 77);
	assert_int_equal(nb_histogram_quantile(&histogram, 0), 77);
	assert_int_equal(nb_histogram_quantile(&histogram, 1), (UINT64_C(1) << 50) + 1);
}

static void test_a_sum_stays_at_the_top(void **state)
{
	struct nb_histogram histogram, other;

	(void)state;
	nb_histogram_reset(&histogram);
	nb_histogram_record(&histogram, UINT64_MAX);
	nb_histogram_record(&histogram, 5);
	assert_int_equal(histogram.sum, UINT64_MAX);
	other = histogram;
	nb_histogram_merge(&histogram, &other);
	assert_int_equal(histogram.sum, UINT64_MAX);
	assert_int_equal(histogram.count, 4);
}

static void test_nearest_rank_of_small_values_is_exact(void **state)
{
	struct nb_histogram histogram;

	(void)state;
	nb_histogram_reset(&histogram);
	for (uint64_t value = 1; value <= 50; value++) {
		nb_histogram_record(&histogram, value);
		nb_histogram_record(&histogram, value);
	}
	/* rank = ceil(q * 100), value = ceil(rank / 2) */
	assert_int_equal(nb_histogram_quantile(&histogram, 0.001), 1);
	assert_int_equal(nb_histogram_quantile(&histogram, 0.07), 4); /* rank 7, not 8: 0.07 * 100 rounds up */
	assert_int_equal(nb_histogram_quantile(&histogram, 0.5), 25);
	assert_int_equal(nb_histogram_quantile(&histogram, 0.501), 26);
	assert_int_equal(nb_histogram_quantile(&histogram, 0.99), 50);
	assert_int_equal(nb_histogram_quantile(&histogram, 0.98), 49);
}

static int compare_values(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static void test_quantiles_are_near_the_sorted_values(void **state)
{
	static const double quantiles[] = { 0.01, 0.25, 0.5, 0.9, 0.99, 0.999 };
	static uint64_t values[VALUES];
	struct nb_histogram histogram;
	uint64_t random = 88172645463325252u;

	(void)state;
	nb_histogram_reset(&histogram);
	for (size_t i = 0; i < VALUES; i++) {
		values[i] = next_random(&random) >> (24 + next_random(&random) % 40); /* all magnitudes below 2^40 */
		nb_histogram_record(&histogram, values[i]);
	}
	qsort(values, VALUES, sizeof(*values), compare_values);
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
		size_t rank = (size_t)(quantiles[i] * VALUES + 0.5);
		uint64_t expected = values[rank - 1];
		uint64_t actual = nb_histogram_quantile(&histogram, quantiles[i]);
		uint64_t error = actual > expected ? actual - expected : expected - actual;

		assert_true(error * 64 <= expected);
	}
}

static void test_merging_equals_recording_everything(void **state)
{
	struct nb_histogram parts[2], merged, whole;
	uint64_t random = 2463534242u;

	(void)state;
	nb_histogram_reset(&parts[0]);
	nb_histogram_reset(&parts[1]);
	nb_histogram_reset(&merged);
	nb_histogram_reset(&whole);
	for (size_t i = 0; i < VALUES; i++) {
		uint64_t value = next_random(&random) >> (8 + next_random(&random) % 56);

		nb_histogram_record(&parts[i % 2], value >> 16);
		nb_histogram_record(&whole, value >> 16);
	}
	nb_histogram_merge(&merged, &parts[0]);
	nb_histogram_merge(&merged, &parts[1]);
	assert_memory_equal(&merged, &whole, sizeof(whole));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets_join_up),
		cmocka_unit_test(test_buckets_are_as_narrow_as_promised),
		cmocka_unit_test(test_an_empty_one_says_so),
		cmocka_unit_test(test_extremes_and_sum_are_exact),
		cmocka_unit_test(test_a_sum_stays_at_the_top),
		cmocka_unit_test(test_nearest_rank_of_small_values_is_exact),
		cmocka_unit_test(test_quantiles_are_near_the_sorted_values),
		cmocka_unit_test(test_merging_equals_recording_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
