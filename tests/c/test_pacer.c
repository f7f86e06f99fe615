/* SPDX-License-Identifier: MIT */
/* test_pacer.c - due times exact after a million million packets, and packets that are never handed out early. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "pacer.h"

__extension__ typedef unsigned __int128 uint128;

static const atomic_bool go_on = false;

static struct nb_pacer *make(uint64_t packets, double rate_pps, uint32_t burst)
{
	const struct nb_pacer_config config = { .packets = packets, .rate_pps = rate_pps, .burst = burst };
	struct nb_pacer *pacer;

	assert_int_equal(nb_pacer_create(&pacer, &config, NULL), 0);
	return pacer;
}

static void test_wrong_configurations_are_refused(void **state)
{
	static const struct nb_pacer_config wrong[] = {
		{ .rate_pps = -1, .burst = 1 },
		{ .rate_pps = NAN, .burst = 1 },
		{ .rate_pps = INFINITY, .burst = 1 },
		{ .rate_pps = 2e9, .burst = 1 },
		{ .rate_pps = 1e-4, .burst = 1 },
		{ .rate_pps = 1000, .burst = 0 },
		{ .rate_pps = 1000, .burst = 1, .spin_ns = -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct nb_pacer *pacer = NULL;
		struct nb_error error = { 0 };

		assert_int_equal(nb_pacer_create(&pacer, &wrong[i], &error), -EINVAL);
		assert_int_equal(error.code, -EINVAL);
		assert_true(error.what[0] != '\0');
		assert_null(pacer);
	}
}

static void test_due_times_do_not_drift(void **state)
{
	static const struct {
		double rate_pps;
		uint64_t index;
		int64_t due_ns;
	} known[] = {
		{ 1000, 0, 0 },
		{ 1000, 1, 1000000 },
		{ 1000, UINT64_C(1000000000000), INT64_C(1000000000000000000) },
		{ 3, 1, 333333333 },
		{ 3, 2, 666666666 },
		{ 3, 3, 1000000000 },
		{ 3, UINT64_C(3000000001), INT64_C(1000000000333333333) },
		{ 950, UINT64_C(1000000000000), INT64_C(1052631578947368421) },
		{ 300000, UINT64_C(1000000000000), INT64_C(3333333333333333) },
		{ 1e9, UINT64_C(1000000000000), INT64_C(1000000000000) },
		{ 0.125, 7, INT64_C(56000000000) },
		{ 1, UINT64_C(10000000000), INT64_MAX }, /* in the year 2286 and later: saturates */
		{ 0.001, UINT64_MAX, INT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct nb_pacer *pacer = make(0, known[i].rate_pps, 1);

		nb_pacer_start(pacer, 0);
		assert_int_equal(nb_pacer_due(pacer, known[i].index), known[i].due_ns);
		nb_pacer_destroy(pacer);
	}
}

/* due = floor(index * 10^9 / rate) for any double: due * rate <= index * 10^9 < (due + 1) * rate. */
static void test_due_times_of_crooked_rates(void **state)
{
	static const double rates[] = { 9500.1, 47493.92, 0.1, 333.333333333, 123456.789, 999999999.9 };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct nb_pacer *pacer = make(0, rates[i], 1);
		int exponent;
		const uint64_t mantissa = (uint64_t)ldexp(frexp(rates[i], &exponent), 53);

		nb_pacer_start(pacer, 0);
		for (uint64_t index = 1; index < UINT64_C(400000000); index = index * 3 + 1) {
			const uint128 exact = ((uint128)index * NB_NS_PER_S) << (53 - exponent);
			const int64_t due_ns = nb_pacer_due(pacer, index);

			assert_true((uint128)due_ns * mantissa <= exact);
			assert_true(((uint128)due_ns + 1) * mantissa > exact);
		}
		nb_pacer_destroy(pacer);
	}
}

