/* SPDX-License-Identifier: MIT */
/* make_corpus.c - writes the seeds of the fuzzers: real probes, in real frames. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "probe.h"

/* Bytes under construction. */
struct seed {
	uint8_t bytes[512];
	size_t length;
};

static void add(struct seed *seed, const void *bytes, size_t length)
{
	memcpy(seed->bytes + seed->length, bytes, length);
	seed->length += length;
}

#define ADD(seed, ...) add(seed, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void add16(struct seed *seed, size_t value)
{
	ADD(seed, (uint8_t)(value >> 8), (uint8_t)value);
}

static void add_probe(struct seed *seed, uint64_t sequence)
{
	const struct nb_probe probe = {
		.session = 7,
		.stream = 1,
		.sequence = sequence,
		.scheduled_ns = INT64_C(1700000000000000000),
		.sent_ns = INT64_C(1700000000000001000),
	};

	nb_probe_encode(seed->bytes + seed->length, NB_PROBE_LENGTH, &probe);
	seed->length += NB_PROBE_LENGTH;
}

static void add_ethernet(struct seed *seed)
{
	ADD(seed, 0x01, 0x00, 0x5e, 1, 2, 3, 2, 0, 0, 0, 0, 1);
}

static void add_tag(struct seed *seed, size_t type, size_t vlan)
{
	add16(seed, type);
	add16(seed, vlan);
}

static void add_udp(struct seed *seed)
{
	add16(seed, 4000);
	add16(seed, 5004);
	add16(seed, 8 + NB_PROBE_LENGTH);
	add16(seed, 0);
	add_probe(seed, 42);
}

/* @fragment: the field of flags and offset. */
static void add_ipv4(struct seed *seed, size_t options, size_t fragment)
{
	add16(seed, 0x0800);
	ADD(seed, (uint8_t)(0x45 + options / 4), 0);
	add16(seed, 20 + options + 8 + NB_PROBE_LENGTH);
	add16(seed, 1);
	add16(seed, fragment);
	ADD(seed, 1, 17, 0, 0, 10, 1, 2, 3, 239, 1, 2, 3);
	for (size_t i = 0; i < options; i++)
		ADD(seed, 1); /* no operation */
	add_udp(seed);
}

