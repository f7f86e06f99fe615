/* SPDX-License-Identifier: MIT */
/* pooled.h - distributions over all streams of a table, put together when somebody asks. */
#ifndef NB_POOLED_H
#define NB_POOLED_H

#include <stdbool.h>

#include "histogram.h"
#include "stream_table.h"

/* All: the caller holds the table's lock. Count, sum, min and max are exact, buckets as exact as the trackers' own. */

/* Of values that need no common base: every distribution of a tracker but its transit. */
void nb_pooled(struct nb_histogram *pooled, const struct nb_table *table, enum nb_distribution which);

/* Packet delay variation, RFC 5481 section 4.2: each packet's transit less the smallest of its stream. */
void nb_pooled_pdv(struct nb_histogram *pooled, const struct nb_table *table);

/**
 * nb_pooled_transit() - Receive stamp less send stamp; a one-way delay where both ends share a clock.
 * @pooled: filled
 * @table: read
 *
 * Return: false when a packet came before it was sent, by the clocks: then there is no such distribution
 */
bool nb_pooled_transit(struct nb_histogram *pooled, const struct nb_table *table);

#endif
