/* SPDX-License-Identifier: MIT */
/* fuzz_stamped_frame.c - any frame with any stamps: nothing beyond it is read, it is of one kind, and the counts of its series balance. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stamp_series.h"
#include "stamped_frame.h"

/* The input is frames, each behind a header: how long it is, how it was cut, its EtherType, its two stamps. */
#define HEADER_BYTES 20

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_series(const struct nb_stamp_series *series)
{
	struct nb_stamp_counts counts;

	nb_stamp_series_read(series, &counts);
	require(counts.hardware <= counts.packets && counts.kernel <= counts.packets);
	require(counts.compared <= counts.hardware && counts.equal_kernel <= counts.hardware);
	require(counts.backward + counts.repeated <= counts.compared);
	require(!counts.rate_known || counts.rate_span_ns >= NB_STAMP_RATE_SPAN_NS);
}

/* A copy of exactly its size, so that the sanitizer sees what is read beyond it. */
static enum nb_stamped_kind kind_of(uint16_t type, const uint8_t *bytes, size_t length, size_t wire, uint64_t *flow)
{
	static const uint8_t sender[8] = { 2, 0, 0, 0, 0, 1 };
	uint8_t *copy = malloc(length ? length : 1);
	enum nb_stamped_kind kind;

	require(copy);
	memcpy(copy, bytes, length);
	kind = nb_stamped_kind_of(type, sender, copy, length, wire, flow);
	free(copy);
	require(kind < NB_STAMPED_ALL);
	require((type == 0x88f7) == (kind == NB_STAMPED_PTP_ETHERNET));
	return kind;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nb_stamp_series series[NB_STAMPED_KINDS];
	uint64_t counted = 0;

	memset(series, 0, sizeof(series));
	while (size >= HEADER_BYTES) {
		const size_t length = data[0] < size - HEADER_BYTES ? data[0] : size - HEADER_BYTES;
		const size_t cut = data[1] & 1 ? 1000 : 0;
		int64_t hardware_ns, kernel_ns;
		enum nb_stamped_kind kind;
		uint64_t flow;

		memcpy(&hardware_ns, data + 4, sizeof(hardware_ns));
		memcpy(&kernel_ns, data + 12, sizeof(kernel_ns));
		kind = kind_of((uint16_t)(data[2] << 8 | data[3]), data + HEADER_BYTES, length, length + cut, &flow);
		nb_stamp_series_add(&series[kind], flow, hardware_ns, kernel_ns);
		nb_stamp_series_add(&series[NB_STAMPED_ALL], flow, hardware_ns, kernel_ns);
		data += HEADER_BYTES + length;
		size -= HEADER_BYTES + length;
		counted++;
	}
	for (int kind = 0; kind < NB_STAMPED_KINDS; kind++)
		check_series(&series[kind]);
	require(series[NB_STAMPED_ALL].counts.packets == counted);
	return 0;
}
