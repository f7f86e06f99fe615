/* SPDX-License-Identifier: MIT */
/* stream_tracker.c - one stream's state: what arrived, what did not, in which order and when. */
#include "stream_tracker.h"

#include <errno.h>
#include <stdlib.h>

#include "delay_factor.h"
#include "loss_pattern.h"
#include "reordering.h"
#include "transit_times.h"

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
 * Beside the bitmap, an open sequence has room for its stamps. They are written only where sequences are left out: of the
 * packets on both sides of a hole, and of those that come into it late. Nobody else's are ever asked for: the packet in
 * front of the next one in order is `latest`. So a stream without holes touches none of it. When a hole is settled, the
 * stamps around it say how long it was (loss_pattern); a late packet finds its neighbours' transits for IPDV, and the
 * stamp of the arrival that left it out (reordering).
 *
 * Stamps are not trusted either: differences are taken modulo 2^64 and cannot overflow.
 */

/* Of one packet; NB_NO_STAMP where there is none, or it is not of the class in use. */
struct stamps {
	int64_t received_ns;
	int64_t transit_ns;
};

struct nb_tracker {
	struct nb_tracker_config config;
	struct nb_stream_counts counts; /* what is counted here; read() fills in what the parts below count */

	uint64_t open; /* sequences that are still open, counted downwards from counts.last_sequence */
	struct stamps latest; /* of the packet with last_sequence */
	int64_t latest_iat_ns; /* of the latest arrival; -1 none */
	uint64_t interval_missing; /* counts.missing when the delay factor's interval began */

	uint64_t *bitmap; /* reorder_window bits: came. This and the next two lie in the same memory as the tracker */
	uint64_t *copied; /* as many: came more than once */
	struct stamps *stamps; /* reorder_window: of sequence s at s mod reorder_window, beside holes only */

	struct nb_delay_factor delay_factor;
	struct nb_arrival_times arrivals;
	struct nb_transit_times transits;
	struct nb_loss_pattern losses;
	struct nb_reordering reordering;

	/* What is above is touched by every packet, of what is below a few words by some. */
	struct nb_arrival_history arrival_history;
	struct nb_transit_histograms transit_histograms;
	struct nb_loss_histograms loss_histograms;
	struct nb_reordering_histograms reordering_histograms;
};

static bool is_valid(const struct nb_tracker_config *config)
{
	uint32_t window = config->reorder_window;

	return window >= WINDOW_MIN && window <= WINDOW_MAX && !(window & (window - 1)) && config->window_ns > 0 &&
	       config->error_iat_ns >= 0 && config->media_rate_bps >= 0 && config->media_rate_bps <= 1e15;
}

int nb_tracker_create(struct nb_tracker **tracker, const struct nb_tracker_config *config, struct nb_error *error)
{
	uint32_t window = config->reorder_window, words = window / WORD_BITS;
	struct nb_tracker *self;
	struct nb_jump *jumps;

	*tracker = NULL;
	if (!is_valid(config))
		return nb_fail(error, -EINVAL,
			       "stream tracker (the reorder window must be a power of two, 64..1048576; "
			       "the time window above 0; the threshold and the media rate not negative)");

	/* Zeroed by calloc, so that what is never counted in stays untouched: histograms, stamps, jumps. */
	self = calloc(1, sizeof(*self) + 2 * words * sizeof(*self->bitmap) + window * sizeof(*self->stamps) +
				 window / 2 * sizeof(*jumps));
	if (!self)
		return nb_fail(error, -ENOMEM, "memory for a stream tracker");
	self->config = *config;
	self->bitmap = (uint64_t *)(self + 1);
	self->copied = self->bitmap + words;
	self->stamps = (struct stamps *)(self->copied + words);
	jumps = (struct nb_jump *)(self->stamps + window);
	self->latest_iat_ns = -1;
	self->losses.delta = config->loss_distance;
	self->losses.histograms = &self->loss_histograms;
	self->transits.histograms = &self->transit_histograms;
	nb_reordering_init(&self->reordering, &self->reordering_histograms, jumps, window / 2);
	nb_arrival_times_init(&self->arrivals, &self->arrival_history, config->window_ns, config->error_iat_ns);
	nb_delay_factor_init(&self->delay_factor, config->media_rate_bps);
	*tracker = self;
	return 0;
}

void nb_tracker_destroy(struct nb_tracker *tracker)
{
	free(tracker);
}

/* --- open sequences ---------------------------------------------------------------------------------------------- */

