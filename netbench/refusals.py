"""What the system refused, in words: what failed, why here, what to type next."""

from __future__ import annotations

import errno
import os
from typing import Any

from netbench.protocol import CaptureJob, GroupCapacityJob, Job, MembershipJob

_USAGE_ERRNOS = {errno.ENODEV, errno.ENAMETOOLONG, errno.EADDRNOTAVAIL, errno.EMSGSIZE}
_REMEDIES = {
    errno.EPERM: "run as root, or give the program the capability: sudo setcap cap_net_raw,cap_net_admin+ep PROGRAM "
    "(in a container: --cap-add NET_RAW); or take the backend that needs none: -B socket",
    errno.EACCES: "run as root, or take a port above 1023",
    errno.ENODEV: "list the interfaces here: ip -brief link",
    errno.ENAMETOOLONG: "list the interfaces here: ip -brief link",
    errno.EADDRINUSE: "find who holds it: ss -ulnp; or take another port: -p PORT",
    errno.EADDRNOTAVAIL: "list the addresses here: ip -brief address",
    errno.ENOBUFS: "raise the limit: sysctl -w net.ipv4.igmp_max_memberships=1000",
    errno.ENETUNREACH: "name the interface: -i NAME; or add a route: ip route add 224.0.0.0/4 dev NAME",
    errno.ENOPKG: "pip install zstandard; or decompress it first: zstd -d FILE",
    errno.ENOMEM: "ask for a smaller ring, or raise the memory limit of this place",
}
_FILE_USAGE_ERRNOS = {errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
_CAPTURE_ALONE = (
    "run as root, or give the program the capability: sudo setcap cap_net_raw,cap_net_admin+ep PROGRAM "
    "(in a container: --cap-add NET_RAW)"
)
_GROUP_REMEDIES = {errno.EPERM: _CAPTURE_ALONE}
_FILE_REMEDIES = {
    errno.EPERM: _CAPTURE_ALONE,
    errno.EEXIST: "write to another file (-w), or replace it: --force",
    errno.ENOENT: "make its folder first: mkdir -p FOLDER; or write elsewhere: -w FILE",
    errno.ENOTDIR: "write elsewhere: -w FILE",
    errno.EISDIR: "name a file in it: -w FOLDER/capture.pcapng",
    errno.EACCES: "write to a folder of your own: -w FILE",
    errno.ENOSPC: "free some space, or write elsewhere: -w FILE",
    errno.EROFS: "write elsewhere: -w FILE",
    errno.ENOPKG: "pip install pcapy-ng; or capture without a filter",
}


def refusal(job: Job, error: OSError) -> dict[str, Any]:
    """The data of an `error` event for what stopped a job."""
    number = error.errno or 0
    what = str(error.strerror or error)
    reason = os.strerror(number) if number else ""
    message = what if reason and what.endswith(reason) else f"{what}: {reason}" if reason else what
    remedies, usage = _REMEDIES, _USAGE_ERRNOS
    if isinstance(job, CaptureJob):
        remedies, usage = _REMEDIES | _FILE_REMEDIES, _USAGE_ERRNOS | _FILE_USAGE_ERRNOS
    elif isinstance(job, MembershipJob | GroupCapacityJob):
        remedies = _REMEDIES | _GROUP_REMEDIES
    remedy = remedies.get(number)
    kind = "usage" if number in usage else "cannot_run"
    return {"kind": kind, "message": f"cannot {message}", "remedy": remedy, "errno": number or None}
