/* SPDX-License-Identifier: MIT */
/* socket_sender.h - UDP probes through a socket, in bursts by sendmmsg. */
#ifndef NB_SOCKET_SENDER_H
#define NB_SOCKET_SENDER_H

#include <stdatomic.h>

#include "sender.h"

struct nb_socket_sender; /* opaque */

/* The streams are copied. What can be refused (no such interface, no permission, port in use) is refused here. */
int nb_socket_sender_create(struct nb_socket_sender **sender, const struct nb_sender_config *config,
			    struct nb_error *error);
void nb_socket_sender_destroy(struct nb_socket_sender *sender);

/**
 * nb_socket_sender_run() - Send the schedule; once per sender.
 * @sender: created
 * @stop: another thread or a signal handler may set it; the call returns within 100 ms
 * @error: what failed
 *
 * Refused datagrams are counted, not an error. An error ends the schedule with the counts kept.
 *
 * Return: 0 or -errno
 */
int nb_socket_sender_run(struct nb_socket_sender *sender, const atomic_bool *stop, struct nb_error *error);

/* May be called while another thread runs the sender. */
void nb_socket_sender_read(struct nb_socket_sender *sender, struct nb_sender_counts *counts);
void nb_socket_sender_read_stream(struct nb_socket_sender *sender, uint32_t index, struct nb_source_counts *counts);
void nb_socket_sender_lateness(struct nb_socket_sender *sender, struct nb_histogram *histogram); /* a copy */

#endif
