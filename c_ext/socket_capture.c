/* SPDX-License-Identifier: MIT */
/* socket_capture.c - UDP sockets with kernel stamps: what an application would see. */
#include "socket_capture.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "deadline.h"
#include "receive_socket.h"

/*
 * Theory of operation
 *
 * A socket can be a member of only so many groups (igmp_max_memberships, 20), so a thousand groups are spread over fifty sockets,
 * all bound to the same port. Each group is joined by exactly one of them, and IP_MULTICAST_ALL = 0 keeps the others from getting
 * it too: a datagram of a group is counted once.
 *
 * A unicast address is bound without SO_REUSEADDR, so that a port of somebody else's is refused and not silently shared. Where
 * groups follow on the same port, the socket is opened up for them after its own bind. From then on the kernel gives a unicast
 * datagram to one of the sockets, no matter which: all feed the same table. A broadcast goes to all of them; only the one that was
 * bound for unicast counts it. What nobody asked for (unicast to a port where only groups were asked for) is counted apart.
 *
 * epoll reports sockets in turns, and each gives one batch per turn: a busy group cannot starve the others.
 */

#define BATCH 256
#define PAYLOAD_BYTES 2048
#define READY_SOCKETS 64
#define DEFAULT_MEMBERSHIPS 20
/* A queued datagram takes at least this much of a receive buffer (its sk_buff alone is larger). */
#define LEAST_QUEUED_BYTES 512

/* One batch as recvmmsg fills it. */
struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_in sources[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][NB_RECEIVE_CONTROL_BYTES];
	uint8_t payload[BATCH][PAYLOAD_BYTES];
};

struct receiver {
	int fd;
	uint16_t port;
	bool unicast;      /* bound for unicast; else for groups */
	bool any_unicast;  /* unicast to any address of this host was asked for on this port */
	uint32_t members;  /* groups joined */
	uint32_t drops;    /* as last read with SO_MEMINFO */
	uint32_t overflow; /* as last told with SO_RXQ_OVFL */
};

struct nb_socket_capture {
	struct receiver *receivers; /* Owned. One for each listen is the most that can be needed. */
	uint32_t receiver_count;
	int epoll;
	struct batch batch;
	pthread_mutex_t lock; /* of the counts */
	struct nb_socket_capture_counts counts;
};

static bool is_group(const uint8_t address[4])
{
	return (address[0] & 0xf0) == 0xe0;
}

static bool is_any(const uint8_t address[4])
{
	return (address[0] | address[1] | address[2] | address[3]) == 0;
}

static uint32_t read_max_memberships(void)
{
	unsigned int value = 0;
	FILE *file = fopen("/proc/sys/net/ipv4/igmp_max_memberships", "re");

	if (file == NULL)
		return DEFAULT_MEMBERSHIPS;
	if (fscanf(file, "%u", &value) != 1 || value == 0)
		value = DEFAULT_MEMBERSHIPS;
	fclose(file);
	return value;
}

static int check_listen(const struct nb_listen *listen, struct nb_error *error)
{
	if (listen->port == 0)
		return nb_fail(error, -EINVAL, "listen on UDP port 0");
	if (!is_any(listen->source) && !is_group(listen->address))
		return nb_fail(error, -EINVAL, "filter a unicast address by source");
	if (is_group(listen->source))
		return nb_fail(error, -EINVAL, "use a group as a source");
	return 0;
}

static int check_config(const struct nb_socket_capture_config *config, struct nb_error *error)
{
	char name[IF_NAMESIZE];
	int code = 0;

	if (config->listen_count == 0)
		return nb_fail(error, -EINVAL, "listen on nothing");
	if (config->interface_index != 0 && if_indextoname(config->interface_index, name) == NULL)
		return nb_fail(error, -ENODEV, "find interface %u", config->interface_index);
	for (uint32_t i = 0; i < config->listen_count && code == 0; i++)
		code = check_listen(&config->listens[i], error);
	return code;
}

/* By port; unicast before groups; 0.0.0.0 before what it covers, as address and as source. */
static int compare_listens(const void *left, const void *right)
{
	const struct nb_listen *a = left, *b = right;
	int order = (a->port > b->port) - (a->port < b->port);

	if (order == 0)
		order = is_group(a->address) - is_group(b->address);
	if (order == 0)
		order = memcmp(a->address, b->address, sizeof(a->address));
	return order != 0 ? order : memcmp(a->source, b->source, sizeof(a->source));
}