static void test_bursts_are_due_together(void **state)
{
	struct nb_pacer *single = make(0, 9500.1, 1);
	struct nb_pacer *burst = make(0, 9500.1, 7);

	(void)state;
	nb_pacer_start(single, 5);
	nb_pacer_start(burst, 5);
	for (uint64_t i = 0; i < 7000; i++)
		assert_int_equal(nb_pacer_due(burst, i), nb_pacer_due(single, i - i % 7));
	nb_pacer_destroy(burst);
	nb_pacer_destroy(single);
}

/* Every packet is handed out once, in order, never early, never more than asked for. */
static void take_all(struct nb_pacer *pacer, uint64_t packets, uint32_t most)
{
	uint64_t taken = 0;
	uint32_t due;

	assert_int_equal(nb_pacer_next(pacer), 0);
	while ((due = nb_pacer_wait(pacer, most, &go_on)) > 0) {
		assert_true(due <= most);
		taken += due;
		assert_int_equal(nb_pacer_next(pacer), taken);
		assert_true(nb_pacer_intended(pacer) >= taken);
		assert_true(nb_pacer_due(pacer, taken - 1) <= nb_monotonic_ns());
	}
	assert_int_equal(taken, packets);
	assert_int_equal(nb_pacer_intended(pacer), packets);
	assert_int_equal(nb_pacer_wait(pacer, most, &go_on), 0);
}

static void test_the_schedule_is_handed_out_whole(void **state)
{
	static const struct {
		uint64_t packets;
		double rate_pps;
		uint32_t burst, most;
	} schedules[] = {
		{ 1, 1000, 1, 64 },   { 100, 2000, 1, 64 },    { 100, 2000, 1, 1 },     { 1000, 20000, 7, 64 },
		{ 1000, 1e6, 1, 64 }, { 1000, 50000, 100, 3 }, { 10000, 1e9, 1, 1000 }, { 1000, 0, 1, 64 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(schedules) / sizeof(schedules[0]); i++) {
		struct nb_pacer *pacer = make(schedules[i].packets, schedules[i].rate_pps, schedules[i].burst);

		nb_pacer_start(pacer, nb_monotonic_ns() + (schedules[i].rate_pps == 0 ? 0 : 1000000));
		take_all(pacer, schedules[i].packets, schedules[i].most);
		nb_pacer_destroy(pacer);
	}
}

/* One that wakes up late is given what has become due, and knows how far behind it is. */
static void test_lateness_is_caught_up_in_batches(void **state)
{
	struct nb_pacer *pacer = make(0, 100000, 1);
	const int64_t before_ns = nb_monotonic_ns();

	(void)state;
	nb_pacer_start(pacer, before_ns - NB_NS_PER_S);
	assert_int_equal(nb_pacer_intended(pacer), 0);
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 64);
		assert_int_equal(nb_pacer_next(pacer), 64 * (i + 1));
		assert_true(nb_pacer_intended(pacer) >= 100001); /* 0 .. 100000 in the second */
		assert_true(nb_pacer_due(pacer, nb_pacer_intended(pacer) - 1) <= nb_monotonic_ns());
		assert_true(nb_pacer_due(pacer, nb_pacer_intended(pacer)) > before_ns);
	}
	nb_pacer_destroy(pacer);
}

/* After a stall of a second there is no burst of a second: batch by batch, at twice the rate at most. */
static void test_catching_up_has_a_limit(void **state)
{
	struct nb_pacer *pacer = make(0, 100000, 1);
	const int64_t before_ns = nb_monotonic_ns();

	(void)state;
	nb_pacer_start(pacer, before_ns - NB_NS_PER_S);
	for (uint64_t i = 0; i < 50; i++) {
		assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 64);
		/* A slow machine is later than this, never earlier. */
		assert_true(nb_monotonic_ns() - before_ns >= (int64_t)i * 64 * 10000 / 2);
	}
	nb_pacer_destroy(pacer);
}

