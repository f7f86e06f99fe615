/* SPDX-License-Identifier: MIT */
/* ts_monitor.c - is one transport stream whole: continuity per PID, TR 101 290 first priority, PCR. */
#include "ts_monitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "delay_factor.h"
#include "mpegts.h"
#include "ts_section.h"

/**
 * DOC: Theory of operation
 *
 * Whoever sends chooses the PIDs, so their memory is bounded: a PID finds its state by one look into an array of bytes, and
 * the first 254 PIDs get one. The state holds the PID's latest packet, for "an exact duplicate" can be told from a counter
 * that stands still only by comparing. Sections of PIDs that carry tables are put together in a few buffers. All memory is
 * taken by create() and touched where it is used.
 *
 * Continuity (ISO/IEC 13818-1 section 2.4.3.3). The counter goes up by one with each packet of its PID that has payload.
 * One exact copy (but for its PCR) of the packet before is legal, and has its counter; discontinuity_indicator excuses
 * whatever counter stands there; packets without payload, null packets, and packets whose transport_error_indicator says that
 * they cannot be believed do not take part. Datagrams are looked at as they arrive: what RTP could sort is an error here.
 *
 * Absence. What should come again (PAT, each PMT, each PID that a PMT names) is an error once when it is overdue, and may be
 * one again after it came. Whether it is overdue is looked at when it comes, and when somebody reads, so the cost per
 * packet does not grow with the number of PIDs. It is due from when it became known: the PAT with the first packet, a PMT
 * with the PAT, a PID with its PMT.
 *
 * While synchronisation is lost nothing else is looked at (TR 101 290: the other indications mean nothing then). A datagram
 * begins with a packet or is none of ours, so there is nothing to search for: sync is taken for granted at the first.
 */
#define SLOTS 254
#define SECTION_BUFFERS 32
#define BAD_SYNCS_LOSE 2
#define GOOD_SYNCS_REGAIN 5
#define RATE_AFTER_TICKS NB_TS_PCR_HZ   /* so much must have been measured before a rate is used */
#define RATE_MOST_TICKS NB_TS_PCR_HZ    /* PCRs that are farther apart measure no rate */
#define SECTION_CRC 4
#define PAT_HEADER 8
#define PMT_HEADER 12

/* Something that must come again before too long. */
struct expectation {
	bool begun;
	bool came;         /* latest_ns is an arrival; else when it became due */
	int64_t latest_ns;
};

struct pid_state {
	uint16_t pid;
	bool seen;
	bool is_pmt;       /* the PAT names it */
	bool referred;     /* a PMT names it: */
	uint16_t owner;    /* the PID of that PMT, of several the last */
	uint8_t version;   /* of its PMT, + 1; 0 none yet */
	uint8_t section;   /* number of its buffer + 1; 0 none */
	struct expectation table;    /* where is_pmt */
	struct expectation presence; /* where referred */

	uint32_t epoch;    /* continuity below holds where this is the monitor's */
	bool known;        /* expected holds */
	bool has_latest;   /* latest holds a packet with payload */
	bool was_copy;     /* which was followed by a copy already */
	uint8_t expected;  /* counter */

	bool has_pcr;
	uint64_t pcr;
	struct expectation clock;

	uint8_t latest[NB_TS_PACKET];
};

struct nb_ts_monitor {
	struct nb_ts_counts counts; /* but for what read() works out */
	bool timed;                 /* now_ns holds */
	int64_t now_ns;

	bool sync_lost;
	uint32_t bad_syncs, good_syncs; /* in a row */
	uint32_t epoch;                 /* of continuity; a loss of sync begins another */

	struct expectation pat;
	uint8_t pat_version; /* + 1; 0 none yet */

	uint32_t rate_pid;   /* + 1; 0 none yet */
	uint64_t rate_from_packets, rate_from_errors; /* counts at the PCR before */
	uint64_t rate_packets, rate_ticks;            /* measured, over PCRs with nothing missing in between */
	struct nb_delay_factor delay_factor;

	uint32_t slots;
	uint32_t buffers;
	uint8_t slot_of[NB_TS_PIDS]; /* + 1; 0 none */
	struct pid_state pids[SLOTS];
	struct nb_ts_section sections[SECTION_BUFFERS];
};

