/* SPDX-License-Identifier: MIT */
/* lab_address.h - a second address on the loopback interface, that can come and go, and a network around it. */
#ifndef NB_LAB_ADDRESS_H
#define NB_LAB_ADDRESS_H

#include "loopback_lab.h"

/* The lab's address, and a neighbour's that nobody has: frames may claim to come from there. */
#define LAB_ADDRESS "10.77.0.1"
#define LAB_NEIGHBOUR "10.77.0.2"

static inline int lab_address_request(unsigned long what, const char *value)
{
	struct ifreq request = { .ifr_name = "lo:1" };
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr = { inet_addr(value) } };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result;

	memcpy(&request.ifr_addr, &name, sizeof(name));
	result = ioctl(fd, what, &request);
	close(fd);
	return result;
}

static inline int lab_address_add(void)
{
	const int result = lab_address_request(SIOCSIFADDR, LAB_ADDRESS);

	return result == 0 ? lab_address_request(SIOCSIFNETMASK, "255.255.255.0") : result;
}

static inline int lab_address_remove(void)
{
	return lab_address_request(SIOCSIFADDR, "0.0.0.0");
}

#endif
