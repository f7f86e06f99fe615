/* SPDX-License-Identifier: MIT */
/* stamp_capture.c - receives on one interface to see which packets carry a hardware stamp. */
#include "stamp_capture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/ethernet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "receive_socket.h"

/*
 * Theory of operation
 *
 * A hardware stamp rides on the packet, so every socket that gets the packet gets the stamp. UDP sockets, one a listen, show what
 * an application would get; the packet socket shows everything that arrives, PTP over Ethernet included, which no other socket
 * does. It starts behind the link-layer header (SOCK_DGRAM): the kernel has taken tags off and tells the EtherType.
 *
 * Counts are kept under one lock, taken once a batch. A batch is one recvmmsg; only the first bytes of a packet are copied.
 */

#define BATCH 64
#define HEAD_BYTES 192 /* IP with options, UDP; of the rest nothing is asked */
#define MOST_SOCKETS (NB_STAMP_LISTENS + 1)
#define LEAST_QUEUED_BYTES 256 /* a queued packet is charged at least so many */

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_storage sources[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][NB_RECEIVE_CONTROL_BYTES];
	uint8_t heads[BATCH][HEAD_BYTES];
};

struct nb_stamp_capture {
	struct pollfd sockets[MOST_SOCKETS]; /* the listens', then the packet socket */
	uint32_t socket_drops[NB_STAMP_LISTENS];
	uint32_t listens;
	bool frames;
	struct batch batch;
	pthread_mutex_t lock; /* of what follows */
	struct nb_stamp_capture_counts counts;
	struct nb_stamp_series kinds[NB_STAMPED_KINDS];
	struct nb_stamp_series *of_listens; /* owned */
};

/* ---- opening ---- */

static int open_listen(const struct nb_stamp_capture_config *config, const struct nb_listen *listen,
		       struct nb_error *error)
{
	const bool group = (listen->address[0] & 0xf0) == 0xe0; /* 224.0.0.0/4 */
	struct nb_receive_socket_config socket_config = {
		.port = listen->port,
		.shared = group,
		.interface_index = config->interface_index,
		.receive_buffer_bytes = config->receive_buffer_bytes,
		.hardware_stamps = true,
	};
	int fd, code = 0;

	memcpy(socket_config.address, listen->address, sizeof(socket_config.address));
	fd = nb_receive_socket_open(&socket_config, error);
	if (fd < 0)
		return fd;
	if (group)
		code = nb_receive_socket_join(fd, listen->address, listen->source, config->interface_index, error);
	if (code == 0)
		return fd;
	close(fd);
	return code;
}

static int set_option(int fd, int level, int option, const void *value, socklen_t length)
{
	return setsockopt(fd, level, option, value, length) < 0 ? -errno : 0;
}

/* The addresses that PTP over Ethernet is sent to (IEEE 1588 annex F). An interface without such addresses has none to join. */
static int join_ptp(int fd, uint32_t interface_index)
{
	static const uint8_t addresses[][ETH_ALEN] = {
		{ 0x01, 0x1b, 0x19, 0x00, 0x00, 0x00 },
		{ 0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e },
	};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct packet_mreq request = {
			.mr_ifindex = (int)interface_index,
			.mr_type = PACKET_MR_MULTICAST,
			.mr_alen = ETH_ALEN,
		};
		int code;

		memcpy(request.mr_address, addresses[i], ETH_ALEN);
		code = set_option(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request));
		if (code < 0 && code != -EINVAL)
			return code;
	}
	return 0;
}

static int set_frame_options(int fd, const struct nb_stamp_capture_config *config, struct nb_error *error)
{
	const int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_HARDWARE |
			   SOF_TIMESTAMPING_RAW_HARDWARE;
	const int on = 1;
	const int bytes = config->receive_buffer_bytes > INT_MAX ? INT_MAX : (int)config->receive_buffer_bytes;
	int code = set_option(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps));

	if (code < 0)
		return nb_fail(error, code, "ask a packet socket for receive timestamps");
	/* Since Linux 4.20; before, what goes out is told by its packet type. */
	(void)set_option(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (bytes > 0 && set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0) {
		code = set_option(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		if (code < 0)
			return nb_fail(error, code, "set the receive buffer of a packet socket");
	}
	code = join_ptp(fd, config->interface_index);
	return code == 0 ? 0 : nb_fail(error, code, "listen to the addresses of PTP over Ethernet");
}

/* Bound last: before, it would queue what arrives elsewhere. */
static int open_frames(const struct nb_stamp_capture_config *config, struct nb_error *error)
{
	const struct sockaddr_ll name = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)config->interface_index,
	};
	const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd < 0)
		return nb_fail(error, -errno, "open a packet socket");
	code = set_frame_options(fd, config, error);
	if (code == 0 && bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
		code = nb_fail(error, -errno, "watch interface %u", config->interface_index);
	if (code == 0)
		return fd;
	close(fd);
	return code;
}