int nb_ts_monitor_create(struct nb_ts_monitor **monitor, struct nb_error *error)
{
	struct nb_ts_monitor *self = calloc(1, sizeof(*self));

	*monitor = self;
	if (!self)
		return nb_fail(error, -ENOMEM, "memory for a monitor of a transport stream");
	nb_delay_factor_init(&self->delay_factor, 0);
	return 0;
}

void nb_ts_monitor_destroy(struct nb_ts_monitor *monitor)
{
	free(monitor);
}

/* --- what must come again ---------------------------------------------------------------------------------------- */

static int64_t since(const struct nb_ts_monitor *monitor, const struct expectation *expectation)
{
	uint64_t elapsed = (uint64_t)monitor->now_ns - (uint64_t)expectation->latest_ns;

	if (monitor->now_ns <= expectation->latest_ns)
		return 0;
	return elapsed > INT64_MAX ? INT64_MAX : (int64_t)elapsed;
}

static bool is_overdue(const struct nb_ts_monitor *monitor, const struct expectation *expectation, int64_t limit_ns)
{
	return expectation->begun && since(monitor, expectation) > limit_ns;
}

static void expect_from_now(const struct nb_ts_monitor *monitor, struct expectation *expectation)
{
	if (expectation->begun || !monitor->timed)
		return;
	*expectation = (struct expectation){ .begun = true, .latest_ns = monitor->now_ns };
}

/* It came. @longest_ns: of the intervals between two arrivals. */
static void note_arrival(const struct nb_ts_monitor *monitor, struct expectation *expectation, int64_t limit_ns,
			 uint64_t *errors, int64_t *longest_ns)
{
	int64_t interval_ns;

	if (!monitor->timed)
		return;
	if (is_overdue(monitor, expectation, limit_ns))
		++*errors;
	interval_ns = expectation->came ? since(monitor, expectation) : 0;
	if (longest_ns && interval_ns > *longest_ns)
		*longest_ns = interval_ns;
	*expectation = (struct expectation){ .begun = true, .came = true, .latest_ns = monitor->now_ns };
}

/* It is expected no longer. */
static void forget(const struct nb_ts_monitor *monitor, struct expectation *expectation, int64_t limit_ns,
		   uint64_t *errors)
{
	if (is_overdue(monitor, expectation, limit_ns))
		++*errors;
	*expectation = (struct expectation){ .begun = false };
}

/* --- PIDs -------------------------------------------------------------------------------------------------------- */

/* The state of @pid, taken where there is none. Return: NULL when there is no more room. */
static struct pid_state *find_pid(struct nb_ts_monitor *monitor, uint16_t pid)
{
	struct pid_state *state;

	if (monitor->slot_of[pid])
		return &monitor->pids[monitor->slot_of[pid] - 1];
	if (monitor->slots == SLOTS)
		return NULL;
	state = &monitor->pids[monitor->slots++];
	monitor->slot_of[pid] = (uint8_t)monitor->slots;
	state->pid = pid;
	return state;
}

