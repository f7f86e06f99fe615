/* SPDX-License-Identifier: MIT */
/* pcap_writer.c - frames into capture files: rotated, counted to the frame, valid also when the disk is full. */
#include "pcap_writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/*
 * Theory of operation
 *
 * There is one buffer between the kernel and the file that can overflow: the capture ring, whose losses the kernel counts
 * exactly. So frames are written by the thread that walks the ring, and no second queue can lose any. A writer thread with
 * buffers of its own would hold nothing that a larger ring does not hold as well, would copy each frame once more, and
 * wants a core that the sender or the softirq could have used.
 *
 * Frames are put together in a staging block that stays in the processor's cache, and go out by one write(2) a block.
 * Nothing is allocated after create(). Staging holds whole records only, so a file that nobody closed (kill -9) ends
 * between two records.
 *
 * When the system refuses to write (disk full, quota, file size limit), it may have taken part of the block: what is whole of
 * it is found by walking the records, the file is cut there, and the frames behind count as failed. From then on every frame
 * does: the file that is left is valid, and frames == written + failed + left_out still holds.
 *
 * A drop belongs to the file that is being written when the kernel tells of it; which frame was missed, nobody knows.
 */

#define STAGING_BYTES (UINT32_C(512) << 10)
/* Frames do not stay in staging longer than this. */
#define STAGING_NS NB_NS_PER_S
/* Files that are told one by one where no number of files was asked for: the newest. */
#define TOLD_FILES 4096

static_assert(STAGING_BYTES >= NB_LARGEST_SNAPSHOT + NB_PCAP_OVERHEAD_BYTES + NB_PCAP_STATISTICS_BYTES,
	      "room for any frame");
static_assert(STAGING_BYTES >= NB_PCAP_HEADER_BYTES, "room for a header");

struct nb_pcap_writer {
	enum nb_pcap_format format;
	struct nb_pcap_header header; /* its texts are owned */
	uint64_t rotate_bytes;
	int64_t rotate_ns;
	uint32_t keep; /* files; 0: all */
	uint64_t wanted;
	bool overwrite;
	bool rotates;
	char *stem; /* Owned. The path up to its suffix. */
	char *suffix; /* Owned. */

	int fd; /* -1: no file is open */
	uint64_t in_file; /* bytes that write(2) took */
	uint8_t *staging; /* Owned. */
	uint32_t staged;
	uint64_t staged_frames;
	int64_t staged_since_ns;
	int64_t period_ns; /* stamp with which the file's time began */
	uint64_t oldest; /* number of the oldest file that was not deleted */
	struct nb_pcap_writer_counts counts;
	struct nb_pcap_file file; /* the one being written */

	pthread_mutex_t lock; /* of what is below */
	struct nb_pcap_writer_counts shown;
	struct nb_pcap_file *files; /* Owned. A ring by number. */
	uint32_t told;              /* its length */
};

/* ---- names ---- */

int nb_pcap_writer_path(const struct nb_pcap_writer *writer, uint64_t number, char *path, uint32_t size)
{
	const int length = writer->rotates ? snprintf(path, size, "%s-%05llu%s", writer->stem,
						      (unsigned long long)number, writer->suffix)
					   : snprintf(path, size, "%s%s", writer->stem, writer->suffix);

	return length >= 0 && (uint32_t)length < size ? 0 : -ENAMETOOLONG;
}

static int copy_path(struct nb_pcap_writer *writer, const char *path)
{
	const char *name = strrchr(path, '/');
	const char *dot = strrchr(name != NULL ? name + 1 : path, '.');

	if (dot == NULL || dot == (name != NULL ? name + 1 : path))
		dot = path + strlen(path);
	writer->stem = strndup(path, (size_t)(dot - path));
	writer->suffix = strdup(dot);
	return writer->stem != NULL && writer->suffix != NULL ? 0 : -ENOMEM;
}

/* ---- one file ---- */

/* Keep what has become of the current file; the caller holds no lock. */
static void show(struct nb_pcap_writer *writer)
{
	pthread_mutex_lock(&writer->lock);
	writer->shown = writer->counts;
	if (writer->file.number != 0)
		writer->files[(writer->file.number - 1) % writer->told] = writer->file;
	pthread_mutex_unlock(&writer->lock);
}

