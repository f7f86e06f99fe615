/* SPDX-License-Identifier: MIT */
/* test_frame_sender.c - frames that a kernel takes for datagrams, to the last checksum, and books that match them. */
#include "loopback_lab.h"

#include <linux/if_packet.h>

#include "arrivals.h"
#include "frame_sender.h"
#include "lab_address.h"

#define FRAME_HEADER 42

static const atomic_bool go_on = false;

static struct nb_sender_stream to(uint32_t stream, const char *address, uint16_t port)
{
	struct nb_sender_stream made = { .stream = stream, .port = port };

	assert_int_equal(inet_pton(AF_INET, address, &made.destination), 1);
	return made;
}

static struct nb_sender_config config_of(const struct nb_sender_stream *streams, uint32_t count)
{
	struct nb_sender_config config = {
		.streams = streams,
		.stream_count = count,
		.session = LAB_SESSION,
		.payload_bytes = 100,
		.pacer = { .packets = 200, .rate_pps = 20000, .burst = 1 },
		.interface_index = LAB_LOOPBACK,
		.source_port = 6000,
		.ttl = 1,
	};

	assert_int_equal(inet_pton(AF_INET, LAB_NEIGHBOUR, &config.source), 1);
	return config;
}

static struct nb_frame_sender *run(const struct nb_sender_config *config, struct nb_sender_counts *counts)
{
	struct nb_frame_sender *sender;

	assert_int_equal(nb_frame_sender_create(&sender, config, NULL), 0);
	assert_int_equal(nb_frame_sender_run(sender, &go_on, NULL), 0);
	nb_frame_sender_read(sender, counts);
	assert_books_balance(&counts->total);
	assert_int_equal(counts->total.refused, counts->errors.enobufs + counts->errors.eagain + counts->errors.other);
	assert_int_equal(counts->bytes, counts->total.datagrams * config->payload_bytes);
	return sender;
}

/* To a UDP socket: the kernel itself checks both checksums, and drops what is wrong. */
static void test_each_sequence_arrives_once(void **state)
{
	static const struct {
		double rate_pps;
		uint32_t payload_bytes;
		bool qdisc_bypass;
	} ways[] = { { 20000, 100, false }, { 20000, 101, true }, { 0, NB_PROBE_LENGTH, true }, { 0, 333, false } };
	const struct nb_sender_stream stream = to(3, LAB_ADDRESS, 5004);
	static struct arrivals arrivals;

	(void)state;
	LAB_REQUIRED();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const int fd = arrivals_open(LAB_ADDRESS, 5004);
		struct nb_sender_config config = config_of(&stream, 1);
		struct nb_frame_sender *sender;
		struct nb_histogram lateness;
		struct nb_sender_counts counts;

		config.pacer.rate_pps = ways[i].rate_pps;
		config.payload_bytes = ways[i].payload_bytes;
		config.qdisc_bypass = ways[i].qdisc_bypass;
		sender = run(&config, &counts);
		arrivals_take(&arrivals, fd);
		arrivals_assert_match(&arrivals, &counts.total, 3, ways[i].payload_bytes);
		assert_int_equal(counts.total.sent, 200);
		assert_int_equal(counts.intended, 200);
		nb_frame_sender_lateness(sender, &lateness);
		assert_int_equal(lateness.count, ways[i].rate_pps == 0 ? 0 : 200);
		nb_frame_sender_destroy(sender);
		close(fd);
	}
}

static void test_streams_and_faults_are_exact(void **state)
{
	const struct nb_sender_stream streams[] = { to(10, "239.1.1.1", 5004), to(11, LAB_ADDRESS, 5004) };
	static const char *addresses[] = { "239.1.1.1", LAB_ADDRESS };
	struct nb_sender_config config = config_of(streams, 2);
	struct nb_frame_sender *sender;
	static struct arrivals arrivals;
	struct nb_sender_counts counts;
	int fds[2];

	(void)state;
	LAB_REQUIRED();
	for (int i = 0; i < 2; i++)
		fds[i] = arrivals_open(addresses[i], 5004);
	config.pacer.packets = 400;
	config.faults = (struct nb_faults){ .skip_every = 10, .repeat_every = 7, .swap_every = 9 };
	sender = run(&config, &counts);
	for (uint32_t i = 0; i < 2; i++) {
		struct nb_source_counts books;

		nb_frame_sender_read_stream(sender, i, &books);
		arrivals_take(&arrivals, fds[i]);
		arrivals_assert_match(&arrivals, &books, 10 + i, 100);
		assert_int_equal(books.sent, 180);
		assert_int_equal(books.skipped, 20);
		assert_int_equal(books.repeated, 26);
		assert_int_equal(books.swapped, 18);
		close(fds[i]);
	}
	nb_frame_sender_destroy(sender);
}

