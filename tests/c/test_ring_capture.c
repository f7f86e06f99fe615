/* SPDX-License-Identifier: MIT */
/* test_ring_capture.c - a real ring on the loopback of a namespace of its own: the books balance to the packet. */
#include "loopback_lab.h"

#include <linux/capability.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "clock.h"
#include "ring_capture.h"

#define PORT 5004

static const struct nb_ring_capture_config one_port = {
	.interface_index = LAB_LOOPBACK,
	.port_low = PORT,
	.port_high = PORT,
	.incoming_only = true,
};

static struct nb_ring_capture *open_capture(const struct nb_ring_capture_config *config)
{
	struct nb_ring_capture *capture;
	struct nb_error error = { .what = "" };
	const int code = nb_ring_capture_create(&capture, config, &error);

	if (code < 0)
		print_error("%s: %s\n", error.what, strerror(-code));
	assert_int_equal(code, 0);
	return capture;
}

static void assert_balanced(const struct nb_ring_capture_counts *counts)
{
	assert_int_equal(counts->kernel_packets, counts->frames + counts->kernel_drops);
	assert_int_equal(counts->frames, counts->datagrams + counts->not_udp + counts->damaged);
}

/* End the capture, and take what the ring holds. */
static struct nb_ring_capture_counts close_capture(struct nb_ring_capture *capture, struct nb_table *table)
{
	const atomic_bool stop = true;
	struct nb_ring_capture_counts counts;
	struct nb_error error = { .what = "" };
	const int code = nb_ring_capture_run(capture, table, 0, &stop, &error);

	if (code < 0)
		print_error("%s: %s\n", error.what, strerror(-code));
	assert_int_equal(code, 0);
	nb_ring_capture_read(capture, &counts);
	assert_balanced(&counts);
	return counts;
}

static void expect_failure(const struct nb_ring_capture_config *config, int code, const char *what)
{
	struct nb_ring_capture *capture;
	struct nb_error error;

	assert_int_equal(nb_ring_capture_create(&capture, config, &error), code);
	assert_null(capture);
	assert_int_equal(error.code, code);
	assert_string_equal(error.what, what);
}

static void its_ports_and_nothing_of_before(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct nb_ring_capture_counts counts;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.port_high = PORT + 2;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	lab_send(sender, "239.1.1.1", PORT, 9, 0, 50, 1316);
	capture = open_capture(&config);
	lab_send(sender, "239.1.1.1", PORT - 1, 1, 0, 100, 1316);
	lab_send(sender, "239.1.1.1", PORT, 2, 0, 100, 1316);
	lab_send(sender, "127.0.0.1", PORT + 1, 3, 0, 100, 1316);
	lab_send(sender, "239.1.1.2", PORT + 2, 4, 0, 100, 1316);
	lab_send(sender, "239.1.1.1", PORT + 3, 5, 0, 100, 1316);
	counts = close_capture(capture, table);
	assert_int_equal(counts.kernel_packets, 300);
	assert_int_equal(counts.kernel_drops, 0);
	assert_int_equal(counts.datagrams, 300);
	assert_int_equal(counts.losing_blocks, 0);
	assert_int_equal(counts.ring_bytes, 64 << 20);
	assert_true(counts.blocks > 0);
	/* 256 bytes are kept of each frame, and still its length is right. */
	assert_int_equal(lab_totals(table).bytes, 300 * 1316);
	assert_int_equal(lab_totals(table).tracked, 300);
	assert_int_equal(lab_totals(table).stamps[NB_STAMP_KERNEL], 300);
	lab_assert_streams_whole(table, 3, 100);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

static void all_ports_when_none_is_given(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.port_low = config.port_high = 0;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "239.1.1.1", 1, 1, 0, 10, 100);
	lab_send(sender, "239.1.1.1", 65535, 2, 0, 10, 100);
	assert_int_equal(close_capture(capture, table).kernel_packets, 20);
	lab_assert_streams_whole(table, 2, 10);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

static void both_directions_when_asked_for(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.incoming_only = false;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "239.1.1.1", PORT, 1, 0, 40, 100);
	assert_int_equal(close_capture(capture, table).kernel_packets, 80);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

static void a_reader_that_comes_late_loses_what_the_books_say(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct nb_ring_capture_counts counts;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.block_bytes = 4096;
	config.blocks = 4;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "239.1.1.1", PORT, 1, 0, 5000, 1316);
	counts = close_capture(capture, table);
	assert_int_equal(counts.kernel_packets, 5000);
	assert_true(counts.frames > 0);
	assert_true(counts.kernel_drops > 0);
	assert_true(counts.freezes > 0);
	assert_int_equal(counts.ring_bytes, 4 * 4096);
	/* What was kept is the beginning, in order. */
	lab_assert_streams_whole(table, 1, counts.frames);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

struct running {
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int64_t deadline_ns;
	atomic_bool stop;
	int code;
	struct nb_error error;
};

static void *run_capture(void *argument)
{
	struct running *running = argument;

	running->code = nb_ring_capture_run(running->capture, running->table, running->deadline_ns, &running->stop,
					    &running->error);
	return NULL;
}

/* Sends while another thread captures, reads snapshots meanwhile, stops it, and closes the books. */
static struct nb_ring_capture_counts capture_while_sending(const struct nb_ring_capture_config *config, uint32_t count,
							   struct nb_table *table)
{
	struct running running = { .capture = open_capture(config), .table = table, .code = -1 };
	struct nb_ring_capture_counts counts;
	const int sender = lab_sender("127.0.0.1");
	uint64_t before = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_capture, &running), 0);
	for (uint32_t first = 0; first < count; first += 100) {
		lab_send(sender, "239.1.1.1", PORT, 1, first, 100, 200);
		nb_ring_capture_read(running.capture, &counts);
		assert_true(counts.frames >= before && counts.frames <= first + 100);
		before = counts.frames;
	}
	atomic_store(&running.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(running.code, 0);
	nb_ring_capture_read(running.capture, &counts);
	assert_balanced(&counts);
	close(sender);
	nb_ring_capture_destroy(running.capture);
	return counts;
}