/* A burst that was asked for is no stall, in however many batches it is taken: held back, this would take minutes. */
static void test_a_burst_is_not_held_back(void **state)
{
	struct nb_pacer *pacer = make(1000, 1, 1000);

	(void)state;
	nb_pacer_start(pacer, nb_monotonic_ns());
	take_all(pacer, 1000, 64);
	nb_pacer_destroy(pacer);
}

static void test_without_a_rate_nothing_waits_and_nothing_is_late(void **state)
{
	struct nb_pacer *pacer = make(130, 0, 1);

	(void)state;
	nb_pacer_start(pacer, 1000);
	assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 64);
	assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 64);
	assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 2);
	assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 0);
	assert_int_equal(nb_pacer_due(pacer, 129), 1000);
	nb_pacer_sent(pacer, 129, 5000);
	assert_int_equal(nb_pacer_lateness(pacer)->count, 0);
	nb_pacer_destroy(pacer);
}

static void test_lateness_is_exact_and_early_is_not_late(void **state)
{
	struct nb_pacer *pacer = make(0, 1000, 1);
	const struct nb_histogram *lateness = nb_pacer_lateness(pacer);

	(void)state;
	nb_pacer_start(pacer, 1000000);
	nb_pacer_sent(pacer, 0, 1000000);
	nb_pacer_sent(pacer, 1, 2000007);
	nb_pacer_sent(pacer, 2, 2999000);
	nb_pacer_sent(pacer, 3, 4012345);
	assert_int_equal(lateness->count, 4);
	assert_int_equal(lateness->sum, 12352);
	assert_int_equal(lateness->min, 0);
	assert_int_equal(lateness->max, 12345);
	nb_pacer_start(pacer, 0);
	assert_int_equal(lateness->count, 0);
	nb_pacer_destroy(pacer);
}

static void test_stopped_before_it_began(void **state)
{
	static const double rates[] = { 0, 1000 };
	const atomic_bool stop = true;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct nb_pacer *pacer = make(0, rates[i], 1);

		nb_pacer_start(pacer, 0);
		assert_int_equal(nb_pacer_wait(pacer, 64, &stop), 0);
		assert_int_equal(nb_pacer_next(pacer), 0);
		assert_int_equal(nb_pacer_intended(pacer), 0);
		nb_pacer_destroy(pacer);
	}
}

static void *stop_soon(void *stop)
{
	usleep(20000);
	atomic_store((atomic_bool *)stop, true);
	return NULL;
}

/* The next packet is an age away: only the stop ends the wait. The test program's time limit is the judge. */
static void test_a_stop_ends_a_long_wait(void **state)
{
	struct nb_pacer *pacer = make(0, 0.001, 1);
	atomic_bool stop = false;
	pthread_t thread;

	(void)state;
	nb_pacer_start(pacer, nb_monotonic_ns());
	assert_int_equal(nb_pacer_wait(pacer, 64, &stop), 1);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &stop), 0);
	assert_int_equal(nb_pacer_wait(pacer, 64, &stop), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(nb_pacer_next(pacer), 1);
	assert_int_equal(nb_pacer_intended(pacer), 1);
	nb_pacer_destroy(pacer);
}

static const int64_t step[] = { 0, 1000000, 1000000, 1000000, 4000000, 4000001 };

static struct nb_pacer *make_written(void)
{
	const struct nb_pacer_config config = { .packets = 6, .burst = 1, .offsets_ns = step };
	struct nb_pacer *pacer;

	assert_int_equal(nb_pacer_create(&pacer, &config, NULL), 0);
	return pacer;
}

