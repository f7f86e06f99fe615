/* SPDX-License-Identifier: MIT */
/* test_stream_tracker.c - one stream's counts, against hand-made cases and a slow model that is obviously right. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stream_tracker.h"

#define MS INT64_C(1000000)
#define START INT64_C(1700000000000000000)

static const struct nb_tracker_config ordinary = {
	.reorder_window = 64,
	.window_ns = 1000 * MS,
	.error_iat_ns = 45 * MS,
};

static struct nb_tracker *create(const struct nb_tracker_config *config)
{
	struct nb_tracker *tracker;

	assert_int_equal(nb_tracker_create(&tracker, config, NULL), 0);
	return tracker;
}

static struct nb_stream_counts read_counts(const struct nb_tracker *tracker)
{
	struct nb_stream_counts counts;

	nb_tracker_read(tracker, &counts);
	if (counts.sequenced)
		assert_int_equal(counts.packets, counts.unique + counts.duplicate + counts.beyond_window);
	return counts;
}

static void assert_closed(const struct nb_stream_counts *counts)
{
	assert_int_equal(counts->unique + counts->lost, counts->last_sequence - counts->first_sequence + 1);
}

/* Destroys @tracker. */
static struct nb_stream_counts finish(struct nb_tracker *tracker)
{
	struct nb_stream_counts counts;

	nb_tracker_finish(tracker);
	counts = read_counts(tracker);
	if (counts.unique)
		assert_closed(&counts);
	nb_tracker_destroy(tracker);
	return counts;
}

/* Arrivals of nothing but sequences, at one moment. */
static void feed(struct nb_tracker *tracker, const uint64_t *sequences, size_t count)
{
	for (size_t i = 0; i < count; i++)
		nb_tracker_sequenced(tracker, sequences[i], 0, START, 100, false);
}

#define FEED(tracker, ...) \
	feed(tracker, (const uint64_t[]){ __VA_ARGS__ }, sizeof((uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

/* --- sequences ---------------------------------------------------------------------------------------------------- */

static void test_a_clean_stream(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	for (uint64_t sequence = 0; sequence < 1000; sequence++)
		FEED(tracker, sequence);
	counts = finish(tracker);
	assert_true(counts.sequenced);
	assert_int_equal(counts.unique, 1000);
	assert_int_equal(counts.bytes, 100000);
	assert_int_equal(counts.lost, 0);
	assert_int_equal(counts.duplicate, 0);
	assert_int_equal(counts.reordered, 0);
	assert_int_equal(counts.beyond_window, 0);
	assert_int_equal(counts.loss_periods, 0);
	assert_int_equal(counts.first_sequence, 0);
	assert_int_equal(counts.last_sequence, 999);
}

static void test_an_empty_one(void **state)
{
	struct nb_stream_counts counts = finish(create(&ordinary));

	(void)state;
	assert_int_equal(counts.packets, 0);
	assert_int_equal(counts.lost, 0);
	assert_int_equal(counts.windows, 0);
	assert_false(counts.sequenced);
}

/* RFC 4737 section 3.3: 1 2 3 7 8 4 5 6 9 10 has three reordered packets. */
static void test_reordered_by_next_expected(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 1, 2, 3, 7, 8, 4, 5, 6, 9, 10);
	counts = finish(tracker);
	assert_int_equal(counts.reordered, 3);
	assert_int_equal(counts.lost, 0);
}

static void test_duplicates_are_removed_first(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 0, 1, 2, 1, 1, 4, 3, 3, 4); /* the copies are below the highest too, and yet not reordered */
	counts = finish(tracker);
	assert_int_equal(counts.unique, 5);
	assert_int_equal(counts.duplicate, 4);
	assert_int_equal(counts.reordered, 1);
	assert_int_equal(counts.lost, 0);
}

static void test_a_loss_is_settled_when_the_window_has_passed(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);

	(void)state;
	FEED(tracker, 0, 2); /* 1 is missing */
	for (uint64_t sequence = 3; sequence <= 64; sequence++)
		FEED(tracker, sequence);
	assert_int_equal(read_counts(tracker).lost, 0); /* open: 1..64 */
	FEED(tracker, 65);
	assert_int_equal(read_counts(tracker).lost, 1);
	FEED(tracker, 1);
	assert_int_equal(read_counts(tracker).beyond_window, 1);
	assert_int_equal(finish(tracker).lost, 1);
}

