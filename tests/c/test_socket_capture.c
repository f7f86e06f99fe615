/* SPDX-License-Identifier: MIT */
/* test_socket_capture.c - real sockets in a namespace of their own: every datagram counted once, every loss told. */
#include "loopback_lab.h"

#include <pthread.h>

#include "clock.h"
#include "socket_capture.h"

#define PORT 5004

static struct nb_listen listen_on(const char *address, const char *source, uint16_t port)
{
	struct nb_listen listen = { .port = port };

	assert_int_equal(inet_pton(AF_INET, address, listen.address), 1);
	assert_int_equal(inet_pton(AF_INET, source, listen.source), 1);
	return listen;
}

static struct nb_socket_capture_config config_of(const struct nb_listen *listens, uint32_t count)
{
	return (struct nb_socket_capture_config){
		.listens = listens,
		.listen_count = count,
		.interface_index = LAB_LOOPBACK,
		.receive_buffer_bytes = 1 << 20,
	};
}

static struct nb_socket_capture *open_capture(const struct nb_socket_capture_config *config)
{
	struct nb_socket_capture *capture;
	struct nb_error error = { .what = "" };
	const int code = nb_socket_capture_create(&capture, config, &error);

	if (code < 0)
		print_error("%s: %s\n", error.what, strerror(-code));
	assert_int_equal(code, 0);
	return capture;
}

/* Take what is queued, and nothing else. */
static struct nb_socket_capture_counts take_queued(struct nb_socket_capture *capture, struct nb_table *table)
{
	const atomic_bool stop = true;
	struct nb_socket_capture_counts counts;

	assert_int_equal(nb_socket_capture_run(capture, table, 0, &stop, NULL), 0);
	nb_socket_capture_read(capture, &counts);
	return counts;
}

static void expect_failure(const struct nb_socket_capture_config *config, int code, const char *what)
{
	struct nb_socket_capture *capture;
	struct nb_error error;

	assert_int_equal(nb_socket_capture_create(&capture, config, &error), code);
	assert_null(capture);
	assert_int_equal(error.code, code);
	assert_string_equal(error.what, what);
}

