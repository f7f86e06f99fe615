/* SPDX-License-Identifier: MIT */
/* pcap_reader.c - packets of a capture file (pcap, pcapng), fed in pieces, into a stream table. */
#include "pcap_reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_file.h"
#include "link_layer.h"

/*
 * Theory of operation
 *
 * A file is a row of units: the header of a pcap file, one of its records, a pcapng block, a run of bytes that nobody needs. The
 * reader stands at the beginning of a unit and knows, from as many bytes as it has, how many it wants before it can go on: first
 * enough to learn the unit's length, then the unit. Where the piece that was fed holds them, the unit is read in place; where it
 * ends within, the beginning is put aside in `pending` and completed by the next piece. A packet's unit is bounded, so pending
 * is, too; a block that is not needed is skipped without being held, however long it claims to be, but for its last four
 * bytes, which must repeat its length.
 *
 * Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng. What the formats forbid ends the reading there: after it nothing
 * can be trusted to begin where it seems to.
 */

/* A packet's block: its fixed part, the packet, and room for its options. */
#define LARGEST_UNIT (NB_PCAP_LARGEST_PACKET + (UINT32_C(64) << 10))
#define INTERFACES_MAX 65536

enum reader_state {
	AT_FILE,    /* nothing is known yet */
	AT_RECORD,  /* pcap: a record begins */
	AT_BLOCK,   /* pcapng: a block begins */
	AT_TRAILER, /* pcapng: the last four bytes of a block that was skipped */
	BROKEN,
};

struct nb_pcap_reader {
	pthread_mutex_t lock;      /* of everything; taken before a table's */
	struct nb_listen *listens; /* Owned. listen_count, or NULL */
	uint32_t listen_count;
	struct nb_payload_list *keep; /* lent, or NULL */
	enum reader_state state;
	bool swapped;           /* the file's (or section's) byte order is not ours */
	uint64_t offset;        /* in the file, of the unit that the reader stands at */
	uint64_t skip;          /* bytes to pass over before anything else */
	uint64_t block_at;      /* offset of the block that is being skipped */
	uint32_t block_length;  /* and its length */
	struct nb_capture_interface *interfaces; /* Owned. Of this section; a pcap file has one */
	uint32_t interface_count, interface_room;
	uint8_t *pending; /* Owned. LARGEST_UNIT; the beginning of a unit that is not complete yet */
	size_t pending_length;
	struct nb_pcap_reader_counts counts;
	char what[NB_PCAP_WHAT]; /* is wrong with a broken file */
};

int nb_pcap_reader_create(struct nb_pcap_reader **reader, const struct nb_pcap_reader_config *config,
			  struct nb_error *error)
{
	struct nb_pcap_reader *self;

	*reader = NULL;
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return nb_fail(error, -ENOMEM, "get memory for reading a capture file");
	pthread_mutex_init(&self->lock, NULL);
	self->pending = malloc(LARGEST_UNIT);
	if (config->listen_count != 0)
		self->listens = calloc(config->listen_count, sizeof(*self->listens));
	if (self->pending == NULL || (config->listen_count != 0 && self->listens == NULL)) {
		nb_pcap_reader_destroy(self);
		return nb_fail(error, -ENOMEM, "get memory for reading a capture file");
	}
	if (config->listen_count != 0)
		memcpy(self->listens, config->listens, config->listen_count * sizeof(*self->listens));
	self->listen_count = config->listen_count;
	self->keep = config->keep;
	*reader = self;
	return 0;
}

void nb_pcap_reader_destroy(struct nb_pcap_reader *reader)
{
	if (reader == NULL)
		return;
	free(reader->interfaces);
	free(reader->pending);
	free(reader->listens);
	pthread_mutex_destroy(&reader->lock);
	free(reader);
}

/* --- damage ------------------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void break_off(struct nb_pcap_reader *reader, const char *format, ...)
{
	va_list arguments;

	reader->counts.broken = true;
	reader->counts.broken_at = reader->state == AT_TRAILER ? reader->block_at : reader->offset;
	reader->state = BROKEN;
	va_start(arguments, format);
	vsnprintf(reader->what, sizeof(reader->what), format, arguments);
	va_end(arguments);
}

/* --- numbers of the file ----------------------------------------------------------------------------------------- */

