/* SPDX-License-Identifier: MIT */
/* frame_sender.h - UDP probes as whole Ethernet frames by AF_PACKET, for the highest rates. */
#ifndef NB_FRAME_SENDER_H
#define NB_FRAME_SENDER_H

#include <stdatomic.h>

#include "sender.h"

struct nb_frame_sender; /* opaque */

/* The streams are copied. What can be refused (no such interface, no permission, port in use) is refused here. */
int nb_frame_sender_create(struct nb_frame_sender **sender, const struct nb_sender_config *config,
			   struct nb_error *error);
void nb_frame_sender_destroy(struct nb_frame_sender *sender);

/**
 * nb_frame_sender_run() - Send the schedule; once per sender.
 * @sender: created
 * @stop: another thread or a signal handler may set it; the call returns within 100 ms
 * @error: what failed
 *
 * Refused datagrams are counted, not an error. An error ends the schedule with the counts kept.
 *
 * Return: 0 or -errno
 */
int nb_frame_sender_run(struct nb_frame_sender *sender, const atomic_bool *stop, struct nb_error *error);

/* May be called while another thread runs the sender. */
void nb_frame_sender_read(struct nb_frame_sender *sender, struct nb_sender_counts *counts);
void nb_frame_sender_read_stream(struct nb_frame_sender *sender, uint32_t index, struct nb_source_counts *counts);
void nb_frame_sender_lateness(struct nb_frame_sender *sender, struct nb_histogram *histogram); /* a copy */

#endif
