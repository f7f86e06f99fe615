"""Which provider's machine this is: what it wrote into the machine's DMI strings."""

from __future__ import annotations

from contextlib import suppress

from netbench.facts.reading import Answer, Unreadable, collect, read_text

_FIELDS = ("sys_vendor", "product_name", "bios_vendor", "bios_version", "board_vendor", "chassis_vendor", "chassis_asset_tag")
_AZURE_TAG = "7783-7084-3265-9085-8269-3286-77"  # of every Azure machine; other Hyper-V guests lack it
# (field, what it holds, in lower case) -> provider; the first that fits.
_SIGNS: tuple[tuple[str, str, str], ...] = (
    ("chassis_asset_tag", _AZURE_TAG, "Azure"),
    ("chassis_asset_tag", "oraclecloud.com", "Oracle Cloud"),
    ("chassis_asset_tag", "ibmcloud", "IBM Cloud"),
    ("sys_vendor", "amazon ec2", "EC2"),
    ("bios_vendor", "amazon ec2", "EC2"),
    ("bios_version", "amazon", "EC2"),  # Xen instances
    ("product_name", "google compute engine", "GCE"),
    ("sys_vendor", "digitalocean", "DigitalOcean"),
    ("sys_vendor", "hetzner", "Hetzner"),
    ("sys_vendor", "alibaba cloud", "Alibaba Cloud"),
    ("sys_vendor", "tencent cloud", "Tencent Cloud"),
    ("sys_vendor", "huawei cloud", "Huawei Cloud"),
    ("sys_vendor", "scaleway", "Scaleway"),
    ("sys_vendor", "vultr", "Vultr"),
    ("sys_vendor", "linode", "Linode"),
    ("sys_vendor", "akamai", "Linode"),
    ("sys_vendor", "upcloud", "UpCloud"),
    ("sys_vendor", "exoscale", "Exoscale"),
    ("product_name", "exoscale", "Exoscale"),
    ("sys_vendor", "ovhcloud", "OVHcloud"),
    ("sys_vendor", "cloudsigma", "CloudSigma"),
    ("product_name", "openstack", "OpenStack"),
    ("sys_vendor", "openstack", "OpenStack"),
    ("chassis_asset_tag", "opentelekomcloud", "OpenStack"),
)


def read() -> Answer:
    """Subject `cloud`."""
    return collect({"cloud": _cloud})


def judge_cloud(dmi: dict[str, str]) -> dict[str, str]:
    """Name of the provider (`none`: no sign of one) and what gave it away.

    Args:
        dmi: field of /sys/class/dmi/id -> its text.
    """
    for field, sign, provider in _SIGNS:
        if sign in dmi.get(field, "").lower():
            return {"provider": provider, "evidence": f"{field} of the machine's DMI strings is {dmi[field]!r}"}
    return {"provider": "none", "evidence": "the machine's DMI strings name no provider"}


def read_dmi(root: str = "/sys") -> dict[str, str]:
    """The machine's DMI strings: field of /sys/class/dmi/id -> its text, of those that can be read.

    Args:
        root: where sysfs is.
    """
    found: dict[str, str] = {}
    for field in _FIELDS:
        with suppress(Unreadable):
            found[field] = read_text(f"{root}/class/dmi/id/{field}").strip()
    return found


def _cloud() -> dict[str, str]:
    dmi = read_dmi()
    if not dmi:
        raise Unreadable("/sys/class/dmi/id: no DMI strings can be read here")
    return judge_cloud(dmi)
