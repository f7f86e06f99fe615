/* SPDX-License-Identifier: MIT */
/* test_socket_sender.c - what is sent arrives, faults to the packet, and what the kernel refuses is in the books. */
#include "loopback_lab.h"

#include <pthread.h>

#include "arrivals.h"
#include "lab_address.h"
#include "socket_sender.h"

static const atomic_bool go_on = false;

static struct nb_sender_stream to(uint32_t stream, const char *address, uint16_t port)
{
	struct nb_sender_stream made = { .stream = stream, .port = port };

	assert_int_equal(inet_pton(AF_INET, address, made.destination), 1);
	return made;
}

static struct nb_sender_config config_of(const struct nb_sender_stream *streams, uint32_t count)
{
	return (struct nb_sender_config){
		.streams = streams,
		.stream_count = count,
		.session = LAB_SESSION,
		.payload_bytes = 100,
		.pacer = { .packets = 200, .rate_pps = 20000, .burst = 1 },
		.ttl = 1,
	};
}

/* Create, run to the end, and read. */
static struct nb_socket_sender *run(const struct nb_sender_config *config, struct nb_sender_counts *counts)
{
	struct nb_socket_sender *sender;

	assert_int_equal(nb_socket_sender_create(&sender, config, NULL), 0);
	assert_int_equal(nb_socket_sender_run(sender, &go_on, NULL), 0);
	nb_socket_sender_read(sender, counts);
	assert_books_balance(&counts->total);
	assert_int_equal(counts->total.refused, counts->errors.enobufs + counts->errors.eagain + counts->errors.other);
	assert_int_equal(counts->bytes, counts->total.datagrams * config->payload_bytes);
	assert_true(counts->started_ns > 0);
	assert_true(counts->ended_ns >= counts->started_ns);
	return sender;
}

static void test_each_sequence_arrives_once(void **state)
{
	const struct nb_sender_stream stream = to(3, "127.0.0.1", 5004);
	static const double rates[] = { 20000, 0 };
	static struct arrivals arrivals;

	(void)state;
	LAB_REQUIRED();
	for (size_t i = 0; i < 2; i++) {
		const int fd = arrivals_open("127.0.0.1", 5004);
		struct nb_sender_config config = config_of(&stream, 1);
		struct nb_socket_sender *sender;
		struct nb_histogram lateness;
		struct nb_sender_counts counts;

		config.pacer.rate_pps = rates[i];
		sender = run(&config, &counts);
		arrivals_take(&arrivals, fd);
		arrivals_assert_match(&arrivals, &counts.total, 3, 100);
		assert_int_equal(counts.total.sent, 200);
		assert_int_equal(counts.total.sequences, 200);
		assert_int_equal(counts.total.refused, 0);
		assert_int_equal(counts.intended, 200);
		assert_true(counts.system_calls >= 200 / 64 && counts.system_calls <= 200);
		nb_socket_sender_lateness(sender, &lateness);
		assert_int_equal(lateness.count, rates[i] == 0 ? 0 : 200);
		nb_socket_sender_destroy(sender);
		close(fd);
	}
}

/* Scheduled times are the schedule's, to the nanosecond, whatever the machine did; nothing goes out before its time. */
static void test_probes_tell_the_schedule(void **state)
{
	const struct nb_sender_stream stream = to(0, "127.0.0.1", 5004);
	const int64_t before_ns = nb_realtime_ns();
	struct nb_sender_config config = config_of(&stream, 1);
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	int fd;

	(void)state;
	LAB_REQUIRED();
	fd = arrivals_open("127.0.0.1", 5004);
	config.pacer.burst = 10;
	nb_socket_sender_destroy(run(&config, &counts));
	arrivals_take(&arrivals, fd);
	assert_int_equal(arrivals.count, 200);
	for (uint32_t i = 0; i < arrivals.count; i++) {
		const struct nb_probe *probe = &arrivals.probes[i];

		assert_int_equal(probe->scheduled_ns, counts.started_ns + (int64_t)(i - i % 10) * 50000);
		assert_true(probe->sent_ns > before_ns);
		assert_true(probe->sent_ns <= counts.ended_ns);
	}
	assert_int_equal(arrivals.probes[199].sent_ns, counts.ended_ns);
	close(fd);
}

