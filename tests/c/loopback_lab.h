/* SPDX-License-Identifier: MIT */
/* loopback_lab.h - a network namespace with nothing but a loopback interface, and probes to send in it. */
#ifndef NB_LOOPBACK_LAB_H
#define NB_LOOPBACK_LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "probe.h"
#include "stream_table.h"

#define LAB_SESSION 7
#define LAB_LOOPBACK 1 /* its interface number in every namespace */

static const char *lab_refused = "lab_enter() was not called"; /* why there is no lab; NULL: there is */

/* Raise or take down the loopback interface, or set its MTU. */
static inline int lab_loopback_up(bool up)
{
	struct ifreq request = { .ifr_name = "lo" };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result = ioctl(fd, SIOCGIFFLAGS, &request);

	request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
	if (result == 0)
		result = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}

static inline int lab_loopback_mtu(int mtu)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_mtu = mtu };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const int result = ioctl(fd, SIOCSIFMTU, &request);

	close(fd);
	return result;
}

/* Go into a namespace of our own, which ends with this process. Works for root and for ordinary users alike. */
static inline void lab_enter(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		lab_refused = "this machine refuses user namespaces (unshare)";
	else if (lab_loopback_up(true) < 0)
		lab_refused = "the loopback interface could not be raised";
	else
		lab_refused = NULL;
}

#define LAB_REQUIRED()                                               \
	do {                                                         \
		if (lab_refused != NULL) {                           \
			print_message("skipped: %s\n", lab_refused); \
			skip();                                      \
		}                                                    \
	} while (0)

static inline struct sockaddr_in lab_name(const char *address, uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, address, &name.sin_addr), 1);
	return name;
}

/* A socket that sends from @source, and sends groups out on the loopback interface. */
static inline int lab_sender(const char *source)
{
	const struct ip_mreqn interface = { .imr_ifindex = LAB_LOOPBACK };
	const struct sockaddr_in name = lab_name(source, 0);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	assert_return_code(bind(fd, (const struct sockaddr *)&name, sizeof(name)), errno);
	assert_return_code(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface)), errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), errno);
	return fd;
}

/* Send the probes @first .. @first + @count - 1 of @stream, @bytes long each. */
static inline void lab_send(int fd, const char *address, uint16_t port, uint32_t stream, uint64_t first, uint32_t count,
			    size_t bytes)
{
	const struct sockaddr_in name = lab_name(address, port);
	uint8_t *payload = calloc(1, bytes);

	assert_non_null(payload);
	for (uint64_t sequence = first; sequence < first + count; sequence++) {
		const struct nb_probe probe = { .session = LAB_SESSION, .stream = stream, .sequence = sequence };

		assert_int_equal(nb_probe_encode(payload, bytes, &probe), 0);
		assert_int_equal(sendto(fd, payload, bytes, 0, (const struct sockaddr *)&name, sizeof(name)), bytes);
	}
	free(payload);
}

/* A table that counts probes of this lab's session apart from everything else. */
static inline struct nb_table *lab_table(void)
{
	const struct nb_table_config config = {
		.max_streams = 256,
		.session = LAB_SESSION,
		.probes_only = true,
		.stamp_class = NB_STAMP_KERNEL,
		.tracker = { .reorder_window = 1024, .window_ns = 1000000000, .error_iat_ns = 45000000 },
	};
	struct nb_table *table;

	assert_int_equal(nb_table_create(&table, &config, NULL), 0);
	return table;
}

static inline struct nb_table_totals lab_totals(struct nb_table *table)
{
	struct nb_table_totals totals;

	nb_table_lock(table);
	nb_table_totals(table, &totals);
	nb_table_unlock(table);
	return totals;
}

/* Every stream of the table has got the sequences 0 .. @count - 1, each exactly once. */
static inline void lab_assert_streams_whole(struct nb_table *table, uint32_t streams, uint64_t count)
{
	nb_table_lock(table);
	nb_table_finish(table);
	assert_int_equal(nb_table_count(table), streams);
	for (uint32_t i = 0; i < streams; i++) {
		struct nb_stream_counts counts;

		nb_tracker_read(nb_table_tracker(table, i), &counts);
		assert_int_equal(counts.packets, count);
		assert_int_equal(counts.unique, count);
		assert_int_equal(counts.duplicate, 0);
		assert_int_equal(counts.reordered, 0);
		assert_int_equal(counts.lost, 0);
		assert_int_equal(counts.first_sequence, 0);
		assert_int_equal(counts.last_sequence, count - 1);
	}
	nb_table_unlock(table);
}

#endif
