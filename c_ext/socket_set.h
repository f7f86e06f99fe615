/* SPDX-License-Identifier: MIT */
/* socket_set.h - the sockets of a capture: which group is joined by which. */
#ifndef NB_SOCKET_SET_H
#define NB_SOCKET_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "receive_socket.h"
#include "socket_capture.h"
#include "status.h"

struct nb_receiver {
	int fd;
	uint16_t port;
	bool unicast;      /* bound for unicast; else for groups */
	bool any_unicast;  /* unicast to any address of this host was asked for on this port */
	uint32_t members;  /* groups joined */
	uint32_t drops;    /* as last read with SO_MEMINFO */
	uint32_t overflow; /* as last told with SO_RXQ_OVFL */
	uint32_t left;     /* datagrams that may be queued, when the capture came to its end */
};

struct nb_socket_set {
	struct nb_receiver *receivers; /* Owned. */
	uint32_t count;
	uint32_t receive_buffer_bytes; /* granted by the kernel; the smallest of all sockets */
};

/* Bind and join what @config asks for (what it asks for twice, once). @set needs closing also after a failure. */
int nb_socket_set_open(struct nb_socket_set *set, const struct nb_socket_capture_config *config,
		       struct nb_error *error);
void nb_socket_set_close(struct nb_socket_set *set);

/* Was the datagram that @receiver got asked for, and is this the one socket that counts it? */
bool nb_receiver_wants(const struct nb_receiver *receiver, const struct nb_receive_facts *facts);

#endif
