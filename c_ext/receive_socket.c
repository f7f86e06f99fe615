/* SPDX-License-Identifier: MIT */
/* receive_socket.c - one UDP socket of a capture: its options, its groups, what the kernel tells with a datagram. */
#include "receive_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

static const uint8_t any_address[4] = { 0, 0, 0, 0 };

static struct sockaddr_in ip4_address(const uint8_t address[4], uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

	memcpy(&name.sin_addr, address, 4);
	return name;
}

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Past net.core.rmem_max where that is permitted, up to it otherwise. What was granted is asked for separately. */
static int set_receive_buffer(int fd, uint32_t bytes)
{
	const int value = bytes > INT_MAX ? INT_MAX : (int)bytes;

	if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, value) == 0)
		return 0;
	return set_option(fd, SOL_SOCKET, SO_RCVBUF, value);
}

/* What must stand before the first datagram can be queued. */
static int set_options(int fd, const struct nb_receive_socket_config *config, struct nb_error *error)
{
	int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	int code;

	if (config->hardware_stamps)
		stamps |= SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
	code = set_option(fd, SOL_SOCKET, SO_TIMESTAMPING, stamps);
	if (code < 0)
		return nb_fail(error, code, "ask for receive timestamps");
	code = set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (code < 0)
		return nb_fail(error, code, "ask for the count of refused datagrams");
	code = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (code < 0)
		return nb_fail(error, code, "ask for destination addresses");
	/* Otherwise each socket would get every group that any program of this host has joined. */
	code = set_option(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	if (code < 0)
		return nb_fail(error, code, "restrict a socket to its own groups");
	if (config->receive_buffer_bytes != 0) {
		code = set_receive_buffer(fd, config->receive_buffer_bytes);
		if (code < 0)
			return nb_fail(error, code, "set a receive buffer of %u bytes", config->receive_buffer_bytes);
	}
	if (config->interface_index != 0) {
		code = set_option(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)config->interface_index);
		/* Kernels before 5.7 reserve this to root: without it, more is received than was asked for. */
		if (code < 0 && code != -EPERM)
			return nb_fail(error, code, "bind a socket to interface %u", config->interface_index);
	}
	return 0;
}

static int bind_address(int fd, const struct nb_receive_socket_config *config, struct nb_error *error)
{
	const struct sockaddr_in name = ip4_address(config->address, config->port);
	char text[INET_ADDRSTRLEN];
	int code = 0;

	if (config->shared)
		code = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (code == 0 && bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
		code = -errno;
	if (code == 0)
		return 0;
	if (memcmp(config->address, any_address, 4) == 0)
		return nb_fail(error, code, "bind UDP port %u", config->port);
	inet_ntop(AF_INET, config->address, text, sizeof(text));
	return nb_fail(error, code, "bind UDP port %u on %s", config->port, text);
}

int nb_receive_socket_open(const struct nb_receive_socket_config *config, struct nb_error *error)
{
	int fd, code;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return nb_fail(error, -errno, "open a socket for UDP port %u", config->port);
	code = set_options(fd, config, error);
	if (code == 0)
		code = bind_address(fd, config, error);
	if (code == 0)
		return fd;
	close(fd);
	return code;
}

int nb_receive_socket_share(int fd, struct nb_error *error)
{
	const int code = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	return code == 0 ? 0 : nb_fail(error, code, "share a UDP port between a unicast address and groups");
}

static int join_failed(struct nb_error *error, int code, const uint8_t group[4], const uint8_t source[4],
		       uint32_t interface_index)
{
	char group_text[INET_ADDRSTRLEN], source_text[INET_ADDRSTRLEN], where[32] = "by routing";

	inet_ntop(AF_INET, group, group_text, sizeof(group_text));
	inet_ntop(AF_INET, source, source_text, sizeof(source_text));
	if (interface_index != 0)
		(void)snprintf(where, sizeof(where), "on interface %u", interface_index);
	if (memcmp(source, any_address, 4) == 0)
		return nb_fail(error, code, "join group %s %s", group_text, where);
	return nb_fail(error, code, "join group %s from source %s %s", group_text, source_text, where);
}

/* By interface number: an interface can be without an address, and two can have the same one. */
int nb_receive_socket_join(int fd, const uint8_t group[4], const uint8_t source[4], uint32_t interface_index,
			   struct nb_error *error)
{
	const struct sockaddr_in group_name = ip4_address(group, 0), source_name = ip4_address(source, 0);
	struct group_source_req request;
	struct group_req any_source;
	int result;

	if (memcmp(source, any_address, 4) == 0) {
		memset(&any_source, 0, sizeof(any_source));
		any_source.gr_interface = interface_index;
		memcpy(&any_source.gr_group, &group_name, sizeof(group_name));
		result = setsockopt(fd, IPPROTO_IP, MCAST_JOIN_GROUP, &any_source, sizeof(any_source));
	} else {
		memset(&request, 0, sizeof(request));
		request.gsr_interface = interface_index;
		memcpy(&request.gsr_group, &group_name, sizeof(group_name));
		memcpy(&request.gsr_source, &source_name, sizeof(source_name));
		result = setsockopt(fd, IPPROTO_IP, MCAST_JOIN_SOURCE_GROUP, &request, sizeof(request));
	}
	return result == 0 ? 0 : join_failed(error, -errno, group, source, interface_index);
}

uint32_t nb_receive_socket_buffer(int fd)
{
	int bytes = 0;
	socklen_t length = sizeof(bytes);

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length) < 0 || bytes < 0)
		return 0;
	return (uint32_t)bytes;
}

