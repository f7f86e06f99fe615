/* SPDX-License-Identifier: MIT */
/* stream_tracker.c - one stream's state: what arrived, what did not, in which order and when. */
#include "stream_tracker.h"

#include <errno.h>
#include <stdlib.h>

#define WINDOW_MIN 64u
#define WINDOW_MAX 1048576u
#define WORD_BITS 64u

/**
 * DOC: Theory of operation
 *
 * The newest sequences are *open*: a bitmap remembers which of them arrived, so that a copy is told from a late packet.
 * Open are
 *
 *	last - open + 1 .. last		(open <= reorder_window)
 *
 * and everything below is *settled*: what had not arrived by then is lost, and what still comes from there is beyond
 * the window. Sequence s has bit s mod reorder_window; bits that stand for no open sequence are 0. Open sequences are
 * named by their distance from `last`, never by their own bounds, so that nothing can overflow, not even at the
 * highest sequence there is.
 *
 * A sequence above `last` advances the window. What leaves it at the bottom is settled in order of sequence, whence RFC
 * 3357's loss periods are maximal runs without looking back. A jump past the whole window settles at most the bitmap,
 * one word at a time, and the rest of the gap as one number: 2^60 costs no more than reorder_window.
 *
 * The first packet opens the sequences below it too, since those sent before it may be late. They are no holes until one
 * of them comes and becomes `first`; what lies between is then open, and the books close:
 *
 *	unique + lost == last - first + 1	once all is settled (finish), modulo 2^64
 *	packets == unique + duplicate + beyond_window
 *
 * NextExp of RFC 4737 is last + 1: with duplicates removed first, a packet is reordered if and only if it is below
 * `last`.
 *
 * Stamps are not trusted either: differences are taken modulo 2^64 and cannot overflow.
 */
struct nb_tracker {
	struct nb_tracker_config config;
	struct nb_stream_counts counts; /* but for windows and delay_factor_max_ns, which read() fills in */

	uint64_t open;     /* sequences that are still open, counted downwards from counts.last_sequence */
	uint64_t loss_run; /* length of the run of lost sequences that the settled part ends with */

	bool timed;                /* there was a timed arrival: first_ns and last_ns hold */
	int64_t latest_iat_ns;     /* of the latest arrival; -1 none */
	uint64_t windows_closed;
	uint64_t window_end;       /* of the window in progress, in ns since first_ns */
	bool window_in_error;      /* the one in progress */
	bool transit_known;        /* transit_base_ns and previous_transit hold */
	uint64_t previous_transit; /* modulo 2^64 */
	struct nb_delay_factor delay_factor;

	struct nb_histogram iat;
	struct nb_histogram transit_above;
	struct nb_histogram transit_below;
	uint64_t bitmap[]; /* reorder_window bits */
};

static bool is_valid(const struct nb_tracker_config *config)
{
	uint32_t window = config->reorder_window;

	return window >= WINDOW_MIN && window <= WINDOW_MAX && !(window & (window - 1)) && config->window_ns > 0 &&
	       config->error_iat_ns >= 0 && config->media_rate_bps >= 0 && config->media_rate_bps <= 1e15;
}

int nb_tracker_create(struct nb_tracker **tracker, const struct nb_tracker_config *config, struct nb_error *error)
{
	struct nb_tracker *self;

	*tracker = NULL;
	if (!is_valid(config))
		return nb_fail(error, -EINVAL,
			       "stream tracker (the reorder window must be a power of two, 64..1048576; "
			       "the time window above 0; the threshold and the media rate not negative)");

	/* Zeroed by calloc, so that pages of buckets that are never counted in stay untouched. */
	self = calloc(1, sizeof(*self) + config->reorder_window / 8);
	if (!self)
		return nb_fail(error, -ENOMEM, "memory for a stream tracker");
	self->config = *config;
	self->latest_iat_ns = -1;
	self->iat.min = UINT64_MAX;
	self->transit_above.min = UINT64_MAX;
	self->transit_below.min = UINT64_MAX;
	nb_delay_factor_init(&self->delay_factor, config->media_rate_bps);
	*tracker = self;
	return 0;
}

void nb_tracker_destroy(struct nb_tracker *tracker)
{
	free(tracker);
}

/* --- which sequences came ---------------------------------------------------------------------------------------- */

static uint64_t *word_of(struct nb_tracker *tracker, uint64_t sequence)
{
	return &tracker->bitmap[(sequence & (tracker->config.reorder_window - 1)) / WORD_BITS];
}

static uint64_t bit_of(uint64_t sequence)
{
	return UINT64_C(1) << (sequence % WORD_BITS);
}

/* Mark @sequence, which is open. Return: false when it was marked before. */
static bool mark(struct nb_tracker *tracker, uint64_t sequence)
{
	uint64_t *word = word_of(tracker, sequence);

	if (*word & bit_of(sequence))
		return false;
	*word |= bit_of(sequence);
	tracker->counts.unique++;
	return true;
}

