/* SPDX-License-Identifier: MIT */
/* test_ts_monitor.c - continuity by ISO 13818-1, TR 101 290 first priority, PCR: cases worked out on paper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mpegts.h"
#include "ts_monitor.h"
#include "ts_mux.h"

#define MS INT64_C(1000000)
#define START INT64_C(1700000000000000000)
#define PID 256

#define PAYLOAD 0x10
#define ADAPTATION 0x20
#define DISCONTINUITY 0x80
#define PCR 0x10

/* A monitor, and the time at which packets reach it. */
struct lab {
	struct nb_ts_monitor *monitor;
	int64_t now_ns;
	uint8_t packet[NB_TS_PACKET];
};

static void begin(struct lab *lab)
{
	assert_int_equal(nb_ts_monitor_create(&lab->monitor, NULL), 0);
	lab->now_ns = START;
}

static void feed(struct lab *lab)
{
	nb_ts_monitor_datagram(lab->monitor, lab->packet, 1, lab->now_ns, true);
}

static struct nb_ts_counts end(struct lab *lab)
{
	struct nb_ts_counts counts;

	nb_ts_monitor_read(lab->monitor, &counts);
	nb_ts_monitor_destroy(lab->monitor);
	return counts;
}

/* @content: what the payload is filled with, so that packets differ. */
static void make(struct lab *lab, uint16_t pid, uint8_t control, uint8_t counter, uint8_t content)
{
	memset(lab->packet, content, NB_TS_PACKET);
	lab->packet[0] = NB_TS_SYNC;
	lab->packet[1] = (uint8_t)(pid >> 8);
	lab->packet[2] = (uint8_t)pid;
	lab->packet[3] = (uint8_t)(control | (counter & 0x0f));
	if (control & ADAPTATION) {
		lab->packet[4] = control & PAYLOAD ? 7 : 183;
		memset(lab->packet + 5, 0, 7);
	}
}

static void payload(struct lab *lab, uint16_t pid, uint8_t counter, uint8_t content)
{
	make(lab, pid, PAYLOAD, counter, content);
	feed(lab);
}

static void check_continuity(struct lab *lab, uint64_t errors, uint64_t lost, uint64_t duplicates)
{
	struct nb_ts_counts counts = end(lab);

	assert_int_equal(counts.cc_errors, errors);
	assert_int_equal(counts.ts_lost_estimate, lost);
	assert_int_equal(counts.duplicates, duplicates);
}

static void test_counters_go_up_by_one_per_pid(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	for (uint8_t i = 0; i < 100; i++) {
		payload(&lab, PID, i, i);
		payload(&lab, PID + 1, (uint8_t)(3 + i), i);
		payload(&lab, NB_TS_PID_NULL, 5, i); /* whatever it is */
	}
	check_continuity(&lab, 0, 0, 0);
}

/* 0, 1, then 5: 2, 3 and 4 are missing; then 5 + 16 - 1 = 4: that is 14 later than 6 (modulo 16). */
static void test_a_gap_is_one_event_and_its_length_an_estimate(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 1, 1);
	payload(&lab, PID, 5, 2);
	payload(&lab, PID, 4, 3);
	check_continuity(&lab, 2, 3 + 14, 0);
}

static void test_one_exact_copy_is_legal(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 1, 1);
	check_continuity(&lab, 0, 0, 1);

	begin(&lab); /* a second one is not */
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 1, 1);
	check_continuity(&lab, 1, 0, 2);

	begin(&lab); /* the same counter, but other bytes: 15 are missing */
	payload(&lab, PID, 0, 0);
	payload(&lab, PID, 0, 1);
	payload(&lab, PID, 1, 1);
	check_continuity(&lab, 1, 15, 0);
}

static void test_a_copy_may_have_another_clock(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	for (uint8_t i = 0; i < 2; i++) {
		make(&lab, PID, PAYLOAD | ADAPTATION, 4, 9);
		lab.packet[5] = PCR;
		lab.packet[9] = i; /* its lowest bits */
		feed(&lab);
	}
	check_continuity(&lab, 0, 0, 1);
}