static uint16_t get16(const struct nb_pcap_reader *reader, const uint8_t *at)
{
	return nb_file_u16(at, reader->swapped);
}

static uint32_t get32(const struct nb_pcap_reader *reader, const uint8_t *at)
{
	return nb_file_u32(at, reader->swapped);
}

/* --- one packet -------------------------------------------------------------------------------------------------- */

static bool is_any(const uint8_t address[4])
{
	return (address[0] | address[1] | address[2] | address[3]) == 0;
}

static bool wanted_flow(const struct nb_pcap_reader *reader, const struct nb_flow *flow)
{
	for (uint32_t i = 0; i < reader->listen_count; i++) {
		const struct nb_listen *listen = &reader->listens[i];
		const bool any_address = is_any(listen->address), any_source = is_any(listen->source);

		if (listen->port != 0 && listen->port != flow->destination_port)
			continue;
		if (flow->family != 4 && !(any_address && any_source))
			continue;
		if (!any_address && memcmp(listen->address, flow->destination, 4) != 0)
			continue;
		if (!any_source && memcmp(listen->source, flow->source, 4) != 0)
			continue;
		return true;
	}
	return reader->listen_count == 0;
}

/* Link-layer bytes, and what the file says of them. */
struct record {
	const struct nb_capture_interface *interface;
	const uint8_t *bytes;
	uint32_t captured;
	uint32_t on_wire;
	bool stamped;
	int64_t received_ns;
};

static void count_datagram(struct nb_pcap_reader *reader, struct nb_table *table, const struct record *record,
			   enum nb_fragment fragment, struct nb_packet *packet)
{
	struct nb_pcap_reader_counts *counts = &reader->counts;

	if (!wanted_flow(reader, &packet->flow)) {
		counts->filtered++;
		return;
	}
	counts->datagrams++;
	counts->first_fragments += fragment == NB_FRAGMENT_FIRST;
	counts->unstamped += !record->stamped;
	packet->received_ns = record->received_ns;
	/* Without a stamp it is of no class: the table counts it, and never times it. */
	packet->stamp_class = record->stamped ? NB_STAMP_KERNEL : NB_STAMP_CLASSES;
	nb_table_record(table, packet);
	if (reader->keep)
		nb_payload_list_add(reader->keep, packet, record->stamped);
}

static void take_packet(struct nb_pcap_reader *reader, struct nb_table *table, const struct record *record)
{
	struct nb_pcap_reader_counts *counts = &reader->counts;
	/* A file that says a packet was shorter than what it kept of it is believed in what it kept. */
	const uint32_t on_wire = record->on_wire > record->captured ? record->on_wire : record->captured;
	struct nb_packet packet = { 0 };
	struct nb_link_facts facts;

	counts->records++;
	counts->wire_bytes += on_wire;
	counts->cut_packets += record->captured < on_wire;
	if (record->stamped) {
		if (!counts->stamped)
			counts->first_ns = record->received_ns;
		counts->last_ns = record->received_ns;
		counts->stamped = true;
		if (record->interface->resolution_ns > counts->resolution_ns)
			counts->resolution_ns = record->interface->resolution_ns;
	}
	switch (nb_link_parse(record->interface->link_type, record->bytes, record->captured, on_wire, &packet,
			      &facts)) {
	case 0:
		count_datagram(reader, table, record, facts.fragment, &packet);
		break;
	case -ENOMSG:
		if (facts.fragment == NB_FRAGMENT_LATER)
			counts->fragments++;
		else
			counts->not_udp++;
		break;
	case -EMSGSIZE:
		counts->cut_headers++;
		break;
	case -EPROTONOSUPPORT:
		counts->unknown_link++;
		counts->unknown_link_type = record->interface->link_type;
		break;
	default:
		counts->damaged++;
	}
	counts->outgoing += facts.outgoing;
}

