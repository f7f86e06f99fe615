/* SPDX-License-Identifier: MIT */
/* test_stream_table.c - which stream a packet belongs to, and books over all of them that balance. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probe.h"
#include "stream_table.h"

#define MS INT64_C(1000000)
#define START INT64_C(1700000000000000000)
#define SESSION 7
#define WIRE_BYTES 1316 /* of which only the probe was captured */

static struct nb_table_config ordinary(void)
{
	return (struct nb_table_config){
		.max_streams = 8,
		.stamp_class = NB_STAMP_KERNEL,
		.tracker = { .reorder_window = 64, .window_ns = 1000 * MS, .error_iat_ns = 45 * MS },
	};
}

static struct nb_table *create(struct nb_table_config config)
{
	struct nb_table *table;
	struct nb_error error;

	assert_int_equal(nb_table_create(&table, &config, &error), 0);
	return table;
}

/* A packet and the bytes that it points at. */
struct arrival {
	struct nb_packet packet;
	uint8_t payload[NB_PROBE_LENGTH];
};

static void raw_arrival(struct arrival *arrival, uint8_t host, int64_t received_ns)
{
	*arrival = (struct arrival){ .packet = {
					     .flow = { .family = 4,
						       .source = { 10, 0, 0, host },
						       .destination = { 239, 1, 2, 3 },
						       .source_port = 4000,
						       .destination_port = 5004 },
					     .payload = arrival->payload,
					     .payload_length = sizeof(arrival->payload),
					     .datagram_length = WIRE_BYTES,
					     .received_ns = received_ns,
					     .stamp_class = NB_STAMP_KERNEL,
				     } };
}

static void probe_arrival(struct arrival *arrival, uint32_t stream, uint64_t sequence, int64_t received_ns)
{
	const struct nb_probe probe = { .session = SESSION, .stream = stream, .sequence = sequence, .sent_ns = START };

	raw_arrival(arrival, 1, received_ns);
	assert_int_equal(nb_probe_encode(arrival->payload, sizeof(arrival->payload), &probe), 0);
}

static void record_probe(struct nb_table *table, uint32_t stream, uint64_t sequence, int64_t received_ns)
{
	struct arrival arrival;

	probe_arrival(&arrival, stream, sequence, received_ns);
	nb_table_record(table, &arrival.packet);
}

static struct nb_table_totals read_totals(const struct nb_table *table)
{
	struct nb_table_totals totals;

	nb_table_totals(table, &totals);
	assert_int_equal(totals.packets, totals.tracked + totals.foreign + totals.damaged + totals.refused_streams);
	return totals;
}

static struct nb_stream_counts read_stream(const struct nb_table *table, uint32_t index)
{
	struct nb_stream_counts counts;