/* The next @length sequences above the settled ones are lost. */
static void settle_lost(struct nb_tracker *tracker, uint64_t length)
{
	struct nb_stream_counts *counts = &tracker->counts;

	counts->lost += length;
	if (!tracker->loss_run)
		counts->loss_periods++;
	tracker->loss_run += length;
	if (tracker->loss_run > counts->longest_loss)
		counts->longest_loss = tracker->loss_run;
}

/* The next @length (1..64) sequences above the settled ones are those of @bits, lowest first. */
static void settle_word(struct nb_tracker *tracker, uint64_t bits, uint32_t length)
{
	while (length) {
		uint32_t run;

		if (bits & 1) {
			run = ~bits ? (uint32_t)__builtin_ctzll(~bits) : WORD_BITS;
			tracker->loss_run = 0;
		} else {
			run = bits ? (uint32_t)__builtin_ctzll(bits) : length;
			settle_lost(tracker, run < length ? run : length);
		}
		if (run >= length)
			return;
		bits >>= run;
		length -= run;
	}
}

/* Settle the lowest @count of the open sequences; their bits are cleared for those that follow. */
static void settle_open(struct nb_tracker *tracker, uint64_t count)
{
	uint64_t sequence = tracker->counts.last_sequence - tracker->open + 1;
	uint64_t first = tracker->counts.first_sequence;

	tracker->open -= count;
	if (sequence < first) { /* below the first there are no holes, and no bits */
		uint64_t below = first - sequence;

		if (below >= count)
			return;
		sequence += below;
		count -= below;
	}
	while (count) {
		uint64_t *word = word_of(tracker, sequence);
		uint32_t offset = sequence % WORD_BITS;
		uint32_t length = WORD_BITS - offset;
		uint64_t taken;

		if (length > count)
			length = (uint32_t)count;
		taken = (UINT64_MAX >> (WORD_BITS - length)) << offset;
		settle_word(tracker, (*word & taken) >> offset, length);
		*word &= ~taken;
		sequence += length;
		count -= length;
	}
}

/* Move the window up to @sequence, which is above `last`. */
static void advance(struct nb_tracker *tracker, uint64_t sequence)
{
	uint64_t distance = sequence - tracker->counts.last_sequence;
	uint64_t room = tracker->config.reorder_window - tracker->open;

	if (distance > room) {
		uint64_t leaving = distance - room;
		uint64_t from_bitmap = leaving < tracker->open ? leaving : tracker->open;

		settle_open(tracker, from_bitmap);
		if (leaving > from_bitmap)
			settle_lost(tracker, leaving - from_bitmap);
		tracker->open = tracker->config.reorder_window;
	} else {
		tracker->open += distance;
	}
	tracker->counts.last_sequence = sequence;
}

static void begin_sequences(struct nb_tracker *tracker, uint64_t sequence)
{
	uint64_t window = tracker->config.reorder_window;

	tracker->counts.sequenced = true;
	tracker->counts.first_sequence = sequence;
	tracker->counts.last_sequence = sequence;
	tracker->open = sequence < window ? sequence + 1 : window;
}

/* Return: is this the first copy of @sequence, as far as can be told? */
static bool count_sequence(struct nb_tracker *tracker, uint64_t sequence)
{
	struct nb_stream_counts *counts = &tracker->counts;

	if (!counts->unique)
		begin_sequences(tracker, sequence);
	if (sequence > counts->last_sequence) {
		advance(tracker, sequence);
		return mark(tracker, sequence);
	}
	if (counts->last_sequence - sequence >= tracker->open) {
		counts->beyond_window++;
		return false;
	}
	if (!mark(tracker, sequence)) {
		counts->duplicate++;
		return false;
	}
	if (sequence < counts->last_sequence)
		counts->reordered++;
	if (sequence < counts->first_sequence)
		counts->first_sequence = sequence;
	return true;
}

/* --- when they came ---------------------------------------------------------------------------------------------- */

/* Modulo 2^64 read as a signed number. */
static int64_t signed_of(uint64_t difference)
{
	return (int64_t)difference;
}

static uint64_t magnitude(uint64_t difference)
{
	return signed_of(difference) < 0 ? 0 - difference : difference;
}

/*
 * A long silence closes many windows at once. They were without arrivals, so none of them is in error but the one that
 * it ends in.
 */
static void advance_window(struct nb_tracker *tracker, int64_t received_ns)
{
	uint64_t length = (uint64_t)tracker->config.window_ns;
	uint64_t offset = (uint64_t)received_ns - (uint64_t)tracker->counts.first_ns;
	uint64_t closing;

	if (received_ns < tracker->counts.first_ns || offset < tracker->window_end)
		return;
	closing = (offset - tracker->window_end) / length + 1;
	tracker->windows_closed += closing;
	if (__builtin_add_overflow(tracker->window_end, closing * length, &tracker->window_end))
		tracker->window_end = UINT64_MAX;
	tracker->window_in_error = false;
}

