/* SPDX-License-Identifier: MIT */
/* capture_file.c - what pcapng's options say: an interface's clock, and what the capturing program lost. */
#include "capture_file.h"

#define OPTION_HEADER 4
#define OPTION_END 0
#define IF_TSRESOL 9
#define IF_TSOFFSET 14
#define ISB_IFDROP 5
#define ISB_OSDROP 7
#define MICROSECONDS 6
#define POWER_OF_TWO 0x80

#define NS_PER_S INT64_C(1000000000)

/* Walks the options of a block. */
struct options {
	const uint8_t *at;
	const uint8_t *end;
	bool swapped;
};

struct option {
	uint16_t code;
	uint16_t length;
	const uint8_t *value;
};

static bool next_option(struct options *options, struct option *option)
{
	const size_t left = (size_t)(options->end - options->at);
	size_t padded;

	if (left < OPTION_HEADER)
		return false;
	option->code = nb_file_u16(options->at, options->swapped);
	option->length = nb_file_u16(options->at + 2, options->swapped);
	option->value = options->at + OPTION_HEADER;
	padded = ((size_t)option->length + 3) & ~(size_t)3;
	if (option->code == OPTION_END || padded > left - OPTION_HEADER)
		return false;
	options->at += OPTION_HEADER + padded;
	return true;
}

/* Nanoseconds of one unit, at least 1. */
static int64_t resolution_of(uint8_t unit)
{
	const unsigned int power = unit & (POWER_OF_TWO - 1);
	int64_t resolution_ns = NS_PER_S;

	if ((unit & POWER_OF_TWO) != 0)
		resolution_ns = power < 30 ? NS_PER_S >> power : 1;
	else
		for (unsigned int i = 0; i < power && resolution_ns > 1; i++)
			resolution_ns /= 10;
	return resolution_ns;
}

void nb_interface_read(struct nb_capture_interface *interface, const uint8_t *block, uint32_t length, bool swapped)
{
	struct options options = { .at = block + 16, .end = block + length - NB_PCAPNG_TRAILER, .swapped = swapped };
	struct option option;

	interface->link_type = nb_file_u16(block + 8, swapped);
	interface->snapshot_bytes = nb_file_u32(block + 12, swapped);
	interface->unit = MICROSECONDS;
	interface->offset_s = 0;
	interface->drops = 0;
	while (next_option(&options, &option)) {
		if (option.code == IF_TSRESOL && option.length == 1)
			interface->unit = option.value[0];
		else if (option.code == IF_TSOFFSET && option.length == 8)
			interface->offset_s = (int64_t)nb_file_u64(option.value, swapped);
	}
	interface->resolution_ns = resolution_of(interface->unit);
}

int64_t nb_interface_time(const struct nb_capture_interface *interface, uint64_t units)
{
	const unsigned int power = interface->unit & (POWER_OF_TWO - 1);
	__int128 time_ns = units;

	/* units < 2^64 and 10^9 < 2^30, so no product passes 2^94; the offset's stays below 2^93. */
	if ((interface->unit & POWER_OF_TWO) != 0)
		time_ns = time_ns * NS_PER_S >> power;
	else if (power <= 9)
		for (unsigned int i = power; i < 9; i++)
			time_ns *= 10;
	else
		for (unsigned int i = 9; i < power && time_ns != 0; i++)
			time_ns /= 10;
	time_ns += (__int128)interface->offset_s * NS_PER_S;
	if (time_ns > INT64_MAX)
		return INT64_MAX;
	return time_ns < INT64_MIN ? INT64_MIN : (int64_t)time_ns;
}

bool nb_statistics_drops(const uint8_t *block, uint32_t length, bool swapped, uint64_t *drops)
{
	struct options options = { .at = block + 20, .end = block + length - NB_PCAPNG_TRAILER, .swapped = swapped };
	struct option option;
	bool told = false;

	*drops = 0;
	while (next_option(&options, &option)) {
		if ((option.code != ISB_IFDROP && option.code != ISB_OSDROP) || option.length != 8)
			continue;
		*drops += nb_file_u64(option.value, swapped);
		told = true;
	}
	return told;
}
