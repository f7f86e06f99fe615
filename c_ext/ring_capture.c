/* SPDX-License-Identifier: MIT */
/* ring_capture.c - an AF_PACKET ring (TPACKET_V3): what a capture sees, with books that balance to the packet. */
#include "ring_capture.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "deadline.h"
#include "packet.h"
#include "ring_tap.h"

/*
 * Theory of operation
 *
 * The kernel writes frames into blocks of memory that it shares with us, and hands a block over when it is full or
 * retire_ms old. We walk a block that is ours (TP_STATUS_USER), and give it back.
 *
 * A block goes to the table, whose lock is held meanwhile, and then to the writer, who may take long: nobody waits for a disk
 * with the lock in his hands. While the writer writes, the rest of the ring takes what arrives.
 *
 * At the end the tap is shut first (ring_tap.c tells how). From then on the kernel's books stand still: whatever it has
 * counted is in the ring, or was a drop. The last block is not full, so its retirement is waited for, until all is
 * walked: kernel_packets == frames + kernel_drops. Reading the kernel's statistics resets them, hence sums.
 */

/* How long closing the books may take beyond the retirement of a block. */
#define CLOSE_NS (2 * NB_NS_PER_S)
/* The kernel's statistics are read this often while running, so that their 32 bits cannot wrap. */
#define STATISTICS_NS (NB_NS_PER_S / 10)

struct nb_ring_capture {
	struct nb_ring_tap tap;
	struct nb_pcap_writer *writer; /* Lent. NULL: none. */
	uint32_t next; /* the block that is walked next */
	bool shut;
	pthread_mutex_t lock; /* of the counts */
	struct nb_ring_capture_counts counts;
};

int nb_ring_capture_create(struct nb_ring_capture **capture, const struct nb_ring_capture_config *config,
			   struct nb_error *error)
{
	struct nb_ring_capture *self;
	int code;

	*capture = NULL;
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return nb_fail(error, -ENOMEM, "get memory for a ring capture");
	pthread_mutex_init(&self->lock, NULL);
	code = nb_ring_tap_open(&self->tap, config, error);
	if (code < 0) {
		nb_ring_capture_destroy(self);
		return code;
	}
	self->counts.ring_bytes = self->tap.ring_bytes;
	*capture = self;
	return 0;
}

void nb_ring_capture_destroy(struct nb_ring_capture *capture)
{
	if (capture == NULL)
		return;
	nb_ring_tap_close(&capture->tap);
	pthread_mutex_destroy(&capture->lock);
	free(capture);
}

static int64_t stamp_ns(const struct tpacket3_hdr *header)
{
	return (int64_t)header->tp_sec * NB_NS_PER_S + header->tp_nsec;
}

static void record_frame(struct nb_table *table, const struct tpacket3_hdr *header, const uint8_t *frame,
			 int64_t read_ns, struct nb_ring_capture_counts *counts)
{
	struct nb_packet packet;
	int code;

	memset(&packet, 0, sizeof(packet));
	counts->frames++;
	code = nb_frame_parse(frame, header->tp_snaplen, header->tp_len, &packet);
	if (code == -ENOMSG) {
		counts->not_udp++;
		return;
	}
	if (code < 0) {
		counts->damaged++;
		return;
	}
	packet.received_ns = stamp_ns(header);
	packet.stamp_class = (header->tp_status & TP_STATUS_TS_RAW_HARDWARE) != 0 ? NB_STAMP_HARDWARE : NB_STAMP_KERNEL;
	packet.read_ns = read_ns;
	nb_table_record(table, &packet);
	counts->datagrams++;
}

/* The frames of one block, in order. */
struct block_walk {
	const uint8_t *block;
	uint32_t block_bytes;
	uint64_t offset; /* of the next frame's header */
	uint32_t left;
};

static struct block_walk begin_walk(const uint8_t *block, uint32_t block_bytes)
{
	const struct tpacket_hdr_v1 *description = &((const struct tpacket_block_desc *)block)->hdr.bh1;

	return (struct block_walk){
		.block = block,
		.block_bytes = block_bytes,
		.offset = description->offset_to_first_pkt,
		.left = description->num_pkts,
	};
}

/*
 * The next frame of a block. The kernel is trusted, yet every offset is checked against the block: a kernel's mistake
 * must not become ours. Return: 1, 0 when there is none, or -EBADMSG
 */
