/* SPDX-License-Identifier: MIT */
/* sender.c - what both senders share: turns become probes, probes leave in batches, the books are kept. */
#include "sender.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "payload_list.h"
#include "sender_private.h"

/*
 * Theory of operation
 *
 * The pacer says how many turns are due, the source says what each of them sends, the batch holds the messages. All
 * that can be prepared is prepared first, envelopes too; then the clock is read, the stamp written into the probes, and
 * the system call made. On time, a batch is one turn and its stamp is exact to the tens of nanoseconds that encoding takes; a
 * batch of several is a burst or a catch-up, and one stamp serves it.
 *
 * A message is offered to the kernel once, so that a refusal here and a drop counted there are one and the same. That
 * takes care: sendmmsg() returns at the first message that is refused, and keeps the reason to itself if any message
 * before it was taken. After a refusal messages are therefore offered one by one for a while, which tells each
 * reason; of the one that began it, what the socket's state tells.
 *
 * Offered again is only what was not refused for itself: an ICMP error (port unreachable) about an older datagram
 * sets the socket's pending error, and the next send returns it without having tried. A full socket buffer is waited
 * for at rate 0, where waiting misses no due time.
 *
 * In a replay the messages are slices of the captured payloads, and nothing is written into them.
 *
 * One thread runs, others read: the running thread keeps its own counts and publishes them under the lock once a
 * batch.
 */

#define START_LEAD_NS INT64_C(1000000) /* so that the first packet can be on time */
#define WRITABLE_SLICE_MS 50
#define OFFERS_AGAIN 2 /* of a message whose refusal may belong to an older one */
#define OFFSET_SAMPLES 8
#define SINGLY_AFTER_REFUSAL 1024 /* messages */

/* Beside errno: why sendmmsg() stopped within a batch. */
#define REASON_OF_OLDER (-1)
#define REASON_UNTOLD (-2)

static int check_replay(const struct nb_sender_config *config, struct nb_error *error)
{
	uint64_t begin = 0;

	if (!config->pacer.offsets_ns || config->turn_streams || config->stream_count != 1 ||
	    config->envelope != NB_ENVELOPE_RAW)
		return nb_fail(error, -EINVAL,
			       "replay payloads without a written schedule, on several streams, or in an envelope");
	for (uint64_t i = 0; i < config->pacer.packets; i++) {
		if (config->payload_ends[i] < begin || config->payload_ends[i] - begin > NB_PAYLOAD_LONGEST)
			return nb_fail(error, -EINVAL, "replay payload %llu, which has no length up to %u",
				       (unsigned long long)i, NB_PAYLOAD_LONGEST);
		begin = config->payload_ends[i];
	}
	return 0;
}

static int check_config(const struct nb_sender_config *config, struct nb_error *error)
{
	if (config->stream_count == 0)
		return nb_fail(error, -EINVAL, "send on 0 streams");
	if (config->ttl == 0)
		return nb_fail(error, -EINVAL, "send with a TTL of 0");
	if (config->dscp > 63)
		return nb_fail(error, -EINVAL, "send with DSCP %u: above 63", config->dscp);
	for (uint32_t i = 0; i < config->stream_count; i++) {
		static const uint8_t nowhere[4];

		if (config->streams[i].port == 0)
			return nb_fail(error, -EINVAL, "send stream %u to port 0", config->streams[i].stream);
		if (memcmp(config->streams[i].destination, nowhere, sizeof(nowhere)) == 0)
			return nb_fail(error, -EINVAL, "send stream %u to 0.0.0.0", config->streams[i].stream);
	}
	if (config->payload_ends)
		return check_replay(config, error);
	if (config->turn_streams && !config->pacer.offsets_ns)
		return nb_fail(error, -EINVAL, "say whose turn it is without a written schedule");
	for (uint64_t turn = 0; config->turn_streams && turn < config->pacer.packets; turn++) {
		if (config->turn_streams[turn] >= config->stream_count)
			return nb_fail(error, -EINVAL, "give turn %llu of the schedule to stream %u of %u",
				       (unsigned long long)turn, config->turn_streams[turn], config->stream_count);
	}
	return 0;
}

