/* SPDX-License-Identifier: MIT */
/* socket_capture.c - UDP sockets with kernel stamps: what an application would see. */
#include "socket_capture.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "deadline.h"
#include "receive_socket.h"
#include "socket_set.h"

/*
 * Theory of operation
 *
 * Which socket has which group is the matter of socket_set.c. Here all of them are read: epoll reports sockets in
 * turns, and each gives one batch per turn, so that a busy group cannot starve the others. A batch costs one reading of
 * the clock and one locking of the table.
 */

#define BATCH 256
#define PAYLOAD_BYTES 2048
#define READY_SOCKETS 64
/* A queued datagram is charged at least so many bytes (its sk_buff and its page fragment alone are more). */
#define LEAST_QUEUED_BYTES 512

/* One batch as recvmmsg fills it. */
struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_in sources[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][NB_RECEIVE_CONTROL_BYTES];
	uint8_t payload[BATCH][PAYLOAD_BYTES];
};

struct nb_socket_capture {
	struct nb_socket_set set;
	int epoll;
	struct batch batch;
	pthread_mutex_t lock; /* of the counts */
	struct nb_socket_capture_counts counts;
};

static void prepare_batch(struct batch *batch)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		batch->vectors[i].iov_base = batch->payload[i];
		batch->vectors[i].iov_len = PAYLOAD_BYTES;
		batch->messages[i].msg_hdr.msg_iov = &batch->vectors[i];
		batch->messages[i].msg_hdr.msg_iovlen = 1;
		batch->messages[i].msg_hdr.msg_name = &batch->sources[i];
		batch->messages[i].msg_hdr.msg_namelen = sizeof(batch->sources[i]);
		batch->messages[i].msg_hdr.msg_control = batch->control[i];
		batch->messages[i].msg_hdr.msg_controllen = sizeof(batch->control[i]);
	}
}

static int watch_sockets(struct nb_socket_capture *capture, struct nb_error *error)
{
	capture->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (capture->epoll < 0)
		return nb_fail(error, -errno, "watch sockets");
	for (uint32_t i = 0; i < capture->set.count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

		if (epoll_ctl(capture->epoll, EPOLL_CTL_ADD, capture->set.receivers[i].fd, &event) < 0)
			return nb_fail(error, -errno, "watch UDP port %u", capture->set.receivers[i].port);
	}
	return 0;
}

int nb_socket_capture_create(struct nb_socket_capture **capture, const struct nb_socket_capture_config *config,
			     struct nb_error *error)
{
	struct nb_socket_capture *self;
	int code;

	*capture = NULL;
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return nb_fail(error, -ENOMEM, "get memory for a socket capture");
	pthread_mutex_init(&self->lock, NULL);
	prepare_batch(&self->batch);
	self->epoll = -1;
	code = nb_socket_set_open(&self->set, config, error);
	if (code == 0)
		code = watch_sockets(self, error);
	if (code < 0) {
		nb_socket_capture_destroy(self);
		return code;
	}
	self->counts.sockets = self->set.count;
	self->counts.receive_buffer_bytes = self->set.receive_buffer_bytes;
	*capture = self;
	return 0;
}

void nb_socket_capture_destroy(struct nb_socket_capture *capture)
{
	if (capture == NULL)
		return;
	if (capture->epoll >= 0)
		close(capture->epoll);
	nb_socket_set_close(&capture->set);
	pthread_mutex_destroy(&capture->lock);
	free(capture);
}

static void fill_packet(struct nb_packet *packet, const struct nb_receiver *receiver, const struct batch *batch,
			uint32_t index, const struct nb_receive_facts *facts, int64_t read_ns)
{
	const struct sockaddr_in *source = &batch->sources[index];
	const uint32_t length = batch->messages[index].msg_len;

	memset(packet, 0, sizeof(*packet));
	packet->flow.family = 4;
	memcpy(packet->flow.source, &source->sin_addr, 4);
	memcpy(packet->flow.destination, facts->destination, 4);
	packet->flow.source_port = ntohs(source->sin_port);
	packet->flow.destination_port = receiver->port;
	packet->payload = batch->payload[index];
	packet->payload_length = length < PAYLOAD_BYTES ? length : PAYLOAD_BYTES;
	packet->datagram_length = length;
	packet->read_ns = read_ns;
	if (facts->hardware_ns != 0) {
		packet->received_ns = facts->hardware_ns;
		packet->stamp_class = NB_STAMP_HARDWARE;
	} else if (facts->kernel_ns != 0) {
		packet->received_ns = facts->kernel_ns;
		packet->stamp_class = NB_STAMP_KERNEL;
	} else {
		packet->received_ns = read_ns;
		packet->stamp_class = NB_STAMP_USER;
	}
}

