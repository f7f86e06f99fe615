/* SPDX-License-Identifier: MIT */
/* timestamp_config.c - what an interface is set to stamp: read it, set it; nothing else. */
#include "timestamp_config.h"

#include <errno.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* One request of the two; @words go before the interface's name in an error. */
static int ask(unsigned long what, const char *words, const char *interface, struct nb_timestamp_config *config,
	       struct nb_error *error)
{
	struct hwtstamp_config setting = { .tx_type = config->tx_type, .rx_filter = config->rx_filter };
	struct ifreq request;
	int fd, code = 0;

	if (interface[0] == '\0')
		return nb_fail(error, -ENODEV, "%s an interface without a name", words);
	if (strlen(interface) >= IFNAMSIZ)
		return nb_fail(error, -ENAMETOOLONG, "%s interface %.64s", words, interface);
	memset(&request, 0, sizeof(request));
	memcpy(request.ifr_name, interface, strlen(interface));
	request.ifr_data = (void *)&setting;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return nb_fail(error, -errno, "open a socket to ask about timestamps");
	if (ioctl(fd, what, &request) < 0)
		code = -errno;
	close(fd);
	if (code < 0)
		return nb_fail(error, code, "%s interface %s", words, interface);
	config->tx_type = setting.tx_type;
	config->rx_filter = setting.rx_filter;
	return 0;
}

int nb_timestamp_config_get(const char *interface, struct nb_timestamp_config *config, struct nb_error *error)
{
	memset(config, 0, sizeof(*config));
	return ask(SIOCGHWTSTAMP, "read the timestamp setting of", interface, config, error);
}

int nb_timestamp_config_set(const char *interface, struct nb_timestamp_config *config, struct nb_error *error)
{
	return ask(SIOCSHWTSTAMP, "set hardware timestamps of", interface, config, error);
}