/* Fifty groups of one port, joined by sockets of @memberships each. */
static void receive_fifty_groups(uint32_t memberships, uint32_t sockets)
{
	struct nb_listen listens[50];
	struct nb_socket_capture_config config = config_of(listens, 50);
	struct nb_socket_capture *capture;
	struct nb_socket_capture_counts counts;
	struct nb_table *table = lab_table();
	const int sender = lab_sender("127.0.0.1");
	char group[INET_ADDRSTRLEN];

	for (uint32_t i = 0; i < 50; i++) {
		snprintf(group, sizeof(group), "239.1.1.%u", i + 1);
		listens[i] = listen_on(group, "0.0.0.0", PORT);
	}
	config.memberships_per_socket = memberships;
	capture = open_capture(&config);
	for (uint32_t i = 0; i < 50; i++) {
		snprintf(group, sizeof(group), "239.1.1.%u", i + 1);
		lab_send(sender, group, PORT, i, 0, 20, 100);
	}
	lab_send(sender, "239.1.2.1", PORT, 99, 0, 20, 100); /* nobody joined it */
	counts = take_queued(capture, table);

	assert_int_equal(counts.sockets, sockets);
	assert_int_equal(counts.packets, 1000);
	assert_int_equal(counts.unasked, 0);
	assert_int_equal(counts.truncated, 0);
	assert_int_equal(counts.socket_drops, 0);
	assert_int_equal(lab_totals(table).packets, 1000);
	assert_int_equal(lab_totals(table).tracked, 1000);
	lab_assert_streams_whole(table, 50, 20);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void each_group_is_counted_once_over_many_sockets(void **state)
{
	(void)state;
	LAB_REQUIRED();
	receive_fifty_groups(7, 8);
}

static void memberships_follow_the_system_limit(void **state)
{
	FILE *file = fopen("/proc/sys/net/ipv4/igmp_max_memberships", "r");
	unsigned int limit = 0;

	(void)state;
	LAB_REQUIRED();
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%u", &limit), 1);
	fclose(file);
	receive_fifty_groups(0, (50 + limit - 1) / limit);
}

static void a_limit_that_is_too_high_is_found_out(void **state)
{
	(void)state;
	LAB_REQUIRED();
	receive_fifty_groups(1000, 3); /* the kernel's own limit of 20 says ENOBUFS, and another socket is opened */
}

static void source_specific_groups_take_their_sources_only(void **state)
{
	const struct nb_listen listens[] = {
		listen_on("232.1.1.1", "127.0.0.1", PORT),
		listen_on("232.1.1.1", "127.0.0.3", PORT),
		listen_on("232.1.1.2", "127.0.0.2", PORT),
	};
	struct nb_socket_capture_config config = config_of(listens, 3);
	struct nb_socket_capture *capture;
	struct nb_table *table;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	capture = open_capture(&config);
	for (uint32_t source = 1; source <= 3; source++) {
		char address[INET_ADDRSTRLEN];
		int sender;

		snprintf(address, sizeof(address), "127.0.0.%u", source);
		sender = lab_sender(address);
		lab_send(sender, "232.1.1.1", PORT, 10 + source, 0, 30, 100);
		lab_send(sender, "232.1.1.2", PORT, 20 + source, 0, 30, 100);
		close(sender);
	}
	assert_int_equal(take_queued(capture, table).packets, 90);
	lab_assert_streams_whole(table, 3, 30);
	nb_table_lock(table);
	assert_int_equal(nb_table_key(table, 0)->stream + nb_table_key(table, 1)->stream +
				 nb_table_key(table, 2)->stream,
			 11 + 13 + 22);
	nb_table_unlock(table);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void more_sources_than_one_socket_takes(void **state)
{
	struct nb_listen listens[15]; /* igmp_max_msf is 10 */
	struct nb_socket_capture_config config = config_of(listens, 15);
	struct nb_socket_capture *capture;
	struct nb_table *table;
	char source[INET_ADDRSTRLEN];

	(void)state;
	LAB_REQUIRED();
	for (uint32_t i = 0; i < 15; i++) {
		snprintf(source, sizeof(source), "127.0.1.%u", i + 1);
		listens[i] = listen_on("232.1.1.1", source, PORT);
	}
	table = lab_table();
	capture = open_capture(&config);
	for (uint32_t i = 0; i < 15; i++) {
		int sender;

		snprintf(source, sizeof(source), "127.0.1.%u", i + 1);
		sender = lab_sender(source);
		lab_send(sender, "232.1.1.1", PORT, i, 0, 10, 100);
		close(sender);
	}
	assert_int_equal(take_queued(capture, table).packets, 150);
	lab_assert_streams_whole(table, 15, 10);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void what_is_asked_for_twice_is_counted_once(void **state)
{
	const struct nb_listen listens[] = {
		listen_on("232.1.1.1", "127.0.0.1", PORT), /* covered by the next */
		listen_on("232.1.1.1", "0.0.0.0", PORT),
		listen_on("127.0.0.1", "0.0.0.0", 5006), /* covered by the next */
		listen_on("0.0.0.0", "0.0.0.0", 5006),
		listen_on("232.1.1.1", "0.0.0.0", PORT),
	};
	struct nb_socket_capture_config config = config_of(listens, 5);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.memberships_per_socket = 1;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "232.1.1.1", PORT, 1, 0, 10, 100);
	lab_send(sender, "127.0.0.1", 5006, 2, 0, 10, 100);
	counts = take_queued(capture, table);
	assert_int_equal(counts.sockets, 2);
	assert_int_equal(counts.packets, 20);
	lab_assert_streams_whole(table, 2, 10);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

/* The unicast address is "any" or one; groups stand on the same port, over several sockets. */
static void receive_groups_and_unicast(const char *address)
{
	const struct nb_listen listens[] = {
		listen_on("239.1.1.1", "0.0.0.0", PORT), listen_on("239.1.1.2", "0.0.0.0", PORT),
		listen_on("239.1.1.3", "0.0.0.0", PORT), listen_on("239.1.1.4", "0.0.0.0", PORT),
		listen_on(address, "0.0.0.0", PORT),
	};
	struct nb_socket_capture_config config = config_of(listens, 5);
	struct nb_socket_capture_counts counts;
	struct nb_table *table = lab_table();
	struct nb_socket_capture *capture;
	const int sender = lab_sender("127.0.0.1");

	config.memberships_per_socket = 2;
	capture = open_capture(&config);
	lab_send(sender, "239.1.1.1", PORT, 1, 0, 25, 100);
	lab_send(sender, "239.1.1.2", PORT, 2, 0, 25, 100);
	lab_send(sender, "239.1.1.3", PORT, 3, 0, 25, 100);
	lab_send(sender, "239.1.1.4", PORT, 4, 0, 25, 100);
	lab_send(sender, "127.0.0.1", PORT, 5, 0, 25, 100);
	counts = take_queued(capture, table);
	assert_int_equal(counts.sockets, 3);
	assert_int_equal(counts.packets, 125);
	assert_int_equal(counts.unasked, 0);
	lab_assert_streams_whole(table, 5, 25);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void groups_and_unicast_share_a_port(void **state)
{
	(void)state;
	LAB_REQUIRED();
	receive_groups_and_unicast("0.0.0.0");
	receive_groups_and_unicast("127.0.0.1");
}

static void a_broadcast_is_counted_once(void **state)
{
	const struct nb_listen listens[] = {
		listen_on("239.1.1.1", "0.0.0.0", PORT),
		listen_on("239.1.1.2", "0.0.0.0", PORT),
		listen_on("0.0.0.0", "0.0.0.0", PORT),
	};
	struct nb_socket_capture_config config = config_of(listens, 3);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.memberships_per_socket = 1;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "127.255.255.255", PORT, 1, 0, 10, 100);
	counts = take_queued(capture, table);
	assert_int_equal(counts.packets, 30); /* a copy for each socket */
	assert_int_equal(counts.unasked, 20);
	lab_assert_streams_whole(table, 1, 10);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void unicast_to_the_port_of_a_group_is_kept_apart(void **state)
{
	const struct nb_listen listens[] = { listen_on("239.1.1.1", "0.0.0.0", PORT) };
	struct nb_socket_capture_config config = config_of(listens, 1);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 10, 100);
	lab_send(sender, "239.1.1.1", PORT, 2, 0, 15, 100);
	counts = take_queued(capture, table);
	assert_int_equal(counts.packets, 25);
	assert_int_equal(counts.unasked, 10);
	assert_int_equal(lab_totals(table).packets, 15);
	lab_assert_streams_whole(table, 1, 15);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void a_port_in_use_is_refused(void **state)
{
	const struct nb_listen any = listen_on("0.0.0.0", "0.0.0.0", PORT);
	const struct nb_listen one = listen_on("127.0.0.1", "0.0.0.0", PORT);
	const struct nb_listen group = listen_on("239.1.1.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config;
	struct nb_socket_capture *capture;
	struct sockaddr_in name;
	int other, on = 1;

	(void)state;
	LAB_REQUIRED();
	name = lab_name("0.0.0.0", PORT);
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	/* Even where the other program is ready to share: its datagrams, or ours, would go astray. */
	assert_return_code(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), errno);
	assert_return_code(bind(other, (const struct sockaddr *)&name, sizeof(name)), errno);
	config = config_of(&any, 1);
	expect_failure(&config, -EADDRINUSE, "bind UDP port 5004");
	config = config_of(&one, 1);
	expect_failure(&config, -EADDRINUSE, "bind UDP port 5004 on 127.0.0.1");
	/* A group can be received by many. */
	config = config_of(&group, 1);
	nb_socket_capture_destroy(open_capture(&config));
	close(other);
	/* And what one of our own captures has, another does not get. */
	config = config_of(&any, 1);
	capture = open_capture(&config);
	expect_failure(&config, -EADDRINUSE, "bind UDP port 5004");
	nb_socket_capture_destroy(capture);
	nb_socket_capture_destroy(open_capture(&config));
}

static void a_full_buffer_is_accounted_for_exactly(void **state)
{
	const struct nb_listen listen = listen_on("127.0.0.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config = config_of(&listen, 1);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	struct nb_table *table;
	uint64_t drops;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.receive_buffer_bytes = 8192;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 500, 1316);
	counts = take_queued(capture, table);
	drops = counts.socket_drops;
	assert_int_equal(counts.receive_buffer_bytes, 2 * 8192);
	assert_true(counts.packets > 0);
	assert_true(drops > 0);
	assert_int_equal(counts.packets + drops, 500);

	/* The next datagram tells it, too. */
	lab_send(sender, "127.0.0.1", PORT, 1, 500, 1, 1316);
	counts = take_queued(capture, table);
	assert_int_equal(counts.socket_drops, drops);
	assert_int_equal(counts.overflow_seen, drops);
	assert_int_equal(counts.packets + counts.socket_drops, 501);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void the_systems_buffer_is_left_when_none_is_asked_for(void **state)
{
	const struct nb_listen listen = listen_on("127.0.0.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config = config_of(&listen, 1);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	int other, bytes = 0;
	socklen_t length = sizeof(bytes);

	(void)state;
	LAB_REQUIRED();
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_return_code(getsockopt(other, SOL_SOCKET, SO_RCVBUF, &bytes, &length), errno);
	config.receive_buffer_bytes = 0;
	capture = open_capture(&config);
	nb_socket_capture_read(capture, &counts);
	assert_int_equal(counts.receive_buffer_bytes, bytes);
	close(other);
	nb_socket_capture_destroy(capture);
}

static void long_datagrams_keep_their_length(void **state)
{
	const struct nb_listen listen = listen_on("127.0.0.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config = config_of(&listen, 1);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 3, 9000);
	lab_send(sender, "127.0.0.1", PORT, 1, 3, 1, 2048);
	lab_send(sender, "127.0.0.1", PORT, 1, 4, 1, 2049);
	counts = take_queued(capture, table);
	assert_int_equal(counts.packets, 5);
	assert_int_equal(counts.truncated, 4);
	assert_int_equal(lab_totals(table).bytes, 3 * 9000 + 2048 + 2049);
	lab_assert_streams_whole(table, 1, 5);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void the_kernel_stamps(void **state)
{
	const struct nb_listen listen = listen_on("127.0.0.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config = config_of(&listen, 1);
	struct nb_socket_capture *capture;
	struct nb_table_totals totals;
	struct nb_table *table;
	int64_t before_ns;
	uint32_t sent = 0;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.hardware_stamps = true; /* asked for; the loopback interface has none */
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	before_ns = nb_realtime_ns();
	capture = open_capture(&config);
	/* The kernel turns its stamping on some moments after it was asked to: until then the class says so. */
	do {
		lab_send(sender, "127.0.0.1", PORT, 1, sent++, 1, 100);
		take_queued(capture, table);
		totals = lab_totals(table);
		assert_int_equal(totals.stamps[NB_STAMP_USER] + totals.stamps[NB_STAMP_KERNEL], sent);
	} while (totals.stamps[NB_STAMP_KERNEL] == 0 && sent < 10000);
	assert_true(totals.stamps[NB_STAMP_KERNEL] > 0);
	assert_true(totals.first_ns >= before_ns);
	assert_true(totals.last_ns <= nb_realtime_ns());
	/* The time from the stamp to our hands is known for each. */
	nb_table_lock(table);
	assert_int_equal(nb_table_delivery(table)->count, totals.stamps[NB_STAMP_KERNEL]);
	nb_table_unlock(table);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

struct running {
	struct nb_socket_capture *capture;
	struct nb_table *table;
	atomic_bool stop;
	int code;
};

static void *run_capture(void *argument)
{
	struct running *running = argument;

	running->code = nb_socket_capture_run(running->capture, running->table, 0, &running->stop, NULL);
	return NULL;
}

static void another_thread_reads_and_stops(void **state)
{
	struct nb_listen listens[30];
	struct nb_socket_capture_config config = config_of(listens, 30);
	struct running running = { .code = -1 };
	struct nb_socket_capture_counts counts;
	uint64_t before = 0;
	pthread_t thread;
	char group[INET_ADDRSTRLEN];
	int sender;

	(void)state;
	LAB_REQUIRED();
	for (uint32_t i = 0; i < 30; i++) {
		snprintf(group, sizeof(group), "239.1.1.%u", i + 1);
		listens[i] = listen_on(group, "0.0.0.0", PORT);
	}
	running.table = lab_table();
	running.capture = open_capture(&config);
	sender = lab_sender("127.0.0.1");
	assert_int_equal(pthread_create(&thread, NULL, run_capture, &running), 0);
	for (uint64_t round = 0; round < 100; round++) {
		for (uint32_t i = 0; i < 30; i++) {
			snprintf(group, sizeof(group), "239.1.1.%u", i + 1);
			lab_send(sender, group, PORT, i, round, 1, 200);
		}
		nb_socket_capture_read(running.capture, &counts);
		assert_true(counts.packets >= before && counts.packets <= (round + 1) * 30);
		before = counts.packets;
	}
	atomic_store(&running.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(running.code, 0);
	nb_socket_capture_read(running.capture, &counts);
	assert_int_equal(counts.packets, 3000);
	assert_int_equal(counts.socket_drops, 0);
	lab_assert_streams_whole(running.table, 30, 100);
	close(sender);
	nb_socket_capture_destroy(running.capture);
	nb_table_destroy(running.table);
}

/*
 * What comes while the rest is taken must not be taken too, or a flood would never let it end. The table is kept from
 * the capture after it has begun to take the rest, and the flood comes then.
 */
static void a_flood_does_not_keep_it_from_ending(void **state)
{
	const struct nb_listen listen = listen_on("127.0.0.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config = config_of(&listen, 1);
	struct running running = { .stop = true, .code = -1 };
	struct nb_socket_capture_counts counts = { .system_calls = 0 };
	pthread_t thread;
	int sender;

	(void)state;
	LAB_REQUIRED();
	running.table = lab_table();
	running.capture = open_capture(&config);
	sender = lab_sender("127.0.0.1");
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 20, 100);
	nb_table_lock(running.table);
	assert_int_equal(pthread_create(&thread, NULL, run_capture, &running), 0);
	while (counts.system_calls == 0) {
		usleep(1000);
		nb_socket_capture_read(running.capture, &counts);
	}
	lab_send(sender, "127.0.0.1", PORT, 1, 20, 5000, 100);
	nb_table_unlock(running.table);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(running.code, 0);
	nb_socket_capture_read(running.capture, &counts);
	assert_true(counts.packets >= 20); /* all that had come before */
	if (counts.receive_buffer_bytes >= 2 * 212992) /* else the flood is no larger than what is taken at once */
		assert_true(counts.packets + counts.socket_drops < 20 + 5000);
	assert_int_equal(lab_totals(running.table).packets, counts.packets);
	close(sender);
	nb_socket_capture_destroy(running.capture);
	nb_table_destroy(running.table);
}

static void the_deadline_ends_it(void **state)
{
	const struct nb_listen listen = listen_on("127.0.0.1", "0.0.0.0", PORT);
	struct nb_socket_capture_config config = config_of(&listen, 1);
	struct nb_socket_capture_counts counts;
	struct nb_socket_capture *capture;
	struct nb_table *table;
	int64_t deadline_ns;
	int sender;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 300, 100);
	deadline_ns = nb_monotonic_ns() + 20000000;
	assert_int_equal(nb_socket_capture_run(capture, table, deadline_ns, NULL, NULL), 0);
	assert_true(nb_monotonic_ns() >= deadline_ns);
	nb_socket_capture_read(capture, &counts);
	assert_int_equal(counts.packets, 300);
	assert_true(counts.largest_batch > 1 && counts.largest_batch <= 300);
	assert_true(counts.batches <= counts.system_calls);
	close(sender);
	nb_socket_capture_destroy(capture);
	nb_table_destroy(table);
}

static void what_cannot_be_listened_to(void **state)
{
	const struct nb_listen no_port = listen_on("239.1.1.1", "0.0.0.0", 0);
	const struct nb_listen filtered = listen_on("127.0.0.1", "127.0.0.2", PORT);
	const struct nb_listen odd_source = listen_on("232.1.1.1", "232.1.1.2", PORT);
	const struct nb_listen foreign = listen_on("192.0.2.1", "0.0.0.0", PORT);
	const struct nb_listen group = listen_on("239.1.1.1", "0.0.0.0", PORT);
	const struct nb_listen sourced = listen_on("232.1.1.1", "192.0.2.9", PORT);
	struct nb_socket_capture_config config = config_of(NULL, 0);

	(void)state;
	LAB_REQUIRED();
	expect_failure(&config, -EINVAL, "listen on nothing");
	config = config_of(&no_port, 1);
	expect_failure(&config, -EINVAL, "listen on UDP port 0");
	config = config_of(&filtered, 1);
	expect_failure(&config, -EINVAL, "filter a unicast address by source");
	config = config_of(&odd_source, 1);
	expect_failure(&config, -EINVAL, "use a group as a source");
	config = config_of(&foreign, 1);
	expect_failure(&config, -EADDRNOTAVAIL, "bind UDP port 5004 on 192.0.2.1");
	config = config_of(&group, 1);
	config.interface_index = 4242;
	expect_failure(&config, -ENODEV, "find interface 4242");
	/* No route leads to a group here. */
	config.interface_index = 0;
	expect_failure(&config, -ENODEV, "join group 239.1.1.1 by routing");
	config = config_of(&sourced, 1);
	config.interface_index = 0;
	expect_failure(&config, -ENODEV, "join group 232.1.1.1 from source 192.0.2.9 by routing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_group_is_counted_once_over_many_sockets),
		cmocka_unit_test(memberships_follow_the_system_limit),
		cmocka_unit_test(a_limit_that_is_too_high_is_found_out),
		cmocka_unit_test(source_specific_groups_take_their_sources_only),
		cmocka_unit_test(more_sources_than_one_socket_takes),
		cmocka_unit_test(what_is_asked_for_twice_is_counted_once),
		cmocka_unit_test(groups_and_unicast_share_a_port),
		cmocka_unit_test(a_broadcast_is_counted_once),
		cmocka_unit_test(unicast_to_the_port_of_a_group_is_kept_apart),
		cmocka_unit_test(a_port_in_use_is_refused),
		cmocka_unit_test(a_full_buffer_is_accounted_for_exactly),
		cmocka_unit_test(the_systems_buffer_is_left_when_none_is_asked_for),
		cmocka_unit_test(long_datagrams_keep_their_length),
		cmocka_unit_test(the_kernel_stamps),
		cmocka_unit_test(another_thread_reads_and_stops),
		cmocka_unit_test(a_flood_does_not_keep_it_from_ending),
		cmocka_unit_test(the_deadline_ends_it),
		cmocka_unit_test(what_cannot_be_listened_to),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
