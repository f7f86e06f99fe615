/* SPDX-License-Identifier: MIT */
/* stream_table.c - packet to its stream: finds the tracker, feeds it, keeps what concerns all streams together. */
#include "stream_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "content_hash.h"
#include "mpegts.h"
#include "probation.h"
#include "rtp.h"
#include "sequence_extender.h"

#define STREAMS_MAX (UINT32_C(1) << 20)
#define SERIES_POINTS_MAX (UINT32_C(1) << 24)
#define LOG_CAPACITY_MAX (UINT64_C(1) << 32)
#define RTP_CLOCK_MAX 1000000000u
#define CONTENT_STREAMS_MAX (UINT32_C(1) << 16) /* an index has 16 bits in an entry of the content log */
#define CONTENT_LENGTH_MASK UINT32_C(0xffff)

/**
 * DOC: Theory of operation
 *
 * Streams stand in arrays, in order of their first packet. An index over them, of at least twice as many slots as
 * there may be streams, is probed linearly; nothing is ever taken out, so an empty slot ends the search. A slot holds
 * the whole hash, and a key is compared only where that agrees. The hash is seeded by the kernel's random numbers:
 * whoever sends cannot choose flows that crowd into one run of slots. The order of the slots shows nowhere.
 *
 * All memory is taken by create() and touched when it is used, but for the trackers: each is taken at the first packet
 * of its stream, so a steady stream of packets allocates nothing. When there is no memory for one, the stream is
 * refused like one too many.
 *
 * The series is a ring over the newest points. Points have numbers, from 0 at the first timed packet; number n lives
 * in slot n mod series_points. A silence makes the points that it spans, empty, yet never more than the ring holds.
 *
 * What a stream has besides its tracker (RTP, MPEG-TS) is taken at the first packet that needs it, too; bare probes never do.
 *
 * RTP is recognised by a header that one in eight random datagrams has. Where nobody asked for RTP, only two packets
 * in sequence prove it (probation.h), or a transport stream inside. Until then they are the flow's raw stream. When
 * proven, the packet that was remembered moves: where the raw stream holds nothing but remembered packets, it is told again
 * without that one, so no packet is missing from the RTP stream, and none left behind. The last one's raw stream becomes the
 * RTP stream itself, under a new key: the slot of the old key stays behind, and leads nowhere, as it fits no key. So there may
 * be two slots a stream.
 *
 * Two points that saw the same packets are compared by their packet logs. What carries no sequence (a transport stream without RTP,
 * any other traffic) is told by its content: a hash of flow and payload (content_hash.h), seeded by whoever compares, so that whoever
 * sends cannot choose packets that are taken for each other. Equal packets have equal hashes; who compares counts them.
 *
 * Series, packet log and delivery take timed packets only (those of the configured stamp class): two clocks are never
 * mixed in one statistic. Delivery wants kernel stamps besides: a network card's clock is not the one that the
 * application reads, and a stamp that it read itself would give 0 for what was not measured.
 */
struct slot {
	uint64_t hash;
	uint32_t stream_plus_one; /* 0: empty */
};

struct nb_table {
	struct nb_table_config config;
	pthread_mutex_t lock;
	struct nb_table_totals totals; /* but for series_overwritten, which totals() works out */
	uint64_t timed;                /* of the tracked packets */

	struct nb_stream_key *keys;   /* Owned. max_streams */
	struct nb_tracker **trackers; /* Owned, and what they point at. max_streams */
	struct nb_foreign **foreign;  /* Owned likewise; NULL where not needed. max_streams */
	struct nb_probation **probations; /* Owned likewise; of raw streams with packets that may be RTP. max_streams */
	uint32_t streams;
	struct slot *slots; /* Owned. slot_mask + 1 */
	uint32_t slot_mask;
	uint64_t hash_seed;

	struct nb_series_point *series; /* Owned. series_points; NULL: no series */
	uint64_t newest; /* number of the newest point */
	bool series_begun;

	struct nb_log_entry *log; /* Owned. log_capacity; NULL: no log */
	struct nb_histogram delivery;
};