static void another_thread_reads_and_stops(void **state)
{
	struct nb_ring_capture_counts counts;
	struct nb_table *table;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	counts = capture_while_sending(&one_port, 20000, table);
	assert_int_equal(counts.kernel_packets, 20000);
	assert_int_equal(counts.kernel_drops, 0);
	lab_assert_streams_whole(table, 1, 20000);
	nb_table_destroy(table);
}

/* Blocks of a few frames each: many are filled, retired, given back and reused while this goes on. */
static void a_small_ring_balances_while_it_is_read(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct nb_table *table;

	(void)state;
	LAB_REQUIRED();
	config.block_bytes = 4096;
	config.blocks = 3;
	config.retire_ms = 1;
	for (int round = 0; round < 10; round++) {
		struct nb_ring_capture_counts counts;

		table = lab_table();
		counts = capture_while_sending(&config, 2000, table);
		assert_int_equal(counts.kernel_packets, 2000);
		assert_int_equal(counts.datagrams, counts.frames);
		nb_table_destroy(table);
	}
}

struct sending {
	atomic_bool stop;
	uint32_t sent;
};

static void *send_until_told(void *argument)
{
	struct sending *sending = argument;
	const int sender = lab_sender("127.0.0.1");

	while (!atomic_load(&sending->stop))
		lab_send(sender, "239.1.1.1", PORT, 1, sending->sent++, 1, 200);
	close(sender);
	return NULL;
}

/* Wait until frames come in, for as long as a stalled machine could need. */
static void wait_for_frames(struct nb_ring_capture *capture)
{
	struct nb_ring_capture_counts counts = { .frames = 0 };

	for (int waits = 0; waits < 30000 && counts.frames == 0; waits++) {
		usleep(1000);
		nb_ring_capture_read(capture, &counts);
	}
	assert_true(counts.frames > 0);
}

/* The tap is shut amid the traffic, again and again: no frame may be on its way when the books are closed. */
static void the_books_close_while_a_sender_goes_on(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct sending sending = { .sent = 0 };
	pthread_t sender;

	(void)state;
	LAB_REQUIRED();
	config.blocks = 4;
	config.retire_ms = 1;
	assert_int_equal(pthread_create(&sender, NULL, send_until_told, &sending), 0);
	for (int round = 0; round < 20; round++) {
		struct running running = { .capture = open_capture(&config), .table = lab_table(), .code = -1 };
		struct nb_ring_capture_counts counts;
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, run_capture, &running), 0);
		wait_for_frames(running.capture);
		atomic_store(&running.stop, true);
		assert_int_equal(pthread_join(thread, NULL), 0);
		if (running.code < 0)
			print_error("%s: %s\n", running.error.what, strerror(-running.code));
		assert_int_equal(running.code, 0);
		nb_ring_capture_read(running.capture, &counts);
		assert_balanced(&counts);
		assert_int_equal(lab_totals(running.table).packets, counts.datagrams);
		nb_ring_capture_destroy(running.capture);
		nb_table_destroy(running.table);
	}
	atomic_store(&sending.stop, true);
	assert_int_equal(pthread_join(sender, NULL), 0);
}