/* Where the parts of a message lie whose payload is cut so. */
static void cut_message(struct nb_sender *sender, uint32_t message, enum nb_envelope_cut cut)
{
	struct nb_sender_batch *batch = &sender->batch;
	struct iovec *parts = batch->parts[message];

	batch->cuts[message] = cut;
	parts[0].iov_len = sender->header_bytes + nb_envelope_head_bytes(sender->envelope, cut);
	parts[1].iov_base = (void *)nb_envelope_tail(sender->envelope, cut, &parts[1].iov_len);
	batch->messages[message].msg_hdr.msg_iovlen = parts[1].iov_len > 0 ? 2 : 1;
}

/* What does not change from message to message. */
static void lay_out_batch(struct nb_sender *sender)
{
	struct nb_sender_batch *batch = &sender->batch;

	for (uint32_t i = 0; i < NB_SENDER_BATCH; i++) {
		batch->parts[i][0].iov_base = batch->heads[i];
		batch->messages[i].msg_hdr.msg_iov = batch->parts[i];
		nb_envelope_lay_out(sender->envelope, batch->heads[i] + sender->header_bytes);
		cut_message(sender, i, NB_CUT_PROBE);
	}
}

static int copy_payloads(struct nb_sender *sender, const struct nb_sender_config *config, struct nb_error *error)
{
	const uint64_t count = config->pacer.packets;
	const uint64_t bytes = count > 0 ? config->payload_ends[count - 1] : 0;

	sender->payload_ends = calloc(count + 1, sizeof(sender->payload_ends[0]));
	sender->payloads = malloc(bytes + 1);
	if (!sender->payload_ends || !sender->payloads)
		return nb_fail(error, -ENOMEM, "allocate %llu payloads", (unsigned long long)count);
	memcpy(sender->payload_ends, config->payload_ends, count * sizeof(sender->payload_ends[0]));
	if (bytes > 0)
		memcpy(sender->payloads, config->payloads, bytes);
	return 0;
}

/* Arrays that the configuration points at become the sender's own. */
static int copy_arrays(struct nb_sender *sender, const struct nb_sender_config *config, struct nb_error *error)
{
	const size_t turns = config->turn_streams ? config->pacer.packets : 0;

	sender->streams = calloc(config->stream_count, sizeof(sender->streams[0]));
	sender->turn_streams = turns > 0 ? calloc(turns, sizeof(sender->turn_streams[0])) : NULL;
	if (!sender->streams || (turns > 0 && !sender->turn_streams))
		return nb_fail(error, -ENOMEM, "allocate a sender of %u streams", config->stream_count);
	memcpy(sender->streams, config->streams, config->stream_count * sizeof(sender->streams[0]));
	if (turns > 0)
		memcpy(sender->turn_streams, config->turn_streams, turns * sizeof(sender->turn_streams[0]));
	if (config->payload_ends)
		return copy_payloads(sender, config, error);
	sender->config.streams = sender->streams;
	sender->config.turn_streams = sender->turn_streams;
	return 0;
}

static int create_envelope(struct nb_sender *sender, const struct nb_sender_config *config, struct nb_error *error)
{
	const struct nb_envelope_config envelope = {
		.kind = config->envelope,
		.payload_bytes = config->payload_bytes,
		.rtp_first_sequence = config->rtp_first_sequence,
	};
	const struct nb_timeline_config timeline = {
		.pacer = sender->pacer,
		.stream_count = config->stream_count,
		.rate_pps = config->pacer.rate_pps,
		.offsets_ns = config->pacer.offsets_ns,
		.turn_streams = config->turn_streams,
		.turns = config->pacer.packets,
	};
	int result = nb_envelope_create(&sender->envelope, &envelope, error);

	if (result || config->envelope == NB_ENVELOPE_RAW)
		return result;
	return nb_timeline_create(&sender->timeline, &timeline, error);
}

