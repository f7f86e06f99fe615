/* SPDX-License-Identifier: MIT */
/* sender.h - what the two senders share: their configuration, their counts. */
#ifndef NB_SENDER_H
#define NB_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "envelope.h"
#include "histogram.h"
#include "pacer.h"
#include "probe_source.h"
#include "status.h"

struct nb_sender_stream {
	uint32_t stream;         /* number written into the probes */
	uint8_t destination[4];  /* IPv4 */
	uint16_t port;
};

struct nb_sender_config {
	const struct nb_sender_stream *streams;
	uint32_t stream_count;
	uint32_t session;
	uint32_t payload_bytes;  /* UDP payload, NB_PROBE_LENGTH..65507 (frame sender: what fits the MTU) */
	enum nb_envelope_kind envelope; /* what surrounds the probe */
	uint16_t rtp_first_sequence;    /* of each stream; its SSRC is session ^ stream */
	struct nb_pacer_config pacer; /* rate and packets are turns over all streams together */
	/*
	 * Instead of probes, the payloads of a capture, copied: turn i of a written schedule sends what lies before byte
	 * payload_ends[i]. Of one stream, in no envelope, by the socket sender only. NULL: probes.
	 */
	const uint8_t *payloads;
	const uint64_t *payload_ends;
	const uint32_t *turn_streams; /* of a written schedule: index of each turn's stream; NULL: streams take turns */
	struct nb_faults faults;
	uint32_t interface_index; /* 0: by routing (frame sender: required) */
	uint8_t source[4]; /* 0.0.0.0: by routing (frame sender: required) */
	uint16_t source_port; /* 0: any (frame sender: required) */
	uint8_t ttl;
	uint8_t dscp; /* 0..63 */
	uint32_t send_buffer_bytes; /* 0: leave */
	uint8_t next_hop[6]; /* frame sender, for unicast destinations only */
	bool qdisc_bypass; /* frame sender */
};

/* Refusals of the local stack by errno, the usual ones apart. */
struct nb_sender_errors {
	uint64_t enobufs; /* qdisc or device queue full, told by IP_RECVERR */
	uint64_t eagain; /* socket buffer full; at rate 0, which misses no due time, it is waited for instead */
	uint64_t other; /* and the rare ones whose reason the kernel kept: the first of a series, within a batch */
	int last_other; /* errno; 0 while no reason was told */
};

struct nb_sender_counts {
	struct nb_source_counts total;
	struct nb_sender_errors errors;
	uint64_t bytes; /* UDP payload taken by the local stack */
	uint64_t system_calls;
	int64_t started_ns; /* CLOCK_REALTIME; 0 not started */
	int64_t ended_ns; /* of the last datagram; 0 still running */
	uint64_t intended; /* turns whose time came while it ran; more than were taken: the sender fell short */
};

#endif
