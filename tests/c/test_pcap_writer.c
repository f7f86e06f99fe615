/* SPDX-License-Identifier: MIT */
/* test_pcap_writer.c - bytes worked out on paper, rotation, a ring of files, and a disk that is full in the middle. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pcap_writer.h"

#define STAMP_NS INT64_C(1700000000123456789)

struct bench {
	char folder[64];
	char path[80];
};

static int open_bench(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	strcpy(bench->folder, "/tmp/nb-test-writer-XXXXXX");
	assert_non_null(mkdtemp(bench->folder));
	snprintf(bench->path, sizeof(bench->path), "%s/a.pcap", bench->folder);
	*state = bench;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *bench = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", bench->folder);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a name of our own */
	free(bench);
	return 0;
}

/* The bytes of a file; to be freed. */
static uint8_t *contents(const char *path, size_t *length)
{
	FILE *file = fopen(path, "re");
	struct stat status;
	uint8_t *bytes;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	*length = (size_t)status.st_size;
	bytes = malloc(*length + 1);
	assert_non_null(bytes);
	assert_int_equal(fread(bytes, 1, *length, file), *length);
	fclose(file);
	return bytes;
}

static bool is_there(const struct bench *bench, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", bench->folder, name);
	return access(path, F_OK) == 0;
}

static struct nb_pcap_writer *open_writer(const struct nb_pcap_writer_config *config)
{
	struct nb_pcap_writer *writer;
	struct nb_error error = { .what = "" };
	const int code = nb_pcap_writer_create(&writer, config, &error);

	if (code < 0)
		print_error("%s: %s\n", error.what, strerror(-code));
	assert_int_equal(code, 0);
	return writer;
}

static void add(struct nb_pcap_writer *writer, uint32_t bytes, int64_t received_ns)
{
	static const uint8_t zeros[2048];
	const struct nb_captured_frame frame = {
		.bytes = zeros,
		.captured_bytes = bytes,
		.wire_bytes = bytes,
		.received_ns = received_ns,
	};

	nb_pcap_writer_add(writer, &frame);
}

/* Close, and check what holds for every writer. */
static struct nb_pcap_writer_counts close_writer(struct nb_pcap_writer *writer)
{
	struct nb_pcap_writer_counts counts;
	struct nb_pcap_file *files = calloc(nb_pcap_writer_files_told(writer), sizeof(*files));
	uint64_t frames = 0, bytes = 0, dropped = 0;
	uint32_t told;

	assert_non_null(files);
	nb_pcap_writer_close(writer);
	nb_pcap_writer_read(writer, &counts);
	assert_int_equal(counts.frames, counts.written + counts.failed + counts.left_out);
	told = nb_pcap_writer_files(writer, files, nb_pcap_writer_files_told(writer));
	assert_int_equal(told, counts.files);
	for (uint32_t i = 0; i < told; i++) {
		struct stat status;
		char path[160];

		assert_int_equal(files[i].number, i + 1);
		assert_int_equal(nb_pcap_writer_path(writer, files[i].number, path, sizeof(path)), 0);
		if (i >= counts.deleted_files) {
			assert_int_equal(stat(path, &status), 0);
			assert_int_equal(status.st_size, files[i].bytes);
		} else {
			assert_int_equal(access(path, F_OK), -1);
		}
		frames += files[i].frames;
		bytes += files[i].bytes;
		dropped += files[i].dropped;
	}
	assert_int_equal(frames, counts.written);
	assert_int_equal(bytes, counts.bytes);
	assert_int_equal(dropped, counts.dropped);
	free(files);
	nb_pcap_writer_destroy(writer);
	return counts;
}

/* ---- bytes; on a little-endian machine, as the specifications number them ---- */

