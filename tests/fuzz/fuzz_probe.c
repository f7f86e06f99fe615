/* SPDX-License-Identifier: MIT */
/* fuzz_probe.c - the payload of any datagram: decoding it is safe, and what is accepted encodes to the same bytes. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void decode_as_received(const uint8_t *data, size_t size)
{
	uint8_t again[NB_PROBE_LENGTH];
	struct nb_probe probe;
	int code = nb_probe_decode(data, size, &probe);

	require(code == 0 || code == -ENODATA || code == -EPROTO || code == -EBADMSG);
	if (code)
		return;
	require(nb_probe_encode(again, sizeof(again), &probe) == 0);
	again[5] = data[5]; /* flags: reserved, not looked at; the check covers them */
	require(memcmp(again, data, 40) == 0);
}

/* The check keeps a fuzzer out: whatever fields it likes are given a right one here. */
static void encode_and_decode(const uint8_t *data, size_t size)
{
	uint8_t buffer[NB_PROBE_LENGTH + 16];
	struct nb_probe probe, decoded;

	if (size < sizeof(probe))
		return;
	memcpy(&probe, data, sizeof(probe));
	require(nb_probe_encode(buffer, size % sizeof(buffer), &probe) ==
		(size % sizeof(buffer) < NB_PROBE_LENGTH ? -ENOSPC : 0));
	require(nb_probe_encode(buffer, sizeof(buffer), &probe) == 0);
	require(nb_probe_decode(buffer, sizeof(buffer), &decoded) == 0);
	require(decoded.session == probe.session && decoded.stream == probe.stream &&
		decoded.sequence == probe.sequence && decoded.scheduled_ns == probe.scheduled_ns &&
		decoded.sent_ns == probe.sent_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode_as_received(data, size);
	encode_and_decode(data, size);
	return 0;
}
