"""What a gate at pretix may do by its device's security profile, and what a thief could."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

from cli.findings import Finding, bad, good, warn
from config.models import AdmitConfig
from store.withdrawn import is_withdrawn

WHAT = "pretix"
OFFLINE = {
    "pretixscan": "the whole list: every ticket, its uses at other gates, cancellations",
    "full": "the whole list: every ticket, its uses at other gates, cancellations",
    "pretixscan_online_noorders": "signed codes that were not taken back; no uses elsewhere",
    "pretixscan_online_kiosk": "signed codes that were not taken back; no uses elsewhere",
}
"""Security profile -> what the gate can judge without the server."""
SIGNED_ONLY = frozenset({"pretixscan_online_noorders", "pretixscan_online_kiosk"})
"""Profiles that tell the gate of no order."""
STOLEN = {
    "pretixscan": "reads every order, names too, and checks tickets in and out",
    "full": "reads and changes every order, voucher and gift card",
    "pretixscan_online_noorders": "searches guests by name and checks tickets in and out",
    "pretixscan_online_kiosk": "checks tickets in and out whose code the thief has",
}
"""Security profile -> what somebody does at the server with the token, until it is revoked."""
_ENROL = (
    "Show the set-up code of the device's page in pretix to a camera of the gate, or copy its url "
    "and token into [server]"
)
_ENROL_ANEW = f"If it is to be used again, add a new device in pretix. {_ENROL}"


def findings(config: AdmitConfig, directory: Path) -> Iterator[Finding]:
    """Judge the enrolment that sync keeps in ``directory``."""
    try:
        known = json.loads((directory / "identity.json").read_bytes())
        organizer, profile = str(known["organizer"]), str(known["profile"])
    except FileNotFoundError:
        if is_withdrawn(directory):
            yield bad(WHAT, "pretix has revoked this device; all it held was wiped", _ENROL_ANEW)
            return
        missing = warn if config.server.token else bad
        yield missing(WHAT, "this gate is not enrolled yet", _ENROL)
        return
    except (ValueError, KeyError, TypeError):
        yield bad(WHAT, "identity.json is damaged", "admit pretix forget; then enrol it anew")
        return
    yield good(WHAT, f"a device of {organizer}, profile {profile}")
    yield _offline(config, profile)
    yield _token(directory / "pretix.json", profile)


def _offline(config: AdmitConfig, profile: str) -> Finding:
    known = OFFLINE.get(profile, "what this profile allows is not known")
    if profile in SIGNED_ONLY and config.policy.list_required:
        return bad(
            f"{WHAT}: offline",
            f"{known}; but [policy] list_required refuses what is on no list",
            "Give the device the profile pretixSCAN, or write list_required = false",
        )
    return good(f"{WHAT}: offline", known)


def _token(path: Path, profile: str) -> Finding:
    what, does = f"{WHAT}: token", STOLEN.get(profile, "does what its profile allows")
    try:
        rights = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return warn(what, f"cannot be looked at: {error.strerror}", "Run this as root")
    if rights & 0o077:
        return bad(what, f"others may read it (rights {rights:o})", f"chmod 600 {path}")
    said = f"readable by sync alone; whoever steals it {does}, until you revoke the device"
    if profile == "full":
        return warn(what, said, "Give the device the profile pretixSCAN")
    return good(what, said)