static uint64_t word_index(const struct nb_tracker *tracker, uint64_t sequence)
{
	return (sequence & (tracker->config.reorder_window - 1)) / WORD_BITS;
}

static uint64_t bit_of(uint64_t sequence)
{
	return UINT64_C(1) << (sequence % WORD_BITS);
}

static struct stamps *stamps_of(const struct nb_tracker *tracker, uint64_t sequence)
{
	return &tracker->stamps[sequence & (tracker->config.reorder_window - 1)];
}

static bool is_open(const struct nb_tracker *tracker, uint64_t sequence)
{
	return sequence <= tracker->counts.last_sequence && tracker->counts.last_sequence - sequence < tracker->open;
}

static bool came(const struct nb_tracker *tracker, uint64_t sequence)
{
	return tracker->bitmap[word_index(tracker, sequence)] & bit_of(sequence);
}

static void mark(struct nb_tracker *tracker, uint64_t sequence)
{
	tracker->bitmap[word_index(tracker, sequence)] |= bit_of(sequence);
	nb_reordering_arrived(&tracker->reordering, sequence, tracker->counts.unique);
	tracker->counts.unique++;
}

/* --- settling ---------------------------------------------------------------------------------------------------- */

/* The next @length sequences above the settled ones, from @sequence on, came. Without holes nobody asks for stamps. */
static void settle_received(struct nb_tracker *tracker, uint64_t sequence, uint64_t length)
{
	int64_t first_ns = NB_NO_STAMP, last_ns = NB_NO_STAMP;

	if (tracker->counts.missing) {
		first_ns = stamps_of(tracker, sequence)->received_ns;
		last_ns = stamps_of(tracker, sequence + length - 1)->received_ns;
	}
	nb_loss_pattern_received(&tracker->losses, length, first_ns, last_ns);
}

/* The next @length (1..64) sequences above the settled ones, from @sequence on, are those of @bits, lowest first. */
static void settle_word(struct nb_tracker *tracker, uint64_t sequence, uint64_t bits, uint32_t length)
{
	while (length) {
		uint32_t run;

		if (bits & 1) {
			run = ~bits ? (uint32_t)__builtin_ctzll(~bits) : WORD_BITS;
			settle_received(tracker, sequence, run);
		} else {
			run = bits ? (uint32_t)__builtin_ctzll(bits) : length;
			nb_loss_pattern_lost(&tracker->losses, run);
		}
		if (run >= length)
			return;
		bits >>= run;
		sequence += run;
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
		uint64_t *word = &tracker->bitmap[word_index(tracker, sequence)];
		uint32_t offset = sequence % WORD_BITS;
		uint32_t length = WORD_BITS - offset;
		uint64_t taken;

		if (length > count)
			length = (uint32_t)count;
		taken = (UINT64_MAX >> (WORD_BITS - length)) << offset;
		settle_word(tracker, sequence, (*word & taken) >> offset, length);
		*word &= ~taken;
		if (tracker->counts.duplicate)
			tracker->copied[word_index(tracker, sequence)] &= ~taken;
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
			nb_loss_pattern_lost(&tracker->losses, leaving - from_bitmap);
		tracker->open = tracker->config.reorder_window;
	} else {
		tracker->open += distance;
	}
	tracker->counts.last_sequence = sequence;
}

/* --- which sequences came ---------------------------------------------------------------------------------------- */

/* @sequence comes first, or leaves others out. */
static void jump(struct nb_tracker *tracker, uint64_t sequence, const struct stamps *stamps)
{
	*stamps_of(tracker, sequence) = *stamps;
	nb_reordering_jumped(&tracker->reordering, sequence, tracker->counts.unique);
}

static void count_pair(struct nb_tracker *tracker, const struct stamps *earlier, const struct stamps *later)
{
	if (earlier->transit_ns != NB_NO_STAMP && later->transit_ns != NB_NO_STAMP)
		nb_transit_times_pair(&tracker->transits, earlier->transit_ns, later->transit_ns);
}

static void count_first(struct nb_tracker *tracker, uint64_t sequence, const struct stamps *stamps)
{
	uint64_t window = tracker->config.reorder_window;

	tracker->counts.sequenced = true;
	tracker->counts.first_sequence = sequence;
	tracker->counts.last_sequence = sequence;
	tracker->open = sequence < window ? sequence + 1 : window;
	jump(tracker, sequence, stamps);
	mark(tracker, sequence);
	tracker->latest = *stamps;
}

