/* SPDX-License-Identifier: MIT */
/* capture_file.h - the words of capture files: magic numbers, block types, an interface's options and its clock. */
#ifndef NB_CAPTURE_FILE_H
#define NB_CAPTURE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NB_PCAP_MAGIC UINT32_C(0xa1b2c3d4)      /* microseconds */
#define NB_PCAP_MAGIC_NANO UINT32_C(0xa1b23c4d) /* nanoseconds */
#define NB_PCAP_HEADER 24
#define NB_PCAP_RECORD_HEADER 16

#define NB_PCAPNG_BYTE_ORDER UINT32_C(0x1a2b3c4d)
#define NB_PCAPNG_BLOCK_HEADER 8    /* type, length */
#define NB_PCAPNG_TRAILER 4         /* the length again */
#define NB_PCAPNG_SECTION_HEADER 24 /* without options and trailer */
#define NB_PCAPNG_PACKET_HEADER 28  /* of an enhanced or obsolete packet block, up to the packet */

enum nb_pcapng_block {
	NB_PCAPNG_INTERFACE = 1,
	NB_PCAPNG_OBSOLETE = 2, /* packet block */
	NB_PCAPNG_SIMPLE = 3,
	NB_PCAPNG_STATISTICS = 5,
	NB_PCAPNG_ENHANCED = 6,
	NB_PCAPNG_SECTION = 0x0a0d0d0a, /* reads the same in both byte orders */
};

/* Where packets of a file came from. */
struct nb_capture_interface {
	uint32_t link_type;
	uint32_t snapshot_bytes; /* 0: no limit */
	int64_t resolution_ns;   /* of stamps; at least 1 */
	uint8_t unit;            /* as if_tsresol: 10^-unit s; with the top bit, 2^-(unit & 127) s */
	int64_t offset_s;        /* added to every stamp */
	uint64_t drops;          /* as last told */
};

static inline uint16_t nb_file_u16(const uint8_t *at, bool swapped)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return swapped ? __builtin_bswap16(value) : value;
}

static inline uint32_t nb_file_u32(const uint8_t *at, bool swapped)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return swapped ? __builtin_bswap32(value) : value;
}

static inline uint64_t nb_file_u64(const uint8_t *at, bool swapped)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return swapped ? __builtin_bswap64(value) : value;
}

/* From an interface description block, whole, @length >= 20 bytes with its trailer. Broken options end the options. */
void nb_interface_read(struct nb_capture_interface *interface, const uint8_t *block, uint32_t length, bool swapped);

/* Units of the interface since 1970 to nanoseconds; what 64 bits cannot hold is the nearest that they can. */
int64_t nb_interface_time(const struct nb_capture_interface *interface, uint64_t units);

/* Drops that an interface statistics block (whole, @length >= 24) tells. Return: false when it tells none. */
bool nb_statistics_drops(const uint8_t *block, uint32_t length, bool swapped, uint64_t *drops);

#endif
