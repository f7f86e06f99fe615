/* SPDX-License-Identifier: MIT */
/* payload_list.h - the UDP payloads of a capture with their stamps, kept to be sent again. */
#ifndef NB_PAYLOAD_LIST_H
#define NB_PAYLOAD_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"
#include "status.h"

/* A payload that a UDP datagram over IPv4 can have. */
#define NB_PAYLOAD_LONGEST 65507

/* Each datagram that was offered counts once: as kept, unstamped, too_long or beyond. */
struct nb_payload_counts {
	uint64_t kept;
	uint64_t cut;       /* of those: the capture held only a part, and zeros stand for the rest */
	uint64_t unstamped; /* without a time, so there is none at which to send it */
	uint64_t too_long;  /* for IPv4 */
	uint64_t beyond;    /* there was no room left, or no memory */
};

struct nb_payload_list; /* opaque */

/* What is kept, in the order of the file; lent until the next is added. Payload i ends before byte ends[i] of bytes. */
struct nb_payload_view {
	const uint8_t *bytes;
	const uint64_t *ends;
	const int64_t *stamps_ns;
	uint64_t byte_count;
	uint64_t count;
};

/* @most_bytes: of all payloads together, at least 1. */
int nb_payload_list_create(struct nb_payload_list **list, uint64_t most_bytes, struct nb_error *error);
void nb_payload_list_destroy(struct nb_payload_list *list);
/* The payload is copied. Once one was beyond, all that follow are: what is kept has no holes. */
void nb_payload_list_add(struct nb_payload_list *list, const struct nb_packet *packet, bool stamped);
void nb_payload_list_view(const struct nb_payload_list *list, struct nb_payload_view *view);
void nb_payload_list_read(const struct nb_payload_list *list, struct nb_payload_counts *counts);

#endif
