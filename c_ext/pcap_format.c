/* SPDX-License-Identifier: MIT */
/* pcap_format.c - the bytes of capture files, pcap and pcapng with nanosecond stamps: headers, records, statistics. */
#include "pcap_format.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "clock.h"

/*
 * Theory of operation
 *
 * pcap: a header of 24 bytes, then records: 16 bytes (seconds, nanoseconds, captured, on the wire) and the frame.
 *
 * pcapng: blocks, each with its type, its total length, a body padded to 4 bytes, and the total length again. Here: one
 * Section Header, one Interface Description (whose if_tsresol says nanoseconds), Enhanced Packets, and at the end
 * Interface Statistics, which tell a reader what the capture lost while the file was written. The names below are those
 * of the pcapng specification (draft-ietf-opsawg-pcapng).
 */

#define LINKTYPE_ETHERNET 1

#define PCAP_MAGIC_NANOSECONDS UINT32_C(0xa1b23c4d)
#define PCAP_RECORD_BYTES 16

#define BLOCK_SECTION UINT32_C(0x0a0d0d0a)
#define BLOCK_INTERFACE UINT32_C(1)
#define BLOCK_STATISTICS UINT32_C(5)
#define BLOCK_PACKET UINT32_C(6)
#define BYTE_ORDER_MAGIC UINT32_C(0x1a2b3c4d)
#define BLOCK_BYTES 12  /* type, length, length */
#define PACKET_BYTES 20 /* interface, stamp, captured, on the wire */

#define OPTION_END 0
#define SECTION_APPLICATION 4
#define INTERFACE_NAME 2
#define INTERFACE_RESOLUTION 9
#define INTERFACE_FILTER 11
#define STATISTICS_START 2
#define STATISTICS_END 3
#define STATISTICS_RECEIVED 4
#define STATISTICS_DROPPED 5

/* Where a VLAN tag stands in a frame: behind the two addresses. */
#define ADDRESS_BYTES 12
#define TAG_BYTES 4

static_assert(BLOCK_BYTES + PACKET_BYTES + TAG_BYTES + 3 <= NB_PCAP_OVERHEAD_BYTES, "room for a frame's record");

static size_t padded(size_t length)
{
	return (length + 3) & ~(size_t)3;
}

static uint8_t *put16(uint8_t *to, uint16_t value)
{
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static uint8_t *put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof(value));
	return to + sizeof(value);
}

static uint32_t get32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static uint8_t *put_padding(uint8_t *to, size_t length)
{
	const size_t padding = padded(length) - length;

	memset(to, 0, padding);
	return to + padding;
}

/* ---- pcapng's blocks and options ---- */

static uint8_t *begin_block(uint8_t *to, uint32_t type)
{
	return put32(to, type) + sizeof(uint32_t); /* the length is known at the end */
}

static uint8_t *end_block(uint8_t *begin, uint8_t *to)
{
	const uint32_t length = (uint32_t)(to - begin) + sizeof(uint32_t);

	put32(begin + sizeof(uint32_t), length);
	return put32(to, length);
}

static uint8_t *put_option(uint8_t *to, uint16_t code, const void *value, size_t length)
{
	to = put16(put16(to, code), (uint16_t)length);
	memcpy(to, value, length);
	return put_padding(to + length, length);
}

static uint8_t *put_text(uint8_t *to, uint16_t code, const char *text)
{
	if (text == NULL || text[0] == '\0')
		return to;
	return put_option(to, code, text, strnlen(text, NB_PCAP_TEXT_BYTES));
}

static uint8_t *put_stamp_option(uint8_t *to, uint16_t code, int64_t stamp_ns)
{
	/* High and low half, each in this machine's order. */
	const uint32_t halves[2] = { (uint32_t)((uint64_t)stamp_ns >> 32), (uint32_t)(uint64_t)stamp_ns };

	return put_option(to, code, halves, sizeof(halves));
}

static uint8_t *put_section(uint8_t *to, const struct nb_pcap_header *header)
{
	uint8_t *const begin = to;

	to = put32(begin_block(to, BLOCK_SECTION), BYTE_ORDER_MAGIC);
	to = put16(put16(to, 1), 0);                       /* version 1.0 */
	to = put32(put32(to, UINT32_MAX), UINT32_MAX);     /* section length: not told */
	to = put_text(to, SECTION_APPLICATION, header->application);
	return end_block(begin, put32(to, OPTION_END));
}

static uint8_t *put_interface(uint8_t *to, const struct nb_pcap_header *header)
{
	const uint8_t nanoseconds = 9;
	uint8_t *const begin = to;

	to = put16(put16(begin_block(to, BLOCK_INTERFACE), LINKTYPE_ETHERNET), 0);
	to = put32(to, header->snapshot_bytes);
	to = put_text(to, INTERFACE_NAME, header->interface);
	to = put_option(to, INTERFACE_RESOLUTION, &nanoseconds, sizeof(nanoseconds));
	/* The option's first byte tells its kind; zero: a string, as libpcap takes it. */
	if (header->filter != NULL && header->filter[0] != '\0') {
		const size_t length = strnlen(header->filter, NB_PCAP_TEXT_BYTES - 1);

		to = put16(put16(to, INTERFACE_FILTER), (uint16_t)(length + 1));
		*to++ = 0;
		memcpy(to, header->filter, length);
		to = put_padding(to + length, length + 1);
	}
	return end_block(begin, put32(to, OPTION_END));
}