	assert_non_null(nb_table_tracker(table, index));
	nb_tracker_read(nb_table_tracker(table, index), &counts);
	return counts;
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

static void test_each_part_of_the_key_makes_a_stream(void **state)
{
	struct nb_table *table = create(ordinary());
	struct arrival arrival;

	(void)state;
	for (int round = 0; round < 2; round++) {
		raw_arrival(&arrival, 1, START);
		nb_table_record(table, &arrival.packet);
		raw_arrival(&arrival, 2, START);
		nb_table_record(table, &arrival.packet);
		raw_arrival(&arrival, 1, START);
		arrival.packet.flow.destination[3]++;
		nb_table_record(table, &arrival.packet);
		raw_arrival(&arrival, 1, START);
		arrival.packet.flow.source_port++;
		nb_table_record(table, &arrival.packet);
		raw_arrival(&arrival, 1, START);
		arrival.packet.flow.destination_port++;
		nb_table_record(table, &arrival.packet);
		raw_arrival(&arrival, 1, START);
		arrival.packet.flow.family = 6;
		nb_table_record(table, &arrival.packet);
		record_probe(table, 0, 0, START);
		record_probe(table, 1, 0, START);
	}
	assert_int_equal(nb_table_count(table), 8);
	for (uint32_t index = 0; index < 8; index++)
		assert_int_equal(read_stream(table, index).packets, 2);
	assert_int_equal(nb_table_key(table, 1)->flow.source[3], 2);
	assert_int_equal(nb_table_key(table, 5)->kind, NB_KIND_RAW);
	assert_int_equal(nb_table_key(table, 7)->kind, NB_KIND_PROBE);
	assert_int_equal(nb_table_key(table, 7)->session, SESSION);
	assert_int_equal(nb_table_key(table, 7)->stream, 1);
	assert_null(nb_table_key(table, 8));
	assert_null(nb_table_tracker(table, 8));
	assert_int_equal(read_totals(table).tracked, 16);
	assert_int_equal(read_totals(table).bytes, 16 * WIRE_BYTES);
	nb_table_destroy(table);
}

static void test_one_stream_too_many_is_refused(void **state)
{
	struct nb_table *table = create(ordinary());

	(void)state;
	for (uint64_t sequence = 0; sequence < 3; sequence++)
		for (uint32_t stream = 0; stream < 10; stream++)
			record_probe(table, stream, sequence, START);
	assert_int_equal(nb_table_count(table), 8);
	assert_int_equal(read_totals(table).tracked, 24);
	assert_int_equal(read_totals(table).refused_streams, 6);
	nb_table_destroy(table);
}

static void test_a_full_table_of_thousands(void **state)
{
	struct nb_table_config config = ordinary();
	struct nb_table *table;

	(void)state;
	config.max_streams = 3000;
	table = create(config);
	for (uint64_t sequence = 0; sequence < 3; sequence++)
		for (uint32_t stream = 0; stream < 3000; stream++)
			if (sequence != 1 || stream % 2)
				record_probe(table, stream, sequence, START);
	nb_table_finish(table);
	assert_int_equal(nb_table_count(table), 3000);
	assert_int_equal(read_totals(table).refused_streams, 0);
	for (uint32_t stream = 0; stream < 3000; stream++) {
		assert_int_equal(nb_table_key(table, stream)->stream, stream); /* in order of arrival */
		assert_int_equal(read_stream(table, stream).unique, 2 + stream % 2);
		assert_int_equal(read_stream(table, stream).lost, 1 - stream % 2);
	}
	nb_table_destroy(table);
}

static void test_who_is_foreign(void **state)
{
	struct nb_table_config config = ordinary();
	struct arrival arrival;
	struct nb_table *table;

	(void)state;
	config.session = SESSION;
	table = create(config);
	record_probe(table, 0, 0, START);
	raw_arrival(&arrival, 1, START);
	nb_table_record(table, &arrival.packet);
	assert_int_equal(nb_table_count(table), 2);
	assert_int_equal(read_totals(table).foreign, 0);
	nb_table_destroy(table);

	config.session = SESSION + 1;
	config.probes_only = true;
	table = create(config);
	record_probe(table, 0, 0, START);
	nb_table_record(table, &arrival.packet);
	assert_int_equal(nb_table_count(table), 0);
	assert_int_equal(read_totals(table).foreign, 2);
	assert_int_equal(read_totals(table).bytes, 2 * WIRE_BYTES);
	nb_table_destroy(table);
}

static void test_who_is_damaged(void **state)
{
	struct nb_table *table = create(ordinary());
	struct arrival arrival;

	(void)state;
	probe_arrival(&arrival, 0, 0, START);
	arrival.payload[20] ^= 1; /* in the sequence */
	nb_table_record(table, &arrival.packet);
	probe_arrival(&arrival, 0, 0, START);
	arrival.payload[4]++; /* another version */
	nb_table_record(table, &arrival.packet);
	assert_int_equal(read_totals(table).damaged, 2);
	assert_int_equal(nb_table_count(table), 0);

	/* Cut short by the capture: no probe that could be known as one. */
	probe_arrival(&arrival, 0, 0, START);
	arrival.packet.payload_length--;
	nb_table_record(table, &arrival.packet);
	assert_int_equal(read_totals(table).damaged, 2);
	assert_int_equal(nb_table_count(table), 1);
	assert_int_equal(nb_table_key(table, 0)->kind, NB_KIND_RAW);
	nb_table_destroy(table);
}

/* --- stamps ------------------------------------------------------------------------------------------------------- */

static void test_only_one_class_of_stamps_is_timed(void **state)
{
	struct nb_table_config config = ordinary();
	struct nb_table_totals totals;
	struct nb_table *table;

	(void)state;
	config.stamp_class = NB_STAMP_HARDWARE;
	config.series_ns = 100 * MS;
	config.series_points = 4;
	config.log_capacity = 100;
	table = create(config);
	for (uint64_t sequence = 0; sequence < 30; sequence++) {
		struct arrival arrival;

		probe_arrival(&arrival, 0, sequence, START + (int64_t)sequence * MS);
		arrival.packet.stamp_class = (enum nb_stamp_class)(sequence % 3);
		arrival.packet.read_ns = arrival.packet.received_ns + 5000;
		nb_table_record(table, &arrival.packet);
	}
	totals = read_totals(table);
	for (int class = 0; class < NB_STAMP_CLASSES; class ++) {
		assert_int_equal(totals.stamps[class], 10);
		assert_int_equal(read_stream(table, 0).stamps[class], 10);
	}
	assert_int_equal(read_stream(table, 0).unique, 30);
	assert_int_equal(nb_tracker_iat(nb_table_tracker(table, 0))->count, 9);
	assert_int_equal(nb_tracker_iat(nb_table_tracker(table, 0))->min, 3 * MS);
	assert_int_equal(nb_table_delivery(table)->count, 0);
	assert_int_equal(nb_table_series(table, 0)->packets, 10);
	assert_int_equal(totals.logged, 10);
	assert_int_equal(totals.first_ns, START + 2 * MS);
	assert_int_equal(totals.last_ns, START + 29 * MS);
	nb_table_destroy(table);
}

static void test_delivery_only_where_it_is_known(void **state)
{
	struct nb_table *table = create(ordinary());
	struct arrival arrival;

	(void)state;
	raw_arrival(&arrival, 1, START);
	nb_table_record(table, &arrival.packet); /* read_ns unknown */
	arrival.packet.read_ns = START - 1; /* the clock was set back in between */
	nb_table_record(table, &arrival.packet);
	arrival.packet.read_ns = START;
	nb_table_record(table, &arrival.packet);
	arrival.packet.read_ns = START + 42;
	nb_table_record(table, &arrival.packet);
	assert_int_equal(nb_table_delivery(table)->count, 2);
	assert_int_equal(nb_table_delivery(table)->min, 0);
	assert_int_equal(nb_table_delivery(table)->max, 42);
	nb_table_destroy(table);
}

/* A card's clock is another one, and what the application stamped itself says nothing of the way to it. */
static void test_delivery_is_of_kernel_stamps(void **state)
{
	static const enum nb_stamp_class others[] = { NB_STAMP_USER, NB_STAMP_HARDWARE };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct nb_table_config config = ordinary();
		struct nb_table *table;
		struct arrival arrival;

		config.stamp_class = others[i];
		table = create(config);
		raw_arrival(&arrival, 1, START);
		arrival.packet.stamp_class = others[i];
		arrival.packet.read_ns = START + 42;
		nb_table_record(table, &arrival.packet);
		assert_int_equal(nb_table_count(table), 1);
		assert_int_equal(nb_table_delivery(table)->count, 0);
		nb_table_destroy(table);
	}
}

