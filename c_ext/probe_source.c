/* SPDX-License-Identifier: MIT */
/* probe_source.c - what is sent next: whose turn it is, which sequence, and the faults that were asked for. */
#include "probe_source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * Theory of operation
 *
 * Which sequence a stream's nth turn sends, and how often, is a function of n and the faults alone: a swap only
 * exchanges the sequences of turns s and s + 1. So there is nothing to remember but how many turns a stream has had,
 * and the same function tells, when a turn is settled, whether it was half of a pair.
 *
 * The books only know settled turns. The one moment when these are not the sequences 0, 1, 2 … without a hole is
 * between the halves of a pair; then the stream is `torn`, and the hole is added to `sequences` and `skipped` when
 * the books are read. The source therefore need not know where the schedule ends.
 */

struct stream {
	uint64_t turns;                /* handed out */
	struct nb_source_counts books; /* without the hole of a torn pair */
	bool torn;                     /* s + 1 is settled, s is not */
	bool later_sent;               /* of the torn pair: s + 1 was sent */
};

struct nb_source {
	struct nb_faults faults;
	uint32_t stream_count;
	uint32_t turn_of;        /* stream */
	struct stream streams[]; /* Owned. */
};

int nb_source_create(struct nb_source **source, uint32_t streams, const struct nb_faults *faults,
		     struct nb_error *error)
{
	struct nb_source *created;

	if (streams == 0)
		return nb_fail(error, -EINVAL, "send on 0 streams");
	created = calloc(1, sizeof(*created) + streams * sizeof(created->streams[0]));
	if (!created)
		return nb_fail(error, -ENOMEM, "allocate a source of %u streams", streams);
	created->faults = *faults;
	if (created->faults.swap_every == 1)
		created->faults.swap_every = 2;
	created->stream_count = streams;
	*source = created;
	return 0;
}

void nb_source_destroy(struct nb_source *source)
{
	free(source);
}

/* Is it the last of each @every, counted from @ahead past @sequence? */
static bool falls_on(uint64_t sequence, uint32_t ahead, uint32_t every)
{
	return every != 0 && (sequence + ahead) % every == 0;
}

static bool is_skipped(const struct nb_faults *faults, uint64_t sequence)
{
	return falls_on(sequence, 1, faults->skip_every);
}

/* Is @sequence exchanged with its successor? */
static bool is_earlier_of_pair(const struct nb_faults *faults, uint64_t sequence)
{
	return falls_on(sequence, 2, faults->swap_every) && !is_skipped(faults, sequence) &&
	       !is_skipped(faults, sequence + 1);
}

static bool is_later_of_pair(const struct nb_faults *faults, uint64_t sequence)
{
	return sequence > 0 && is_earlier_of_pair(faults, sequence - 1);
}

static uint64_t sequence_of(const struct nb_faults *faults, uint64_t turn)
{
	if (is_earlier_of_pair(faults, turn))
		return turn + 1;
	if (is_later_of_pair(faults, turn))
		return turn - 1;
	return turn;
}

static uint32_t copies_of(const struct nb_faults *faults, uint64_t sequence)
{
	if (is_skipped(faults, sequence))
		return 0;
	return falls_on(sequence, 1, faults->repeat_every) ? 2 : 1;
}

void nb_source_next_of(struct nb_source *source, uint32_t stream, struct nb_turn *turn)
{
	turn->stream = stream;
	turn->sequence = sequence_of(&source->faults, source->streams[stream].turns++);
	turn->copies = copies_of(&source->faults, turn->sequence);
}

void nb_source_next(struct nb_source *source, struct nb_turn *turn)
{
	nb_source_next_of(source, source->turn_of, turn);
	if (++source->turn_of == source->stream_count)
		source->turn_of = 0;
}

/* Follow a pair from its first half, the later sequence, to its second. */
static void follow_pair(const struct nb_faults *faults, struct stream *stream, uint64_t sequence, bool sent)
{
	if (is_later_of_pair(faults, sequence)) {
		stream->torn = true;
		stream->later_sent = sent;
	} else if (is_earlier_of_pair(faults, sequence)) {
		stream->torn = false;
		stream->books.swapped += sent && stream->later_sent;
	}
}

void nb_source_settle(struct nb_source *source, const struct nb_turn *turn, uint32_t accepted)
{
	struct stream *stream = &source->streams[turn->stream];
	struct nb_source_counts *books = &stream->books;

	books->sequences++;
	books->datagrams += accepted;
	books->refused += turn->copies - accepted;
	if (turn->copies == 0)
		books->skipped++;
	else if (accepted == 0)
		books->unsent++;
	else
		books->sent++;
	if (accepted > 1)
		books->repeated += accepted - 1;
	follow_pair(&source->faults, stream, turn->sequence, accepted > 0);
}

void nb_source_read(const struct nb_source *source, uint32_t stream, struct nb_source_counts *counts)
{
	const struct stream *from = &source->streams[stream];

	*counts = from->books;
	counts->sequences += from->torn;
	counts->skipped += from->torn;
}
