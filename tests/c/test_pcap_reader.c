/* SPDX-License-Identifier: MIT */
/* test_pcap_reader.c - files byte by byte: formats, byte orders, clocks, every place to be cut, every lie. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "link_layer.h"
#include "pcap_reader.h"

/* A file under construction; @swapped: in the byte order that is not ours. */
struct file {
	uint8_t bytes[8192];
	size_t length;
	bool swapped;
};

static void put(struct file *file, const void *bytes, size_t length)
{
	assert_true(file->length + length <= sizeof(file->bytes));
	memcpy(file->bytes + file->length, bytes, length);
	file->length += length;
}

static void put16(struct file *file, uint16_t value)
{
	value = file->swapped ? __builtin_bswap16(value) : value;
	put(file, &value, sizeof(value));
}

static void put32(struct file *file, uint32_t value)
{
	value = file->swapped ? __builtin_bswap32(value) : value;
	put(file, &value, sizeof(value));
}

static void put64(struct file *file, uint64_t value)
{
	value = file->swapped ? __builtin_bswap64(value) : value;
	put(file, &value, sizeof(value));
}

static void set32(struct file *file, size_t at, uint32_t value)
{
	value = file->swapped ? __builtin_bswap32(value) : value;
	memcpy(file->bytes + at, &value, sizeof(value));
}

/* Raw IPv4: UDP from 10.1.2.3:4000 to 239.1.2.@group:5004, four bytes. */
#define PACKET 32
static void put_packet(struct file *file, uint8_t group)
{
	const uint8_t packet[PACKET] = { 0x45, 0, 0, 32,    0,    1,    0,    0,    1, 17, 0, 0, 10,  1,   2,   3,
					 239,  1, 2, group, 0x0f, 0xa0, 0x13, 0x8c, 0, 12, 0, 0, 'd', 'a', 't', 'a' };

	put(file, packet, sizeof(packet));
}

/* ---- pcap */

static struct file pcap(uint32_t magic, bool swapped)
{
	struct file file = { .swapped = swapped };

	put32(&file, magic);
	put16(&file, 2);
	put16(&file, 4);
	put64(&file, 0);
	put32(&file, 1); /* a snapshot length that lies */
	put32(&file, NB_LINK_RAW);
	return file;
}

static void put_record(struct file *file, uint32_t seconds, uint32_t fraction)
{
	put32(file, seconds);
	put32(file, fraction);
	put32(file, PACKET);
	put32(file, PACKET);
	put_packet(file, 3);
}

/* ---- pcapng */

static size_t begin_block(struct file *file, uint32_t type)
{
	put32(file, type);
	put32(file, 0);
	return file->length - 8;
}

static void end_block(struct file *file, size_t at)
{
	while ((file->length - at) % 4 != 0)
		put(file, "", 1);
	put32(file, (uint32_t)(file->length - at) + 4);
	set32(file, at + 4, (uint32_t)(file->length - at));
}

static void put_section(struct file *file)
{
	const size_t at = begin_block(file, 0x0a0d0d0a);

	put32(file, 0x1a2b3c4d);
	put16(file, 1);
	put16(file, 0);
	put64(file, UINT64_MAX); /* length of the section: not told */
	end_block(file, at);
}

/* @unit as if_tsresol, @offset_s as if_tsoffset; both left out when @options is false. */
static void put_interface(struct file *file, uint16_t link, bool options, uint8_t unit, int64_t offset_s)
{
	const size_t at = begin_block(file, 1);

	put16(file, link);
	put16(file, 0);
	put32(file, 0);
	if (options) {
		put16(file, 9);
		put16(file, 1);
		put(file, (const uint8_t[]){ unit, 0, 0, 0 }, 4);
		put16(file, 14);
		put16(file, 8);
		put64(file, (uint64_t)offset_s);
		put32(file, 0);
	}
	end_block(file, at);
}

