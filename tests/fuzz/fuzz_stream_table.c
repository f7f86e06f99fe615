/* SPDX-License-Identifier: MIT */
/* fuzz_stream_table.c - any sequence of packets and stamps: the books of the table and of each stream balance. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "stream_table.h"

/**
 * DOC: Theory of operation
 *
 * The input is a program: three bytes of configuration, then steps, each one byte of what to do and its operands. The
 * clock and the sequences go on in small steps or jump anywhere. A whole frame may be fed too, as from a capture file.
 * Operands beyond the end of the input read as 0.
 */
#define SESSION 7
#define STREAMS 4
#define RESTART 248 /* a seldom step */

struct program {
	const uint8_t *bytes;
	size_t left;
};

struct machine {
	struct nb_table *table;
	bool contents;
	int64_t now_ns;
	uint64_t sequences[STREAMS];
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static uint64_t operand(struct program *program, size_t size)
{
	uint64_t value = 0;

	while (size--) {
		value <<= 8;
		if (!program->left)
			continue;
		value |= *program->bytes++;
		program->left--;
	}
	return value;
}

static struct nb_table *create(struct program *program, bool *contents)
{
	uint64_t choices = operand(program, 3);
	const struct nb_table_config config = {
		.max_streams = 1 + (uint32_t)(choices & 3),
		.session = choices & 4 ? SESSION : 0,
		.probes_only = choices & 8,
		.stamp_class = choices & 16 ? NB_STAMP_KERNEL : NB_STAMP_USER,
		.tracker = {
			.reorder_window = choices & 32 ? 64 : 256,
			.window_ns = choices & 64 ? 1 : 1000000000,
			.error_iat_ns = 45000000,
			.media_rate_bps = choices & 128 ? 1e7 : 0,
		},
		.series_ns = choices >> 8 & 3 ? 1 + (int64_t)(choices >> 8 & 3) * 1000 : 0,
		.series_points = 1 + (uint32_t)(choices >> 10 & 15),
		.log_capacity = choices >> 16 & 15,
		.log_content = choices >> 20 & 1,
	};
	struct nb_table *table;

