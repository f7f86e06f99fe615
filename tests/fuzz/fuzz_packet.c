/* SPDX-License-Identifier: MIT */
/* fuzz_packet.c - any frame: parsing reads nothing beyond it, and the payload that it finds lies inside. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packet.h"

static void require(int condition)
{
	if (!condition)
		abort();
}

static void parse(const uint8_t *data, size_t size, size_t wire)
{
	static const uint8_t zeros[12] = { 0 };
	struct nb_packet packet;
	int code = nb_frame_parse(data, size, wire, &packet);

	require(code == 0 || code == -ENOMSG || code == -EBADMSG);
	if (code)
		return;
	require(packet.payload >= data && packet.payload + packet.payload_length <= data + size);
	require(packet.payload_length <= packet.datagram_length);
	require(packet.datagram_length <= 65535 - 8);
	require(packet.flow.family == 4 || packet.flow.family == 6);
	if (packet.flow.family == 4)
		require(!memcmp(packet.flow.source + 4, zeros, 12) && !memcmp(packet.flow.destination + 4, zeros, 12));
}

/* Captured whole, and cut short of a frame as long as there can be. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse(data, size, size);
	parse(data, size, SIZE_MAX);
	return 0;
}