static void put_enhanced(struct file *file, uint32_t interface, uint64_t units)
{
	const size_t at = begin_block(file, 6);

	put32(file, interface);
	put32(file, (uint32_t)(units >> 32));
	put32(file, (uint32_t)units);
	put32(file, PACKET);
	put32(file, PACKET);
	put_packet(file, 3);
	end_block(file, at);
}

static struct file pcapng(bool swapped)
{
	struct file file = { .swapped = swapped };

	put_section(&file);
	put_interface(&file, NB_LINK_RAW, true, 9, 0);
	return file;
}

/* ---- reading */

struct outcome {
	struct nb_pcap_reader_counts counts;
	struct nb_table_totals totals;
	char what[NB_PCAP_WHAT];
};

static struct nb_table *new_table(void)
{
	const struct nb_table_config config = {
		.max_streams = 8,
		.stamp_class = NB_STAMP_KERNEL,
		.tracker = { .reorder_window = 64, .window_ns = 1000000000, .error_iat_ns = 45000000 },
	};
	struct nb_table *table;

	assert_int_equal(nb_table_create(&table, &config, NULL), 0);
	return table;
}

/* Read @length bytes in pieces of @piece, each on the heap at its exact length. */
static struct outcome read_filtered(const struct file *file, size_t length, size_t piece,
				    const struct nb_pcap_reader_config *config)
{
	struct nb_table *table = new_table();
	struct nb_pcap_reader *reader;
	struct outcome outcome;

	assert_int_equal(nb_pcap_reader_create(&reader, config, NULL), 0);
	for (size_t at = 0; at < length; at += piece) {
		const size_t now = length - at < piece ? length - at : piece;
		uint8_t *copy = malloc(now);

		assert_non_null(copy);
		memcpy(copy, file->bytes + at, now);
		nb_pcap_reader_feed(reader, copy, now, table);
		free(copy);
	}
	nb_pcap_reader_finish(reader);
	nb_pcap_reader_read(reader, &outcome.counts, outcome.what);
	nb_table_lock(table);
	nb_table_totals(table, &outcome.totals);
	nb_table_unlock(table);
	nb_pcap_reader_destroy(reader);
	nb_table_destroy(table);
	assert_int_equal(outcome.counts.records, outcome.counts.datagrams + outcome.counts.filtered +
							 outcome.counts.not_udp + outcome.counts.fragments +
							 outcome.counts.cut_headers + outcome.counts.damaged +
							 outcome.counts.unknown_link);
	assert_int_equal(outcome.counts.datagrams, outcome.totals.packets);
	return outcome;
}

static struct outcome read_pieces(const struct file *file, size_t length, size_t piece)
{
	const struct nb_pcap_reader_config config = { 0 };

	return read_filtered(file, length, piece, &config);
}

static struct outcome read_whole(const struct file *file)
{
	const struct outcome whole = read_pieces(file, file->length, file->length);

	/* However it is divided, it is the same file. */
	for (size_t piece = 1; piece < 64; piece += 6) {
		const struct outcome other = read_pieces(file, file->length, piece);

		assert_memory_equal(&other.counts, &whole.counts, sizeof(whole.counts));
		assert_string_equal(other.what, whole.what);
	}
	return whole;
}

static void assert_sound(const struct outcome *outcome, uint64_t datagrams)
{
	assert_string_equal(outcome->what, "");
	assert_false(outcome->counts.broken);
	assert_int_equal(outcome->counts.records, datagrams);
	assert_int_equal(outcome->counts.datagrams, datagrams);
}

