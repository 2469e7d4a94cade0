"""What goes back and forth on a stick besides statements: signed by the gate, or the organiser.

A file of records is a line with the base64 of an Ed25519 signature by the device key over
`admit-records`, a line feed and the rest of the file; the rest is the body of `POST /v1/records`.
What the server answers is a COSE_Sign1 by a list key over JSON; a statement's payload is CBOR, so
none can pass for the other.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from store.heads import Head, head_from_json, head_to_json
from store.stick import StickFault
from tickets import cose

MOST_FILE = 1 << 22
"""Largest file of records or of answers in bytes."""
_CONTEXT = b"admit-records\n"


class RecordsTorn(StickFault):
    """A file of records is not as the gate signed it."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is cut short, changed, or not of the gate it names",
            "Put the stick into its gate again until all is written, then import once more",
        )


class NotTheOrganisers(StickFault):
    """A file that no list key of the organiser has signed for this use."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not signed by the organiser",
            "Ask where the stick has been; make it again at the server: admit central stick DIR",
        )


def signed_records(key: SigningKey, head: Head, records: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a file of journal entries as JSON, with the journal's head, signed by the device."""
    told = {"epoch": head.epoch.hex(), "head": head_to_json(head), "records": list(records)}
    body = json.dumps(told).encode()
    signature = key.sign(_CONTEXT + body).signature
    return base64.b64encode(signature) + b"\n" + body


def read_records(name: str, data: bytes, public_key: bytes) -> dict[str, Any]:
    """Return the body of a file of records.

    Raises:
        RecordsTorn: not as the device with this key signed it.
    """
    line, _, body = data.partition(b"\n")
    try:
        VerifyKey(public_key).verify(_CONTEXT + body, base64.b64decode(line, validate=True))
        found = json.loads(body)
        if head_from_json(found["head"]).epoch.hex() != found["epoch"]:
            raise ValueError("a head of another journal")
        if not all(type(record["seq"]) is int for record in found["records"]):
            raise ValueError("a record without a number")
    except (CryptoError, binascii.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordsTorn(name) from error
    return dict(found)


def signed_json(kind: str, said: Mapping[str, object], kid: bytes, seed: bytes) -> bytes:
    """Return a file of the organiser's, signed by a list key; ``kind`` says what it is for."""
    return cose.sign1(seed, kid, json.dumps({"admit": kind, **said}).encode())


def read_signed(
    kind: str, name: str, data: bytes, event: str, list_keys: Mapping[bytes, bytes]
) -> dict[str, Any]:
    """Return what the organiser signed as ``kind`` for ``event``.

    Args:
        list_keys: Key id -> public key, of those that count.
    Raises:
        NotTheOrganisers: not signed by one of them, or something else.
    """
    try:
        envelope = cose.split(data)
        kid = envelope.protected[-cose.KID_BYTES :]
        if envelope.protected != cose.protected_header(kid):
            raise ValueError("another header")
        if not cose.verifies(envelope, list_keys[kid]):
            raise ValueError("the signature does not hold")
        said = json.loads(envelope.payload)
        if (said["admit"], said["event"]) != (kind, event):
            raise ValueError("of another kind or event")
    except (cose.CoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotTheOrganisers(name) from error
    return dict(said)
