/* SPDX-License-Identifier: MIT */
/* pcap_reader.h - packets of a capture file (pcap, pcapng), fed in pieces, into a stream table. */
#ifndef NB_PCAP_READER_H
#define NB_PCAP_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "payload_list.h"
#include "socket_capture.h"
#include "status.h"
#include "stream_table.h"

/* No packet of a sound capture of a network is larger (libpcap's MAXIMUM_SNAPLEN); what claims to be is damage. */
#define NB_PCAP_LARGEST_PACKET (UINT32_C(256) << 10)
/* Room for what is wrong with a broken file. */
#define NB_PCAP_WHAT 192

struct nb_pcap_reader_config {
	/* Keep only datagrams to one of these, IPv4: 0.0.0.0 is any address or source, port 0 any port. None: keep all. */
	const struct nb_listen *listens;
	uint32_t listen_count;
	struct nb_payload_list *keep; /* lent; also gets the datagrams that are handed to the table; or NULL */
};

/*
 * The books of one file:
 *     records == datagrams + filtered + not_udp + fragments + cut_headers + damaged + unknown_link
 */
struct nb_pcap_reader_counts {
	uint64_t bytes;        /* of the file, as far as it was understood */
	uint64_t records;      /* packets in it */
	uint64_t datagrams;    /* handed to the table */
	uint64_t filtered;     /* UDP to an address or port that was not asked for */
	uint64_t not_udp;
	uint64_t fragments;    /* later fragments of UDP datagrams; each datagram counts by its first one */
	uint64_t cut_headers;  /* the capture kept too few bytes to find the UDP header */
	uint64_t damaged;      /* a header lies about its length */
	uint64_t unknown_link; /* of a link type that is not understood */
	uint64_t first_fragments; /* of the datagrams: their length is that of the whole datagram */
	uint64_t cut_packets;  /* of all records: fewer bytes were kept than were on the wire */
	uint64_t outgoing;     /* of all records: sent by the host that captured, as cooked captures tell */
	uint64_t unstamped;    /* of the datagrams: without a time (simple packet blocks): counted, never timed */
	uint64_t wire_bytes;   /* of all records */
	uint64_t other_blocks; /* of pcapng: blocks that hold no packet and are not needed */
	uint64_t capturer_drops; /* what the capturing program says it lost (interface statistics; drop counts) */
	bool capturer_told_drops; /* false: the file says nothing about losses of its capture */
	uint32_t sections;     /* of pcapng; 1 of pcap */
	uint32_t interfaces;   /* over all sections */
	uint32_t link_type;    /* of the first interface */
	uint32_t unknown_link_type; /* one of those behind unknown_link */
	bool stamped;          /* some record has a time: the next three mean something */
	int64_t first_ns;      /* stamp of the first record */
	int64_t last_ns;       /* and of the last; by position */
	int64_t resolution_ns; /* coarsest unit of stamps among the interfaces; finer than 1 ns is 1 */
	bool broken;           /* the file ended, or made no sense, at broken_at: what came before is counted */
	uint64_t broken_at;    /* offset of the record or block that is broken */
};

struct nb_pcap_reader; /* opaque; any thread may read its counts while another feeds it */

/* The configuration is copied. */
int nb_pcap_reader_create(struct nb_pcap_reader **reader, const struct nb_pcap_reader_config *config,
			  struct nb_error *error);
void nb_pcap_reader_destroy(struct nb_pcap_reader *reader);

/**
 * nb_pcap_reader_feed() - The next bytes of the file.
 * @reader: created
 * @bytes: wherever the file was divided; not trusted, not kept
 * @length: of them; 0 is nothing
 * @table: gets the datagrams; locked for the call
 *
 * Return: true while more is wanted; false once the file is broken (further bytes are ignored)
 */
bool nb_pcap_reader_feed(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t length, struct nb_table *table);

/* The file is at its end: one that stops in the middle is broken there. Idempotent. */
void nb_pcap_reader_finish(struct nb_pcap_reader *reader);

/* @what: of a broken file, what is wrong, in words; else empty. */
void nb_pcap_reader_read(struct nb_pcap_reader *reader, struct nb_pcap_reader_counts *counts, char what[NB_PCAP_WHAT]);

#endif