/* Bursts, pauses and whose turn it is, as written; each probe says when it was due, to the nanosecond. */
static void test_a_written_schedule_is_sent(void **state)
{
	static const int64_t offsets[] = { 0, 0, 0, 1000000, 21000000, 21000001, 21000002, 30000000 };
	static const uint32_t turns[] = { 0, 0, 1, 0, 1, 1, 0, 0 };
	const struct nb_sender_stream streams[] = { to(5, "127.0.0.1", 5004), to(6, "127.0.0.1", 5004) };
	struct nb_sender_config config = config_of(streams, 2);
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	struct nb_socket_sender *none = NULL;
	uint64_t next[2] = { 0 };
	int fd;

	(void)state;
	LAB_REQUIRED();
	fd = arrivals_open("127.0.0.1", 5004);
	config.pacer = (struct nb_pacer_config){ .packets = 8, .burst = 1, .offsets_ns = offsets };
	config.turn_streams = turns;
	nb_socket_sender_destroy(run(&config, &counts));
	arrivals_take(&arrivals, fd);
	assert_int_equal(arrivals.count, 8);
	assert_int_equal(counts.intended, 8);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(arrivals.probes[i].scheduled_ns, counts.started_ns + offsets[i]);
		assert_int_equal(arrivals.probes[i].stream, 5 + turns[i]);
		assert_int_equal(arrivals.probes[i].sequence, next[turns[i]]++);
	}
	config.stream_count = 1;
	assert_int_equal(nb_socket_sender_create(&none, &config, NULL), -EINVAL); /* there is no stream 1 */
	config.pacer = (struct nb_pacer_config){ .packets = 8, .burst = 1, .rate_pps = 10 };
	config.stream_count = 2;
	assert_int_equal(nb_socket_sender_create(&none, &config, NULL), -EINVAL); /* turns of no schedule */
	assert_null(none);
	close(fd);
}

/* Payloads as they are, of any length, and the books of bytes with them; a skipped one is not sent. */
static void test_payloads_are_replayed(void **state)
{
	static const int64_t offsets[] = { 0, 1000, 1000, 2000000 };
	static const uint8_t payloads[] = { 'a', 'b', 'b', 'b', 'b', 'c', 'c' };
	static const uint64_t ends[] = { 1, 5, 5, 7 }, falling[] = { 1, 5, 4, 7 };
	static const char *const expected[] = { "a", "bbbb", "cc" };
	const struct nb_sender_stream streams[] = { to(5, "127.0.0.1", 5004), to(6, "127.0.0.1", 5004) };
	struct nb_sender_config config = config_of(streams, 1), wrong;
	struct nb_socket_sender *sender = NULL;
	struct nb_sender_counts counts;
	int fd;

	(void)state;
	LAB_REQUIRED();
	fd = arrivals_open("127.0.0.1", 5004);
	config.pacer = (struct nb_pacer_config){ .packets = 4, .burst = 1, .offsets_ns = offsets };
	config.payloads = payloads;
	config.payload_ends = ends;
	config.faults.skip_every = 3; /* the empty one */
	assert_int_equal(nb_socket_sender_create(&sender, &config, NULL), 0);
	assert_int_equal(nb_socket_sender_run(sender, &go_on, NULL), 0);
	nb_socket_sender_read(sender, &counts);
	nb_socket_sender_destroy(sender);
	assert_int_equal(counts.total.sent, 3);
	assert_int_equal(counts.total.skipped, 1);
	assert_int_equal(counts.bytes, 7);
	for (size_t i = 0; i < 3; i++) {
		char buffer[16] = "";

		assert_int_equal(recv(fd, buffer, sizeof(buffer), 0), strlen(expected[i]));
		assert_string_equal(buffer, expected[i]);
	}
	wrong = config;
	wrong.payload_ends = falling;
	assert_int_equal(nb_socket_sender_create(&sender, &wrong, NULL), -EINVAL);
	wrong = config;
	wrong.stream_count = 2;
	assert_int_equal(nb_socket_sender_create(&sender, &wrong, NULL), -EINVAL);
	wrong = config;
	wrong.envelope = NB_ENVELOPE_MPEGTS;
	assert_int_equal(nb_socket_sender_create(&sender, &wrong, NULL), -EINVAL);
	wrong = config;
	wrong.pacer = (struct nb_pacer_config){ .packets = 4, .burst = 1, .rate_pps = 5 };
	assert_int_equal(nb_socket_sender_create(&sender, &wrong, NULL), -EINVAL);
	close(fd);
}

