/* SPDX-License-Identifier: MIT */
/* test_probe_source.c - faults to the packet, and books that balance wherever a schedule ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe_source.h"

#define TURNS 60

static struct nb_source *make(uint32_t streams, struct nb_faults faults)
{
	struct nb_source *source;

	assert_int_equal(nb_source_create(&source, streams, &faults, NULL), 0);
	return source;
}

static void assert_balance(const struct nb_source_counts *counts)
{
	assert_int_equal(counts->sequences, counts->sent + counts->skipped + counts->unsent);
	assert_int_equal(counts->datagrams, counts->sent + counts->repeated);
}

/* The turns of one stream are these sequences, these copies. */
static void assert_turns(struct nb_faults faults, const uint64_t *sequences, const uint32_t *copies, size_t count)
{
	struct nb_source *source = make(1, faults);

	for (size_t i = 0; i < count; i++) {
		struct nb_turn turn;

		nb_source_next(source, &turn);
		assert_int_equal(turn.stream, 0);
		assert_int_equal(turn.sequence, sequences[i]);
		assert_int_equal(turn.copies, copies[i]);
	}
	nb_source_destroy(source);
}

static void test_no_streams_are_refused(void **state)
{
	const struct nb_faults none = { 0 };
	struct nb_source *source = NULL;
	struct nb_error error = { 0 };

	(void)state;
	assert_int_equal(nb_source_create(&source, 0, &none, &error), -EINVAL);
	assert_int_equal(error.code, -EINVAL);
	assert_null(source);
}

