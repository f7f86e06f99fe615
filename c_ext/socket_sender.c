/* SPDX-License-Identifier: MIT */
/* socket_sender.c - UDP probes through a socket, in bursts by sendmmsg. */
#include "socket_sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sender_private.h"

struct nb_socket_sender {
	struct nb_sender sender;
	struct sockaddr_in destinations[]; /* by stream */
};

static void address(struct nb_sender *sender, uint32_t stream, enum nb_envelope_cut cut, struct msghdr *message,
		    uint8_t *head)
{
	struct nb_socket_sender *self = (struct nb_socket_sender *)sender; /* its first member */

	(void)cut;
	(void)head;
	message->msg_name = &self->destinations[stream];
	message->msg_namelen = sizeof(self->destinations[stream]);
}

static int set_option(int fd, int level, int name, int value, const char *what, struct nb_error *error)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
		return nb_fail(error, -errno, "%s %d", what, value);
	return 0;
}

/* Send all by one interface: multicast by an option of its own, the rest where binding to a device is permitted. */
static int choose_interface(int fd, uint32_t index, struct nb_error *error)
{
	struct ip_mreqn by = { .imr_ifindex = (int)index };
	char name[IF_NAMESIZE];

	if (index == 0)
		return 0;
	if (!if_indextoname(index, name))
		return nb_fail(error, -ENODEV, "send by interface %u", index);
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) != 0 && errno != EPERM)
		return nb_fail(error, -errno, "send by interface %s", name);
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by)) != 0)
		return nb_fail(error, -errno, "send multicast by interface %s", name);
	return 0;
}

static int bind_source(int fd, const uint8_t source[4], uint16_t port, struct nb_error *error)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };
	char text[INET_ADDRSTRLEN];

	memcpy(&from.sin_addr, source, sizeof(from.sin_addr));
	if (from.sin_addr.s_addr == htonl(INADDR_ANY) && port == 0)
		return 0;
	if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) == 0)
		return 0;
	if (errno == EADDRNOTAVAIL)
		return nb_fail(error, -EADDRNOTAVAIL, "bind source address %s",
			       inet_ntop(AF_INET, &from.sin_addr, text, sizeof(text)));
	return nb_fail(error, -errno, "bind source port %u", port);
}

/**
 * open_socket() - A socket that sends as configured.
 * @config: what is asked for
 * @port: its own, 0 any
 * @error: what was refused
 *
 * Return: the descriptor or -errno
 */
static int open_socket(const struct nb_sender_config *config, uint16_t port, struct nb_error *error)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result;

	if (fd < 0)
		return nb_fail(error, -errno, "open a UDP socket");
	result = set_option(fd, IPPROTO_IP, IP_RECVERR, 1, "ask for refusals by IP_RECVERR", error);
	if (!result)
		result = set_option(fd, IPPROTO_IP, IP_TTL, config->ttl, "set the TTL to", error);
	if (!result)
		result = set_option(fd, IPPROTO_IP, IP_MULTICAST_TTL, config->ttl, "set the multicast TTL to", error);
	if (!result)
		result = set_option(fd, IPPROTO_IP, IP_TOS, config->dscp << 2, "set the TOS byte to", error);
	if (!result)
		result = nb_sender_set_buffer(fd, config->send_buffer_bytes, error);
	if (!result)
		result = choose_interface(fd, config->interface_index, error);
	if (!result)
		result = bind_source(fd, config->source, port, error);
	if (result) {
		close(fd);
		return result;
	}
	return fd;
}

/* Ask for a route to each destination, so that one that cannot be reached is refused now and not once per datagram. */
static int check_routes(const struct nb_socket_sender *self, struct nb_error *error)
{
	const struct nb_sender_config *config = &self->sender.config;
	int fd = open_socket(config, 0, error); /* connecting binds, so another socket than the one that sends */
	int result = 0;

	if (fd < 0)
		return fd;
	for (uint32_t i = 0; i < config->stream_count && !result; i++) {
		const struct sockaddr_in *to = &self->destinations[i];
		char text[INET_ADDRSTRLEN];

		if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
			result = nb_fail(error, -errno, "find a route to %s",
					 inet_ntop(AF_INET, &to->sin_addr, text, sizeof(text)));
	}
	close(fd);
	return result;
}

int nb_socket_sender_create(struct nb_socket_sender **sender, const struct nb_sender_config *config,
			    struct nb_error *error)
{
	struct nb_socket_sender *self;
	int result;

	self = calloc(1, sizeof(*self) + config->stream_count * sizeof(self->destinations[0]));
	if (!self)
		return nb_fail(error, -ENOMEM, "allocate a sender of %u streams", config->stream_count);
	result = nb_sender_init(&self->sender, config, 0, address, error);
	if (result)
		goto free_self;
	for (uint32_t i = 0; i < config->stream_count; i++) {
		self->destinations[i].sin_family = AF_INET;
		self->destinations[i].sin_port = htons(config->streams[i].port);
		memcpy(&self->destinations[i].sin_addr, config->streams[i].destination, 4);
	}
	result = check_routes(self, error);
	if (result)
		goto release_sender;
	result = open_socket(config, config->source_port, error);
	if (result < 0)
		goto release_sender;
	self->sender.fd = result;
	*sender = self;
	return 0;

release_sender:
	nb_sender_release(&self->sender);
free_self:
	free(self);
	return result;
}

void nb_socket_sender_destroy(struct nb_socket_sender *sender)
{
	if (!sender)
		return;
	nb_sender_release(&sender->sender);
	free(sender);
}

int nb_socket_sender_run(struct nb_socket_sender *sender, const atomic_bool *stop, struct nb_error *error)
{
	return nb_sender_run(&sender->sender, stop, error);
}

void nb_socket_sender_read(struct nb_socket_sender *sender, struct nb_sender_counts *counts)
{
	nb_sender_read(&sender->sender, counts);
}

void nb_socket_sender_read_stream(struct nb_socket_sender *sender, uint32_t index, struct nb_source_counts *counts)
{
	nb_sender_read_stream(&sender->sender, index, counts);
}

void nb_socket_sender_lateness(struct nb_socket_sender *sender, struct nb_histogram *histogram)
{
	nb_sender_lateness(&sender->sender, histogram);
}
