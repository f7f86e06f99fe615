/* SPDX-License-Identifier: MIT */
/* test_stamp_capture.c - each packet is of one kind, and loopback stamps none of them in hardware. */
#include "loopback_lab.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>

#include "clock.h"
#include "stamp_capture.h"

#define PACKETS 50
#define PORT 5004
#define WARM_PORT 5999

/*
 * The kernel turns its stamping on some moments after the first socket asked for it, and off after the last one is closed: a
 * socket of our own asks first and stays open, so that every packet of these tests finds it on. Return: 0, or -1.
 */
static int keep_the_kernel_stamping(void **state)
{
	const int stamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	const struct sockaddr_in name = lab_name("127.0.0.1", WARM_PORT);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char control[128];

	(void)state;
	if (lab_refused != NULL)
		return 0; /* every test says so */
	assert_return_code(bind(fd, (const struct sockaddr *)&name, sizeof(name)), errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)), errno);
	for (uint32_t i = 0; i < 10000; i++) {
		struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };

		assert_int_equal(sendto(fd, "", 0, 0, (const struct sockaddr *)&name, sizeof(name)), 0);
		assert_int_equal(recvmsg(fd, &message, 0), 0);
		if (message.msg_controllen > 0)
			return 0;
		usleep(100);
	}
	return -1;
}

static struct nb_stamp_capture *capture_of(const struct nb_listen *listens, uint32_t count, bool frames)
{
	const struct nb_stamp_capture_config config = {
		.interface_index = LAB_LOOPBACK,
		.listens = listens,
		.listen_count = count,
		.frames = frames,
		.receive_buffer_bytes = 1 << 20,
	};
	struct nb_stamp_capture *capture;
	struct nb_error error;

	assert_int_equal(nb_stamp_capture_create(&capture, &config, &error), 0);
	return capture;
}

/* Everything is queued already: it is taken, and no more is waited for. */
static void run_once(struct nb_stamp_capture *capture)
{
	const atomic_bool stop = true;

	assert_int_equal(nb_stamp_capture_run(capture, 0, &stop, NULL), 0);
}

static void send_frames(uint16_t type, uint32_t count, size_t bytes)
{
	const struct sockaddr_ll name = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(type),
		.sll_ifindex = LAB_LOOPBACK,
		.sll_halen = 6,
	};
	const int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const uint8_t payload[64] = { 0 };

	assert_true(fd >= 0);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(sendto(fd, payload, bytes, 0, (const struct sockaddr *)&name, sizeof(name)), bytes);
	close(fd);
}

static void assert_kind(struct nb_stamp_capture *capture, enum nb_stamped_kind kind, uint64_t packets)
{
	struct nb_stamp_counts counts;

	assert_true(nb_stamp_capture_read_kind(capture, kind, &counts));
	assert_int_equal(counts.packets, packets);
	assert_int_equal(counts.kernel, packets);
	assert_int_equal(counts.hardware, 0);
	assert_int_equal(counts.compared, 0);
	assert_false(counts.rate_known);
	if (packets > 0)
		assert_true(counts.first_ns > 0 && counts.last_ns >= counts.first_ns);
}

static void every_frame_is_of_one_kind(void **state)
{
	struct nb_stamp_capture_counts counts;
	struct nb_stamp_capture *capture;
	int fd;

	(void)state;
	LAB_REQUIRED();
	capture = capture_of(NULL, 0, true);
	fd = lab_sender("127.0.0.1");
	lab_send(fd, "239.255.77.1", PORT, 1, 0, PACKETS, 200);
	lab_send(fd, "224.0.1.129", 319, 1, 0, 7, 64);
	lab_send(fd, "224.0.1.129", 320, 1, 0, 4, 64);
	send_frames(0x88f7, 9, 44);
	send_frames(0x88b5, 3, 44);  /* an experiment's EtherType */
	send_frames(ETH_P_IP, 2, 5); /* cut: no IP header */
	run_once(capture);
	assert_kind(capture, NB_STAMPED_UDP, PACKETS);
	assert_kind(capture, NB_STAMPED_PTP_UDP, 11);
	assert_kind(capture, NB_STAMPED_PTP_ETHERNET, 9);
	assert_kind(capture, NB_STAMPED_OTHER, 5);
	assert_kind(capture, NB_STAMPED_ALL, PACKETS + 11 + 9 + 5);
	nb_stamp_capture_read(capture, &counts);
	assert_int_equal(counts.packets, PACKETS + 11 + 9 + 5);
	assert_int_equal(counts.drops, 0);
	nb_stamp_capture_destroy(capture);
	close(fd);
}