	*contents = config.log_content;
	require(nb_table_create(&table, &config, NULL) == 0);
	return table;
}

static void advance_clock(struct machine *machine, struct program *program)
{
	uint64_t how = operand(program, 1);

	if (how == 255)
		machine->now_ns = (int64_t)operand(program, 8);
	else
		machine->now_ns = (int64_t)((uint64_t)machine->now_ns + how * how * 100);
}

static void record(struct machine *machine, struct nb_packet *packet, struct program *program)
{
	uint64_t how = operand(program, 1);

	packet->received_ns = machine->now_ns;
	packet->stamp_class = (enum nb_stamp_class)(how % NB_STAMP_CLASSES);
	packet->read_ns = how & 4 ? (int64_t)((uint64_t)machine->now_ns + how) : 0;
	nb_table_record(machine->table, packet);
}

static void record_payload(struct machine *machine, const uint8_t *payload, size_t length, struct program *program)
{
	struct nb_packet packet = {
		.flow = { .family = 4,
			  .source = { 10 },
			  .destination = { 239 },
			  .source_port = 1,
			  .destination_port = 2 },
		.payload = payload,
		.payload_length = (uint32_t)length,
		.datagram_length = (uint32_t)length + 1000,
	};

	record(machine, &packet, program);
}

static void record_probe(struct machine *machine, struct program *program)
{
	uint64_t how = operand(program, 1), step = operand(program, 1);
	uint64_t *sequence = &machine->sequences[how % STREAMS];
	uint8_t payload[NB_PROBE_LENGTH];
	struct nb_probe probe = {
		.session = how & 4 ? SESSION : (uint32_t)how,
		.stream = (uint32_t)(how % STREAMS),
	};

	if (step == 255)
		*sequence = operand(program, 8);
	else
		*sequence += step - 64; /* modulo 2^64: a few back, some more forward */
	probe.sequence = *sequence;
	probe.sent_ns = how & 8 ? (int64_t)operand(program, 8) : machine->now_ns;
	require(nb_probe_encode(payload, sizeof(payload), &probe) == 0);
	if (how & 16)
		payload[operand(program, 1) % NB_PROBE_LENGTH] ^= (uint8_t)operand(program, 1);
	record_payload(machine, payload, sizeof(payload), program);
}

static void run_step(struct machine *machine, struct program *program)
{
	const uint64_t what = operand(program, 1);
	struct nb_packet packet;
	size_t length;

	switch (what % 8) {
	case 0:
		if (what == RESTART)
			nb_table_restart(machine->table);
		else
			nb_table_finish(machine->table);
		break;
	case 1:
		length = operand(program, 1) % 64;
		length = length < program->left ? length : program->left;
		record_payload(machine, program->bytes, length, program);
		break;
	case 2:
		length = operand(program, 1);
		length = length < program->left ? length : program->left;
		if (!nb_frame_parse(program->bytes, length, SIZE_MAX, &packet))
			record(machine, &packet, program);
		program->bytes += length < program->left ? length : program->left;
		program->left -= length < program->left ? length : program->left;
		break;
	case 3:
		advance_clock(machine, program);
		break;
	default:
		record_probe(machine, program);
		break;
	}
}

static uint64_t count_of(const struct nb_tracker *tracker, enum nb_distribution which)
{
	return nb_tracker_distribution(tracker, which)->count;
}

static void check_stream(const struct nb_table *table, uint32_t index)
{
	const struct nb_tracker *tracker = nb_table_tracker(table, index);
	enum nb_kind kind = nb_table_key(table, index)->kind;
	struct nb_stream_counts counts;

	nb_tracker_read(tracker, &counts);
	require(counts.packets == counts.stamps[0] + counts.stamps[1] + counts.stamps[2]);
	require(counts.iat_error_windows <= counts.windows);
	require(nb_tracker_iat(tracker)->count <= counts.packets - 1);
	require(counts.sequenced == (kind == NB_KIND_PROBE || kind == NB_KIND_RTP));
	if (!counts.sequenced)
		return;
	require(counts.packets == counts.unique + counts.duplicate + counts.beyond_window);
	require(counts.first_sequence <= counts.last_sequence);
	require(counts.unique + counts.lost == counts.last_sequence - counts.first_sequence + 1);
	require(counts.reordered < counts.unique);
	require(counts.loss_periods <= counts.lost && counts.longest_loss <= counts.lost);
	require((counts.lost == 0) == (counts.loss_periods == 0));
	require(counts.missing == counts.lost + counts.reordered);
	require(counts.replicated <= counts.duplicate && counts.three_reordered <= counts.reordered);
	require(counts.noticeable_losses <= counts.lost && counts.interval_missing_max <= counts.missing);
	require(count_of(tracker, NB_TRANSIT_ABOVE) + count_of(tracker, NB_TRANSIT_BELOW) <= counts.unique);
	require(count_of(tracker, NB_IPDV_ABOVE) + count_of(tracker, NB_IPDV_BELOW) < counts.unique);
	require(count_of(tracker, NB_REORDER_EXTENT_PACKETS) == counts.reordered);
	require(nb_tracker_distribution(tracker, NB_REORDER_EXTENT_PACKETS)->max < counts.unique);
	require(count_of(tracker, NB_REORDER_LATE_NS) <= counts.reordered);
	require(count_of(tracker, NB_LOSS_LENGTH_PACKETS) == counts.loss_periods);
	require(nb_tracker_distribution(tracker, NB_LOSS_LENGTH_PACKETS)->max == counts.longest_loss);
	require(count_of(tracker, NB_LOSS_LENGTH_NS) <= counts.loss_periods);
	require(count_of(tracker, NB_LOSS_BETWEEN_PACKETS) + (counts.loss_periods > 0) == counts.loss_periods);
	require(count_of(tracker, NB_LOSS_BETWEEN_NS) <= count_of(tracker, NB_LOSS_BETWEEN_PACKETS));
	require(counts.transit_min_ns <= counts.transit_base_ns && counts.transit_base_ns <= counts.transit_max_ns);
	require(counts.jitter_ns >= 0 && counts.jitter_ns <= counts.jitter_max_ns);
}

/* An entry by content names a stream that there is. */
static void check_contents(const struct nb_table *table)
{
	uint64_t logged;
	const struct nb_log_entry *log = nb_table_log(table, &logged);

	for (uint64_t i = 0; i < logged; i++)
		require(log[i].stream >> 16 < nb_table_count(table));
}

static void check_table(const struct nb_table *table)
{
	struct nb_table_totals totals;
	uint64_t tracked = 0, timed = 0, in_series = 0, logged;

	nb_table_totals(table, &totals);
	for (uint32_t index = 0; index < nb_table_count(table); index++) {
		struct nb_stream_counts counts;

		check_stream(table, index);
		nb_tracker_read(nb_table_tracker(table, index), &counts);
		tracked += counts.packets;
		if (counts.windows)
			timed += nb_tracker_iat(nb_table_tracker(table, index))->count + 1;
	}
	for (uint32_t index = 0; index < nb_table_series_count(table); index++)
		in_series += nb_table_series(table, index)->packets;
	nb_table_log(table, &logged);

	require(totals.packets == totals.tracked + totals.foreign + totals.damaged + totals.refused_streams);
	require(totals.packets == totals.stamps[0] + totals.stamps[1] + totals.stamps[2]);
	require(totals.tracked == tracked);
	require(nb_table_delivery(table)->count <= timed);
	require(totals.logged == logged && totals.logged + totals.log_overflow <= timed);
	if (nb_table_series_count(table) && !totals.series_overwritten)
		require(in_series == timed);
	else
		require(in_series <= timed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct program program = { data, size };
	struct machine machine = { .sequences = { 100, 100, 100, 100 } };

	machine.table = create(&program, &machine.contents);
	while (program.left)
		run_step(&machine, &program);
	nb_table_finish(machine.table);
	check_table(machine.table);
	if (machine.contents)
		check_contents(machine.table);
	nb_table_destroy(machine.table);
	return 0;
}
