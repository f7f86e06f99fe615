/* SPDX-License-Identifier: MIT */
/* test_arrival_times.c - windows of time, and what is kept of them. (IAT is tested through the tracker.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arrival_times.h"

#define MS INT64_C(1000000)
#define START INT64_C(1700000000000000000)

static struct nb_arrival_times new_times(struct nb_arrival_history *history)
{
	struct nb_arrival_times times = { 0 };

	nb_arrival_times_init(&times, history, 1000 * MS, 45 * MS);
	return times;
}

static void test_windows_say_what_came_in_them(void **state)
{
	static const struct {
		int64_t at_ms;
		uint64_t missing;
	} arrivals[] = { { 0, 0 }, { 400, 0 }, { 999, 2 }, { 1000, 5 }, { 1030, 5 }, { 4500, 5 } };
	struct nb_arrival_history history = { 0 };
	struct nb_arrival_times times = new_times(&history);
	struct nb_time_window windows[NB_WINDOWS_KEPT];

	(void)state;
	assert_int_equal(nb_arrival_times_kept(&times, windows), 0);
	for (size_t i = 0; i < sizeof(arrivals) / sizeof(*arrivals); i++)
		nb_arrival_times_record(&times, START + arrivals[i].at_ms * MS, 100, arrivals[i].missing);
	assert_int_equal(nb_arrival_times_windows(&times), 5);
	assert_int_equal(nb_arrival_times_kept(&times, windows), 3); /* nothing came in 2 and 3 */

	assert_int_equal(windows[0].number, 0);
	assert_int_equal(windows[0].packets, 3);
	assert_int_equal(windows[0].bytes, 300);
	assert_int_equal(windows[0].missing, 2);
	assert_int_equal(windows[0].iat_count, 2);
	assert_int_equal(windows[0].iat_sum_ns, 999 * MS);
	assert_int_equal(windows[0].iat_max_ns, 599 * MS);

	assert_int_equal(windows[1].number, 1);
	assert_int_equal(windows[1].packets, 2);
	assert_int_equal(windows[1].missing, 3);
	assert_int_equal(windows[1].iat_count, 2);
	assert_int_equal(windows[1].iat_max_ns, 30 * MS);

	assert_int_equal(windows[2].number, 4);
	assert_int_equal(windows[2].packets, 1);
	assert_int_equal(windows[2].missing, 0);
	assert_int_equal(windows[2].iat_max_ns, 3470 * MS);
	assert_int_equal(times.error_windows, 2);
}

static void test_the_newest_are_kept(void **state)
{
	struct nb_arrival_history history = { 0 };
	struct nb_arrival_times times = new_times(&history);
	struct nb_time_window windows[NB_WINDOWS_KEPT];

	(void)state;
	for (int64_t second = 0; second < 1000; second++)
		nb_arrival_times_record(&times, START + second * 1000 * MS, 100, 0);
	assert_int_equal(nb_arrival_times_kept(&times, windows), NB_WINDOWS_KEPT);
	for (uint64_t i = 0; i < NB_WINDOWS_KEPT; i++) {
		assert_int_equal(windows[i].number, 1000 - NB_WINDOWS_KEPT + i);
		assert_int_equal(windows[i].packets, 1);
	}
}

static void test_a_clock_that_is_set_back_stays_in_its_window(void **state)
{
	struct nb_arrival_history history = { 0 };
	struct nb_arrival_times times = new_times(&history);
	struct nb_time_window windows[NB_WINDOWS_KEPT];

	(void)state;
	nb_arrival_times_record(&times, START, 100, 0);
	nb_arrival_times_record(&times, START + 1500 * MS, 100, 0);
	nb_arrival_times_record(&times, START + 100 * MS, 100, 0);
	nb_arrival_times_record(&times, START - 5000 * MS, 100, 0);
	assert_int_equal(nb_arrival_times_kept(&times, windows), 2);
	assert_int_equal(windows[1].packets, 3);
	assert_int_equal(times.clock_backwards, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_say_what_came_in_them),
		cmocka_unit_test(test_the_newest_are_kept),
		cmocka_unit_test(test_a_clock_that_is_set_back_stays_in_its_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
