/* SPDX-License-Identifier: MIT */
/* socket_set.c - the sockets of a capture: which group is joined by which. */
#include "socket_set.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Theory of operation
 *
 * A socket can be a member of only so many groups (igmp_max_memberships, 20), so a thousand groups are spread over
 * fifty sockets, all bound to the same port. Each group is joined by exactly one of them, and IP_MULTICAST_ALL = 0
 * keeps the others from getting it too: a datagram of a group is counted once.
 *
 * A unicast address is bound without SO_REUSEADDR, so that a port of somebody else's is refused and not silently
 * shared. Where groups follow on the same port, the socket is opened up for them after its own bind. From then on the
 * kernel gives a unicast datagram to one of the sockets, no matter which: all feed the same table. A broadcast goes to
 * all of them; only the one that was bound for unicast counts it. What nobody asked for (unicast to a port where only
 * groups were asked for) is counted apart.
 */

#define DEFAULT_MEMBERSHIPS 20

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
	FILE *file = fopen("/proc/sys/net/ipv4/igmp_max_memberships", "re");
	unsigned long value = 0;
	char text[32];

	if (file == NULL)
		return DEFAULT_MEMBERSHIPS;
	if (fgets(text, sizeof(text), file) != NULL)
		value = strtoul(text, NULL, 10);
	(void)fclose(file);
	return value == 0 || value > UINT32_MAX ? DEFAULT_MEMBERSHIPS : (uint32_t)value;
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

static int add_receiver(struct nb_socket_set *set, const struct nb_socket_capture_config *config,
			const struct nb_listen *listen, bool any_unicast, struct nb_error *error)
{
	const uint32_t index = set->count;
	struct nb_receiver *receiver = &set->receivers[index];
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
	/* NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): no more sockets than listens, count starts at 0 */
	receiver->fd = nb_receive_socket_open(&socket_config, error);
	if (receiver->fd < 0)
		return receiver->fd;
	receiver->port = listen->port;
	receiver->unicast = !is_group(listen->address);
	receiver->any_unicast = any_unicast;
	set->count++; /* from here on, closing the set closes it */

	granted = nb_receive_socket_buffer(receiver->fd);
	if (index == 0 || granted < set->receive_buffer_bytes)
		set->receive_buffer_bytes = granted;
	return 0;
}

/* Groups follow on a port that was bound for unicast. Each of its sockets has the port safely by now. */
static int open_to_groups(struct nb_socket_set *set, uint16_t port, struct nb_error *error)
{
	int code = 0;

	for (uint32_t i = 0; i < set->count && code == 0; i++)
		if (set->receivers[i].port == port)
			code = nb_receive_socket_share(set->receivers[i].fd, error);
	return code;
}

/* Join with a socket of the port that has room, or else with one more. */
static int add_group(struct nb_socket_set *set, const struct nb_socket_capture_config *config,
		     const struct nb_listen *listen, uint32_t most_members, struct nb_error *error)
{
	const uint32_t count = set->count;
	const uint32_t interface_index = config->interface_index;
	struct nb_receiver *latest = count > 0 ? &set->receivers[count - 1] : NULL;
	const bool same_port = latest != NULL && latest->port == listen->port;
	int code = -ENOBUFS;

	/* ENOBUFS: it is full by another limit (igmp_max_msf of sources, optmem_max). */
	if (same_port && !latest->unicast && latest->members < most_members)
		code = nb_receive_socket_join(latest->fd, listen->address, listen->source, interface_index, error);
	if (code == -ENOBUFS) {
		code = same_port && latest->unicast ? open_to_groups(set, listen->port, error) : 0;
		if (code == 0)
			code = add_receiver(set, config, listen, same_port && latest->any_unicast, error);
		if (code < 0)
			return code;
		latest = &set->receivers[count];
		code = nb_receive_socket_join(latest->fd, listen->address, listen->source, interface_index, error);
	}
	if (code == 0)
		latest->members++;
	return code;
}

static int open_receivers(struct nb_socket_set *set, const struct nb_socket_capture_config *config,
			  struct nb_listen *listens, struct nb_error *error)
{
	const uint32_t most_members = config->memberships_per_socket != 0 ? config->memberships_per_socket
									  : read_max_memberships();
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
			code = add_group(set, config, listen, most_members, error);
		else
			code = add_receiver(set, config, listen, is_any(listen->address), error);
	}
	return code;
}

int nb_socket_set_open(struct nb_socket_set *set, const struct nb_socket_capture_config *config, struct nb_error *error)
{
	struct nb_listen *listens;
	int code;

	memset(set, 0, sizeof(*set));
	code = check_config(config, error);
	if (code < 0)
		return code;
	listens = calloc(config->listen_count, sizeof(*listens));
	/* One socket for each listen is the most that can be needed. */
	set->receivers = calloc(config->listen_count, sizeof(*set->receivers));
	if (listens == NULL || set->receivers == NULL)
		code = nb_fail(error, -ENOMEM, "get memory for %u sockets", config->listen_count);
	else
		code = open_receivers(set, config, listens, error);
	free(listens);
	return code;
}

void nb_socket_set_close(struct nb_socket_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		close(set->receivers[i].fd);
	free(set->receivers);
	memset(set, 0, sizeof(*set));
}

bool nb_receiver_wants(const struct nb_receiver *receiver, const struct nb_receive_facts *facts)
{
	if (is_group(facts->destination))
		return true; /* the kernel hands out only this socket's groups */
	if (facts->to_us_alone)
		return receiver->unicast || receiver->any_unicast;
	return receiver->unicast; /* a broadcast, of which each socket gets a copy */
}
