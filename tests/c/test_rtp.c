/* SPDX-License-Identifier: MIT */
/* test_rtp.c - RTP headers, whole and lying; the clocks of payload types; media time as nanoseconds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rtp.h"

#define S INT64_C(1000000000)

/* Version 2, payload type 33 with marker, sequence 0x1234, time 0x01020304, SSRC 0xa0b0c0d0, three bytes. */
static const uint8_t plain[] = { 0x80, 0xa1, 0x12, 0x34, 1, 2, 3, 4, 0xa0, 0xb0, 0xc0, 0xd0, 7, 8, 9 };

static void test_a_plain_header(void **state)
{
	struct nb_rtp rtp;

	(void)state;
	assert_int_equal(nb_rtp_parse(plain, sizeof(plain), &rtp), 0);
	assert_int_equal(rtp.payload_type, 33);
	assert_true(rtp.marker);
	assert_int_equal(rtp.sequence, 0x1234);
	assert_int_equal(rtp.timestamp, 0x01020304);
	assert_int_equal(rtp.ssrc, 0xa0b0c0d0);
	assert_ptr_equal(rtp.payload, plain + 12);
	assert_int_equal(rtp.payload_length, 3);
}

static void test_sources_extension_and_padding_are_skipped(void **state)
{
	/* X, P, two CSRCs; an extension of one word; payload aa bb; padding of 3 */
	static const uint8_t bytes[] = { 0xb2, 96, 0, 1,    0,    0, 0, 0, 0, 0, 0, 1,    1,    1, 1, 1, 2,
					 2,    2,  2, 0xbe, 0xde, 0, 1, 5, 5, 5, 5, 0xaa, 0xbb, 0, 0, 3 };
	struct nb_rtp rtp;

	(void)state;
	assert_int_equal(nb_rtp_parse(bytes, sizeof(bytes), &rtp), 0);
	assert_ptr_equal(rtp.payload, bytes + 28);
	assert_int_equal(rtp.payload_length, 2);
	for (size_t length = 0; length < 28; length++)
		assert_int_equal(nb_rtp_parse(bytes, length, &rtp), -ENODATA);
}

static void refuse(size_t at, uint8_t value)
{
	uint8_t bytes[sizeof(plain)];
	struct nb_rtp rtp;

	memcpy(bytes, plain, sizeof(plain));
	bytes[at] = value;
	assert_int_equal(nb_rtp_parse(bytes, sizeof(bytes), &rtp), -ENODATA);
}

static void test_what_cannot_be_rtp(void **state)
{
	(void)state;
	refuse(0, 0x40); /* version 1 */
	refuse(0, 0xc0);
	refuse(0, 0x81); /* a CSRC that is not there */
	refuse(0, 0x90); /* an extension that is not there */
	refuse(0, 0xa0); /* padding of 9 in a payload of 3 */
	for (uint8_t type = 200; type <= 204; type++)
		refuse(1, type); /* RTCP */
}

static void test_clocks(void **state)
{
	(void)state;
	assert_int_equal(nb_rtp_clock_hz(0), 8000);
	assert_int_equal(nb_rtp_clock_hz(9), 8000);
	assert_int_equal(nb_rtp_clock_hz(6), 16000);
	assert_int_equal(nb_rtp_clock_hz(11), 44100);
	assert_int_equal(nb_rtp_clock_hz(14), 90000);
	assert_int_equal(nb_rtp_clock_hz(16), 11025);
	assert_int_equal(nb_rtp_clock_hz(17), 22050);
	assert_int_equal(nb_rtp_clock_hz(33), 90000);
	assert_int_equal(nb_rtp_clock_hz(96), 90000);
}

static void test_media_time_goes_on_through_its_wrap_and_back(void **state)
{
	struct nb_media_line line = { .begun = false };

	(void)state;
	assert_int_equal(nb_media_line_ns(&line, UINT32_MAX - 89999, 90000, 5 * S), 5 * S);
	assert_int_equal(nb_media_line_ns(&line, 0, 90000, 6 * S), 6 * S);
	assert_int_equal(nb_media_line_ns(&line, 45000, 90000, 7 * S), 6 * S + S / 2);
	assert_int_equal(nb_media_line_ns(&line, UINT32_MAX - 44999, 90000, 8 * S), 5 * S + S / 2); /* late */
	assert_int_equal(nb_media_line_ns(&line, 90000, 90000, 8 * S), 7 * S);
}

static void test_an_odd_clock_does_not_drift(void **state)
{
	struct nb_media_line line = { .begun = false };

	(void)state;
	nb_media_line_ns(&line, 0, 11025, 0);
	for (uint32_t i = 1; i <= 11025 * 10; i++) /* a tick is 90702.947... ns */
		assert_int_equal(nb_media_line_ns(&line, i, 11025, 0), (int64_t)i * S / 11025);
}

static void test_does_it_continue(void **state)
{
	struct nb_media_line line = { .begun = false };

	(void)state;
	assert_false(nb_media_line_continues(&line, 0, 0));
	nb_media_line_ns(&line, 1000, 90000, 10 * S);
	assert_true(nb_media_line_continues(&line, 1000 + 20 * 90000, 30 * S));
	assert_true(nb_media_line_continues(&line, 1000 + 20 * 90000, 31 * S)); /* one second off */
	assert_false(nb_media_line_continues(&line, 1000 + 20 * 90000, 31 * S + 1));
	assert_false(nb_media_line_continues(&line, 1000 + 20 * 90000, 29 * S - 1));
}

static void test_a_restart_keeps_the_distance(void **state)
{
	struct nb_media_line line = { .begun = false };

	(void)state;
	nb_media_line_ns(&line, 0, 90000, 10 * S);
	assert_int_equal(nb_media_line_ns(&line, 90000, 90000, 11 * S + 7), 11 * S); /* 7 ns on its way */
	nb_media_line_restart(&line, 777, 20 * S);
	assert_int_equal(nb_media_line_ns(&line, 777, 90000, 20 * S), 20 * S - 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_header),
		cmocka_unit_test(test_sources_extension_and_padding_are_skipped),
		cmocka_unit_test(test_what_cannot_be_rtp),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_media_time_goes_on_through_its_wrap_and_back),
		cmocka_unit_test(test_an_odd_clock_does_not_drift),
		cmocka_unit_test(test_does_it_continue),
		cmocka_unit_test(test_a_restart_keeps_the_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
