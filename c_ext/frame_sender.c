/* SPDX-License-Identifier: MIT */
/* frame_sender.c - UDP probes as whole Ethernet frames by AF_PACKET, for the highest rates. */
#include "frame_sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sender_private.h"

/*
 * Theory of operation
 *
 * Of a stream's frames only the UDP checksum and the payload's head differ. So the 42 bytes in front of the payload are
 * made once, and so is the sum of everything else that the UDP checksum covers; a frame costs a copy, and the sum of its
 * head: 48 bytes of a bare probe.
 *
 * The IPv4 header can be constant, its checksum too, because an unfragmentable datagram needs no identification (RFC
 * 6864 §4.1). One's complement sums do not care for byte order (RFC 1071 §2.B): words are read and written as the
 * machine has them.
 *
 * The socket has protocol 0: it receives nothing. With PACKET_QDISC_BYPASS a frame goes straight to the driver; a
 * capture on the sending interface then does not see it.
 */

#define ETHERNET_BYTES 14
#define IP_BYTES 20
#define UDP_BYTES 8
#define HEADER_BYTES (ETHERNET_BYTES + IP_BYTES + UDP_BYTES)
#define CHECKSUM_OFFSET (HEADER_BYTES - 2)

_Static_assert(HEADER_BYTES == NB_SENDER_HEADER_MOST, "the header fits in front of the probe");

struct stencil {
	uint8_t header[HEADER_BYTES]; /* UDP checksum 0 */
	uint64_t sum;                 /* of pseudo header and UDP header */
};

struct nb_frame_sender {
	struct nb_sender sender;
	uint64_t tail_sums[NB_CUT_COUNT]; /* of what follows the head, by its cut */
	struct stencil stencils[]; /* by stream */
};

/* What is asked of the interface. */
struct interface {
	char name[IF_NAMESIZE];
	uint8_t address[6];
	bool loopback;
};

/* Add 16-bit words, the last byte of an odd number padded with zero. */
static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	if (size % 2 != 0) {
		uint16_t word = 0;

		memcpy(&word, bytes + size - 1, 1);
		sum += word;
	}
	return sum;
}

