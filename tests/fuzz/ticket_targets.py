"""Formats and statements (`tickets/`). Where a signature stands before a parser, we sign."""

import json
from contextlib import suppress

from drivers.messages import card_from_json
from tests.rigs import pretix_codes
from tickets import base45, cbor, ceremony, cose
from tickets.attacks import StatementRejected
from tickets.bodies import Keyset
from tickets.cards import CardMalformed
from tickets.credential import Credential, Format, Rejection
from tickets.csv_rows import MAX_LINE, BadRow, CsvRejected, read_rows
from tickets.keyring import pinned
from tickets.keys import ticket_key
from tickets.names import open_name
from tickets.ndef import Garbled, find_ticket, read_message, text_of, uri_of
from tickets.ntag424 import sun
from tickets.ntag424.ev2 import NoProof
from tickets.ntag424.keys import desk_keys
from tickets.parse import parse, read_opaque
from tickets.pretix_sig1 import InvalidPretixKey, key_from_valid_keys, read_sig1
from tickets.protobuf import ProtobufError, message
from tickets.rows import MalformedRows, inflate, pack, unpack_all
from tickets.sealing import NotSealedForUs, open_sealed
from tickets.statements import keyring_from, read_statement, sign_statement
from tickets.strength import code_bits
from tickets.typed import read_typed

EVENT = "FUZZ"
KEY = bytes(32)


def _seed(number: int) -> bytes:
    return bytes((number,)) * 32


def _public(number: int) -> bytes:
    return cose.public_key_of(_seed(number))


def _kid(number: int) -> bytes:
    return cose.key_id(_public(number))


ROOT, ISSUER, LIST, HOLDER = 1, 2, 3, 4
_SETS = Keyset(
    {_kid(ROOT): _public(ROOT)},
    1,
    {_kid(ISSUER): _public(ISSUER)},
    {_kid(LIST): _public(LIST)},
    pretix=(pretix_codes.KEY,),
)
_PINNED = pinned([_public(ROOT)])
SIGNED_KEYSET = sign_statement(
    _SETS, event=EVENT, serial=1, issued=0, expires=2**32, signers=[(_kid(ROOT), _seed(ROOT))]
)
KEYRING = keyring_from(_PINNED, read_statement(SIGNED_KEYSET, EVENT, _PINNED))
TRUST = KEYRING.trust(EVENT)
_META = desk_keys(bytes(16)).gate.master


def credential(data: bytes) -> None:
    """Whatever is held up: the gate's own way from bytes to the name of a ticket."""
    found = parse(data, TRUST)
    if isinstance(found, Credential):
        assert len(ticket_key(KEY, found)) == 16
        assert found.issuer or found.format is Format.OPAQUE


def ad1_text(data: bytes) -> None:
    """Behind the prefix: Base45 and the envelope. Nothing that we did not sign is a ticket."""
    found = parse(b"AD1:" + data, TRUST)
    assert isinstance(found, Rejection) or found.format is Format.AD1


def ad1_claims(data: bytes) -> None:
    """Claims of a known issuer."""
    found = parse(cose.sign1(_seed(ISSUER), _kid(ISSUER), data), TRUST)
    if isinstance(found, Credential):
        assert len(found.ticket_id) == 16
        assert cbor.encode(cbor.decode(data)) == data


def ad2_text(data: bytes) -> None:
    """Behind the prefix: nothing that no phone of a ticket signed is a ticket."""
    assert isinstance(parse(b"AD2:" + data, TRUST), Rejection)


def ad2_payload(data: bytes) -> None:
    """Signed by the phone that the ticket within, if it is ours, is bound to."""
    signed = cose.sign1_under(_seed(HOLDER), bytes.fromhex("a10127"), data)
    found = parse(b"AD2:" + base45.encode(signed), TRUST)
    assert isinstance(found, Rejection) or (found.drawn_at or 0) > 0


def sealed_name(data: bytes) -> None:
    """A row of the names, from a server that somebody else runs."""
    assert open_name(KEY, Credential(Format.OPAQUE, b"code"), data) is None


def pretix_sig1(data: bytes) -> None:
    """A code of pretix, as it is shown."""
    found = read_sig1(data, TRUST.pretix_keys)
    assert found is None or found.ticket_id == data


def pretix_payload(data: bytes) -> None:
    """Fields that pretix has signed."""
    found = read_sig1(pretix_codes.code(data), TRUST.pretix_keys)
    assert found is None or (found.pretix is not None and found.pretix.item > 0)


def pretix_key(data: bytes) -> None:
    """A value of pretix' API."""
    with suppress(InvalidPretixKey):
        assert len(key_from_valid_keys(data.decode("utf-8", "replace"))) == 32


