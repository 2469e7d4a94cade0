"""An event without a network: the server's side of a stick, what goes to the gates.

Written are the answers that `GET /v1/statements`, `/v1/lists`, `/v1/redemptions`, `/v1/conflicts`
and `POST /v1/enrol` and `/v1/records` would give, by the functions that give them. What comes back
is in `central.stick_records`. Source: docs/adr/0012.
"""

import base64
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from nacl.exceptions import CryptoError
from nacl.public import PublicKey, SealedBox
from nacl.signing import VerifyKey
from sqlalchemy import select

from central.bodies import Body
from central.enrolment import enrol, new_token
from central.errors import CentralFault, ProtocolError
from central.event import Central
from central.feeds import conflicts_after, redemptions_after
from central.lists import body_of, pieces, refresh
from central.schema import device, journal, parked, record
from central.statements import statements_after
from central.tokens import Caller
from store.stick import Held, Index, Stick, StickFault, StickMissing, StickTorn
from store.stick_records import signed_json
from tickets import cbor, cose
from tickets.bodies import Type

MOST_REQUEST = 4096
"""Largest request of a gate in bytes."""
_DEVICE = re.compile("[0-9a-f]{16}")
_DEPTH = 12


@dataclass(slots=True)
class Written:
    """What is on the stick now."""

    statements: int = 0
    enrolled: list[str] = field(default_factory=list)
    """Gates whose key was sealed for them this time."""
    waiting: dict[str, str] = field(default_factory=dict)
    """Device -> name of gates that ask to be enrolled and were not named."""


def write_stick(central: Central, directory: Path, enrolling: Collection[str] = ()) -> Written:
    """Put on a mounted stick all that its gates need; what was read from it before stays in force.

    Args:
        enrolling: Devices (16 hex digits, as their gates show them) that get the event key, each
            sealed so that it alone can open it.
    Raises:
        CentralFault: one of them has not asked on this stick, or is withdrawn.
        StickFault: the stick cannot be written.
    """
    stick = Stick(directory)
    stick.prepare()
    before = _index_before(stick, central.event)
    requests = read_requests(stick)
    if missing := sorted(set(enrolling) - requests.keys()):
        raise CentralFault(
            f"no gate {missing[0][:40]} asks on this stick",
            "Put the stick into the gate once; compare the number with the one the gate shows",
        )
    refresh(central)
    files, done = _statements(central, stick), Written()
    done.statements = len(files)
    files |= _lists(central, stick)
    files |= {name: before.files[name] for name in before.within("enrolments")}
    for name in sorted(set(enrolling)):
        files |= _enrolment(central, stick, name, requests[name])
        done.enrolled.append(requests[name]["gate"])
    files |= _answers(central, stick)
    stick.write_index(central.event, files, central.now())
    known = _known(central)
    asking = {name: asked["gate"] for name, asked in requests.items()}
    done.waiting = {name: gate for name, gate in asking.items() if name not in known}
    return done


def _index_before(stick: Stick, event: str) -> Index:
    """What an earlier run has written; nothing, where the stick is new or torn."""
    try:
        index = stick.index()
        for name in index.within("enrolments"):
            stick.checked(index, name, MOST_REQUEST)
    except (StickMissing, StickTorn):
        return Index(event, 0, {})
    if index.event != event:
        raise CentralFault(
            f"the stick is of event {index.event[:40]!r}, this server serves {event!r}",
            "Use another stick, or remove its folder 'admit' once its records are imported",
        )
    return index


def _statements(central: Central, stick: Stick) -> dict[str, Held]:
    files: dict[str, Held] = {}
    for said in _all_statements(central):
        wire = base64.b64decode(said["wire"])
        name = f"statements/{said['cursor']:012d}-{said['type']}"
        files[name] = stick.write(name, wire)
    return files


def _all_statements(central: Central) -> Iterator[dict[str, Any]]:
    after = 0
    while (page := statements_after(central, after))["statements"]:
        yield from page["statements"]  # type: ignore[misc]
        after = page["next"]  # type: ignore[assignment]


def _lists(central: Central, stick: Stick) -> dict[str, Held]:
    files: dict[str, Held] = {}
    for said in _all_statements(central):
        if said["type"] in (Type.LIST.value, Type.NAMES.value):
            digest = _hash_of(base64.b64decode(said["wire"]))
            files |= {f"lists/{digest.hex()}.gz": _body(central, stick, digest)}
    return files


def _hash_of(wire: bytes) -> bytes:
    envelope, _ = cose.split_first(wire, 1)
    fields = cbor.decode(envelope.payload, _DEPTH)
    assert isinstance(fields, Mapping)
    return bytes(fields["body"]["hash"])


def _body(central: Central, stick: Stick, digest: bytes) -> Held:
    try:
        number, _ = body_of(central, digest)
        return stick.write_pieces(f"lists/{digest.hex()}.gz", pieces(central, number))
    except ProtocolError as error:  # published anew meanwhile
        raise CentralFault(error.cause, "Make the stick once more") from error