/* Return: a new interface of this section, zeroed; NULL when the file is broken, or memory is short. */
static struct nb_capture_interface *add_interface(struct nb_pcap_reader *reader)
{
	if (reader->interface_count == INTERFACES_MAX) {
		break_off(reader, "more than %u interfaces in one section", INTERFACES_MAX);
		return NULL;
	}
	if (reader->interface_count == reader->interface_room) {
		const uint32_t room = reader->interface_room == 0 ? 4 : 2 * reader->interface_room;
		struct nb_capture_interface *grown = realloc(reader->interfaces, room * sizeof(*grown));

		if (grown == NULL) {
			break_off(reader, "no memory for %u interfaces", room);
			return NULL;
		}
		reader->interfaces = grown;
		reader->interface_room = room;
	}
	reader->counts.interfaces++;
	memset(&reader->interfaces[reader->interface_count], 0, sizeof(*reader->interfaces));
	return &reader->interfaces[reader->interface_count++];
}

static bool plausible(struct nb_pcap_reader *reader, uint32_t captured)
{
	if (captured <= NB_PCAP_LARGEST_PACKET)
		return true;
	break_off(reader, "a packet that claims to be %u bytes long (%u at most)", captured, NB_PCAP_LARGEST_PACKET);
	return false;
}

/* --- pcap -------------------------------------------------------------------------------------------------------- */

static void take_pcap_header(struct nb_pcap_reader *reader, const uint8_t *bytes)
{
	const bool nanoseconds = get32(reader, bytes) == NB_PCAP_MAGIC_NANO;
	const uint16_t major = get16(reader, bytes + 4);
	struct nb_capture_interface *interface;

	if (major != 2) {
		break_off(reader, "a pcap file of version %u.%u (2.4 is understood)", major, get16(reader, bytes + 6));
		return;
	}
	interface = add_interface(reader);
	if (interface == NULL)
		return;
	/* The snapshot length at offset 16 is often wrong, and decides nothing. The upper half tells of a check sum. */
	interface->link_type = get32(reader, bytes + 20) & 0xffff;
	interface->resolution_ns = nanoseconds ? 1 : 1000;
	reader->counts.link_type = interface->link_type;
	reader->counts.sections = 1;
	reader->state = AT_RECORD;
}

static void take_pcap_record(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes)
{
	const struct nb_capture_interface *interface = &reader->interfaces[0];
	const struct record record = {
		.interface = interface,
		.bytes = bytes + NB_PCAP_RECORD_HEADER,
		.captured = get32(reader, bytes + 8),
		.on_wire = get32(reader, bytes + 12),
		.stamped = true,
		.received_ns = (int64_t)get32(reader, bytes) * 1000000000 +
			       get32(reader, bytes + 4) * interface->resolution_ns,
	};

	take_packet(reader, table, &record);
}

/* --- pcapng ------------------------------------------------------------------------------------------------------ */

static void take_section(struct nb_pcap_reader *reader, const uint8_t *bytes)
{
	const uint16_t major = get16(reader, bytes + 12);

	if (major != 1) {
		break_off(reader, "a pcapng section of version %u.%u (1.0 is understood)", major,
			  get16(reader, bytes + 14));
		return;
	}
	reader->counts.sections++;
	reader->interface_count = 0;
}

static void take_interface(struct nb_pcap_reader *reader, const uint8_t *bytes, uint32_t length)
{
	struct nb_capture_interface *interface = add_interface(reader);

	if (interface == NULL)
		return;
	nb_interface_read(interface, bytes, length, reader->swapped);
	if (reader->counts.interfaces == 1)
		reader->counts.link_type = interface->link_type;
}

/* The interface that a packet or statistics refer to; NULL when the file is broken. */
static struct nb_capture_interface *find_interface(struct nb_pcap_reader *reader, uint32_t number)
{
	if (number < reader->interface_count)
		return &reader->interfaces[number];
	break_off(reader, "packets of interface number %u, of %u that are described", number, reader->interface_count);
	return NULL;
}

static void take_drops(struct nb_pcap_reader *reader, struct nb_capture_interface *interface, uint64_t drops)
{
	/* Statistics count from the beginning of the capture: what is new is the difference. */
	if (drops > interface->drops) {
		reader->counts.capturer_drops += drops - interface->drops;
		interface->drops = drops;
	}
	reader->counts.capturer_told_drops = true;
}

