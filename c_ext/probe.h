/* SPDX-License-Identifier: MIT */
/* probe.h - the test packet: what a datagram of ours carries, encoded and decoded. */
#ifndef NB_PROBE_H
#define NB_PROBE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Layout, big endian, at the start of the UDP payload; what follows is padding.
 *   0  u32 magic "NBPR"      16 u64 sequence, from 0, per stream
 *   4  u8  version           24 i64 scheduled send time, CLOCK_REALTIME ns
 *   5  u8  flags (0)         32 i64 actual send time, CLOCK_REALTIME ns
 *   6  u16 header length     40 u64 check over bytes 0..39
 *   8  u32 session
 *  12  u32 stream
 */
#define NB_PROBE_MAGIC UINT32_C(0x4e425052)
#define NB_PROBE_VERSION 1
#define NB_PROBE_LENGTH 48

struct nb_probe {
	uint32_t session;  /* one number per run, so that a stray sender is not mistaken for ours */
	uint32_t stream;
	uint64_t sequence;
	int64_t scheduled_ns;
	int64_t sent_ns;
};

/* Return: 0, or -ENOSPC when @size is below NB_PROBE_LENGTH. */
int nb_probe_encode(uint8_t *buffer, size_t size, const struct nb_probe *probe);

/*
 * Return: 0; -ENODATA when it is no probe (short, other magic); -EPROTO for another version; -EBADMSG for a wrong
 * check.
 */
int nb_probe_decode(const uint8_t *buffer, size_t size, struct nb_probe *probe);

#endif