static void a_pcap_file_byte_by_byte(void **state)
{
	static const uint8_t expected[] = {
		0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0,   0,   0,   0,   0,
		0,    0,    0, /* magic of nanoseconds, version 2.4 */
		0,    0,    4,    0,    1, 0, 0, 0, /* at most 262144 bytes, Ethernet */
		0x00, 0xf1, 0x53, 0x65, /* 1700000000 = 0x6553f100 */
		0x15, 0xcd, 0x5b, 0x07, /* 123456789 = 0x075bcd15 */
		5,    0,    0,    0,    5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o',
	};
	struct bench *bench = *state;
	const struct nb_pcap_writer_config config = { .path = bench->path, .format = NB_FORMAT_PCAP };
	const struct nb_captured_frame frame = { (const uint8_t *)"hello", 5, 5, STAMP_NS, false, 0, 0 };
	struct nb_pcap_writer *writer = open_writer(&config);
	uint8_t *bytes;
	size_t length;

	nb_pcap_writer_add(writer, &frame);
	assert_int_equal(close_writer(writer).written, 1);
	bytes = contents(bench->path, &length);
	assert_int_equal(length, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	free(bytes);
}

static void a_pcapng_file_byte_by_byte(void **state)
{
	/* 1700000000123456789 = 0x17979cfe3d85cd15; high and low half each little-endian. */
#define STAMP 0xfe, 0x9c, 0x97, 0x17, 0x15, 0xcd, 0x85, 0x3d
	uint8_t expected[] = {
		/* section header: 28 + option shb_userappl (4, 2 bytes) 8 + end of options 4 = 40 */
		0x0a,
		0x0d,
		0x0d,
		0x0a,
		40,
		0,
		0,
		0,
		0x4d,
		0x3c,
		0x2b,
		0x1a,
		1,
		0,
		0,
		0,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		4,
		0,
		2,
		0,
		'n',
		'b',
		0,
		0,
		0,
		0,
		0,
		0,
		40,
		0,
		0,
		0,
		/* interface: 20 + if_name (2, 2 bytes) 8 + if_tsresol (9, 1 byte) 8 + if_filter (11, 4 bytes) 8 + end 4 */
		1,
		0,
		0,
		0,
		48,
		0,
		0,
		0,
		1,
		0,
		0,
		0,
		128,
		0,
		0,
		0,
		2,
		0,
		2,
		0,
		'l',
		'o',
		0,
		0,
		9,
		0,
		1,
		0,
		9,
		0,
		0,
		0,
		11,
		0,
		4,
		0,
		0,
		'u',
		'd',
		'p',
		0,
		0,
		0,
		0,
		48,
		0,
		0,
		0,
		/* packet: 32 + 5 bytes, padded to 8 */
		6,
		0,
		0,
		0,
		40,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		STAMP,
		5,
		0,
		0,
		0,
		9,
		0,
		0,
		0,
		'h',
		'e',
		'l',
		'l',
		'o',
		0,
		0,
		0,
		40,
		0,
		0,
		0,
		/* statistics: 24 + four options of 4 + 8 bytes + end 4 = 76; received = 1 written + 3 dropped */
		5,
		0,
		0,
		0,
		76,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		STAMP,
		2,
		0,
		8,
		0,
		STAMP,
		3,
		0,
		8,
		0,
		STAMP,
		4,
		0,
		8,
		0,
		4,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		5,
		0,
		8,
		0,
		3,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		0,
		76,
		0,
		0,
		0,
	};
	struct bench *bench = *state;
	const struct nb_pcap_writer_config config = {
		.path = bench->path,
		.format = NB_FORMAT_PCAPNG,
		.snapshot_bytes = 128,
		.application = "nb",
		.interface = "lo",
		.filter = "udp",
	};
	const struct nb_captured_frame frame = { (const uint8_t *)"hello", 5, 9, STAMP_NS, false, 0, 0 };
	struct nb_pcap_writer *writer = open_writer(&config);
	struct nb_pcap_writer_counts counts;
	uint8_t *bytes;
	size_t length;

	nb_pcap_writer_add(writer, &frame);
	nb_pcap_writer_dropped(writer, 3);
	counts = close_writer(writer);
	assert_int_equal(counts.dropped, 3);
	assert_int_equal(counts.cut, 1);
	bytes = contents(bench->path, &length);
	assert_int_equal(length, sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
	free(bytes);
}

/* The kernel takes the outer tag out of a frame: in the file it stands behind the addresses again. */
static void a_tag_is_put_back(void **state)
{
	const uint8_t *bytes = (const uint8_t *)"DDDDDDSSSSSSTTpayload";
	struct nb_captured_frame frame = { bytes, 21, 21, STAMP_NS, true, 0x88a8, 0x6123 };
	uint8_t record[128];

	(void)state;
	assert_int_equal(nb_pcap_record(record, NB_FORMAT_PCAP, &frame, 1000), 16 + 25);
	assert_memory_equal(record + 8, "\x19\0\0\0\x19\0\0\0DDDDDDSSSSSS\x88\xa8\x61\x23TTpayload", 8 + 25);
	/* Cut in the middle of the tag, and before it. */
	assert_int_equal(nb_pcap_record(record, NB_FORMAT_PCAP, &frame, 14), 16 + 14);
	assert_memory_equal(record + 8, "\x0e\0\0\0\x19\0\0\0DDDDDDSSSSSS\x88\xa8", 8 + 14);
	assert_int_equal(nb_pcap_record(record, NB_FORMAT_PCAP, &frame, 3), 16 + 3);
	/* Without the addresses there is no place for it. */
	frame.captured_bytes = 11;
	assert_int_equal(nb_pcap_record(record, NB_FORMAT_PCAP, &frame, 1000), 16 + 11);
	assert_memory_equal(record + 8, "\x0b\0\0\0\x15\0\0\0DDDDDDSSSSS", 8 + 11);
}

/* A run of records cut at every byte: what is whole of it never grows over the cut, and counts right. */
static void whole_records_of_any_cut(void **state)
{
	const struct nb_captured_frame frame = { (const uint8_t *)"hello", 5, 5, STAMP_NS, false, 0, 0 };
	const struct nb_pcap_statistics statistics = { 0 };

	(void)state;
	for (int format = NB_FORMAT_PCAP; format <= NB_FORMAT_PCAPNG; format++) {
		const size_t record = nb_pcap_record_bytes(format, &frame, 100);
		uint8_t bytes[512];
		size_t length = 0;
		uint64_t frames;

		for (int i = 0; i < 3; i++)
			length += nb_pcap_record(bytes + length, format, &frame, 100);
		assert_int_equal(length, 3 * record);
		for (size_t cut = 0; cut <= length; cut++) {
			assert_int_equal(nb_pcap_whole(bytes, cut, format, &frames), cut / record * record);
			assert_int_equal(frames, cut / record);
		}
		if (format == NB_FORMAT_PCAP)
			continue;
		length += nb_pcap_statistics(bytes + length, &statistics);
		assert_int_equal(nb_pcap_whole(bytes, length, format, &frames), length);
		assert_int_equal(frames, 3);
	}
}

/* ---- rows of files ---- */

static void a_file_grows_no_larger_than_asked(void **state)
{
	struct bench *bench = *state;
	/* A header of 24 bytes and records of 16 + 84 = 100: four fit in 424 bytes exactly. */
	const struct nb_pcap_writer_config config = { .path = bench->path, .rotate_bytes = 424 };
	struct nb_pcap_writer *writer = open_writer(&config);
	struct nb_pcap_writer_counts counts;

	for (int i = 0; i < 10; i++)
		add(writer, 84, STAMP_NS);
	add(writer, 1000, STAMP_NS); /* larger than a whole file: alone in one */
	add(writer, 84, STAMP_NS);
	counts = close_writer(writer);
	assert_int_equal(counts.files, 5); /* 4 + 4 + 2, the large one, the last one */
	assert_int_equal(counts.written, 12);
	assert_true(is_there(bench, "a-00001.pcap"));
	assert_true(is_there(bench, "a-00005.pcap"));
	assert_false(is_there(bench, "a.pcap"));
}

static void a_file_covers_no_more_time_than_asked(void **state)
{
	struct bench *bench = *state;
	const struct nb_pcap_writer_config config = { .path = bench->path, .rotate_ns = 1000 };
	struct nb_pcap_writer *writer = open_writer(&config);
	struct nb_pcap_file files[8];

	add(writer, 60, STAMP_NS);
	add(writer, 60, STAMP_NS + 999);
	add(writer, 60, STAMP_NS + 1000); /* second file */
	add(writer, 60, STAMP_NS + 500);  /* the clock was set back: its period begins anew */
	add(writer, 60, STAMP_NS + 1499);
	add(writer, 60, STAMP_NS + 1500); /* third file */
	add(writer, 60, STAMP_NS + 9000); /* fourth: no empty files for the time between */
	nb_pcap_writer_settle(writer);
	assert_int_equal(nb_pcap_writer_files(writer, files, 8), 4);
	assert_int_equal(files[0].frames, 2);
	assert_int_equal(files[0].first_ns, STAMP_NS);
	assert_int_equal(files[0].last_ns, STAMP_NS + 999);
	assert_int_equal(files[1].frames, 3);
	assert_int_equal(files[2].frames, 1);
	assert_int_equal(files[3].first_ns, STAMP_NS + 9000);
	assert_int_equal(close_writer(writer).files, 4);
}

static void the_oldest_files_go(void **state)
{
	struct bench *bench = *state;
	const struct nb_pcap_writer_config config = { .path = bench->path, .rotate_bytes = 424, .files = 3 };
	struct nb_pcap_writer *writer = open_writer(&config);
	struct nb_pcap_writer_counts counts;

	for (int i = 0; i < 7 * 4; i++) {
		add(writer, 84, STAMP_NS);
		nb_pcap_writer_dropped(writer, 1);
	}
	counts = close_writer(writer);
	assert_int_equal(counts.files, 7);
	assert_int_equal(counts.deleted_files, 4);
	assert_int_equal(counts.deleted_frames, 16);
	assert_false(is_there(bench, "a-00004.pcap"));
	assert_true(is_there(bench, "a-00005.pcap"));
	assert_true(is_there(bench, "a-00007.pcap"));
}

static void so_many_frames_and_no_more(void **state)
{
	struct bench *bench = *state;
	const struct nb_pcap_writer_config config = { .path = bench->path, .frames = 3 };
	struct nb_pcap_writer *writer = open_writer(&config);
	struct nb_pcap_writer_counts counts;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(nb_pcap_writer_wants_more(writer), i < 3);
		add(writer, 60, STAMP_NS);
	}
	counts = close_writer(writer);
	assert_int_equal(counts.written, 3);
	assert_int_equal(counts.left_out, 2);
}

/* What was handed over is in the file at the latest when it is settled a second later; before that, whole records only. */
static void a_file_that_nobody_closed_ends_between_two_records(void **state)
{
	struct bench *bench = *state;
	const struct nb_pcap_writer_config config = { .path = bench->path };
	struct nb_pcap_writer *writer = open_writer(&config);
	uint8_t *bytes;
	uint64_t frames;
	size_t length;

	for (int i = 0; i < 2000; i++)
		add(writer, 1358, STAMP_NS);
	bytes = contents(bench->path, &length);
	assert_true(length > 24);
	assert_int_equal(nb_pcap_whole(bytes + 24, length - 24, NB_FORMAT_PCAP, &frames), length - 24);
	assert_in_range(frames, 1000, 2000);
	free(bytes);
	assert_int_equal(close_writer(writer).written, 2000);
}

/* ---- what the system refuses ---- */

static void a_file_that_is_there_is_kept(void **state)
{
	struct bench *bench = *state;
	struct nb_pcap_writer_config config = { .path = bench->path };
	struct nb_pcap_writer *writer;
	struct nb_error error;
	char what[192];

	close_writer(open_writer(&config));
	assert_int_equal(nb_pcap_writer_create(&writer, &config, &error), -EEXIST);
	assert_null(writer);
	snprintf(what, sizeof(what), "make the file %s", bench->path);
	assert_string_equal(error.what, what);
	config.overwrite = true;
	close_writer(open_writer(&config));
}

static void nonsense_is_refused(void **state)
{
	struct bench *bench = *state;
	const struct nb_pcap_writer_config nonsense[] = {
		{ .path = "" },
		{ .path = bench->path, .snapshot_bytes = NB_LARGEST_SNAPSHOT + 1 },
		{ .path = bench->path, .rotate_ns = -1 },
		{ .path = bench->path, .files = 2 },
		{ .path = bench->path, .rotate_bytes = 1, .files = NB_LARGEST_FILES + 1 },
	};
	struct nb_pcap_writer *writer;
	struct nb_error error;

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		assert_int_equal(nb_pcap_writer_create(&writer, &nonsense[i], &error), -EINVAL);
		assert_null(writer);
	}
	assert_false(is_there(bench, "a.pcap"));
}