/* --- series and log ----------------------------------------------------------------------------------------------- */

static struct nb_table *create_series(int64_t series_ns, uint32_t points)
{
	struct nb_table_config config = ordinary();

	config.series_ns = series_ns;
	config.series_points = points;
	return create(config);
}

static uint64_t series_packets(const struct nb_table *table)
{
	uint64_t packets = 0;

	for (uint32_t index = 0; index < nb_table_series_count(table); index++)
		packets += nb_table_series(table, index)->packets;
	return packets;
}

static void test_points_of_a_series(void **state)
{
	struct nb_table *table = create_series(100 * MS, 8);
	const struct nb_series_point *point;

	(void)state;
	assert_int_equal(nb_table_series_count(table), 0);
	assert_null(nb_table_series(table, 0));
	record_probe(table, 0, 0, START);
	record_probe(table, 1, 0, START + 1 * MS);
	record_probe(table, 0, 1, START + 99 * MS);
	record_probe(table, 1, 1, START + 100 * MS); /* the first of point 1 */
	record_probe(table, 0, 2, START + 310 * MS);
	assert_int_equal(nb_table_series_count(table), 4);

	point = nb_table_series(table, 0);
	assert_int_equal(point->start_ns, START);
	assert_int_equal(point->packets, 3);
	assert_int_equal(point->bytes, 3 * WIRE_BYTES);
	assert_int_equal(point->iat_count, 1); /* of stream 0; the first of each stream has none */
	assert_int_equal(point->iat_max_ns, 99 * MS);
	point = nb_table_series(table, 1);
	assert_int_equal(point->start_ns, START + 100 * MS);
	assert_int_equal(point->packets, 1);
	assert_int_equal(point->iat_sum_ns, 99 * MS);
	point = nb_table_series(table, 2);
	assert_int_equal(point->start_ns, START + 200 * MS);
	assert_int_equal(point->packets, 0);
	point = nb_table_series(table, 3);
	assert_int_equal(point->iat_max_ns, 211 * MS);
	assert_null(nb_table_series(table, 4));
	assert_int_equal(read_totals(table).series_overwritten, 0);
	nb_table_destroy(table);
}

