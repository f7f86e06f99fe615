"""A guest whose processor is emulated in software: its timing is the emulation's, and no verdict on guests that have a real one."""

from __future__ import annotations

from netbench.result.environment import EnvironmentRecord
from netbench.result.verdict import Remedy

REMEDY = Remedy(
    sentence="Measure where guests run on the processor itself (KVM): a machine with /dev/kvm, or the guest itself.",
    command="netbench run --site ssh:USER@GUEST",
)
HEADLINE = "was timed on an emulated processor, which says nothing of one with KVM"


def is_emulated(record: EnvironmentRecord) -> bool:
    """Whether the probe's place tells so: QEMU without KVM names its processor `QEMU TCG CPU`."""
    machine = record.facts.values.get("machine")
    model = machine.get("cpu_model") if isinstance(machine, dict) else None
    return isinstance(model, str) and "TCG" in model