/* RFC 1071, the plain way: big-endian words into one sum; right where it comes to 0xffff. */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void assert_frame(const uint8_t *frame, size_t size, const struct nb_sender_config *config)
{
	const uint8_t *ip = frame + 14, *udp = ip + 20;
	const size_t udp_bytes = 8 + config->payload_bytes;
	const uint8_t pseudo[4] = { 0, 17, (uint8_t)(udp_bytes >> 8), (uint8_t)udp_bytes };
	static const uint8_t group_mac[6] = { 0x01, 0x00, 0x5e, 0x01, 0x02, 0x03 };

	assert_int_equal(size, FRAME_HEADER + config->payload_bytes);
	assert_memory_equal(frame, group_mac, sizeof(group_mac));
	assert_int_equal(frame[12] << 8 | frame[13], 0x0800);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(ip[1], config->dscp << 2);
	assert_int_equal(ip[2] << 8 | ip[3], 20 + udp_bytes);
	assert_int_equal(ip[8], config->ttl);
	assert_int_equal(ip[9], 17);
	assert_memory_equal(ip + 12, config->source, 4);
	assert_memory_equal(ip + 16, config->streams[0].destination, 4);
	assert_int_equal(add_words(0, ip, 20), 0xffff);
	assert_int_equal(udp[0] << 8 | udp[1], config->source_port);
	assert_int_equal(udp[2] << 8 | udp[3], config->streams[0].port);
	assert_int_equal(udp[4] << 8 | udp[5], udp_bytes);
	assert_true(udp[6] != 0 || udp[7] != 0); /* would be: none */
	assert_int_equal(add_words(add_words(add_words(0, pseudo, 4), ip + 12, 8), udp, udp_bytes), 0xffff);
}

/* The frames themselves, as a capture at the far side gets them. The group's upper bits are not in its MAC address. */
static void test_frames_are_right_to_the_checksum(void **state)
{
	const struct sockaddr_ll name = { .sll_family = AF_PACKET,
					  .sll_protocol = htons(0x0800),
					  .sll_ifindex = LAB_LOOPBACK };
	const struct nb_sender_stream stream = to(1, "239.129.2.3", 5004);
	/* In a transport stream of 100 packets/s each third brings the clock, and each ninth tables. */
	static const struct {
		enum nb_envelope_kind envelope;
		uint32_t bytes;
		double rate_pps;
	} shapes[] = {
		{ NB_ENVELOPE_RAW, NB_PROBE_LENGTH, 20000 },
		{ NB_ENVELOPE_RAW, NB_PROBE_LENGTH + 1, 20000 },
		{ NB_ENVELOPE_RAW, 188, 20000 },
		{ NB_ENVELOPE_RAW, 1315, 20000 },
		{ NB_ENVELOPE_RAW, 1316, 20000 },
		{ NB_ENVELOPE_RTP, 61, 20000 },
		{ NB_ENVELOPE_MPEGTS, 752, 100 },
		{ NB_ENVELOPE_RTP_MPEGTS, 1328, 100 },
	};

	(void)state;
	LAB_REQUIRED();
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		struct nb_sender_config config = config_of(&stream, 1);
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		struct nb_sender_counts counts;
		uint32_t frames = 0;

		assert_true(fd >= 0);
		assert_return_code(bind(fd, (const struct sockaddr *)&name, sizeof(name)), errno);
		config.envelope = shapes[i].envelope;
		config.payload_bytes = shapes[i].bytes;
		config.pacer.rate_pps = shapes[i].rate_pps;
		config.pacer.packets = 30;
		config.qdisc_bypass = true; /* or the loopback interface shows each frame on its way out, too */
		config.ttl = 9;
		config.dscp = 34;
		nb_frame_sender_destroy(run(&config, &counts));
		while (poll(&wait, 1, ARRIVALS_SILENCE_MS) > 0) {
			uint8_t frame[2048];
			const ssize_t size = recv(fd, frame, sizeof(frame), 0);

			assert_true(size > 14 + 20);
			if (frame[14 + 9] != 17) /* the kernel tells of left groups, by IGMP */
				continue;
			assert_frame(frame, (size_t)size, &config);
			frames++;
		}
		assert_int_equal(frames, 30);
		assert_int_equal(counts.total.sent, 30);
		close(fd);
	}
}

static void assert_refused(const struct nb_sender_config *config, int code, const char *what)
{
	struct nb_frame_sender *sender = NULL;
	struct nb_error error = { 0 };

	assert_int_equal(nb_frame_sender_create(&sender, config, &error), code);
	assert_int_equal(error.code, code);
	assert_string_equal(error.what, what);
	assert_null(sender);
}

static void test_what_cannot_be_is_refused_at_once(void **state)
{
	const struct nb_sender_stream stream = to(1, "239.1.1.1", 5004);
	const struct nb_sender_config good = config_of(&stream, 1);
	struct nb_sender_config wrong;

	(void)state;
	LAB_REQUIRED();
	wrong = good;
	wrong.interface_index = 0;
	assert_refused(&wrong, -EINVAL, "send frames without an interface");
	wrong.interface_index = 4711;
	assert_refused(&wrong, -ENODEV, "send frames by interface 4711");
	wrong = good;
	memset(wrong.source, 0, 4);
	assert_refused(&wrong, -EINVAL, "send frames without a source address");
	wrong = good;
	wrong.source_port = 0;
	assert_refused(&wrong, -EINVAL, "send frames without a source port");
	assert_int_equal(lab_loopback_mtu(1500), 0);
	wrong = good;
	wrong.payload_bytes = 1473;
	assert_refused(&wrong, -EMSGSIZE, "send a payload of 1473 bytes by lo, whose MTU of 1500 leaves room for 1472");
	assert_int_equal(lab_loopback_mtu(65536), 0);
	assert_int_equal(lab_loopback_up(false), 0);
	assert_refused(&good, -ENETDOWN, "send frames by lo");
	assert_int_equal(lab_loopback_up(true), 0);
}

static int enter(void **state)
{
	(void)state;
	lab_enter();
	if (lab_refused == NULL && lab_address_add() != 0)
		lab_refused = "the loopback interface takes no second address";
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_sequence_arrives_once),
		cmocka_unit_test(test_streams_and_faults_are_exact),
		cmocka_unit_test(test_frames_are_right_to_the_checksum),
		cmocka_unit_test(test_what_cannot_be_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
