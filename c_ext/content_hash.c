/* SPDX-License-Identifier: MIT */
/* content_hash.c - a datagram in one number, by what it carries: the same wherever it is seen. */
#include "content_hash.h"

#include <endian.h>
#include <string.h>

/*
 * Theory of operation
 *
 * SipHash-1-3 (Aumasson, Bernstein; one round a word, three at the end). A hash that multiplies word by word has differences that
 * cancel out whatever its seed is (the highest bit of one word, and what it does to the next one), so a seed is no secret to it.
 */

struct state {
	uint64_t a, b, c, d;
};

static uint64_t rotated(uint64_t word, unsigned int bits)
{
	return word << bits | word >> (64 - bits);
}

static void stir(struct state *state)
{
	state->a += state->b;
	state->c += state->d;
	state->b = rotated(state->b, 13) ^ state->a;
	state->d = rotated(state->d, 16) ^ state->c;
	state->a = rotated(state->a, 32);
	state->c += state->b;
	state->a += state->d;
	state->b = rotated(state->b, 17) ^ state->c;
	state->d = rotated(state->d, 21) ^ state->a;
	state->c = rotated(state->c, 32);
}

static void take(struct state *state, uint64_t word)
{
	state->d ^= word;
	stir(state);
	state->a ^= word;
}

/* Eight bytes, or fewer with zeros behind them. */
static uint64_t word_of(const uint8_t *bytes, size_t length)
{
	uint64_t word = 0;

	memcpy(&word, bytes, length);
	return le64toh(word);
}

static void take_bytes(struct state *state, const uint8_t *bytes, size_t length)
{
	for (; length >= sizeof(uint64_t); bytes += sizeof(uint64_t), length -= sizeof(uint64_t))
		take(state, word_of(bytes, sizeof(uint64_t)));
	if (length > 0)
		take(state, word_of(bytes, length));
}

static uint32_t finish(struct state *state)
{
	uint64_t hash;

	state->c ^= 0xff;
	for (int round = 0; round < 3; round++)
		stir(state);
	hash = state->a ^ state->b ^ state->c ^ state->d;
	return (uint32_t)(hash ^ hash >> 32);
}

uint32_t nb_content_hash(uint32_t seed, const struct nb_packet *packet)
{
	const uint64_t keys[2] = { seed, seed * UINT64_C(0x9e3779b97f4a7c15) };
	const struct nb_flow *flow = &packet->flow;
	const uint32_t length = packet->payload_length < NB_CONTENT_BYTES ? packet->payload_length : NB_CONTENT_BYTES;
	struct state state = {
		.a = keys[0] ^ UINT64_C(0x736f6d6570736575),
		.b = keys[1] ^ UINT64_C(0x646f72616e646f6d),
		.c = keys[0] ^ UINT64_C(0x6c7967656e657261),
		.d = keys[1] ^ UINT64_C(0x7465646279746573),
	};

	take_bytes(&state, flow->source, sizeof(flow->source));
	take_bytes(&state, flow->destination, sizeof(flow->destination));
	take(&state, (uint64_t)flow->source_port << 32 | (uint64_t)flow->destination_port << 16 | flow->family);
	take_bytes(&state, packet->payload, length);
	take(&state, (uint64_t)length << 32 | packet->datagram_length);
	return finish(&state);
}