static void watch(struct nb_stamp_capture *capture, uint32_t index, int fd)
{
	capture->sockets[index].fd = fd;
	capture->sockets[index].events = POLLIN;
}

static int open_sockets(struct nb_stamp_capture *capture, const struct nb_stamp_capture_config *config,
			struct nb_error *error)
{
	int fd;

	for (uint32_t i = 0; i < config->listen_count; i++) {
		fd = open_listen(config, &config->listens[i], error);
		if (fd < 0)
			return fd;
		watch(capture, i, fd);
		capture->listens = i + 1;
	}
	if (!config->frames)
		return 0;
	fd = open_frames(config, error);
	if (fd < 0)
		return fd;
	watch(capture, capture->listens, fd);
	capture->frames = true;
	return 0;
}

static void prepare_batch(struct batch *batch)
{
	for (uint32_t i = 0; i < BATCH; i++) {
		struct msghdr *message = &batch->messages[i].msg_hdr;

		batch->vectors[i].iov_base = batch->heads[i];
		batch->vectors[i].iov_len = HEAD_BYTES;
		message->msg_iov = &batch->vectors[i];
		message->msg_iovlen = 1;
		message->msg_name = &batch->sources[i];
		message->msg_namelen = sizeof(batch->sources[i]);
		message->msg_control = batch->control[i];
		message->msg_controllen = sizeof(batch->control[i]);
	}
}

int nb_stamp_capture_create(struct nb_stamp_capture **capture, const struct nb_stamp_capture_config *config,
			    struct nb_error *error)
{
	struct nb_stamp_capture *self;
	int code;

	*capture = NULL;
	if (config->listen_count > NB_STAMP_LISTENS)
		return nb_fail(error, -EINVAL, "listen to %u groups or ports: at most %u", config->listen_count,
			       NB_STAMP_LISTENS);
	if (config->listen_count == 0 && !config->frames)
		return nb_fail(error, -EINVAL, "count stamps without anything to listen to");
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return nb_fail(error, -ENOMEM, "get memory for a stamp capture");
	pthread_mutex_init(&self->lock, NULL);
	prepare_batch(&self->batch);
	self->of_listens = calloc(config->listen_count + 1, sizeof(*self->of_listens));
	if (self->of_listens == NULL)
		code = nb_fail(error, -ENOMEM, "get memory for a stamp capture");
	else
		code = open_sockets(self, config, error);
	if (code < 0) {
		nb_stamp_capture_destroy(self);
		return code;
	}
	*capture = self;
	return 0;
}

static uint32_t socket_count(const struct nb_stamp_capture *capture)
{
	return capture->listens + (capture->frames ? 1 : 0);
}

void nb_stamp_capture_destroy(struct nb_stamp_capture *capture)
{
	if (capture == NULL)
		return;
	for (uint32_t i = 0; i < socket_count(capture); i++)
		close(capture->sockets[i].fd);
	pthread_mutex_destroy(&capture->lock);
	free(capture->of_listens);
	free(capture);
}

/* ---- counting ---- */

/* Return: whether it came in. */
static bool count_frame(struct nb_stamp_capture *capture, uint32_t index, const struct nb_receive_facts *facts)
{
	const struct batch *batch = &capture->batch;
	const struct sockaddr_ll *source = (const struct sockaddr_ll *)&batch->sources[index];
	const size_t length = batch->messages[index].msg_len;
	enum nb_stamped_kind kind;
	uint64_t flow;

	if (source->sll_pkttype == PACKET_OUTGOING)
		return false;
	kind = nb_stamped_kind_of(ntohs(source->sll_protocol), source->sll_addr, batch->heads[index],
				  length < HEAD_BYTES ? length : HEAD_BYTES, length, &flow);
	nb_stamp_series_add(&capture->kinds[kind], flow, facts->hardware_ns, facts->kernel_ns);
	nb_stamp_series_add(&capture->kinds[NB_STAMPED_ALL], flow, facts->hardware_ns, facts->kernel_ns);
	return true;
}

static void count_batch(struct nb_stamp_capture *capture, uint32_t socket, uint32_t count)
{
	struct batch *batch = &capture->batch;
	struct nb_receive_facts facts;

	pthread_mutex_lock(&capture->lock);
	for (uint32_t i = 0; i < count; i++) {
		struct msghdr *message = &batch->messages[i].msg_hdr;
		bool counted = true;

		nb_receive_facts_read(message, &facts);
		if (socket < capture->listens)
			nb_stamp_series_add(&capture->of_listens[socket],
					    nb_stamp_flow(&batch->sources[i], sizeof(struct sockaddr_in)),
					    facts.hardware_ns, facts.kernel_ns);
		else
			counted = count_frame(capture, i, &facts);
		capture->counts.packets += counted;
		message->msg_namelen = sizeof(batch->sources[i]);
		message->msg_controllen = sizeof(batch->control[i]);
	}
	pthread_mutex_unlock(&capture->lock);
}

