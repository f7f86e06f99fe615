"""The kernel's drop reasons: their numbers from what a real kernel printed, and why there are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from netbench.facts import drop_reasons
from netbench.facts.drop_reasons import DropReasons, online_cpus, reasons_of_format
from netbench.facts.reading import Unreadable

FORMAT = (Path(__file__).parent.parent / "platform" / "recorded" / "tracing-kfree_skb-format.txt").read_text(encoding="utf-8")


def test_numbers_of_a_kernel_6_18() -> None:
    reasons = reasons_of_format(FORMAT)

    assert [reasons[name] for name in ("NOT_SPECIFIED", "SOCKET_RCVBUFF", "NETFILTER_DROP", "CPU_BACKLOG")] == [2, 6, 12, 71]
    assert set(drop_reasons.REASONS) <= set(reasons)


def test_numbers_may_be_hexadecimal_and_names_of_other_fields_are_none() -> None:
    text = '__print_symbolic(REC->protocol, { 8, "IPV4" }), __print_symbolic(REC->reason, { 0x2, "NO_SOCKET" }, {3,"XDP"})'

    assert reasons_of_format(text) == {"NO_SOCKET": 2, "XDP": 3}


@pytest.mark.parametrize("text", ["", FORMAT.partition("__print_symbolic")[0], "__print_symbolic(REC->reason"])
def test_a_kernel_without_reasons_is_told(text: str) -> None:
    with pytest.raises(Unreadable, match="gives no reasons"):
        reasons_of_format(text)


def test_cpus() -> None:
    assert online_cpus("0-3,6\n") == [0, 1, 2, 3, 6]
    assert online_cpus("0\n") == [0]


@pytest.mark.parametrize("text", ["", "x", "0-", "0-1-2"])
def test_no_list_of_cpus(text: str) -> None:
    with pytest.raises(Unreadable, match="no list of CPUs"):
        online_cpus(text)


def test_where_tracefs_is_not_there_the_reason_says_what_to_type(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drop_reasons, "TRACING_DIRECTORIES", (str(tmp_path),))

    with pytest.raises(Unreadable, match="mount -t tracefs"):
        DropReasons()
