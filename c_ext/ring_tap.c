/* SPDX-License-Identifier: MIT */
/* ring_tap.c - the packet socket of a capture ring: opened missing nothing, shut with nothing in flight. */
#include "ring_tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_ether.h> /* after net/if.h */

#include "port_filter.h"

/*
 * Theory of operation
 *
 * Open: a packet socket of protocol 0 receives nothing. So the ring, the filter and the stamps are set up first, and
 * bind() turns everything on at once: no frame of before the filter, none counted that the ring did not take.
 *
 * Shut: a filter that refuses everything takes the place of the other one; then the socket is bound to another EtherType. That
 * unhooks it from the interface, and the kernel waits for frames in flight on other CPUs, which may still have met the old
 * filter, before bind() returns (synchronize_net).
 */

#define DEFAULT_BLOCK_BYTES (UINT32_C(1) << 20)
#define DEFAULT_BLOCKS 64
#define DEFAULT_SNAPSHOT_BYTES 256
#define DEFAULT_RETIRE_MS 10
/* Closing the books waits for it; kernels keep it in 16 bits, and take 65536 for none. */
#define MOST_RETIRE_MS 1000
/* Ethernet, the longest IPv4 header, UDP: with less, no port would be found. */
#define LEAST_SNAPSHOT_BYTES 96
/* Only a measure for the kernel's checks; in version 3 frames take what they need. */
#define FRAME_BYTES 2048
/* IEEE 802 local experimental EtherType 1. */
#define SHUT_ETHERTYPE 0x88b5

static int set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int check_config(const struct nb_ring_capture_config *config, struct nb_error *error)
{
	const uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	if (config->interface_index == 0 || config->interface_index > INT_MAX)
		return nb_fail(error, -EINVAL, "capture on no interface");
	if (config->port_low > config->port_high)
		return nb_fail(error, -EINVAL, "capture UDP ports %u to %u", config->port_low, config->port_high);
	if (config->filter_instructions != 0 && (config->port_low != 0 || config->port_high != 0))
		return nb_fail(error, -EINVAL, "filter by ports and by a program at once");
	if (config->block_bytes % page != 0 || (config->block_bytes & (config->block_bytes - 1)) != 0)
		return nb_fail(error, -EINVAL, "use ring blocks of %u bytes (a power of two, at least %u)",
			       config->block_bytes, page);
	if (config->snapshot_bytes != 0 && config->snapshot_bytes < LEAST_SNAPSHOT_BYTES)
		return nb_fail(error, -EINVAL, "keep %u bytes of a frame (at least %u)", config->snapshot_bytes,
			       LEAST_SNAPSHOT_BYTES);
	if (config->retire_ms > MOST_RETIRE_MS)
		return nb_fail(error, -EINVAL, "hand over ring blocks each %u ms (at most %u)", config->retire_ms,
			       MOST_RETIRE_MS);
	return 0;
}

/* Frames without an Ethernet header (tun, PPP) cannot be read here. */
static int check_interface(int fd, uint32_t index, struct nb_error *error)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	if (if_indextoname(index, request.ifr_name) == NULL)
		return nb_fail(error, -ENODEV, "find interface %u", index);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return nb_fail(error, -errno, "ask interface %s for its type", request.ifr_name);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER && request.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK)
		return nb_fail(error, -EOPNOTSUPP, "capture on %s, which carries no Ethernet frames", request.ifr_name);
	return 0;
}

static int attach_program(int fd, const struct sock_filter *lines, uint16_t count, struct nb_error *error)
{
	const struct sock_fprog program = { .len = count, .filter = (struct sock_filter *)lines };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return nb_fail(error, -errno, "attach a packet filter of %u instructions", count);
	return 0;
}

static int attach_filter(int fd, const struct nb_ring_capture_config *config, struct nb_error *error)
{
	const uint32_t snapshot = config->snapshot_bytes != 0 ? config->snapshot_bytes : DEFAULT_SNAPSHOT_BYTES;
	struct sock_filter lines[NB_PORT_FILTER_INSTRUCTIONS];

	if (config->filter_instructions != 0)
		return attach_program(fd, config->filter, config->filter_instructions, error);
	nb_port_filter_build(lines, config->port_low, config->port_high, snapshot);
	return attach_program(fd, lines, NB_PORT_FILTER_INSTRUCTIONS, error);
}

static int ask_for_stamps(int fd, bool hardware, struct nb_error *error)
{
	int enable = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	int prefer = SOF_TIMESTAMPING_SOFTWARE;
	int code;

	if (hardware) {
		enable |= SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
		prefer |= SOF_TIMESTAMPING_RAW_HARDWARE;
	}
	/* A packet socket alone does not make the kernel stamp frames on arrival: it would do so later, in the tap. */
	code = set_option(fd, SOL_SOCKET, SO_TIMESTAMPING, enable);
	if (code == 0)
		code = set_option(fd, SOL_PACKET, PACKET_TIMESTAMP, prefer);
	return code == 0 ? 0 : nb_fail(error, code, "ask for receive timestamps in the ring");
}