/* In a child, so that the limit is its alone: RLIMIT_FSIZE stops a write in the middle, exactly where it is told to. */
static void no_more_room(const struct bench *bench, enum nb_pcap_format format, rlim_t room)
{
	const struct nb_pcap_writer_config config = { .path = bench->path, .format = format, .overwrite = true };
	const struct rlimit limit = { room, room };
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		struct nb_pcap_writer *writer = open_writer(&config);
		struct nb_pcap_writer_counts counts;
		struct stat found;
		uint64_t frames, expected;
		uint8_t *bytes;
		size_t length, header = format == NB_FORMAT_PCAP ? 24 : 28 + 4 + 20 + 8 + 4;
		const size_t record = format == NB_FORMAT_PCAP ? 16 + 1358 : 32 + 1360;

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		for (int i = 0; i < 3000; i++)
			add(writer, 1358, STAMP_NS);
		assert_false(nb_pcap_writer_wants_more(writer));
		counts = close_writer(writer);
		expected = (room - header) / record;
		assert_int_equal(counts.error_number, EFBIG);
		assert_int_equal(counts.written, expected);
		assert_int_equal(counts.failed, 3000 - expected);
		assert_int_equal(stat(bench->path, &found), 0);
		assert_int_equal(found.st_size, header + expected * record);
		bytes = contents(bench->path, &length);
		assert_int_equal(nb_pcap_whole(bytes + header, length - header, format, &frames), length - header);
		assert_int_equal(frames, expected);
		free(bytes);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_disk_leaves_whole_records(void **state)
{
	/* In the first block, in a later one, and right between two records. */
	no_more_room(*state, NB_FORMAT_PCAP, 1000 + 24);
	no_more_room(*state, NB_FORMAT_PCAP, 1000000);
	no_more_room(*state, NB_FORMAT_PCAP, 24 + 700 * (16 + 1358));
	no_more_room(*state, NB_FORMAT_PCAPNG, 65536);
	no_more_room(*state, NB_FORMAT_PCAPNG, 1234567);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	const struct CMUnitTest tests[] = {
		TEST(a_pcap_file_byte_by_byte),
		TEST(a_pcapng_file_byte_by_byte),
		TEST(a_tag_is_put_back),
		TEST(whole_records_of_any_cut),
		TEST(a_file_grows_no_larger_than_asked),
		TEST(a_file_covers_no_more_time_than_asked),
		TEST(the_oldest_files_go),
		TEST(so_many_frames_and_no_more),
		TEST(a_file_that_nobody_closed_ends_between_two_records),
		TEST(a_file_that_is_there_is_kept),
		TEST(nonsense_is_refused),
		TEST(a_full_disk_leaves_whole_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
