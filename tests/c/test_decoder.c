/* SPDX-License-Identifier: MIT */
/* test_decoder.c - what a datagram turns out to be in each mode; and what the table believes of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "decoder.h"
#include "mpegts.h"
#include "stream_table.h"

#define START INT64_C(1700000000000000000)
#define MS INT64_C(1000000)

static size_t put_rtp(uint8_t *at, uint8_t payload_type, uint16_t sequence, uint32_t ssrc)
{
	const uint8_t header[] = { 0x80,
				   payload_type,
				   (uint8_t)(sequence >> 8),
				   (uint8_t)sequence,
				   0,
				   0,
				   0,
				   0,
				   (uint8_t)(ssrc >> 24),
				   (uint8_t)(ssrc >> 16),
				   (uint8_t)(ssrc >> 8),
				   (uint8_t)ssrc };

	memcpy(at, header, sizeof(header));
	return sizeof(header);
}

static size_t put_ts(uint8_t *at, uint32_t packets, uint16_t pid)
{
	memset(at, 0xff, (size_t)packets * NB_TS_PACKET);
	for (uint32_t i = 0; i < packets; i++, at += NB_TS_PACKET) {
		at[0] = NB_TS_SYNC;
		at[1] = (uint8_t)(0x40 | pid >> 8);
		at[2] = (uint8_t)pid;
		at[3] = 0x10;
	}
	return (size_t)packets * NB_TS_PACKET;
}

static void put_probe(uint8_t *at)
{
	const struct nb_probe probe = { .session = 7, .stream = 3, .sequence = 42, .sent_ns = START };

	assert_int_equal(nb_probe_encode(at, NB_PROBE_LENGTH, &probe), 0);
}

static struct nb_decoded decode(const uint8_t *bytes, size_t length, enum nb_decode_mode mode, int code)
{
	struct nb_decoded decoded;

	assert_int_equal(nb_decode(bytes, length, mode, &decoded), code);
	return decoded;
}

static void check_probe(const struct nb_decoded *decoded)
{
	assert_int_equal(decoded->kind, NB_KIND_PROBE);
	assert_int_equal(decoded->tag, 3);
	assert_int_equal(decoded->session, 7);
	assert_int_equal(decoded->sequence, 42);
	assert_int_equal(decoded->sequence_bits, 64);
	assert_true(decoded->has_sent);
	assert_int_equal(decoded->sent_ns, START);
}

static void test_a_probe_is_found_wherever_it_rides(void **state)
{
	uint8_t bytes[2048] = { 0 };
	struct nb_decoded decoded;
	size_t header;

	(void)state;
	put_probe(bytes);
	decoded = decode(bytes, 1316, NB_DECODE_AUTO, 0);
	check_probe(&decoded);
	assert_null(decoded.ts);

	put_ts(bytes, 7, NB_TS_PID_NULL);
	put_ts(bytes + 3 * NB_TS_PACKET, 1, NB_TS_PID_PROBE);
	put_probe(bytes + 3 * NB_TS_PACKET + 4);
	decoded = decode(bytes, (size_t)7 * NB_TS_PACKET, NB_DECODE_AUTO, 0);
	check_probe(&decoded);
	assert_ptr_equal(decoded.ts, bytes);
	assert_int_equal(decoded.ts_packets, 7);

	header = put_rtp(bytes, 33, 9, 1);
	put_ts(bytes + header, 7, NB_TS_PID_PROBE);
	put_probe(bytes + header + 4);
	decoded = decode(bytes, header + (size_t)7 * NB_TS_PACKET, NB_DECODE_PROBE, 0);
	check_probe(&decoded);
	assert_ptr_equal(decoded.ts, bytes + header);

	header = put_rtp(bytes, 96, 9, 1);
	put_probe(bytes + header);
	decoded = decode(bytes, 1316, NB_DECODE_AUTO, 0);
	check_probe(&decoded);
	bytes[header + 20] ^= 1;
	decode(bytes, 1316, NB_DECODE_AUTO, -EBADMSG);
	bytes[header + 4]++;
	decode(bytes, 1316, NB_DECODE_PROBE, -EPROTO);
}

static void test_each_mode_finds_its_own_kind_only(void **state)
{
	uint8_t ts[2 * NB_TS_PACKET], rtp[12 + 2 * NB_TS_PACKET], plain[100] = { 0 };
	struct nb_decoded decoded;

	(void)state;
	put_ts(ts, 2, 256);
	put_rtp(rtp, 33, 513, 0xdeadbeef);
	put_ts(rtp + 12, 2, 256);

	decoded = decode(ts, sizeof(ts), NB_DECODE_AUTO, 0);
	assert_int_equal(decoded.kind, NB_KIND_MPEGTS);
	assert_int_equal(decoded.sequence_bits, 0);
	assert_int_equal(decoded.ts_packets, 2);
	assert_int_equal(decode(ts, sizeof(ts), NB_DECODE_PROBE, -ENODATA).kind, NB_KIND_RAW);
	assert_int_equal(decode(ts, sizeof(ts), NB_DECODE_RTP, -ENODATA).kind, NB_KIND_RAW);
	assert_int_equal(decode(ts, sizeof(ts), NB_DECODE_RAW, 0).kind, NB_KIND_RAW);
	assert_int_equal(decode(ts, sizeof(ts) - 1, NB_DECODE_MPEGTS, -ENODATA).kind, NB_KIND_RAW);

	decoded = decode(rtp, sizeof(rtp), NB_DECODE_AUTO, 0);
	assert_int_equal(decoded.kind, NB_KIND_RTP);
	assert_int_equal(decoded.tag, 0xdeadbeef);
	assert_int_equal(decoded.sequence, 513);
	assert_int_equal(decoded.sequence_bits, 16);
	assert_int_equal(decoded.payload_type, 33);
	assert_int_equal(decoded.media_clock_hz, 90000);
	assert_ptr_equal(decoded.ts, rtp + 12);
	decoded = decode(rtp, sizeof(rtp), NB_DECODE_MPEGTS, 0);
	assert_int_equal(decoded.kind, NB_KIND_MPEGTS);
	assert_ptr_equal(decoded.ts, rtp + 12);
	rtp[12 + NB_TS_PACKET] = 0; /* a sync byte */
	assert_null(decode(rtp, sizeof(rtp), NB_DECODE_AUTO, 0).ts);
	decode(rtp, sizeof(rtp), NB_DECODE_MPEGTS, -ENODATA);

	for (int mode = NB_DECODE_PROBE; mode <= NB_DECODE_MPEGTS; mode++)
		decode(plain, 0, (enum nb_decode_mode)mode, -ENODATA);
	assert_int_equal(decode(plain, 0, NB_DECODE_AUTO, 0).kind, NB_KIND_RAW);
	assert_int_equal(decode(plain, 100, NB_DECODE_AUTO, 0).kind, NB_KIND_RAW); /* an iperf2 header like any other */
}

