/* SPDX-License-Identifier: MIT */
/* test_timeline.c - media time and tables of each sequence: by a rate, by a written schedule, by the clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "timeline.h"

#define MS INT64_C(1000000)

static struct nb_pacer *pacer;
static struct nb_timeline *timeline;

static void make(double rate_pps, uint32_t burst, uint32_t streams, const int64_t *offsets_ns,
		 const uint32_t *turn_streams, uint64_t turns)
{
	const struct nb_pacer_config pace = {
		.packets = turns, .rate_pps = rate_pps, .burst = burst, .offsets_ns = offsets_ns
	};
	struct nb_timeline_config config = { .stream_count = streams,
					     .rate_pps = rate_pps,
					     .offsets_ns = offsets_ns,
					     .turn_streams = turn_streams,
					     .turns = turns };

	assert_int_equal(nb_pacer_create(&pacer, &pace, NULL), 0);
	config.pacer = pacer;
	assert_int_equal(nb_timeline_create(&timeline, &config, NULL), 0);
}

static void drop(void)
{
	nb_timeline_destroy(timeline);
	nb_pacer_destroy(pacer);
}

static struct nb_moment at(uint32_t stream, uint64_t sequence)
{
	struct nb_moment moment;

	nb_timeline_at(timeline, stream, sequence, 123, &moment);
	return moment;
}

/* 1000 packets/s over 2 streams: 500 each, so 17 fit into 35 ms and 45 into 90 ms. Bursts do not move the media time. */
static void test_a_rate(void **state)
{
	uint64_t tables = 0;

	(void)state;
	make(1000, 7, 2, NULL, NULL, 0);
	for (uint64_t s = 0; s < 2000; s++) {
		const struct nb_moment moment = at(1, s);

		assert_int_equal(moment.media_ns, (int64_t)(2 * s + 1) * MS);
		assert_int_equal(moment.clock, s % 17 == 0);
		assert_int_equal(moment.tables, s % 45 == 0);
		if (moment.tables)
			assert_int_equal(moment.tables_before, tables++);
	}
	drop();
}

/* So slow that each has to carry everything. */
static void test_a_low_rate(void **state)
{
	(void)state;
	make(5, 1, 1, NULL, NULL, 0);
	for (uint64_t s = 0; s < 10; s++) {
		const struct nb_moment moment = at(0, s);

		assert_int_equal(moment.media_ns, (int64_t)s * 200 * MS);
		assert_true(moment.clock && moment.tables);
		assert_int_equal(moment.tables_before, s);
	}
	drop();
}

static void test_without_a_schedule_the_clock_is_the_media_time(void **state)
{
	(void)state;
	make(0, 1, 1, NULL, NULL, 0);
	assert_int_equal(at(0, 0).media_ns, 123);
	assert_true(at(0, 0).clock && at(0, 0).tables && at(0, 1).clock && !at(0, 1).tables);
	assert_true(at(0, 100).tables);
	assert_int_equal(at(0, 100).tables_before, 1);
	drop();
}

/*
 * Streams in the order 1 0 1 1 0 1. Stream 0 has 10 and 70 ms: tables twice, 60 ms apart. Stream 1 has 0, 49, 50 and 100:
 * tables at 0, at 50 and at 100, for 49 is too early.
 */
static void test_a_written_schedule(void **state)
{
	static const int64_t offsets[] = { 0, 10 * MS, 49 * MS, 50 * MS, 70 * MS, 100 * MS };
	static const uint32_t turns[] = { 1, 0, 1, 1, 0, 1 };
	static const struct {
		uint32_t stream;
		uint64_t sequence;
		int64_t media_ms;
		bool tables;
		uint64_t before;
	} expected[] = {
		{ 0, 0, 10, true, 0 },  { 0, 1, 70, true, 1 }, { 1, 0, 0, true, 0 },
		{ 1, 1, 49, false, 1 }, { 1, 2, 50, true, 1 }, { 1, 3, 100, true, 2 },
	};

	(void)state;
	make(0, 1, 3, offsets, turns, 6);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct nb_moment moment = at(expected[i].stream, expected[i].sequence);

		assert_int_equal(moment.media_ns, expected[i].media_ms * MS);
		assert_true(moment.clock);
		assert_int_equal(moment.tables, expected[i].tables);
		assert_int_equal(moment.tables_before, expected[i].before);
	}
	/* A pair torn by the end sends a sequence beyond it; stream 2 has no turn at all. */
	assert_int_equal(at(1, 4).media_ns, 100 * MS);
	assert_false(at(1, 4).tables);
	assert_int_equal(at(2, 0).media_ns, 0);
	assert_false(at(2, 0).tables);
	drop();
}

static void test_streams_of_a_written_schedule_take_turns(void **state)
{
	static const int64_t offsets[] = { 1, 2, 3, 4, 5 };

	(void)state;
	make(0, 1, 2, offsets, NULL, 5);
	assert_int_equal(at(0, 2).media_ns, 5);
	assert_int_equal(at(1, 1).media_ns, 4);
	assert_true(at(1, 0).tables);
	assert_false(at(1, 1).tables);
	drop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate),
		cmocka_unit_test(test_a_low_rate),
		cmocka_unit_test(test_without_a_schedule_the_clock_is_the_media_time),
		cmocka_unit_test(test_a_written_schedule),
		cmocka_unit_test(test_streams_of_a_written_schedule_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