static void test_a_hole_that_is_filled_is_no_loss(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 0, 64, 1); /* 1 is the lowest that is open */
	counts = read_counts(tracker);
	assert_int_equal(counts.reordered, 1);
	assert_int_equal(counts.lost, 0);
	counts = finish(tracker);
	assert_int_equal(counts.lost, 62);
	assert_int_equal(counts.loss_periods, 1);
	assert_int_equal(counts.longest_loss, 62);
}

/* RFC 3357: runs of lost sequences, also where the window slides through the middle of one. */
static void test_loss_periods_are_maximal_runs(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	for (uint64_t sequence = 0; sequence < 2000; sequence++) {
		bool lost = sequence == 5 || (sequence >= 100 && sequence < 300) || (sequence >= 301 && sequence < 303);

		if (!lost)
			FEED(tracker, sequence);
	}
	counts = finish(tracker);
	assert_int_equal(counts.lost, 1 + 200 + 2);
	assert_int_equal(counts.loss_periods, 3);
	assert_int_equal(counts.longest_loss, 200);
}

static void test_the_stream_grows_downwards(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 100, 97);
	counts = read_counts(tracker);
	assert_int_equal(counts.first_sequence, 97);
	assert_int_equal(counts.reordered, 1);
	FEED(tracker, 37, 36); /* 37 is the lowest of the window, 36 is below it */
	counts = read_counts(tracker);
	assert_int_equal(counts.first_sequence, 37);
	assert_int_equal(counts.beyond_window, 1);
	counts = finish(tracker);
	assert_int_equal(counts.lost, 64 - 3);
	assert_int_equal(counts.loss_periods, 2);
	assert_int_equal(counts.longest_loss, 59);
}

/* Would not end, if the cost grew with the gap. */
static void test_huge_jumps_cost_no_more_than_the_window(void **state)
{
	struct nb_tracker *tracker = create(&(struct nb_tracker_config){ .reorder_window = 4096, .window_ns = 1 });
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 0, 2);
	for (uint64_t jump = 1; jump <= 15; jump++)
		FEED(tracker, jump << 60);
	counts = finish(tracker);
	assert_int_equal(counts.unique, 17);
	assert_int_equal(counts.lost, (UINT64_C(15) << 60) + 1 - 17);
	assert_int_equal(counts.loss_periods, 16);
	assert_int_equal(counts.longest_loss, (UINT64_C(1) << 60) - 1);
}

static void test_the_highest_sequence_there_is(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, UINT64_MAX - 3, UINT64_MAX, UINT64_MAX, UINT64_MAX - 1);
	nb_tracker_finish(tracker);
	FEED(tracker, UINT64_MAX, 0);
	counts = finish(tracker);
	assert_int_equal(counts.first_sequence, UINT64_MAX - 3);
	assert_int_equal(counts.unique, 3);
	assert_int_equal(counts.lost, 1);
	assert_int_equal(counts.duplicate, 1);
	assert_int_equal(counts.reordered, 1);
	assert_int_equal(counts.beyond_window, 2);
}

static void test_arrivals_after_finish_are_counted(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 10, 12);
	nb_tracker_finish(tracker);
	nb_tracker_finish(tracker);
	counts = read_counts(tracker);
	assert_int_equal(counts.lost, 1);
	assert_closed(&counts);

	FEED(tracker, 11, 9, 12, 14);
	counts = read_counts(tracker);
	assert_int_equal(counts.beyond_window, 3);
	assert_int_equal(counts.lost, 1); /* 13 is open */
	FEED(tracker, 13, 16);
	counts = finish(tracker);
	assert_int_equal(counts.reordered, 1);
	assert_int_equal(counts.lost, 2);
	assert_int_equal(counts.loss_periods, 2);
	assert_int_equal(counts.longest_loss, 1);
}

static void test_replicated_packets(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 0, 0, 0, 1, 2, 2); /* three copies beyond the first, of two packets */
	for (uint64_t sequence = 3; sequence < 200; sequence++)
		FEED(tracker, sequence);
	FEED(tracker, 192, 192); /* the bit of 0, 64, 128 */
	counts = finish(tracker);
	assert_int_equal(counts.duplicate, 5);
	assert_int_equal(counts.replicated, 3);
}

