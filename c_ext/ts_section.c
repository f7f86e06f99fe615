/* SPDX-License-Identifier: MIT */
/* ts_section.c - a PSI section put together from the packets of its PID (ISO/IEC 13818-1 section 2.4.4). */
#include "ts_section.h"

#include <string.h>

#define LENGTH_AT 3 /* table_id, and the 12 bits of what follows them */

static size_t take(struct nb_ts_section *section, const uint8_t *bytes, size_t length, size_t up_to)
{
	size_t taken = up_to - section->have;

	if (taken > length)
		taken = length;
	memcpy(section->bytes + section->have, bytes, taken);
	section->have = (uint16_t)(section->have + taken);
	return taken;
}

bool nb_ts_section_add(struct nb_ts_section *section, const uint8_t *bytes, size_t length, size_t *used)
{
	size_t whole;

	*used = 0;
	if (section->have < LENGTH_AT) {
		*used = take(section, bytes, length, LENGTH_AT);
		if (section->have < LENGTH_AT)
			return false;
	}
	whole = LENGTH_AT + (size_t)((section->bytes[1] & 0x0f) << 8 | section->bytes[2]);
	if (whole > NB_TS_SECTION_BYTES) {
		section->active = false;
		*used = length;
		return false;
	}
	*used += take(section, bytes + *used, length - *used, whole);
	if (section->have < whole)
		return false;
	section->active = false;
	return true;
}
