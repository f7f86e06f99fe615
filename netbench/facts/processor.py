"""Counters of the whole machine: packets that a CPU's backlog refused, and how CPU time was spent."""

from __future__ import annotations

from netbench.facts.reading import Reading, Unreadable, read_text, whole_lines

SOFTNET_PATH = "/proc/net/softnet_stat"
STAT_PATH = "/proc/stat"
_IDLE_COLUMNS = (3, 4)  # idle, iowait
_STEAL_COLUMN = 7
_COUNTED_COLUMNS = 8  # guest time, behind these, is in user time already


def parse_softnet(text: str) -> Reading:
    """Counters `softnet.dropped` and `softnet.time_squeeze`: hexadecimal columns 2 and 3, a line per CPU, summed.

    Raises:
        Unreadable: a line is cut or holds no numbers.
    """
    dropped = squeezed = 0
    for line in whole_lines(text, SOFTNET_PATH):
        columns = line.split()
        try:
            dropped += int(columns[1], 16)
            squeezed += int(columns[2], 16)
        except (IndexError, ValueError) as error:
            raise Unreadable(f"{SOFTNET_PATH}: the line {line[:40]!r} makes no sense") from error
    return Reading({"softnet.dropped": dropped, "softnet.time_squeeze": squeezed})


def parse_cpu_time(text: str) -> Reading:
    """Counters `cpu.total_ticks`, `cpu.busy_ticks`, `cpu.steal_ticks`, over all CPUs; total = busy + steal + idle + iowait.

    Raises:
        Unreadable: there is no line of all CPUs.
    """
    columns = whole_lines(text, STAT_PATH)[0].split()
    try:
        if columns[0] != "cpu":
            raise ValueError(columns[0])
        ticks = [int(column) for column in columns[1 : 1 + _COUNTED_COLUMNS]]
        idle = sum(ticks[column] for column in _IDLE_COLUMNS)
        steal = ticks[_STEAL_COLUMN]
    except (IndexError, ValueError) as error:
        raise Unreadable(f"{STAT_PATH}: the first line is not that of all CPUs") from error
    total = sum(ticks)
    return Reading({"cpu.total_ticks": total, "cpu.busy_ticks": total - idle - steal, "cpu.steal_ticks": steal})


def read_softnet() -> Reading:
    """Backlogs of all CPUs; for the whole machine, not for this network namespace."""
    return parse_softnet(read_text(SOFTNET_PATH))


def read_cpu_time() -> Reading:
    """CPU time of the whole machine since it started."""
    return parse_cpu_time(read_text(STAT_PATH))