static void end_writing(struct nb_pcap_writer *writer, int code)
{
	if (writer->counts.error_number == 0)
		writer->counts.error_number = -code;
}

/* Of the staging block, @taken bytes are in the file: cut it behind the last whole record, count the rest as failed. */
static void cut_to_whole(struct nb_pcap_writer *writer, size_t taken)
{
	uint64_t frames, lost;
	const size_t whole = nb_pcap_whole(writer->staging, taken, writer->format, &frames);

	if (ftruncate(writer->fd, (off_t)(writer->in_file + whole)) == 0)
		lseek(writer->fd, (off_t)(writer->in_file + whole), SEEK_SET);
	lost = writer->staged_frames - frames;
	writer->counts.written -= lost;
	writer->counts.failed += lost;
	writer->counts.bytes -= writer->staged - whole;
	writer->file.frames -= lost;
	writer->file.bytes -= writer->staged - whole;
	writer->in_file += whole;
}

/* Write @length bytes. Return: 0 or -errno; @taken is how many got into the file. */
static int write_all(struct nb_pcap_writer *writer, const uint8_t *bytes, size_t length, size_t *taken)
{
	*taken = 0;
	while (*taken < length) {
		const ssize_t written = write(writer->fd, bytes + *taken, length - *taken);

		writer->counts.write_calls++;
		if (written < 0 && errno != EINTR)
			return -errno;
		if (written == 0)
			return -ENOSPC;
		if (written > 0)
			*taken += (size_t)written;
	}
	return 0;
}

static int flush(struct nb_pcap_writer *writer)
{
	size_t taken;
	int code;

	if (writer->staged == 0)
		return 0;
	code = write_all(writer, writer->staging, writer->staged, &taken);
	if (code < 0) {
		cut_to_whole(writer, taken);
		end_writing(writer, code);
	} else {
		writer->in_file += taken;
	}
	writer->staged = 0;
	writer->staged_frames = 0;
	return code;
}

static int open_file(struct nb_pcap_writer *writer, struct nb_error *error)
{
	const int how = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (writer->overwrite ? O_TRUNC : O_EXCL);
	char path[PATH_MAX];
	size_t length, taken;
	int code = nb_pcap_writer_path(writer, writer->counts.files + 1, path, sizeof(path));

	if (code < 0)
		return nb_fail(error, code, "name a capture file of more than %d bytes", PATH_MAX);
	writer->fd = open(path, how, 0644);
	if (writer->fd < 0)
		return nb_fail(error, -errno, "make the file %.150s", path);
	length = nb_pcap_header(writer->staging, writer->format, &writer->header);
	code = write_all(writer, writer->staging, length, &taken);
	if (code < 0) {
		close(writer->fd);
		writer->fd = -1;
		unlink(path);
		return nb_fail(error, code, "write to the file %.150s", path);
	}
	writer->in_file = length;
	writer->counts.bytes += length;
	writer->counts.files++;
	writer->file = (struct nb_pcap_file){ .number = writer->counts.files, .bytes = length };
	if (writer->oldest == 0)
		writer->oldest = 1;
	return 0;
}

static void add_statistics(struct nb_pcap_writer *writer)
{
	const struct nb_pcap_statistics statistics = {
		.first_ns = writer->file.first_ns,
		.last_ns = writer->file.last_ns,
		.received = writer->file.frames + writer->file.dropped,
		.dropped = writer->file.dropped,
	};
	size_t length;

	if (writer->format != NB_FORMAT_PCAPNG)
		return;
	length = nb_pcap_statistics(writer->staging + writer->staged, &statistics);
	writer->staged += (uint32_t)length;
	writer->counts.bytes += length;
	writer->file.bytes += length;
}

/* Complete the file that is open. */
static void close_file(struct nb_pcap_writer *writer)
{
	if (writer->fd < 0)
		return;
	if (writer->counts.error_number == 0 && flush(writer) == 0) {
		add_statistics(writer);
		flush(writer);
	}
	if (close(writer->fd) < 0)
		end_writing(writer, -errno); /* a network's file system tells here what it could not keep */
	writer->fd = -1;
	show(writer);
}

