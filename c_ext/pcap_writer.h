/* SPDX-License-Identifier: MIT */
/* pcap_writer.h - frames into capture files: rotated, counted to the frame, valid also when the disk is full. */
#ifndef NB_PCAP_WRITER_H
#define NB_PCAP_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "pcap_format.h"
#include "status.h"

struct nb_pcap_writer_config {
	const char *path; /* required; with rotation NAME.SUFFIX becomes NAME-00001.SUFFIX and so on */
	enum nb_pcap_format format;
	uint32_t snapshot_bytes; /* bytes kept of a frame; 0: NB_LARGEST_SNAPSHOT */
	const char *application; /* told in the file (pcapng), as the two below; may be NULL */
	const char *interface;
	const char *filter;
	uint64_t rotate_bytes; /* a file grows no larger than this, unless one frame does; 0: no limit */
	int64_t rotate_ns;     /* a file's stamps cover less than this; 0: no limit */
	uint32_t files;        /* keep the newest so many, delete older ones of ours; 0: all. Needs rotation. */
	uint64_t frames;       /* write so many frames, then nothing more; 0: no limit */
	bool overwrite;        /* replace a file that is there; else that is -EEXIST */
};

#define NB_LARGEST_SNAPSHOT UINT32_C(262144)
#define NB_LARGEST_FILES UINT32_C(100000)

/* frames == written + failed + left_out, always; written == deleted_frames + the frames of all files that are there. */
struct nb_pcap_writer_counts {
	uint64_t frames;           /* handed over */
	uint64_t written;          /* in a file, or about to be (at most a second) */
	uint64_t failed;           /* not in any file: the system refused to write */
	uint64_t left_out;         /* came after the last one that was wanted */
	uint64_t cut;              /* of the written ones, not whole: longer than snapshot_bytes */
	uint64_t dropped;          /* that the capture told of: nb_pcap_writer_dropped() */
	uint64_t bytes;            /* of all files that were written */
	uint64_t files;            /* begun */
	uint64_t deleted_files;    /* to make room for newer ones */
	uint64_t deleted_frames;   /* in these */
	uint64_t deletion_failures;
	uint64_t write_calls;
	int32_t error_number;      /* errno that ended writing, or 0 */
};

struct nb_pcap_file {
	uint64_t number;   /* 1.. */
	uint64_t frames;   /* written */
	uint64_t dropped;  /* by the capture, told while this file was written */
	uint64_t bytes;
	int64_t first_ns;  /* stamps; 0 when there is no frame */
	int64_t last_ns;
};

struct nb_pcap_writer; /* opaque */

/* The first file is there, with its header, once this returned 0. @config is copied. */
int nb_pcap_writer_create(struct nb_pcap_writer **writer, const struct nb_pcap_writer_config *config,
			  struct nb_error *error);
/* Closes what nb_pcap_writer_close() did not. */
void nb_pcap_writer_destroy(struct nb_pcap_writer *writer);

/* One thread calls these five. Whatever the system refuses ends writing, and is told by the counts. */
void nb_pcap_writer_add(struct nb_pcap_writer *writer, const struct nb_captured_frame *frame);
void nb_pcap_writer_dropped(struct nb_pcap_writer *writer, uint64_t frames);
/* After a batch, and now and then while nothing comes: frames older than a second go into the file, counts are shown. */
void nb_pcap_writer_settle(struct nb_pcap_writer *writer);
bool nb_pcap_writer_wants_more(const struct nb_pcap_writer *writer);
/* The last file is complete. */
void nb_pcap_writer_close(struct nb_pcap_writer *writer);

/* Any thread, as of the last nb_pcap_writer_settle() or _close(). */
void nb_pcap_writer_read(struct nb_pcap_writer *writer, struct nb_pcap_writer_counts *counts);
/* The newest files, oldest first, @most of them. Return: how many. */
uint32_t nb_pcap_writer_files(struct nb_pcap_writer *writer, struct nb_pcap_file *files, uint32_t most);
/* How many nb_pcap_writer_files() can tell of. */
uint32_t nb_pcap_writer_files_told(const struct nb_pcap_writer *writer);
/* The name of file @number. Return: 0, or -ENAMETOOLONG. */
int nb_pcap_writer_path(const struct nb_pcap_writer *writer, uint64_t number, char *path, uint32_t size);

#endif