static void test_streams_to_groups_take_turns(void **state)
{
	const struct nb_sender_stream streams[] = {
		to(10, "239.1.1.1", 5004),
		to(11, "239.1.1.2", 5004),
		to(12, "127.0.0.1", 5006),
	};
	static const char *addresses[] = { "239.1.1.1", "239.1.1.2", "127.0.0.1" };
	struct nb_sender_config config = config_of(streams, 3);
	struct nb_socket_sender *sender;
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	int fds[3];

	(void)state;
	LAB_REQUIRED();
	for (int i = 0; i < 3; i++)
		fds[i] = arrivals_open(addresses[i], streams[i].port);
	config.interface_index = LAB_LOOPBACK;
	config.payload_bytes = NB_PROBE_LENGTH;
	config.pacer.packets = 301;
	sender = run(&config, &counts);
	assert_int_equal(counts.total.sent, 301);
	for (uint32_t i = 0; i < 3; i++) {
		struct nb_source_counts books;

		nb_socket_sender_read_stream(sender, i, &books);
		arrivals_take(&arrivals, fds[i]);
		arrivals_assert_match(&arrivals, &books, 10 + i, NB_PROBE_LENGTH);
		assert_int_equal(books.sent, i == 0 ? 101 : 100);
		close(fds[i]);
	}
	nb_socket_sender_destroy(sender);
}

static void test_faults_are_exact_on_the_wire(void **state)
{
	const struct nb_sender_stream stream = to(1, "127.0.0.1", 5004);
	struct nb_sender_config config = config_of(&stream, 1);
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	int fd;

	(void)state;
	LAB_REQUIRED();
	fd = arrivals_open("127.0.0.1", 5004);
	config.faults = (struct nb_faults){ .skip_every = 10, .repeat_every = 7, .swap_every = 9 };
	nb_socket_sender_destroy(run(&config, &counts));
	arrivals_take(&arrivals, fd);
	arrivals_assert_match(&arrivals, &counts.total, 1, 100);
	assert_int_equal(counts.total.skipped, 20);
	assert_int_equal(counts.total.repeated, 26); /* 28 multiples of 7 up to 200, without 70 and 140 */
	assert_int_equal(counts.total.swapped, 18);  /* 22 pairs, less those of 79, 89, 169, 179 */
	for (uint64_t sequence = 0; sequence < 200; sequence++) {
		const bool skipped = (sequence + 1) % 10 == 0, repeated = (sequence + 1) % 7 == 0;

		assert_int_equal(arrivals_copies(&arrivals, sequence), skipped ? 0 : repeated ? 2 : 1);
	}
	close(fd);
}

static void test_a_schedule_that_ends_within_a_pair(void **state)
{
	const struct nb_sender_stream stream = to(1, "127.0.0.1", 5004);
	struct nb_sender_config config = config_of(&stream, 1);
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	int fd;

	(void)state;
	LAB_REQUIRED();
	fd = arrivals_open("127.0.0.1", 5004);
	config.pacer.packets = 99;
	config.faults.swap_every = 100; /* 98 and 99 */
	nb_socket_sender_destroy(run(&config, &counts));
	arrivals_take(&arrivals, fd);
	arrivals_assert_match(&arrivals, &counts.total, 1, 100);
	assert_int_equal(counts.total.sequences, 100);
	assert_int_equal(counts.total.skipped, 1);
	assert_int_equal(arrivals.probes[98].sequence, 99);
	close(fd);
}

/* Nobody listens: each datagram is answered with an ICMP error, which is no refusal of the next one. */
static void test_icmp_errors_are_no_refusals(void **state)
{
	const struct nb_sender_stream stream = to(1, "127.0.0.1", 5999);
	struct nb_sender_config config = config_of(&stream, 1);
	struct nb_sender_counts counts;
	static const double rates[] = { 20000, 0 };

	(void)state;
	LAB_REQUIRED();
	for (size_t i = 0; i < 2; i++) {
		config.pacer.rate_pps = rates[i];
		nb_socket_sender_destroy(run(&config, &counts));
		assert_int_equal(counts.total.sent, 200);
		assert_int_equal(counts.total.refused, 0);
	}
}

/* What another thread does with a running sender, and what it saw; only the test's own thread may assert. */
struct beside {
	struct nb_socket_sender *sender;
	atomic_bool stop;
	uint32_t wrong;
};