/* What stands between the IPv6 header and UDP; its first byte is of protocol @next. */
static void add_ipv6(struct seed *seed, uint8_t next, const uint8_t *extensions, size_t length)
{
	add16(seed, 0x86dd);
	ADD(seed, 0x60, 0, 0, 0);
	add16(seed, length + 8 + NB_PROBE_LENGTH);
	ADD(seed, next, 1);
	ADD(seed, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
	ADD(seed, 0xff, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
	add(seed, extensions, length);
	add_udp(seed);
}

/* Return: 0, or 1 when the file could not be written. */
static int save(const struct seed *seed, const char *directory, const char *target, const char *name)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", directory, target, name);
	file = fopen(path, "wb");
	if (!file || fwrite(seed->bytes, 1, seed->length, file) != seed->length || fclose(file)) {
		perror(path);
		return 1;
	}
	return 0;
}

static int save_probes(const char *directory)
{
	struct seed probe = { .length = 0 }, version, damaged;
	int failed;

	add_probe(&probe, 42);
	failed = save(&probe, directory, "probe", "probe");
	version = probe;
	version.bytes[4]++;
	failed |= save(&version, directory, "probe", "other_version");
	damaged = probe;
	damaged.bytes[20] ^= 1;
	failed |= save(&damaged, directory, "probe", "damaged");
	probe.length--;
	return failed | save(&probe, directory, "probe", "cut");
}

static int save_frames(const char *directory)
{
	static const uint8_t extensions[] = {
		43, 0, 0, 0, 0, 0, 0, 0, /* hop by hop, then routing */
		60, 0, 0, 0, 0, 0, 0, 0, /* routing, then destination options */
		44, 0, 0, 0, 0, 0, 0, 0, /* destination options, then fragment */
		17, 0, 0, 1, 0, 0, 0, 1, /* the first fragment of more */
	};
	struct seed seed = { .length = 0 };
	int failed;

	add_ethernet(&seed);
	add_ipv4(&seed, 0, 0x4000);
	failed = save(&seed, directory, "packet", "ipv4");
	seed.length -= NB_PROBE_LENGTH / 2;
	failed |= save(&seed, directory, "packet", "ipv4_cut");

	seed.length = 0;
	add_ethernet(&seed);
	add_tag(&seed, 0x88a8, 100);
	add_tag(&seed, 0x8100, 200);
	add_ipv4(&seed, 8, 0);
	failed |= save(&seed, directory, "packet", "tags_options");

	seed.length = 0;
	add_ethernet(&seed);
	add_ipv4(&seed, 0, 0x2000);
	failed |= save(&seed, directory, "packet", "ipv4_first_fragment");

	seed.length = 0;
	add_ethernet(&seed);
	add_ipv6(&seed, 17, NULL, 0);
	failed |= save(&seed, directory, "packet", "ipv6");

	seed.length = 0;
	add_ethernet(&seed);
	add_ipv6(&seed, 0, extensions, sizeof(extensions));
	return failed | save(&seed, directory, "packet", "ipv6_extensions");
}

/* Programs for fuzz_stream_table.c: its steps and their operands. */
enum step {
	STEP_FINISH,
	STEP_PAYLOAD,
	STEP_FRAME,
	STEP_CLOCK,
	STEP_PROBE,
};

#define STEP_FORWARD(distance) (64 + (distance))
#define KERNEL_STAMP_AND_READ 4

static void begin_program(struct seed *seed)
{
	seed->length = 0;
	ADD(seed, 0x0f, 0x3d,
	    0xb3); /* a log of 15, series of 16 points, window 64, kernel stamps, media rate, 4 streams */
}

static void add_probe_step(struct seed *seed, uint8_t distance_and_64)
{
	ADD(seed, STEP_CLOCK, 100, STEP_PROBE, 4 | 1, distance_and_64, KERNEL_STAMP_AND_READ);
}

static int save_programs(const char *directory)
{
	struct seed seed, frame = { .length = 0 };
	int failed;

	begin_program(&seed);
	for (int i = 0; i < 20; i++)
		add_probe_step(&seed, STEP_FORWARD(1));
	failed = save(&seed, directory, "stream_table", "clean");

	begin_program(&seed);
	for (int i = 0; i < 8; i++) {
		add_probe_step(&seed, STEP_FORWARD(3));  /* two are missing */
		add_probe_step(&seed, STEP_FORWARD(-1)); /* one of them is late */
		add_probe_step(&seed, STEP_FORWARD(0));  /* and comes twice */
		add_probe_step(&seed, STEP_FORWARD(40));
	}
	ADD(&seed, STEP_FINISH);
	add_probe_step(&seed, STEP_FORWARD(-5));
	failed |= save(&seed, directory, "stream_table", "loss_reordering_copies");

	begin_program(&seed);
	add_probe_step(&seed, STEP_FORWARD(0));
	ADD(&seed, STEP_PROBE, 4 | 1, 255, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, KERNEL_STAMP_AND_READ);
	ADD(&seed, STEP_CLOCK, 255, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
	add_probe_step(&seed, STEP_FORWARD(-2));
	failed |= save(&seed, directory, "stream_table", "jumps");

	begin_program(&seed);
	add_ethernet(&frame);
	add_ipv4(&frame, 0, 0);
	for (int i = 0; i < 3; i++) {
		ADD(&seed, STEP_FRAME, (uint8_t)frame.length);
		add(&seed, frame.bytes, frame.length);
		ADD(&seed, STEP_PAYLOAD, 8);
	}
	return failed | save(&seed, directory, "stream_table", "frames_and_payloads");
}

/* ---- capture files, in little-endian order */

static void add_le(struct seed *seed, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		ADD(seed, (uint8_t)(value >> 8 * i));
}

/* @body becomes a block of @type. */
static void add_block(struct seed *seed, uint32_t type, const struct seed *body)
{
	const size_t padded = (body->length + 3) & ~(size_t)3;

	add_le(seed, type, 4);
	add_le(seed, 12 + padded, 4);
	add(seed, body->bytes, body->length);
	add_le(seed, 0, padded - body->length);
	add_le(seed, 12 + padded, 4);
}

/* What an enhanced packet block (6), an obsolete (2) or a simple one (3) says before its frame. */
static void add_packet_block(struct seed *seed, uint32_t type, const struct seed *frame)
{
	struct seed body = { .length = 0 };

	if (type != 3) {
		add_le(&body, 0, 4);
		add_le(&body, 100, 4);
		add_le(&body, 200, 4);
		add_le(&body, frame->length, 4);
	}
	add_le(&body, frame->length, 4);
	add(&body, frame->bytes, frame->length);
	add_block(seed, type, &body);
}

static void add_section(struct seed *seed)
{
	struct seed body = { .length = 0 };

	add_le(&body, 0x1a2b3c4d, 4);
	add_le(&body, 1, 4);
	add_le(&body, UINT64_MAX, 8);
	add_block(seed, 0x0a0d0d0a, &body);
}

static void add_interface(struct seed *seed, uint32_t link, uint8_t unit)
{
	struct seed body = { .length = 0 };

	add_le(&body, link, 4);
	add_le(&body, 0, 4);
	add_le(&body, 9 | 1 << 16, 4); /* if_tsresol */
	add_le(&body, unit, 4);
	add_le(&body, 14 | 8 << 16, 4); /* if_tsoffset */
	add_le(&body, 3600, 8);
	add_le(&body, 0, 4);
	add_block(seed, 1, &body);
}

/* The first byte says how the fuzzer divides the file. */
static void begin_pcap(struct seed *seed, uint32_t magic, uint32_t link)
{
	seed->length = 0;
	ADD(seed, 12);
	add_le(seed, magic, 4);
	add_le(seed, 2 | 4 << 16, 4);
	add_le(seed, 0, 8);
	add_le(seed, 65535, 4);
	add_le(seed, link, 4);
}

static void add_record(struct seed *seed, const struct seed *frame, size_t captured)
{
	add_le(seed, 1700000000, 4);
	add_le(seed, 5, 4);
	add_le(seed, captured, 4);
	add_le(seed, frame->length, 4);
	add(seed, frame->bytes, captured);
}

static int save_captures(const char *directory)
{
	static const uint8_t cooked[] = { 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0 };
	struct seed file, frame = { .length = 0 }, empty = { .length = 0 };
	int failed;

	add_ethernet(&frame);
	add_ipv4(&frame, 0, 0x4000);
	begin_pcap(&file, 0xa1b2c3d4, 1);
	add_record(&file, &frame, frame.length);
	add_record(&file, &frame, 60);
	failed = save(&file, directory, "pcap_reader", "pcap_micro");

	begin_pcap(&file, 0xa1b23c4d, 113);
	frame.length = 0;
	add(&frame, cooked, sizeof(cooked));
	add_ipv4(&frame, 0, 0x2000);
	add_record(&file, &frame, frame.length);
	failed |= save(&file, directory, "pcap_reader", "pcap_nano_cooked");

	file.length = 0;
	ADD(&file, 255);
	frame.length = 0;
	add_ipv4(&frame, 8, 0); /* its EtherType is taken off below: raw IP */
	memmove(frame.bytes, frame.bytes + 2, frame.length -= 2);
	add_section(&file);
	add_interface(&file, 101, 0x94);
	add_packet_block(&file, 6, &frame);
	add_block(&file, 0x0a, &empty);
	failed |= save(&file, directory, "pcap_reader", "pcapng_enhanced");

	file.length = 1;
	add_section(&file);
	add_interface(&file, 228, 9);
	add_packet_block(&file, 3, &frame);
	add_packet_block(&file, 2, &frame);
	return failed | save(&file, directory, "pcap_reader", "pcapng_simple_obsolete");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s tests/fuzz/corpus\n", argv[0]);
		return 2;
	}
	return save_probes(argv[1]) | save_frames(argv[1]) | save_programs(argv[1]) | save_captures(argv[1]);
}