static void test_packets_without_payload_do_not_count(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 7, 0);
	make(&lab, PID, ADAPTATION, 7, 0);
	feed(&lab);
	feed(&lab);
	payload(&lab, PID, 8, 0);
	make(&lab, PID, 0, 3, 0); /* reserved: to be discarded */
	feed(&lab);
	payload(&lab, PID, 9, 0);
	check_continuity(&lab, 0, 0, 0);
}

static void test_a_discontinuity_that_is_announced_is_none(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 7, 0);
	make(&lab, PID, PAYLOAD | ADAPTATION, 12, 0);
	lab.packet[5] = DISCONTINUITY;
	feed(&lab);
	payload(&lab, PID, 13, 0);
	make(&lab, PID, ADAPTATION, 2, 0); /* and without payload: the next is one above */
	lab.packet[5] = DISCONTINUITY;
	feed(&lab);
	payload(&lab, PID, 3, 0);
	check_continuity(&lab, 0, 0, 0);
}

static void test_a_transport_error_is_not_believed(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 1, 0);
	make(&lab, PID, PAYLOAD, 9, 0);
	lab.packet[1] |= 0x80;
	feed(&lab);
	payload(&lab, PID, 2, 0);
	counts = end(&lab);
	assert_int_equal(counts.transport_errors, 1);
	assert_int_equal(counts.cc_errors, 0);
}

static void test_sync_is_lost_by_two_and_regained_by_five(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 0, 0);
	make(&lab, PID, PAYLOAD, 1, 0);
	lab.packet[0] = 0;
	feed(&lab); /* one: an error, and a packet that is missing */
	payload(&lab, PID, 2, 0);
	make(&lab, PID, PAYLOAD, 3, 0);
	lab.packet[0] = 0;
	for (int i = 0; i < 7; i++)
		feed(&lab); /* the second of them loses it; the others mean nothing */
	for (uint8_t i = 0; i < 4; i++)
		payload(&lab, PID, (uint8_t)(9 * i), i); /* not looked at yet */
	payload(&lab, PID, 3, 0); /* the fifth: continuity begins anew */
	payload(&lab, PID, 4, 0);
	counts = end(&lab);
	assert_int_equal(counts.packets, 1 + 1 + 1 + 7 + 4 + 2);
	assert_int_equal(counts.sync_byte_errors, 3);
	assert_int_equal(counts.sync_losses, 1);
	assert_int_equal(counts.cc_errors, 1);
	assert_int_equal(counts.ts_lost_estimate, 1);
}

/* --- tables ------------------------------------------------------------------------------------------------------- */

static void pat_after(struct lab *lab, int64_t after_ns, uint8_t counter)
{
	lab->now_ns += after_ns;
	nb_ts_write_pat(lab->packet);
	nb_ts_set_counter(lab->packet, counter);
	feed(lab);
}

static void pmt_after(struct lab *lab, int64_t after_ns, uint8_t counter)
{
	lab->now_ns += after_ns;
	nb_ts_write_pmt(lab->packet);
	nb_ts_set_counter(lab->packet, counter);
	feed(lab);
}

static void test_tables_are_due_twice_a_second(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	pat_after(&lab, 0, 0);
	pmt_after(&lab, 0, 0);
	pat_after(&lab, 500 * MS, 1); /* just in time */
	pmt_after(&lab, 0, 1);
	pat_after(&lab, 500 * MS + 1, 2); /* late */
	nb_ts_monitor_read(lab.monitor, &counts);
	assert_int_equal(counts.pmt_errors, 1); /* overdue, while it has not come */
	pmt_after(&lab, 100 * MS, 2);
	lab.now_ns += 500 * MS;
	payload(&lab, NB_TS_PID_NULL, 0, 0); /* the PAT is overdue again */
	counts = end(&lab);
	assert_int_equal(counts.pat_errors, 2);
	assert_int_equal(counts.pmt_errors, 1);
	assert_int_equal(counts.pat_interval_max_ns, 500 * MS + 1);
	assert_int_equal(counts.pmt_interval_max_ns, 600 * MS + 1);
	assert_int_equal(counts.programs, 1);
	assert_int_equal(counts.crc_errors, 0);
	assert_int_equal(counts.cc_errors, 0);
}

