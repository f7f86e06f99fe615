"""What every number of a report means, in one line each, with the document that defines it. docs/metrics.md has the whole of it."""

from __future__ import annotations

DEFINITIONS: tuple[tuple[str, str, str], ...] = (
    (
        "sent",
        "Datagrams that the sender's own network stack accepted. What it refused is unsent, not lost.",
        "practice of RFC 9097",
    ),
    (
        "lost",
        "Sequences sent less different sequences received, after waiting for stragglers; the receiver that lost most.",
        "RFC 7680",
    ),
    (
        "at 95 %",
        "Upper bound of the loss ratio: 3/N where nothing was lost of N packets, else by Clopper and Pearson. Of several samples "
        "with loss, the worst one's bound. It holds for packets lost one by one; bursts need samples, not packets.",
        "rule of three",
    ),
    ("duplicate", "Copies beyond the first; taken out before loss and order are counted.", "RFC 5560"),
    ("reordered", "Arrived after a later sequence.", "RFC 4737 §3.3"),
    (
        "IAT",
        "Inter-arrival time: receive stamp less the one before it, in the same stream; it holds the sender's lateness, too.",
        "practice of probes",
    ),
    ("jitter", "Smoothed difference of transit times, J += (|D| \u2212 J)/16.", "RFC 3550 §6.4.1"),
    (
        "distortion",
        "For each packet seen at both points: IAT at the probe less IAT at the tap on the wire side. 0 means that a capture "
        "sees what the wire saw.",
        "netbench",
    ),
    (
        "delivery",
        "From the kernel's receive stamp to the application's hands: what a probe sees that takes the time itself.",
        "netbench",
    ),
    (
        "MDI",
        "DF : MLR — buffer that a decoder needs, in ms, and media packets lost per second; a perfect 10 Mb/s stream has 1.05 ms. "
        "It holds the sender's lateness, too: compare with the reference.",
        "RFC 4445",
    ),
    ("error-second", "A second with an IAT above the threshold.", "practice of probes"),
    ("silent", "Nothing of the live feed came, at the tap nor at any probe: nothing can be said.", "netbench"),
    ("sender-limited", "The sender could not keep its rate, so the trial says nothing about the environment.", "RFC 2544"),
    (
        "floor",
        "What this tool adds on this machine, measured over idle loopback; nothing below it is blamed on an environment.",
        "netbench",
    ),
    (
        "p50, p99, p99.9",
        "Nearest-rank percentiles of a trial; over samples the mean of them, the range in the tooltip.",
        "RFC 5481",
    ),
)
