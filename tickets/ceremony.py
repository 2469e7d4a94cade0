"""A keyset on its way to its signatures: from computer to computer, as a file of text.

Pure. The file carries the very bytes that are signed, the signatures so far, and the keyset before
it, so that who signs can be shown what changes. Believed is none of it before `finished`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tickets import cose
from tickets.attacks import StatementRejected
from tickets.bodies import HASH_BYTES, Keyset
from tickets.chain import SERIALS_FROM
from tickets.errors import GateError
from tickets.key_files import SecretKey
from tickets.keyring import Keyring
from tickets.statements import (
    MAX_PAYLOAD,
    Statement,
    digest_of,
    payload_of,
    read_statement,
    read_unsigned,
    wire_of,
)

MAX_FILE = 4 * max(MAX_PAYLOAD.values())
"""Largest request file in bytes."""
_FORMAT = "admit keyset request 1"


class RequestFault(GateError):
    """A request file is damaged, or what it asks for cannot be done."""


@dataclass(frozen=True, slots=True)
class Request:
    """A keyset that waits for signatures."""

    payload: bytes
    """What is signed, see `tickets.statements`."""
    signatures: tuple[bytes, ...] = ()
    """COSE_Sign1 by roots."""
    before: bytes = b""
    """Wire bytes of the keyset before; empty: it is the first."""

    @property
    def statement(self) -> Statement:
        """What is asked for."""
        return read_unsigned(self.payload)

    @property
    def keyset(self) -> Keyset:
        """The body of what is asked for."""
        body = self.statement.body
        if not isinstance(body, Keyset):
            raise RequestFault("the file asks to sign something else than a keyset", _AGAIN)
        return body

    @property
    def fingerprint(self) -> str:
        """16 bytes of the payload's digest in groups: what people read out to each other."""
        hexed = self.statement.digest[: HASH_BYTES // 2].hex()
        return " ".join(hexed[at : at + 4] for at in range(0, len(hexed), 4))


_AGAIN = "Make the request again: admit keys keyset"


def keyset_in(wire: bytes) -> Keyset:
    """Return the keyset that the wire bytes of a statement hold; nothing is verified."""
    body = read_unsigned(cose.split_first(wire, 1)[0].payload).body
    if not isinstance(body, Keyset):
        raise RequestFault("it is no keyset", _AGAIN)
    return body


def prepare(keyset: Keyset, event: str, before: bytes, now: float, life: float) -> Request:
    """Return the unsigned request.

    Args:
        before: Wire bytes of the keyset in force; empty: there is none.
        now, life: Unix seconds, and seconds until it expires.
    """
    serial, previous = 0, b""
    if before:
        serial = read_unsigned(cose.split_first(before, 1)[0].payload).serial
        previous = digest_of(before) or b""
    issued = int(now)
    payload = payload_of(
        keyset,
        event=event,
        serial=max(serial + 1, issued - SERIALS_FROM),
        previous=previous,
        issued=issued,
        expires=issued + int(life),
    )
    return Request(payload, (), before)


def of_wire(wire: bytes, before: bytes = b"") -> Request:
    """Return a published keyset as a request that is signed: the one the next is made after.

    Args:
        before: Wire bytes of the keyset before it; empty: it is the first.

    Raises:
        CoseError: ``wire`` is no statement.
    """
    found, end = [], 1
    while end < len(wire):
        start = end
        envelope, end = cose.split_first(wire, end)
        found.append(wire[start:end])
    return Request(envelope.payload, tuple(found), before)


def signed_by(request: Request, key: SecretKey) -> Request:
    """Return the request with one signature more.

    Raises:
        RequestFault: another event, a key that is no root there, or one that has signed already.
    """
    if key.event != (event := request.statement.event):
        raise RequestFault(f"the key is of event {key.event}, the request of {event}", _AGAIN)
    if key.kid not in roots_asked(request):
        raise RequestFault(
            f"key {key.kid.hex()} is neither a root before nor after", "Sign with a root key"
        )
    if key.kid in signers(request):
        raise RequestFault(f"root {key.kid.hex()} has signed already", "Sign with another root")
    return replace(
        request,
        signatures=(*request.signatures, cose.sign1(key.secret, key.kid, request.payload)),
    )


def roots_asked(request: Request) -> dict[bytes, bytes]:
    """Return every root whose signature may count: those before and those after."""
    before = dict(keyset_in(request.before).roots) if request.before else {}
    return before | dict(request.keyset.roots)


def signers(request: Request) -> set[bytes]:
    """Return the ids of the roots whose signatures hold.

    Raises:
        RequestFault: a signature does not hold, or is over something else.
    """
    asked, found = roots_asked(request), set()
    for signature in request.signatures:
        try:
            envelope = cose.split(signature)
        except cose.CoseError as error:
            raise RequestFault(f"a signature is damaged: {error}", _AGAIN) from error
        kid = envelope.protected[-cose.KID_BYTES :]
        fits = envelope.payload == request.payload and kid in asked
        if not fits or not cose.verifies(envelope, asked[kid]):
            raise RequestFault(f"the signature of {kid.hex()} does not hold", _AGAIN)
        found.add(kid)
    return found


def finished(request: Request, anchor: Keyring | None = None) -> bytes:
    """Return the wire bytes of the statement, once enough have signed.

    Args:
        anchor: The keys in force where that is known; None: those of the keyset before, and of a
            first one its own.
    Raises:
        StatementRejected: not enough have.
    """
    if anchor is None:
        body = keyset_in(request.before) if request.before else request.keyset
        anchor = Keyring({}, 1).with_keyset(body)
    if not request.signatures:
        raise RequestFault("nobody has signed it", "Sign it: admit keys sign FILE --key DIR")
    wire = wire_of(request.signatures)
    read_statement(wire, request.statement.event, anchor)
    return wire


def to_text(request: Request) -> str:
    """Return the file's content."""
    told = {
        "format": _FORMAT,
        "payload": _text(request.payload),
        "before": _text(request.before),
        "signatures": [_text(signature) for signature in request.signatures],
    }
    return json.dumps(told, indent=1) + "\n"


def from_text(data: bytes) -> Request:
    """Return the request of a file.

    Raises:
        RequestFault: damaged, or another kind of file.
    """
    try:
        told = json.loads(data)
        if not isinstance(told, Mapping) or told.get("format") != _FORMAT:
            raise ValueError("it is no request for a keyset")
        signatures = tuple(_bytes(each) for each in told["signatures"])
        request = Request(_bytes(told["payload"]), signatures, _bytes(told["before"]))
        signers(request)
        if request.before:
            _check_before(request)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise RequestFault(f"the request cannot be read: {error}", _AGAIN) from error
    except StatementRejected as error:
        raise RequestFault(f"the request cannot be read: {error.cause}", _AGAIN) from error
    return request


def _check_before(request: Request) -> None:
    """What is shown as the keyset before must be one that its own roots have signed.

    Else whoever carries the file could make up one that holds a key of theirs, and who signs would
    read that this key `stays`. Made up with roots of theirs, it shows those as the ones that leave.
    """
    if digest_of(request.before) != request.statement.previous:
        raise ValueError("the keyset before it is another")
    own = Keyring({}, 1).with_keyset(keyset_in(request.before))
    read_statement(request.before, request.statement.event, own)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("something else than text where bytes belong")
    return base64.b64decode(text, validate=True)