static void count_next(struct nb_tracker *tracker, uint64_t sequence, const struct stamps *stamps)
{
	uint64_t left_out = sequence - tracker->counts.last_sequence - 1;

	if (left_out) {
		*stamps_of(tracker, tracker->counts.last_sequence) = tracker->latest;
		tracker->counts.missing += left_out;
		advance(tracker, sequence);
		jump(tracker, sequence, stamps);
	} else {
		advance(tracker, sequence);
		count_pair(tracker, &tracker->latest, stamps);
	}
	mark(tracker, sequence);
	tracker->latest = *stamps;
}

/* Below `last`, open, and the first copy: the stamps of what came next to it were kept. */
static void count_late(struct nb_tracker *tracker, uint64_t sequence, const struct stamps *stamps)
{
	const struct nb_jump *jump = nb_reordering_find(&tracker->reordering, sequence);
	int64_t jumped_ns = stamps_of(tracker, jump->sequence)->received_ns;
	struct nb_stream_counts *counts = &tracker->counts;

	counts->reordered++;
	nb_reordering_late(&tracker->reordering, sequence, counts->unique, jump);
	if (stamps->received_ns != NB_NO_STAMP && jumped_ns != NB_NO_STAMP)
		nb_histogram_record(&tracker->reordering_histograms.late_ns,
				    stamps->received_ns < jumped_ns
					    ? 0
					    : (uint64_t)stamps->received_ns - (uint64_t)jumped_ns);

	if (is_open(tracker, sequence - 1) && came(tracker, sequence - 1))
		count_pair(tracker, stamps_of(tracker, sequence - 1), stamps);
	if (came(tracker, sequence + 1))
		count_pair(tracker, stamps, stamps_of(tracker, sequence + 1));
	*stamps_of(tracker, sequence) = *stamps;
	mark(tracker, sequence);
	if (sequence < counts->first_sequence) {
		counts->missing += counts->first_sequence - sequence;
		counts->first_sequence = sequence;
	}
}

static void count_copy(struct nb_tracker *tracker, uint64_t sequence)
{
	uint64_t *copied = &tracker->copied[word_index(tracker, sequence)];

	tracker->counts.duplicate++;
	if (!(*copied & bit_of(sequence)))
		tracker->counts.replicated++;
	*copied |= bit_of(sequence);
}

/* Return: is this the first copy of @sequence, as far as can be told? */
static bool count_sequence(struct nb_tracker *tracker, uint64_t sequence, const struct stamps *stamps)
{
	if (!tracker->counts.unique)
		count_first(tracker, sequence, stamps);
	else if (sequence > tracker->counts.last_sequence)
		count_next(tracker, sequence, stamps);
	else if (!is_open(tracker, sequence)) {
		tracker->counts.beyond_window++;
		return false;
	} else if (came(tracker, sequence)) {
		count_copy(tracker, sequence);
		return false;
	} else {
		count_late(tracker, sequence, stamps);
	}
	return true;
}

/* --- when they came ---------------------------------------------------------------------------------------------- */

/*
 * What this packet showed to be missing belongs to the interval that it belongs to: where it closes one, to the next.
 * The delay factor must be told of the packet before arrivals are.
 */
static void count_interval(struct nb_tracker *tracker, int64_t received_ns, uint32_t bytes)
{
	struct nb_stream_counts *counts = &tracker->counts;
	uint64_t missing = tracker->arrivals.missing;

	nb_delay_factor_packet(&tracker->delay_factor, received_ns, bytes);
	if (counts->intervals == tracker->delay_factor.intervals)
		return;
	counts->intervals = tracker->delay_factor.intervals;
	counts->interval_missing_last = missing - tracker->interval_missing;
	if (counts->interval_missing_last > counts->interval_missing_max)
		counts->interval_missing_max = counts->interval_missing_last;
	tracker->interval_missing = missing;
}

void nb_tracker_raw(struct nb_tracker *tracker, int64_t received_ns, uint32_t bytes, bool timed)
{
	tracker->counts.packets++;
	tracker->counts.bytes += bytes;
	tracker->latest_iat_ns = -1;
	if (!timed)
		return;
	count_interval(tracker, received_ns, bytes);
	nb_arrival_times_record(&tracker->arrivals, received_ns, bytes, tracker->counts.missing);
	tracker->latest_iat_ns = tracker->arrivals.latest_iat_ns;
}

