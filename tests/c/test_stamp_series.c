/* SPDX-License-Identifier: MIT */
/* test_stamp_series.c - which stamps are there, and which of them can be believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stamp_series.h"
#include "stamped_frame.h"

#define START_NS INT64_C(1700000000000000000)
#define STEP_NS INT64_C(1000000)

static struct nb_stamp_series series;

static struct nb_stamp_counts counts_of(void)
{
	struct nb_stamp_counts counts;

	nb_stamp_series_read(&series, &counts);
	return counts;
}

static int reset(void **state)
{
	(void)state;
	memset(&series, 0, sizeof(series));
	return 0;
}

/* @count packets, one a millisecond; the card's clock starts at @hardware_ns and goes @ppm faster; each stamp of the kernel is late by
 * up to 300 us, some by nothing. */
static void add_clocked(int64_t hardware_ns, int64_t ppm, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const int64_t passed_ns = i * STEP_NS;
		const int64_t late_ns = i % 7 == 3 ? 0 : 40000 * (i % 8);

		nb_stamp_series_add(&series, 1, hardware_ns + passed_ns + passed_ns / 1000000 * ppm,
				    START_NS + passed_ns + late_ns);
	}
}

static void nothing_is_nothing(void **state)
{
	const struct nb_stamp_counts counts = counts_of();

	(void)state;
	assert_int_equal(counts.packets, 0);
	assert_int_equal(counts.first_ns, 0);
	assert_false(counts.rate_known);
}

static void packets_without_hardware_stamps_are_counted_apart(void **state)
{
	struct nb_stamp_counts counts;

	(void)state;
	nb_stamp_series_add(&series, 1, 0, START_NS);
	nb_stamp_series_add(&series, 1, 5, START_NS + 1);
	nb_stamp_series_add(&series, 1, 0, 0);
	counts = counts_of();
	assert_int_equal(counts.packets, 3);
	assert_int_equal(counts.hardware, 1);
	assert_int_equal(counts.kernel, 2);
	assert_int_equal(counts.compared, 0);
	assert_int_equal(counts.first_ns, START_NS);
	assert_int_equal(counts.last_ns, START_NS + 1);
}

static void order_holds_within_a_flow_only(void **state)
{
	struct nb_stamp_counts counts;

	(void)state;
	nb_stamp_series_add(&series, 1, 1000, START_NS);
	nb_stamp_series_add(&series, 2, 500, START_NS); /* another flow, another queue: no step back */
	nb_stamp_series_add(&series, 1, 999, START_NS); /* back */
	nb_stamp_series_add(&series, 2, 500, START_NS); /* again */
	nb_stamp_series_add(&series, 2, 501, START_NS);
	counts = counts_of();
	assert_int_equal(counts.compared, 3);
	assert_int_equal(counts.backward, 1);
	assert_int_equal(counts.repeated, 1);
}

static void flows_that_meet_are_not_compared(void **state)
{
	(void)state;
	nb_stamp_series_add(&series, 1, 1000, START_NS);
	nb_stamp_series_add(&series, 1 + NB_STAMP_FLOWS, 10, START_NS); /* the same place of the table */
	nb_stamp_series_add(&series, 1, 900, START_NS);
	assert_int_equal(counts_of().compared, 0);
	assert_int_equal(counts_of().backward, 0);
}

static void without_a_flow_there_is_no_order(void **state)
{
	(void)state;
	nb_stamp_series_add(&series, NB_STAMP_NO_FLOW, 1000, START_NS);
	nb_stamp_series_add(&series, NB_STAMP_NO_FLOW, 900, START_NS);
	assert_int_equal(counts_of().hardware, 2);
	assert_int_equal(counts_of().compared, 0);
	assert_int_equal(counts_of().backward, 0);
}