/* Does @earlier, which stands before it in the order above, already bring all that @later asks for? */
static bool covers(const struct nb_listen *earlier, const struct nb_listen *later)
{
	if (earlier->port != later->port || is_group(earlier->address) != is_group(later->address))
		return false;
	if (!is_group(later->address) && is_any(earlier->address))
		return true;
	if (memcmp(earlier->address, later->address, sizeof(later->address)) != 0)
		return false;
	return is_any(earlier->source) || memcmp(earlier->source, later->source, sizeof(later->source)) == 0;
}

static int add_receiver(struct nb_socket_capture *capture, const struct nb_socket_capture_config *config,
			const struct nb_listen *listen, bool any_unicast, struct nb_error *error)
{
	const uint32_t index = capture->receiver_count;
	struct receiver *receiver = &capture->receivers[index];
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = index };
	struct nb_receive_socket_config socket_config = {
		.port = listen->port,
		.shared = is_group(listen->address),
		.receive_buffer_bytes = config->receive_buffer_bytes,
		.hardware_stamps = config->hardware_stamps,
	};
	uint32_t granted;

	if (!is_group(listen->address)) {
		memcpy(socket_config.address, listen->address, sizeof(listen->address));
		socket_config.interface_index = config->interface_index;
	}
	receiver->fd = nb_receive_socket_open(&socket_config, error);
	if (receiver->fd < 0)
		return receiver->fd;
	receiver->port = listen->port;
	receiver->unicast = !is_group(listen->address);
	receiver->any_unicast = any_unicast;
	capture->receiver_count++; /* from here on, destroy closes it */

	granted = nb_receive_socket_buffer(receiver->fd);
	if (index == 0 || granted < capture->counts.receive_buffer_bytes)
		capture->counts.receive_buffer_bytes = granted;
	capture->counts.sockets = capture->receiver_count;
	if (epoll_ctl(capture->epoll, EPOLL_CTL_ADD, receiver->fd, &event) < 0)
		return nb_fail(error, -errno, "watch UDP port %u", listen->port);
	return 0;
}

/* Groups follow on a port that was bound for unicast. Each of its sockets has the port safely by now. */
static int open_to_groups(struct nb_socket_capture *capture, uint16_t port, struct nb_error *error)
{
	int code = 0;

	for (uint32_t i = 0; i < capture->receiver_count && code == 0; i++)
		if (capture->receivers[i].port == port)
			code = nb_receive_socket_share(capture->receivers[i].fd, error);
	return code;
}

/* Join with a socket of the port that has room, or else with one more. */
static int add_group(struct nb_socket_capture *capture, const struct nb_socket_capture_config *config,
		     const struct nb_listen *listen, uint32_t most_members, struct nb_error *error)
{
	const uint32_t count = capture->receiver_count;
	struct receiver *latest = count > 0 ? &capture->receivers[count - 1] : NULL;
	const bool same_port = latest != NULL && latest->port == listen->port;
	int code = -ENOBUFS;

	/* ENOBUFS: it is full by another limit (igmp_max_msf of sources, optmem_max). */
	if (same_port && !latest->unicast && latest->members < most_members)
		code = nb_receive_socket_join(latest->fd, listen->address, listen->source, config->interface_index, error);
	if (code == -ENOBUFS) {
		code = same_port && latest->unicast ? open_to_groups(capture, listen->port, error) : 0;
		if (code == 0)
			code = add_receiver(capture, config, listen, same_port && latest->any_unicast, error);
		if (code < 0)
			return code;
		latest = &capture->receivers[count];
		code = nb_receive_socket_join(latest->fd, listen->address, listen->source, config->interface_index, error);
	}
	if (code == 0)
		latest->members++;
	return code;
}

static int open_receivers(struct nb_socket_capture *capture, const struct nb_socket_capture_config *config,
			  struct nb_listen *listens, struct nb_error *error)
{
	const uint32_t most_members =
		config->memberships_per_socket != 0 ? config->memberships_per_socket : read_max_memberships();
	const struct nb_listen *kept = NULL;
	int code = 0;

	memcpy(listens, config->listens, config->listen_count * sizeof(*listens));
	qsort(listens, config->listen_count, sizeof(*listens), compare_listens);
	for (uint32_t i = 0; i < config->listen_count && code == 0; i++) {
		const struct nb_listen *listen = &listens[i];

		if (kept != NULL && covers(kept, listen))
			continue;
		kept = listen;
		if (is_group(listen->address))
			code = add_group(capture, config, listen, most_members, error);
		else
			code = add_receiver(capture, config, listen, is_any(listen->address), error);
	}
	return code;
}

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

