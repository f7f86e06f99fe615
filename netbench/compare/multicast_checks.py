"""What a probe needs so that groups get to it, and no others: the firewall, the routes, and the sockets' own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netbench.compare.checks import Check, Judgement, Place, Severity

MEMBERSHIP_S = 260  # RFC 3376 section 8.4: the group membership interval


def _unjoined(place: Place) -> Judgement:
    if place.get("multicast", "unjoined", "off"):
        return Judgement(
            "warn",
            "a socket that joined nothing got a group that another one joined, IP_MULTICAST_ALL = 0 or not",
            "bind the socket to the group's own address",
        )
    if not place.get("multicast", "unjoined", "by_default"):
        return Judgement("ok", "a socket that joined nothing got nothing of a group that another one joined")
    joined = place.get("multicast", "memberships", "here"), place.get("multicast", "memberships", "elsewhere")
    number = sum(count for count in joined if isinstance(count, int))
    return Judgement(
        "info",
        "a socket that joined nothing got a group that another one here joined (tried on loopback; the kernel's default): a probe "
        "on 0.0.0.0 and a port gets the groups of all programs with that port; with IP_MULTICAST_ALL = 0 it did not. "
        f"Groups joined here now: {number}",
        "setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &(int){0}, sizeof(int));   // in the probe; or bind to the group",
    )


def _routes(place: Place) -> Judgement | None:
    routes = place.get("multicast", "routes")
    if not routes:
        return None  # no group was asked for
    elsewhere = [item for item in routes if _out(item) not in (None, place.interface)]
    nowhere = [item for item in routes if _out(item) is None]
    names = ", ".join(str(item["stream"]) for item in (elsewhere or nowhere or routes))
    remedy = f"ip route add 224.0.0.0/4 dev {place.interface}"
    if elsewhere:
        other = _out(elsewhere[0])
        evidence = f"a join of {names} that names no interface goes to {other}, not to {place.interface}"
        return Judgement("warn", evidence, remedy)
    if nowhere:
        reason = nowhere[0]["out"].get("reason")
        return Judgement("warn", f"a join of {names} that names no interface is refused: there is no route ({reason})", remedy)
    return Judgement("ok", f"a join of {names} that names no interface goes to {place.interface}")


def _out(route: Mapping[str, Any]) -> Any:
    return route["out"].get("interface") if isinstance(route.get("out"), dict) else None


def _firewall_group(place: Place) -> Judgement:
    streams = place.get("firewall", "streams")
    if not isinstance(streams, list) or not streams:
        raise ValueError("firewall.streams is no list")
    worst = max(streams, key=lambda item: _FATES.index(item["fate"]))
    hit = [item for item in streams if item["fate"] == worst["fate"]]
    names = ", ".join(str(item["stream"]) for item in hit)
    if worst["fate"] == "accept":
        return _passed(place, f"no rule drops {names}")
    remedies = [remedy for item in hit for remedy in _remedies(item["stops"], _stream_words(str(item["stream"])))]
    return _stopped(place, worst, names, list(dict.fromkeys(remedies)), "what is dropped there never reaches a socket")


def _firewall_igmp(place: Place) -> Judgement:
    asked = {"queries": place.get("firewall", "igmp_query"), "reports": place.get("firewall", "igmp_report")}
    hit = {name: course for name, course in asked.items() if isinstance(course, dict) and course.get("fate") != "accept"}
    if not hit:
        return _passed(place, "no rule drops IGMP queries that come in or reports that go out")
    worst = max(hit.values(), key=lambda course: _FATES.index(course["fate"]))
    remedies = [remedy for course in hit.values() for remedy in _remedies(course["stops"], _IGMP_WORDS)]
    consequence = (
        "no join gets out: switches and routers send nothing"
        if "reports" in hit
        else f"queries go unanswered: switches and routers stop each stream {MEMBERSHIP_S} s after its join"
    )
    return _stopped(place, worst, f"IGMP {' and '.join(hit)}", list(dict.fromkeys(remedies)), consequence)


def _firewall_forward(place: Place) -> Judgement | None:
    course = place.get("firewall", "forwarded")
    if course["fate"] == "accept":
        return _passed(place, "no rule drops groups that are forwarded")
    bridged = place.get("interface", "bridge") is not None and place.get("firewall", "bridge_netfilter")
    streams = place.get("firewall", "streams")
    name = str(streams[0]["stream"]) if isinstance(streams, list) and streams else "any group"
    remedies = _remedies(course["stops"], _stream_words(name))
    if bridged:
        return _stopped(place, course, f"{name} between ports of a bridge", remedies, "containers and guests on it get nothing")
    where = _where(course["stops"])
    return Judgement(
        "info", f"{where} drops what is forwarded: it matters to places behind a bridge of this host", "; ".join(remedies)
    )


_FATES = ("accept", "unclear", "drop")
_IGMP_WORDS = ("ip protocol igmp", "-p igmp")


def _stream_words(stream: str) -> tuple[str, str]:
    """What matches a stream, in the words of nft and of iptables."""
    address, colon, port = stream.rpartition(":")
    if not colon:
        return "ip daddr 224.0.0.0/4 meta l4proto udp", "-d 224.0.0.0/4 -p udp"
    return f"ip daddr {address} udp dport {port}", f"-d {address} -p udp --dport {port}"


def _remedies(stops: list[dict[str, Any]], words: tuple[str, str]) -> list[str]:
    """One rule on top of each base chain that stops the packet: what it accepts, no later rule of that chain sees."""
    typed = []
    for stop in stops:
        if stop["program"] == "nft":
            typed.append(f"nft insert rule {stop['family']} {stop['table']} {stop['base_chain']} {words[0]} accept")
        else:
            table = "" if stop["table"] == "filter" else f" -t {stop['table']}"
            typed.append(f"{stop['program']}{table} -I {stop['base_chain']} {words[1]} -j ACCEPT")
    return list(dict.fromkeys(typed))


def _stopped(place: Place, course: dict[str, Any], what: str, remedies: list[str], consequence: str) -> Judgement:
    where, remedy = _where(course["stops"]), " && ".join(remedies)
    if course["fate"] == "drop":
        return Judgement("fail", f"{where} drops {what}: {consequence}", remedy)
    severity: Severity = "warn" if place.get("interface", "name") else "info"
    return Judgement(severity, f"{where} may drop {what}: the rules before it hold conditions that are not judged here", remedy)


def _where(stops: list[dict[str, Any]]) -> str:
    """The stop that counts, in words: a certain one, else the first."""
    stop = next((stop for stop in stops if stop["certain"]), stops[0])
    rule = f"`{stop['rule']}`" if stop["rule"] else f"rule {stop['handle']}"
    return f"{rule} in {stop['family']} {stop['table']} {stop['chain']} ({stop['program']})"


def _passed(place: Place, evidence: str) -> Judgement:
    unread = place.get("firewall", "unread")
    if unread:
        return Judgement(
            "info", f"{evidence}, as far as they could be read; not read: {'; '.join(map(str, unread))}", "sudo netbench inspect"
        )
    return Judgement("ok", evidence)


MULTICAST_CHECKS: tuple[Check, ...] = (
    Check(
        "firewall_group",
        "Firewall: the groups",
        "no rule or policy drops them on the way in",
        (("firewall", "streams"),),
        _firewall_group,
    ),
    Check(
        "firewall_igmp",
        "Firewall: IGMP",
        "queries get in, reports get out",
        (("firewall", "igmp_query"), ("firewall", "igmp_report")),
        _firewall_igmp,
    ),
    Check(
        "firewall_forward",
        "Firewall: what is forwarded",
        "no rule or policy drops groups on a bridge",
        (("firewall", "forwarded"),),
        _firewall_forward,
    ),
    Check(
        "group_route",
        "Route of the groups",
        "a join without an interface goes to the probe's",
        (("multicast", "routes"), ("interface", "name")),
        _routes,
    ),
    Check(
        "multicast_all",
        "Groups that others joined (IP_MULTICAST_ALL)",
        "a socket gets no group that it did not join",
        (("multicast", "unjoined"),),
        _unjoined,
    ),
)