/* Enhanced packet block, and its obsolete ancestor, whose interface number has 16 bits and a count of drops beside it. */
static void take_enhanced(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes, uint32_t length,
			  bool obsolete)
{
	struct nb_capture_interface *interface = find_interface(reader, obsolete ? get16(reader, bytes + 8)
										 : get32(reader, bytes + 8));
	struct record record = {
		.interface = interface,
		.bytes = bytes + NB_PCAPNG_PACKET_HEADER,
		.captured = get32(reader, bytes + 20),
		.on_wire = get32(reader, bytes + 24),
		.stamped = true,
	};

	if (interface == NULL || !plausible(reader, record.captured))
		return;
	if (record.captured > length - NB_PCAPNG_PACKET_HEADER - NB_PCAPNG_TRAILER) {
		break_off(reader, "a packet of %u bytes in a block of %u", record.captured, length);
		return;
	}
	record.received_ns = nb_interface_time(interface,
					       (uint64_t)get32(reader, bytes + 12) << 32 | get32(reader, bytes + 16));
	take_packet(reader, table, &record);
}

static void take_simple(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes, uint32_t length)
{
	const struct nb_capture_interface *interface = find_interface(reader, 0);
	struct record record = {
		.interface = interface,
		.bytes = bytes + 12,
		.captured = length - 12 - NB_PCAPNG_TRAILER, /* with padding */
		.on_wire = get32(reader, bytes + 8),
	};

	if (interface == NULL)
		return;
	if (record.captured > record.on_wire)
		record.captured = record.on_wire;
	if (interface->snapshot_bytes != 0 && record.captured > interface->snapshot_bytes)
		record.captured = interface->snapshot_bytes;
	if (plausible(reader, record.captured))
		take_packet(reader, table, &record);
}

static void take_statistics(struct nb_pcap_reader *reader, const uint8_t *bytes, uint32_t length)
{
	struct nb_capture_interface *interface = find_interface(reader, get32(reader, bytes + 8));
	uint64_t drops;

	reader->counts.other_blocks++;
	if (interface != NULL && nb_statistics_drops(bytes, length, reader->swapped, &drops))
		take_drops(reader, interface, drops);
}

/* Pass over @beyond bytes of the block on, all but the trailer, which is checked. */
static void skip_block(struct nb_pcap_reader *reader, uint32_t seen, uint32_t length)
{
	reader->skip = length - seen - NB_PCAPNG_TRAILER;
	reader->block_at = reader->offset;
	reader->block_length = length;
	reader->state = AT_TRAILER;
}

static void check_trailer(struct nb_pcap_reader *reader, const uint8_t *trailer, uint32_t length)
{
	if (get32(reader, trailer) != length)
		break_off(reader, "a block that says %u bytes at its beginning and %u at its end", length,
			  get32(reader, trailer));
}

static void take_block(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes, uint32_t length)
{
	/* The end must agree before a packet is believed. */
	check_trailer(reader, bytes + length - NB_PCAPNG_TRAILER, length);
	if (reader->state == BROKEN)
		return;
	switch (get32(reader, bytes)) {
	case NB_PCAPNG_INTERFACE:
		take_interface(reader, bytes, length);
		break;
	case NB_PCAPNG_ENHANCED:
		take_enhanced(reader, table, bytes, length, false);
		break;
	case NB_PCAPNG_OBSOLETE:
		take_enhanced(reader, table, bytes, length, true);
		break;
	case NB_PCAPNG_SIMPLE:
		take_simple(reader, table, bytes, length);
		break;
	default:
		take_statistics(reader, bytes, length);
	}
}

/* Fixed part of a block that is read whole, trailer included; 0: the block is not needed. */
static uint32_t least_block(uint32_t type)
{
	switch (type) {
	case NB_PCAPNG_INTERFACE:
		return 20;
	case NB_PCAPNG_ENHANCED:
	case NB_PCAPNG_OBSOLETE:
		return NB_PCAPNG_PACKET_HEADER + NB_PCAPNG_TRAILER;
	case NB_PCAPNG_SIMPLE:
		return 16;
	case NB_PCAPNG_STATISTICS:
		return 24;
	default:
		return 0;
	}
}