static void pcap_of_either_order_and_resolution(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		const bool nano = i & 1, swapped = i & 2;
		struct file file = pcap(nano ? 0xa1b23c4d : 0xa1b2c3d4, swapped);
		struct outcome outcome;

		put_record(&file, 1700000000, 123456);
		put_record(&file, 1700000001, 999);
		outcome = read_whole(&file);
		assert_sound(&outcome, 2);
		assert_int_equal(outcome.counts.bytes, file.length);
		assert_int_equal(outcome.counts.resolution_ns, nano ? 1 : 1000);
		assert_int_equal(outcome.counts.first_ns, 1700000000000000000 + 123456 * (nano ? 1 : 1000));
		assert_int_equal(outcome.counts.last_ns, 1700000001000000000 + 999 * (nano ? 1 : 1000));
		assert_int_equal(outcome.totals.stamps[NB_STAMP_KERNEL], 2);
	}
}

static void pcapng_of_either_order(void **state)
{
	(void)state;
	for (int swapped = 0; swapped < 2; swapped++) {
		struct file file = pcapng(swapped);
		struct outcome outcome;

		put_enhanced(&file, 0, 1700000000000000001);
		outcome = read_whole(&file);
		assert_sound(&outcome, 1);
		assert_int_equal(outcome.counts.first_ns, 1700000000000000001);
		assert_int_equal(outcome.counts.bytes, file.length);
	}
}

