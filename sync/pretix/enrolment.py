"""Who this gate is at a pretix server: a device, its token, and the gate's own keys.

`pretix.json` (mode 0600) holds the token and the notary's seed: saved before the token is used for
anything. `identity.json` is what scanner reads: number, event key, the notary's public key.
Source: pretix 2026.8, REST API, "Device authentication".
"""

import json
import os
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from store.files import replace_durably
from sync.errors import AnswerMalformed, IdentityDamaged
from sync.http import Http
from sync.pretix import wire
from sync.pretix.api import Pretix, detail
from sync.pretix.errors import (
    HandshakeUnreadable,
    PretixRefused,
    TokenRefused,
    TooManyRequests,
    WrongServer,
)
from sync.pretix.notary import NotaryKeys, new_seed
from tickets.keys import EVENT_KEY_BYTES

HANDSHAKE_VERSION = 1
"""Of set-up codes that this version understands."""
PRETIX_FILE = "pretix.json"
IDENTITY_FILE = "identity.json"
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The enrolled device."""

    url: str
    organizer: str
    device_id: int
    serial: str
    token: str = field(repr=False)
    seed: bytes = field(repr=False)
    event_key: bytes = field(repr=False)
    """32 random bytes of this gate alone: keys the hashes that stand for tickets."""
    event: str
    """The gate's own name for all it admits, as in admit.toml."""
    told: str = ""
    """What the server was last told of this device's hardware and software."""
    rolling: bool = False
    """A new token was asked for, and may have been lost on its way."""
    profile: str = ""
    """Security profile that the organiser gave the device, as the server told last."""

    @property
    def device(self) -> str:
        """16 hex digits that name this gate in its records."""
        return blake2b(self.serial.encode(), digest_size=8, person=b"admit-pretix").hexdigest()

    @property
    def notary(self) -> NotaryKeys:
        """The keys that sign what was downloaded."""
        return NotaryKeys(self.seed)

    def to_json(self) -> str:
        """For `PRETIX_FILE`."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain |= {name: plain[name].hex() for name in ("seed", "event_key")}
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError, TypeError, KeyError: something else."""
        plain = json.loads(text)
        for name in ("seed", "event_key"):
            plain[name] = bytes.fromhex(plain[name])
            if len(plain[name]) != EVENT_KEY_BYTES:
                raise ValueError(f"{name} has another length")
        return cls(**plain)


def read_handshake(text: str | bytes) -> wire.Handshake:
    """The set-up code that a device's page shows.

    Raises:
        HandshakeUnreadable: another code, or one for newer software.
    """
    try:
        found = wire.Handshake.model_validate_json(text)
    except ValidationError as error:
        what = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise HandshakeUnreadable(str(what["msg"])[:120]) from None
    if found.handshake_version > HANDSHAKE_VERSION:
        raise HandshakeUnreadable(f"it is of version {found.handshake_version}, newer than ours")
    return found


