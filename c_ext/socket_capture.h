/* SPDX-License-Identifier: MIT */
/* socket_capture.h - UDP sockets with kernel stamps: what an application would see. */
#ifndef NB_SOCKET_CAPTURE_H
#define NB_SOCKET_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "packet.h"
#include "status.h"
#include "stream_table.h"

/* A group to join (ASM, or SSM with a source), or a local address (0.0.0.0: any) to listen on for unicast. IPv4. */
struct nb_listen {
	uint8_t address[4];
	uint8_t source[4]; /* SSM; 0.0.0.0: any source */
	uint16_t port;
};

struct nb_socket_capture_config {
	const struct nb_listen *listens;
	uint32_t listen_count;
	uint32_t interface_index;      /* groups are joined here, unicast is bound to it; 0: by routing */
	uint32_t receive_buffer_bytes; /* asked for each socket; 0: leave */
	uint32_t memberships_per_socket; /* net.ipv4.igmp_max_memberships; 0: read it from /proc */
	bool hardware_stamps;          /* ask for raw hardware stamps too; asks, sets nothing on the interface */
};

struct nb_socket_capture_counts {
	uint64_t packets;        /* taken out of the sockets */
	uint64_t unasked;        /* of these, not asked for (unicast to a group's port): kept out of the table */
	uint64_t truncated;      /* longer than the receive buffers; counted, their length is known */
	uint64_t socket_drops; /* refused by our sockets' full buffers (SK_MEMINFO_DROPS; exact once run() is over) */
	uint64_t overflow_seen; /* the same, as told packet by packet with SO_RXQ_OVFL */
	uint64_t system_calls; /* of the receive loop */
	uint64_t batches;
	uint64_t largest_batch;
	uint32_t sockets;
	uint32_t receive_buffer_bytes; /* what the kernel granted to one socket */
};

struct nb_socket_capture; /* opaque */

/* Binds and joins: when it returned 0, packets are being queued. Each socket has IP_MULTICAST_ALL = 0. */
int nb_socket_capture_create(struct nb_socket_capture **capture, const struct nb_socket_capture_config *config,
			     struct nb_error *error);
void nb_socket_capture_destroy(struct nb_socket_capture *capture);

/**
 * nb_socket_capture_run() - Feed @table until @deadline_ns or @stop, then take what is queued by then.
 * @capture: created
 * @table: locked once per batch
 * @deadline_ns: CLOCK_MONOTONIC; 0: none
 * @stop: as for the senders
 * @error: what failed
 *
 * Return: 0 or -errno
 */
int nb_socket_capture_run(struct nb_socket_capture *capture, struct nb_table *table, int64_t deadline_ns,
			  const atomic_bool *stop, struct nb_error *error);
void nb_socket_capture_read(struct nb_socket_capture *capture, struct nb_socket_capture_counts *counts);

#endif