/* Hand the first @count messages over, and make them ready to be filled again. */
static void record_batch(struct nb_socket_capture *capture, struct nb_receiver *receiver, struct nb_table *table,
			 uint32_t count)
{
	const int64_t read_ns = nb_realtime_ns();
	uint64_t truncated = 0, unasked = 0, overflow = 0;
	struct nb_receive_facts facts;
	struct nb_packet packet;

	nb_table_lock(table);
	for (uint32_t i = 0; i < count; i++) {
		struct msghdr *message = &capture->batch.messages[i].msg_hdr;

		nb_receive_facts_read(message, &facts);
		truncated += (message->msg_flags & MSG_TRUNC) != 0;
		if (facts.drops_told) {
			overflow += (uint32_t)(facts.drops - receiver->overflow);
			receiver->overflow = facts.drops;
		}
		if (nb_receiver_wants(receiver, &facts)) {
			fill_packet(&packet, receiver, &capture->batch, i, &facts, read_ns);
			nb_table_record(table, &packet);
		} else {
			unasked++;
		}
		message->msg_namelen = sizeof(capture->batch.sources[i]);
		message->msg_controllen = sizeof(capture->batch.control[i]);
	}
	nb_table_unlock(table);

	pthread_mutex_lock(&capture->lock);
	capture->counts.packets += count;
	capture->counts.truncated += truncated;
	capture->counts.unasked += unasked;
	capture->counts.overflow_seen += overflow;
	capture->counts.batches++;
	if (count > capture->counts.largest_batch)
		capture->counts.largest_batch = count;
	pthread_mutex_unlock(&capture->lock);
}

static void count_system_call(struct nb_socket_capture *capture)
{
	pthread_mutex_lock(&capture->lock);
	capture->counts.system_calls++;
	pthread_mutex_unlock(&capture->lock);
}

/* Take one batch out of a socket. Return: how many; 0 when it is empty; or -errno. */
static int take_batch(struct nb_socket_capture *capture, struct nb_receiver *receiver, struct nb_table *table,
		      struct nb_error *error)
{
	const int taken = recvmmsg(receiver->fd, capture->batch.messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	const int code = taken < 0 ? -errno : 0;

	count_system_call(capture);
	if (taken > 0) {
		record_batch(capture, receiver, table, (uint32_t)taken);
		return taken;
	}
	if (taken == 0 || code == -EAGAIN || code == -EINTR)
		return 0;
	return nb_fail(error, code, "receive on UDP port %u", receiver->port);
}

/* Wait for datagrams, then take one batch out of each socket that has some. */
static int take_turn(struct nb_socket_capture *capture, struct nb_table *table, int sleep_ms, struct nb_error *error)
{
	struct epoll_event ready[READY_SOCKETS];
	const int count = epoll_wait(capture->epoll, ready, READY_SOCKETS, sleep_ms);
	int code = count < 0 && errno != EINTR ? -errno : 0;

	count_system_call(capture);
	if (code < 0)
		return nb_fail(error, code, "wait for datagrams");
	for (int i = 0; i < count && code >= 0; i++)
		code = take_batch(capture, &capture->set.receivers[ready[i].data.u32], table, error);
	return code < 0 ? code : 0;
}

/* Take what was queued in one socket. */
static int drain(struct nb_socket_capture *capture, struct nb_receiver *receiver, struct nb_table *table,
		 struct nb_error *error)
{
	int count;

	do {
		count = take_batch(capture, receiver, table, error);
		if (count > 0)
			receiver->left -= (uint32_t)count < receiver->left ? (uint32_t)count : receiver->left;
	} while (count > 0 && receiver->left > 0);
	return count < 0 ? count : 0;
}

/*
 * While a sender keeps on there is no natural end. So it is found out first how much is queued in all sockets, and
 * that much is taken: a flood of no matter how many groups cannot keep a capture from ending.
 */
static int drain_all(struct nb_socket_capture *capture, struct nb_table *table, struct nb_error *error)
{
	int code = 0;

	for (uint32_t i = 0; i < capture->set.count; i++) {
		struct nb_receiver *receiver = &capture->set.receivers[i];

		receiver->left = nb_receive_socket_queued(receiver->fd) / LEAST_QUEUED_BYTES + 1;
	}
	for (uint32_t i = 0; i < capture->set.count && code == 0; i++)
		code = drain(capture, &capture->set.receivers[i], table, error);
	return code;
}

/* Called once a second, so that the kernel's 32 bits cannot wrap unseen. */
static int read_drops(struct nb_socket_capture *capture, struct nb_error *error)
{
	uint64_t more = 0;

	for (uint32_t i = 0; i < capture->set.count; i++) {
		struct nb_receiver *receiver = &capture->set.receivers[i];
		uint32_t drops;
		const int code = nb_receive_socket_drops(receiver->fd, &drops);

		if (code < 0)
			return nb_fail(error, code, "read the drops of UDP port %u", receiver->port);
		more += (uint32_t)(drops - receiver->drops);
		receiver->drops = drops;
	}
	pthread_mutex_lock(&capture->lock);
	capture->counts.socket_drops += more;
	pthread_mutex_unlock(&capture->lock);
	return 0;
}

int nb_socket_capture_run(struct nb_socket_capture *capture, struct nb_table *table, int64_t deadline_ns,
			  const atomic_bool *stop, struct nb_error *error)
{
	int64_t drops_due_ns = nb_monotonic_ns() + NB_NS_PER_S;
	int code = 0;

	while (code == 0 && !nb_deadline_reached(deadline_ns, stop)) {
		code = take_turn(capture, table, nb_deadline_sleep_ms(deadline_ns), error);
		if (code == 0 && nb_monotonic_ns() >= drops_due_ns) {
			code = read_drops(capture, error);
			drops_due_ns += NB_NS_PER_S;
		}
	}
	if (code == 0)
		code = drain_all(capture, table, error);
	return code == 0 ? read_drops(capture, error) : code;
}

void nb_socket_capture_read(struct nb_socket_capture *capture, struct nb_socket_capture_counts *counts)
{
	pthread_mutex_lock(&capture->lock);
	*counts = capture->counts;
	pthread_mutex_unlock(&capture->lock);
}