/* Missing is what was left out, late or lost: known at once, and the same in the end. */
static void test_missing_is_late_or_lost(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	FEED(tracker, 10, 13);
	assert_int_equal(read_counts(tracker).missing, 2);
	FEED(tracker, 12);
	assert_int_equal(read_counts(tracker).missing, 2);
	FEED(tracker, 7); /* 8 and 9 are missing from now on, and 7 was late */
	assert_int_equal(read_counts(tracker).missing, 5);
	counts = finish(tracker);
	assert_int_equal(counts.lost, 3);
	assert_int_equal(counts.reordered, 2);
}

/* Extent and late time: 4 comes four arrivals and 62 ms after 5, the earliest above it. */
static void test_how_late(void **state)
{
	static const struct {
		uint64_t sequence;
		int64_t at_ms;
	} arrivals[] = { { 3, 108 }, { 5, 148 }, { 6, 168 }, { 7, 188 }, { 8, 208 }, { 4, 210 }, { 9, 228 } };
	struct nb_tracker *tracker = create(&ordinary);
	const struct nb_histogram *late = nb_tracker_distribution(tracker, NB_REORDER_LATE_NS);

	(void)state;
	for (size_t i = 0; i < sizeof(arrivals) / sizeof(*arrivals); i++)
		nb_tracker_unstamped(tracker, arrivals[i].sequence, START + arrivals[i].at_ms * MS, 100, true);
	assert_int_equal(nb_tracker_distribution(tracker, NB_REORDER_EXTENT_PACKETS)->max, 4);
	assert_int_equal(late->count, 1);
	assert_int_equal(late->max, 62 * MS);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->count, 0);
	assert_int_equal(nb_tracker_distribution(tracker, NB_IPDV_ABOVE)->count, 0);
	assert_int_equal(read_counts(tracker).three_reordered, 1);
	finish(tracker);
}

/* The stamps around a hole are kept until it is settled, however the window gets there. */
static void test_loss_periods_in_time(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	const struct nb_histogram *length = nb_tracker_distribution(tracker, NB_LOSS_LENGTH_NS);
	const struct nb_histogram *between = nb_tracker_distribution(tracker, NB_LOSS_BETWEEN_NS);

	(void)state;
	for (uint64_t sequence = 0; sequence < 1000; sequence++) {
		/* 100..109 are lost, 300..499 (more than the window), 990; 105 comes late. */
		bool lost = (sequence >= 100 && sequence < 110) || (sequence >= 300 && sequence < 500) ||
			    sequence == 990;

		if (sequence == 120)
			nb_tracker_unstamped(tracker, 105, START + 119 * MS + MS / 2, 100, true);
		if (!lost)
			nb_tracker_unstamped(tracker, sequence, START + (int64_t)sequence * MS, 100, true);
	}
	nb_tracker_finish(tracker);
	/* 99 -> 105 took 20.5 ms; 105 -> 110 the wrong way round; 299 -> 500 201 ms; 989 -> 991 2 ms. */
	assert_int_equal(nb_tracker_distribution(tracker, NB_LOSS_LENGTH_PACKETS)->count, 4);
	assert_int_equal(nb_tracker_distribution(tracker, NB_LOSS_LENGTH_PACKETS)->sum, 5 + 4 + 200 + 1);
	assert_int_equal(length->count, 3);
	assert_int_equal(length->sum, 20 * MS + MS / 2 + 201 * MS + 2 * MS);
	/* 105 alone 0 ms; 110 -> 299; 500 -> 989. */
	assert_int_equal(between->count, 3);
	assert_int_equal(between->sum, 189 * MS + 489 * MS);

	/* After finish: the hole that follows has 999 below it. */
	nb_tracker_unstamped(tracker, 1001, START + 1001 * MS, 100, true);
	nb_tracker_finish(tracker);
	assert_int_equal(length->count, 4);
	assert_int_equal(length->sum, 20 * MS + MS / 2 + 201 * MS + 2 * MS + 2 * MS);
	finish(tracker);
}

/* --- the model ---------------------------------------------------------------------------------------------------- */