/* The same of a payload's head, a multiple of 4 bytes, by 32 bits: folding makes it one. */
static uint64_t sum_of_head(const uint8_t *head, size_t size)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < size; i += 4) {
		uint32_t word;

		memcpy(&word, head + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static uint16_t checksum_of(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	value = htons(value);
	memcpy(at, &value, sizeof(value));
}

static void address(struct nb_sender *sender, uint32_t stream, enum nb_envelope_cut cut, struct msghdr *message,
		    uint8_t *head)
{
	const struct nb_frame_sender *self = (const struct nb_frame_sender *)sender; /* its first member */
	const struct stencil *stencil = &self->stencils[stream];
	const size_t head_bytes = message->msg_iov[0].iov_len - HEADER_BYTES;
	uint16_t checksum =
		checksum_of(stencil->sum + self->tail_sums[cut] + sum_of_head(head + HEADER_BYTES, head_bytes));

	if (checksum == 0) /* would say that there is none */
		checksum = 0xffff;
	memcpy(head, stencil->header, HEADER_BYTES);
	memcpy(head + CHECKSUM_OFFSET, &checksum, sizeof(checksum));
}

/**
 * address_frame() - Where a frame to an IPv4 address goes.
 * @destination: 6 bytes to be filled in
 * @config: knows the next hop
 * @interface: it leaves by
 * @to: IPv4 address
 * @error: no next hop was given
 *
 * Return: 0 or -errno
 */
static int address_frame(uint8_t *destination, const struct nb_sender_config *config, const struct interface *interface,
			 const uint8_t to[4], struct nb_error *error)
{
	static const uint8_t unknown[6];

	if ((to[0] & 0xf0) == 0xe0) { /* a group: RFC 1112 §6.4 */
		const uint8_t group[6] = { 0x01, 0x00, 0x5e, to[1] & 0x7f, to[2], to[3] };

		memcpy(destination, group, sizeof(group));
		return 0;
	}
	if (memcmp(config->next_hop, unknown, sizeof(unknown)) == 0 && !interface->loopback)
		return nb_fail(error, -EDESTADDRREQ, "send frames to %u.%u.%u.%u without the next hop's MAC address",
			       to[0], to[1], to[2], to[3]);
	memcpy(destination, config->next_hop, sizeof(unknown));
	return 0;
}

static void write_ip(uint8_t *ip, const struct nb_sender_config *config, const uint8_t to[4])
{
	uint16_t checksum;

	ip[0] = 0x45;
	ip[1] = (uint8_t)(config->dscp << 2);
	put16(ip + 2, (uint16_t)(IP_BYTES + UDP_BYTES + config->payload_bytes));
	put16(ip + 6, 0x4000); /* may not be fragmented; identification 0 */
	ip[8] = config->ttl;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, config->source, 4);
	memcpy(ip + 16, to, 4);
	checksum = checksum_of(sum_of(ip, IP_BYTES));
	memcpy(ip + 10, &checksum, sizeof(checksum));
}

static int write_stencil(struct stencil *stencil, const struct nb_sender *sender, const struct interface *interface,
			 const struct nb_sender_stream *stream, struct nb_error *error)
{
	const struct nb_sender_config *config = &sender->config;
	uint8_t *ethernet = stencil->header;
	uint8_t *ip = ethernet + ETHERNET_BYTES;
	uint8_t *udp = ip + IP_BYTES;
	int result = address_frame(ethernet, config, interface, stream->destination, error);

	if (result)
		return result;
	memcpy(ethernet + 6, interface->address, sizeof(interface->address));
	put16(ethernet + 12, 0x0800);
	write_ip(ip, config, stream->destination);
	put16(udp, config->source_port);
	put16(udp + 2, stream->port);
	put16(udp + 4, (uint16_t)(UDP_BYTES + config->payload_bytes));
	/* The pseudo header: both addresses, the protocol, the UDP length. */
	stencil->sum = sum_of(ip + 12, 8) + htons(IPPROTO_UDP) + sum_of(udp + 4, 2);
	stencil->sum += sum_of(udp, UDP_BYTES);
	return 0;
}

static void sum_tails(struct nb_frame_sender *self)
{
	for (int cut = 0; cut < NB_CUT_COUNT; cut++) {
		size_t bytes;
		const uint8_t *tail = nb_envelope_tail(self->sender.envelope, (enum nb_envelope_cut)cut, &bytes);

		self->tail_sums[cut] = sum_of(tail, bytes);
	}
}

/* Ask @fd's interface for what the frames depend on; refuse one that cannot carry them. */
static int ask_interface(struct interface *interface, int fd, const struct nb_sender_config *config,
			 struct nb_error *error)
{
	uint32_t datagram_bytes = IP_BYTES + UDP_BYTES + config->payload_bytes;
	struct ifreq request = { 0 };

	if (!if_indextoname(config->interface_index, interface->name))
		return nb_fail(error, -ENODEV, "send frames by interface %u", config->interface_index);
	memcpy(request.ifr_name, interface->name, sizeof(request.ifr_name));
	if (ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		return nb_fail(error, -errno, "read the flags of %s", interface->name);
	if ((request.ifr_flags & IFF_UP) == 0)
		return nb_fail(error, -ENETDOWN, "send frames by %s", interface->name);
	interface->loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
	if (ioctl(fd, SIOCGIFMTU, &request) != 0)
		return nb_fail(error, -errno, "read the MTU of %s", interface->name);
	if (datagram_bytes > 65535 || (int)datagram_bytes > request.ifr_mtu)
		return nb_fail(error, -EMSGSIZE, "send a payload of %u bytes by %s, whose MTU of %d leaves room for %d",
			       config->payload_bytes, interface->name, request.ifr_mtu,
			       request.ifr_mtu - IP_BYTES - UDP_BYTES);
	if (ioctl(fd, SIOCGIFHWADDR, &request) != 0)
		return nb_fail(error, -errno, "read the MAC address of %s", interface->name);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER && request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return nb_fail(error, -EOPNOTSUPP, "send frames by %s, which is no Ethernet", interface->name);
	memcpy(interface->address, request.ifr_hwaddr.sa_data, sizeof(interface->address));
	return 0;
}

static int open_socket(const struct nb_sender_config *config, struct nb_error *error)
{
	const struct sockaddr_ll by = { .sll_family = AF_PACKET, .sll_ifindex = (int)config->interface_index };
	int bypass = config->qdisc_bypass;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result;

	if (fd < 0)
		return nb_fail(error, -errno, "open a packet socket (needs CAP_NET_RAW)");
	result = nb_sender_set_buffer(fd, config->send_buffer_bytes, error);
	if (result)
		goto close_socket;
	if (bind(fd, (const struct sockaddr *)&by, sizeof(by)) != 0) {
		result = nb_fail(error, -errno, "send frames by interface %u", config->interface_index);
		goto close_socket;
	}
	if (bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof(bypass)) != 0) {
		result = nb_fail(error, -errno, "bypass the queueing discipline (PACKET_QDISC_BYPASS)");
		goto close_socket;
	}
	return fd;

close_socket:
	close(fd);
	return result;
}

static int check_required(const struct nb_sender_config *config, struct nb_error *error)
{
	static const uint8_t unknown[4];

	if (config->payload_ends)
		return nb_fail(error, -EINVAL, "replay payloads as frames, not by a socket");
	if (config->interface_index == 0)
		return nb_fail(error, -EINVAL, "send frames without an interface");
	if (memcmp(config->source, unknown, sizeof(unknown)) == 0)
		return nb_fail(error, -EINVAL, "send frames without a source address");
	if (config->source_port == 0)
		return nb_fail(error, -EINVAL, "send frames without a source port");
	return 0;
}

int nb_frame_sender_create(struct nb_frame_sender **sender, const struct nb_sender_config *config,
			   struct nb_error *error)
{
	struct interface interface;
	struct nb_frame_sender *self;
	int result = check_required(config, error);

	if (result)
		return result;
	self = calloc(1, sizeof(*self) + config->stream_count * sizeof(self->stencils[0]));
	if (!self)
		return nb_fail(error, -ENOMEM, "allocate a sender of %u streams", config->stream_count);
	result = nb_sender_init(&self->sender, config, HEADER_BYTES, address, error);
	if (result)
		goto free_self;
	result = open_socket(config, error);
	if (result < 0)
		goto release_sender;
	self->sender.fd = result;
	result = ask_interface(&interface, self->sender.fd, config, error);
	for (uint32_t i = 0; i < config->stream_count && !result; i++)
		result = write_stencil(&self->stencils[i], &self->sender, &interface, &config->streams[i], error);
	if (result)
		goto release_sender;
	sum_tails(self);
	*sender = self;
	return 0;

release_sender:
	nb_sender_release(&self->sender);
free_self:
	free(self);
	return result;
}

void nb_frame_sender_destroy(struct nb_frame_sender *sender)
{
	if (!sender)
		return;
	nb_sender_release(&sender->sender);
	free(sender);
}

int nb_frame_sender_run(struct nb_frame_sender *sender, const atomic_bool *stop, struct nb_error *error)
{
	return nb_sender_run(&sender->sender, stop, error);
}

void nb_frame_sender_read(struct nb_frame_sender *sender, struct nb_sender_counts *counts)
{
	nb_sender_read(&sender->sender, counts);
}

void nb_frame_sender_read_stream(struct nb_frame_sender *sender, uint32_t index, struct nb_source_counts *counts)
{
	nb_sender_read_stream(&sender->sender, index, counts);
}

void nb_frame_sender_lateness(struct nb_frame_sender *sender, struct nb_histogram *histogram)
{
	nb_sender_lateness(&sender->sender, histogram);
}
