"""What a reader child tells the lane process: one JSON object a message.

Shared by both ends, standard library only. Times are seconds of CLOCK_MONOTONIC, which all
processes of a machine share.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tickets.cards import CardMalformed, CardWord, Proof
from tickets.errors import GateError

MOST_MESSAGE = 64 << 10
MOST_PAYLOAD = 8 << 10
"""Bytes of a payload. A QR code holds 2953 (version 40-L, ISO/IEC 18004), a tag up to 8 KiB."""
MEDIA = frozenset({"qr", "nfc", "wedge"})
"""What a reader reads by; what a steward typed comes another way."""
MOST_COUNTERS = 64
HEARTBEAT_EVERY = 0.5
"""Seconds at most between two messages of a healthy reader."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One reading of a credential. Of several in one frame, the larger comes first.

    ``card``: a card that was asked to prove itself, and how it did; it has no payload. The reader's
    word is taken for it, so it is no part of what a card or a picture can say.
    """

    payload: bytes = field(repr=False)
    medium: str
    size: float
    at: float
    card: CardWord | None = None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The thread that reads is alive. ``state``: ok, starting, no_picture, frozen, black,
    covered, blurred, lost.

    ``counters``: what happened since the child's start, by name: polls, taps, failures by reason.
    """

    at: float
    frames: int
    state: str
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something is wrong. ``lasting``: it holds until `Recovered` of that name."""

    name: str
    cause: str
    remedy: str
    at: float
    lasting: bool


@dataclass(frozen=True, slots=True)
class Recovered:
    """The lasting fault of that name is over."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A word to the guest or the steward that is no fault: ``hold_still``, ``no_ticket``."""

    name: str
    cause: str
    remedy: str
    at: float


Message = Sighting | Heartbeat | Fault | Recovered | Notice


class MessageError(GateError):
    """Bytes from a reader that are no message of ours."""


def encode(message: Message) -> bytes:
    """Write a message, at most 64 KiB; long texts are cut, payloads must be bounded before."""
    match message:
        case Sighting(payload, medium, size, at, card):
            text = base64.b64encode(payload).decode("ascii")
            body = {"kind": "sighting", "payload": text, "medium": medium, "size": size, "at": at}
            body |= {"card": card_to_json(card)} if card else {}
        case Heartbeat(at, frames, state, counters):
            body = {"kind": "heartbeat", "at": at, "frames": frames, "state": state}
            body |= {"counters": dict(counters)} if counters else {}
        case Fault(name, cause, remedy, at, lasting):
            body = {"kind": "fault", "name": name, "cause": cause[:2000], "remedy": remedy[:2000]}
            body |= {"at": at, "lasting": lasting}
        case Notice(name, cause, remedy, at):
            body = {"kind": "notice", "name": name, "cause": cause[:2000], "remedy": remedy[:2000]}
            body |= {"at": at}
        case Recovered(name, at):
            body = {"kind": "recovered", "name": name, "at": at}
    return json.dumps(body).encode("ascii")


def decode(data: bytes) -> Message:
    """Read a message.

    Raises:
        MessageError: no message of a reader; it is then not ours, and is to be ended.
    """
    if len(data) > MOST_MESSAGE:
        raise _strange(f"is longer than {MOST_MESSAGE} bytes")
    try:
        body = json.loads(data)
        if not isinstance(body, dict):
            raise _strange("is no object")
        return _read(body)
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise _strange(f"cannot be read: {type(error).__name__}") from error


def fault_of(error: GateError, at: float, lasting: bool) -> Fault:
    """The message for a named error; its name is the error's class."""
    return Fault(type(error).__name__, error.cause, error.remedy, at, lasting)


def _read(body: Mapping[str, Any]) -> Message:
    kind = body["kind"]
    at = _finite(body["at"])
    if kind == "sighting":
        try:
            payload = base64.b64decode(str(body["payload"]), validate=True)
        except binascii.Error as error:
            raise _strange("has a payload that is not base64") from error
        card = card_from_json(body["card"]) if "card" in body else None
        if card and payload:
            raise _strange("names a card and a code in one")
        if body["medium"] not in MEDIA:
            raise _strange("was read by an unknown medium")
        return Sighting(payload, body["medium"], _finite(body["size"]), at, card)
    if kind == "heartbeat":
        counters = _counters(body.get("counters", {}))
        return Heartbeat(at, int(body["frames"]), _text(body["state"]), counters)
    name = _text(body["name"]) if kind in ("fault", "recovered", "notice") else ""
    if kind == "notice":
        return Notice(name, _text(body["cause"]), _text(body["remedy"]), at)
    if kind == "fault":
        cause, remedy = _text(body["cause"]), _text(body["remedy"])
        return Fault(name, cause, remedy, at, bool(body["lasting"]))
    if kind == "recovered":
        return Recovered(name, at)
    raise _strange("is of an unknown kind")


def card_to_json(card: CardWord) -> dict[str, object]:
    """A reader's word about a card as a JSON object."""
    told = {"uid": card.uid.hex(), "proof": card.proof.value, "detail": card.detail}
    return told | ({} if card.counter is None else {"counter": card.counter})


def card_from_json(told: Any) -> CardWord:
    """Read what `card_to_json` wrote.

    Raises:
        ValueError, LookupError, TypeError: it is no such thing.
    """
    if not isinstance(told, dict):
        raise CardMalformed("no object")
    counter = told.get("counter")
    if counter is not None and type(counter) is not int:
        raise CardMalformed("a counter that is none")
    uid, proof = bytes.fromhex(told["uid"]), Proof(told["proof"])
    return CardWord(uid, proof, counter, _text(told["detail"]))


def _counters(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > MOST_COUNTERS:
        raise _strange("has counters that are none")
    return {_text(name): int(count) for name, count in value.items()}


def _text(value: Any) -> str:
    text = str(value)
    text.encode()  # JSON can spell characters that no journal can store: that raises ValueError
    return text


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):  # it would be in view for ever, or before all others
        raise _strange("has a number without end")
    return number


def _strange(what: str) -> MessageError:
    return MessageError(f"A message of a reader {what}", "The reader is started anew by itself")