#define MODEL_SEQUENCES 6000

/* Remembers each sequence for good, and counts by walking over all of them. Sequences are relative to @base. */
struct model {
	uint64_t base, window;
	bool seen[MODEL_SEQUENCES];
	bool closed[MODEL_SEQUENCES]; /* no longer open */
	uint64_t highest;
	uint64_t packets, duplicate, replicated, reordered, beyond_window;
	bool copied[MODEL_SEQUENCES];
};

static void model_arrival(struct model *model, uint64_t sequence)
{
	if (!model->packets++ || sequence > model->highest)
		model->highest = sequence;
	for (uint64_t old = 0; old + model->window <= model->highest; old++)
		model->closed[old] = true;
	if (model->closed[sequence])
		model->beyond_window++;
	else if (model->seen[sequence]) {
		model->duplicate++;
		model->replicated += !model->copied[sequence];
		model->copied[sequence] = true;
	} else if (sequence < model->highest)
		model->reordered++;
	if (!model->closed[sequence])
		model->seen[sequence] = true;
}

static void model_finish(struct model *model)
{
	for (uint64_t sequence = 0; model->packets && sequence <= model->highest; sequence++)
		model->closed[sequence] = true;
}

static void assert_like_model(const struct model *model, const struct nb_tracker *tracker)
{
	struct nb_stream_counts counts = read_counts(tracker);
	uint64_t unique = 0, lost = 0, periods = 0, longest = 0, run = 0, first = 0;

	for (uint64_t sequence = 0; sequence <= model->highest; sequence++) {
		if (model->seen[sequence]) {
			if (!unique++)
				first = sequence;
			run = 0;
		} else if (unique && model->closed[sequence]) {
			lost++;
			if (!run++)
				periods++;
			if (run > longest)
				longest = run;
		}
	}
	assert_int_equal(counts.packets, model->packets);
	assert_int_equal(counts.unique, unique);
	assert_int_equal(counts.duplicate, model->duplicate);
	assert_int_equal(counts.replicated, model->replicated);
	assert_int_equal(counts.reordered, model->reordered);
	assert_int_equal(counts.beyond_window, model->beyond_window);
	assert_int_equal(counts.lost, lost);
	assert_int_equal(counts.loss_periods, periods);
	assert_int_equal(counts.longest_loss, longest);
	if (!unique)
		return;
	assert_int_equal(counts.first_sequence, model->base + first);
	assert_int_equal(counts.last_sequence, model->base + model->highest);
}

/* Marsaglia's xorshift64: the same numbers on every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* What comes next: mostly the successor; else a hole, a jump, a straggler, a copy, or one from long ago. */
static uint64_t next_sequence(uint64_t *random, uint64_t highest, uint64_t window)
{
	uint64_t back;

	switch (next_random(random) % 16) {
	case 0:
		return highest + 2 + next_random(random) % 5;
	case 1:
		return next_random(random) % 8 ? highest + 1 : highest + 1 + next_random(random) % (3 * window);
	case 2:
	case 3:
	case 4:
		back = next_random(random) % window;
		break;
	case 5:
		back = next_random(random) % 4;
		break;
	case 6:
		back = window - 2 + next_random(random) % 4;
		break;
	case 7:
		back = next_random(random) % 8 ? 0 : next_random(random) % (4 * window);
		break;
	default:
		return highest + 1;
	}
	return back < highest ? highest - back : 0;
}

