/* SPDX-License-Identifier: MIT */
/* test_reordering.c - the earliest arrival above a late packet, and how many arrivals ago it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reordering.h"

#define CAPACITY 4u

struct stream {
	struct nb_reordering reordering;
	struct nb_reordering_histograms histograms;
	struct nb_jump jumps[CAPACITY];
	uint64_t position, next_expected;
};

/* Arrivals as the tracker tells of them. */
static void arrive(struct stream *stream, uint64_t sequence)
{
	struct nb_reordering *reordering = &stream->reordering;

	if (!stream->position)
		nb_reordering_init(reordering, &stream->histograms, stream->jumps, CAPACITY);
	if (stream->position && sequence < stream->next_expected)
		nb_reordering_late(reordering, sequence, stream->position, nb_reordering_find(reordering, sequence));
	else if (!stream->position || sequence > stream->next_expected)
		nb_reordering_jumped(reordering, sequence, stream->position);
	nb_reordering_arrived(reordering, sequence, stream->position++);
	if (sequence >= stream->next_expected)
		stream->next_expected = sequence + 1;
}

#define ARRIVE(stream, ...)                                                         \
	do {                                                                        \
		static const uint64_t sequences[] = { __VA_ARGS__ };                \
                                                                                    \
		for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) \
			arrive(stream, sequences[i]);                               \
	} while (0)

/* 4, 5 and 6 come behind 7, which stands at the fourth place: 4, 5 and 6 arrivals later. Only 4 is behind three above it. */
static void test_extent_goes_back_to_the_earliest(void **state)
{
	struct stream stream = { 0 };

	(void)state;
	ARRIVE(&stream, 1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11);
	assert_int_equal(stream.histograms.extent.count, 3);
	assert_int_equal(stream.histograms.extent.buckets[4], 1);
	assert_int_equal(stream.histograms.extent.buckets[5], 1);
	assert_int_equal(stream.histograms.extent.buckets[6], 1);
	assert_int_equal(stream.reordering.three_reordered, 1);
	assert_int_equal(stream.reordering.count, 2); /* jumps: the first arrival, and 7 */
}

/* 2 was left out by 3, 4 and 5 by 6, 8 by 9: three jumps, and each late packet finds its own. */
static void test_several_jumps(void **state)
{
	struct stream stream = { 0 };

	(void)state;
	ARRIVE(&stream, 1, 3, 6, 9, 8, 4, 2, 5);
	assert_int_equal(stream.histograms.extent.count, 4);
	assert_int_equal(stream.histograms.extent.buckets[4 - 3], 1); /* 8 */
	assert_int_equal(stream.histograms.extent.buckets[5 - 2], 1); /* 4 */
	assert_int_equal(stream.histograms.extent.buckets[6 - 1], 2); /* 2 */
	assert_int_equal(stream.histograms.extent.buckets[7 - 2], 2); /* 5, as for 2 */
	assert_int_equal(stream.reordering.three_reordered,
			 2); /* 4 is behind 6 9 8, 2 is behind 9 8 4; 5 is behind 2 */
}

static void test_below_the_first(void **state)
{
	struct stream stream = { 0 };

	(void)state;
	ARRIVE(&stream, 10, 7, 8);
	assert_int_equal(stream.histograms.extent.buckets[1], 1);
	assert_int_equal(stream.histograms.extent.buckets[2], 1);
	assert_int_equal(stream.reordering.three_reordered, 0);
}

/* Room for 4 jumps holds what may come late into 8 sequences; what was before is overwritten. */
static void test_older_jumps_make_room(void **state)
{
	struct stream stream = { 0 };

	(void)state;
	for (uint64_t sequence = 0; sequence < 2000; sequence += 2)
		arrive(&stream, sequence); /* position sequence / 2 */
	for (uint64_t sequence = 1997; sequence > 1990; sequence -= 2)
		assert_int_equal(nb_reordering_find(&stream.reordering, sequence)->sequence, sequence + 1);
	arrive(&stream, 1993); /* at 1000, left out by 1994 at 997 */
	assert_int_equal(stream.histograms.extent.max, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extent_goes_back_to_the_earliest),
		cmocka_unit_test(test_several_jumps),
		cmocka_unit_test(test_below_the_first),
		cmocka_unit_test(test_older_jumps_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
