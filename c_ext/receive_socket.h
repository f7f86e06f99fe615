/* SPDX-License-Identifier: MIT */
/* receive_socket.h - one UDP socket of a capture: its options, its groups, what the kernel tells with a datagram. */
#ifndef NB_RECEIVE_SOCKET_H
#define NB_RECEIVE_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/errqueue.h> /* wants struct timespec of <time.h> */

#include "status.h"

struct nb_receive_socket_config {
	uint8_t address[4];       /* 0.0.0.0: any */
	uint16_t port;
	bool shared;              /* others may have the port too: how groups are received */
	uint32_t interface_index; /* only what arrives here; 0: anywhere */
	uint32_t receive_buffer_bytes; /* 0: leave */
	bool hardware_stamps;     /* ask for raw hardware stamps too */
};

/* Open, set up and bind. Return: the file descriptor (the caller's to close), or -errno. */
int nb_receive_socket_open(const struct nb_receive_socket_config *config, struct nb_error *error);

/* From now on others may share the port of a socket that was bound alone. */
int nb_receive_socket_share(int fd, struct nb_error *error);

/* Join @group on @interface_index (0: by routing), of @source only unless that is 0.0.0.0. */
int nb_receive_socket_join(int fd, const uint8_t group[4], const uint8_t source[4], uint32_t interface_index,
			   struct nb_error *error);

/* Bytes that the kernel granted; 0 when it does not tell. */
uint32_t nb_receive_socket_buffer(int fd);

/* Bytes that are charged for what is queued now, never less than there are; those granted when it does not tell. */
uint32_t nb_receive_socket_queued(int fd);

/* Read into @drops how many datagrams the socket has refused so far, modulo 2^32. Return: 0 or -errno. */
int nb_receive_socket_drops(int fd, uint32_t *drops);

/* Room for the control messages that these sockets deliver with a datagram. */
#define NB_RECEIVE_CONTROL_BYTES                                                               \
	(CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct scm_timestamping)) + \
	 CMSG_SPACE(sizeof(uint32_t)))

/* What the kernel told about a datagram; a stamp that it did not give is 0. */
struct nb_receive_facts {
	uint8_t destination[4]; /* as in the IP header */
	bool to_us_alone;       /* the destination is an address of this host: neither group nor broadcast */
	int64_t kernel_ns;      /* CLOCK_REALTIME */
	int64_t hardware_ns;    /* the clock of the network card */
	bool drops_told;
	uint32_t drops;         /* of this socket so far, when the datagram was queued */
};

void nb_receive_facts_read(struct msghdr *message, struct nb_receive_facts *facts);

#endif