size_t nb_pcap_header(uint8_t *to, enum nb_pcap_format format, const struct nb_pcap_header *header)
{
	uint8_t *const begin = to;

	if (format == NB_FORMAT_PCAPNG) {
		to = put_interface(put_section(to, header), header);
	} else {
		to = put16(put16(put32(to, PCAP_MAGIC_NANOSECONDS), 2), 4); /* version 2.4 */
		to = put32(put32(to, 0), 0);                                /* time zone, accuracy: always zero */
		to = put32(put32(to, header->snapshot_bytes), LINKTYPE_ETHERNET);
	}
	return (size_t)(to - begin);
}

size_t nb_pcap_statistics(uint8_t *to, const struct nb_pcap_statistics *statistics)
{
	uint8_t *const begin = to;

	to = put32(begin_block(to, BLOCK_STATISTICS), 0);
	to = put32(put32(to, (uint32_t)((uint64_t)statistics->last_ns >> 32)), (uint32_t)(uint64_t)statistics->last_ns);
	to = put_stamp_option(to, STATISTICS_START, statistics->first_ns);
	to = put_stamp_option(to, STATISTICS_END, statistics->last_ns);
	to = put_option(to, STATISTICS_RECEIVED, &statistics->received, sizeof(statistics->received));
	to = put_option(to, STATISTICS_DROPPED, &statistics->dropped, sizeof(statistics->dropped));
	return (size_t)(end_block(begin, put32(to, OPTION_END)) - begin);
}

/* ---- a frame ---- */

static bool takes_tag(const struct nb_captured_frame *frame)
{
	return frame->tagged && frame->captured_bytes >= ADDRESS_BYTES;
}

/* Bytes of the frame that are kept, its tag included. */
static uint32_t kept_bytes(const struct nb_captured_frame *frame, uint32_t snapshot_bytes)
{
	const uint32_t whole = frame->captured_bytes + (takes_tag(frame) ? TAG_BYTES : 0);

	return whole < snapshot_bytes ? whole : snapshot_bytes;
}

static size_t least(size_t one, size_t other)
{
	return one < other ? one : other;
}

static uint8_t *put_frame(uint8_t *to, const struct nb_captured_frame *frame, uint32_t kept)
{
	const uint16_t tag[2] = { htons(frame->tag_protocol), htons(frame->tag) };
	const size_t before = least(kept, ADDRESS_BYTES);
	size_t tag_kept;

	if (!takes_tag(frame)) {
		memcpy(to, frame->bytes, kept);
		return to + kept;
	}
	tag_kept = least(kept - before, TAG_BYTES);
	memcpy(to, frame->bytes, before);
	memcpy(to + before, tag, tag_kept);
	memcpy(to + before + tag_kept, frame->bytes + before, kept - before - tag_kept);
	return to + kept;
}

size_t nb_pcap_record_bytes(enum nb_pcap_format format, const struct nb_captured_frame *frame, uint32_t snapshot_bytes)
{
	const uint32_t kept = kept_bytes(frame, snapshot_bytes);

	return format == NB_FORMAT_PCAP ? PCAP_RECORD_BYTES + kept : BLOCK_BYTES + PACKET_BYTES + padded(kept);
}

size_t nb_pcap_record(uint8_t *to, enum nb_pcap_format format, const struct nb_captured_frame *frame,
		      uint32_t snapshot_bytes)
{
	const uint32_t kept = kept_bytes(frame, snapshot_bytes);
	const uint32_t wire = frame->wire_bytes + (takes_tag(frame) ? TAG_BYTES : 0);
	uint8_t *const begin = to;

	if (format == NB_FORMAT_PCAP) {
		to = put32(to, (uint32_t)(frame->received_ns / NB_NS_PER_S));
		to = put32(to, (uint32_t)(frame->received_ns % NB_NS_PER_S));
		to = put_frame(put32(put32(to, kept), wire), frame, kept);
		return (size_t)(to - begin);
	}
	to = put32(begin_block(to, BLOCK_PACKET), 0);
	to = put32(to, (uint32_t)((uint64_t)frame->received_ns >> 32));
	to = put32(to, (uint32_t)(uint64_t)frame->received_ns);
	to = put_frame(put32(put32(to, kept), wire), frame, kept);
	return (size_t)(end_block(begin, put_padding(to, kept)) - begin);
}

size_t nb_pcap_whole(const uint8_t *records, size_t length, enum nb_pcap_format format, uint64_t *frames)
{
	const size_t least_bytes = format == NB_FORMAT_PCAP ? PCAP_RECORD_BYTES : BLOCK_BYTES;
	size_t at = 0;

	*frames = 0;
	while (length - at >= least_bytes) {
		const bool pcap = format == NB_FORMAT_PCAP;
		const size_t bytes = pcap ? PCAP_RECORD_BYTES + (size_t)get32(records + at + 8)
					  : get32(records + at + 4);

		if (bytes < least_bytes || bytes > length - at)
			break;
		if (pcap || get32(records + at) == BLOCK_PACKET)
			(*frames)++;
		at += bytes;
	}
	return at;
}