static int check_config(const struct nb_table_config *config, struct nb_error *error)
{
	if (!config->max_streams || config->max_streams > STREAMS_MAX)
		return nb_fail(error, -EINVAL, "stream table (there may be 1..%u streams)", STREAMS_MAX);
	if ((unsigned int)config->stamp_class >= NB_STAMP_CLASSES)
		return nb_fail(error, -EINVAL, "stream table (no such class of time stamps)");
	if (config->series_ns < 0 || (config->series_ns && !config->series_points) ||
	    config->series_points > SERIES_POINTS_MAX)
		return nb_fail(error, -EINVAL, "stream table (a series has 1..%u points)", SERIES_POINTS_MAX);
	if ((unsigned int)config->decode > NB_DECODE_RAW)
		return nb_fail(error, -EINVAL, "stream table (no such way to decode)");
	if (config->rtp_clock_hz > RTP_CLOCK_MAX)
		return nb_fail(error, -EINVAL, "stream table (a media clock has at most %u Hz)", RTP_CLOCK_MAX);
	if (config->log_capacity > LOG_CAPACITY_MAX)
		return nb_fail(error, -EINVAL, "stream table (the packet log holds at most 2^32 packets)");
	if (config->log_content && config->max_streams > CONTENT_STREAMS_MAX)
		return nb_fail(error, -EINVAL, "stream table (a log of contents is for at most %u streams)",
			       CONTENT_STREAMS_MAX);
	return 0;
}

/* A tracker is made only when its stream appears; that its configuration is sound must be known now. */
static int check_tracker_config(const struct nb_tracker_config *config, struct nb_error *error)
{
	struct nb_tracker *tracker;
	int code = nb_tracker_create(&tracker, config, error);

	nb_tracker_destroy(tracker);
	return code;
}

static uint32_t slots_for(uint32_t streams)
{
	uint32_t slots = 16;

	while (slots < 3 * streams)
		slots *= 2;
	return slots;
}

static uint64_t random_seed(void)
{
	uint64_t seed;

	/* Early in boot there are no random numbers yet; the clock is better than nothing. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint64_t)nb_realtime_ns();
	return seed;
}

int nb_table_create(struct nb_table **table, const struct nb_table_config *config, struct nb_error *error)
{
	struct nb_table *self;
	int code;

	*table = NULL;
	code = check_config(config, error);
	if (!code)
		code = check_tracker_config(&config->tracker, error);
	if (code)
		return code;

	self = calloc(1, sizeof(*self));
	if (!self)
		return nb_fail(error, -ENOMEM, "memory for the stream table");
	code = -pthread_mutex_init(&self->lock, NULL);
	if (code) {
		nb_fail(error, code, "lock of the stream table");
		goto free_table;
	}

	self->config = *config;
	self->hash_seed = random_seed();
	self->slot_mask = slots_for(config->max_streams) - 1;
	self->delivery.min = UINT64_MAX;
	self->slots = calloc((size_t)self->slot_mask + 1, sizeof(*self->slots));
	self->keys = calloc(config->max_streams, sizeof(*self->keys));
	self->trackers = calloc(config->max_streams, sizeof(struct nb_tracker *));
	self->foreign = calloc(config->max_streams, sizeof(struct nb_foreign *));
	self->probations = calloc(config->max_streams, sizeof(struct nb_probation *));
	if (config->series_ns)
		self->series = calloc(config->series_points, sizeof(*self->series));
	if (config->log_capacity)
		self->log = calloc(config->log_capacity, sizeof(*self->log));
	if (!self->slots || !self->keys || !self->trackers || !self->foreign || !self->probations ||
	    (config->series_ns && !self->series) || (config->log_capacity && !self->log)) {
		code = nb_fail(error, -ENOMEM,
			       "memory for the stream table (%u streams, %u points, %llu packets in the log)",
			       config->max_streams, config->series_points, (unsigned long long)config->log_capacity);
		goto destroy_table;
	}
	*table = self;
	return 0;

destroy_table:
	nb_table_destroy(self);
	return code;
free_table:
	free(self);
	return code;
}

static void destroy_streams(struct nb_table *table)
{
	for (uint32_t index = 0; index < table->streams; index++) {
		/* NOLINTBEGIN(clang-analyzer-core.NullDereference): a table with streams has all of these */
		nb_tracker_destroy(table->trackers[index]);
		nb_foreign_destroy(table->foreign[index]);
		free(table->probations[index]);
		table->trackers[index] = NULL;
		table->foreign[index] = NULL;
		table->probations[index] = NULL;
		/* NOLINTEND(clang-analyzer-core.NullDereference) */
	}
	table->streams = 0;
}