static void test_like_the_model(void **state)
{
	static const uint64_t bases[] = { 0, 1, 63, UINT32_MAX - 1000, UINT64_MAX - MODEL_SEQUENCES + 1 };
	static struct model model;
	uint64_t random = 88172645463325252u;

	(void)state;
	for (int round = 0; round < 300; round++) {
		uint64_t base = bases[next_random(&random) % 5], window = 64u << next_random(&random) % 3;
		uint64_t sequence = next_random(&random) % 400;
		struct nb_tracker *tracker;

		tracker = create(&(struct nb_tracker_config){ .reorder_window = (uint32_t)window, .window_ns = 1 });
		memset(&model, 0, sizeof(model));
		model.base = base;
		model.window = window;
		for (int arrival = 0; arrival < 1500 && sequence < MODEL_SEQUENCES; arrival++) {
			nb_tracker_sequenced(tracker, base + sequence, 0, START, 1, false);
			model_arrival(&model, sequence);
			if (next_random(&random) % 512 == 0) {
				nb_tracker_finish(tracker);
				model_finish(&model);
			}
			if (next_random(&random) % 64 == 0)
				assert_like_model(&model, tracker);
			sequence = next_sequence(&random, model.highest, window);
		}
		assert_like_model(&model, tracker);
		nb_tracker_finish(tracker);
		model_finish(&model);
		assert_like_model(&model, tracker);
		assert_int_equal(read_counts(tracker).missing, read_counts(tracker).lost + model.reordered);
		finish(tracker);
	}
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void test_iat_is_of_all_arrivals(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	const struct nb_histogram *iat = nb_tracker_iat(tracker);
	struct nb_stream_counts counts;

	(void)state;
	nb_tracker_sequenced(tracker, 0, START, START, 100, true);
	assert_int_equal(nb_tracker_latest_iat(tracker), -1);
	nb_tracker_sequenced(tracker, 1, START, START + 3 * MS, 100, true);
	assert_int_equal(nb_tracker_latest_iat(tracker), 3 * MS);
	nb_tracker_sequenced(tracker, 1, START, START + 4 * MS, 100, true); /* a copy */
	nb_tracker_sequenced(tracker, 2, START, START + 9 * MS, 100, false); /* another clock: no time at all */
	assert_int_equal(nb_tracker_latest_iat(tracker), -1);
	nb_tracker_sequenced(tracker, 3, START, START + 6 * MS, 100, true);
	assert_int_equal(iat->count, 3);
	assert_int_equal(iat->min, 1 * MS);
	assert_int_equal(iat->max, 3 * MS);
	assert_int_equal(iat->sum, 6 * MS);
	counts = finish(tracker);
	assert_int_equal(counts.first_ns, START);
	assert_int_equal(counts.last_ns, START + 6 * MS);
	assert_int_equal(counts.packets, 5);
}

static void test_a_clock_that_steps_back(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);

	(void)state;
	nb_tracker_raw(tracker, START, 100, true);
	nb_tracker_raw(tracker, START - 5 * MS, 100, true);
	nb_tracker_raw(tracker, START - 4 * MS, 100, true);
	assert_int_equal(nb_tracker_iat(tracker)->count, 2);
	assert_int_equal(nb_tracker_iat(tracker)->min, 0);
	assert_int_equal(nb_tracker_iat(tracker)->max, 1 * MS);
	assert_int_equal(read_counts(tracker).clock_backwards, 1);
	nb_tracker_destroy(tracker);
}

/* RFC 3550 A.8, worked out by hand: D is 0 ms, +16 ms, -16 ms, 0 ms. */
static void test_jitter_and_transit(void **state)
{
	static const int64_t transit_ms[] = { 100, 100, 116, 100, 100 };
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;
	double jitter = 0;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		int64_t sent = START + (int64_t)i * 20 * MS;

		nb_tracker_sequenced(tracker, i, sent, sent + transit_ms[i] * MS, 100, true);
		/* A copy 7 ms later has no part in it. */
		nb_tracker_sequenced(tracker, i, sent, sent + (transit_ms[i] + 7) * MS, 100, true);
	}
	jitter += (16e6 - jitter) / 16; /* 1 ms */
	jitter += (16e6 - jitter) / 16; /* 1.9375 ms */
	counts = read_counts(tracker);
	assert_true(fabs(counts.jitter_max_ns - jitter) < 1e-6);
	assert_true(fabs(counts.jitter_ns - jitter * 15 / 16) < 1e-6);
	assert_int_equal(counts.transit_base_ns, 100 * MS);
	assert_int_equal(counts.transit_min_ns, 100 * MS);
	assert_int_equal(counts.transit_max_ns, 116 * MS);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->count, 5);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->max, 16 * MS);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_BELOW)->count, 0);
	finish(tracker);
}

