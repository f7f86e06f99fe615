/* SPDX-License-Identifier: MIT */
/* test_payload_list.c - payloads kept in order, each counted once, whatever was captured of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "payload_list.h"

static const uint8_t bytes[65536] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static struct nb_payload_list *list;

static void make(uint64_t most_bytes)
{
	assert_int_equal(nb_payload_list_create(&list, most_bytes, NULL), 0);
}

static void add(uint32_t held, uint32_t length, int64_t stamp_ns, bool stamped)
{
	const struct nb_packet packet = {
		.payload = bytes, .payload_length = held, .datagram_length = length, .received_ns = stamp_ns
	};

	nb_payload_list_add(list, &packet, stamped);
}

static void assert_counts(uint64_t kept, uint64_t cut, uint64_t unstamped, uint64_t too_long, uint64_t beyond)
{
	struct nb_payload_counts counts;

	nb_payload_list_read(list, &counts);
	assert_int_equal(counts.kept, kept);
	assert_int_equal(counts.cut, cut);
	assert_int_equal(counts.unstamped, unstamped);
	assert_int_equal(counts.too_long, too_long);
	assert_int_equal(counts.beyond, beyond);
}

static void test_each_is_kept_with_its_stamp(void **state)
{
	struct nb_payload_view view;

	(void)state;
	make(1 << 20);
	nb_payload_list_view(list, &view);
	assert_int_equal(view.count, 0);
	add(3, 3, 100, true);
	add(0, 0, 90, true);  /* an empty datagram, out of order */
	add(2, 4, 110, true); /* two of four captured */
	add(8, 2, 120, true); /* the link's padding was captured too */
	add(3, 3, 0, false);
	add(8, NB_PAYLOAD_LONGEST + 1, 130, true);
	assert_counts(4, 1, 1, 1, 0);
	nb_payload_list_view(list, &view);
	assert_int_equal(view.count, 4);
	assert_int_equal(view.byte_count, 9);
	assert_memory_equal(view.bytes, ((uint8_t[]){ 1, 2, 3, 1, 2, 0, 0, 1, 2 }), 9);
	assert_memory_equal(view.ends, ((uint64_t[]){ 3, 3, 7, 9 }), 4 * sizeof(uint64_t));
	assert_memory_equal(view.stamps_ns, ((int64_t[]){ 100, 90, 110, 120 }), 4 * sizeof(int64_t));
	nb_payload_list_destroy(list);
}

/* What is kept has no hole: after the first that found no room, a smaller one finds none either. */
static void test_what_is_kept_has_no_hole(void **state)
{
	(void)state;
	make(10);
	add(8, 8, 1, true);
	add(3, 3, 2, true);
	add(2, 2, 3, true);
	assert_counts(1, 0, 0, 0, 2);
	nb_payload_list_destroy(list);
}

static void test_many_are_kept(void **state)
{
	struct nb_payload_view view;

	(void)state;
	make(UINT64_C(8) << 20);
	for (uint32_t i = 0; i < 10000; i++)
		add(i % 1000, i % 1000, i, true);
	assert_counts(10000, 0, 0, 0, 0);
	nb_payload_list_view(list, &view);
	assert_int_equal(view.byte_count, 10 * 999 * 500); /* ten times 0 + 1 + … + 999 */
	assert_int_equal(view.ends[9999], view.byte_count);
	for (uint32_t i = 1; i < 10000; i++)
		assert_int_equal(view.ends[i] - view.ends[i - 1], i % 1000);
	nb_payload_list_destroy(list);
}

static void test_no_room_at_all_is_refused(void **state)
{
	struct nb_error error = { 0 };

	(void)state;
	assert_int_equal(nb_payload_list_create(&list, 0, &error), -EINVAL);
	assert_true(error.what[0] != '\0');
	nb_payload_list_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_kept_with_its_stamp),
		cmocka_unit_test(test_what_is_kept_has_no_hole),
		cmocka_unit_test(test_many_are_kept),
		cmocka_unit_test(test_no_room_at_all_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
