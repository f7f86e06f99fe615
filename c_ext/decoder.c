/* SPDX-License-Identifier: MIT */
/* decoder.c - which sequence a datagram carries, whoever made it: probe, RTP, MPEG-TS, iperf2; or none. */
#include "decoder.h"

#include <errno.h>

#include "iperf2.h"
#include "mpegts.h"
#include "rtp.h"

/**
 * DOC: Theory of operation
 *
 * One datagram is looked at alone. What stands in it is evidence of different weight: a probe has a magic number and a
 * check, a transport stream a sync byte in each packet, RTP little more than two bits. So NB_KIND_RTP without @ts (which
 * payload type 33 must have) is a claim only, where it was not asked for: in AUTO, whoever keeps state must wait for two
 * packets in a row of one SSRC, as RFC 3550 A.1 does. The table has that state, see probation.h.
 */

static int take_probe(int code, const struct nb_probe *probe, struct nb_decoded *decoded)
{
	if (code)
		return code;
	decoded->kind = NB_KIND_PROBE;
	decoded->tag = probe->stream;
	decoded->session = probe->session;
	decoded->sequence = probe->sequence;
	decoded->sequence_bits = 64;
	decoded->has_sent = true;
	decoded->sent_ns = probe->sent_ns;
	return 0;
}

static int decode_rtp(const uint8_t *payload, size_t length, struct nb_rtp *rtp, struct nb_decoded *decoded)
{
	int code = nb_rtp_parse(payload, length, rtp);

	if (code)
		return code;
	decoded->kind = NB_KIND_RTP;
	decoded->tag = rtp->ssrc;
	decoded->sequence = rtp->sequence;
	decoded->sequence_bits = 16;
	decoded->has_media_time = true;
	decoded->media_time = rtp->timestamp;
	decoded->media_clock_hz = nb_rtp_clock_hz(rtp->payload_type);
	decoded->payload_type = rtp->payload_type;
	if (rtp->payload_type == NB_RTP_MP2T) {
		decoded->ts_packets = nb_ts_whole(rtp->payload, rtp->payload_length);
		if (decoded->ts_packets)
			decoded->ts = rtp->payload;
	}
	return 0;
}

static int decode_plain_ts(const uint8_t *payload, size_t length, struct nb_decoded *decoded)
{
	uint32_t packets = nb_ts_whole(payload, length);

	if (!packets)
		return -ENODATA;
	decoded->kind = NB_KIND_MPEGTS;
	decoded->ts = payload;
	decoded->ts_packets = packets;
	return 0;
}

/* Whatever RTP header is in front of them, the transport stream's packets are what was asked for. */
static int decode_ts(const uint8_t *payload, size_t length, struct nb_decoded *decoded)
{
	struct nb_decoded wrapped = { .kind = NB_KIND_RAW };
	struct nb_rtp rtp;

	if (!decode_plain_ts(payload, length, decoded))
		return 0;
	if (decode_rtp(payload, length, &rtp, &wrapped) || !wrapped.ts)
		return -ENODATA;
	decoded->kind = NB_KIND_MPEGTS;
	decoded->ts = wrapped.ts;
	decoded->ts_packets = wrapped.ts_packets;
	return 0;
}

static int decode_iperf2(const uint8_t *payload, size_t length, struct nb_decoded *decoded)
{
	struct nb_iperf2 datagram;
	int code = nb_iperf2_parse(payload, length, &datagram);

	if (code)
		return code;
	decoded->kind = NB_KIND_IPERF2;
	decoded->sequence = datagram.sequence;
	decoded->sequence_bits = datagram.sequence_bits;
	decoded->has_sent = !datagram.last; /* a farewell is repeated with the stamp of the last datagram */
	decoded->sent_ns = datagram.sent_ns;
	decoded->last_of_stream = datagram.last;
	return 0;
}

/* Our probe: bare, or in RTP, in MPEG-TS, in MPEG-TS in RTP. What surrounds it stays named. */
static int decode_probe(const uint8_t *payload, size_t length, struct nb_decoded *decoded)
{
	struct nb_rtp rtp = { .payload = NULL };
	struct nb_probe probe;
	int code = nb_probe_decode(payload, length, &probe);

	if (code != -ENODATA)
		return take_probe(code, &probe, decoded);
	if (decode_plain_ts(payload, length, decoded)) {
		code = decode_rtp(payload, length, &rtp, decoded);
		if (code)
			return code;
	}
	if (decoded->ts)
		code = nb_ts_find_probe(decoded->ts, decoded->ts_packets, &probe);
	else
		code = nb_probe_decode(rtp.payload, rtp.payload_length, &probe);
	return take_probe(code, &probe, decoded);
}

int nb_decode(const uint8_t *payload, size_t length, enum nb_decode_mode mode, struct nb_decoded *decoded)
{
	int code = -ENODATA;
	struct nb_rtp rtp;

	*decoded = (struct nb_decoded){ .kind = NB_KIND_RAW };
	switch (mode) {
	case NB_DECODE_AUTO:
		code = decode_probe(payload, length, decoded);
		if (code == -ENODATA) /* what was found on the way stands in @decoded */
			return 0;
		break;
	case NB_DECODE_PROBE:
		code = decode_probe(payload, length, decoded);
		break;
	case NB_DECODE_RTP:
		code = decode_rtp(payload, length, &rtp, decoded);
		break;
	case NB_DECODE_MPEGTS:
		code = decode_ts(payload, length, decoded);
		break;
	case NB_DECODE_IPERF2:
		code = decode_iperf2(payload, length, decoded);
		break;
	case NB_DECODE_RAW:
		return 0;
	}
	if (code)
		*decoded = (struct nb_decoded){ .kind = NB_KIND_RAW };
	return code;
}