/* Everything that needs no undoing but being freed; all of it may be missing. */
static void free_parts(struct nb_sender *sender)
{
	nb_source_destroy(sender->source);
	nb_timeline_destroy(sender->timeline);
	nb_envelope_destroy(sender->envelope);
	nb_pacer_destroy(sender->pacer);
	free(sender->payload_ends);
	free(sender->payloads);
	free(sender->turn_streams);
	free(sender->streams);
}

int nb_sender_init(struct nb_sender *sender, const struct nb_sender_config *config, uint32_t header_bytes,
		   nb_sender_address *address, struct nb_error *error)
{
	int result = check_config(config, error);

	if (result)
		return result;
	sender->config = *config;
	sender->header_bytes = header_bytes;
	sender->address = address;
	sender->fd = -1;
	result = copy_arrays(sender, config, error);
	if (!result)
		result = nb_pacer_create(&sender->pacer, &config->pacer, error);
	if (!result)
		result = create_envelope(sender, config, error);
	if (!result)
		result = nb_source_create(&sender->source, config->stream_count, &config->faults, error);
	if (result)
		goto free_parts;
	sender->config.pacer.offsets_ns = NULL; /* the pacer has its copy */
	result = -pthread_mutex_init(&sender->lock, NULL);
	if (result) {
		nb_fail(error, result, "make a lock");
		goto free_parts;
	}
	lay_out_batch(sender);
	return 0;

free_parts:
	free_parts(sender);
	return result;
}

void nb_sender_release(struct nb_sender *sender)
{
	if (sender->fd >= 0)
		close(sender->fd);
	pthread_mutex_destroy(&sender->lock);
	free_parts(sender);
}

int nb_sender_set_buffer(int fd, uint32_t bytes, struct nb_error *error)
{
	int wanted = bytes > INT32_MAX / 2 ? INT32_MAX / 2 : (int)bytes; /* the kernel doubles it */

	if (bytes == 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) == 0)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)) != 0)
		return nb_fail(error, -errno, "set a send buffer of %u bytes", bytes);
	return 0;
}

/* CLOCK_REALTIME minus CLOCK_MONOTONIC, from the pair of readings that lay closest together. */
static int64_t realtime_offset_ns(void)
{
	int64_t closest_ns = INT64_MAX;
	int64_t offset_ns = 0;

	for (int i = 0; i < OFFSET_SAMPLES; i++) {
		int64_t before_ns = nb_monotonic_ns();
		int64_t realtime_ns = nb_realtime_ns();
		int64_t apart_ns = nb_monotonic_ns() - before_ns;

		if (apart_ns < closest_ns) {
			closest_ns = apart_ns;
			offset_ns = realtime_ns - before_ns - apart_ns / 2;
		}
	}
	return offset_ns;
}

static void publish(struct nb_sender *sender)
{
	pthread_mutex_lock(&sender->lock);
	sender->published = sender->counts;
	pthread_mutex_unlock(&sender->lock);
}

static void begin(struct nb_sender *sender)
{
	int64_t lead_ns = nb_pacer_is_timed(sender->pacer) ? START_LEAD_NS : 0;
	int64_t start_ns;

	sender->realtime_offset_ns = realtime_offset_ns();
	start_ns = nb_monotonic_ns() + lead_ns;
	pthread_mutex_lock(&sender->lock); /* the start empties the pacer's histogram */
	nb_pacer_start(sender->pacer, start_ns);
	pthread_mutex_unlock(&sender->lock);
	sender->counts.started_ns = start_ns + sender->realtime_offset_ns;
	publish(sender);
}

/* What the envelope of one message needs: all of it but the probe. */
static void prepare(struct nb_sender *sender, const struct nb_turn *turn, uint32_t message)
{
	uint8_t *head = sender->batch.heads[message] + sender->header_bytes;
	uint32_t ssrc = sender->config.session ^ sender->streams[turn->stream].stream;
	int64_t now_ns = 0;
	struct nb_moment moment;
	enum nb_envelope_cut cut;

	if (!nb_pacer_is_timed(sender->pacer)) /* no media time but the clock's */
		now_ns = nb_monotonic_ns() + sender->realtime_offset_ns - sender->counts.started_ns;
	nb_timeline_at(sender->timeline, turn->stream, turn->sequence, now_ns, &moment);
	cut = nb_envelope_prepare(sender->envelope, head, turn->sequence, ssrc, &moment);
	if (cut != sender->batch.cuts[message])
		cut_message(sender, message, cut);
}