/* ---- the row of files ---- */

/* Make room for one more file. */
static void delete_oldest(struct nb_pcap_writer *writer)
{
	char path[PATH_MAX];
	uint64_t frames;

	if (writer->keep == 0 || writer->counts.files + 1 - writer->oldest < writer->keep)
		return;
	frames = writer->files[(writer->oldest - 1) % writer->told].frames;
	if (nb_pcap_writer_path(writer, writer->oldest, path, sizeof(path)) == 0 &&
	    (unlink(path) == 0 || errno == ENOENT)) {
		writer->counts.deleted_files++;
		writer->counts.deleted_frames += frames;
	} else {
		writer->counts.deletion_failures++;
	}
	writer->oldest++;
}

static void next_file(struct nb_pcap_writer *writer)
{
	int code;

	close_file(writer);
	if (writer->counts.error_number != 0)
		return;
	delete_oldest(writer);
	code = open_file(writer, NULL);
	if (code < 0)
		end_writing(writer, code);
}

/* Is this frame the first one of another file? */
static bool file_is_full(struct nb_pcap_writer *writer, size_t record_bytes, int64_t received_ns)
{
	if (writer->file.frames == 0)
		return false;
	if (received_ns < writer->period_ns)
		writer->period_ns = received_ns; /* the clock was set back */
	if (writer->rotate_ns != 0 && received_ns - writer->period_ns >= writer->rotate_ns)
		return true;
	return writer->rotate_bytes != 0 && writer->file.bytes + record_bytes > writer->rotate_bytes;
}

void nb_pcap_writer_add(struct nb_pcap_writer *writer, const struct nb_captured_frame *frame)
{
	const size_t bytes = nb_pcap_record_bytes(writer->format, frame, writer->header.snapshot_bytes);

	writer->counts.frames++;
	if (writer->wanted != 0 && writer->counts.written == writer->wanted) {
		writer->counts.left_out++;
		return;
	}
	if (writer->counts.error_number == 0 && file_is_full(writer, bytes, frame->received_ns))
		next_file(writer);
	/* Room stays for the statistics that end a file. */
	if (writer->staged + bytes + NB_PCAP_STATISTICS_BYTES > STAGING_BYTES)
		flush(writer);
	if (writer->counts.error_number != 0) {
		writer->counts.failed++;
		return;
	}
	if (writer->staged == 0)
		writer->staged_since_ns = nb_monotonic_ns();
	if (writer->file.frames == 0)
		writer->file.first_ns = writer->period_ns = frame->received_ns;
	nb_pcap_record(writer->staging + writer->staged, writer->format, frame, writer->header.snapshot_bytes);
	writer->staged += (uint32_t)bytes;
	writer->staged_frames++;
	writer->file.frames++;
	writer->file.bytes += bytes;
	writer->file.last_ns = frame->received_ns;
	writer->counts.written++;
	writer->counts.bytes += bytes;
	writer->counts.cut += frame->captured_bytes < frame->wire_bytes ||
			      frame->captured_bytes > writer->header.snapshot_bytes;
}

void nb_pcap_writer_dropped(struct nb_pcap_writer *writer, uint64_t frames)
{
	writer->counts.dropped += frames;
	writer->file.dropped += frames;
}

void nb_pcap_writer_settle(struct nb_pcap_writer *writer)
{
	if (writer->staged != 0 && nb_monotonic_ns() - writer->staged_since_ns >= STAGING_NS)
		flush(writer);
	show(writer);
}

bool nb_pcap_writer_wants_more(const struct nb_pcap_writer *writer)
{
	return writer->counts.error_number == 0 && (writer->wanted == 0 || writer->counts.written < writer->wanted);
}

void nb_pcap_writer_close(struct nb_pcap_writer *writer)
{
	close_file(writer);
	show(writer);
}

/* ---- readers ---- */

void nb_pcap_writer_read(struct nb_pcap_writer *writer, struct nb_pcap_writer_counts *counts)
{
	pthread_mutex_lock(&writer->lock);
	*counts = writer->shown;
	pthread_mutex_unlock(&writer->lock);
}

uint32_t nb_pcap_writer_files_told(const struct nb_pcap_writer *writer)
{
	return writer->told;
}