/* --- how much is wanted ------------------------------------------------------------------------------------------ */

static size_t wanted_at_record(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t available)
{
	uint32_t captured;

	if (available < NB_PCAP_RECORD_HEADER)
		return NB_PCAP_RECORD_HEADER;
	captured = get32(reader, bytes + 8);
	return plausible(reader, captured) ? NB_PCAP_RECORD_HEADER + (size_t)captured : 0;
}

/* A section begins with its byte order, which everything else waits for. */
static size_t wanted_at_section(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t available)
{
	uint32_t length;

	if (available < NB_PCAPNG_SECTION_HEADER)
		return NB_PCAPNG_SECTION_HEADER;
	reader->swapped = nb_file_u32(bytes + 8, false) != NB_PCAPNG_BYTE_ORDER;
	if (get32(reader, bytes + 8) != NB_PCAPNG_BYTE_ORDER) {
		break_off(reader, "a pcapng section without a byte order (%02x %02x %02x %02x)", bytes[8], bytes[9],
			  bytes[10], bytes[11]);
		return 0;
	}
	length = get32(reader, bytes + 4);
	if (length % 4 != 0 || length < NB_PCAPNG_SECTION_HEADER + NB_PCAPNG_TRAILER) {
		break_off(reader, "a pcapng section header of %u bytes", length);
		return 0;
	}
	return NB_PCAPNG_SECTION_HEADER;
}

static size_t wanted_at_block(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t available)
{
	uint32_t length, least;

	if (available < NB_PCAPNG_BLOCK_HEADER)
		return NB_PCAPNG_BLOCK_HEADER;
	if (nb_file_u32(bytes, false) == NB_PCAPNG_SECTION)
		return wanted_at_section(reader, bytes, available);
	length = get32(reader, bytes + 4);
	least = least_block(get32(reader, bytes));
	if (length % 4 != 0 || length < NB_PCAPNG_BLOCK_HEADER + NB_PCAPNG_TRAILER || length < least) {
		break_off(reader, "a block of type %u and %u bytes", get32(reader, bytes), length);
		return 0;
	}
	if (least == 0)
		return NB_PCAPNG_BLOCK_HEADER;
	if (length > LARGEST_UNIT) {
		break_off(reader, "a block of type %u that claims to be %u bytes long (%u at most)",
			  get32(reader, bytes), length, LARGEST_UNIT);
		return 0;
	}
	return length;
}

/* Which kind of file is it? Return: bytes wanted, 0 when it is broken. */
static size_t wanted_at_file(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t available)
{
	uint32_t magic;

	if (available < 4)
		return 4;
	magic = nb_file_u32(bytes, false);
	if (magic == NB_PCAPNG_SECTION) {
		reader->state = AT_BLOCK;
		return wanted_at_block(reader, bytes, available);
	}
	reader->swapped = magic != NB_PCAP_MAGIC && magic != NB_PCAP_MAGIC_NANO;
	magic = nb_file_u32(bytes, reader->swapped);
	if (magic == NB_PCAP_MAGIC || magic == NB_PCAP_MAGIC_NANO)
		return NB_PCAP_HEADER;
	break_off(reader, "no capture file: it begins with %02x %02x %02x %02x, which is neither pcap nor pcapng",
		  bytes[0], bytes[1], bytes[2], bytes[3]);
	return 0;
}

static size_t wanted(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t available)
{
	switch (reader->state) {
	case AT_FILE:
		return wanted_at_file(reader, bytes, available);
	case AT_RECORD:
		return wanted_at_record(reader, bytes, available);
	case AT_BLOCK:
		return wanted_at_block(reader, bytes, available);
	case AT_TRAILER:
		return NB_PCAPNG_TRAILER;
	default:
		return 0;
	}
}