def protobuf(data: bytes) -> None:
    """The reader of messages by itself, with other fields than pretix has."""
    with suppress(ProtobufError):
        assert all(0 <= n < 2**63 for n in message(data, {1: 2, 2: 0, 9: 0}).values())


def opaque(data: bytes) -> None:
    """A plain code."""
    found = read_opaque(data)
    assert isinstance(found, Rejection) or found.ticket_id == data


def typed(data: bytes) -> None:
    """What a steward types."""
    found = read_typed(data.decode("utf-8", "replace"))
    assert not isinstance(found, Credential) or len(found.ticket_id) == 16


def base45_text(data: bytes) -> None:
    """One text for each bytes, and the reverse."""
    assert base45.decode(base45.encode(data)) == data
    with suppress(base45.Base45Error):
        assert base45.encode(base45.decode(data)) == data


def cose_sign1(data: bytes) -> None:
    """The envelope; a part of it is a part of the bytes."""
    with suppress(cose.CoseError):
        envelope = cose.split(data)
        assert envelope.payload in data
        assert not cose.verifies(envelope, _public(9))


def cbor_value(data: bytes) -> None:
    """One form for each value."""
    with suppress(cbor.CborError):
        assert cbor.encode(cbor.decode(data)) == data


def statement(data: bytes) -> None:
    """As it comes from the network."""
    with suppress(StatementRejected):
        read_statement(data, EVENT, KEYRING)


def statement_payload(data: bytes) -> None:
    """Signed by a root and a list key: the reader of fields and bodies."""
    envelopes = [cose.sign1(_seed(n), _kid(n), data) for n in (ROOT, LIST)]
    with suppress(StatementRejected):
        read_statement(b"\x82" + b"".join(envelopes), EVENT, KEYRING)


def root_request(data: bytes) -> None:
    """A request for a root's signature, on a stick that went from hand to hand."""
    with suppress(ceremony.RequestFault):
        request = ceremony.from_text(data)
        assert ceremony.from_text(ceremony.to_text(request).encode()) == request


def sealed(data: bytes) -> None:
    """Sealed by nobody for this key."""
    with suppress(NotSealedForUs):
        open_sealed(_seed(HOLDER), data)


def code_strength(data: bytes) -> None:
    """How hard a code is to guess."""
    text = data.decode("utf-8", "replace")
    assert 0 <= code_bits(text[: len(text) // 2], text[len(text) // 2 :]) < 8 * 4096


def rows(data: bytes) -> None:
    """Rows of a list; each is what it would be packed to."""
    with suppress(MalformedRows):
        assert b"".join(map(pack, unpack_all(data))) == data


def compressed(data: bytes) -> None:
    """A list's body; never more than was announced."""
    with suppress(MalformedRows):
        assert len(inflate(data, 1 << 16)) <= 1 << 16


def ndef(data: bytes) -> None:
    """A card's message."""
    records = read_message(data)
    if isinstance(records, Garbled):
        return
    for record in records:
        uri_of(record)
        text_of(record)
    found = find_ticket(records, text=True)
    assert found is None or found.payload


def card_message(data: bytes) -> None:
    """A link that a card signs anew at each reading."""
    found = sun.find(data)
    if found is not None:
        with suppress(NoProof):
            sun.read(found, _META, lambda uid: bytes(16))


def csv_rows(data: bytes) -> None:
    """An organiser's file."""
    lines = [line[:MAX_LINE] for line in data.splitlines(keepends=True)]
    with suppress(CsvRejected):
        for row in read_rows(lines):
            assert isinstance(row, BadRow) or len(pack(row.ticket(KEY))) == 30


def card_word(data: bytes) -> None:
    """What a reader's process says of a card."""

    with suppress(ValueError, LookupError, TypeError, RecursionError, CardMalformed):
        found = card_from_json(json.loads(data)).credential()
        assert isinstance(found, Credential | Rejection)


TARGETS = {
    "credential": credential,
    "ad1_text": ad1_text,
    "ad1_claims": ad1_claims,
    "ad2_text": ad2_text,
    "ad2_payload": ad2_payload,
    "sealed_name": sealed_name,
    "pretix_sig1": pretix_sig1,
    "pretix_payload": pretix_payload,
    "pretix_key": pretix_key,
    "protobuf": protobuf,
    "opaque": opaque,
    "typed": typed,
    "base45": base45_text,
    "cose": cose_sign1,
    "cbor": cbor_value,
    "statement": statement,
    "statement_payload": statement_payload,
    "root_request": root_request,
    "sealed": sealed,
    "code_strength": code_strength,
    "rows": rows,
    "compressed": compressed,
    "ndef": ndef,
    "card_message": card_message,
    "card_word": card_word,
    "csv_rows": csv_rows,
}
