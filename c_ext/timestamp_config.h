/* SPDX-License-Identifier: MIT */
/* timestamp_config.h - what an interface is set to stamp: read it, set it; nothing else. */
#ifndef NB_TIMESTAMP_CONFIG_H
#define NB_TIMESTAMP_CONFIG_H

#include <stdint.h>

#include "status.h"

struct nb_timestamp_config {
	int32_t tx_type;   /* HWTSTAMP_TX_* */
	int32_t rx_filter; /* HWTSTAMP_FILTER_* */
};

/**
 * nb_timestamp_config_get() - SIOCGHWTSTAMP: changes nothing, needs no privilege.
 * @interface: its name
 * @config: filled
 * @error: what failed
 *
 * Return: 0; -ENODEV no such interface; -ENAMETOOLONG; -EOPNOTSUPP the driver does not tell; another -errno
 */
int nb_timestamp_config_get(const char *interface, struct nb_timestamp_config *config, struct nb_error *error);

/**
 * nb_timestamp_config_set() - SIOCSHWTSTAMP: holds for the interface, not for this process; who sets puts back.
 * @interface: its name
 * @config: what is wanted; overwritten by what the driver says it does instead
 * @error: what failed
 *
 * Return: 0; -EPERM without CAP_NET_ADMIN; -ERANGE the driver has no such mode; -EOPNOTSUPP it has none at all, or passes the
 * request on (macvlan) and may not from this network namespace; as nb_timestamp_config_get() otherwise
 */
int nb_timestamp_config_set(const char *interface, struct nb_timestamp_config *config, struct nb_error *error);

#endif
