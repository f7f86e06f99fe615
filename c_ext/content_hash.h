/* SPDX-License-Identifier: MIT */
/* content_hash.h - a datagram in one number, by what it carries: the same wherever it is seen. */
#ifndef NB_CONTENT_HASH_H
#define NB_CONTENT_HASH_H

#include <stdint.h>

#include "packet.h"

/*
 * Of a payload, only so much counts: what the first fragment of a datagram holds on Ethernet. A capture sees that fragment or a
 * whole jumbo frame, an application the whole datagram or what its buffer holds of it; all of them see this much.
 */
#define NB_CONTENT_BYTES 1472u

/**
 * nb_content_hash() - Of flow, payload and length.
 * @seed: whoever does not know it cannot make two packets that have one hash
 * @packet: flow, payload, payload_length and datagram_length count
 *
 * Return: equal for equal packets, whatever the machine; for different ones by chance only, once in 2^32
 */
uint32_t nb_content_hash(uint32_t seed, const struct nb_packet *packet);

#endif