void nb_table_destroy(struct nb_table *table)
{
	if (!table)
		return;
	destroy_streams(table);
	free(table->probations);
	free(table->foreign);
	free(table->log);
	free(table->series);
	free(table->trackers);
	free(table->keys);
	free(table->slots);
	pthread_mutex_destroy(&table->lock);
	free(table);
}

void nb_table_lock(struct nb_table *table)
{
	pthread_mutex_lock(&table->lock);
}

void nb_table_unlock(struct nb_table *table)
{
	pthread_mutex_unlock(&table->lock);
}

/* All of the way to a stream is inlined: a key that was just written is then read from registers, which saves 10 ns a packet. */

/* --- finding the stream ------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static __always_inline uint64_t hash_of(const struct nb_table *table, const struct nb_stream_key *key)
{
	const struct nb_flow *flow = &key->flow;
	uint64_t hash = table->hash_seed;

	hash = mix(hash, load64(flow->source));
	hash = mix(hash, load64(flow->destination));
	if (flow->family == 6) {
		hash = mix(hash, load64(flow->source + 8));
		hash = mix(hash, load64(flow->destination + 8));
	}
	hash = mix(hash, (uint64_t)flow->source_port << 32 | (uint64_t)flow->destination_port << 16 | flow->family);
	hash = mix(hash, (uint64_t)key->session << 32 | key->stream);
	return mix(hash, table->hash_seed ^ key->kind);
}

static __always_inline bool same_key(const struct nb_stream_key *a, const struct nb_stream_key *b)
{
	return a->flow.family == b->flow.family && a->flow.source_port == b->flow.source_port &&
	       a->flow.destination_port == b->flow.destination_port &&
	       !memcmp(a->flow.source, b->flow.source, sizeof(a->flow.source)) &&
	       !memcmp(a->flow.destination, b->flow.destination, sizeof(a->flow.destination)) && a->kind == b->kind &&
	       a->session == b->session && a->stream == b->stream;
}

#define NO_STREAM UINT32_MAX

/* The slot of @key, or the empty one where it would go. */
static __always_inline struct slot *find_slot(const struct nb_table *table, const struct nb_stream_key *key,
					      uint64_t hash)
{
	uint32_t at = (uint32_t)hash & table->slot_mask;

	for (; table->slots[at].stream_plus_one; at = (at + 1) & table->slot_mask) {
		if (table->slots[at].hash == hash && same_key(&table->keys[table->slots[at].stream_plus_one - 1], key))
			break;
	}
	return &table->slots[at];
}

/* The number of the stream of @key; NO_STREAM when there is none. */
static uint32_t find_stream(const struct nb_table *table, const struct nb_stream_key *key)
{
	return find_slot(table, key, hash_of(table, key))->stream_plus_one - 1; /* 0 - 1 is NO_STREAM */
}

/* The same; made where there is none. Return: NO_STREAM when there is no room for another. */
static __always_inline uint32_t take_stream(struct nb_table *table, const struct nb_stream_key *key)
{
	uint64_t hash = hash_of(table, key);
	struct slot *slot = find_slot(table, key, hash);

	if (slot->stream_plus_one)
		return slot->stream_plus_one - 1;
	if (table->streams == table->config.max_streams)
		return NO_STREAM;
	if (nb_tracker_create(&table->trackers[table->streams], &table->config.tracker, NULL))
		return NO_STREAM;
	table->keys[table->streams] = *key;
	table->streams++;
	*slot = (struct slot){ .hash = hash, .stream_plus_one = table->streams };
	return table->streams - 1;
}

/* Stream @index goes by @key from now on, which no other stream has. */
static void rename_stream(struct nb_table *table, uint32_t index, const struct nb_stream_key *key)
{
	uint64_t hash = hash_of(table, key);

	*find_slot(table, key, hash) = (struct slot){ .hash = hash, .stream_plus_one = index + 1 };
	table->keys[index] = *key;
}

