/* SPDX-License-Identifier: MIT */
/* port_filter.c - a kernel filter (classic BPF) that lets through UDP frames to a range of ports. */
#include "port_filter.h"

#include <assert.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

/* Offsets from the start of an Ethernet frame. */
#define ETHERTYPE 12
#define IP4 14
#define IP4_FRAGMENT (IP4 + 6)
#define IP4_PROTOCOL (IP4 + 9)
#define IP6 14
#define IP6_NEXT_HEADER (IP6 + 6)
#define IP6_PORT (IP6 + 40 + 2)

/* Lines of the program that are jumped to. */
#define LINE_IPV6 9
#define LINE_RANGE 13
#define LINE_REFUSE 16

/* A jump is relative to the next line; @at is the line of the jump itself. */
#define JUMP_TO(line, at) ((uint8_t)((line) - (at) - 1))

void nb_port_filter_build(struct sock_filter *program, uint16_t port_low, uint16_t port_high, uint32_t snapshot_bytes)
{
	const uint32_t high = port_low == 0 && port_high == 0 ? UINT16_MAX : port_high;
	const struct sock_filter lines[] = {
		/* A load past the end of a frame refuses it. */
		/*  0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETHERTYPE),
		/*  1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, JUMP_TO(LINE_IPV6, 1)),
		/*  2 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP4_PROTOCOL),
		/*  3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, JUMP_TO(LINE_REFUSE, 3)),
		/*  4 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, IP4_FRAGMENT),
		/*  5 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, JUMP_TO(LINE_REFUSE, 5), 0),
		/*  6 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, IP4),
		/*  7 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, IP4 + 2),
		/*  8 */ BPF_STMT(BPF_JMP | BPF_JA, JUMP_TO(LINE_RANGE, 8)),
		/*  9 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, JUMP_TO(LINE_REFUSE, 9)),
		/* 10 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP6_NEXT_HEADER),
		/* 11 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, JUMP_TO(LINE_REFUSE, 11)),
		/* 12 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, IP6_PORT),
		/* 13 */ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, port_low, 0, JUMP_TO(LINE_REFUSE, 13)),
		/* 14 */ BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, high, JUMP_TO(LINE_REFUSE, 14), 0),
		/* 15 */ BPF_STMT(BPF_RET | BPF_K, snapshot_bytes),
		/* 16 */ BPF_STMT(BPF_RET | BPF_K, 0),
	};

	static_assert(sizeof(lines) == NB_PORT_FILTER_INSTRUCTIONS * sizeof(lines[0]), "the header tells the length");
	memcpy(program, lines, sizeof(lines));
}
