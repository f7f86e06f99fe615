/* SPDX-License-Identifier: MIT */
/* stamp_capture.h - receives on one interface to see which packets carry a hardware stamp. */
#ifndef NB_STAMP_CAPTURE_H
#define NB_STAMP_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "socket_capture.h"
#include "stamp_series.h"
#include "stamped_frame.h"
#include "status.h"

#define NB_STAMP_LISTENS 64 /* at most */

struct nb_stamp_capture_config {
	uint32_t interface_index;
	const struct nb_listen *listens; /* each gets a UDP socket of its own, and a series */
	uint32_t listen_count;
	bool frames; /* a packet socket that sees everything which arrives; needs CAP_NET_RAW */
	uint32_t receive_buffer_bytes; /* asked for each socket; 0: leave */
};

struct nb_stamp_capture_counts {
	uint64_t packets; /* taken out of all sockets: one that the packet socket and a UDP socket have counts twice */
	uint64_t drops; /* refused by full buffers of our own sockets; exact once run() is over */
};

struct nb_stamp_capture; /* opaque */

/**
 * nb_stamp_capture_create() - Binds and joins; asks sockets for stamps, and sets nothing on the interface.
 *
 * The multicast addresses of PTP over Ethernet are listened to as long as the capture lives.
 *
 * Return: 0; -EPERM @frames without CAP_NET_RAW; -EINVAL nothing to listen to, or too much; another -errno
 */
int nb_stamp_capture_create(struct nb_stamp_capture **capture, const struct nb_stamp_capture_config *config,
			    struct nb_error *error);
void nb_stamp_capture_destroy(struct nb_stamp_capture *capture);

/* Count until @deadline_ns (CLOCK_MONOTONIC; 0: none) or @stop, then what is queued by then. Return: 0 or -errno. */
int nb_stamp_capture_run(struct nb_stamp_capture *capture, int64_t deadline_ns, const atomic_bool *stop,
			 struct nb_error *error);

void nb_stamp_capture_read(struct nb_stamp_capture *capture, struct nb_stamp_capture_counts *counts);
/* @index below listen_count. */
void nb_stamp_capture_read_listen(struct nb_stamp_capture *capture, uint32_t index, struct nb_stamp_counts *counts);
/* Return: false when there is no packet socket; @counts is zeroed then. */
bool nb_stamp_capture_read_kind(struct nb_stamp_capture *capture, enum nb_stamped_kind kind,
				struct nb_stamp_counts *counts);

#endif