static void read_until_50_are_sent(struct beside *beside)
{
	struct nb_sender_counts counts;
	struct nb_histogram lateness;

	do {
		usleep(1000);
		nb_socket_sender_read(beside->sender, &counts);
		nb_socket_sender_lateness(beside->sender, &lateness);
		beside->wrong += counts.total.sequences != counts.total.sent + counts.total.unsent;
		beside->wrong += counts.total.datagrams != counts.total.sent;
		beside->wrong += lateness.count < counts.total.sent;
		beside->wrong += counts.ended_ns != 0;
	} while (counts.total.datagrams < 50);
}

static void *remove_address(void *argument)
{
	struct beside *beside = argument;

	read_until_50_are_sent(beside);
	beside->wrong += lab_address_remove() != 0;
	return NULL;
}

static void *stop_sender(void *argument)
{
	struct beside *beside = argument;

	read_until_50_are_sent(beside);
	atomic_store(&beside->stop, true);
	return NULL;
}

/* Run the sender with @thread beside it, which must see nothing wrong. */
static void run_beside(const struct nb_sender_config *config, void *(*thread)(void *), struct beside *beside)
{
	pthread_t id;

	assert_int_equal(nb_socket_sender_create(&beside->sender, config, NULL), 0);
	assert_int_equal(pthread_create(&id, NULL, thread, beside), 0);
	assert_int_equal(nb_socket_sender_run(beside->sender, &beside->stop, NULL), 0);
	assert_int_equal(pthread_join(id, NULL), 0);
	assert_int_equal(beside->wrong, 0);
}

/* The route goes away under way: what was refused from then on is unsent, and what was sent has arrived. */
static void test_refused_is_unsent_not_lost(void **state)
{
	const struct nb_sender_stream stream = to(1, LAB_ADDRESS, 5004);
	struct nb_sender_config config = config_of(&stream, 1);
	struct beside beside = { .stop = false };
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	int fd;

	(void)state;
	LAB_REQUIRED();
	assert_return_code(lab_address_add(), errno);
	fd = arrivals_open(LAB_ADDRESS, 5004);
	config.pacer = (struct nb_pacer_config){ .packets = 290, .rate_pps = 1000, .burst = 1 };
	run_beside(&config, remove_address, &beside);
	nb_socket_sender_read(beside.sender, &counts);
	arrivals_take(&arrivals, fd);
	arrivals_assert_match(&arrivals, &counts.total, 1, 100);
	assert_int_equal(counts.total.sequences, 290);
	assert_true(counts.total.sent >= 50);
	assert_int_equal(counts.total.unsent, 290 - counts.total.sent);
	assert_true(counts.total.unsent > 0);
	assert_int_equal(counts.errors.other, counts.total.unsent);
	assert_int_equal(counts.errors.last_other, ENETUNREACH);
	nb_socket_sender_destroy(beside.sender);
	close(fd);
}

static void test_stopped_from_another_thread(void **state)
{
	const struct nb_sender_stream stream = to(1, "127.0.0.1", 5004);
	struct nb_sender_config config = config_of(&stream, 1);
	struct beside beside = { .stop = false };
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	struct nb_error error = { 0 };
	int fd;

	(void)state;
	LAB_REQUIRED();
	fd = arrivals_open("127.0.0.1", 5004);
	config.pacer = (struct nb_pacer_config){ .packets = 0, .rate_pps = 500, .burst = 1 };
	run_beside(&config, stop_sender, &beside);
	nb_socket_sender_read(beside.sender, &counts);
	arrivals_take(&arrivals, fd);
	arrivals_assert_match(&arrivals, &counts.total, 1, 100);
	assert_true(counts.total.sent >= 50);
	assert_true(counts.intended >= counts.total.sequences);
	assert_true(counts.ended_ns > counts.started_ns);
	assert_int_equal(nb_socket_sender_run(beside.sender, &go_on, &error), -EALREADY);
	nb_socket_sender_destroy(beside.sender);
	close(fd);
}

