/* SPDX-License-Identifier: MIT */
/* pacer.c - when the next packet is due: an absolute schedule, slept to and then spun to. */
#include "pacer.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/*
 * Theory of operation
 *
 * Every due time is computed from the start, never from the packet before, so lateness does not add up: a packet that
 * went out late leaves the next one where it was.
 *
 * The rate arrives as a double, which is a fraction with a power of two below it: rate = odd / 2^k, exactly. So the
 * time between packets, 10^9 / rate, is the exact fraction
 *
 *	10^9 * 2^k / odd = numerator / denominator
 *
 * and due(i) = start + floor(i * numerator / denominator), with i rounded down to its burst. No rounding is carried
 * from packet to packet, so nothing drifts, whatever i is. The product is below (due - start + 1) * denominator <
 * 2^63 * 2^53 whenever the due time fits 63 bits, so 128 bits hold it; a product that overflows belongs to a time
 * beyond the year 2262 and saturates.
 *
 * A written schedule is an array of offsets from the start, looked up instead of computed. How many of them are due is
 * found by bisection from the next one on.
 *
 * Waiting: an absolute sleep until spin_ns before the due time, because wake-ups are late by tens of microseconds,
 * then spinning on the clock. The sleep is cut into slices, so that a stop is seen. When late, all packets that are
 * due are handed out at once, as many as the caller can take: catching up costs few system calls.
 *
 * After a stall that would be a burst as long as the stall, and packets that it loses would count against the network.
 * So whoever lags by a whole burst more than the caller can take catches up at no more than CATCH_UP times the rate: what
 * was just handed out takes its time at that rate. That bounds a burst to what the caller takes at once, and no packet
 * of the schedule is left out; lateness tells how bad it was. A sender that is always behind never waits for this.
 *
 * No real-time priority: a spinning thread under SCHED_FIFO runs into the kernel's real-time throttling, which takes
 * 50 ms of each second away.
 */

__extension__ typedef unsigned __int128 nb_uint128;

#define SPIN_DEFAULT_NS INT64_C(100000)
#define SLEEP_SLICE_NS INT64_C(50000000)
#define MANTISSA_BITS 53
#define CATCH_UP 2 /* times the rate */

struct nb_pacer {
	struct nb_pacer_config config;
	int64_t *offsets_ns;  /* Owned. The written schedule, or NULL. */
	nb_uint128 numerator; /* of the time between two packets in ns; 0 without a rate */
	uint64_t denominator;
	int64_t start_ns;
	uint64_t next;
	uint64_t intended; /* due when some were last handed out */
	int64_t not_before_ns; /* while catching up: when the next may be handed out */
	struct nb_histogram lateness;
};

/**
 * set_interval() - The time between two packets as an exact fraction.
 * @pacer: whose fraction is set
 * @rate_pps: NB_PACER_RATE_MIN_PPS..NB_PACER_RATE_MAX_PPS
 *
 * Within these bounds the numerator stays below 2^92, so that a burst of 2^32 still fits 128 bits.
 */
static void set_interval(struct nb_pacer *pacer, double rate_pps)
{
	int exponent;
	uint64_t mantissa = (uint64_t)ldexp(frexp(rate_pps, &exponent), MANTISSA_BITS);
	unsigned int below = (unsigned int)(MANTISSA_BITS - exponent); /* rate = mantissa / 2^below, below >= 23 */

	while (below > 0 && (mantissa & 1) == 0) {
		mantissa >>= 1;
		below--;
	}
	pacer->numerator = (nb_uint128)NB_NS_PER_S << below;
	pacer->denominator = mantissa;
}

static int check_written(const struct nb_pacer_config *config, struct nb_error *error)
{
	int64_t before_ns = 0;

	if (config->rate_pps != 0 || config->burst != 1)
		return nb_fail(error, -EINVAL, "pace by a written schedule and by a rate or bursts as well");
	if (config->packets == 0 || config->packets > NB_PACER_OFFSETS_MOST)
		return nb_fail(error, -EINVAL, "pace by a written schedule of %llu packets: not in 1 to %llu",
			       (unsigned long long)config->packets, (unsigned long long)NB_PACER_OFFSETS_MOST);
	for (uint64_t i = 0; i < config->packets; i++) {
		if (config->offsets_ns[i] < before_ns || config->offsets_ns[i] > NB_PACER_OFFSET_MAX_NS)
			return nb_fail(error, -EINVAL, "pace packet %llu of a written schedule at %lld ns: before %s",
				       (unsigned long long)i, (long long)config->offsets_ns[i],
				       i == 0 ? "its start, or too late" : "the packet that precedes it, or too late");
		before_ns = config->offsets_ns[i];
	}
	return 0;
}