uint32_t nb_pcap_writer_files(struct nb_pcap_writer *writer, struct nb_pcap_file *files, uint32_t most)
{
	uint64_t count, first;

	pthread_mutex_lock(&writer->lock);
	count = writer->shown.files < writer->told ? writer->shown.files : writer->told;
	if (count > most)
		count = most;
	first = writer->shown.files - count;
	for (uint64_t i = 0; i < count; i++)
		files[i] = writer->files[(first + i) % writer->told];
	pthread_mutex_unlock(&writer->lock);
	return (uint32_t)count;
}

/* ---- its life ---- */

static int check_config(const struct nb_pcap_writer_config *config, struct nb_error *error)
{
	if (config->path == NULL || config->path[0] == '\0')
		return nb_fail(error, -EINVAL, "write a capture to no file");
	if (config->snapshot_bytes > NB_LARGEST_SNAPSHOT)
		return nb_fail(error, -EINVAL, "keep %u bytes of a frame (at most %u)", config->snapshot_bytes,
			       NB_LARGEST_SNAPSHOT);
	if (config->rotate_ns < 0)
		return nb_fail(error, -EINVAL, "begin a file every %lld ns", (long long)config->rotate_ns);
	if (config->files > NB_LARGEST_FILES)
		return nb_fail(error, -EINVAL, "keep %u files (at most %u)", config->files, NB_LARGEST_FILES);
	if (config->files != 0 && config->rotate_bytes == 0 && config->rotate_ns == 0)
		return nb_fail(error, -EINVAL, "keep %u files without a size or a time after which one is full",
			       config->files);
	return 0;
}

static int copy_text(const char **to, const char *text)
{
	*to = strdup(text != NULL ? text : "");
	return *to != NULL ? 0 : -ENOMEM;
}

static int copy_config(struct nb_pcap_writer *self, const struct nb_pcap_writer_config *config)
{
	self->format = config->format;
	self->rotate_bytes = config->rotate_bytes;
	self->rotate_ns = config->rotate_ns;
	self->keep = config->files;
	self->wanted = config->frames;
	self->overwrite = config->overwrite;
	self->rotates = config->rotate_bytes != 0 || config->rotate_ns != 0;
	self->told = !self->rotates ? 1 : self->keep > TOLD_FILES ? self->keep : TOLD_FILES;
	self->header.snapshot_bytes = config->snapshot_bytes != 0 ? config->snapshot_bytes : NB_LARGEST_SNAPSHOT;
	self->files = calloc(self->told, sizeof(*self->files));
	self->staging = malloc(STAGING_BYTES);
	if (self->files == NULL || self->staging == NULL || copy_path(self, config->path) < 0 ||
	    copy_text(&self->header.application, config->application) < 0 ||
	    copy_text(&self->header.interface, config->interface) < 0 ||
	    copy_text(&self->header.filter, config->filter) < 0)
		return -ENOMEM;
	return 0;
}

int nb_pcap_writer_create(struct nb_pcap_writer **writer, const struct nb_pcap_writer_config *config,
			  struct nb_error *error)
{
	struct nb_pcap_writer *self;
	int code = check_config(config, error);

	*writer = NULL;
	if (code < 0)
		return code;
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return nb_fail(error, -ENOMEM, "get memory for a capture file");
	self->fd = -1;
	pthread_mutex_init(&self->lock, NULL);
	code = copy_config(self, config);
	if (code < 0) {
		nb_fail(error, code, "get memory for a capture file");
		goto err_destroy;
	}
	code = open_file(self, error);
	if (code < 0)
		goto err_destroy;
	show(self);
	*writer = self;
	return 0;
err_destroy:
	nb_pcap_writer_destroy(self);
	return code;
}

void nb_pcap_writer_destroy(struct nb_pcap_writer *writer)
{
	if (writer == NULL)
		return;
	close_file(writer);
	pthread_mutex_destroy(&writer->lock);
	free((char *)writer->header.application);
	free((char *)writer->header.interface);
	free((char *)writer->header.filter);
	free(writer->suffix);
	free(writer->stem);
	free(writer->staging);
	free(writer->files);
	free(writer);
}
