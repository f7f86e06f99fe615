/* SPDX-License-Identifier: MIT */
/* port_filter.h - a kernel filter (classic BPF) that lets through UDP frames to a range of ports. */
#ifndef NB_PORT_FILTER_H
#define NB_PORT_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

#define NB_PORT_FILTER_INSTRUCTIONS 17

/**
 * nb_port_filter_build() - Write the program.
 * @program: NB_PORT_FILTER_INSTRUCTIONS long
 * @port_low: first UDP destination port
 * @port_high: last one; 0 with a @port_low of 0: all ports
 * @snapshot_bytes: bytes kept of a frame that passes
 *
 * Passes are Ethernet frames with UDP directly over IPv4 or IPv6. The kernel has taken a VLAN tag out of the frame
 * before the filter sees it. Later fragments carry no ports, and are refused.
 */
void nb_port_filter_build(struct sock_filter *program, uint16_t port_low, uint16_t port_high, uint32_t snapshot_bytes);

#endif