/* The buffer for sections of this PID, taken where there is none. Return: NULL when there is no more room. */
static struct nb_ts_section *find_buffer(struct nb_ts_monitor *monitor, struct pid_state *state)
{
	if (!state->section) {
		if (monitor->buffers == SECTION_BUFFERS)
			return NULL;
		state->section = (uint8_t)++monitor->buffers;
	}
	return &monitor->sections[state->section - 1];
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

static uint16_t pid_at(const uint8_t *bytes)
{
	return (uint16_t)((bytes[0] & 0x1f) << 8 | bytes[1]);
}

static void forget_referred(struct nb_ts_monitor *monitor, const struct pid_state *pmt)
{
	for (uint32_t i = 0; i < monitor->slots; i++) {
		struct pid_state *state = &monitor->pids[i];

		if (!state->referred || (pmt && state->owner != pmt->pid))
			continue;
		state->referred = false;
		forget(monitor, &state->presence, NB_TS_PID_ABSENT_NS, &monitor->counts.pid_errors);
	}
}

static void forget_programs(struct nb_ts_monitor *monitor)
{
	for (uint32_t i = 0; i < monitor->slots; i++) {
		struct pid_state *state = &monitor->pids[i];

		state->is_pmt = false;
		state->version = 0;
		forget(monitor, &state->table, NB_TS_PSI_INTERVAL_NS, &monitor->counts.pmt_errors);
	}
	forget_referred(monitor, NULL);
}

static void take_pat(struct nb_ts_monitor *monitor, const uint8_t *bytes, size_t length, uint8_t version)
{
	if (length < PAT_HEADER + SECTION_CRC)
		return;
	note_arrival(monitor, &monitor->pat, NB_TS_PSI_INTERVAL_NS, &monitor->counts.pat_errors,
		     &monitor->counts.pat_interval_max_ns);
	if (monitor->pat_version != version) {
		monitor->pat_version = version;
		forget_programs(monitor);
	}
	for (size_t at = PAT_HEADER; at + 4 <= length - SECTION_CRC; at += 4) {
		struct pid_state *state;

		if (!bytes[at] && !bytes[at + 1]) /* program 0: where the network's table is */
			continue;
		state = find_pid(monitor, pid_at(bytes + at + 2));
		if (!state || state->pid == NB_TS_PID_PAT || !find_buffer(monitor, state))
			continue;
		state->is_pmt = true;
		expect_from_now(monitor, &state->table);
	}
}

static void refer_to(struct nb_ts_monitor *monitor, const struct pid_state *pmt, uint16_t pid)
{
	struct pid_state *state = pid == NB_TS_PID_NULL ? NULL : find_pid(monitor, pid);

	if (!state)
		return;
	state->referred = true;
	state->owner = pmt->pid;
	expect_from_now(monitor, &state->presence);
}

static void take_pmt(struct nb_ts_monitor *monitor, struct pid_state *pmt, const uint8_t *bytes, size_t length,
		     uint8_t version)
{
	size_t at, end = length - SECTION_CRC;

	if (length < PMT_HEADER + SECTION_CRC)
		return;
	note_arrival(monitor, &pmt->table, NB_TS_PSI_INTERVAL_NS, &monitor->counts.pmt_errors,
		     &monitor->counts.pmt_interval_max_ns);
	if (pmt->version != version) {
		pmt->version = version;
		forget_referred(monitor, pmt);
	}
	refer_to(monitor, pmt, pid_at(bytes + 8));
	at = PMT_HEADER + (size_t)((bytes[10] & 0x0f) << 8 | bytes[11]);
	while (at + 5 <= end) {
		refer_to(monitor, pmt, pid_at(bytes + at + 1));
		at += 5 + (size_t)((bytes[at + 3] & 0x0f) << 8 | bytes[at + 4]);
	}
}

static void take_section(struct nb_ts_monitor *monitor, struct pid_state *state, const struct nb_ts_section *section)
{
	const uint8_t *bytes = section->bytes;
	size_t length = section->have;
	bool pat = state->pid == NB_TS_PID_PAT;
	uint8_t version;

	if (bytes[0] != (pat ? NB_TS_TABLE_PAT : NB_TS_TABLE_PMT)) {
		monitor->counts.pat_errors += pat;
		return;
	}
	if (length < PAT_HEADER + SECTION_CRC || nb_ts_crc32(bytes, length)) {
		monitor->counts.crc_errors++;
		return;
	}
	if (!(bytes[5] & 1)) /* becomes valid later */
		return;
	version = (uint8_t)(1 + (bytes[5] >> 1 & 0x1f));
	if (pat)
		take_pat(monitor, bytes, length, version);
	else
		take_pmt(monitor, state, bytes, length, version);
}

static size_t add_to_section(struct nb_ts_monitor *monitor, struct pid_state *state, struct nb_ts_section *section,
			     const uint8_t *bytes, size_t length)
{
	size_t used;

	if (nb_ts_section_add(section, bytes, length, &used))
		take_section(monitor, state, section);
	return used;
}

/* The payload of a packet of a PID that carries a table. */
static void take_table_bytes(struct nb_ts_monitor *monitor, struct pid_state *state, const uint8_t *bytes,
			     size_t length, bool unit_start)
{
	struct nb_ts_section *section = find_buffer(monitor, state);
	size_t at = 1;

	if (!section || !length)
		return;
	if (!unit_start) {
		if (section->active)
			add_to_section(monitor, state, section, bytes, length);
		return;
	}
	if (1 + (size_t)bytes[0] > length) { /* the pointer lies */
		section->active = false;
		return;
	}
	if (section->active) /* what is before the pointer's target ends the section before */
		add_to_section(monitor, state, section, bytes + 1, bytes[0]);
	for (at += bytes[0]; at < length && bytes[at] != NB_TS_TABLE_STUFFING;) {
		section->active = true;
		section->have = 0;
		at += add_to_section(monitor, state, section, bytes + at, length - at);
		if (section->active)
			return;
	}
	section->active = false;
}

static void take_table_packet(struct nb_ts_monitor *monitor, struct pid_state *state, const struct nb_ts_header *header,
			      const uint8_t *packet)
{
	if (header->scrambling) {
		if (state->pid == NB_TS_PID_PAT)
			monitor->counts.pat_errors++;
		else
			monitor->counts.pmt_errors++;
		return;
	}
	take_table_bytes(monitor, state, packet + header->payload_at, NB_TS_PACKET - header->payload_at,
			 header->unit_start);
}

/* --- continuity -------------------------------------------------------------------------------------------------- */

/* All bytes are the same, but for the clock's, which a copy has anew. */
static bool is_copy(const struct pid_state *state, const struct nb_ts_header *header, const uint8_t *packet)
{
	const size_t clock_at = 6, clock_end = 12;

	if (!state->has_latest)
		return false;
	if (!header->has_pcr)
		return !memcmp(state->latest, packet, NB_TS_PACKET);
	return !memcmp(state->latest, packet, clock_at) &&
	       !memcmp(state->latest + clock_end, packet + clock_end, NB_TS_PACKET - clock_end);
}

static void break_section(struct nb_ts_monitor *monitor, const struct pid_state *state)
{
	if (state->section)
		monitor->sections[state->section - 1].active = false;
}

/* Return: is this a packet with a payload that was not there before? */
static bool check_continuity(struct nb_ts_monitor *monitor, struct pid_state *state, const struct nb_ts_header *header,
			     const uint8_t *packet)
{
	struct nb_ts_counts *counts = &monitor->counts;

	if (state->epoch != monitor->epoch) {
		state->epoch = monitor->epoch;
		state->known = false;
		state->has_latest = false;
		break_section(monitor, state);
	}
	if (!header->has_payload) {
		if (header->discontinuity) {
			state->known = true;
			state->has_latest = false;
			state->expected = (header->continuity + 1) & 0x0f;
			break_section(monitor, state);
		}
		return false;
	}
	if (state->known && header->continuity != state->expected) {
		if (is_copy(state, header, packet)) {
			counts->duplicates++;
			counts->cc_errors += state->was_copy; /* one is legal */
			state->was_copy = true;
			return false;
		}
		if (!header->discontinuity) {
			counts->cc_errors++;
			counts->ts_lost_estimate += (header->continuity - state->expected) & 0x0f;
		}
		break_section(monitor, state);
	}
	state->known = true;
	state->has_latest = true;
	state->was_copy = false;
	state->expected = (header->continuity + 1) & 0x0f;
	memcpy(state->latest, packet, NB_TS_PACKET);
	return true;
}

/* --- the clock --------------------------------------------------------------------------------------------------- */

static double rate_of(const struct nb_ts_monitor *monitor)
{
	if (!monitor->rate_ticks)
		return 0;
	return (double)monitor->rate_packets * NB_TS_PACKET * 8 * (double)NB_TS_PCR_HZ / (double)monitor->rate_ticks;
}

static void measure_rate(struct nb_ts_monitor *monitor, uint64_t ticks, bool unbroken)
{
	const struct nb_ts_counts *counts = &monitor->counts;
	uint64_t errors = counts->cc_errors + counts->transport_errors + counts->sync_byte_errors;

	if (unbroken && ticks && ticks <= RATE_MOST_TICKS && errors == monitor->rate_from_errors) {
		monitor->rate_packets += counts->packets - monitor->rate_from_packets;
		monitor->rate_ticks += ticks;
	}
	monitor->rate_from_packets = counts->packets;
	monitor->rate_from_errors = errors;
	if (!monitor->counts.media_rate_bps && monitor->rate_ticks >= RATE_AFTER_TICKS) {
		monitor->counts.media_rate_bps = rate_of(monitor);
		nb_delay_factor_init(&monitor->delay_factor, monitor->counts.media_rate_bps);
	}
}

static void take_clock(struct nb_ts_monitor *monitor, struct pid_state *state, const struct nb_ts_header *header)
{
	uint64_t ticks = (header->pcr + NB_TS_PCR_WRAP - state->pcr) % NB_TS_PCR_WRAP;

	monitor->counts.pcrs++;
	if (header->discontinuity) /* another clock begins */
		state->clock = (struct expectation){ .begun = false };
	note_arrival(monitor, &state->clock, NB_TS_PCR_INTERVAL_NS, &monitor->counts.pcr_interval_errors,
		     &monitor->counts.pcr_interval_max_ns);
	if (!monitor->rate_pid)
		monitor->rate_pid = state->pid + 1u;
	if (monitor->rate_pid == state->pid + 1u)
		measure_rate(monitor, ticks, state->has_pcr && !header->discontinuity);
	state->has_pcr = true;
	state->pcr = header->pcr;
}

/* --- packets ----------------------------------------------------------------------------------------------------- */

/* Return: can this packet be looked at? */
static bool check_sync(struct nb_ts_monitor *monitor, uint8_t byte)
{
	if (byte == NB_TS_SYNC) {
		monitor->bad_syncs = 0;
		if (monitor->sync_lost && ++monitor->good_syncs == GOOD_SYNCS_REGAIN)
			monitor->sync_lost = false;
		return !monitor->sync_lost;
	}
	monitor->good_syncs = 0;
	if (monitor->sync_lost)
		return false;
	monitor->counts.sync_byte_errors++;
	if (++monitor->bad_syncs == BAD_SYNCS_LOSE) {
		monitor->sync_lost = true;
		monitor->counts.sync_losses++;
		monitor->epoch++;
	}
	return false;
}

static void take_packet(struct nb_ts_monitor *monitor, const uint8_t *packet)
{
	struct nb_ts_header header;
	struct pid_state *state;

	monitor->counts.packets++;
	if (!check_sync(monitor, packet[0]))
		return;
	nb_ts_parse(packet, &header);
	if (header.transport_error) {
		monitor->counts.transport_errors++;
		return;
	}
	if (header.pid == NB_TS_PID_NULL) {
		monitor->counts.null_packets++;
		return;
	}
	state = find_pid(monitor, header.pid);
	if (!state) {
		monitor->counts.untracked_packets++;
		return;
	}
	state->seen = true;
	if (state->referred)
		note_arrival(monitor, &state->presence, NB_TS_PID_ABSENT_NS, &monitor->counts.pid_errors, NULL);
	if (check_continuity(monitor, state, &header, packet) && (state->pid == NB_TS_PID_PAT || state->is_pmt))
		take_table_packet(monitor, state, &header, packet);
	if (header.has_pcr)
		take_clock(monitor, state, &header);
}

void nb_ts_monitor_datagram(struct nb_ts_monitor *monitor, const uint8_t *packets, uint32_t count, int64_t received_ns,
			    bool timed)
{
	if (timed) {
		monitor->timed = true;
		monitor->now_ns = received_ns;
		expect_from_now(monitor, &monitor->pat);
		nb_delay_factor_packet(&monitor->delay_factor, received_ns, count * NB_TS_PACKET);
	}
	for (uint32_t i = 0; i < count; i++)
		take_packet(monitor, packets + (size_t)i * NB_TS_PACKET);
}

void nb_ts_monitor_read(const struct nb_ts_monitor *monitor, struct nb_ts_counts *counts)
{
	*counts = monitor->counts;
	counts->pat_errors += is_overdue(monitor, &monitor->pat, NB_TS_PSI_INTERVAL_NS);
	for (uint32_t i = 0; i < monitor->slots; i++) {
		const struct pid_state *state = &monitor->pids[i];

		counts->pids += state->seen;
		counts->programs += state->is_pmt;
		counts->pmt_errors += is_overdue(monitor, &state->table, NB_TS_PSI_INTERVAL_NS);
		counts->pid_errors += is_overdue(monitor, &state->presence, NB_TS_PID_ABSENT_NS);
	}
	counts->mux_rate_bps = rate_of(monitor);
	counts->delay_factor_max_ns = monitor->delay_factor.max_ns;
}