static void test_each_fault_alone(void **state)
{
	(void)state;
	assert_turns((struct nb_faults){ 0 }, (uint64_t[]){ 0, 1, 2, 3 }, (uint32_t[]){ 1, 1, 1, 1 }, 4);
	assert_turns((struct nb_faults){ .skip_every = 3 }, (uint64_t[]){ 0, 1, 2, 3, 4, 5, 6 },
		     (uint32_t[]){ 1, 1, 0, 1, 1, 0, 1 }, 7);
	assert_turns((struct nb_faults){ .repeat_every = 3 }, (uint64_t[]){ 0, 1, 2, 3, 4, 5, 6 },
		     (uint32_t[]){ 1, 1, 2, 1, 1, 2, 1 }, 7);
	assert_turns((struct nb_faults){ .swap_every = 4 }, (uint64_t[]){ 0, 1, 3, 2, 4, 5, 7, 6, 8 },
		     (uint32_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 9);
	assert_turns((struct nb_faults){ .swap_every = 1 }, (uint64_t[]){ 1, 0, 3, 2 }, (uint32_t[]){ 1, 1, 1, 1 }, 4);
	assert_turns((struct nb_faults){ .skip_every = 1 }, (uint64_t[]){ 0, 1, 2 }, (uint32_t[]){ 0, 0, 0 }, 3);
}

static void test_skipping_wins(void **state)
{
	(void)state;
	/* 3 is skipped and would be repeated, too. */
	assert_turns((struct nb_faults){ .skip_every = 4, .repeat_every = 2 }, (uint64_t[]){ 0, 1, 2, 3, 4, 5 },
		     (uint32_t[]){ 1, 2, 1, 0, 1, 2 }, 6);
	/* Of the pairs (1, 2), (4, 5), (7, 8), (10, 11) the one with a skipped member, 4, keeps its order. */
	assert_turns((struct nb_faults){ .skip_every = 5, .swap_every = 3 },
		     (uint64_t[]){ 0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 11, 10 },
		     (uint32_t[]){ 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1 }, 12);
	/* A swapped sequence may be repeated: 3 of the pair (2, 3). */
	assert_turns((struct nb_faults){ .repeat_every = 4, .swap_every = 4 }, (uint64_t[]){ 0, 1, 3, 2, 4 },
		     (uint32_t[]){ 1, 1, 2, 1, 1 }, 5);
}

static void test_streams_take_turns(void **state)
{
	struct nb_source *source = make(3, (struct nb_faults){ .swap_every = 4 });
	static const uint64_t sequences[] = { 0, 1, 3, 2, 4 };

	(void)state;
	for (uint32_t i = 0; i < 15; i++) {
		struct nb_turn turn;

		nb_source_next(source, &turn);
		assert_int_equal(turn.stream, i % 3);
		assert_int_equal(turn.sequence, sequences[i / 3]);
	}
	nb_source_destroy(source);
}

static void test_a_torn_pair_is_no_loss(void **state)
{
	struct nb_source *source = make(1, (struct nb_faults){ .swap_every = 4 });
	struct nb_source_counts counts;
	struct nb_turn turn;

	(void)state;
	for (int i = 0; i < 3; i++) {
		nb_source_next(source, &turn);
		nb_source_settle(source, &turn, 1);
	}
	/* 0, 1 and 3 went out; a schedule that ends here has skipped 2. */
	nb_source_read(source, 0, &counts);
	assert_int_equal(counts.sequences, 4);
	assert_int_equal(counts.sent, 3);
	assert_int_equal(counts.skipped, 1);
	assert_int_equal(counts.swapped, 0);

	nb_source_next(source, &turn);
	assert_int_equal(turn.sequence, 2);
	nb_source_settle(source, &turn, 1);
	nb_source_read(source, 0, &counts);
	assert_int_equal(counts.sequences, 4);
	assert_int_equal(counts.sent, 4);
	assert_int_equal(counts.skipped, 0);
	assert_int_equal(counts.swapped, 1);
	nb_source_destroy(source);
}

static void test_refusals_are_entered_once(void **state)
{
	static const struct {
		uint32_t accepted;
		struct nb_source_counts counts;
	} outcomes[] = {
		{ 2, { .sequences = 1, .sent = 1, .datagrams = 2, .repeated = 1 } },
		{ 1, { .sequences = 1, .sent = 1, .datagrams = 1, .refused = 1 } },
		{ 0, { .sequences = 1, .unsent = 1, .refused = 2 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		struct nb_source *source = make(1, (struct nb_faults){ .repeat_every = 1 });
		struct nb_source_counts counts;
		struct nb_turn turn;

		nb_source_next(source, &turn);
		assert_int_equal(turn.copies, 2);
		nb_source_settle(source, &turn, outcomes[i].accepted);
		nb_source_read(source, 0, &counts);
		assert_memory_equal(&counts, &outcomes[i].counts, sizeof(counts));
		nb_source_destroy(source);
	}
}

/* What a receiver of one stream would have seen. */
struct seen {
	uint32_t copies[TURNS + 1];
	uint64_t highest; /* + 1 */
	uint64_t behind;  /* came after a higher one */
};

/* After each turn, the books say what a receiver saw: with faults that meet in every way, and refusals in between. */
static void check_books(struct nb_faults faults, uint32_t refuse_every)
{
	struct nb_source *source = make(1, faults);
	struct seen seen = { 0 };

	for (uint32_t i = 0; i < TURNS; i++) {
		uint64_t datagrams = 0, unique = 0, accepted;
		struct nb_source_counts counts;
		struct nb_turn turn;

		nb_source_next(source, &turn);
		assert_true(turn.sequence <= TURNS);
		accepted = turn.copies;
		if (refuse_every != 0 && i % refuse_every == 0 && accepted > 0)
			accepted--;
		nb_source_settle(source, &turn, (uint32_t)accepted);
		seen.copies[turn.sequence] += (uint32_t)accepted;
		if (accepted > 0 && turn.sequence < seen.highest)
			seen.behind++;
		if (accepted > 0 && turn.sequence >= seen.highest)
			seen.highest = turn.sequence + 1;

		nb_source_read(source, 0, &counts);
		assert_balance(&counts);
		assert_true(seen.highest <= counts.sequences);
		for (uint64_t sequence = 0; sequence < counts.sequences; sequence++) {
			datagrams += seen.copies[sequence];
			unique += seen.copies[sequence] > 0;
		}
		assert_int_equal(counts.datagrams, datagrams);
		assert_int_equal(counts.sent, unique);
		assert_int_equal(counts.swapped, seen.behind);
		assert_true(counts.sequences == i + 1 || counts.sequences == i + 2); /* one ahead within a pair */
	}
	nb_source_destroy(source);
}

static void test_books_balance_after_every_turn(void **state)
{
	(void)state;
	for (uint32_t skip = 0; skip < 8; skip++)
		for (uint32_t repeat = 0; repeat < 8; repeat++)
			for (uint32_t swap = 0; swap < 8; swap++)
				for (uint32_t refuse = 0; refuse < 5; refuse++)
					check_books((struct nb_faults){ skip, repeat, swap }, refuse);
}

/* Turns are settled a batch at a time; what is not settled yet is in no book. */
static void test_unsettled_turns_are_in_no_book(void **state)
{
	struct nb_source *source = make(2, (struct nb_faults){ .swap_every = 2 });
	struct nb_source_counts counts;
	struct nb_turn turns[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		nb_source_next(source, &turns[i]);
	nb_source_read(source, 0, &counts);
	assert_int_equal(counts.sequences, 0);
	for (int i = 0; i < 8; i++)
		nb_source_settle(source, &turns[i], 1);
	for (uint32_t stream = 0; stream < 2; stream++) {
		nb_source_read(source, stream, &counts);
		assert_balance(&counts);
		assert_int_equal(counts.sent, 4);
		assert_int_equal(counts.swapped, 2);
	}
	nb_source_destroy(source);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_streams_are_refused),
		cmocka_unit_test(test_each_fault_alone),
		cmocka_unit_test(test_skipping_wins),
		cmocka_unit_test(test_streams_take_turns),
		cmocka_unit_test(test_a_torn_pair_is_no_loss),
		cmocka_unit_test(test_refusals_are_entered_once),
		cmocka_unit_test(test_books_balance_after_every_turn),
		cmocka_unit_test(test_unsettled_turns_are_in_no_book),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
