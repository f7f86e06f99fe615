/* SPDX-License-Identifier: MIT */
/* probe.c - the test packet: what a datagram of ours carries, encoded and decoded. */
#include "probe.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define CHECKED_BYTES 40
#define CHECK_SEED UINT64_C(0x6e657462656e6368) /* "netbench" */
#define CHECK_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static void put16(uint8_t *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

static uint16_t get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return be16toh(value);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return be64toh(value);
}

/*
 * Against damage and chance, not against forgers. Every step can be undone (xor, odd factor, xor-shift), so whatever
 * goes wrong within one 8-byte word is always noticed, and anything else but once in 2^64.
 */
static uint64_t check_of(const uint8_t *buffer)
{
	uint64_t check = CHECK_SEED;

	for (size_t offset = 0; offset < CHECKED_BYTES; offset += 8) {
		check = (check ^ get64(buffer + offset)) * CHECK_FACTOR;
		check ^= check >> 32;
	}
	return check;
}

int nb_probe_encode(uint8_t *buffer, size_t size, const struct nb_probe *probe)
{
	if (size < NB_PROBE_LENGTH)
		return -ENOSPC;

	put32(buffer, NB_PROBE_MAGIC);
	buffer[4] = NB_PROBE_VERSION;
	buffer[5] = 0;
	put16(buffer + 6, NB_PROBE_LENGTH);
	put32(buffer + 8, probe->session);
	put32(buffer + 12, probe->stream);
	put64(buffer + 16, probe->sequence);
	put64(buffer + 24, (uint64_t)probe->scheduled_ns);
	put64(buffer + 32, (uint64_t)probe->sent_ns);
	put64(buffer + 40, check_of(buffer));
	return 0;
}

int nb_probe_decode(const uint8_t *buffer, size_t size, struct nb_probe *probe)
{
	if (size < NB_PROBE_LENGTH || get32(buffer) != NB_PROBE_MAGIC)
		return -ENODATA;
	if (buffer[4] != NB_PROBE_VERSION) /* before the check, which another version may compute otherwise */
		return -EPROTO;
	if (get64(buffer + 40) != check_of(buffer) || get16(buffer + 6) != NB_PROBE_LENGTH)
		return -EBADMSG;

	probe->session = get32(buffer + 8);
	probe->stream = get32(buffer + 12);
	probe->sequence = get64(buffer + 16);
	probe->scheduled_ns = (int64_t)get64(buffer + 24);
	probe->sent_ns = (int64_t)get64(buffer + 32);
	return 0;
}
