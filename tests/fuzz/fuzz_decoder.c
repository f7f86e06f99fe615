/* SPDX-License-Identifier: MIT */
/* fuzz_decoder.c - any datagrams, in any mode: nothing outside them is read, and the books of decoder, monitor and table hold. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mpegts.h"
#include "stream_table.h"

/**
 * DOC: Theory of operation
 *
 * The input is a mode, then datagrams: a byte of how many milliseconds it came after the one before (in squares), two bytes of
 * length, and its payload, which is copied to a block of just its size, for the sanitizer to see a read beyond it. All go
 * through one table; each is decoded alone in every mode, too.
 */
static void require(bool condition)
{
	if (!condition)
		abort();
}

static void decode_alone(const uint8_t *payload, size_t length)
{
	for (int mode = NB_DECODE_AUTO; mode <= NB_DECODE_RAW; mode++) {
		struct nb_decoded decoded;
		int code = nb_decode(payload, length, (enum nb_decode_mode)mode, &decoded);

		require((unsigned int)decoded.kind < NB_KIND_COUNT);
		if (code)
			require(decoded.kind == NB_KIND_RAW && !decoded.ts);
		if (decoded.ts) {
			require(decoded.ts >= payload && decoded.ts_packets > 0);
			require((size_t)(decoded.ts - payload) + (size_t)decoded.ts_packets * NB_TS_PACKET <= length);
		}
	}
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

static void check_ts(const struct nb_ts_counts *ts)
{
	require(ts->null_packets + ts->transport_errors + ts->untracked_packets + ts->sync_byte_errors <= ts->packets);
	require(ts->ts_lost_estimate <= 15 * ts->cc_errors);
	require(ts->cc_errors + ts->duplicates <= 2 * ts->packets);
	require(ts->sync_losses <= ts->sync_byte_errors / 2);
	require(ts->pids <= 254 && ts->programs <= 32);
	require(ts->pat_interval_max_ns >= 0 && ts->pmt_interval_max_ns >= 0 && ts->pcr_interval_max_ns >= 0);
	require(ts->mux_rate_bps >= 0);
}

static void check(const struct nb_table *table)
{
	struct nb_table_totals totals;
	uint64_t tracked = 0;

	nb_table_totals(table, &totals);
	require(totals.packets == totals.tracked + totals.foreign + totals.damaged + totals.refused_streams);
	for (uint32_t index = 0; index < nb_table_count(table); index++) {
		struct nb_foreign_counts foreign;
		struct nb_stream_counts counts;

		nb_tracker_read(nb_table_tracker(table, index), &counts);
		nb_table_foreign(table, index, &foreign);
		tracked += counts.packets;
		require(counts.packets > 0);
		if (counts.sequenced) {
			require(counts.packets == counts.unique + counts.duplicate + counts.beyond_window);
			require(counts.unique + counts.lost == counts.last_sequence - counts.first_sequence + 1);
		}
		if (foreign.has_ts)
			check_ts(&foreign.ts);
	}
	require(tracked == totals.tracked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nb_table_config config = {
		.max_streams = 3,
		.stamp_class = NB_STAMP_KERNEL,
		.tracker = { .reorder_window = 64, .window_ns = 1000000000, .error_iat_ns = 45000000 },
		.series_ns = 1000000000,
		.series_points = 4,
		.log_capacity = 16,
	};
	int64_t now_ns = INT64_C(1700000000000000000);
	struct nb_table *table;

	if (size < 1)
		return 0;
	config.decode = (enum nb_decode_mode)(data[0] % (NB_DECODE_RAW + 1));
	require(nb_table_create(&table, &config, NULL) == 0);
	data++;
	size--;
	while (size >= 3) {
		size_t length = (size_t)(data[1] << 8 | data[2]);
		uint8_t *payload;

		now_ns += (int64_t)data[0] * data[0] * 1000000;
		data += 3;
		size -= 3;
		length = length < size ? length : size;
		payload = malloc(length ? length : 1);
		require(payload != NULL);
		memcpy(payload, data, length);
		decode_alone(payload, length);
		record(table, payload, length, now_ns);
		free(payload);
		data += length;
		size -= length;
	}
	nb_table_finish(table);
	check(table);
	nb_table_destroy(table);
	return 0;
}