static void test_a_written_schedule_is_followed(void **state)
{
	struct nb_pacer *pacer = make_written();

	(void)state;
	assert_true(nb_pacer_is_timed(pacer));
	nb_pacer_start(pacer, 7);
	for (uint64_t i = 0; i < 6; i++) {
		assert_int_equal(nb_pacer_due(pacer, i), 7 + step[i]);
		assert_int_equal(nb_pacer_even_ns(pacer, i), step[i]);
	}
	assert_int_equal(nb_pacer_due(pacer, 6), 7 + step[5]);
	nb_pacer_start(pacer, nb_monotonic_ns() + 1000000);
	take_all(pacer, 6, 64);
	nb_pacer_start(pacer, nb_monotonic_ns());
	take_all(pacer, 6, 1);
	nb_pacer_destroy(pacer);
}

/* All that is due is handed out at once, and nothing of what is not: the last packet is an hour away. */
static void test_a_written_schedule_is_caught_up(void **state)
{
	static const int64_t offsets[] = { 0, 1, 1, 2, 3600 * NB_NS_PER_S };
	const struct nb_pacer_config config = { .packets = 5, .burst = 1, .offsets_ns = offsets };
	struct nb_pacer *pacer;

	(void)state;
	assert_int_equal(nb_pacer_create(&pacer, &config, NULL), 0);
	nb_pacer_start(pacer, nb_monotonic_ns() - 10);
	assert_int_equal(nb_pacer_wait(pacer, 3, &go_on), 3);
	assert_int_equal(nb_pacer_intended(pacer), 4);
	assert_int_equal(nb_pacer_wait(pacer, 64, &go_on), 1);
	assert_int_equal(nb_pacer_next(pacer), 4);
	nb_pacer_sent(pacer, 3, nb_pacer_due(pacer, 3) + 1234);
	assert_int_equal(nb_pacer_lateness(pacer)->count, 1);
	assert_int_equal(nb_pacer_lateness(pacer)->max, 1234);
	nb_pacer_destroy(pacer);
}

static void test_wrong_written_schedules_are_refused(void **state)
{
	static const int64_t falling[] = { 0, 5, 4 }, negative[] = { -1, 5, 5 };
	static const int64_t late[] = { 0, 5, NB_PACER_OFFSET_MAX_NS + 1 };
	const struct nb_pacer_config wrong[] = {
		{ .packets = 3, .burst = 1, .offsets_ns = falling },
		{ .packets = 3, .burst = 1, .offsets_ns = negative },
		{ .packets = 3, .burst = 1, .offsets_ns = late },
		{ .packets = 0, .burst = 1, .offsets_ns = step },
		{ .packets = NB_PACER_OFFSETS_MOST + 1, .burst = 1, .offsets_ns = step },
		{ .packets = 3, .burst = 2, .offsets_ns = step },
		{ .packets = 3, .burst = 1, .rate_pps = 10, .offsets_ns = step },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct nb_pacer *pacer = NULL;
		struct nb_error error = { 0 };

		assert_int_equal(nb_pacer_create(&pacer, &wrong[i], &error), -EINVAL);
		assert_true(error.what[0] != '\0');
		assert_null(pacer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_configurations_are_refused),
		cmocka_unit_test(test_due_times_do_not_drift),
		cmocka_unit_test(test_due_times_of_crooked_rates),
		cmocka_unit_test(test_bursts_are_due_together),
		cmocka_unit_test(test_the_schedule_is_handed_out_whole),
		cmocka_unit_test(test_lateness_is_caught_up_in_batches),
		cmocka_unit_test(test_catching_up_has_a_limit),
		cmocka_unit_test(test_a_burst_is_not_held_back),
		cmocka_unit_test(test_without_a_rate_nothing_waits_and_nothing_is_late),
		cmocka_unit_test(test_lateness_is_exact_and_early_is_not_late),
		cmocka_unit_test(test_stopped_before_it_began),
		cmocka_unit_test(test_a_stop_ends_a_long_wait),
		cmocka_unit_test(test_a_written_schedule_is_followed),
		cmocka_unit_test(test_a_written_schedule_is_caught_up),
		cmocka_unit_test(test_wrong_written_schedules_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
