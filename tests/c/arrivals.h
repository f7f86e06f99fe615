/* SPDX-License-Identifier: MIT */
/* arrivals.h - what a sender's datagrams come to at a plain socket: every probe, in order of arrival. */
#ifndef NB_ARRIVALS_H
#define NB_ARRIVALS_H

#include "loopback_lab.h"

#include <poll.h>

#include "clock.h"
#include "sender.h"

/*
 * Few enough that the socket's buffer holds them all, so that no receiver has to be quick: it is as large as any system
 * allows without privilege, and the kernel charges up to 1280 bytes for a small datagram.
 */
#define ARRIVALS_MOST 300
#define ARRIVALS_BUFFER_BYTES 212992 /* which the kernel doubles */
#define ARRIVALS_SILENCE_MS 200

struct arrivals {
	uint32_t count;
	struct nb_probe probes[ARRIVALS_MOST];
	size_t bytes[ARRIVALS_MOST];
};

/* A socket bound to @address, a member of it on the loopback interface where it is a group. */
static inline int arrivals_open(const char *address, uint16_t port)
{
	const struct sockaddr_in name = lab_name(address, port);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), buffer = ARRIVALS_BUFFER_BYTES;

	assert_true(fd >= 0);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&name, sizeof(name)), errno);
	if (IN_MULTICAST(ntohl(name.sin_addr.s_addr))) {
		const struct ip_mreqn member = { .imr_multiaddr = name.sin_addr, .imr_ifindex = LAB_LOOPBACK };

		assert_return_code(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof(member)), errno);
	}
	return fd;
}

/* Take what has come, until nothing more comes; each must be a probe of this lab. */
static inline void arrivals_take(struct arrivals *arrivals, int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	arrivals->count = 0;
	while (poll(&wait, 1, ARRIVALS_SILENCE_MS) > 0) {
		static uint8_t buffer[65536];
		const ssize_t bytes = recv(fd, buffer, sizeof(buffer), 0);
		struct nb_probe *probe = &arrivals->probes[arrivals->count];

		assert_true(bytes > 0);
		assert_true(arrivals->count < ARRIVALS_MOST);
		assert_int_equal(nb_probe_decode(buffer, (size_t)bytes, probe), 0);
		assert_int_equal(probe->session, LAB_SESSION);
		arrivals->bytes[arrivals->count++] = (size_t)bytes;
	}
}

static inline uint32_t arrivals_copies(const struct arrivals *arrivals, uint64_t sequence)
{
	uint32_t copies = 0;

	for (uint32_t i = 0; i < arrivals->count; i++)
		copies += arrivals->probes[i].sequence == sequence;
	return copies;
}

/* RFC 4737: a sequence below one that came before is reordered; its further copies are not counted. */
static inline uint32_t arrivals_reordered(const struct arrivals *arrivals)
{
	uint64_t next_expected = 0;
	uint32_t reordered = 0;

	for (uint32_t i = 0; i < arrivals->count; i++) {
		const uint64_t sequence = arrivals->probes[i].sequence;
		const bool copy = i > 0 && arrivals->probes[i - 1].sequence == sequence;

		if (sequence >= next_expected)
			next_expected = sequence + 1;
		else if (!copy)
			reordered++;
	}
	return reordered;
}

static inline void assert_books_balance(const struct nb_source_counts *counts)
{
	assert_int_equal(counts->sequences, counts->sent + counts->skipped + counts->unsent);
	assert_int_equal(counts->datagrams, counts->sent + counts->repeated);
}

/* What came on one stream is what its books say was sent, packet by packet: nothing lost, nothing more. */
static inline void arrivals_assert_match(const struct arrivals *arrivals, const struct nb_source_counts *counts,
					 uint32_t stream, size_t payload_bytes)
{
	uint64_t unique = 0;

	assert_books_balance(counts);
	assert_int_equal(arrivals->count, counts->datagrams);
	for (uint32_t i = 0; i < arrivals->count; i++) {
		const struct nb_probe *probe = &arrivals->probes[i];

		assert_int_equal(probe->stream, stream);
		assert_true(probe->sequence < counts->sequences);
		assert_int_equal(arrivals->bytes[i], payload_bytes);
		assert_true(probe->sent_ns >= arrivals->probes[0].sent_ns);
	}
	for (uint64_t sequence = 0; sequence < counts->sequences; sequence++)
		unique += arrivals_copies(arrivals, sequence) > 0;
	assert_int_equal(unique, counts->sent);
	assert_int_equal(arrivals_reordered(arrivals), counts->swapped);
}

#endif