static int ttl_or_tos_of(int fd, int option, int type)
{
	uint8_t payload[2048], control[256];
	struct iovec part = { .iov_base = payload, .iov_len = sizeof(payload) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	const int on = 1;

	assert_return_code(setsockopt(fd, IPPROTO_IP, option, &on, sizeof(on)), errno);
	assert_true(recvmsg(fd, &message, 0) > 0);
	for (struct cmsghdr *about = CMSG_FIRSTHDR(&message); about; about = CMSG_NXTHDR(&message, about))
		if (about->cmsg_level == IPPROTO_IP && about->cmsg_type == type)
			return type == IP_TTL ? *(int *)(void *)CMSG_DATA(about) : *CMSG_DATA(about);
	return -1;
}

static void test_ttl_and_dscp_are_on_the_wire(void **state)
{
	const struct nb_sender_stream streams[] = { to(1, "127.0.0.1", 5004), to(2, "239.1.1.1", 5005) };
	struct nb_sender_config config = config_of(streams, 2);
	struct nb_sender_counts counts;
	const int on = 1;
	int fds[2];

	(void)state;
	LAB_REQUIRED();
	fds[0] = arrivals_open("127.0.0.1", 5004);
	fds[1] = arrivals_open("239.1.1.1", 5005);
	config.interface_index = LAB_LOOPBACK;
	config.pacer.packets = 4;
	config.ttl = 7;
	config.dscp = 46;
	for (int i = 0; i < 2; i++) {
		assert_return_code(setsockopt(fds[i], IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), errno);
		assert_return_code(setsockopt(fds[i], IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), errno);
	}
	nb_socket_sender_destroy(run(&config, &counts));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ttl_or_tos_of(fds[i], IP_RECVTTL, IP_TTL), 7);
		assert_int_equal(ttl_or_tos_of(fds[i], IP_RECVTOS, IP_TOS), 46 << 2);
		close(fds[i]);
	}
}

static void assert_refused(const struct nb_sender_config *config, int code, const char *what)
{
	struct nb_socket_sender *sender = NULL;
	struct nb_error error = { 0 };

	assert_int_equal(nb_socket_sender_create(&sender, config, &error), code);
	assert_int_equal(error.code, code);
	assert_string_equal(error.what, what);
	assert_null(sender);
}

static void test_what_cannot_be_is_refused_at_once(void **state)
{
	const struct nb_sender_stream here = to(1, "127.0.0.1", 5004), nowhere = to(2, "10.9.9.9", 5004);
	const struct nb_sender_stream group = to(3, "239.1.1.1", 5004), port_0 = to(4, "127.0.0.1", 0);
	const struct nb_sender_config good = config_of(&here, 1);
	struct nb_sender_config wrong;
	int fd;

	(void)state;
	LAB_REQUIRED();
	wrong = config_of(&here, 0);
	assert_refused(&wrong, -EINVAL, "send on 0 streams");
	wrong = config_of(&nowhere, 1);
	assert_refused(&wrong, -ENETUNREACH, "find a route to 10.9.9.9");
	wrong = config_of(&group, 1);
	assert_refused(&wrong, -ENETUNREACH, "find a route to 239.1.1.1");
	wrong = config_of(&port_0, 1);
	assert_refused(&wrong, -EINVAL, "send stream 4 to port 0");
	wrong = good;
	wrong.payload_bytes = NB_PROBE_LENGTH - 1;
	assert_refused(&wrong, -EINVAL, "send a payload of 47 bytes: not in 48 to 65507");
	wrong = good;
	wrong.ttl = 0;
	assert_refused(&wrong, -EINVAL, "send with a TTL of 0");
	wrong = good;
	wrong.dscp = 64;
	assert_refused(&wrong, -EINVAL, "send with DSCP 64: above 63");
	wrong = good;
	wrong.interface_index = 4711;
	assert_refused(&wrong, -ENODEV, "send by interface 4711");
	wrong = good;
	memcpy(wrong.source, (uint8_t[]){ 10, 1, 2, 3 }, 4);
	assert_refused(&wrong, -EADDRNOTAVAIL, "bind source address 10.1.2.3");
	fd = arrivals_open("127.0.0.1", 5004);
	wrong = good;
	wrong.source_port = 5004;
	assert_refused(&wrong, -EADDRINUSE, "bind source port 5004");
	close(fd);
}

static int enter(void **state)
{
	(void)state;
	lab_enter();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sequence_arrives_once),
		cmocka_unit_test(test_probes_tell_the_schedule),
		cmocka_unit_test(test_a_written_schedule_is_sent),
		cmocka_unit_test(test_payloads_are_replayed),
		cmocka_unit_test(test_streams_to_groups_take_turns),
		cmocka_unit_test(test_faults_are_exact_on_the_wire),
		cmocka_unit_test(test_a_schedule_that_ends_within_a_pair),
		cmocka_unit_test(test_icmp_errors_are_no_refusals),
		cmocka_unit_test(test_refused_is_unsent_not_lost),
		cmocka_unit_test(test_stopped_from_another_thread),
		cmocka_unit_test(test_ttl_and_dscp_are_on_the_wire),
		cmocka_unit_test(test_what_cannot_be_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
