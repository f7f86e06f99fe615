/* SPDX-License-Identifier: MIT */
/* test_sequence_extender.c - wraps, lateness around them, outages, strays and restarts; worked out on paper. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sequence_extender.h"

#define BASE NB_EXTENDED_BASE

static struct nb_sequence_extender fresh(void)
{
	struct nb_sequence_extender extender;

	nb_sequence_extender_init(&extender, 100);
	return extender;
}

static uint64_t extend(struct nb_sequence_extender *extender, uint16_t sequence)
{
	bool restarted;

	return nb_sequence_extend(extender, sequence, false, &restarted);
}

static void test_the_wrap_is_exact_in_any_order(void **state)
{
	static const struct {
		uint16_t sequence;
		uint64_t extended;
	} arrivals[] = {
		{ 65533, BASE + 65533 }, { 65535, BASE + 65535 }, { 1, BASE + 65537 },    /* 65534, 0 are late */
		{ 65534, BASE + 65534 }, { 0, BASE + 65536 },     { 0, BASE + 65536 },    /* a copy */
		{ 2, BASE + 65538 },     { 65532, BASE + 65532 }, /* from before the first */
	};
	struct nb_sequence_extender extender = fresh();

	(void)state;
	for (size_t i = 0; i < sizeof(arrivals) / sizeof(*arrivals); i++)
		assert_int_equal(extend(&extender, arrivals[i].sequence), arrivals[i].extended);
}

static void test_what_is_before_the_first_lies_below_the_base(void **state)
{
	struct nb_sequence_extender extender = fresh();

	(void)state;
	assert_int_equal(extend(&extender, 0), BASE);
	assert_int_equal(extend(&extender, 65535), BASE - 1);
}

static void test_many_wraps(void **state)
{
	struct nb_sequence_extender extender = fresh();

	(void)state;
	for (uint64_t i = 0; i < 200000; i += 7)
		assert_int_equal(extend(&extender, (uint16_t)i), BASE + i);
}

static void test_a_gap_below_max_dropout_is_loss(void **state)
{
	struct nb_sequence_extender extender = fresh();

	(void)state;
	extend(&extender, 10);
	assert_int_equal(extend(&extender, 10 + NB_MAX_DROPOUT - 1), BASE + 10 + NB_MAX_DROPOUT - 1);
}

static void test_a_stray_changes_nothing(void **state)
{
	struct nb_sequence_extender extender = fresh();

	(void)state;
	extend(&extender, 10);
	assert_int_equal(extend(&extender, 30000), NB_EXTENDED_NOWHERE);
	assert_int_equal(extend(&extender, 11), BASE + 11);
	assert_int_equal(extend(&extender, 30001), NB_EXTENDED_NOWHERE); /* not in a row any more */
	assert_int_equal(extender.restarts, 0);
}

static void test_a_restart_goes_on_above(void **state)
{
	struct nb_sequence_extender extender = fresh();
	bool restarted;

	(void)state;
	extend(&extender, 10);
	assert_int_equal(nb_sequence_extend(&extender, 40000, false, &restarted), NB_EXTENDED_NOWHERE);
	assert_false(restarted);
	assert_int_equal(nb_sequence_extend(&extender, 40001, false, &restarted), BASE + 11);
	assert_true(restarted);
	assert_int_equal(extender.restarts, 1);
	assert_int_equal(extend(&extender, 40003), BASE + 13);
	assert_int_equal(extend(&extender, 40002), BASE + 12);
	for (uint32_t i = 40004; i < 40000 + 65536; i++) /* the wrap of the new numbers */
		assert_int_equal(extend(&extender, (uint16_t)i), BASE + 11 + i - 40001);
}

static void test_an_outage_is_loss_where_the_media_time_went_on(void **state)
{
	struct nb_sequence_extender extender = fresh();
	bool restarted;

	(void)state;
	extend(&extender, 10);
	assert_int_equal(nb_sequence_extend(&extender, 10 + 50000, true, &restarted), BASE + 10 + 50000);
	assert_false(restarted);
	assert_int_equal(extender.restarts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_wrap_is_exact_in_any_order),
		cmocka_unit_test(test_what_is_before_the_first_lies_below_the_base),
		cmocka_unit_test(test_many_wraps),
		cmocka_unit_test(test_a_gap_below_max_dropout_is_loss),
		cmocka_unit_test(test_a_stray_changes_nothing),
		cmocka_unit_test(test_a_restart_goes_on_above),
		cmocka_unit_test(test_an_outage_is_loss_where_the_media_time_went_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