/* Two hosts' clocks may be decades apart; a difference of transits is still exact to the nanosecond. */
static void test_transit_of_clocks_that_disagree(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	nb_tracker_sequenced(tracker, 0, 1000, START, 100, true);
	nb_tracker_sequenced(tracker, 1, 2000, START + 1000 - 33, 100, true);
	counts = read_counts(tracker);
	assert_true(fabs(counts.jitter_ns - 33.0 / 16) < 1e-9);
	assert_int_equal(counts.transit_base_ns, START - 1000);
	assert_int_equal(counts.transit_min_ns, START - 1033);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->count, 1);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_BELOW)->count, 1);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_BELOW)->max, 33);
	finish(tracker);
}

static void test_error_windows(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	nb_tracker_raw(tracker, START, 100, true);
	counts = read_counts(tracker);
	assert_int_equal(counts.windows, 1);
	nb_tracker_raw(tracker, START + 45 * MS, 100, true); /* at the threshold, not above it */
	assert_int_equal(read_counts(tracker).iat_error_windows, 0);
	nb_tracker_raw(tracker, START + 95 * MS, 100, true);
	nb_tracker_raw(tracker, START + 195 * MS, 100, true); /* the same window: one error */
	assert_int_equal(read_counts(tracker).iat_error_windows, 1);
	nb_tracker_raw(tracker, START + 5500 * MS, 100, true); /* 1..4 are empty, 5 is in error */
	counts = read_counts(tracker);
	assert_int_equal(counts.windows, 6);
	assert_int_equal(counts.iat_error_windows, 2);
	for (int64_t at = 5510; at < 7000; at += 10)
		nb_tracker_raw(tracker, START + at * MS, 100, true);
	counts = read_counts(tracker);
	assert_int_equal(counts.windows, 7);
	assert_int_equal(counts.iat_error_windows, 2);
	nb_tracker_destroy(tracker);
}

static void test_hostile_stamps(void **state)
{
	static const int64_t stamps[] = { INT64_MIN, INT64_MAX, 0, INT64_MIN, INT64_MIN + 1, INT64_MAX, -1, INT64_MAX };
	struct nb_tracker_config config = ordinary;
	struct nb_tracker *tracker;
	struct nb_stream_counts counts;

	(void)state;
	config.window_ns = 1; /* 2^64 windows */
	config.media_rate_bps = 1e6;
	tracker = create(&config);
	for (uint64_t received = 0; received < 8; received++)
		for (uint64_t sent = 0; sent < 8; sent++)
			nb_tracker_sequenced(tracker, received * 8 + sent, stamps[sent], stamps[received], 100, true);
	assert_int_equal(nb_tracker_iat(tracker)->count, 63);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->count +
				 nb_tracker_distribution(tracker, NB_TRANSIT_BELOW)->count,
			 64);
	counts = finish(tracker);
	assert_int_equal(counts.unique, 64);
	assert_true(counts.iat_error_windows <= counts.windows);
	assert_int_equal(counts.clock_backwards, 3);
}

static void test_untimed_arrivals_have_no_times(void **state)
{
	struct nb_tracker *tracker = create(&ordinary);
	struct nb_stream_counts counts;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		nb_tracker_sequenced(tracker, i, START, START + (int64_t)i * 100 * MS, 100, false);
		nb_tracker_stamp(tracker, 2);
	}
	nb_tracker_stamp(tracker, 3); /* no such class */
	assert_int_equal(nb_tracker_iat(tracker)->count, 0);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_ABOVE)->count, 0);
	assert_int_equal(nb_tracker_distribution(tracker, NB_TRANSIT_BELOW)->count, 0);
	counts = finish(tracker);
	assert_int_equal(counts.unique, 100);
	assert_int_equal(counts.stamps[2], 100);
	assert_int_equal(counts.stamps[0] + counts.stamps[1], 0);
	assert_int_equal(counts.windows, 0);
	assert_int_equal(counts.iat_error_windows, 0);
	assert_true(counts.jitter_ns == 0);
	assert_true(counts.delay_factor_max_ns < 0);
}

static void test_delay_factor_of_a_constant_rate(void **state)
{
	struct nb_tracker_config config = ordinary;
	struct nb_stream_counts counts;
	struct nb_tracker *tracker;

	(void)state;
	config.media_rate_bps = 10e6;
	tracker = create(&config);
	for (int64_t i = 0; i < 2000; i++)
		nb_tracker_raw(tracker, START + i * 1052800, 1316, true);
	counts = read_counts(tracker);
	assert_false(counts.sequenced);
	assert_int_equal(counts.packets, 2000);
	assert_true(fabs(counts.delay_factor_max_ns - 1052800) < 1e-3);
	nb_tracker_destroy(tracker);
}