/* What stream @index has besides its tracker. Return: NULL when there is no memory. */
static struct nb_foreign *take_foreign(struct nb_table *table, uint32_t index)
{
	if (!table->foreign[index])
		table->foreign[index] = nb_foreign_create(table->config.tracker.reorder_window);
	return table->foreign[index];
}

/* --- series and log ---------------------------------------------------------------------------------------------- */

static struct nb_series_point *point_of(const struct nb_table *table, uint64_t number)
{
	return &table->series[number % table->config.series_points];
}

static uint64_t oldest_point(const struct nb_table *table)
{
	uint64_t points = table->config.series_points;

	return table->newest >= points ? table->newest - points + 1 : 0;
}

static void begin_point(struct nb_table *table, uint64_t number)
{
	uint64_t offset = number * (uint64_t)table->config.series_ns;

	*point_of(table, number) = (struct nb_series_point){
		.start_ns = (int64_t)((uint64_t)table->totals.first_ns + offset),
	};
}

/* Make @number the newest point, with empty ones up to it; of these only as many as the ring will keep. */
static void advance_series(struct nb_table *table, uint64_t number)
{
	uint64_t begun = table->newest + 1;

	table->newest = number;
	if (begun < oldest_point(table))
		begun = oldest_point(table);
	while (begun - 1 != number)
		begin_point(table, begun++);
}

/* The point that @received_ns belongs to; the newest where its own is gone, or lies before the series. */
static struct nb_series_point *find_point(struct nb_table *table, int64_t received_ns)
{
	uint64_t length = (uint64_t)table->config.series_ns;
	struct nb_series_point *newest = point_of(table, table->newest);
	uint64_t number;

	if (!table->series_begun) {
		table->series_begun = true;
		begin_point(table, 0);
		return newest;
	}
	/* Nearly always; spares the division. */
	if (received_ns >= newest->start_ns && (uint64_t)received_ns - (uint64_t)newest->start_ns < length)
		return newest;
	if (received_ns < table->totals.first_ns)
		return newest;
	number = ((uint64_t)received_ns - (uint64_t)table->totals.first_ns) / length;
	if (number > table->newest)
		advance_series(table, number);
	return point_of(table, number < oldest_point(table) ? table->newest : number);
}

static void count_series(struct nb_table *table, const struct nb_packet *packet, int64_t iat_ns)
{
	struct nb_series_point *point = find_point(table, packet->received_ns);

	point->packets++;
	point->bytes += packet->datagram_length;
	if (iat_ns < 0)
		return;
	point->iat_count++;
	point->iat_sum_ns += (uint64_t)iat_ns;
	if ((uint64_t)iat_ns > point->iat_max_ns)
		point->iat_max_ns = (uint64_t)iat_ns;
}

static void log_packet(struct nb_table *table, int64_t received_ns, uint32_t stream, uint64_t sequence)
{
	if (table->totals.logged == table->config.log_capacity) {
		table->totals.log_overflow++;
		return;
	}
	table->log[table->totals.logged++] = (struct nb_log_entry){
		.received_ns = received_ns,
		.stream = stream,
		.sequence = (uint32_t)sequence,
	};
}

static void log_content(struct nb_table *table, const struct nb_packet *packet, uint32_t index)
{
	log_packet(table, packet->received_ns, index << 16 | (packet->datagram_length & CONTENT_LENGTH_MASK),
		   nb_content_hash(table->config.content_seed, packet));
}

/* --- whose it is ------------------------------------------------------------------------------------------------- */

static struct nb_stream_key key_of(const struct nb_flow *flow, const struct nb_decoded *decoded)
{
	return (struct nb_stream_key){
		.flow = *flow,
		.kind = decoded->kind,
		.session = decoded->session,
		.stream = decoded->tag,
	};
}