static void fragments_count_once(void **state)
{
	struct nb_ring_capture_config config = one_port;
	struct nb_ring_capture_counts counts;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.port_low = config.port_high = 0; /* whatever stands where a later fragment has no port */
	assert_return_code(lab_loopback_mtu(1500), errno);
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 7, 4000); /* three fragments each */
	counts = close_capture(capture, table);
	assert_int_equal(counts.kernel_packets, 7);
	assert_int_equal(counts.datagrams, 7);
	assert_int_equal(lab_totals(table).bytes, 7 * 4000);
	lab_assert_streams_whole(table, 1, 7);
	assert_return_code(lab_loopback_mtu(65536), errno);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

static void version_6_too(void **state)
{
	struct sockaddr_in6 name = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const int sender = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct nb_ring_capture_counts counts;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	uint8_t payload[200];

	(void)state;
	LAB_REQUIRED();
	if (sender < 0 || bind(sender, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		print_message("skipped: this kernel has no IPv6\n");
		skip();
	}
	table = lab_table();
	capture = open_capture(&one_port);
	for (uint64_t sequence = 0; sequence < 20; sequence++) {
		const struct nb_probe probe = { .session = LAB_SESSION, .sequence = sequence };

		assert_int_equal(nb_probe_encode(payload, sizeof(payload), &probe), 0);
		name.sin6_port = htons(PORT);
		assert_int_equal(sendto(sender, payload, sizeof(payload), 0, (const struct sockaddr *)&name,
					sizeof(name)),
				 sizeof(payload));
		name.sin6_port = htons(PORT + 1);
		assert_int_equal(sendto(sender, payload, sizeof(payload), 0, (const struct sockaddr *)&name,
					sizeof(name)),
				 sizeof(payload));
	}
	counts = close_capture(capture, table);
	assert_int_equal(counts.kernel_packets, 20);
	assert_int_equal(counts.datagrams, 20);
	lab_assert_streams_whole(table, 1, 20);
	nb_table_lock(table);
	assert_int_equal(nb_table_key(table, 0)->flow.family, 6);
	nb_table_unlock(table);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

/* A frame as no honest sender makes it, put onto the wire as it is. */
static void inject(const uint8_t *frame, size_t bytes)
{
	const struct sockaddr_ll name = { .sll_family = AF_PACKET, .sll_ifindex = LAB_LOOPBACK };
	const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, frame, bytes, 0, (const struct sockaddr *)&name, sizeof(name)), bytes);
	close(fd);
}