static int next_frame(struct block_walk *walk, const struct tpacket3_hdr **header, const uint8_t **frame)
{
	const struct tpacket3_hdr *found;

	if (walk->left == 0)
		return 0;
	if (walk->offset % _Alignof(struct tpacket3_hdr) != 0 || walk->offset + sizeof(*found) > walk->block_bytes)
		return -EBADMSG;
	found = (const struct tpacket3_hdr *)(walk->block + walk->offset);
	if (walk->offset + found->tp_mac + found->tp_snaplen > walk->block_bytes)
		return -EBADMSG;
	*header = found;
	*frame = walk->block + walk->offset + found->tp_mac;
	walk->left--;
	if (walk->left > 0 && found->tp_next_offset == 0)
		return -EBADMSG;
	walk->offset += found->tp_next_offset;
	return 1;
}

/* Hand the frames of one block to the table; the caller holds its lock. */
static int record_block(struct block_walk walk, struct nb_table *table, struct nb_ring_capture_counts *counts)
{
	const int64_t read_ns = nb_realtime_ns();
	const struct tpacket3_hdr *header;
	const uint8_t *frame;
	int code;

	while ((code = next_frame(&walk, &header, &frame)) > 0)
		record_frame(table, header, frame, read_ns, counts);
	return code;
}