static void every_listen_counts_its_own(void **state)
{
	const struct nb_listen listens[] = {
		{ .address = { 239, 255, 77, 1 }, .port = PORT },
		{ .address = { 0, 0, 0, 0 }, .port = PORT + 1 },
		{ .address = { 239, 255, 77, 2 }, .port = PORT },
	};
	struct nb_stamp_capture *capture;
	struct nb_stamp_counts counts;
	int fd;

	(void)state;
	LAB_REQUIRED();
	capture = capture_of(listens, 3, false);
	fd = lab_sender("127.0.0.1");
	lab_send(fd, "239.255.77.1", PORT, 1, 0, PACKETS, 200);
	lab_send(fd, "127.0.0.1", PORT + 1, 2, 0, 5, 1316);
	run_once(capture);
	nb_stamp_capture_read_listen(capture, 0, &counts);
	assert_int_equal(counts.packets, PACKETS);
	assert_int_equal(counts.kernel, PACKETS);
	assert_int_equal(counts.hardware, 0);
	nb_stamp_capture_read_listen(capture, 1, &counts);
	assert_int_equal(counts.packets, 5);
	nb_stamp_capture_read_listen(capture, 2, &counts);
	assert_int_equal(counts.packets, 0);
	assert_false(nb_stamp_capture_read_kind(capture, NB_STAMPED_ALL, &counts));
	nb_stamp_capture_destroy(capture);
	close(fd);
}

static void what_a_full_buffer_refuses_is_told(void **state)
{
	const struct nb_listen listen = { .address = { 239, 255, 77, 1 }, .port = PORT };
	const struct nb_stamp_capture_config config = {
		.interface_index = LAB_LOOPBACK,
		.listens = &listen,
		.listen_count = 1,
		.receive_buffer_bytes = 1,
	};
	struct nb_stamp_capture_counts counts;
	struct nb_stamp_capture *capture;
	int fd;

	(void)state;
	LAB_REQUIRED();
	assert_int_equal(nb_stamp_capture_create(&capture, &config, NULL), 0);
	fd = lab_sender("127.0.0.1");
	lab_send(fd, "239.255.77.1", PORT, 1, 0, PACKETS, 1316);
	run_once(capture);
	nb_stamp_capture_read(capture, &counts);
	assert_true(counts.drops > 0);
	assert_int_equal(counts.packets + counts.drops, PACKETS);
	nb_stamp_capture_destroy(capture);
	close(fd);
}

static void it_ends_at_its_deadline(void **state)
{
	const int64_t began_ns = nb_monotonic_ns();
	struct nb_stamp_capture *capture;

	(void)state;
	LAB_REQUIRED();
	capture = capture_of(NULL, 0, true);
	assert_int_equal(nb_stamp_capture_run(capture, began_ns + 20000000, NULL, NULL), 0);
	assert_true(nb_monotonic_ns() >= began_ns + 20000000);
	nb_stamp_capture_destroy(capture);
}

static void what_cannot_be_is_refused(void **state)
{
	struct nb_stamp_capture_config config = { .interface_index = LAB_LOOPBACK };
	struct nb_stamp_capture *capture;
	struct nb_error error;

	(void)state;
	LAB_REQUIRED();
	assert_int_equal(nb_stamp_capture_create(&capture, &config, &error), -EINVAL);
	assert_null(capture);
	config.listen_count = NB_STAMP_LISTENS + 1;
	assert_int_equal(nb_stamp_capture_create(&capture, &config, &error), -EINVAL);
	config.listen_count = 0;
	config.frames = true;
	config.interface_index = 12345;
	assert_true(nb_stamp_capture_create(&capture, &config, &error) < 0);
	assert_null(capture);
	nb_stamp_capture_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_of_one_kind),         cmocka_unit_test(every_listen_counts_its_own),
		cmocka_unit_test(what_a_full_buffer_refuses_is_told), cmocka_unit_test(it_ends_at_its_deadline),
		cmocka_unit_test(what_cannot_be_is_refused),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, keep_the_kernel_stamping, NULL);
}
