/* SPDX-License-Identifier: MIT */
/* pcap_format.h - the bytes of capture files, pcap and pcapng with nanosecond stamps: headers, records, statistics. */
#ifndef NB_PCAP_FORMAT_H
#define NB_PCAP_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nb_pcap_format {
	NB_FORMAT_PCAP,   /* magic 0xa1b23c4d: nanoseconds */
	NB_FORMAT_PCAPNG, /* one section, one interface, if_tsresol 9 */
};

/* One Ethernet frame as a capture hands it over; lent. */
struct nb_captured_frame {
	const uint8_t *bytes;
	uint32_t captured_bytes; /* at @bytes */
	uint32_t wire_bytes;     /* of the frame, at least captured_bytes */
	int64_t received_ns;     /* CLOCK_REALTIME */
	bool tagged;             /* the kernel took a VLAN tag out of the frame: it is put back */
	uint16_t tag_protocol;
	uint16_t tag;
};

/* What a file says of itself. Texts may be NULL or empty. */
struct nb_pcap_header {
	uint32_t snapshot_bytes;
	const char *application; /* pcapng only, as the two below */
	const char *interface;
	const char *filter; /* as the user typed it */
};

/* Of a pcapng file, when it is closed. */
struct nb_pcap_statistics {
	int64_t first_ns;
	int64_t last_ns;
	uint64_t received; /* frames that the filter let through, dropped ones included */
	uint64_t dropped;  /* by the capture, for want of room */
};

/* Texts are cut to this many bytes. */
#define NB_PCAP_TEXT_BYTES 4096
/* A header has room in so many bytes; so has a frame beyond its captured bytes; so has a block of statistics. */
#define NB_PCAP_HEADER_BYTES (3 * NB_PCAP_TEXT_BYTES + 256)
#define NB_PCAP_OVERHEAD_BYTES 40
#define NB_PCAP_STATISTICS_BYTES 76

/* Each writes to @to, which has the room named above, and returns how many bytes. Bytes are in this machine's order. */
size_t nb_pcap_header(uint8_t *to, enum nb_pcap_format format, const struct nb_pcap_header *header);
size_t nb_pcap_record(uint8_t *to, enum nb_pcap_format format, const struct nb_captured_frame *frame,
		      uint32_t snapshot_bytes);
size_t nb_pcap_statistics(uint8_t *to, const struct nb_pcap_statistics *statistics); /* pcapng only */

/* Bytes that nb_pcap_record() would write. */
size_t nb_pcap_record_bytes(enum nb_pcap_format format, const struct nb_captured_frame *frame, uint32_t snapshot_bytes);

/**
 * nb_pcap_whole() - How much of a run of records is whole.
 * @records: records and statistics as written above, no header
 * @length: bytes of them, cut anywhere
 * @format: theirs
 * @frames: set to the number of whole records of frames
 *
 * Return: bytes of whole records
 */
size_t nb_pcap_whole(const uint8_t *records, size_t length, enum nb_pcap_format format, uint64_t *frames);

#endif
