/* SPDX-License-Identifier: MIT */
/* test_timestamp_caps.c - what an interface says it can stamp. */
#include "loopback_lab.h"

#include <linux/net_tstamp.h>

#include "timestamp_caps.h"

static void loopback_stamps_in_software_only(void **state)
{
	struct nb_timestamp_caps caps;
	struct nb_error error;

	(void)state;
	LAB_REQUIRED();
	assert_int_equal(nb_timestamp_caps_query("lo", &caps, &error), 0);
	assert_true(caps.so_timestamping & SOF_TIMESTAMPING_RX_SOFTWARE);
	assert_true(caps.so_timestamping & SOF_TIMESTAMPING_SOFTWARE);
	assert_false(caps.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE);
	assert_false(caps.so_timestamping & SOF_TIMESTAMPING_RAW_HARDWARE);
	assert_int_equal(caps.phc_index, -1);
	assert_false(caps.configured_known);
}

static void asking_changes_nothing(void **state)
{
	struct nb_timestamp_caps first, second;

	(void)state;
	LAB_REQUIRED();
	assert_int_equal(nb_timestamp_caps_query("lo", &first, NULL), 0);
	assert_int_equal(nb_timestamp_caps_query("lo", &second, NULL), 0);
	assert_memory_equal(&first, &second, sizeof(first));
}

static void no_such_interface(void **state)
{
	struct nb_timestamp_caps caps;
	struct nb_error error;

	(void)state;
	assert_int_equal(nb_timestamp_caps_query("nb-nothing0", &caps, &error), -ENODEV);
	assert_int_equal(error.code, -ENODEV);
	assert_string_equal(error.what, "ask interface nb-nothing0 about its timestamps");
	assert_int_equal(caps.phc_index, -1);
	assert_int_equal(nb_timestamp_caps_query("", &caps, &error), -ENODEV);
}

static void name_longer_than_the_kernel_takes(void **state)
{
	struct nb_timestamp_caps caps;
	struct nb_error error;

	(void)state;
	assert_int_equal(nb_timestamp_caps_query("sixteen-letters!", &caps, &error), -ENAMETOOLONG);
	assert_int_equal(error.code, -ENAMETOOLONG);
	assert_string_equal(error.what, "ask about timestamps of interface sixteen-letters!");
	/* One letter less is taken, and there is no such interface. */
	assert_int_equal(nb_timestamp_caps_query("fifteen-letters", &caps, &error), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_stamps_in_software_only),
		cmocka_unit_test(asking_changes_nothing),
		cmocka_unit_test(no_such_interface),
		cmocka_unit_test(name_longer_than_the_kernel_takes),
	};

	lab_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