static void test_a_series_keeps_the_newest_points(void **state)
{
	struct nb_table *table = create_series(10 * MS, 4);

	(void)state;
	for (int64_t point = 0; point < 10; point++)
		for (int64_t packet = 0; packet <= point; packet++)
			record_probe(table, 0, (uint64_t)(point * 100 + packet), START + point * 10 * MS);
	assert_int_equal(nb_table_series_count(table), 4);
	assert_int_equal(read_totals(table).series_overwritten, 6);
	for (uint32_t index = 0; index < 4; index++) {
		assert_int_equal(nb_table_series(table, index)->start_ns, START + (6 + index) * 10 * MS);
		assert_int_equal(nb_table_series(table, index)->packets, 7 + index);
	}
	nb_table_destroy(table);
}

static void test_late_stamps_find_their_point(void **state)
{
	struct nb_table *table = create_series(10 * MS, 4);

	(void)state;
	record_probe(table, 0, 0, START);
	record_probe(table, 0, 1, START + 50 * MS); /* kept: points 2..5 */
	record_probe(table, 0, 2, START + 25 * MS);
	assert_int_equal(nb_table_series(table, 0)->packets, 1);
	record_probe(table, 0, 3, START + 19 * MS); /* point 1 is gone */
	record_probe(table, 0, 4, START - 1); /* before the series */
	assert_int_equal(nb_table_series(table, 3)->packets, 3);
	assert_int_equal(series_packets(table), 4);
	assert_int_equal(read_totals(table).series_overwritten, 2);
	nb_table_destroy(table);
}

static void test_a_series_survives_hostile_stamps(void **state)
{
	static const int64_t stamps[] = { INT64_MIN, INT64_MAX, 0, INT64_MIN, INT64_MAX - 1, 1, INT64_MAX };
	struct nb_table *table = create_series(1, 4);

	(void)state;
	for (uint64_t i = 0; i < 7; i++)
		record_probe(table, 0, i, stamps[i]);
	/* Kept: the 4 points up to the last; all but the first packet lie in these or were put into the newest. */
	assert_int_equal(nb_table_series_count(table), 4);
	assert_int_equal(nb_table_series(table, 3)->start_ns, INT64_MAX);
	assert_int_equal(nb_table_series(table, 3)->packets, 5);
	assert_int_equal(nb_table_series(table, 2)->packets, 1);
	assert_int_equal(series_packets(table), 6);
	assert_int_equal(read_totals(table).series_overwritten, UINT64_MAX - 3);
	nb_table_destroy(table);
}