static void test_iperf2(void **state)
{
	/* id 7; 1 s and 2 us; upper half 0 */
	uint8_t bytes[16] = { 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0 };
	struct nb_decoded decoded = decode(bytes, 16, NB_DECODE_IPERF2, 0);

	(void)state;
	assert_int_equal(decoded.kind, NB_KIND_IPERF2);
	assert_int_equal(decoded.sequence, 7);
	assert_int_equal(decoded.sequence_bits, 64);
	assert_int_equal(decoded.sent_ns, INT64_C(1000002000));
	assert_false(decoded.last_of_stream);

	bytes[15] = 1; /* beyond 2^32 */
	assert_int_equal(decode(bytes, 16, NB_DECODE_IPERF2, 0).sequence, (UINT64_C(1) << 32) + 7);

	memset(bytes, 0xff, 4); /* -1 in 64 bits */
	memset(bytes + 12, 0xff, 4);
	decoded = decode(bytes, 16, NB_DECODE_IPERF2, 0);
	assert_true(decoded.last_of_stream);
	assert_int_equal(decoded.sequence, 1);

	memcpy(bytes + 12, "3456", 4); /* an old version's padding */
	decoded = decode(bytes, 16, NB_DECODE_IPERF2, 0);
	assert_int_equal(decoded.sequence_bits, 32);
	assert_true(decoded.last_of_stream);
	assert_int_equal(decoded.sequence, 1);
	assert_int_equal(decode(bytes, 12, NB_DECODE_IPERF2, 0).sequence_bits, 32);

	decode(bytes, 11, NB_DECODE_IPERF2, -ENODATA);
	bytes[9] = 0x0f; /* 983042 microseconds */
	decode(bytes, 12, NB_DECODE_IPERF2, 0);
	bytes[9] = 0x10;
	decode(bytes, 12, NB_DECODE_IPERF2, -ENODATA);
}