/* The unit that the reader stands at; all that was wanted of it is there. */
static void take_unit(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes)
{
	const uint32_t length = reader->state == AT_BLOCK ? get32(reader, bytes + 4) : 0;

	switch (reader->state) {
	case AT_FILE:
		take_pcap_header(reader, bytes);
		break;
	case AT_RECORD:
		take_pcap_record(reader, table, bytes);
		break;
	case AT_BLOCK:
		if (nb_file_u32(bytes, false) == NB_PCAPNG_SECTION) {
			take_section(reader, bytes);
			if (reader->state != BROKEN)
				skip_block(reader, NB_PCAPNG_SECTION_HEADER, length);
		} else if (least_block(get32(reader, bytes)) != 0) {
			take_block(reader, table, bytes, length);
		} else {
			reader->counts.other_blocks++;
			skip_block(reader, NB_PCAPNG_BLOCK_HEADER, length);
		}
		break;
	case AT_TRAILER:
		check_trailer(reader, bytes, reader->block_length);
		if (reader->state != BROKEN)
			reader->state = AT_BLOCK;
		break;
	case BROKEN:
		break;
	}
}

/* --- feeding ----------------------------------------------------------------------------------------------------- */

static void pass(struct nb_pcap_reader *reader, size_t length)
{
	reader->offset += length;
	if (reader->state != BROKEN)
		reader->counts.bytes = reader->offset;
}

/* One step on the piece that was fed. Return: bytes of it that are done with. */
static size_t step(struct nb_pcap_reader *reader, struct nb_table *table, const uint8_t *bytes, size_t length)
{
	const bool aside = reader->pending_length != 0;
	const size_t available = aside ? reader->pending_length : length;
	size_t want, copied;

	if (reader->skip != 0) {
		const size_t passed = reader->skip < length ? (size_t)reader->skip : length;

		reader->skip -= passed;
		pass(reader, passed);
		return passed;
	}
	want = wanted(reader, aside ? reader->pending : bytes, available);
	if (reader->state == BROKEN)
		return length;
	if (available >= want) {
		take_unit(reader, table, aside ? reader->pending : bytes);
		reader->pending_length = 0;
		if (reader->state == BROKEN)
			return length;
		pass(reader, want);
		return aside ? 0 : want;
	}
	copied = want - reader->pending_length < length ? want - reader->pending_length : length;
	memcpy(reader->pending + reader->pending_length, bytes, copied);
	reader->pending_length += copied;
	return copied;
}

bool nb_pcap_reader_feed(struct nb_pcap_reader *reader, const uint8_t *bytes, size_t length, struct nb_table *table)
{
	bool more;

	pthread_mutex_lock(&reader->lock);
	nb_table_lock(table);
	/* A unit that was completed by the last bytes is still to be taken: hence also with nothing left. */
	while (reader->state != BROKEN && (length > 0 || reader->pending_length != 0)) {
		const size_t before = reader->pending_length;
		const size_t done = step(reader, table, bytes, length);

		if (done == 0 && reader->pending_length == before && before != 0 && length == 0)
			break;
		bytes += done;
		length -= done;
	}
	nb_table_unlock(table);
	more = reader->state != BROKEN;
	pthread_mutex_unlock(&reader->lock);
	return more;
}

void nb_pcap_reader_finish(struct nb_pcap_reader *reader)
{
	pthread_mutex_lock(&reader->lock);
	if (reader->state == AT_FILE && reader->pending_length == 0)
		break_off(reader, "an empty file");
	else if (reader->state == AT_FILE)
		break_off(reader, "a file of %zu bytes, which is too short for a capture file", reader->pending_length);
	else if (reader->state == AT_TRAILER)
		break_off(reader, "the file ends within a block of %u bytes", reader->block_length);
	else if (reader->state != BROKEN && reader->pending_length != 0)
		break_off(reader, "the file ends within a %s, %zu bytes after it began",
			  reader->state == AT_RECORD ? "packet" : "block", reader->pending_length);
	pthread_mutex_unlock(&reader->lock);
}

void nb_pcap_reader_read(struct nb_pcap_reader *reader, struct nb_pcap_reader_counts *counts, char what[NB_PCAP_WHAT])
{
	pthread_mutex_lock(&reader->lock);
	*counts = reader->counts;
	memcpy(what, reader->what, sizeof(reader->what));
	pthread_mutex_unlock(&reader->lock);
}