int nb_socket_capture_create(struct nb_socket_capture **result, const struct nb_socket_capture_config *config,
			     struct nb_error *error)
{
	struct nb_socket_capture *capture;
	struct nb_listen *listens;
	int code;

	*result = NULL;
	code = check_config(config, error);
	if (code < 0)
		return code;
	listens = calloc(config->listen_count, sizeof(*listens));
	capture = calloc(1, sizeof(*capture));
	if (listens == NULL || capture == NULL) {
		code = nb_fail(error, -ENOMEM, "get memory for a socket capture");
		goto free_memory;
	}
	capture->receivers = calloc(config->listen_count, sizeof(*capture->receivers));
	if (capture->receivers == NULL) {
		code = nb_fail(error, -ENOMEM, "get memory for %u sockets", config->listen_count);
		goto free_memory;
	}
	prepare_batch(&capture->batch);
	pthread_mutex_init(&capture->lock, NULL);
	capture->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (capture->epoll < 0)
		code = nb_fail(error, -errno, "watch sockets");
	else
		code = open_receivers(capture, config, listens, error);
	free(listens);
	if (code < 0)
		nb_socket_capture_destroy(capture);
	else
		*result = capture;
	return code;

free_memory:
	free(capture);
	free(listens);
	return code;
}

void nb_socket_capture_destroy(struct nb_socket_capture *capture)
{
	if (capture == NULL)
		return;
	for (uint32_t i = 0; i < capture->receiver_count; i++)
		close(capture->receivers[i].fd);
	if (capture->epoll >= 0)
		close(capture->epoll);
	pthread_mutex_destroy(&capture->lock);
	free(capture->receivers);
	free(capture);
}

static bool was_asked_for(const struct receiver *receiver, const struct nb_receive_facts *facts)
{
	if (is_group(facts->destination))
		return true; /* the kernel hands out only this socket's groups */
	if (facts->to_us_alone)
		return receiver->unicast || receiver->any_unicast;
	return receiver->unicast; /* a broadcast, of which each socket gets a copy */
}

static void fill_packet(struct nb_packet *packet, const struct receiver *receiver, const struct batch *batch, uint32_t index,
			const struct nb_receive_facts *facts, int64_t read_ns)
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
static void record_batch(struct nb_socket_capture *capture, struct receiver *receiver, struct nb_table *table, uint32_t count)
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
		if (was_asked_for(receiver, &facts)) {
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
static int take_batch(struct nb_socket_capture *capture, struct receiver *receiver, struct nb_table *table,
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
		code = take_batch(capture, &capture->receivers[ready[i].data.u32], table, error);
	return code < 0 ? code : 0;
}

/*
 * Take what is queued in one socket. While a sender keeps on, there is no natural end: then what fits into the receive buffer is
 * taken, which is at least all that was queued when this began.
 */
static int drain(struct nb_socket_capture *capture, struct receiver *receiver, struct nb_table *table, struct nb_error *error)
{
	const uint64_t most = nb_receive_socket_buffer(receiver->fd) / LEAST_QUEUED_BYTES + BATCH;
	uint64_t taken = 0;
	int count;

	do {
		count = take_batch(capture, receiver, table, error);
		if (count > 0)
			taken += (uint64_t)count;
	} while (count > 0 && taken < most);
	return count < 0 ? count : 0;
}

/* Called once a second, so that the kernel's 32 bits cannot wrap unseen. */
static int read_drops(struct nb_socket_capture *capture, struct nb_error *error)
{
	uint64_t more = 0;

	for (uint32_t i = 0; i < capture->receiver_count; i++) {
		struct receiver *receiver = &capture->receivers[i];
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

int nb_socket_capture_run(struct nb_socket_capture *capture, struct nb_table *table, int64_t deadline_ns, const atomic_bool *stop,
			  struct nb_error *error)
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
	for (uint32_t i = 0; i < capture->receiver_count && code == 0; i++)
		code = drain(capture, &capture->receivers[i], table, error);
	return code == 0 ? read_drops(capture, error) : code;
}

void nb_socket_capture_read(struct nb_socket_capture *capture, struct nb_socket_capture_counts *counts)
{
	pthread_mutex_lock(&capture->lock);
	*counts = capture->counts;
	pthread_mutex_unlock(&capture->lock);
}