static int copy_written(struct nb_pacer *pacer, const struct nb_pacer_config *config, struct nb_error *error)
{
	pacer->offsets_ns = calloc(config->packets, sizeof(pacer->offsets_ns[0]));
	if (!pacer->offsets_ns)
		return nb_fail(error, -ENOMEM, "allocate a schedule of %llu packets",
			       (unsigned long long)config->packets);
	memcpy(pacer->offsets_ns, config->offsets_ns, config->packets * sizeof(pacer->offsets_ns[0]));
	pacer->config.offsets_ns = pacer->offsets_ns;
	return 0;
}

int nb_pacer_create(struct nb_pacer **pacer, const struct nb_pacer_config *config, struct nb_error *error)
{
	double rate = config->rate_pps;
	struct nb_pacer *created;
	int result;

	/* Written so that a rate that is not a number is refused too. */
	if (rate != 0 && !(rate >= NB_PACER_RATE_MIN_PPS && rate <= NB_PACER_RATE_MAX_PPS))
		return nb_fail(error, -EINVAL, "pace at %g packets per second: neither 0 nor %g to %g", rate,
			       NB_PACER_RATE_MIN_PPS, NB_PACER_RATE_MAX_PPS);
	if (config->burst < 1)
		return nb_fail(error, -EINVAL, "pace bursts of 0 packets");
	if (config->spin_ns < 0)
		return nb_fail(error, -EINVAL, "spin for a negative time");
	result = config->offsets_ns ? check_written(config, error) : 0;
	if (result)
		return result;
	created = calloc(1, sizeof(*created));
	if (!created)
		return nb_fail(error, -ENOMEM, "allocate a pacer");
	created->config = *config;
	result = config->offsets_ns ? copy_written(created, config, error) : 0;
	if (result) {
		free(created);
		return result;
	}
	if (config->spin_ns == 0)
		created->config.spin_ns = SPIN_DEFAULT_NS;
	if (rate != 0)
		set_interval(created, rate);
	nb_histogram_reset(&created->lateness);
	*pacer = created;
	return 0;
}

void nb_pacer_destroy(struct nb_pacer *pacer)
{
	if (!pacer)
		return;
	free(pacer->offsets_ns);
	free(pacer);
}

void nb_pacer_start(struct nb_pacer *pacer, int64_t monotonic_ns)
{
	pacer->start_ns = monotonic_ns;
	pacer->next = 0;
	pacer->intended = 0;
	pacer->not_before_ns = 0;
	nb_histogram_reset(&pacer->lateness);
}

bool nb_pacer_is_timed(const struct nb_pacer *pacer)
{
	return pacer->offsets_ns != NULL || pacer->numerator != 0;
}

/* Past its end a written schedule stands still: nothing is due there. */
static int64_t written_ns(const struct nb_pacer *pacer, uint64_t index)
{
	return pacer->offsets_ns[index < pacer->config.packets ? index : pacer->config.packets - 1];
}

int64_t nb_pacer_even_ns(const struct nb_pacer *pacer, uint64_t index)
{
	nb_uint128 offset;

	if (pacer->offsets_ns)
		return written_ns(pacer, index);
	if (__builtin_mul_overflow(pacer->numerator, (nb_uint128)index, &offset))
		return INT64_MAX;
	offset /= pacer->numerator != 0 ? pacer->denominator : 1;
	return offset > INT64_MAX ? INT64_MAX : (int64_t)offset;
}

int64_t nb_pacer_due(const struct nb_pacer *pacer, uint64_t index)
{
	int64_t offset_ns = nb_pacer_even_ns(pacer, index - index % pacer->config.burst);

	return offset_ns > INT64_MAX - pacer->start_ns ? INT64_MAX : pacer->start_ns + offset_ns;
}