/* Hand the frames of one block to the writer. Return: how many, or -EBADMSG */
static int64_t write_block(struct block_walk walk, struct nb_pcap_writer *writer)
{
	const struct tpacket3_hdr *header;
	const uint8_t *bytes;
	int64_t frames = 0;
	int code;

	while ((code = next_frame(&walk, &header, &bytes)) > 0) {
		const struct nb_captured_frame frame = {
			.bytes = bytes,
			.captured_bytes = header->tp_snaplen,
			.wire_bytes = header->tp_len,
			.received_ns = stamp_ns(header),
			.tagged = (header->tp_status & TP_STATUS_VLAN_VALID) != 0,
			.tag_protocol = (header->tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? header->hv1.tp_vlan_tpid
											     : ETH_P_8021Q,
			.tag = (uint16_t)header->hv1.tp_vlan_tci,
		};

		nb_pcap_writer_add(writer, &frame);
		frames++;
	}
	nb_pcap_writer_settle(writer);
	return code < 0 ? code : frames;
}

/* Hand one block to whoever wants it. */
static int walk_block(const struct nb_ring_capture *capture, const uint8_t *block, struct nb_table *table,
		      struct nb_ring_capture_counts *walked)
{
	const struct block_walk walk = begin_walk(block, capture->tap.block_bytes);
	int64_t frames;
	int code = 0;

	if (table != NULL) {
		nb_table_lock(table);
		code = record_block(walk, table, walked);
		nb_table_unlock(table);
	}
	if (code < 0 || capture->writer == NULL)
		return code;
	frames = write_block(walk, capture->writer);
	if (frames < 0)
		return (int)frames;
	walked->frames = (uint64_t)frames;
	return 0;
}

/* Add what walking one block has found. */
static void add_walked(struct nb_ring_capture *capture, const struct nb_ring_capture_counts *walked)
{
	pthread_mutex_lock(&capture->lock);
	capture->counts.frames += walked->frames;
	capture->counts.datagrams += walked->datagrams;
	capture->counts.not_udp += walked->not_udp;
	capture->counts.damaged += walked->damaged;
	capture->counts.blocks++;
	capture->counts.losing_blocks += walked->losing_blocks;
	pthread_mutex_unlock(&capture->lock);
}

static int read_statistics(struct nb_ring_capture *capture, struct nb_error *error)
{
	struct tpacket_stats_v3 statistics;
	const int code = nb_ring_tap_statistics(&capture->tap, &statistics, error);

	if (code < 0)
		return code;
	pthread_mutex_lock(&capture->lock);
	capture->counts.kernel_packets += statistics.tp_packets; /* drops included */
	capture->counts.kernel_drops += statistics.tp_drops;
	capture->counts.freezes += statistics.tp_freeze_q_cnt;
	pthread_mutex_unlock(&capture->lock);
	if (capture->writer != NULL)
		nb_pcap_writer_dropped(capture->writer, statistics.tp_drops);
	return 0;
}

/* Take the next block if it is ours. Return: 1 taken, 0 not ours yet, or -errno. */
static int take_block(struct nb_ring_capture *capture, struct nb_table *table, struct nb_error *error)
{
	uint8_t *block = capture->tap.ring + (size_t)capture->next * capture->tap.block_bytes;
	uint32_t *status = &((struct tpacket_block_desc *)block)->hdr.bh1.block_status;
	const uint32_t seen = __atomic_load_n(status, __ATOMIC_ACQUIRE);
	struct nb_ring_capture_counts walked = { 0 };
	int code;

	if ((seen & TP_STATUS_USER) == 0)
		return 0;
	walked.losing_blocks = (seen & TP_STATUS_LOSING) != 0;
	code = walk_block(capture, block, table, &walked);
	add_walked(capture, &walked);
	if (code < 0)
		return nb_fail(error, code, "walk block %u of the capture ring: a frame lies outside of it",
			       capture->next);
	__atomic_store_n(status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	capture->next = (capture->next + 1) % capture->tap.blocks;
	/* The kernel marks block after block until its count of drops is read: so it is read at the first of them. */
	code = walked.losing_blocks != 0 ? read_statistics(capture, error) : 0;
	return code == 0 ? 1 : code;
}

static bool writer_has_enough(const struct nb_ring_capture *capture)
{
	return capture->writer != NULL && !nb_pcap_writer_wants_more(capture->writer);
}

/* Until it is time to end. */
static int follow_ring(struct nb_ring_capture *capture, struct nb_table *table, int64_t deadline_ns,
		       const atomic_bool *stop, struct nb_error *error)
{
	int64_t statistics_due_ns = nb_monotonic_ns() + STATISTICS_NS;
	int code = 0;

	while (code >= 0 && !nb_deadline_reached(deadline_ns, stop) && !writer_has_enough(capture)) {
		code = take_block(capture, table, error);
		if (code == 0 && capture->writer != NULL)
			nb_pcap_writer_settle(capture->writer);
		if (code == 0)
			code = nb_ring_tap_wait(&capture->tap, nb_deadline_sleep_ms(deadline_ns), error);
		if (code >= 0 && nb_monotonic_ns() >= statistics_due_ns) {
			code = read_statistics(capture, error);
			statistics_due_ns = nb_monotonic_ns() + STATISTICS_NS;
		}
	}
	return code < 0 ? code : 0;
}

static bool books_closed(const struct nb_ring_capture_counts *counts)
{
	return counts->kernel_packets == counts->frames + counts->kernel_drops;
}

/* The tap is shut: walk what is left, until every packet that the kernel counted is accounted for. */
static int close_books(struct nb_ring_capture *capture, struct nb_table *table, struct nb_error *error)
{
	const int64_t deadline_ns = nb_monotonic_ns() + capture->tap.retire_ms * INT64_C(1000000) + CLOSE_NS;
	struct nb_ring_capture_counts *counts = &capture->counts; /* only this thread writes them */
	int code = read_statistics(capture, error);

	while (code >= 0 && !books_closed(counts)) {
		code = take_block(capture, table, error);
		if (code != 0)
			continue;
		if (nb_monotonic_ns() >= deadline_ns)
			return nb_fail(error, -ETIMEDOUT,
				       "close the ring's books: %llu packets, %llu walked, %llu dropped",
				       (unsigned long long)counts->kernel_packets, (unsigned long long)counts->frames,
				       (unsigned long long)counts->kernel_drops);
		nb_ring_tap_wait(&capture->tap, 1, NULL); /* an interface that went down does not matter any more */
	}
	return code < 0 ? code : 0;
}

int nb_ring_capture_run(struct nb_ring_capture *capture, struct nb_table *table, int64_t deadline_ns,
			const atomic_bool *stop, struct nb_error *error)
{
	struct nb_error closing;
	int code, closing_code;

	if (capture->shut)
		return nb_fail(error, -EALREADY, "run a ring capture a second time");
	if (table == NULL && capture->writer == NULL)
		return nb_fail(error, -EINVAL, "run a ring capture into nothing");
	code = follow_ring(capture, table, deadline_ns, stop, error);
	/* Also after a failure: the counts are then right up to it. */
	capture->shut = true;
	closing_code = nb_ring_tap_shut(&capture->tap, &closing);
	if (closing_code == 0)
		closing_code = close_books(capture, table, &closing);
	if (code < 0 || closing_code == 0)
		return code;
	if (error != NULL)
		*error = closing;
	return closing_code;
}

void nb_ring_capture_write_to(struct nb_ring_capture *capture, struct nb_pcap_writer *writer)
{
	capture->writer = writer;
}

void nb_ring_capture_read(struct nb_ring_capture *capture, struct nb_ring_capture_counts *counts)
{
	pthread_mutex_lock(&capture->lock);
	*counts = capture->counts;
	pthread_mutex_unlock(&capture->lock);
}
