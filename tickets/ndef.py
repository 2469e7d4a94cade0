"""NDEF: the message on an NFC card, and the ticket in it. Strict, bounded, byte-exact.

Own, because the common parser decodes and re-encodes what it reads: it turns `?p=AA&c=BB` into
`?p%3DAA%26c%3DBB`, and a card's checksum over its own link no longer holds.
Source: NFC Forum NDEF 1.0, section 3; RTD Text 1.0; RTD URI 1.0; RTD 1.0, section 2 (types).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

MOST_MESSAGE = 1024
"""Longest message in bytes; NTAG216, the largest ticket tag, holds 868."""
MOST_RECORDS = 8

WELL_KNOWN, MIME, EXTERNAL = 1, 2, 4
_EMPTY, _UNKNOWN = 0, 5
_BEGIN, _END, _CHUNK, _SHORT, _WITH_ID = 0x80, 0x40, 0x20, 0x10, 0x08


@dataclass(frozen=True, slots=True)
class NdefRecord:
    """One record: `tnf` says how `type` is to be read (1 well-known, 2 MIME, 4 external)."""

    tnf: int
    type: bytes
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Garbled:
    """Bytes that are no NDEF message, and why."""

    detail: str


class Form(StrEnum):
    """How a ticket is written on a card, in the order in which they count."""

    EXTERNAL = "external"  # urn:nfc:ext:<domain>:tkt, usually the signed bytes
    MIME = "mime"  # application/vnd.<vendor>.ticket
    URI = "uri"  # in the fragment, or in the parameter t
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class NdefTicket:
    """The ticket's bytes as they stand on the card, nothing decoded."""

    form: Form
    payload: bytes = field(repr=False)


def read_message(data: bytes) -> tuple[NdefRecord, ...] | Garbled:
    """Return the records of a message, or why it is none; never raises.

    Args:
        data: One whole message: nothing may follow its last record.
    """
    if len(data) > MOST_MESSAGE:
        return Garbled(f"longer than {MOST_MESSAGE} bytes")
    records: list[NdefRecord] = []
    rest = memoryview(data)
    while len(records) < MOST_RECORDS:
        read = _record(rest, first=not records)
        if isinstance(read, Garbled):
            return read
        record, size = read
        records.append(record)
        last, rest = bool(rest[0] & _END), rest[size:]
        if last:
            return Garbled("bytes follow the message") if rest else tuple(records)
    return Garbled(f"more than {MOST_RECORDS} records")


def _record(data: memoryview, first: bool) -> tuple[NdefRecord, int] | Garbled:
    """One record and its size in bytes."""
    if len(data) < 3:
        return Garbled("cut short")
    flags = data[0]
    if bool(flags & _BEGIN) is not first:
        return Garbled("the message does not begin where it should")
    if flags & _CHUNK:
        return Garbled("a record in chunks")
    head = 3 if flags & _SHORT else 6
    with_id = bool(flags & _WITH_ID)
    if len(data) < head + with_id:
        return Garbled("cut short")
    payload_size = int.from_bytes(data[2:head], "big")
    id_size = data[head] if with_id else 0
    at = head + with_id
    size = at + data[1] + id_size + payload_size
    if size > len(data):
        return Garbled("cut short")
    tnf, kind = flags & 7, bytes(data[at : at + data[1]])
    payload = bytes(data[size - payload_size : size])
    flaw = _flaw(tnf, kind, payload, id_size)
    return Garbled(flaw) if flaw else (NdefRecord(tnf, kind, payload), size)


def _flaw(tnf: int, kind: bytes, payload: bytes, id_size: int) -> str:
    if tnf > _UNKNOWN:
        return "a record of a reserved kind"
    if tnf == _EMPTY and (kind or payload or id_size):
        return "an empty record that is not empty"
    if tnf == _UNKNOWN and kind:
        return "an unknown record with a type"
    if tnf not in (_EMPTY, _UNKNOWN) and not kind:
        return "a record without a type"
    return ""


def find_ticket(records: Sequence[NdefRecord], text: bool = False) -> NdefTicket | None:
    """Return the one ticket of a message: the first record of the best form that holds one.

    Args:
        text: Whether text records count: a note on a card is easily mistaken for a code.
    """
    for form, reader in _FORMS.items():
        if form is Form.TEXT and not text:
            continue
        for record in records:
            payload = reader(record)
            if payload:
                return NdefTicket(form, payload)
    return None


def uri_of(record: NdefRecord) -> bytes:
    """The URI of a URI record, byte for byte; empty when it is no such record."""
    if (record.tnf, record.type) != (WELL_KNOWN, b"U") or not record.payload:
        return b""
    code = record.payload[0]
    return _PREFIXES[code] + record.payload[1:] if code < len(_PREFIXES) else b""


def text_of(record: NdefRecord) -> bytes:
    """The UTF-8 text of a text record; empty when it is none, or in UTF-16."""
    if (record.tnf, record.type) != (WELL_KNOWN, b"T") or not record.payload:
        return b""
    status = record.payload[0]
    return b"" if status & 0xC0 else record.payload[1 + status :]


def _external(record: NdefRecord) -> bytes:
    found = record.tnf == EXTERNAL and _EXTERNAL_TYPE.fullmatch(record.type.lower())
    return record.payload if found else b""


def _mime(record: NdefRecord) -> bytes:
    found = record.tnf == MIME and _MIME_TYPE.fullmatch(record.type.lower())
    return record.payload if found else b""


def _in_uri(record: NdefRecord) -> bytes:
    address, _, fragment = uri_of(record).partition(b"#")
    if fragment:
        return fragment
    pairs = (pair.partition(b"=") for pair in address.partition(b"?")[2].split(b"&"))
    return next((value for name, _, value in pairs if name == b"t"), b"")


_EXTERNAL_TYPE = re.compile(rb"[a-z0-9-]+(\.[a-z0-9-]+)*:tkt")
_MIME_TYPE = re.compile(rb"application/vnd(\.[a-z0-9-]+)+\.ticket")

_FORMS: dict[Form, Callable[[NdefRecord], bytes]] = {
    Form.EXTERNAL: _external,
    Form.MIME: _mime,
    Form.URI: _in_uri,
    Form.TEXT: text_of,
}

# RTD URI 1.0, table 3: the first byte of the payload stands for one of these.
_PREFIXES = tuple(
    b" http://www. https://www. http:// https:// tel: mailto: ftp://anonymous:anonymous@ "
    b"ftp://ftp. ftps:// sftp:// smb:// nfs:// ftp:// dav:// news: telnet:// imap: rtsp:// urn: "
    b"pop: sip: sips: tftp: btspp:// btl2cap:// btgoep:// tcpobex:// irdaobex:// file:// "
    b"urn:epc:id: urn:epc:tag: urn:epc:pat: urn:epc:raw: urn:epc: urn:nfc:".split(b" ")
)
assert len(_PREFIXES) == 36