/* How many packets of a written schedule are due by a time since the start: those before the first that is later. */
static uint64_t written_by(const struct nb_pacer *pacer, int64_t since_ns)
{
	uint64_t low = pacer->next, high = pacer->config.packets;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (pacer->offsets_ns[middle] <= since_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/**
 * due_by() - How many packets of the schedule are due by a time: the inverse of nb_pacer_due().
 * @pacer: started, timed
 * @monotonic_ns: the time, not before the start
 *
 * floor(b * n / d) <= t  <=>  b * n < (t + 1) * d: so many bursts b, from 0 up to the ceiling of (t + 1) * d / n.
 * Nothing overflows: t < 2^63, d < 2^53, and n of a burst < 2^124 leaves room for rounding up.
 *
 * Return: the count, at most that of the whole schedule
 */
static uint64_t due_by(const struct nb_pacer *pacer, int64_t monotonic_ns)
{
	uint64_t most = pacer->config.packets == 0 ? UINT64_MAX : pacer->config.packets;
	nb_uint128 between_bursts, bursts, packets;

	if (pacer->offsets_ns)
		return written_by(pacer, monotonic_ns - pacer->start_ns);
	between_bursts = pacer->numerator * pacer->config.burst;
	bursts = ((nb_uint128)(monotonic_ns - pacer->start_ns) + 1) * pacer->denominator;
	packets = (bursts + between_bursts - 1) / between_bursts * pacer->config.burst;
	return packets > most ? most : (uint64_t)packets;
}

uint64_t nb_pacer_next(const struct nb_pacer *pacer)
{
	return pacer->next;
}

uint64_t nb_pacer_intended(const struct nb_pacer *pacer)
{
	return pacer->intended;
}

static bool stopped(const atomic_bool *stop)
{
	return stop != NULL && atomic_load_explicit(stop, memory_order_relaxed);
}

/* Tell the other hyperthread that this one only waits. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Sleep until @wake_ns, or a slice of it: the caller looks at the clock again, so a signal may end it early. */
static void sleep_towards(int64_t now_ns, int64_t wake_ns)
{
	int64_t until_ns = wake_ns - now_ns > SLEEP_SLICE_NS ? now_ns + SLEEP_SLICE_NS : wake_ns;
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / NB_NS_PER_S),
		.tv_nsec = (long)(until_ns % NB_NS_PER_S),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/**
 * reach() - Wait for a time.
 * @pacer: knows how long to spin
 * @due_ns: to be reached
 * @stop: ends the wait
 *
 * Return: the time, @due_ns or later; 0 when stopped
 */
static int64_t reach(const struct nb_pacer *pacer, int64_t due_ns, const atomic_bool *stop)
{
	while (!stopped(stop)) {
		int64_t now_ns = nb_monotonic_ns();

		if (now_ns >= due_ns)
			return now_ns;
		if (due_ns - now_ns > pacer->config.spin_ns)
			sleep_towards(now_ns, due_ns - pacer->config.spin_ns);
		else
			relax();
	}
	return 0;
}

/* When the next packet may be handed out: once it is due, but not too fast while catching up. */
static int64_t next_ns(const struct nb_pacer *pacer)
{
	int64_t due_ns = nb_pacer_due(pacer, pacer->next);

	return due_ns > pacer->not_before_ns ? due_ns : pacer->not_before_ns;
}

/* @packets are handed out at @now_ns: where more than a burst is due beyond them, these take their time first. */
static void limit_catch_up(struct nb_pacer *pacer, uint64_t packets, int64_t now_ns)
{
	nb_uint128 pause_ns;

	if (pacer->intended - pacer->next < pacer->config.burst)
		return;
	pause_ns = pacer->numerator * packets / pacer->denominator / CATCH_UP;
	pacer->not_before_ns = pause_ns > (nb_uint128)(INT64_MAX - now_ns) ? INT64_MAX : now_ns + (int64_t)pause_ns;
}

uint32_t nb_pacer_wait(struct nb_pacer *pacer, uint32_t most, const atomic_bool *stop)
{
	uint64_t packets = pacer->config.packets == 0 ? UINT64_MAX : pacer->config.packets;
	uint64_t due = packets - pacer->next;
	int64_t now_ns = 0;

	if (due == 0 || stopped(stop))
		return 0;
	if (nb_pacer_is_timed(pacer)) {
		now_ns = reach(pacer, next_ns(pacer), stop);
		if (now_ns == 0)
			return 0;
		pacer->intended = due_by(pacer, now_ns);
		due = pacer->intended - pacer->next;
	}
	if (due > most)
		due = most;
	pacer->next += due;
	if (pacer->intended < pacer->next) /* at rate 0 a packet is due when it is taken */
		pacer->intended = pacer->next;
	if (pacer->numerator != 0)
		limit_catch_up(pacer, due, now_ns);
	return (uint32_t)due;
}

void nb_pacer_sent(struct nb_pacer *pacer, uint64_t index, int64_t monotonic_ns)
{
	int64_t late_ns;

	if (!nb_pacer_is_timed(pacer))
		return;
	late_ns = monotonic_ns - nb_pacer_due(pacer, index);
	nb_histogram_record(&pacer->lateness, late_ns > 0 ? (uint64_t)late_ns : 0);
}

const struct nb_histogram *nb_pacer_lateness(const struct nb_pacer *pacer)
{
	return &pacer->lateness;
}