static void feed(struct nb_table *table, uint32_t index, struct nb_arrival *arrival)
{
	struct nb_tracker *tracker = table->trackers[index];
	const struct nb_decoded *decoded = &arrival->decoded;
	struct nb_foreign *foreign = NULL;

	nb_tracker_stamp(tracker, arrival->stamp_class);
	if (decoded->kind == NB_KIND_RTP || decoded->ts)
		foreign = take_foreign(table, index);
	if (decoded->kind == NB_KIND_RTP && foreign)
		nb_foreign_rtp(foreign, tracker, arrival);
	else if (decoded->has_sent)
		nb_tracker_sequenced(tracker, decoded->sequence, decoded->sent_ns, arrival->received_ns, arrival->bytes,
				     arrival->timed);
	else if (decoded->sequence_bits)
		nb_tracker_unstamped(tracker, decoded->sequence, arrival->received_ns, arrival->bytes, arrival->timed);
	else
		nb_tracker_raw(tracker, arrival->received_ns, arrival->bytes, arrival->timed);
	if (decoded->ts && foreign)
		nb_foreign_ts(foreign, arrival);
}

/* Raw stream @index without the packets that went away: only @probation's are left. Return: false when there is no memory. */
static bool tell_again(struct nb_table *table, uint32_t index, const struct nb_probation *probation)
{
	struct nb_tracker *anew;

	if (nb_tracker_create(&anew, &table->config.tracker, NULL))
		return false;
	nb_tracker_destroy(table->trackers[index]);
	table->trackers[index] = anew;
	for (uint32_t i = 0; i < probation->count; i++) {
		struct nb_arrival arrival = probation->sightings[i];

		arrival.decoded = (struct nb_decoded){ .kind = NB_KIND_RAW };
		feed(table, index, &arrival);
	}
	return true;
}

/*
 * RTP is proven: @first came before, as a packet of the raw stream @raw. Make its stream, by moving @first where raw holds
 * nothing but what @probation remembers.
 */
static void begin_rtp(struct nb_table *table, uint32_t raw, struct nb_probation *probation,
		      const struct nb_stream_key *key, struct nb_arrival *first)
{
	struct nb_stream_counts counts;
	uint32_t index;

	nb_tracker_read(table->trackers[raw], &counts);
	if (counts.packets != probation->count + 1)
		return;
	if (probation->count && table->streams == table->config.max_streams)
		return;
	if (!tell_again(table, raw, probation))
		return;
	if (!probation->count)
		rename_stream(table, raw, key);
	index = take_stream(table, key);
	if (index != NO_STREAM)
		feed(table, index, first);
	else
		feed(table, raw,
		     &(struct nb_arrival){
			     .received_ns = first->received_ns,
			     .bytes = first->bytes,
			     .stamp_class = first->stamp_class,
			     .timed = first->timed,
		     });
}

/* @arrival looks like RTP, and there is no such stream. Unless it is proven now, it becomes raw traffic. */
static void put_on_probation(struct nb_table *table, const struct nb_stream_key *rtp, struct nb_arrival *arrival)
{
	const struct nb_stream_key key = { .flow = rtp->flow, .kind = NB_KIND_RAW };
	uint32_t raw = take_stream(table, &key);
	struct nb_arrival first;

	if (raw != NO_STREAM && !table->probations[raw])
		table->probations[raw] = calloc(1, sizeof(*table->probations[raw]));
	if (raw != NO_STREAM && table->probations[raw] && nb_probation_see(table->probations[raw], arrival, &first))
		begin_rtp(table, raw, table->probations[raw], rtp, &first);
	else
		arrival->decoded = (struct nb_decoded){ .kind = NB_KIND_RAW };
}

/* A datagram of a known transport stream, some of whose sync bytes are damaged: for its monitor to say so. */
static bool adopt_damaged_ts(const struct nb_table *table, const struct nb_packet *packet, struct nb_arrival *arrival)
{
	const struct nb_stream_key key = { .flow = packet->flow, .kind = NB_KIND_MPEGTS };

	if (!packet->payload_length || packet->payload_length % NB_TS_PACKET || find_stream(table, &key) == NO_STREAM)
		return false;
	arrival->decoded = (struct nb_decoded){
		.kind = NB_KIND_MPEGTS,
		.ts = packet->payload,
		.ts_packets = packet->payload_length / NB_TS_PACKET,
	};
	return true;
}

