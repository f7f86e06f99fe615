"""H4: do received packets get a hardware timestamp? By what the probe's interface advertises, and by what packets carried.

Advertising is the first rung of a ladder (docs/metrics.md); "delivered on all packets" is what a probe needs. This never fails an
environment by itself: a probe that stamps in software can be trusted without. But where the reference has hardware stamps and the
environment takes them away, that is a difference that a reader must see, and the overall verdict is a warning.
"""

from __future__ import annotations

from netbench.compare.answer import Answer, not_measured, percent
from netbench.compare.comparison import usable
from netbench.result.records import EnvironmentRecord
from netbench.result.run import Run
from netbench.result.verdict import Cause, Hypothesis, Remedy

_ALL_PACKETS = "HWTSTAMP_FILTER_ALL"
_NO_FILTER = "HWTSTAMP_FILTER_NONE"


def judge_stamps(run: Run, record: EnvironmentRecord) -> Answer:
    """Pass: every packet carried one. Warn: advertised for all packets, but not shown to be delivered. Fail: neither."""
    stamped, received = _delivered(run, record.label)
    interface = record.interface or "the probe's interface"
    numbers: dict[str, float | int | None] = {"hardware_packets": stamped, "received_packets": received}
    if stamped and stamped == received:
        return Answer(Hypothesis(verdict="pass", sentence=f"All {received:,} packets carried a hardware stamp.", numbers=numbers))
    if stamped:
        sentence = f"{stamped:,} of {received:,} packets ({percent(stamped / received)}) carried a hardware stamp: some is not all."
        return _failed(sentence, numbers, interface)
    if record.hardware_stamps is None:
        return not_measured(f"{interface} was not asked what it can stamp.")
    if not advertised(record):
        return _failed(f"{interface} does not advertise hardware stamps for received packets.", numbers, interface)
    filters = [name for name in record.hardware_stamps.get("rx_filters") or [] if name != _NO_FILTER]
    if _ALL_PACKETS not in filters:
        sentence = f"{interface} stamps only some packets in hardware: {', '.join(filters) or 'no filter is named'}."
        return _failed(sentence, numbers, interface)
    look = Remedy(
        sentence="Advertised is not delivered: see what the driver says, and count stamped packets.",
        command=f"ethtool -T {interface}",
    )
    sentence = f"{interface} advertises hardware stamps for all packets; this run did not ask for them, so none is proven."
    return Answer(Hypothesis(verdict="warn", sentence=sentence, numbers=numbers), "", [], [look])


def advertised(record: EnvironmentRecord | None) -> bool:
    """The probe's interface says that it stamps received packets in hardware."""
    return record is not None and bool((record.hardware_stamps or {}).get("hardware_receive"))


def _failed(sentence: str, numbers: dict[str, float | int | None], interface: str) -> Answer:
    return Answer(
        Hypothesis(verdict="fail", sentence=sentence, numbers=numbers),
        "has no hardware stamps",
        [Cause(layer=None, sentence=f"{sentence} A probe that depends on them cannot be trusted here.")],
        [
            Remedy(
                sentence="Where hardware stamps are needed, give the probe a passed-through card or an SR-IOV function.",
                command=f"ethtool -T {interface}",
            )
        ],
    )


def _delivered(run: Run, label: str) -> tuple[int, int]:
    """Packets with a hardware stamp, and all."""
    stamps = [trial.timestamps for trial in usable(run.trials_of(label)) if trial.timestamps is not None]
    hardware = sum(item.hardware_packets for item in stamps)
    return hardware, hardware + sum(item.kernel_packets + item.user_packets for item in stamps)