/* units, if_tsresol, if_tsoffset -> ns; worked out by hand. */
static void clocks(void **state)
{
	static const struct {
		uint64_t units;
		uint8_t unit;
		int64_t offset_s;
		int64_t ns, resolution_ns;
	} cases[] = {
		{ 1500, 3, 0, 1500000000, 1000000 },                    /* 1500 ms */
		{ 7, 0, 100, 107000000000, 1000000000 },                /* 7 s, 100 s later */
		{ 1999, 12, 0, 1, 1 },                                  /* 1999 ps: whole nanoseconds */
		{ UINT64_MAX, 127, 0, 0, 1 },                           /* 10^-127 s: nothing is left */
		{ 3, 0x81, 0, 1500000000, 500000000 },                  /* 3 halves of a second */
		{ 5 << 20, 0x94, -1, 4000000000, 953 },                 /* 5 * 2^20 of 2^-20 s, 1 s earlier */
		{ UINT64_MAX, 0xc0, 0, 999999999, 1 },                  /* all but 2^-64 of a second */
		{ UINT64_MAX, 0xff, 0, 0, 1 },                          /* 2^-127 s */
		{ UINT64_MAX, 0, INT64_MAX, INT64_MAX, 1000000000 },    /* beyond what 64 bits hold */
		{ 0, 9, INT64_MIN, INT64_MIN, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct file file = { .swapped = i & 1 };
		struct outcome outcome;

		put_section(&file);
		put_interface(&file, NB_LINK_RAW, true, cases[i].unit, cases[i].offset_s);
		put_enhanced(&file, 0, cases[i].units);
		outcome = read_whole(&file);
		assert_sound(&outcome, 1);
		assert_int_equal(outcome.counts.first_ns, cases[i].ns);
		assert_int_equal(outcome.counts.resolution_ns, cases[i].resolution_ns);
	}
}

static void several_sections_and_interfaces(void **state)
{
	struct file file = pcapng(false);
	struct outcome outcome;

	(void)state;
	put_interface(&file, 105, false, 0, 0); /* 802.11: not understood; microseconds by default */
	put_enhanced(&file, 0, 1000);
	put_enhanced(&file, 1, 5);
	file.swapped = true; /* a section of another machine */
	put_section(&file);
	put_interface(&file, NB_LINK_RAW, false, 0, 0);
	put_enhanced(&file, 0, 7);
	outcome = read_whole(&file);
	assert_string_equal(outcome.what, "");
	assert_int_equal(outcome.counts.sections, 2);
	assert_int_equal(outcome.counts.interfaces, 3);
	assert_int_equal(outcome.counts.records, 3);
	assert_int_equal(outcome.counts.datagrams, 2);
	assert_int_equal(outcome.counts.unknown_link, 1);
	assert_int_equal(outcome.counts.unknown_link_type, 105);
	assert_int_equal(outcome.counts.first_ns, 1000);
	assert_int_equal(outcome.counts.last_ns, 7000);
	assert_int_equal(outcome.counts.resolution_ns, 1000);
}

static void other_blocks(void **state)
{
	struct file file = pcapng(false);
	struct outcome outcome;
	size_t at;

	(void)state;
	at = begin_block(&file, 0xbad); /* a custom block */
	put(&file, "12345", 5);
	end_block(&file, at);
	at = begin_block(&file, 0x0a); /* one without a body */
	end_block(&file, at);
	at = begin_block(&file, 3); /* simple: as long as on the wire, no time */
	put32(&file, PACKET);
	put_packet(&file, 3);
	end_block(&file, at);
	at = begin_block(&file, 2); /* obsolete: interface and drops in 16 bits each */
	put16(&file, 0);
	put16(&file, 9);
	put32(&file, 0);
	put32(&file, 42);
	put32(&file, PACKET);
	put32(&file, PACKET + 100);
	put_packet(&file, 3);
	end_block(&file, at);
	for (uint64_t drops = 10; drops <= 30; drops += 20) { /* statistics: they count from the start of the capture */
		at = begin_block(&file, 5);
		put32(&file, 0);
		put64(&file, 0);
		put16(&file, 5);
		put16(&file, 8);
		put64(&file, drops);
		put16(&file, 7);
		put16(&file, 8);
		put64(&file, 1);
		end_block(&file, at);
	}
	outcome = read_whole(&file);
	assert_sound(&outcome, 2);
	assert_int_equal(outcome.counts.other_blocks, 4);
	assert_int_equal(outcome.counts.unstamped, 1);
	assert_int_equal(outcome.counts.cut_packets, 1);
	assert_int_equal(outcome.counts.wire_bytes, 2 * PACKET + 100);
	assert_true(outcome.counts.capturer_told_drops);
	assert_int_equal(outcome.counts.capturer_drops, 31);
	assert_int_equal(outcome.totals.stamps[NB_STAMP_KERNEL], 1);
	assert_int_equal(outcome.counts.first_ns, 42);
}

/* Cut at each byte: whole packets before it count, and only a cut between two units is no damage. */
static void truncated_anywhere(void **state)
{
	(void)state;
	for (int format = 0; format < 2; format++) {
		struct file file = format ? pcapng(false) : pcap(0xa1b2c3d4, false);
		const size_t begin = file.length;
		size_t unit;

		for (uint32_t i = 0; i < 3; i++) {
			if (format)
				put_enhanced(&file, 0, i);
			else
				put_record(&file, i, 0);
		}
		unit = (file.length - begin) / 3;
		for (size_t length = begin; length <= file.length; length++) {
			const struct outcome outcome = read_pieces(&file, length, 13);

			assert_int_equal(outcome.counts.datagrams, (length - begin) / unit);
			assert_int_equal(outcome.counts.broken, (length - begin) % unit != 0);
			if (outcome.counts.broken)
				assert_int_equal(outcome.counts.broken_at, begin + (length - begin) / unit * unit);
		}
		for (size_t length = 0; length < 24; length++)
			assert_true(read_pieces(&file, length, 5).counts.broken);
	}
}

static void assert_broken(const struct file *file, uint64_t datagrams, uint64_t at, const char *what)
{
	const struct outcome outcome = read_whole(file);

	assert_true(outcome.counts.broken);
	assert_string_equal(outcome.what, what);
	assert_int_equal(outcome.counts.broken_at, at);
	assert_int_equal(outcome.counts.datagrams, datagrams);
}

static void lies(void **state)
{
	struct file file = { .length = 0 };
	size_t at;

	(void)state;
	assert_broken(&file, 0, 0, "an empty file");
	put(&file, "GIF89a, which is no capture", 27);
	assert_broken(&file, 0, 0, "no capture file: it begins with 47 49 46 38, which is neither pcap nor pcapng");

	file = pcap(0xa1b2c3d4, true);
	file.bytes[5] = 3; /* big end first */
	assert_broken(&file, 0, 0, "a pcap file of version 3.4 (2.4 is understood)");

	file = pcap(0xa1b2c3d4, false);
	put_record(&file, 1, 1);
	at = file.length;
	put_record(&file, 1, 1);
	set32(&file, at + 8, 0x7fffffff);
	assert_broken(&file, 1, at, "a packet that claims to be 2147483647 bytes long (262144 at most)");

	file = pcapng(false);
	put_enhanced(&file, 0, 1);
	at = file.length;
	put_enhanced(&file, 1, 1);
	assert_broken(&file, 1, at, "packets of interface number 1, of 1 that are described");
	set32(&file, at + 8, 0);
	set32(&file, at + 20, PACKET + 1);
	assert_broken(&file, 1, at, "a packet of 33 bytes in a block of 64");
	set32(&file, at + 20, PACKET);
	set32(&file, at + 4, 0);
	assert_broken(&file, 1, at, "a block of type 6 and 0 bytes");
	set32(&file, at + 4, 66);
	assert_broken(&file, 1, at, "a block of type 6 and 66 bytes");
	set32(&file, at + 4, 0xfffffffc);
	assert_broken(&file, 1, at, "a block of type 6 that claims to be 4294967292 bytes long (327680 at most)");
	set32(&file, at, 0xbad); /* one to skip may be of any length, and never ends */
	assert_broken(&file, 1, at, "the file ends within a block of 4294967292 bytes");
	set32(&file, at + 4, 64);
	set32(&file, file.length - 4, 60);
	assert_broken(&file, 1, at, "a block that says 64 bytes at its beginning and 60 at its end");

	file = pcapng(false);
	at = file.length;
	put_section(&file);
	set32(&file, at + 8, 0x12345678);
	assert_broken(&file, 0, at, "a pcapng section without a byte order (78 56 34 12)");
}

static void empty_captures_are_sound(void **state)
{
	struct file file = pcap(0xa1b23c4d, false);
	struct outcome outcome = read_whole(&file);

	(void)state;
	assert_sound(&outcome, 0);
	assert_false(outcome.counts.stamped);
	file = pcapng(true);
	outcome = read_whole(&file);
	assert_sound(&outcome, 0);
}

static void only_what_is_asked_for(void **state)
{
	static const struct nb_listen listens[] = {
		{ .address = { 239, 1, 2, 3 }, .port = 5004 },
		{ .address = { 239, 1, 2, 4 } },
		{ .source = { 10, 1, 2, 9 } },
	};
	struct file file = pcap(0xa1b2c3d4, false);
	struct nb_pcap_reader_config config = { .listens = listens, .listen_count = 3 };

	(void)state;
	for (uint8_t group = 3; group < 6; group++) {
		for (int i = 0; i < 4; i++)
			put32(&file, i < 2 ? 0 : PACKET);
		put_packet(&file, group);
	}
	assert_int_equal(read_filtered(&file, file.length, 99, &config).counts.datagrams, 2);
	assert_int_equal(read_filtered(&file, file.length, 99, &config).counts.filtered, 1);
	config.listens++; /* without the first group */
	config.listen_count = 1;
	assert_int_equal(read_filtered(&file, file.length, 99, &config).counts.datagrams, 1);
	config.listens++; /* another source */
	assert_int_equal(read_filtered(&file, file.length, 99, &config).counts.datagrams, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcap_of_either_order_and_resolution),
		cmocka_unit_test(pcapng_of_either_order),
		cmocka_unit_test(clocks),
		cmocka_unit_test(several_sections_and_interfaces),
		cmocka_unit_test(other_blocks),
		cmocka_unit_test(truncated_anywhere),
		cmocka_unit_test(lies),
		cmocka_unit_test(empty_captures_are_sound),
		cmocka_unit_test(only_what_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