/* --- what the table makes of it ---------------------------------------------------------------------------------- */

static struct nb_table *create(enum nb_decode_mode mode, uint32_t max_streams)
{
	const struct nb_table_config config = {
		.max_streams = max_streams,
		.stamp_class = NB_STAMP_KERNEL,
		.decode = mode,
		.tracker = { .reorder_window = 64, .window_ns = 1000 * MS, .error_iat_ns = 45 * MS },
	};
	struct nb_table *table;

	assert_int_equal(nb_table_create(&table, &config, NULL), 0);
	return table;
}

static void record(struct nb_table *table, const uint8_t *payload, size_t length, int64_t received_ns)
{
	const struct nb_packet packet = {
		.flow = { .family = 4,
			  .source = { 10 },
			  .destination = { 239 },
			  .source_port = 1,
			  .destination_port = 2 },
		.payload = payload,
		.payload_length = (uint32_t)length,
		.datagram_length = (uint32_t)length,
		.received_ns = received_ns,
		.stamp_class = NB_STAMP_KERNEL,
	};

	nb_table_record(table, &packet);
}

static void record_rtp(struct nb_table *table, uint16_t sequence, uint32_t ssrc)
{
	uint8_t bytes[100] = { 0 };

	put_rtp(bytes, 96, sequence, ssrc);
	record(table, bytes, sizeof(bytes), START);
}

static struct nb_stream_counts read_stream(const struct nb_table *table, uint32_t index)
{
	struct nb_stream_counts counts;

	nb_tracker_read(nb_table_tracker(table, index), &counts);
	return counts;
}

static void check_rtp(const struct nb_table *table, uint32_t index, uint32_t ssrc, uint64_t packets, uint64_t lost)
{
	assert_int_equal(nb_table_key(table, index)->kind, NB_KIND_RTP);
	assert_int_equal(nb_table_key(table, index)->stream, ssrc);
	assert_int_equal(read_stream(table, index).packets, packets);
	assert_int_equal(read_stream(table, index).lost, lost);
}

static void test_rtp_that_takes_turns_is_found_from_its_first_packet(void **state)
{
	struct nb_table *table = create(NB_DECODE_AUTO, 8);

	(void)state;
	for (uint16_t i = 0; i < 10; i++) {
		record_rtp(table, (uint16_t)(65533 + i), 1);
		if (i != 5)
			record_rtp(table, i, 2);
	}
	nb_table_finish(table);
	assert_int_equal(nb_table_count(table), 2); /* nothing is left behind as raw */
	check_rtp(table, 0, 2, 9, 1);
	check_rtp(table, 1, 1, 10, 0);
	nb_table_destroy(table);
}

static void test_what_only_looks_like_rtp_stays_raw(void **state)
{
	struct nb_table *table = create(NB_DECODE_AUTO, 8);

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		record_rtp(table, (uint16_t)(i * 7919), i * 2654435761u);
	record_rtp(table, 5, 77);
	record_rtp(table, 7, 77);
	assert_int_equal(nb_table_count(table), 1);
	assert_int_equal(nb_table_key(table, 0)->kind, NB_KIND_RAW);
	record_rtp(table, 8, 77); /* two in a row; those before were raw among others, and stay */
	assert_int_equal(nb_table_count(table), 2);
	check_rtp(table, 1, 77, 1, 0);
	assert_int_equal(read_stream(table, 0).packets, 102);
	nb_table_destroy(table);
}

