/* SPDX-License-Identifier: MIT */
/* timestamp_caps.c - what an interface says it can stamp; asks, never sets. */
#include "timestamp_caps.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A request about @interface that carries @data. */
static struct ifreq request_for(const char *interface, void *data)
{
	struct ifreq request;

	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, interface, strlen(interface));
	request.ifr_data = data;
	return request;
}

/* What the interface advertises. */
static int query_advertised(int fd, const char *interface, struct nb_timestamp_caps *caps)
{
	struct ethtool_ts_info info = { .cmd = ETHTOOL_GET_TS_INFO };
	struct ifreq request = request_for(interface, &info);

	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		return -errno;
	caps->so_timestamping = info.so_timestamping;
	caps->tx_types = info.tx_types;
	caps->rx_filters = info.rx_filters;
	caps->phc_index = info.phc_index;
	return 0;
}

/* What it is set to now. Many drivers do not answer, which is no error: the setting is then unknown. */
static void query_configured(int fd, const char *interface, struct nb_timestamp_caps *caps)
{
	struct hwtstamp_config config = { 0 };
	struct ifreq request = request_for(interface, &config);

	if (ioctl(fd, SIOCGHWTSTAMP, &request) < 0)
		return;
	caps->configured_known = true;
	caps->configured_tx_type = config.tx_type;
	caps->configured_rx_filter = config.rx_filter;
}

int nb_timestamp_caps_query(const char *interface, struct nb_timestamp_caps *caps, struct nb_error *error)
{
	int fd, code;

	memset(caps, 0, sizeof(*caps));
	caps->phc_index = -1;
	if (interface[0] == '\0')
		return nb_fail(error, -ENODEV, "ask about timestamps of an interface without a name");
	if (strlen(interface) >= IFNAMSIZ)
		return nb_fail(error, -ENAMETOOLONG, "ask about timestamps of interface %.64s", interface);

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return nb_fail(error, -errno, "open a socket to ask about timestamps");
	code = query_advertised(fd, interface, caps);
	if (code == 0)
		query_configured(fd, interface, caps);
	close(fd);
	return code == 0 ? 0 : nb_fail(error, code, "ask interface %s about its timestamps", interface);
}
