from __future__ import annotations

import pytest

from netbench.protocol import (
    CaptureJob,
    FactsJob,
    Faults,
    FloorJob,
    GroupCapacityJob,
    Job,
    MembershipJob,
    ReceiveJob,
    SendJob,
    StreamSpec,
    decode_job,
    encode_job,
)

STREAMS = (StreamSpec(1, "239.1.1.1", 5004), StreamSpec(2, "232.1.1.1", 5005, source="10.0.0.1"))


@pytest.mark.parametrize(
    "job",
    [
        SendJob(streams=STREAMS, rate_pps=10.5, packets=7, session=3, faults=Faults(skip_every=2)),
        ReceiveJob(listens=STREAMS, backend="ring", interface="eth0"),
        CaptureJob(interface="eth0", path="/tmp/a.pcap", listens=STREAMS, rotate_bytes=1000, files=2),
        MembershipJob(groups=STREAMS, interface="eth0"),
        GroupCapacityJob(groups=STREAMS, interface="eth0", wait_ns=5),
        FloorJob(),
        FactsJob(interface="eth0"),
    ],
)
def test_a_job_survives_the_wire(job: Job) -> None:
    line = encode_job(job)

    assert "\n" not in line
    assert decode_job(line) == job


@pytest.mark.parametrize("line", ["{}", '{"kind": "dance"}', '{"kind": "send"}', '{"kind": "floor", "colour": 1}', "nonsense"])
def test_no_job(line: str) -> None:
    with pytest.raises(ValueError):
        decode_job(line)
