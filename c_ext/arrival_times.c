/* SPDX-License-Identifier: MIT */
/* arrival_times.c - when the packets of one stream came: inter-arrival times, over all and per window of time. */
#include "arrival_times.h"

/**
 * DOC: Theory of operation
 *
 * Windows follow one another without a gap from the first arrival on. The one in progress is counted in place, and moved
 * to a ring when an arrival lies beyond it; the silence before that arrival may span any number of windows, which are
 * skipped in one step. A stamp before the window in progress, of a clock that was set back, counts in it.
 *
 * Differences of stamps are taken modulo 2^64, where nothing overflows.
 */

void nb_arrival_times_init(struct nb_arrival_times *times, struct nb_arrival_history *history, int64_t window_ns,
			   int64_t error_iat_ns)
{
	times->history = history;
	times->window_ns = window_ns;
	times->error_iat_ns = error_iat_ns;
	times->latest_iat_ns = -1;
}

static void close_window(struct nb_arrival_times *times)
{
	times->history->kept[times->windows_filled++ % NB_WINDOWS_KEPT] = times->window;
}

/* Windows that a long silence closes had no arrivals: none of them is in error but the one that the silence ends in. */
static void advance_window(struct nb_arrival_times *times, int64_t received_ns)
{
	uint64_t length = (uint64_t)times->window_ns;
	uint64_t offset = (uint64_t)received_ns - (uint64_t)times->first_ns;
	uint64_t closing;

	if (received_ns < times->first_ns || offset < times->window_end)
		return;
	closing = (offset - times->window_end) / length + 1;
	close_window(times);
	times->window = (struct nb_time_window){ .number = times->window.number + closing };
	if (__builtin_add_overflow(times->window_end, closing * length, &times->window_end))
		times->window_end = UINT64_MAX;
	times->in_error = false;
}

static void count_iat(struct nb_arrival_times *times, int64_t received_ns)
{
	uint64_t iat = (uint64_t)received_ns - (uint64_t)times->last_ns;

	if (received_ns < times->last_ns) {
		times->clock_backwards++;
		iat = 0;
	}
	nb_histogram_record(&times->history->iat, iat);
	times->latest_iat_ns = iat > INT64_MAX ? INT64_MAX : (int64_t)iat;
	times->window.iat_count++;
	if (__builtin_add_overflow(times->window.iat_sum_ns, iat, &times->window.iat_sum_ns))
		times->window.iat_sum_ns = UINT64_MAX;
	if (iat > times->window.iat_max_ns)
		times->window.iat_max_ns = iat;
	if (iat > (uint64_t)times->error_iat_ns && !times->in_error) {
		times->in_error = true;
		times->error_windows++;
	}
}

void nb_arrival_times_record(struct nb_arrival_times *times, int64_t received_ns, uint32_t bytes, uint64_t missing)
{
	if (times->begun) {
		advance_window(times, received_ns);
		count_iat(times, received_ns);
	} else {
		times->begun = true;
		times->first_ns = received_ns;
		times->window_end = (uint64_t)times->window_ns;
	}
	times->last_ns = received_ns;
	times->window.packets++;
	times->window.bytes += bytes;
	times->window.missing += missing - times->missing;
	times->missing = missing;
}

uint64_t nb_arrival_times_windows(const struct nb_arrival_times *times)
{
	return times->window.number + times->begun;
}

uint32_t nb_arrival_times_kept(const struct nb_arrival_times *times, struct nb_time_window windows[NB_WINDOWS_KEPT])
{
	uint32_t closed = NB_WINDOWS_KEPT - 1; /* besides the one in progress */

	if (!times->begun)
		return 0;
	if (times->windows_filled < closed)
		closed = (uint32_t)times->windows_filled;
	for (uint32_t i = 0; i < closed; i++)
		windows[i] = times->history->kept[(times->windows_filled - closed + i) % NB_WINDOWS_KEPT];
	windows[closed] = times->window;
	return closed + 1;
}
