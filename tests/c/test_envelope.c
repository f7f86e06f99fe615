/* SPDX-License-Identifier: MIT */
/* test_envelope.c - whole payloads: RTP to the bit, a transport stream whose counters and clock are without a fault. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "envelope.h"

static struct nb_envelope *envelope;
static uint8_t head[NB_ENVELOPE_HEAD_MOST];
static uint8_t payload[65536];

static size_t make(enum nb_envelope_kind kind, uint32_t payload_bytes, uint16_t first)
{
	const struct nb_envelope_config config = { kind, payload_bytes, first };

	assert_int_equal(nb_envelope_create(&envelope, &config, NULL), 0);
	nb_envelope_lay_out(envelope, head);
	return payload_bytes;
}

/* As a sender does: prepare, write the probe, put head and tail together. */
static enum nb_envelope_cut compose(uint64_t sequence, uint32_t ssrc, const struct nb_moment *moment,
				    size_t expected_bytes)
{
	const enum nb_envelope_cut cut = nb_envelope_prepare(envelope, head, sequence, ssrc, moment);
	const size_t head_bytes = nb_envelope_head_bytes(envelope, cut);
	const struct nb_probe probe = { .session = 7, .stream = 3, .sequence = sequence, .sent_ns = 5 };
	size_t tail_bytes;
	const uint8_t *tail = nb_envelope_tail(envelope, cut, &tail_bytes);

	assert_int_equal(head_bytes % 4, 0);
	assert_true(head_bytes <= NB_ENVELOPE_HEAD_MOST);
	assert_int_equal(head_bytes + tail_bytes, expected_bytes);
	assert_int_equal(nb_probe_encode(head + nb_envelope_probe_offset(envelope), NB_PROBE_LENGTH, &probe), 0);
	memcpy(payload, head, head_bytes);
	memcpy(payload + head_bytes, tail, tail_bytes);
	return cut;
}

static void assert_probe_at(size_t offset, uint64_t sequence)
{
	struct nb_probe probe;

	assert_int_equal(nb_probe_decode(payload + offset, sizeof(payload) - offset, &probe), 0);
	assert_int_equal(probe.sequence, sequence);
}

static void test_a_raw_probe_is_bare(void **state)
{
	const size_t bytes = make(NB_ENVELOPE_RAW, 500, 0);

	(void)state;
	assert_int_equal(compose(9, 1, NULL, bytes), NB_CUT_PROBE);
	assert_probe_at(0, 9);
	for (size_t i = NB_PROBE_LENGTH; i < bytes; i++)
		assert_int_equal(payload[i], (i - NB_PROBE_LENGTH) & 0xff);
	nb_envelope_destroy(envelope);
}

/*
 * RFC 3550 §5.1: version 2, no marker, type 96, sequence first + s modulo 2^16, 90 kHz. Media time 1.5 s is 135000 ticks,
 * 0x20f58; added to the SSRC 0xfffffff0 that is 0x20f48 modulo 2^32.
 */
static void test_rtp_with_a_probe(void **state)
{
	static const uint8_t expected[] = { 0x80, 96, 0x00, 0x03, 0x00, 0x02, 0x0f, 0x48, 0xff, 0xff, 0xff, 0xf0 };
	const struct nb_moment moment = { .media_ns = 1500000000, .clock = true, .tables = true };
	const size_t bytes = make(NB_ENVELOPE_RTP, 60, 65534);

	(void)state;
	assert_int_equal(compose(5, 0xfffffff0, &moment, bytes), NB_CUT_PROBE);
	assert_memory_equal(payload, expected, sizeof(expected));
	assert_probe_at(NB_RTP_BYTES, 5);
	nb_envelope_destroy(envelope);
}

/* RFC 2250 §2.1: type 33, whole TS packets. A tick is 11111.1 ns: 11111 ns are none yet, 11112 are one. */
static void test_rtp_with_mpegts(void **state)
{
	struct nb_moment moment = { .media_ns = 11111 };
	const size_t bytes = make(NB_ENVELOPE_RTP_MPEGTS, 12 + 1316, 0xffff);

	(void)state;
	compose(0, 0, &moment, bytes);
	assert_memory_equal(payload, ((uint8_t[]){ 0x80, 33, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0 }), NB_RTP_BYTES);
	moment.media_ns = 11112;
	compose(1, 0, &moment, bytes);
	assert_memory_equal(payload, ((uint8_t[]){ 0x80, 33, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 }), NB_RTP_BYTES);
	for (size_t at = NB_RTP_BYTES; at < bytes; at += NB_TS_BYTES)
		assert_int_equal(payload[at], 0x47);
	assert_probe_at(NB_RTP_BYTES + NB_TS_HEADER_BYTES, 1);
	nb_envelope_destroy(envelope);
}

/* What a demultiplexer remembers of the stream. */
struct seen {
	int counter[8192]; /* last of each PID, or -1 */
	uint64_t packets[8192];
};