/* Whatever the stamps are: nothing overflows (the sanitizer looks), and a rate is of so long a time as it must be. */
static void stamps_that_cannot_be(void **state)
{
	static const int64_t stamps[] = { INT64_MIN, INT64_MIN + 1, -START_NS,     -1,       0,
					  1,         START_NS,      INT64_MAX - 1, INT64_MAX };
	const size_t count = sizeof(stamps) / sizeof(stamps[0]);

	(void)state;
	for (size_t i = 0; i < count * count * 7; i++) {
		struct nb_stamp_counts counts;

		nb_stamp_series_add(&series, i % 3, stamps[i * 5 % count], stamps[i / count % count]);
		counts = counts_of();
		assert_true(counts.backward + counts.repeated <= counts.compared && counts.compared <= counts.hardware);
		assert_true(!counts.rate_known || counts.rate_span_ns >= NB_STAMP_RATE_SPAN_NS);
	}
}

static void the_kernels_stamp_in_disguise(void **state)
{
	(void)state;
	nb_stamp_series_add(&series, 1, START_NS, START_NS);
	nb_stamp_series_add(&series, 1, START_NS + 2, START_NS + 3);
	assert_int_equal(counts_of().equal_kernel, 1);
}

static void a_true_clock(void **state)
{
	struct nb_stamp_counts counts;

	(void)state;
	add_clocked(77, 0, 2000);
	counts = counts_of();
	assert_true(counts.rate_known);
	assert_true(counts.rate_ppm > -1.0 && counts.rate_ppm < 1.0);
	assert_true(counts.rate_span_ns >= NB_STAMP_RATE_SPAN_NS);
	assert_int_equal(counts.backward, 0);
	assert_int_equal(counts.compared, 1999);
}

static void fast_and_slow_clocks(void **state)
{
	static const int64_t rates[] = { 500, -500, 37, 20000 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct nb_stamp_counts counts;

		reset(state);
		add_clocked(INT64_C(1) << 40, rates[i], 3000);
		counts = counts_of();
		assert_true(counts.rate_known);
		/* The least late packet is not at the same place of every window. */
		assert_true(counts.rate_ppm > (double)rates[i] - 2.0 - 1e-3 * 20000 * (rates[i] == 20000) &&
			    counts.rate_ppm < (double)rates[i] + 2.0 + 1e-3 * 20000 * (rates[i] == 20000));
	}
}

/* The difference of the clocks passes 2^63: taken modulo 2^64, it is still right. */
static void clocks_that_start_anywhere(void **state)
{
	static const int64_t starts[] = { INT64_MIN + 1, INT64_MAX - 4 * 1000 * STEP_NS, -1, 1 };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		reset(state);
		add_clocked(starts[i], 0, 1500);
		assert_true(counts_of().rate_known);
		assert_true(counts_of().rate_ppm > -1.0 && counts_of().rate_ppm < 1.0);
	}
}

static void too_short_for_a_rate(void **state)
{
	(void)state;
	add_clocked(1, 0, 900);
	assert_false(counts_of().rate_known);
	assert_true(counts_of().rate_ppm == 0.0);
}

static void a_system_clock_that_was_set_back(void **state)
{
	(void)state;
	nb_stamp_series_add(&series, 1, 1, START_NS);
	nb_stamp_series_add(&series, 1, 2, START_NS - 3600 * INT64_C(1000000000));
	nb_stamp_series_add(&series, 1, 3, 5);
	assert_int_equal(counts_of().hardware, 3);
	assert_false(counts_of().rate_known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_nothing, reset),
		cmocka_unit_test_setup(packets_without_hardware_stamps_are_counted_apart, reset),
		cmocka_unit_test_setup(order_holds_within_a_flow_only, reset),
		cmocka_unit_test_setup(flows_that_meet_are_not_compared, reset),
		cmocka_unit_test_setup(without_a_flow_there_is_no_order, reset),
		cmocka_unit_test_setup(stamps_that_cannot_be, reset),
		cmocka_unit_test_setup(the_kernels_stamp_in_disguise, reset),
		cmocka_unit_test_setup(a_true_clock, reset),
		cmocka_unit_test_setup(fast_and_slow_clocks, reset),
		cmocka_unit_test_setup(clocks_that_start_anywhere, reset),
		cmocka_unit_test_setup(too_short_for_a_rate, reset),
		cmocka_unit_test_setup(a_system_clock_that_was_set_back, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