static void count_iat(struct nb_tracker *tracker, int64_t received_ns)
{
	struct nb_stream_counts *counts = &tracker->counts;
	uint64_t iat = (uint64_t)received_ns - (uint64_t)counts->last_ns;

	if (received_ns < counts->last_ns) {
		counts->clock_backwards++;
		iat = 0;
	}
	nb_histogram_record(&tracker->iat, iat);
	tracker->latest_iat_ns = iat > INT64_MAX ? INT64_MAX : (int64_t)iat;
	if (iat > (uint64_t)tracker->config.error_iat_ns && !tracker->window_in_error) {
		tracker->window_in_error = true;
		counts->iat_error_windows++;
	}
}

static void count_time(struct nb_tracker *tracker, int64_t received_ns, uint32_t bytes)
{
	struct nb_stream_counts *counts = &tracker->counts;

	if (tracker->timed) {
		advance_window(tracker, received_ns);
		count_iat(tracker, received_ns);
	} else {
		tracker->timed = true;
		counts->first_ns = received_ns;
		tracker->window_end = (uint64_t)tracker->config.window_ns;
	}
	counts->last_ns = received_ns;
	nb_delay_factor_packet(&tracker->delay_factor, received_ns, bytes);
}

static void count_transit(struct nb_tracker *tracker, int64_t sent_ns, int64_t received_ns)
{
	struct nb_stream_counts *counts = &tracker->counts;
	uint64_t transit = (uint64_t)received_ns - (uint64_t)sent_ns;
	uint64_t relative;

	if (!tracker->transit_known) {
		tracker->transit_known = true;
		counts->transit_base_ns = signed_of(transit);
		counts->transit_min_ns = signed_of(transit);
		counts->transit_max_ns = signed_of(transit);
	} else {
		double distance = (double)magnitude(transit - tracker->previous_transit);

		counts->jitter_ns += (distance - counts->jitter_ns) / 16;
		if (counts->jitter_ns > counts->jitter_max_ns)
			counts->jitter_max_ns = counts->jitter_ns;
	}
	tracker->previous_transit = transit;
	if (signed_of(transit) < counts->transit_min_ns)
		counts->transit_min_ns = signed_of(transit);
	if (signed_of(transit) > counts->transit_max_ns)
		counts->transit_max_ns = signed_of(transit);

	relative = transit - (uint64_t)counts->transit_base_ns;
	if (signed_of(relative) >= 0)
		nb_histogram_record(&tracker->transit_above, relative);
	else
		nb_histogram_record(&tracker->transit_below, magnitude(relative));
}

/* --- the interface ----------------------------------------------------------------------------------------------- */

void nb_tracker_raw(struct nb_tracker *tracker, int64_t received_ns, uint32_t bytes, bool timed)
{
	tracker->counts.packets++;
	tracker->counts.bytes += bytes;
	tracker->latest_iat_ns = -1;
	if (timed)
		count_time(tracker, received_ns, bytes);
}

void nb_tracker_sequenced(struct nb_tracker *tracker, uint64_t sequence, int64_t sent_ns, int64_t received_ns,
			  uint32_t bytes, bool timed)
{
	bool first_copy = count_sequence(tracker, sequence);

	nb_tracker_raw(tracker, received_ns, bytes, timed);
	if (timed && first_copy)
		count_transit(tracker, sent_ns, received_ns);
}

void nb_tracker_stamp(struct nb_tracker *tracker, unsigned int stamp_class)
{
	if (stamp_class < sizeof(tracker->counts.stamps) / sizeof(*tracker->counts.stamps))
		tracker->counts.stamps[stamp_class]++;
}

void nb_tracker_finish(struct nb_tracker *tracker)
{
	settle_open(tracker, tracker->open);
}

void nb_tracker_read(const struct nb_tracker *tracker, struct nb_stream_counts *counts)
{
	*counts = tracker->counts;
	counts->windows = tracker->windows_closed + tracker->timed;
	counts->delay_factor_max_ns = tracker->delay_factor.max_ns;
}

int64_t nb_tracker_latest_iat(const struct nb_tracker *tracker)
{
	return tracker->latest_iat_ns;
}

const struct nb_histogram *nb_tracker_iat(const struct nb_tracker *tracker)
{
	return &tracker->iat;
}

const struct nb_histogram *nb_tracker_transit_above(const struct nb_tracker *tracker)
{
	return &tracker->transit_above;
}

const struct nb_histogram *nb_tracker_transit_below(const struct nb_tracker *tracker)
{
	return &tracker->transit_below;
}