/* Take one batch out of a socket. Return: how many; 0 when it is empty; or -errno. */
static int take_batch(struct nb_stamp_capture *capture, uint32_t socket, struct nb_error *error)
{
	const int taken = recvmmsg(capture->sockets[socket].fd, capture->batch.messages, BATCH,
				   MSG_DONTWAIT | MSG_TRUNC, NULL);
	const int code = taken < 0 ? -errno : 0;

	if (taken > 0) {
		count_batch(capture, socket, (uint32_t)taken);
		return taken;
	}
	/* An interface that goes down says so once (ENETDOWN), and may come back. */
	if (taken == 0 || code == -EAGAIN || code == -EINTR || code == -ENETDOWN)
		return 0;
	return nb_fail(error, code, "receive packets to see their stamps");
}

static int take_turn(struct nb_stamp_capture *capture, int sleep_ms, struct nb_error *error)
{
	const uint32_t sockets = socket_count(capture);
	int code = poll(capture->sockets, sockets, sleep_ms);

	if (code < 0)
		return errno == EINTR ? 0 : nb_fail(error, -errno, "wait for packets");
	for (uint32_t i = 0; i < sockets && code >= 0; i++) {
		if (capture->sockets[i].revents != 0)
			code = take_batch(capture, i, error);
	}
	return code < 0 ? code : 0;
}

/* As much as is queued now, so that a flood has an end. */
static int drain(struct nb_stamp_capture *capture, struct nb_error *error)
{
	for (uint32_t i = 0; i < socket_count(capture); i++) {
		int64_t left = nb_receive_socket_queued(capture->sockets[i].fd) / LEAST_QUEUED_BYTES + 1;
		int taken;

		do {
			taken = take_batch(capture, i, error);
			left -= taken;
		} while (taken > 0 && left > 0);
		if (taken < 0)
			return taken;
	}
	return 0;
}

/* What our own sockets refused since the last time. Reading a packet socket's statistics resets them. */
static int read_drops(struct nb_stamp_capture *capture, struct nb_error *error)
{
	struct tpacket_stats statistics = { 0 };
	socklen_t length = sizeof(statistics);
	uint64_t more = 0;

	for (uint32_t i = 0; i < capture->listens; i++) {
		uint32_t drops;
		const int code = nb_receive_socket_drops(capture->sockets[i].fd, &drops);

		if (code < 0)
			return nb_fail(error, code, "read the drops of a socket");
		more += (uint32_t)(drops - capture->socket_drops[i]);
		capture->socket_drops[i] = drops;
	}
	if (capture->frames) {
		if (getsockopt(capture->sockets[capture->listens].fd, SOL_PACKET, PACKET_STATISTICS, &statistics,
			       &length) < 0)
			return nb_fail(error, -errno, "read the drops of a packet socket");
		more += statistics.tp_drops;
	}
	pthread_mutex_lock(&capture->lock);
	capture->counts.drops += more;
	pthread_mutex_unlock(&capture->lock);
	return 0;
}

int nb_stamp_capture_run(struct nb_stamp_capture *capture, int64_t deadline_ns, const atomic_bool *stop,
			 struct nb_error *error)
{
	int64_t drops_due_ns = nb_monotonic_ns() + NB_NS_PER_S;
	int code = 0;

	while (code == 0 && !nb_deadline_reached(deadline_ns, stop)) {
		code = take_turn(capture, nb_deadline_sleep_ms(deadline_ns), error);
		if (code == 0 && nb_monotonic_ns() >= drops_due_ns) {
			code = read_drops(capture, error);
			drops_due_ns += NB_NS_PER_S;
		}
	}
	if (code == 0)
		code = drain(capture, error);
	return code == 0 ? read_drops(capture, error) : code;
}

/* ---- reading ---- */

void nb_stamp_capture_read(struct nb_stamp_capture *capture, struct nb_stamp_capture_counts *counts)
{
	pthread_mutex_lock(&capture->lock);
	*counts = capture->counts;
	pthread_mutex_unlock(&capture->lock);
}

void nb_stamp_capture_read_listen(struct nb_stamp_capture *capture, uint32_t index, struct nb_stamp_counts *counts)
{
	pthread_mutex_lock(&capture->lock);
	nb_stamp_series_read(&capture->of_listens[index], counts);
	pthread_mutex_unlock(&capture->lock);
}

bool nb_stamp_capture_read_kind(struct nb_stamp_capture *capture, enum nb_stamped_kind kind,
				struct nb_stamp_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	if (!capture->frames)
		return false;
	pthread_mutex_lock(&capture->lock);
	nb_stamp_series_read(&capture->kinds[kind], counts);
	pthread_mutex_unlock(&capture->lock);
	return true;
}