/* ISO 13818-1 §2.4.3.3: the counter rises with each packet of the PID that has a payload, and stands still else. */
static uint16_t take_packet(struct seen *seen, const uint8_t *packet)
{
	const uint16_t pid = (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
	const bool has_payload = packet[3] & 0x10;
	const int counter = packet[3] & 0x0f;

	assert_int_equal(packet[0], 0x47);
	if (pid != NB_TS_PID_NULL && seen->counter[pid] >= 0)
		assert_int_equal(counter, (seen->counter[pid] + has_payload) % 16);
	seen->counter[pid] = counter;
	seen->packets[pid]++;
	return pid;
}

/*
 * 1000 datagrams, the clock with each 33rd and tables with each 85th, as at 950 packets/s. Tables bring the clock along: it
 * goes out ceil(1000/33) = 31 times for itself, and at 12 multiples of 85, of which one (0) is a multiple of 33 as well:
 * 31 + 12 - 1 = 42.
 */
static void test_a_stream_without_a_fault(void **state)
{
	static struct seen seen;
	const size_t bytes = make(NB_ENVELOPE_MPEGTS, 1316, 0);

	(void)state;
	memset(seen.counter, -1, sizeof(seen.counter));
	for (uint64_t s = 0; s < 1000; s++) {
		const struct nb_moment moment = {
			.media_ns = (int64_t)s * 1000000,
			.clock = s % 33 == 0,
			.tables = s % 85 == 0,
			.tables_before = s / 85,
		};
		const enum nb_envelope_cut cut = compose(s, 1, &moment, bytes);

		assert_int_equal(cut, moment.tables ? NB_CUT_TABLES : moment.clock ? NB_CUT_CLOCK : NB_CUT_PROBE);
		for (size_t at = 0; at < bytes; at += NB_TS_BYTES) {
			const uint16_t pid = take_packet(&seen, payload + at);

			assert_int_equal(pid == NB_TS_PID_PROBE, at == 0);
			assert_int_equal(pid == NB_TS_PID_CLOCK, at == NB_TS_BYTES && cut != NB_CUT_PROBE);
		}
		assert_probe_at(NB_TS_HEADER_BYTES, s);
		for (size_t i = NB_TS_HEADER_BYTES + NB_PROBE_LENGTH; i < NB_TS_BYTES; i++)
			assert_int_equal(payload[i], 0xff);
	}
	assert_int_equal(seen.packets[NB_TS_PID_PROBE], 1000);
	assert_int_equal(seen.packets[NB_TS_PID_PAT], 12);
	assert_int_equal(seen.packets[NB_TS_PID_PMT], 12);
	assert_int_equal(seen.packets[NB_TS_PID_CLOCK], 42);
	assert_int_equal(seen.packets[NB_TS_PID_NULL], 7000 - 1000 - 12 - 12 - 42);
	nb_envelope_destroy(envelope);
}

/* A datagram depends on its sequence alone, not on what was composed in the same buffer before. */
static void test_a_datagram_is_a_function_of_its_sequence(void **state)
{
	static const struct nb_moment full = { .media_ns = 77, .clock = true, .tables = true, .tables_before = 5 };
	static const struct nb_moment bare = { .media_ns = 99 };
	static uint8_t before[1328];
	const size_t bytes = make(NB_ENVELOPE_RTP_MPEGTS, sizeof(before), 100);

	(void)state;
	compose(4, 9, &bare, bytes);
	memcpy(before, payload, bytes);
	compose(5, 9, &full, bytes);
	compose(4, 9, &bare, bytes);
	assert_memory_equal(payload, before, bytes);
	nb_envelope_destroy(envelope);
}

static void test_a_payload_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		enum nb_envelope_kind kind;
		uint32_t bytes;
		const char *what;
	} wrong[] = {
		{ NB_ENVELOPE_RAW, 47, "send a payload of 47 bytes: not in 48 to 65507" },
		{ NB_ENVELOPE_RAW, 65508, "send a payload of 65508 bytes: not in 48 to 65507" },
		{ NB_ENVELOPE_RTP, 59, "send a payload of 59 bytes: not in 60 to 65507" },
		{ NB_ENVELOPE_MPEGTS, 564, "send a payload of 564 bytes: not in 752 to 65507" },
		{ NB_ENVELOPE_MPEGTS, 1328,
		  "send MPEG-TS in a payload of 1328 bytes: it takes 188 for each TS packet, such as 1316" },
		{ NB_ENVELOPE_RTP_MPEGTS, 1316,
		  "send MPEG-TS in a payload of 1316 bytes: it takes 12 for RTP and 188 for each TS packet, such as 1328" },
		{ NB_ENVELOPE_COUNT, 1316, "send in an envelope of kind 4: there is none" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct nb_envelope_config config = { wrong[i].kind, wrong[i].bytes, 0 };
		struct nb_envelope *none = NULL;
		struct nb_error error = { 0 };

		assert_int_equal(nb_envelope_create(&none, &config, &error), -EINVAL);
		assert_string_equal(error.what, wrong[i].what);
		assert_null(none);
	}
}

static void test_the_smallest_and_the_largest(void **state)
{
	static const struct {
		enum nb_envelope_kind kind;
		uint32_t bytes;
	} sizes[] = { { NB_ENVELOPE_RAW, 48 },     { NB_ENVELOPE_RAW, 65507 },       { NB_ENVELOPE_RTP, 60 },
		      { NB_ENVELOPE_MPEGTS, 752 }, { NB_ENVELOPE_RTP_MPEGTS, 764 },  { NB_ENVELOPE_MPEGTS, 65424 },
		      { NB_ENVELOPE_RTP, 65507 },  { NB_ENVELOPE_RTP_MPEGTS, 65436 } };
	const struct nb_moment moment = { .clock = true, .tables = true };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		compose(1, 2, &moment, make(sizes[i].kind, sizes[i].bytes, 0));
		assert_probe_at(nb_envelope_probe_offset(envelope), 1);
		nb_envelope_destroy(envelope);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_raw_probe_is_bare),
		cmocka_unit_test(test_rtp_with_a_probe),
		cmocka_unit_test(test_rtp_with_mpegts),
		cmocka_unit_test(test_a_stream_without_a_fault),
		cmocka_unit_test(test_a_datagram_is_a_function_of_its_sequence),
		cmocka_unit_test(test_a_payload_that_does_not_fit_is_refused),
		cmocka_unit_test(test_the_smallest_and_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