/* The same inside the RTP of a known stream. */
static void adopt_damaged_payload(const struct nb_packet *packet, struct nb_decoded *decoded)
{
	struct nb_rtp rtp;

	if (nb_rtp_parse(packet->payload, packet->payload_length, &rtp) || !rtp.payload_length ||
	    rtp.payload_length % NB_TS_PACKET)
		return;
	decoded->ts = rtp.payload;
	decoded->ts_packets = (uint32_t)(rtp.payload_length / NB_TS_PACKET);
}

/* By what came before: is a claim of RTP to be believed, and is what looks like nothing part of a known stream? */
static void judge(struct nb_table *table, const struct nb_packet *packet, struct nb_arrival *arrival)
{
	struct nb_decoded *decoded = &arrival->decoded;

	if (decoded->kind == NB_KIND_RTP) {
		const struct nb_stream_key key = key_of(&packet->flow, decoded);

		if (table->config.rtp_clock_hz && decoded->payload_type >= NB_RTP_FIRST_DYNAMIC)
			decoded->media_clock_hz = table->config.rtp_clock_hz;
		if (decoded->ts)
			return;
		if (find_stream(table, &key) != NO_STREAM) {
			if (decoded->payload_type == NB_RTP_MP2T)
				adopt_damaged_payload(packet, decoded);
		} else if (table->config.decode == NB_DECODE_AUTO && !adopt_damaged_ts(table, packet, arrival)) {
			put_on_probation(table, &key, arrival);
		}
	} else if (decoded->kind == NB_KIND_RAW &&
		   (table->config.decode == NB_DECODE_AUTO || table->config.decode == NB_DECODE_MPEGTS)) {
		adopt_damaged_ts(table, packet, arrival);
	}
}

/* --- recording --------------------------------------------------------------------------------------------------- */

static void count_timed(struct nb_table *table, const struct nb_packet *packet, const struct nb_tracker *tracker)
{
	struct nb_table_totals *totals = &table->totals;

	if (!table->timed++)
		totals->first_ns = packet->received_ns;
	totals->last_ns = packet->received_ns;
	if (packet->stamp_class == NB_STAMP_KERNEL && packet->read_ns && packet->read_ns >= packet->received_ns)
		nb_histogram_record(&table->delivery, (uint64_t)packet->read_ns - (uint64_t)packet->received_ns);
	if (table->series)
		count_series(table, packet, nb_tracker_latest_iat(tracker));
}

/* The stream of @key, and the packet counted as tracked; or as refused, when there is no room: NO_STREAM. */
static __always_inline uint32_t track(struct nb_table *table, const struct nb_stream_key *key)
{
	uint32_t index = take_stream(table, key);

	if (index == NO_STREAM)
		table->totals.refused_streams++;
	else
		table->totals.tracked++;
	return index;
}

/* A bare probe: nearly all packets of a measurement of ours, so the way is short. */
static void record_probe(struct nb_table *table, const struct nb_packet *packet, const struct nb_probe *probe)
{
	const struct nb_stream_key key = {
		.flow = packet->flow,
		.kind = NB_KIND_PROBE,
		.session = probe->session,
		.stream = probe->stream,
	};
	bool timed = packet->stamp_class == table->config.stamp_class;
	struct nb_tracker *tracker;
	uint32_t index;

	if (table->config.session && probe->session != table->config.session) {
		table->totals.foreign++;
		return;
	}
	index = track(table, &key);
	if (index == NO_STREAM)
		return;
	tracker = table->trackers[index];
	nb_tracker_stamp(tracker, packet->stamp_class);
	nb_tracker_sequenced(tracker, probe->sequence, probe->sent_ns, packet->received_ns, packet->datagram_length,
			     timed);
	if (!timed)
		return;
	count_timed(table, packet, tracker);
	if (!table->log)
		return;
	if (table->config.log_content)
		log_content(table, packet, index);
	else
		log_packet(table, packet->received_ns, probe->stream, probe->sequence);
}

static bool is_foreign(const struct nb_table_config *config, const struct nb_decoded *decoded)
{
	if (decoded->kind == NB_KIND_PROBE)
		return config->session && decoded->session != config->session;
	return config->probes_only;
}