static void lying_frames_are_damaged(void **state)
{
	uint8_t frame[142] = {
		[12] = 0x08, [14] = 0x45, [17] = 128, [22] = 1,         [23] = 17,          [26] = 127, [29] = 1,
		[30] = 239,  [33] = 1,    [34] = 4,   [36] = PORT >> 8, [37] = PORT & 0xff, [39] = 108,
	};
	struct nb_ring_capture_counts counts;
	struct nb_ring_capture *capture;
	struct nb_table *table;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	capture = open_capture(&one_port);
	inject(frame, sizeof(frame)); /* an honest one */
	inject(frame, sizeof(frame) - 1); /* a byte less than it says */
	frame[16] = 100; /* IP and UDP agree on some 25,000 bytes more than there are */
	frame[38] = 100;
	inject(frame, sizeof(frame));
	frame[38] = 200; /* UDP says more than IP */
	inject(frame, sizeof(frame));
	frame[14] = 0x41; /* an IP header of four bytes; the port is looked for elsewhere */
	inject(frame, sizeof(frame));
	inject(frame, 30); /* ends before the port */
	counts = close_capture(capture, table);
	assert_int_equal(counts.kernel_packets, 4);
	assert_int_equal(counts.datagrams, 1);
	assert_int_equal(counts.damaged, 3);
	assert_int_equal(lab_totals(table).packets, 1);
	assert_int_equal(lab_totals(table).bytes, 100);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

static void an_interface_that_goes_down_ends_it(void **state)
{
	struct running running = { .code = 0 };
	struct nb_ring_capture_counts counts;
	pthread_t thread;
	int sender;

	(void)state;
	LAB_REQUIRED();
	running.table = lab_table();
	running.capture = open_capture(&one_port);
	sender = lab_sender("127.0.0.1");
	lab_send(sender, "127.0.0.1", PORT, 1, 0, 25, 100);
	assert_int_equal(pthread_create(&thread, NULL, run_capture, &running), 0);
	assert_return_code(lab_loopback_up(false), errno);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(running.code, -ENETDOWN);
	assert_string_equal(running.error.what, "go on capturing on interface 1");
	/* What came before was counted all the same. */
	nb_ring_capture_read(running.capture, &counts);
	assert_balanced(&counts);
	assert_int_equal(counts.kernel_packets, 25);
	lab_assert_streams_whole(running.table, 1, 25);

	expect_failure(&one_port, -ENETDOWN, "start the capture on interface 1");
	assert_return_code(lab_loopback_up(true), errno);
	close(sender);
	nb_ring_capture_destroy(running.capture);
	nb_table_destroy(running.table);
}

static void it_runs_once(void **state)
{
	struct nb_ring_capture *capture;
	struct nb_table *table;
	struct nb_error error;

	(void)state;
	LAB_REQUIRED();
	table = lab_table();
	capture = open_capture(&one_port);
	assert_int_equal(close_capture(capture, table).kernel_packets, 0);
	assert_int_equal(nb_ring_capture_run(capture, table, 0, NULL, &error), -EALREADY);
	assert_string_equal(error.what, "run a ring capture a second time");
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

static void what_cannot_be_captured(void **state)
{
	struct nb_ring_capture_config config = one_port;
	char what[sizeof(((struct nb_error *)NULL)->what)];

	(void)state;
	LAB_REQUIRED();
	config.interface_index = 0;
	expect_failure(&config, -EINVAL, "capture on no interface");
	config.interface_index = 4242;
	expect_failure(&config, -ENODEV, "find interface 4242");
	config = one_port;
	config.port_high = PORT - 1;
	expect_failure(&config, -EINVAL, "capture UDP ports 5004 to 5003");
	config = one_port;
	config.block_bytes = 5000;
	snprintf(what, sizeof(what), "use ring blocks of 5000 bytes (a power of two, at least %ld)",
		 sysconf(_SC_PAGESIZE));
	expect_failure(&config, -EINVAL, what);
	config = one_port;
	config.snapshot_bytes = 20;
	expect_failure(&config, -EINVAL, "keep 20 bytes of a frame (at least 96)");
	config = one_port;
	config.retire_ms = 65536;
	expect_failure(&config, -EINVAL, "hand over ring blocks each 65536 ms (at most 1000)");
}

/* Lay down all capabilities, as an ordinary user. */
static bool drop_rights(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	return syscall(SYS_capset, &header, none) == 0;
}

static void without_the_right_it_says_so(void **state)
{
	int status;
	pid_t child;

	(void)state;
	LAB_REQUIRED();
	child = fork();
	assert_return_code(child, errno);
	if (child == 0) {
		struct nb_ring_capture *capture;
		struct nb_error error;

		if (!drop_rights())
			_exit(2);
		if (nb_ring_capture_create(&capture, &one_port, &error) != -EPERM)
			_exit(3);
		_exit(strcmp(error.what, "open a packet socket") == 0 && capture == NULL ? 0 : 4);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The whole frames of the file @path, which has a pcap header of 24 bytes. */
static uint64_t frames_in(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *const file = fopen(path, "re");
	uint64_t frames;
	size_t length;

	assert_non_null(file);
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_int_equal(nb_pcap_whole(bytes + 24, length - 24, NB_FORMAT_PCAP, &frames), length - 24);
	return frames;
}

static void a_writer_beside_the_table_and_alone(void **state)
{
	char folder[] = "/tmp/nb-test-ring-XXXXXX", path[64];
	struct nb_pcap_writer_config files = { .path = path, .overwrite = true };

	(void)state;
	LAB_REQUIRED();
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.pcap", folder);
	for (int beside = 0; beside < 2; beside++) {
		struct nb_pcap_writer_counts written;
		struct nb_ring_capture_counts counts;
		struct nb_ring_capture *capture = open_capture(&one_port);
		struct nb_table *table = beside ? lab_table() : NULL;
		const int sender = lab_sender("127.0.0.1");
		const atomic_bool stop = true;
		struct nb_pcap_writer *writer;

		files.frames = beside ? 0 : 150; /* what comes behind is counted all the same */
		assert_int_equal(nb_pcap_writer_create(&writer, &files, NULL), 0);
		nb_ring_capture_write_to(capture, writer);
		lab_send(sender, "239.1.1.1", PORT, 1, 0, 200, 1316);
		assert_int_equal(nb_ring_capture_run(capture, table, 0, &stop, NULL), 0);
		nb_pcap_writer_close(writer);
		nb_pcap_writer_read(writer, &written);
		nb_ring_capture_read(capture, &counts);
		assert_int_equal(counts.kernel_packets, 200);
		assert_int_equal(counts.frames, written.frames);
		assert_int_equal(counts.datagrams, beside ? 200 : 0);
		assert_int_equal(written.written, beside ? 200 : 150);
		assert_int_equal(written.left_out, beside ? 0 : 50);
		assert_int_equal(written.cut, written.written); /* 256 bytes are kept of a frame */
		assert_int_equal(frames_in(path), written.written);
		if (beside)
			lab_assert_streams_whole(table, 1, 200);
		close(sender);
		nb_pcap_writer_destroy(writer);
		nb_ring_capture_destroy(capture);
		nb_table_destroy(table);
	}
	unlink(path);
	rmdir(folder);
}

/* A program that lets everything through: the shut tap is quiet all the same, and the books balance. */
static void a_program_instead_of_ports(void **state)
{
	const struct sock_filter everything = BPF_STMT(BPF_RET | BPF_K, 100), nonsense = { .code = 0xffff };
	struct nb_ring_capture_config config = one_port;
	struct nb_ring_capture_counts counts;
	struct nb_ring_capture *capture;
	struct nb_table *table;
	int sender;

	(void)state;
	LAB_REQUIRED();
	config.filter = &everything;
	config.filter_instructions = 1;
	expect_failure(&config, -EINVAL, "filter by ports and by a program at once");
	config.port_low = config.port_high = 0;
	config.filter = &nonsense;
	expect_failure(&config, -EINVAL, "attach a packet filter of 1 instructions");
	config.filter = &everything;
	table = lab_table();
	sender = lab_sender("127.0.0.1");
	capture = open_capture(&config);
	lab_send(sender, "239.1.1.1", PORT, 1, 0, 100, 1316);
	lab_send(sender, "239.1.1.1", PORT + 1, 2, 0, 100, 1316);
	counts = close_capture(capture, table);
	assert_int_equal(counts.frames, 200);
	lab_send(sender, "239.1.1.1", PORT, 1, 100, 100, 1316);
	nb_ring_capture_read(capture, &counts);
	assert_int_equal(counts.kernel_packets, 200);
	lab_assert_streams_whole(table, 2, 100);
	close(sender);
	nb_ring_capture_destroy(capture);
	nb_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_ports_and_nothing_of_before),
		cmocka_unit_test(all_ports_when_none_is_given),
		cmocka_unit_test(a_writer_beside_the_table_and_alone),
		cmocka_unit_test(a_program_instead_of_ports),
		cmocka_unit_test(both_directions_when_asked_for),
		cmocka_unit_test(a_reader_that_comes_late_loses_what_the_books_say),
		cmocka_unit_test(another_thread_reads_and_stops),
		cmocka_unit_test(a_small_ring_balances_while_it_is_read),
		cmocka_unit_test(the_books_close_while_a_sender_goes_on),
		cmocka_unit_test(fragments_count_once),
		cmocka_unit_test(version_6_too),
		cmocka_unit_test(lying_frames_are_damaged),
		cmocka_unit_test(an_interface_that_goes_down_ends_it),
		cmocka_unit_test(it_runs_once),
		cmocka_unit_test(what_cannot_be_captured),
		cmocka_unit_test(without_the_right_it_says_so),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