static void test_a_stream_without_a_pat(void **state)
{
	struct lab lab;

	(void)state;
	begin(&lab);
	payload(&lab, PID, 0, 0);
	lab.now_ns += 501 * MS;
	payload(&lab, PID, 1, 0);
	lab.now_ns += 5000 * MS; /* one error, however long */
	payload(&lab, PID, 2, 0);
	assert_int_equal(end(&lab).pat_errors, 1);
}

static void test_wrong_and_scrambled_tables(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	pat_after(&lab, 0, 0);
	nb_ts_write_pat(lab.packet);
	nb_ts_set_counter(lab.packet, 1);
	lab.packet[5] = 0x42; /* its table_id */
	feed(&lab);
	nb_ts_write_pat(lab.packet);
	nb_ts_set_counter(lab.packet, 2);
	lab.packet[3] |= 0x80;
	feed(&lab);
	nb_ts_write_pat(lab.packet);
	nb_ts_set_counter(lab.packet, 3);
	lab.packet[14] ^= 1;
	feed(&lab);
	pmt_after(&lab, 0, 0);
	nb_ts_write_pmt(lab.packet);
	nb_ts_set_counter(lab.packet, 1);
	lab.packet[3] |= 0xc0;
	feed(&lab);
	counts = end(&lab);
	assert_int_equal(counts.pat_errors, 2);
	assert_int_equal(counts.crc_errors, 1);
	assert_int_equal(counts.pmt_errors, 1);
}

/* The PMT of ts_mux.c names the probe's PID, and the clock's for the PCR. */
static void test_a_pid_that_is_named_is_due_every_five_seconds(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;
	uint8_t counter = 0;

	(void)state;
	begin(&lab);
	for (; counter < 26; counter++) { /* 400 ms each: 10 s */
		pat_after(&lab, counter ? 200 * MS : 0, counter);
		pmt_after(&lab, counter ? 200 * MS : 0, counter);
		if (counter <= 12)
			payload(&lab, NB_TS_PID_PROBE, counter, counter); /* last at 4.8 s */
	}
	nb_ts_monitor_read(lab.monitor, &counts);
	assert_int_equal(counts.pid_errors, 2); /* the clock never came; the probe not since 5.2 s */
	payload(&lab, NB_TS_PID_PROBE, 13, 0);
	lab.now_ns += 100 * MS;
	payload(&lab, NB_TS_PID_PROBE, 14, 0);
	counts = end(&lab);
	assert_int_equal(counts.pid_errors, 2);
	assert_int_equal(counts.pat_errors + counts.pmt_errors, 0);
}