/* The payload of a sequence in a replay; one past the end, of a pair that the end tore, is the last. */
static const uint8_t *payload_of(const struct nb_sender *sender, uint64_t sequence, size_t *bytes)
{
	const uint64_t last = sender->config.pacer.packets - 1;
	const uint64_t index = sequence < last ? sequence : last;
	const uint64_t begin = index > 0 ? sender->payload_ends[index - 1] : 0;

	*bytes = sender->payload_ends[index] - begin;
	return sender->payloads + begin;
}

/* A message of a replay is one part, the payload as it was captured. */
static void prepare_replay(struct nb_sender *sender, const struct nb_turn *turn, uint32_t message)
{
	struct iovec *part = sender->batch.parts[message];

	part->iov_base = (void *)payload_of(sender, turn->sequence, &part->iov_len);
	sender->batch.messages[message].msg_hdr.msg_iovlen = 1;
}

/* UDP payload of one datagram of a turn. */
static size_t bytes_of(const struct nb_sender *sender, const struct nb_turn *turn)
{
	size_t bytes = sender->config.payload_bytes;

	if (sender->payload_ends)
		payload_of(sender, turn->sequence, &bytes);
	return bytes;
}

static void next_turn(struct nb_sender *sender, uint64_t index, struct nb_turn *turn)
{
	if (sender->turn_streams)
		nb_source_next_of(sender->source, sender->turn_streams[index], turn);
	else
		nb_source_next(sender->source, turn);
}

/* The next @turns turns of the schedule, and a message for each datagram that they send. */
static void compose(struct nb_sender *sender, uint32_t turns)
{
	struct nb_sender_batch *batch = &sender->batch;

	batch->first = nb_pacer_next(sender->pacer) - turns;
	batch->turn_count = turns;
	batch->message_count = 0;
	for (uint32_t i = 0; i < turns; i++) {
		next_turn(sender, batch->first + i, &batch->turns[i]);
		batch->accepted[i] = 0;
		for (uint32_t copy = 0; copy < batch->turns[i].copies; copy++) {
			if (sender->payload_ends)
				prepare_replay(sender, &batch->turns[i], batch->message_count);
			else if (sender->timeline)
				prepare(sender, &batch->turns[i], batch->message_count);
			batch->turn_of[batch->message_count++] = i;
		}
	}
}

/* When a turn was to be sent, as its probe says. Without a schedule there is no plan but now. */
static int64_t scheduled_ns(const struct nb_sender *sender, uint64_t index)
{
	if (!nb_pacer_is_timed(sender->pacer))
		return sender->batch.sent_ns;
	return nb_pacer_due(sender->pacer, index) + sender->realtime_offset_ns;
}

/* Read the clock and write the messages: as late as possible. */
static void stamp(struct nb_sender *sender)
{
	const size_t probe_offset = sender->header_bytes + nb_envelope_probe_offset(sender->envelope);
	struct nb_sender_batch *batch = &sender->batch;

	batch->handed_ns = nb_monotonic_ns();
	batch->sent_ns = nb_realtime_ns();
	for (uint32_t i = 0; i < batch->message_count; i++) {
		const struct nb_turn *turn = &batch->turns[batch->turn_of[i]];
		const struct nb_probe probe = {
			.session = sender->config.session,
			.stream = sender->streams[turn->stream].stream,
			.sequence = turn->sequence,
			.scheduled_ns = scheduled_ns(sender, batch->first + batch->turn_of[i]),
			.sent_ns = batch->sent_ns,
		};

		if (!sender->payload_ends)
			nb_probe_encode(batch->heads[i] + probe_offset, NB_PROBE_LENGTH, &probe);
		sender->address(sender, turn->stream, batch->cuts[i], &batch->messages[i].msg_hdr, batch->heads[i]);
	}
}