static void test_raw_traffic_of_a_flow_that_became_rtp(void **state)
{
	struct nb_table *table = create(NB_DECODE_AUTO, 2);
	const uint8_t plain[50] = { 0 };

	(void)state;
	record_rtp(table, 1, 9);
	record_rtp(table, 2, 9);
	record(table, plain, sizeof(plain), START);
	record(table, plain, sizeof(plain), START);
	check_rtp(table, 0, 9, 2, 0);
	assert_int_equal(nb_table_key(table, 1)->kind, NB_KIND_RAW);
	assert_int_equal(read_stream(table, 1).packets, 2);
	record_rtp(table, 1, 10); /* no room for another stream: it counts all the same */
	record_rtp(table, 2, 10);
	nb_table_destroy(table);
}

static void test_asked_for_rtp_believes_the_first_packet(void **state)
{
	struct nb_table *table = create(NB_DECODE_RTP, 8);

	(void)state;
	record_rtp(table, 1, 9);
	record_rtp(table, 5, 9);
	nb_table_finish(table);
	check_rtp(table, 0, 9, 2, 3);
	nb_table_destroy(table);
}

static void test_a_known_transport_stream_keeps_its_damaged_datagrams(void **state)
{
	struct nb_table *table = create(NB_DECODE_AUTO, 8);
	struct nb_foreign_counts counts;
	uint8_t ts[3 * NB_TS_PACKET], rtp[12 + 3 * NB_TS_PACKET];

	(void)state;
	put_ts(ts, 3, NB_TS_PID_NULL);
	record(table, ts, sizeof(ts), START);
	ts[NB_TS_PACKET] = 0;
	record(table, ts, sizeof(ts), START);
	put_rtp(rtp, 33, 1, 5);
	put_ts(rtp + 12, 3, NB_TS_PID_NULL);
	record(table, rtp, sizeof(rtp), START); /* whole TS packets need no probation */
	rtp[12] = 0;
	rtp[3] = 2;
	record(table, rtp, sizeof(rtp), START);

	assert_int_equal(nb_table_count(table), 2);
	assert_int_equal(nb_table_key(table, 0)->kind, NB_KIND_MPEGTS);
	assert_false(read_stream(table, 0).sequenced);
	check_rtp(table, 1, 5, 2, 0);
	for (uint32_t index = 0; index < 2; index++) {
		nb_table_foreign(table, index, &counts);
		assert_true(counts.has_ts);
		assert_int_equal(counts.ts.packets, 6);
		assert_int_equal(counts.ts.sync_byte_errors, 1);
	}
	nb_table_destroy(table);
}

/* 90 kHz: 900 ticks are 10 ms. Received 2 ms late, then on time: |D| is 2 ms twice; J = 2/16, then 2/16 + (2 - 2/16)/16. */
static void test_jitter_is_by_the_media_clock(void **state)
{
	struct nb_table *table = create(NB_DECODE_RTP, 8);
	const int64_t late[] = { 0, 2 * MS, 0 };
	uint8_t bytes[20] = { 0 };

	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		const uint32_t media_time = UINT32_MAX - 899 + i * 900u; /* wraps */

		put_rtp(bytes, 96, i, 1);
		for (int k = 0; k < 4; k++)
			bytes[4 + k] = (uint8_t)(media_time >> (24 - 8 * k));
		record(table, bytes, sizeof(bytes), START + i * 10 * MS + late[i]);
	}
	assert_true(read_stream(table, 0).jitter_ns > 242187.49 && read_stream(table, 0).jitter_ns < 242187.51);
	nb_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_probe_is_found_wherever_it_rides),
		cmocka_unit_test(test_each_mode_finds_its_own_kind_only),
		cmocka_unit_test(test_iperf2),
		cmocka_unit_test(test_rtp_that_takes_turns_is_found_from_its_first_packet),
		cmocka_unit_test(test_what_only_looks_like_rtp_stays_raw),
		cmocka_unit_test(test_raw_traffic_of_a_flow_that_became_rtp),
		cmocka_unit_test(test_asked_for_rtp_believes_the_first_packet),
		cmocka_unit_test(test_a_known_transport_stream_keeps_its_damaged_datagrams),
		cmocka_unit_test(test_jitter_is_by_the_media_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