static int read_memory(int fd, uint32_t figures[SK_MEMINFO_VARS])
{
	socklen_t length = SK_MEMINFO_VARS * sizeof(*figures);

	memset(figures, 0, length);
	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, figures, &length) < 0 ? -errno : 0;
}

uint32_t nb_receive_socket_queued(int fd)
{
	uint32_t figures[SK_MEMINFO_VARS];

	return read_memory(fd, figures) == 0 ? figures[SK_MEMINFO_RMEM_ALLOC] : nb_receive_socket_buffer(fd);
}

int nb_receive_socket_drops(int fd, uint32_t *drops)
{
	uint32_t figures[SK_MEMINFO_VARS];
	const int code = read_memory(fd, figures);

	*drops = figures[SK_MEMINFO_DROPS];
	return code;
}

static void read_stamps(const struct cmsghdr *message, struct nb_receive_facts *facts)
{
	struct scm_timestamping stamps; /* 0: kernel, 1: no longer used, 2: hardware */

	memcpy(&stamps, CMSG_DATA(message), sizeof(stamps));
	facts->kernel_ns = nb_timespec_ns(&stamps.ts[0]);
	facts->hardware_ns = nb_timespec_ns(&stamps.ts[2]);
}

static void read_destination(const struct cmsghdr *message, struct nb_receive_facts *facts)
{
	struct in_pktinfo info;

	memcpy(&info, CMSG_DATA(message), sizeof(info));
	memcpy(facts->destination, &info.ipi_addr, 4);
	facts->to_us_alone = info.ipi_addr.s_addr == info.ipi_spec_dst.s_addr;
}

void nb_receive_facts_read(struct msghdr *message, struct nb_receive_facts *facts)
{
	struct cmsghdr *part;

	memset(facts, 0, sizeof(*facts));
	for (part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
		const size_t length = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SO_TIMESTAMPING &&
		    length >= sizeof(struct scm_timestamping)) {
			read_stamps(part, facts);
		} else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SO_RXQ_OVFL &&
			   length >= sizeof(facts->drops)) {
			memcpy(&facts->drops, CMSG_DATA(part), sizeof(facts->drops));
			facts->drops_told = true;
		} else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO &&
			   length >= sizeof(struct in_pktinfo)) {
			read_destination(part, facts);
		}
	}
}