/* Could an ICMP error about an older datagram be behind it? */
static bool may_be_of_older(int code)
{
	switch (code) {
	case ECONNREFUSED:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETUNREACH:
	case ENONET:
	case ENOPROTOOPT:
	case EPROTO:
	case EMSGSIZE:
	case EOPNOTSUPP:
	case EACCES:
		return true;
	default:
		return false;
	}
}

/* Will no datagram of this sender ever be taken again? */
static bool is_final(int code)
{
	return code == EBADF || code == ENOTSOCK || code == EFAULT || code == ENODEV || code == ENXIO;
}

/* Empty the error queue, and the kernel clears the pending error with it; was there any? */
static bool drain_errors(int fd)
{
	struct msghdr nothing = { 0 };
	bool any = false;

	while (recvmsg(fd, &nothing, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0) {
		nothing = (struct msghdr){ 0 };
		any = true;
	}
	return any;
}

/* Why was a message refused of whose batch some were taken? The kernel does not say; the socket may. */
static int find_reason(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (drain_errors(fd))
		return REASON_OF_OLDER;
	return poll(&room, 1, 0) == 0 ? EAGAIN : REASON_UNTOLD;
}

/* The socket buffer is full, and no due time is missed by waiting: until it is writable, or for a slice. */
static void await_writable(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLOUT };

	if (poll(&wait, 1, WRITABLE_SLICE_MS) > 0 && (wait.revents & POLLERR))
		drain_errors(fd);
}

static bool stopped(const atomic_bool *stop)
{
	return stop != NULL && atomic_load_explicit(stop, memory_order_relaxed);
}

/**
 * offer_again() - Should the message that was just refused be offered again, at once?
 * @sender: whose message it is
 * @code: errno or REASON_ of the refusal
 * @offers: how often this message was offered because of an older one
 * @stop: ends the waiting
 *
 * Return: true when it was not refused for itself, or may be taken now
 */
static bool offer_again(const struct nb_sender *sender, int code, uint32_t *offers, const atomic_bool *stop)
{
	if (code == EINTR || code == REASON_OF_OLDER)
		return true;
	if (code == EAGAIN && !nb_pacer_is_timed(sender->pacer) && !stopped(stop)) {
		await_writable(sender->fd);
		return true;
	}
	if (may_be_of_older(code) && *offers < OFFERS_AGAIN) {
		drain_errors(sender->fd);
		++*offers;
		return true;
	}
	return false;
}

static void count_refusals(struct nb_sender_errors *errors, int code, uint32_t refused)
{
	if (code == ENOBUFS) {
		errors->enobufs += refused;
	} else if (code == EAGAIN) {
		errors->eagain += refused;
	} else {
		errors->other += refused;
		if (code != REASON_UNTOLD)
			errors->last_other = code;
	}
}

/**
 * offer() - Offer messages to the kernel, all that are left or just one.
 * @sender: its batch is stamped
 * @at: first message to offer; moved past those taken
 * @offers: of that message, because of older ones; 0 when others were taken
 *
 * Return: 0 when all offered were taken, else why *@at was not: errno or REASON_
 */
static int offer(struct nb_sender *sender, uint32_t *at, uint32_t *offers)
{
	struct nb_sender_batch *batch = &sender->batch;
	uint32_t offered = sender->singly > 0 ? 1 : batch->message_count - *at;
	int taken = sendmmsg(sender->fd, batch->messages + *at, offered, MSG_DONTWAIT | MSG_NOSIGNAL);

	sender->counts.system_calls++;
	if (taken < 0)
		return errno;
	*offers = 0;
	sender->singly -= sender->singly > 0;
	for (int i = 0; i < taken; i++)
		batch->accepted[batch->turn_of[(*at)++]]++;
	return (uint32_t)taken == offered ? 0 : find_reason(sender->fd);
}

/**
 * transmit() - Hand the batch to the kernel, message by message accepted or refused.
 * @sender: its batch is stamped
 * @stop: ends a wait for room
 * @error: what failed for good
 *
 * Return: 0, or -errno when nothing can be sent any more; the rest of the batch is refused with it
 */
