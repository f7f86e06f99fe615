/* SPDX-License-Identifier: MIT */
/* timestamp_caps.h - what an interface says it can stamp; asks, never sets. */
#ifndef NB_TIMESTAMP_CAPS_H
#define NB_TIMESTAMP_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "status.h"

struct nb_timestamp_caps {
	uint32_t so_timestamping; /* SOF_TIMESTAMPING_* bits (ETHTOOL_GET_TS_INFO) */
	uint32_t tx_types;        /* bits 1 << HWTSTAMP_TX_* */
	uint32_t rx_filters;      /* bits 1 << HWTSTAMP_FILTER_* */
	int32_t phc_index;        /* -1: no clock */
	bool configured_known;    /* SIOCGHWTSTAMP answered */
	int32_t configured_tx_type;
	int32_t configured_rx_filter;
};

/* Return: 0; -ENODEV no such interface; -ENAMETOOLONG; -EOPNOTSUPP the driver does not answer; another -errno. */
int nb_timestamp_caps_query(const char *interface, struct nb_timestamp_caps *caps, struct nb_error *error);

#endif