def load(directory: Path) -> Enrolment | None:
    """The saved enrolment, or None before there is one.

    Raises:
        IdentityDamaged: the file is there but holds something else.
    """
    try:
        return Enrolment.from_json((directory / PRETIX_FILE).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise IdentityDamaged(f"{PRETIX_FILE}: {type(error).__name__}") from None


def save(directory: Path, enrolment: Enrolment) -> None:
    """Keep an enrolment for good: first what it is worth, then what scanner reads of it."""
    replace_durably(directory / PRETIX_FILE, enrolment.to_json().encode(), mode=0o600)
    public = {
        "device": enrolment.device,
        "event": enrolment.event,
        "event_key": enrolment.event_key.hex(),
        "roots": [enrolment.notary.root.hex()],
        "organizer": enrolment.organizer,
        "profile": enrolment.profile,
    }
    replace_durably(directory / IDENTITY_FILE, json.dumps(public).encode(), mode=0o640)


def initialize(
    http: Http, directory: Path, token: str, event: str, organizer: str | None
) -> Enrolment:
    """Redeem a one-time token; what it gives is saved before it is returned.

    Args:
        event: The gate's own name for what it admits.
        organizer: As in admit.toml; None: whichever the token is of.
    Raises:
        TokenRefused: unknown, used or revoked.
        WrongServer: the token is of another organizer; it is used up.
        ServerFault, OSError: try again; or the disk cannot keep what would come.
    """
    # On a full disk the answer would be lost, and with it the device.
    probe = directory / ".pretix.json.probe"
    replace_durably(probe, bytes(4096), mode=0o600)
    probe.unlink()
    body = json.dumps({"token": token, **about_us()}).encode()
    reply = http.exchange(
        "POST", "/api/v1/device/initialize", body=body, headers={}, seconds=_SECONDS
    )
    if reply.status == 429:
        raise TooManyRequests(http.url, 60.0)
    if reply.status == 400:
        raise TokenRefused(http.url, detail(reply.body))
    if not 200 <= reply.status < 300:
        raise PretixRefused(http.url, "the set-up", reply.status, detail(reply.body))
    try:
        device = wire.Device.model_validate_json(reply.body)
    except ValidationError:
        raise AnswerMalformed(http.url, "the set-up's answer is of another shape") from None
    if organizer is not None and device.organizer != organizer:
        raise WrongServer("organizer", organizer, device.organizer)
    enrolment = Enrolment(
        url=http.url,
        organizer=device.organizer,
        device_id=device.device_id,
        serial=device.unique_serial,
        token=device.api_token,
        seed=new_seed(),
        event_key=os.urandom(EVENT_KEY_BYTES),
        event=event,
        told=json.dumps(about_us()),
        profile=device.security_profile,
    )
    save(directory, enrolment)
    return enrolment


def about_us() -> dict[str, Any]:
    """What pretix shows of this device on its page."""
    return {
        "hardware_brand": "Admit",
        "hardware_model": platform.machine() or "unknown",
        "os_name": platform.system() or "unknown",
        "os_version": platform.release() or "unknown",
        "software_brand": "Admit",
        "software_version": version("admit"),
    }


class Badge:
    """The enrolment in use: its token, told to the server anew where software changed. Thread-safe.

    Args:
        directory: Where it is saved.
    """

    def __init__(self, directory: Path, enrolment: Enrolment) -> None:
        self._directory, self._enrolment = directory, enrolment
        self._lock = threading.Lock()

    @property
    def enrolment(self) -> Enrolment:
        """As it is now."""
        with self._lock:
            return self._enrolment

    def token(self) -> str:
        """The device's token."""
        return self.enrolment.token

    def rolling(self) -> bool:
        """Whether a new token may have been lost."""
        return self.enrolment.rolling

    def tell(self, api: Pretix, about: Callable[[], dict[str, Any]] = about_us) -> None:
        """Tell the server of another version of this software."""
        told = json.dumps(about())
        if told != self.enrolment.told:
            api.post(wire.Device, "/api/v1/device/update", about(), "what this device is")
            self._keep(replace(self.enrolment, told=told))

    def learn(self, profile: str) -> None:
        """The server says what this device may do."""
        if profile != self.enrolment.profile:
            self._keep(replace(self.enrolment, profile=profile))

    def roll(self, api: Pretix) -> None:
        """Exchange the token; the old one dies with the answer.

        That an exchange is under way is on disk before it is asked for: where the answer is lost,
        the next refusal of the old token is told as what it is.
        """
        self._keep(replace(self.enrolment, rolling=True))
        device = api.post(wire.Device, "/api/v1/device/roll", {}, "a new token")
        self._keep(replace(self.enrolment, token=device.api_token, rolling=False))

    def still_good(self) -> None:
        """The token in use was taken by the server: no exchange is open."""
        if self.rolling():
            self._keep(replace(self.enrolment, rolling=False))

    def _keep(self, enrolment: Enrolment) -> None:
        with self._lock:
            save(self._directory, enrolment)
            self._enrolment = enrolment