static void test_the_log_holds_probes_until_it_is_full(void **state)
{
	struct nb_table_config config = ordinary();
	const struct nb_log_entry *log;
	struct arrival arrival;
	struct nb_table *table;
	uint64_t count;

	(void)state;
	config.log_capacity = 3;
	table = create(config);
	raw_arrival(&arrival, 1, START);
	nb_table_record(table, &arrival.packet); /* no probe: not logged */
	for (uint64_t i = 0; i < 5; i++)
		record_probe(table, 2, (UINT64_C(9) << 32) + i, START + (int64_t)i);
	log = nb_table_log(table, &count);
	assert_int_equal(count, 3);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(log[i].received_ns, START + (int64_t)i);
		assert_int_equal(log[i].stream, 2);
		assert_int_equal(log[i].sequence, i);
	}
	assert_int_equal(read_totals(table).logged, 3);
	assert_int_equal(read_totals(table).log_overflow, 2);
	nb_table_destroy(table);
}

static void test_a_log_of_contents_tells_packets_without_a_sequence_apart(void **state)
{
	struct nb_table_config config = ordinary();
	const struct nb_log_entry *log;
	struct arrival arrival;
	struct nb_table *table;
	uint64_t count;

	(void)state;
	config.log_capacity = 8;
	config.log_content = true;
	config.content_seed = 5;
	table = create(config);
	for (uint8_t i = 0; i < 5; i++) { /* 0, 1, 2 of one flow, the latter twice; then its content in another flow */
		raw_arrival(&arrival, i < 4 ? 1 : 2, START + i);
		arrival.payload[sizeof(arrival.payload) - 1] = i < 2 ? i : 2;
		nb_table_record(table, &arrival.packet);
	}
	arrival.packet.stamp_class = NB_STAMP_USER; /* of another class: never timed, nor logged */
	nb_table_record(table, &arrival.packet);
	log = nb_table_log(table, &count);
	assert_int_equal(count, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(log[i].stream, (i == 4 ? 1u << 16 : 0u) | WIRE_BYTES);
	assert_int_not_equal(log[0].sequence, log[1].sequence);
	assert_int_not_equal(log[1].sequence, log[2].sequence);
	assert_int_equal(log[2].sequence, log[3].sequence);
	assert_int_not_equal(log[3].sequence, log[4].sequence);
	nb_table_destroy(table);
}

static void test_a_table_that_restarts_knows_nothing_of_before(void **state)
{
	struct nb_table_config config = ordinary();
	struct nb_table_totals totals;
	struct nb_table *table;
	uint64_t count;

	(void)state;
	config.log_capacity = 2;
	config.series_ns = MS;
	config.series_points = 4;
	table = create(config);
	for (uint32_t i = 0; i < 9; i++) /* one stream too many, and more than the log and the series hold */
		record_probe(table, i, 7, START + i * MS);
	nb_table_restart(table);
	totals = read_totals(table);
	assert_int_equal(totals.packets, 0);
	assert_int_equal(totals.refused_streams, 0);
	assert_int_equal(totals.log_overflow, 0);
	assert_int_equal(nb_table_count(table), 0);
	assert_int_equal(nb_table_series_count(table), 0);
	record_probe(table, 3, 100, START + 50 * MS);
	record_probe(table, 3, 102, START + 51 * MS);
	nb_table_finish(table);
	assert_int_equal(nb_table_count(table), 1);
	assert_int_equal(nb_table_key(table, 0)->stream, 3);
	assert_int_equal(read_totals(table).first_ns, START + 50 * MS);
	assert_int_equal(nb_table_series_count(table), 2);
	assert_int_equal(nb_table_log(table, &count)[0].sequence, 100);
	assert_int_equal(count, 2);
	nb_table_destroy(table);
}

static void test_without_a_log_nothing_overflows(void **state)
{
	struct nb_table *table = create(ordinary());
	uint64_t count;

	(void)state;
	record_probe(table, 0, 0, START);
	assert_null(nb_table_log(table, &count));
	assert_int_equal(count, 0);
	assert_int_equal(read_totals(table).log_overflow, 0);
	nb_table_destroy(table);
}

/* --- lock, configuration ------------------------------------------------------------------------------------------ */

#define BATCHES 2000
#define BATCH 10

static void *feed_batches(void *argument)
{
	struct nb_table *table = argument;

	for (uint64_t batch = 0; batch < BATCHES; batch++) {
		nb_table_lock(table);
		for (uint64_t i = 0; i < BATCH; i++)
			record_probe(table, (uint32_t)(batch % 8), batch / 8 * BATCH + i, START);
		nb_table_unlock(table);
	}
	return NULL;
}

static void test_a_reader_sees_whole_batches(void **state)
{
	struct nb_table *table = create(ordinary());
	uint64_t packets = 0;
	pthread_t feeder;

	(void)state;
	assert_int_equal(pthread_create(&feeder, NULL, feed_batches, table), 0);
	while (packets < BATCHES * BATCH) {
		uint64_t sum = 0;

		nb_table_lock(table);
		packets = read_totals(table).packets;
		for (uint32_t index = 0; index < nb_table_count(table); index++)
			sum += read_stream(table, index).packets;
		nb_table_unlock(table);
		assert_int_equal(packets % BATCH, 0);
		assert_int_equal(sum, packets);
	}
	pthread_join(feeder, NULL);
	nb_table_destroy(table);
}

static void assert_refused(struct nb_table_config config)
{
	struct nb_table *table;
	struct nb_error error = { 0 };

	assert_int_equal(nb_table_create(&table, &config, &error), -EINVAL);
	assert_null(table);
	assert_int_equal(error.code, -EINVAL);
	assert_true(strlen(error.what) > 0 && strlen(error.what) < sizeof(error.what) - 1);
}

static void test_wrong_configurations_are_refused(void **state)
{
	struct nb_table_config config;

	(void)state;
	config = ordinary();
	config.max_streams = 0;
	assert_refused(config);
	config.max_streams = UINT32_MAX;
	assert_refused(config);
	config = ordinary();
	config.stamp_class = NB_STAMP_CLASSES;
	assert_refused(config);
	config = ordinary();
	config.series_ns = -1;
	assert_refused(config);
	config.series_ns = 1; /* without points */
	assert_refused(config);
	config = ordinary();
	config.log_capacity = UINT64_MAX;
	assert_refused(config);
	config = ordinary();
	config.log_content = true;
	config.max_streams = (1u << 16) + 1; /* its index would not fit an entry */
	assert_refused(config);
	config = ordinary();
	config.tracker.reorder_window = 65;
	assert_refused(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_part_of_the_key_makes_a_stream),
		cmocka_unit_test(test_one_stream_too_many_is_refused),
		cmocka_unit_test(test_a_full_table_of_thousands),
		cmocka_unit_test(test_who_is_foreign),
		cmocka_unit_test(test_who_is_damaged),
		cmocka_unit_test(test_only_one_class_of_stamps_is_timed),
		cmocka_unit_test(test_delivery_only_where_it_is_known),
		cmocka_unit_test(test_delivery_is_of_kernel_stamps),
		cmocka_unit_test(test_points_of_a_series),
		cmocka_unit_test(test_a_series_keeps_the_newest_points),
		cmocka_unit_test(test_late_stamps_find_their_point),
		cmocka_unit_test(test_a_series_survives_hostile_stamps),
		cmocka_unit_test(test_the_log_holds_probes_until_it_is_full),
		cmocka_unit_test(test_a_log_of_contents_tells_packets_without_a_sequence_apart),
		cmocka_unit_test(test_a_table_that_restarts_knows_nothing_of_before),
		cmocka_unit_test(test_without_a_log_nothing_overflows),
		cmocka_unit_test(test_a_reader_sees_whole_batches),
		cmocka_unit_test(test_wrong_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
