/* SPDX-License-Identifier: MIT */
/* test_timestamp_config.c - what an interface is set to stamp: refusals here; a card that accepts is in a guest. */
#include "loopback_lab.h"

#include <linux/net_tstamp.h>

#include "timestamp_config.h"

static void loopback_has_no_setting(void **state)
{
	struct nb_timestamp_config config = { .tx_type = 77, .rx_filter = 77 };
	struct nb_error error;

	(void)state;
	LAB_REQUIRED();
	assert_int_equal(nb_timestamp_config_get("lo", &config, &error), -EOPNOTSUPP);
	assert_string_equal(error.what, "read the timestamp setting of interface lo");
	assert_int_equal(config.rx_filter, 0); /* nothing that could be taken for an answer */
}

static void loopback_refuses_a_setting(void **state)
{
	struct nb_timestamp_config config = { .tx_type = HWTSTAMP_TX_OFF, .rx_filter = HWTSTAMP_FILTER_ALL };
	struct nb_error error;

	(void)state;
	LAB_REQUIRED();
	assert_int_equal(nb_timestamp_config_set("lo", &config, &error), -EOPNOTSUPP);
	assert_string_equal(error.what, "set hardware timestamps of interface lo");
	assert_int_equal(config.rx_filter, HWTSTAMP_FILTER_ALL);
}

static void names_that_cannot_be(void **state)
{
	struct nb_timestamp_config config = { 0 };
	struct nb_error error;

	(void)state;
	assert_int_equal(nb_timestamp_config_get("", &config, &error), -ENODEV);
	assert_int_equal(nb_timestamp_config_get("nb-nothing0", &config, &error), -ENODEV);
	assert_int_equal(nb_timestamp_config_get("sixteen-letters!", &config, &error), -ENAMETOOLONG);
	assert_string_equal(error.what, "read the timestamp setting of interface sixteen-letters!");
	assert_int_equal(nb_timestamp_config_set("sixteen-letters!", &config, &error), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_has_no_setting),
		cmocka_unit_test(loopback_refuses_a_setting),
		cmocka_unit_test(names_that_cannot_be),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