static int map_ring(struct nb_ring_tap *tap, struct nb_error *error)
{
	const struct tpacket_req3 request = {
		.tp_block_size = tap->block_bytes,
		.tp_block_nr = tap->blocks,
		.tp_frame_size = FRAME_BYTES,
		.tp_frame_nr = tap->block_bytes / FRAME_BYTES * tap->blocks,
		.tp_retire_blk_tov = tap->retire_ms,
	};
	void *ring;

	tap->ring_bytes = (size_t)tap->block_bytes * tap->blocks;
	if (setsockopt(tap->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) < 0)
		return nb_fail(error, -errno, "get %zu KiB of kernel memory for a capture ring (%u blocks of %u KiB)",
			       tap->ring_bytes / 1024, tap->blocks, tap->block_bytes / 1024);
	ring = mmap(NULL, tap->ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, tap->fd, 0);
	if (ring == MAP_FAILED)
		return nb_fail(error, -errno, "map a capture ring of %zu KiB", tap->ring_bytes / 1024);
	tap->ring = ring;
	return 0;
}

static int bind_to(const struct nb_ring_tap *tap, uint16_t ethertype)
{
	const struct sockaddr_ll name = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ethertype),
		.sll_ifindex = (int)tap->interface_index,
	};

	return bind(tap->fd, (const struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
}

/* The error that the interface left on the socket (ENETDOWN), which is cleared by reading it. */
static int pending_error(int fd)
{
	int pending = 0;
	socklen_t length = sizeof(pending);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length) < 0 ? -errno : -pending;
}

static int start_socket(struct nb_ring_tap *tap, const struct nb_ring_capture_config *config, struct nb_error *error)
{
	int code = set_option(tap->fd, SOL_PACKET, PACKET_VERSION, TPACKET_V3);

	if (code < 0)
		return nb_fail(error, code, "ask for a version 3 capture ring");
	code = check_interface(tap->fd, config->interface_index, error);
	if (code == 0)
		code = attach_filter(tap->fd, config, error);
	if (code == 0)
		code = ask_for_stamps(tap->fd, config->hardware_stamps, error);
	if (code < 0)
		return code;
	if (config->incoming_only) {
		code = set_option(tap->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
		if (code < 0)
			return nb_fail(error, code, "leave outgoing frames out of a capture");
	}
	code = map_ring(tap, error);
	if (code < 0)
		return code;
	code = bind_to(tap, ETH_P_ALL);
	if (code == 0)
		code = pending_error(tap->fd);
	return code == 0 ? 0 : nb_fail(error, code, "start the capture on interface %u", config->interface_index);
}

int nb_ring_tap_open(struct nb_ring_tap *tap, const struct nb_ring_capture_config *config, struct nb_error *error)
{
	int code;

	memset(tap, 0, sizeof(*tap));
	tap->fd = -1;
	code = check_config(config, error);
	if (code < 0)
		return code;
	tap->interface_index = config->interface_index;
	tap->block_bytes = config->block_bytes != 0 ? config->block_bytes : DEFAULT_BLOCK_BYTES;
	tap->blocks = config->blocks != 0 ? config->blocks : DEFAULT_BLOCKS;
	tap->retire_ms = config->retire_ms != 0 ? config->retire_ms : DEFAULT_RETIRE_MS;
	tap->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (tap->fd < 0)
		return nb_fail(error, -errno, "open a packet socket");
	return start_socket(tap, config, error);
}

void nb_ring_tap_close(struct nb_ring_tap *tap)
{
	if (tap->ring != NULL)
		munmap(tap->ring, tap->ring_bytes);
	if (tap->fd >= 0)
		close(tap->fd);
	tap->ring = NULL;
	tap->fd = -1;
}

int nb_ring_tap_shut(const struct nb_ring_tap *tap, struct nb_error *error)
{
	const struct sock_filter refuse = BPF_STMT(BPF_RET | BPF_K, 0);
	int code = attach_program(tap->fd, &refuse, 1, error);

	if (code < 0)
		return code;
	code = bind_to(tap, SHUT_ETHERTYPE);
	/* An interface that is gone has been unhooked already. */
	if (code < 0 && code != -ENODEV)
		return nb_fail(error, code, "end the capture on interface %u", tap->interface_index);
	return 0;
}

int nb_ring_tap_wait(const struct nb_ring_tap *tap, int sleep_ms, struct nb_error *error)
{
	struct pollfd ready = { .fd = tap->fd, .events = POLLIN };
	int code;

	if (poll(&ready, 1, sleep_ms) < 0 && errno != EINTR)
		return nb_fail(error, -errno, "wait for a block of the capture ring");
	if ((ready.revents & POLLERR) == 0)
		return 0;
	code = pending_error(tap->fd);
	return code == 0 ? 0 : nb_fail(error, code, "go on capturing on interface %u", tap->interface_index);
}

int nb_ring_tap_statistics(const struct nb_ring_tap *tap, struct tpacket_stats_v3 *statistics, struct nb_error *error)
{
	socklen_t length = sizeof(*statistics);

	memset(statistics, 0, sizeof(*statistics));
	if (getsockopt(tap->fd, SOL_PACKET, PACKET_STATISTICS, statistics, &length) < 0)
		return nb_fail(error, -errno, "read the statistics of the capture ring");
	return 0;
}
