/* SPDX-License-Identifier: MIT */
/* payload_list.c - the UDP payloads of a capture with their stamps, kept to be sent again. */
#include "payload_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Arrays grow by half: what they take is at most 1.5 times what they hold, and copied about three times in all. */
#define FIRST_BYTES (UINT64_C(1) << 16)
#define FIRST_PAYLOADS 64

struct nb_payload_list {
	uint64_t most_bytes;
	uint8_t *bytes; /* Owned. */
	uint64_t byte_count, byte_room;
	uint64_t *ends;     /* Owned. payload_room, as stamps_ns */
	int64_t *stamps_ns; /* Owned. */
	uint64_t payload_room;
	struct nb_payload_counts counts;
};

int nb_payload_list_create(struct nb_payload_list **list, uint64_t most_bytes, struct nb_error *error)
{
	struct nb_payload_list *created;

	if (most_bytes == 0)
		return nb_fail(error, -EINVAL, "keep 0 bytes of payloads");
	created = calloc(1, sizeof(*created));
	if (!created)
		return nb_fail(error, -ENOMEM, "allocate a list of payloads");
	created->most_bytes = most_bytes;
	*list = created;
	return 0;
}

void nb_payload_list_destroy(struct nb_payload_list *list)
{
	if (!list)
		return;
	free(list->stamps_ns);
	free(list->ends);
	free(list->bytes);
	free(list);
}

static bool make_room_for_bytes(struct nb_payload_list *list, uint64_t more)
{
	uint64_t room = list->byte_room > 0 ? list->byte_room : FIRST_BYTES;
	uint8_t *bytes;

	if (more > list->most_bytes || list->byte_count > list->most_bytes - more)
		return false;
	while (room < list->byte_count + more)
		room += room / 2;
	if (room == list->byte_room)
		return true;
	bytes = realloc(list->bytes, room);
	if (!bytes)
		return false;
	list->bytes = bytes;
	list->byte_room = room;
	return true;
}

static bool make_room_for_payload(struct nb_payload_list *list)
{
	uint64_t room = list->payload_room > 0 ? list->payload_room + list->payload_room / 2 : FIRST_PAYLOADS;
	uint64_t *ends;
	int64_t *stamps_ns;

	if (list->counts.kept < list->payload_room)
		return true;
	ends = realloc(list->ends, room * sizeof(*ends));
	if (ends)
		list->ends = ends;
	stamps_ns = realloc(list->stamps_ns, room * sizeof(*stamps_ns));
	if (stamps_ns)
		list->stamps_ns = stamps_ns;
	if (!ends || !stamps_ns)
		return false;
	list->payload_room = room;
	return true;
}

void nb_payload_list_add(struct nb_payload_list *list, const struct nb_packet *packet, bool stamped)
{
	/* The capture may hold more than the datagram: a link's padding. */
	const uint32_t length = packet->datagram_length;
	const uint32_t held = packet->payload_length < length ? packet->payload_length : length;

	if (!stamped) {
		list->counts.unstamped++;
		return;
	}
	if (length > NB_PAYLOAD_LONGEST) {
		list->counts.too_long++;
		return;
	}
	if (list->counts.beyond > 0 || !make_room_for_bytes(list, length) || !make_room_for_payload(list)) {
		list->counts.beyond++;
		return;
	}
	if (held > 0)
		memcpy(list->bytes + list->byte_count, packet->payload, held);
	memset(list->bytes + list->byte_count + held, 0, length - held);
	list->byte_count += length;
	list->ends[list->counts.kept] = list->byte_count;
	list->stamps_ns[list->counts.kept] = packet->received_ns;
	list->counts.kept++;
	list->counts.cut += held < length;
}

void nb_payload_list_view(const struct nb_payload_list *list, struct nb_payload_view *view)
{
	*view = (struct nb_payload_view){
		.bytes = list->bytes,
		.ends = list->ends,
		.stamps_ns = list->stamps_ns,
		.byte_count = list->byte_count,
		.count = list->counts.kept,
	};
}

void nb_payload_list_read(const struct nb_payload_list *list, struct nb_payload_counts *counts)
{
	*counts = list->counts;
}
