"""Who this gate is to its server: a device key made here, an enrolment, a bearer for a day.

The key is made and saved before the one-time token is used: where the answer is lost, the same
token with the same key gets the same answer again. Source: docs/protocol.md, `enrol` and `token`.
"""

import base64
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nacl.signing import SigningKey
from pydantic import ValidationError

from store.files import replace_durably, sync_directory
from store.heads import Head, head_holds, sign_head
from sync.answers import Bearer, Enrolled
from sync.errors import EnrolmentMissing, IdentityDamaged, WrongEvent
from sync.http import Http

CARD_FILE = "cards.json"
"""What readers of cards need, and no other process: `drivers.nfc_424` reads it."""
_SECONDS = 20.0
_RENEW_BEFORE = 3600.0


@dataclass(frozen=True, slots=True)
class Identity:
    """The enrolled gate. The device key stays in its own file."""

    device: str
    """16 hex digits, given by the server."""
    event: str
    event_key: bytes = field(repr=False)
    """32 bytes: names tickets at rest."""
    card_key: bytes | None = field(default=None, repr=False)
    """16 bytes by which the event's cards prove themselves; it is kept in a file of its own."""


def device_key(directory: Path) -> SigningKey:
    """The device key, made at the first start (`device.key`, mode 0600, durable).

    Raises:
        IdentityDamaged: it cannot be read or written, or is no key.
    """
    path = directory / "device.key"
    try:
        if not path.exists():
            _make_key(path)
        return SigningKey(bytes.fromhex(path.read_text("ascii").strip()))
    except (OSError, ValueError) as error:
        raise IdentityDamaged(f"{path.name}: {error}") from error


def _make_key(path: Path) -> None:
    # Aside first: a power cut must not leave an empty key under the final name.
    aside = path.with_name(".device.key.new")
    aside.unlink(missing_ok=True)
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, SigningKey.generate().encode().hex().encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    os.link(aside, path)  # unlike a rename, refuses to replace a key that is there
    aside.unlink()
    sync_directory(path.parent)


def load_identity(directory: Path) -> Identity | None:
    """The saved enrolment, or None before there is one.

    Raises:
        IdentityDamaged: the file is there but holds something else.
    """
    path = directory / "identity.json"
    try:
        saved = Enrolled.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise IdentityDamaged(f"{path.name}: {error}") from error
    return Identity(saved.device, saved.event, saved.event_key)


def enrol(http: Http, directory: Path, token: str | None, gate: str, event: str) -> Identity:
    """The saved identity, or a new enrolment, saved before it is returned.

    Args:
        token: One-time token of admit.toml.
        gate, event: As in admit.toml.
    Raises:
        EnrolmentMissing: neither identity nor token.
        WrongEvent: the identity is of another event.
        IdentityDamaged, ServerFault: see `sync.errors`.
    """
    identity = load_identity(directory)
    if identity is None:
        if not token:
            raise EnrolmentMissing
        identity = _ask(http, device_key(directory), token, gate)
        if identity.event == event:
            save_identity(directory, identity)
    if identity.event != event:
        raise WrongEvent(event, identity.event)
    return identity


def _ask(http: Http, key: SigningKey, token: str, gate: str) -> Identity:
    public = key.verify_key.encode().hex()
    asked = {"token": token, "public_key": public, "gate": gate, "software": "admit"}
    body = json.dumps(asked).encode()
    said = http.ask(Enrolled, "POST", "/v1/enrol", body=body, seconds=_SECONDS)
    return identity_of(said)


def identity_of(said: Enrolled) -> Identity:
    """The identity that the server's answer gives this gate."""
    return Identity(said.device, said.event, said.event_key, said.card_key)


def save_identity(directory: Path, identity: Identity) -> None:
    """Keep an enrolment for good."""
    saved = {
        "device": identity.device,
        "event": identity.event,
        "event_key": identity.event_key.hex(),
    }
    if identity.card_key is None:  # that of an event before is of no use to anybody but a thief
        (directory / CARD_FILE).unlink(missing_ok=True)
    else:  # first: with the identity there, nobody asks again
        card = json.dumps({"event": identity.event, "card_key": identity.card_key.hex()})
        replace_durably(directory / CARD_FILE, card.encode(), mode=0o640)
    replace_durably(directory / "identity.json", json.dumps(saved).encode(), mode=0o640)


class Bearers:
    """The bearer of the day, renewed an hour before its end or when the server refuses it.

    Args:
        now: Unix seconds as far as this machine knows; the server does not rely on it.
        monotonic: Seconds that never jump.
        random_bytes: For the nonce, which works once.
    """

    def __init__(
        self,
        http: Http,
        identity: Identity,
        key: SigningKey,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._http, self._identity, self._key = http, identity, key
        self._now, self._monotonic, self._random_bytes = now, monotonic, random_bytes
        self._lock = threading.Lock()
        self._bearer = ""
        self._good_until = 0.0

    def get(self, seconds: float) -> str:
        """A bearer, asked for within `seconds` when there is none or it ends soon."""
        with self._lock:
            if not self._bearer or self._monotonic() >= self._good_until:
                self._renew(seconds)
            return self._bearer

    def drop(self, bearer: str) -> None:
        """The server refused this one: the next `get` asks for another."""
        with self._lock:
            if self._bearer == bearer:
                self._bearer = ""

    @property
    def left(self) -> int | None:
        """Seconds, in whole hours, until the bearer at hand is renewed; None: there is none."""
        if not self._bearer:
            return None
        return max(0, int((self._good_until - self._monotonic()) // 3600) * 3600)

    def held(self) -> str | None:
        """The bearer at hand, without asking: a claim has no time for that."""
        with self._lock:
            return self._bearer or None

    def signed_head(self, epoch: bytes, tip: tuple[int, bytes]) -> Head:
        """Where a journal stands, signed by the device key."""
        return sign_head(self._key, self._identity.device, epoch, tip, int(self._now()))

    def signed(self, head: Head) -> bool:
        """Whether this gate has signed ``head``."""
        return head_holds(head, self._identity.device, self._key.verify_key.encode())

    def _renew(self, seconds: float) -> None:
        at, nonce = int(self._now()), self._random_bytes(16).hex()
        text = f"admit-token\n{self._identity.device}\n{at}\n{nonce}"
        signature = base64.b64encode(self._key.sign(text.encode()).signature).decode()
        asked = {"device": self._identity.device, "at": at, "nonce": nonce, "signature": signature}
        body = json.dumps(asked).encode()
        said = self._http.ask(Bearer, "POST", "/v1/token", body=body, seconds=seconds)
        # Counted from here by our own seconds: this machine's idea of the date may be wrong.
        self._good_until = self._monotonic() + 86_400.0 - _RENEW_BEFORE
        self._bearer = said.bearer