# Gates that ask


def read_requests(stick: Stick) -> dict[str, dict[str, str]]:
    """Gates that ask on this stick, by device; requests that are none are passed over.

    The device's name is made of the key here: nobody can ask for it under another's number.
    """
    found = {}
    for path in stick.names("requests"):
        try:
            asked = json.loads(stick.read(path, MOST_REQUEST))
            gate, public_key = str(asked["gate"]), str(asked["public_key"])
            name = device_name(bytes.fromhex(public_key))
            sealed_for(public_key)
        except (StickFault, ValueError, KeyError, TypeError, RecursionError, CryptoError):
            continue
        # It goes to an organiser's terminal, and nobody has signed it.
        if not gate.isprintable():
            continue
        found[name] = {"gate": gate, "public_key": public_key, "software": "admit"}
    return found


def sealed_for(public_key: str) -> "SealedBox[PublicKey]":
    """A box that only the device with this key (hex) can open.

    Raises:
        ValueError, CryptoError: no gate can have this key.
    """
    return SealedBox(VerifyKey(bytes.fromhex(public_key)).to_curve25519_public_key())


def device_name(public_key: bytes) -> str:
    """The 16 hex digits that name a device, as `central.enrolment` makes them."""
    return blake2b(public_key, digest_size=8).hexdigest()


def _enrolment(
    central: Central, stick: Stick, name: str, asked: Mapping[str, str]
) -> dict[str, Held]:
    """Enrol a gate as over the network; the answer is sealed to its key and signed by ours."""
    token = new_token(central, asked["gate"])
    try:
        answer = enrol(central, Body({**asked, "token": token}))
    except ProtocolError as error:
        raise CentralFault(error.cause, error.remedy) from error
    sealed = sealed_for(asked["public_key"]).encrypt(json.dumps(answer).encode())
    said = {"event": central.event, "device": name, "sealed": base64.b64encode(sealed).decode()}
    path = f"enrolments/{name}"
    return {path: stick.write(path, signed_json("enrolment", said, *central.signer))}


def _known(central: Central) -> set[str]:
    with central.database.reading() as connection:
        return set(connection.execute(select(device.c.device)).scalars())


# What became of records, and what happened at other gates


def _answers(central: Central, stick: Stick) -> dict[str, Held]:
    files: dict[str, Held] = {}
    with central.database.reading() as connection:
        rows = connection.execute(select(device.c.device, device.c.gate)).all()
    for row in rows:
        said = _answer(central, Caller(row.device, row.gate))
        if said["journals"]:
            path = f"answers/{row.device}"
            files[path] = stick.write(path, signed_json("answers", said, *central.signer))
    after = 0
    while (page := redemptions_after(central, after))["redemptions"]:
        # A page says behind which it comes: one that was taken off the stick is missed.
        said = {"event": central.event, "after": after, **page}
        after = page["next"]  # type: ignore[assignment]
        path = f"answers/redemptions-{after:012d}"
        files[path] = stick.write(path, signed_json("redemptions", said, *central.signer))
    return files


def _answer(central: Central, caller: Caller) -> dict[str, Any]:
    """What this gate's records came to: by epoch, up to where all are here, and which are parked.

    Conflicts are those of `GET /v1/conflicts`, with the cursor to ask on from.
    """
    with central.database.reading() as connection:
        mine = select(journal.c.epoch).where(journal.c.device == caller.device)
        epochs = [bytes(epoch) for epoch in connection.execute(mine).scalars()]
        journals = {}
        for epoch in epochs:
            kept = [
                select(table.c.seq).where(table.c.device == caller.device, table.c.epoch == epoch)
                for table in (record, parked)
            ]
            both = kept[0].union(kept[1]).order_by("seq")
            up_to = 0
            for seq in connection.execute(both).scalars():
                if seq != up_to + 1:
                    break
                up_to = seq
            reasons = select(parked.c.seq, parked.c.reason).where(
                parked.c.device == caller.device, parked.c.epoch == epoch, parked.c.seq <= up_to
            )
            told = [{"seq": row.seq, "reason": row.reason} for row in connection.execute(reasons)]
            journals[epoch.hex()] = {"up_to": up_to, "parked": told[:500]}
    said = {"event": central.event, "device": caller.device, "journals": journals}
    return said | {"conflicts": _conflicts(central, caller)}


def _conflicts(central: Central, caller: Caller) -> dict[str, Any]:
    found: list[dict[str, Any]] = []
    page, after = conflicts_after(central, caller, 0), 0
    while page["next"] != after:  # a page may be full of other gates' conflicts
        found += page["conflicts"]  # type: ignore[arg-type]
        after = page["next"]  # type: ignore[assignment]
        page = conflicts_after(central, caller, after)
    return {"conflicts": found, "next": after}
