/* SPDX-License-Identifier: MIT */
/* test_pooled.c - distributions over all streams, against values that can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pooled.h"
#include "probe.h"

static struct nb_table *new_table(void)
{
	struct nb_table_config config = {
		.max_streams = 8,
		.stamp_class = NB_STAMP_KERNEL,
		.tracker = { .reorder_window = 64, .window_ns = 1000000000, .error_iat_ns = 45000000 },
	};
	struct nb_table *table;

	assert_int_equal(nb_table_create(&table, &config, NULL), 0);
	return table;
}

/* One probe of @stream, sent at @sent_ns and received @transit_ns later. */
static void arrive(struct nb_table *table, uint32_t stream, uint64_t sequence, int64_t sent_ns, int64_t transit_ns)
{
	struct nb_probe probe = { .session = 1, .stream = stream, .sequence = sequence, .sent_ns = sent_ns };
	uint8_t payload[NB_PROBE_LENGTH];
	struct nb_packet packet = {
		.flow = { .family = 4, .destination_port = 5004 },
		.payload = payload,
		.payload_length = sizeof(payload),
		.datagram_length = sizeof(payload),
		.received_ns = (int64_t)((uint64_t)sent_ns + (uint64_t)transit_ns),
		.stamp_class = NB_STAMP_KERNEL,
	};

	assert_int_equal(nb_probe_encode(payload, sizeof(payload), &probe), 0);
	nb_table_lock(table);
	nb_table_record(table, &packet);
	nb_table_unlock(table);
}

static uint64_t counted(const struct nb_histogram *histogram)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < NB_HISTOGRAM_BUCKETS; i++)
		sum += histogram->buckets[i];
	return sum;
}

/* Stream 1: transits 30, 10, 50; stream 2: 7, 8. Every value is below 64, so every bucket is one value. */
static void test_two_streams(void **state)
{
	struct nb_table *table = new_table();
	struct nb_histogram pooled;

	(void)state;
	arrive(table, 1, 0, 1000, 30);
	arrive(table, 1, 1, 2000, 10);
	arrive(table, 1, 2, 3000, 50);
	arrive(table, 2, 0, 1000, 7);
	arrive(table, 2, 1, 1020, 8);

	assert_true(nb_pooled_transit(&pooled, table));
	assert_int_equal(pooled.count, 5);
	assert_int_equal(counted(&pooled), 5);
	assert_int_equal(pooled.sum, 30 + 10 + 50 + 7 + 8);
	assert_int_equal(pooled.min, 7);
	assert_int_equal(pooled.max, 50);
	assert_int_equal(pooled.buckets[nb_histogram_index(10)], 1);
	assert_int_equal(pooled.buckets[nb_histogram_index(30)], 1);
	assert_int_equal(pooled.buckets[nb_histogram_index(50)], 1);

	nb_pooled_pdv(&pooled, table);
	assert_int_equal(pooled.count, 5);
	assert_int_equal(counted(&pooled), 5);
	assert_int_equal(pooled.sum, 20 + 0 + 40 + 0 + 1);
	assert_int_equal(pooled.min, 0);
	assert_int_equal(pooled.max, 40);
	assert_int_equal(pooled.buckets[nb_histogram_index(0)], 2);
	assert_int_equal(pooled.buckets[nb_histogram_index(20)], 1);

	nb_pooled(&pooled, table, NB_IAT);
	assert_int_equal(pooled.count, 3);
	assert_int_equal(pooled.sum, 980 + 1040 + 21);
	nb_table_destroy(table);
}

static void test_received_before_sent(void **state)
{
	struct nb_table *table = new_table();
	struct nb_histogram pooled;

	(void)state;
	arrive(table, 1, 0, 1000, -20);
	arrive(table, 1, 1, 2000, 5);
	assert_false(nb_pooled_transit(&pooled, table));
	nb_pooled_pdv(&pooled, table);
	assert_int_equal(pooled.max, 25);
	assert_int_equal(pooled.sum, 25);
	nb_table_destroy(table);
}

/* A clock that steps by years, or a probe that lies: the bucket is coarse, minimum and maximum are exact, nothing overflows. */
static void test_a_transit_of_years(void **state)
{
	const int64_t year_ns = INT64_C(31536000) * 1000000000;
	struct nb_table *table = new_table();
	struct nb_histogram pooled;

	(void)state;
	arrive(table, 1, 0, 1000, 10);
	arrive(table, 1, 1, 2000, 100 * year_ns);
	arrive(table, 1, 2, INT64_C(200) * year_ns, -100 * year_ns);
	nb_pooled_pdv(&pooled, table);
	assert_int_equal(pooled.count, 3);
	assert_int_equal(counted(&pooled), 3);
	assert_int_equal(pooled.min, 0);
	assert_int_equal(pooled.max, (uint64_t)200 * (uint64_t)year_ns);
	assert_int_equal(pooled.buckets[NB_HISTOGRAM_BUCKETS - 1], 2);
	nb_table_destroy(table);
}

static void test_of_nothing_there_is_nothing(void **state)
{
	struct nb_table *table = new_table();
	struct nb_histogram pooled;

	(void)state;
	nb_pooled(&pooled, table, NB_IAT);
	assert_int_equal(pooled.count, 0);
	nb_pooled_pdv(&pooled, table);
	assert_int_equal(pooled.count, 0);
	assert_true(nb_pooled_transit(&pooled, table));
	assert_int_equal(pooled.count, 0);
	nb_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_streams),
		cmocka_unit_test(test_received_before_sent),
		cmocka_unit_test(test_a_transit_of_years),
		cmocka_unit_test(test_of_nothing_there_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