static int transmit(struct nb_sender *sender, const atomic_bool *stop, struct nb_error *error)
{
	struct nb_sender_batch *batch = &sender->batch;
	uint32_t offers = 0;
	uint32_t at = 0;

	while (at < batch->message_count) {
		uint32_t refused;
		int code = offer(sender, &at, &offers);

		if (code == 0 || offer_again(sender, code, &offers, stop))
			continue;
		refused = is_final(code) ? batch->message_count - at : 1;
		count_refusals(&sender->counts.errors, code, refused);
		if (is_final(code))
			return nb_fail(error, -code, "send datagram %u of %u at once", at + 1, batch->message_count);
		sender->singly = SINGLY_AFTER_REFUSAL;
		at++;
		offers = 0;
	}
	return 0;
}

/* Enter the batch into the books. */
static void settle(struct nb_sender *sender)
{
	const struct nb_sender_batch *batch = &sender->batch;
	struct nb_sender_counts *counts = &sender->counts;

	pthread_mutex_lock(&sender->lock);
	for (uint32_t i = 0; i < batch->turn_count; i++) {
		nb_source_settle(sender->source, &batch->turns[i], batch->accepted[i]);
		if (batch->accepted[i] == 0)
			continue;
		nb_pacer_sent(sender->pacer, batch->first + i, batch->handed_ns);
		counts->bytes += (uint64_t)batch->accepted[i] * bytes_of(sender, &batch->turns[i]);
	}
	counts->intended = nb_pacer_intended(sender->pacer);
	sender->published = *counts;
	pthread_mutex_unlock(&sender->lock);
}

int nb_sender_run(struct nb_sender *sender, const atomic_bool *stop, struct nb_error *error)
{
	/* A repeated turn takes two messages. */
	uint32_t most = sender->config.faults.repeat_every == 0 ? NB_SENDER_BATCH : NB_SENDER_BATCH / 2;
	int64_t last_ns = 0;
	uint32_t turns;
	int result = 0;

	if (atomic_exchange(&sender->begun, true))
		return nb_fail(error, -EALREADY, "run a sender for the second time");
	begin(sender);
	while (result == 0 && (turns = nb_pacer_wait(sender->pacer, most, stop)) > 0) {
		uint64_t bytes_before = sender->counts.bytes;

		compose(sender, turns);
		stamp(sender);
		result = transmit(sender, stop, error);
		settle(sender);
		if (sender->counts.bytes > bytes_before)
			last_ns = sender->batch.sent_ns;
	}
	sender->counts.ended_ns = last_ns != 0 ? last_ns : nb_realtime_ns();
	publish(sender);
	return result;
}

void nb_sender_read(struct nb_sender *sender, struct nb_sender_counts *counts)
{
	pthread_mutex_lock(&sender->lock);
	*counts = sender->published;
	for (uint32_t i = 0; i < sender->config.stream_count; i++) {
		struct nb_source_counts stream;

		nb_source_read(sender->source, i, &stream);
		counts->total.sequences += stream.sequences;
		counts->total.sent += stream.sent;
		counts->total.datagrams += stream.datagrams;
		counts->total.skipped += stream.skipped;
		counts->total.repeated += stream.repeated;
		counts->total.swapped += stream.swapped;
		counts->total.unsent += stream.unsent;
		counts->total.refused += stream.refused;
	}
	pthread_mutex_unlock(&sender->lock);
}

void nb_sender_read_stream(struct nb_sender *sender, uint32_t index, struct nb_source_counts *counts)
{
	if (index >= sender->config.stream_count) {
		memset(counts, 0, sizeof(*counts));
		return;
	}
	pthread_mutex_lock(&sender->lock);
	nb_source_read(sender->source, index, counts);
	pthread_mutex_unlock(&sender->lock);
}

void nb_sender_lateness(struct nb_sender *sender, struct nb_histogram *histogram)
{
	pthread_mutex_lock(&sender->lock);
	*histogram = *nb_pacer_lateness(sender->pacer);
	pthread_mutex_unlock(&sender->lock);
}
