"""Which interfaces may be set, and what is sent to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netbench.cli.plan_choice import parse_environment
from netbench.environments.base import BuiltEnvironment, Site
from netbench.environments.parent import HOST_PLACE
from netbench.plans.loader import default_plan
from netbench.result.plan import Plan
from netbench.stamp_runner import made_by_us, planned_traffic

WIRE = Site("wire", "wire0", "198.18.77.1", (), "nb-1-host-wire")
PROBE = Site("probe", "eth0", "198.18.77.2", (), "nb-1-host-host")
TAP = replace(PROBE, name="tap")
BUILT = BuiltEnvironment(sender=WIRE, tap=TAP, receivers=(PROBE,), unicast_destination="198.18.77.2")


@pytest.fixture
def plan() -> Plan:
    return default_plan(parse_environment)


def test_what_is_the_users_own_is_not_set() -> None:
    assert made_by_us(BUILT)
    assert made_by_us(replace(BUILT, tap=None))
    assert not made_by_us(replace(BUILT, tap=replace(TAP, place=HOST_PLACE)))  # a macvlan on the user's own parent
    assert not made_by_us(replace(BUILT, receivers=(replace(PROBE, place=HOST_PLACE),)))
    assert not made_by_us(replace(BUILT, foreign_interface=True))


def test_slow_and_fast_go_to_ports_that_reach_the_probe(plan: Plan) -> None:
    traffic = planned_traffic(plan, replace(BUILT, unicast_ports=(30_000, 30_001)), WIRE)
    assert traffic.job.slow is not None
    assert traffic.job.fast is not None
    assert (traffic.job.slow.port, traffic.job.fast.port) == (30_000, 30_001)
    assert [spec.port for spec in traffic.listens] == [30_000, 30_001]
    assert traffic.job.fast_pps == max(profile.packets_per_second for profile in plan.profiles)
    assert traffic.job.fast_packets <= 20_000


def test_one_port_is_for_the_slow_packets(plan: Plan) -> None:
    traffic = planned_traffic(plan, replace(BUILT, unicast_ports=(7000, 7000)), WIRE)
    assert traffic.job.fast is None
    assert traffic.job.fast_packets == 0
    assert traffic.names == (("udp_low_rate", None),)


def test_groups_where_no_address_leads_in(plan: Plan) -> None:
    traffic = planned_traffic(plan, replace(BUILT, unicast_destination=None), WIRE)
    assert [spec.destination for spec in traffic.listens] == ["239.255.79.1", "239.255.79.2"]


def test_nothing_leads_in(plan: Plan) -> None:
    closed = replace(BUILT, unicast_destination=None, multicast_unsupported="no group comes in")
    traffic = planned_traffic(plan, closed, WIRE)
    assert traffic.listens == ()
    assert traffic.job.ptp_packets == 100


def test_no_clock_of_the_users_hears_of_it(plan: Plan) -> None:
    assert planned_traffic(plan, replace(BUILT, foreign_interface=True), WIRE).job.ptp_packets == 0