static void test_a_section_in_several_packets(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;
	uint8_t section[3 + 9 + 4 * 60]; /* 60 programs: 252 bytes, two packets */
	uint32_t crc;

	(void)state;
	begin(&lab);
	memcpy(section, (const uint8_t[]){ 0, 0xb0, sizeof(section) - 3, 0, 1, 0xc1, 0, 0 }, 8);
	for (uint8_t i = 0; i < 60; i++)
		memcpy(section + 8 + 4 * i, (const uint8_t[]){ 0, (uint8_t)(i + 1), 0xe1, (uint8_t)(i % 20) }, 4);
	crc = nb_ts_crc32(section, sizeof(section) - 4);
	for (int i = 0; i < 4; i++)
		section[sizeof(section) - 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
	make(&lab, 0, PAYLOAD, 0, 0xff);
	lab.packet[1] |= 0x40;
	lab.packet[4] = 0;
	memcpy(lab.packet + 5, section, 183);
	feed(&lab);
	make(&lab, 0, PAYLOAD, 1, 0xff);
	memcpy(lab.packet + 4, section + 183, sizeof(section) - 183);
	feed(&lab);
	nb_ts_monitor_read(lab.monitor, &counts);
	assert_int_equal(counts.crc_errors, 0);
	assert_int_equal(counts.programs, 20); /* PMTs, which the programs share */

	make(&lab, 0, PAYLOAD, 2, 0xff); /* a packet in between is lost: half a section is none */
	lab.packet[1] |= 0x40;
	lab.packet[4] = 0;
	memcpy(lab.packet + 5, section, 183);
	feed(&lab);
	make(&lab, 0, PAYLOAD, 4, 0xff);
	memcpy(lab.packet + 4, section + 183, sizeof(section) - 183);
	feed(&lab);
	counts = end(&lab);
	assert_int_equal(counts.crc_errors, 0);
	assert_int_equal(counts.cc_errors, 1);
}

/* --- the clock ---------------------------------------------------------------------------------------------------- */

static void clock_after(struct lab *lab, int64_t after_ns, int64_t media_ns)
{
	lab->now_ns += after_ns;
	nb_ts_write_clock(lab->packet);
	nb_ts_set_clock(lab->packet, media_ns);
	feed(lab);
}

/* Ten packets from clock to clock, 20 ms apart: 10 * 188 * 8 / 0.02 = 752000 bits a second. */
static void test_the_clock_tells_the_rate(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;
	uint8_t counter = 0;

	(void)state;
	begin(&lab);
	for (int64_t i = 0; i < 200; i++) {
		clock_after(&lab, 2 * MS, i * 20 * MS);
		for (int k = 0; k < 9; k++) {
			lab.now_ns += 2 * MS;
			if (i != 50 || k != 3) /* one is lost: this piece does not measure */
				payload(&lab, PID, counter, counter);
			counter++;
		}
	}
	counts = end(&lab);
	assert_int_equal(counts.pcrs, 200);
	assert_int_equal(counts.cc_errors, 1);
	assert_true(counts.mux_rate_bps > 751999.9 && counts.mux_rate_bps < 752000.1);
	assert_true(counts.media_rate_bps > 751999.9 && counts.media_rate_bps < 752000.1);
	assert_int_equal(counts.pcr_interval_max_ns, 20 * MS);
	assert_int_equal(counts.pcr_interval_errors, 0);
	/* RFC 4445: one packet of 188 bytes at 752 kbit/s is 2 ms; the lost one is not seen after the first second. */
	assert_true(counts.delay_factor_max_ns > 1.99 * MS && counts.delay_factor_max_ns < 4.01 * MS);
}

static void test_a_late_clock(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	clock_after(&lab, 0, 0);
	clock_after(&lab, 100 * MS, 100 * MS);
	clock_after(&lab, 100 * MS + 1, 200 * MS);
	counts = end(&lab);
	assert_int_equal(counts.pcr_interval_errors, 1);
	assert_int_equal(counts.pcr_interval_max_ns, 100 * MS + 1);
}

static void test_more_pids_than_there_is_room_for(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	for (uint16_t pid = 32; pid < 32 + 300; pid++)
		payload(&lab, pid, 0, 0);
	counts = end(&lab);
	assert_int_equal(counts.pids, 254);
	assert_int_equal(counts.untracked_packets, 46);
}

static void test_without_stamps_there_are_no_intervals(void **state)
{
	struct nb_ts_counts counts;
	struct lab lab;

	(void)state;
	begin(&lab);
	for (uint8_t i = 0; i < 3; i++) {
		nb_ts_write_pat(lab.packet);
		nb_ts_set_counter(lab.packet, i);
		nb_ts_monitor_datagram(lab.monitor, lab.packet, 1, START + i * 1000 * MS, false);
	}
	counts = end(&lab);
	assert_int_equal(counts.pat_errors, 0);
	assert_int_equal(counts.programs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_go_up_by_one_per_pid),
		cmocka_unit_test(test_a_gap_is_one_event_and_its_length_an_estimate),
		cmocka_unit_test(test_one_exact_copy_is_legal),
		cmocka_unit_test(test_a_copy_may_have_another_clock),
		cmocka_unit_test(test_packets_without_payload_do_not_count),
		cmocka_unit_test(test_a_discontinuity_that_is_announced_is_none),
		cmocka_unit_test(test_a_transport_error_is_not_believed),
		cmocka_unit_test(test_sync_is_lost_by_two_and_regained_by_five),
		cmocka_unit_test(test_tables_are_due_twice_a_second),
		cmocka_unit_test(test_a_stream_without_a_pat),
		cmocka_unit_test(test_wrong_and_scrambled_tables),
		cmocka_unit_test(test_a_pid_that_is_named_is_due_every_five_seconds),
		cmocka_unit_test(test_a_section_in_several_packets),
		cmocka_unit_test(test_the_clock_tells_the_rate),
		cmocka_unit_test(test_a_late_clock),
		cmocka_unit_test(test_more_pids_than_there_is_room_for),
		cmocka_unit_test(test_without_stamps_there_are_no_intervals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
