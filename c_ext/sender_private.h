/* SPDX-License-Identifier: MIT */
/* sender_private.h - what both senders are made of; only they include it. */
#ifndef NB_SENDER_PRIVATE_H
#define NB_SENDER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "probe.h"
#include "sender.h"

/* Messages of one system call, at most: a longer catch-up would make the stamp of its last probes untrue. */
#define NB_SENDER_BATCH 64
/* Ethernet, IPv4 and UDP, the most that a sender puts in front of the payload. */
#define NB_SENDER_HEADER_MOST (14 + 20 + 8)

struct nb_sender;

/**
 * typedef nb_sender_address - Say where one message goes; the only thing in which the senders differ while they run.
 * @sender: embedded in the caller's own
 * @stream: index of the stream
 * @cut: how long the head is, and which tail follows it
 * @message: whose name may be set
 * @head: header_bytes to be filled in, then the finished head of the payload
 */
typedef void nb_sender_address(struct nb_sender *sender, uint32_t stream, enum nb_envelope_cut cut,
			       struct msghdr *message, uint8_t *head);

/* The turns that are sent at once, and their messages. */
struct nb_sender_batch {
	uint64_t first; /* index of turns[0] in the schedule */
	uint32_t turn_count;
	struct nb_turn turns[NB_SENDER_BATCH];
	uint32_t accepted[NB_SENDER_BATCH]; /* of each turn's copies */
	int64_t handed_ns;                  /* CLOCK_MONOTONIC */
	int64_t sent_ns;                    /* the same moment, CLOCK_REALTIME */
	uint32_t message_count;
	uint32_t turn_of[NB_SENDER_BATCH]; /* message -> turn */
	struct mmsghdr messages[NB_SENDER_BATCH];
	enum nb_envelope_cut cuts[NB_SENDER_BATCH];
	struct iovec parts[NB_SENDER_BATCH][2]; /* head (header and what differs of the payload), tail */
	uint8_t heads[NB_SENDER_BATCH][NB_SENDER_HEADER_MOST + NB_ENVELOPE_HEAD_MOST];
};

struct nb_sender {
	struct nb_sender_config config;
	struct nb_sender_stream *streams; /* Owned. */
	struct nb_pacer *pacer;           /* Owned. Its lateness is guarded by lock. */
	struct nb_source *source;         /* Owned. Its books are guarded by lock. */
	struct nb_envelope *envelope;     /* Owned. */
	struct nb_timeline *timeline;     /* Owned. NULL in a raw envelope, which needs none. */
	uint32_t *turn_streams;           /* Owned. NULL: they take turns. */
	uint8_t *payloads;                /* Owned. Of a replay; what its ends say. */
	uint64_t *payload_ends;           /* Owned. NULL: probes are sent. */
	nb_sender_address *address;
	uint32_t header_bytes;
	int fd; /* Owned. Non-blocking; -1 until the sender opens it. */
	int64_t realtime_offset_ns;
	atomic_bool begun;
	uint32_t singly; /* so many messages are offered one by one, for a message was refused lately */
	struct nb_sender_batch batch;
	struct nb_sender_counts counts; /* of the running thread */
	pthread_mutex_t lock;
	struct nb_sender_counts published; /* Guarded by lock; total is left empty. */
};

/**
 * nb_sender_init() - Check what both senders need, and make everything but the socket.
 * @sender: all zero
 * @config: its streams are copied
 * @header_bytes: in front of each payload, at most NB_SENDER_HEADER_MOST
 * @address: see there
 * @error: what was refused
 *
 * Return: 0, or -errno with nothing left behind
 */
int nb_sender_init(struct nb_sender *sender, const struct nb_sender_config *config, uint32_t header_bytes,
		   nb_sender_address *address, struct nb_error *error);
void nb_sender_release(struct nb_sender *sender);

/* Make the socket's send buffer as large as asked for, beyond the system's limit where that is permitted. */
int nb_sender_set_buffer(int fd, uint32_t bytes, struct nb_error *error);

/* See nb_socket_sender_run() and the functions below it. */
int nb_sender_run(struct nb_sender *sender, const atomic_bool *stop, struct nb_error *error);
void nb_sender_read(struct nb_sender *sender, struct nb_sender_counts *counts);
void nb_sender_read_stream(struct nb_sender *sender, uint32_t index, struct nb_source_counts *counts);
void nb_sender_lateness(struct nb_sender *sender, struct nb_histogram *histogram);

#endif
