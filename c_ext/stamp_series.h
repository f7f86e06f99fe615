/* SPDX-License-Identifier: MIT */
/* stamp_series.h - which packets of one kind carried a hardware stamp, and whether those stamps can be believed. */
#ifndef NB_STAMP_SERIES_H
#define NB_STAMP_SERIES_H

#include <stdbool.h>
#include <stdint.h>

#define NB_STAMP_FLOWS 256 /* whose latest stamp is remembered */

/* Shorter, and the kernel's own lateness would be taken for a wrong rate. */
#define NB_STAMP_RATE_SPAN_NS INT64_C(1000000000)

struct nb_stamp_counts {
	uint64_t packets;
	uint64_t hardware;     /* with a raw hardware stamp */
	uint64_t kernel;       /* with a kernel stamp */
	uint64_t compared;     /* hardware stamps that had one before them of the same flow */
	uint64_t backward;     /* of these, below it */
	uint64_t repeated;     /* of these, equal to it */
	uint64_t equal_kernel; /* hardware stamps that are the kernel's, to the nanosecond */
	int64_t first_ns;      /* kernel stamps of the first and the last packet that has one; 0: none */
	int64_t last_ns;
	int64_t rate_span_ns;  /* over which the rate was taken */
	bool rate_known;       /* that was long enough */
	double rate_ppm;       /* how much faster than the kernel's clock the card's runs */
};

/* The least delay from card to kernel in one window of time: closest to what the two clocks really differ by. */
struct nb_stamp_point {
	int64_t window;     /* number of the window, from the first stamp on */
	int64_t at_ns;      /* kernel stamp */
	uint64_t offset_ns; /* kernel - hardware, modulo 2^64: the two may start anywhere */
};

struct nb_stamp_flow {
	uint64_t key;
	int64_t hardware_ns;
};

/* A value: zero it, then add. Belongs to whoever declares it. */
struct nb_stamp_series {
	struct nb_stamp_counts counts; /* the rate excepted: nb_stamp_series_read() fills it in */
	struct nb_stamp_point first, last, open; /* the first window, the newest that is over, the one that goes on */
	uint32_t windows;                        /* 1: only open is used; 2: and first; more: and last */
	int64_t began_ns;
	struct nb_stamp_flow flows[NB_STAMP_FLOWS];
};

/**
 * nb_stamp_series_add() - Count one packet.
 * @series: the series
 * @flow: nb_stamp_flow(): order holds within a flow only, for a card with several queues has several orders; NB_STAMP_NO_FLOW: none
 * @hardware_ns: raw stamp of the card; 0: none
 * @kernel_ns: CLOCK_REALTIME; 0: none
 */
void nb_stamp_series_add(struct nb_stamp_series *series, uint64_t flow, int64_t hardware_ns, int64_t kernel_ns);

void nb_stamp_series_read(const struct nb_stamp_series *series, struct nb_stamp_counts *counts);

#endif