static bool is_logged(const struct nb_table *table, const struct nb_decoded *decoded)
{
	return table->log && decoded->sequence_bits && decoded->sequence != NB_EXTENDED_NOWHERE &&
	       (!table->config.session || decoded->kind == NB_KIND_PROBE);
}

/* Whatever is no bare probe. */
static void record_other(struct nb_table *table, const struct nb_packet *packet)
{
	struct nb_stream_key key;
	struct nb_arrival arrival = {
		.received_ns = packet->received_ns,
		.bytes = packet->datagram_length,
		.stamp_class = packet->stamp_class,
		.timed = packet->stamp_class == table->config.stamp_class,
	};
	struct nb_decoded *decoded = &arrival.decoded;
	uint32_t index;
	int code = nb_decode(packet->payload, packet->payload_length, table->config.decode, decoded);

	if (code && code != -ENODATA) {
		table->totals.damaged++;
		return;
	}
	if (is_foreign(&table->config, decoded)) {
		table->totals.foreign++;
		return;
	}
	if (decoded->kind != NB_KIND_PROBE)
		judge(table, packet, &arrival);
	key = key_of(&packet->flow, decoded);
	index = track(table, &key);
	if (index == NO_STREAM)
		return;
	feed(table, index, &arrival);
	if (!arrival.timed)
		return;
	count_timed(table, packet, table->trackers[index]);
	if (table->log && table->config.log_content)
		log_content(table, packet, index);
	else if (is_logged(table, decoded))
		log_packet(table, packet->received_ns, decoded->tag, decoded->sequence);
}

void nb_table_record(struct nb_table *table, const struct nb_packet *packet)
{
	struct nb_table_totals *totals = &table->totals;
	struct nb_probe probe;

	totals->packets++;
	totals->bytes += packet->datagram_length;
	if ((unsigned int)packet->stamp_class < NB_STAMP_CLASSES)
		totals->stamps[packet->stamp_class]++;

	if (table->config.decode <= NB_DECODE_PROBE &&
	    !nb_probe_decode(packet->payload, packet->payload_length, &probe))
		record_probe(table, packet, &probe);
	else
		record_other(table, packet);
}

void nb_table_restart(struct nb_table *table)
{
	destroy_streams(table);
	memset(table->slots, 0, ((size_t)table->slot_mask + 1) * sizeof(*table->slots));
	table->totals = (struct nb_table_totals){ 0 };
	table->timed = 0;
	table->newest = 0;
	table->series_begun = false;
	table->delivery = (struct nb_histogram){ .min = UINT64_MAX };
}

void nb_table_finish(struct nb_table *table)
{
	for (uint32_t index = 0; index < table->streams; index++)
		nb_tracker_finish(table->trackers[index]);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

void nb_table_totals(const struct nb_table *table, struct nb_table_totals *totals)
{
	*totals = table->totals;
	totals->series_overwritten = table->series_begun ? oldest_point(table) : 0;
}

uint32_t nb_table_count(const struct nb_table *table)
{
	return table->streams;
}

const struct nb_stream_key *nb_table_key(const struct nb_table *table, uint32_t index)
{
	return index < table->streams ? &table->keys[index] : NULL;
}

const struct nb_tracker *nb_table_tracker(const struct nb_table *table, uint32_t index)
{
	return index < table->streams ? table->trackers[index] : NULL;
}

void nb_table_foreign(const struct nb_table *table, uint32_t index, struct nb_foreign_counts *counts)
{
	*counts = (struct nb_foreign_counts){ 0 };
	if (index < table->streams && table->foreign[index])
		nb_foreign_read(table->foreign[index], counts);
}

const struct nb_histogram *nb_table_delivery(const struct nb_table *table)
{
	return &table->delivery;
}

uint32_t nb_table_series_count(const struct nb_table *table)
{
	return table->series_begun ? (uint32_t)(table->newest - oldest_point(table) + 1) : 0;
}

const struct nb_series_point *nb_table_series(const struct nb_table *table, uint32_t index)
{
	return index < nb_table_series_count(table) ? point_of(table, oldest_point(table) + index) : NULL;
}

const struct nb_log_entry *nb_table_log(const struct nb_table *table, uint64_t *count)
{
	*count = table->totals.logged;
	return table->log;
}