/* 1316 bytes every 1.0528 ms; in the second second five are left out, of which two come late, and in the third one. */
static void test_missing_per_interval(void **state)
{
	struct nb_tracker_config config = ordinary;
	struct nb_stream_counts counts;
	struct nb_tracker *tracker;

	(void)state;
	config.media_rate_bps = 10e6;
	tracker = create(&config);
	for (int64_t i = 0; i < 4000; i++) {
		bool left_out = (i >= 1200 && i < 1205) || i == 2500;

		if (!left_out)
			nb_tracker_unstamped(tracker, (uint64_t)i, START + i * 1052800, 1316, true);
		if (i == 1210)
			for (uint64_t late = 1201; late <= 1202; late++)
				nb_tracker_unstamped(tracker, late, START + i * 1052800 + 1000, 1316, true);
	}
	counts = read_counts(tracker);
	assert_int_equal(counts.intervals, 4);
	assert_int_equal(counts.interval_missing_max, 5);
	assert_int_equal(counts.interval_missing_last, 0);
	assert_int_equal(counts.missing, 6);
	assert_true(fabs(counts.delay_factor_last_ns - 1052800) < 1e-3);
	assert_true(counts.delay_factor_max_ns > counts.delay_factor_last_ns);
	finish(tracker);
}

static void test_wrong_configurations_are_refused(void **state)
{
	static const struct nb_tracker_config wrong[] = {
		{ .reorder_window = 0, .window_ns = 1 },
		{ .reorder_window = 32, .window_ns = 1 },
		{ .reorder_window = 100, .window_ns = 1 },
		{ .reorder_window = 2097152, .window_ns = 1 },
		{ .reorder_window = 64, .window_ns = 0 },
		{ .reorder_window = 64, .window_ns = 1, .error_iat_ns = -1 },
		{ .reorder_window = 64, .window_ns = 1, .media_rate_bps = -1 },
		{ .reorder_window = 64, .window_ns = 1, .media_rate_bps = NAN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct nb_tracker *tracker;
		struct nb_error error = { 0 };

		assert_int_equal(nb_tracker_create(&tracker, &wrong[i], &error), -EINVAL);
		assert_null(tracker);
		assert_int_equal(error.code, -EINVAL);
		assert_true(strlen(error.what) > 0 && strlen(error.what) < sizeof(error.what) - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clean_stream),
		cmocka_unit_test(test_an_empty_one),
		cmocka_unit_test(test_reordered_by_next_expected),
		cmocka_unit_test(test_duplicates_are_removed_first),
		cmocka_unit_test(test_a_loss_is_settled_when_the_window_has_passed),
		cmocka_unit_test(test_a_hole_that_is_filled_is_no_loss),
		cmocka_unit_test(test_loss_periods_are_maximal_runs),
		cmocka_unit_test(test_the_stream_grows_downwards),
		cmocka_unit_test(test_huge_jumps_cost_no_more_than_the_window),
		cmocka_unit_test(test_the_highest_sequence_there_is),
		cmocka_unit_test(test_arrivals_after_finish_are_counted),
		cmocka_unit_test(test_replicated_packets),
		cmocka_unit_test(test_missing_is_late_or_lost),
		cmocka_unit_test(test_how_late),
		cmocka_unit_test(test_loss_periods_in_time),
		cmocka_unit_test(test_like_the_model),
		cmocka_unit_test(test_iat_is_of_all_arrivals),
		cmocka_unit_test(test_a_clock_that_steps_back),
		cmocka_unit_test(test_jitter_and_transit),
		cmocka_unit_test(test_transit_of_clocks_that_disagree),
		cmocka_unit_test(test_error_windows),
		cmocka_unit_test(test_hostile_stamps),
		cmocka_unit_test(test_untimed_arrivals_have_no_times),
		cmocka_unit_test(test_delay_factor_of_a_constant_rate),
		cmocka_unit_test(test_missing_per_interval),
		cmocka_unit_test(test_wrong_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
