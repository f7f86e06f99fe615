/* SPDX-License-Identifier: MIT */
/* stream_table.c - packet to its stream: finds the tracker, feeds it, keeps what concerns all streams together. */
#include "stream_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "probe.h"

#define STREAMS_MAX (UINT32_C(1) << 20)
#define SERIES_POINTS_MAX (UINT32_C(1) << 24)
#define LOG_CAPACITY_MAX (UINT64_C(1) << 32)

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
	uint32_t streams;
	struct slot *slots; /* Owned. slot_mask + 1 */
	uint32_t slot_mask;
	uint64_t hash_seed;

	struct nb_series_point *series; /* Owned. series_points; NULL: no series */
	uint64_t newest;                /* number of the newest point */
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
	if (config->log_capacity > LOG_CAPACITY_MAX)
		return nb_fail(error, -EINVAL, "stream table (the packet log holds at most 2^32 packets)");
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

	while (slots < 2 * streams)
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
	if (config->series_ns)
		self->series = calloc(config->series_points, sizeof(*self->series));
	if (config->log_capacity)
		self->log = calloc(config->log_capacity, sizeof(*self->log));
	if (!self->slots || !self->keys || !self->trackers || (config->series_ns && !self->series) ||
	    (config->log_capacity && !self->log)) {
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

void nb_table_destroy(struct nb_table *table)
{
	if (!table)
		return;
	for (uint32_t index = 0; index < table->streams; index++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a table with streams has trackers */
		nb_tracker_destroy(table->trackers[index]);
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

static uint64_t hash_of(const struct nb_table *table, const struct nb_stream_key *key)
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
	return mix(hash, table->hash_seed ^ key->probe);
}

static bool same_key(const struct nb_stream_key *a, const struct nb_stream_key *b)
{
	return a->flow.family == b->flow.family && a->flow.source_port == b->flow.source_port &&
	       a->flow.destination_port == b->flow.destination_port &&
	       !memcmp(a->flow.source, b->flow.source, sizeof(a->flow.source)) &&
	       !memcmp(a->flow.destination, b->flow.destination, sizeof(a->flow.destination)) && a->probe == b->probe &&
	       a->session == b->session && a->stream == b->stream;
}

/* The tracker of @key, made where there is none. Return: NULL when there is no room for another stream. */
static struct nb_tracker *find_tracker(struct nb_table *table, const struct nb_stream_key *key)
{
	uint64_t hash = hash_of(table, key);
	uint32_t at = (uint32_t)hash & table->slot_mask;
	struct nb_tracker *tracker;

	for (; table->slots[at].stream_plus_one; at = (at + 1) & table->slot_mask) {
		uint32_t index = table->slots[at].stream_plus_one - 1;

		if (table->slots[at].hash == hash && same_key(&table->keys[index], key))
			return table->trackers[index];
	}

	if (table->streams == table->config.max_streams)
		return NULL;
	if (nb_tracker_create(&tracker, &table->config.tracker, NULL))
		return NULL;
	table->keys[table->streams] = *key;
	table->trackers[table->streams] = tracker;
	table->streams++;
	table->slots[at] = (struct slot){ .hash = hash, .stream_plus_one = table->streams };
	return tracker;
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

static void log_probe(struct nb_table *table, const struct nb_packet *packet, const struct nb_probe *probe)
{
	if (table->totals.logged == table->config.log_capacity) {
		table->totals.log_overflow++;
		return;
	}
	table->log[table->totals.logged++] = (struct nb_log_entry){
		.received_ns = packet->received_ns,
		.stream = probe->stream,
		.sequence = (uint32_t)probe->sequence,
	};
}

/* --- recording --------------------------------------------------------------------------------------------------- */

enum kind {
	KIND_PROBE,
	KIND_RAW,
	KIND_FOREIGN,
	KIND_DAMAGED,
};

static enum kind kind_of(const struct nb_table *table, const struct nb_packet *packet, struct nb_probe *probe)
{
	switch (nb_probe_decode(packet->payload, packet->payload_length, probe)) {
	case 0:
		if (table->config.session && probe->session != table->config.session)
			return KIND_FOREIGN;
		return KIND_PROBE;
	case -ENODATA:
		return table->config.probes_only ? KIND_FOREIGN : KIND_RAW;
	default:
		return KIND_DAMAGED;
	}
}

static void count_timed(struct nb_table *table, const struct nb_packet *packet, const struct nb_tracker *tracker,
			const struct nb_probe *probe)
{
	struct nb_table_totals *totals = &table->totals;

	if (!table->timed++)
		totals->first_ns = packet->received_ns;
	totals->last_ns = packet->received_ns;
	if (packet->stamp_class == NB_STAMP_KERNEL && packet->read_ns && packet->read_ns >= packet->received_ns)
		nb_histogram_record(&table->delivery, (uint64_t)packet->read_ns - (uint64_t)packet->received_ns);
	if (table->series)
		count_series(table, packet, nb_tracker_latest_iat(tracker));
	if (table->log && probe)
		log_probe(table, packet, probe);
}

void nb_table_record(struct nb_table *table, const struct nb_packet *packet)
{
	struct nb_table_totals *totals = &table->totals;
	struct nb_stream_key key = { .flow = packet->flow };
	bool timed = packet->stamp_class == table->config.stamp_class;
	struct nb_tracker *tracker;
	struct nb_probe probe;

	totals->packets++;
	totals->bytes += packet->datagram_length;
	if ((unsigned int)packet->stamp_class < NB_STAMP_CLASSES)
		totals->stamps[packet->stamp_class]++;

	switch (kind_of(table, packet, &probe)) {
	case KIND_FOREIGN:
		totals->foreign++;
		return;
	case KIND_DAMAGED:
		totals->damaged++;
		return;
	case KIND_PROBE:
		key.probe = true;
		key.session = probe.session;
		key.stream = probe.stream;
		break;
	case KIND_RAW:
		break;
	}

	tracker = find_tracker(table, &key);
	if (!tracker) {
		totals->refused_streams++;
		return;
	}
	totals->tracked++;
	nb_tracker_stamp(tracker, packet->stamp_class);
	if (key.probe)
		nb_tracker_sequenced(tracker, probe.sequence, probe.sent_ns, packet->received_ns,
				     packet->datagram_length, timed);
	else
		nb_tracker_raw(tracker, packet->received_ns, packet->datagram_length, timed);
	if (timed)
		count_timed(table, packet, tracker, key.probe ? &probe : NULL);
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
