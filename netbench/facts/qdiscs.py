"""Drops of the queueing disciplines."""

from __future__ import annotations

import json

from netbench.facts.reading import Reading, Unreadable

TC_COMMAND = ("tc", "-json", "-statistics", "qdisc", "show")


def parse_qdiscs(text: str) -> Reading:
    """Counters `qdisc.<if>.<kind>.<handle>.drops` from `tc -json -statistics qdisc show`.

    Children of one multi-queue device share the handle `0:`; their drops are summed. A parent with classes (mq, htb, prio) counts
    what its children dropped once more.

    Raises:
        Unreadable: it is no list of qdiscs.
    """
    try:
        qdiscs = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"the output of tc is no JSON: {error}") from error
    if not isinstance(qdiscs, list):
        raise Unreadable("the output of tc is no list of qdiscs")
    values: dict[str, int] = {}
    for qdisc in qdiscs:
        if not isinstance(qdisc, dict) or not isinstance(qdisc.get("drops"), int):
            continue
        key = f"qdisc.{qdisc.get('dev', '?')}.{qdisc.get('kind', '?')}.{qdisc.get('handle', '?')}.drops"
        values[key] = values.get(key, 0) + qdisc["drops"]
    return Reading(values)