void nb_tracker_unstamped(struct nb_tracker *tracker, uint64_t sequence, int64_t received_ns, uint32_t bytes,
			  bool timed)
{
	struct stamps stamps = { .received_ns = timed ? received_ns : NB_NO_STAMP, .transit_ns = NB_NO_STAMP };

	count_sequence(tracker, sequence, &stamps);
	nb_tracker_raw(tracker, received_ns, bytes, timed);
}

void nb_tracker_sequenced(struct nb_tracker *tracker, uint64_t sequence, int64_t sent_ns, int64_t received_ns,
			  uint32_t bytes, bool timed)
{
	struct stamps stamps = { .received_ns = NB_NO_STAMP, .transit_ns = NB_NO_STAMP };

	if (timed) {
		stamps.received_ns = received_ns;
		stamps.transit_ns = (int64_t)((uint64_t)received_ns - (uint64_t)sent_ns);
	}
	if (count_sequence(tracker, sequence, &stamps) && timed)
		nb_transit_times_record(&tracker->transits, stamps.transit_ns);
	nb_tracker_raw(tracker, received_ns, bytes, timed);
}

void nb_tracker_stamp(struct nb_tracker *tracker, unsigned int stamp_class)
{
	if (stamp_class < sizeof(tracker->counts.stamps) / sizeof(*tracker->counts.stamps))
		tracker->counts.stamps[stamp_class]++;
}

/* A hole above what is settled here has the latest packet on its lower side. */
void nb_tracker_finish(struct nb_tracker *tracker)
{
	if (tracker->counts.unique)
		*stamps_of(tracker, tracker->counts.last_sequence) = tracker->latest;
	settle_open(tracker, tracker->open);
	tracker->losses.before_ns = tracker->latest.received_ns;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

void nb_tracker_read(const struct nb_tracker *tracker, struct nb_stream_counts *counts)
{
	*counts = tracker->counts;
	counts->three_reordered = tracker->reordering.three_reordered;
	counts->lost = tracker->losses.lost;
	counts->loss_periods = tracker->losses.periods;
	counts->longest_loss = tracker->losses.longest;
	counts->noticeable_losses = tracker->losses.noticeable;
	counts->first_ns = tracker->arrivals.first_ns;
	counts->last_ns = tracker->arrivals.last_ns;
	counts->clock_backwards = tracker->arrivals.clock_backwards;
	counts->windows = nb_arrival_times_windows(&tracker->arrivals);
	counts->iat_error_windows = tracker->arrivals.error_windows;
	counts->jitter_ns = tracker->transits.jitter_ns;
	counts->jitter_max_ns = tracker->transits.jitter_max_ns;
	counts->transit_base_ns = tracker->transits.base_ns;
	counts->transit_min_ns = tracker->transits.min_ns;
	counts->transit_max_ns = tracker->transits.max_ns;
	counts->delay_factor_max_ns = tracker->delay_factor.max_ns;
	counts->delay_factor_last_ns = tracker->delay_factor.last_ns;
}

int64_t nb_tracker_latest_iat(const struct nb_tracker *tracker)
{
	return tracker->latest_iat_ns;
}

const struct nb_histogram *nb_tracker_distribution(const struct nb_tracker *tracker, enum nb_distribution which)
{
	switch (which) {
	case NB_TRANSIT_ABOVE:
		return &tracker->transit_histograms.above;
	case NB_TRANSIT_BELOW:
		return &tracker->transit_histograms.below;
	case NB_IPDV_ABOVE:
		return &tracker->transit_histograms.ipdv_above;
	case NB_IPDV_BELOW:
		return &tracker->transit_histograms.ipdv_below;
	case NB_LOSS_LENGTH_PACKETS:
		return &tracker->loss_histograms.length_packets;
	case NB_LOSS_LENGTH_NS:
		return &tracker->loss_histograms.length_ns;
	case NB_LOSS_BETWEEN_PACKETS:
		return &tracker->loss_histograms.between_packets;
	case NB_LOSS_BETWEEN_NS:
		return &tracker->loss_histograms.between_ns;
	case NB_REORDER_EXTENT_PACKETS:
		return &tracker->reordering_histograms.extent;
	case NB_REORDER_LATE_NS:
		return &tracker->reordering_histograms.late_ns;
	case NB_IAT:
	case NB_DISTRIBUTIONS:
		break;
	}
	return &tracker->arrival_history.iat;
}

uint32_t nb_tracker_windows(const struct nb_tracker *tracker, struct nb_time_window windows[NB_WINDOWS_KEPT])
{
	return nb_arrival_times_kept(&tracker->arrivals, windows);
}
