"""One row of the journal: what happened at a lane, as it is chained, shown and uploaded."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from hashlib import blake2b
from operator import attrgetter
from typing import Any

import cbor2


class Kind(StrEnum):
    """What a record is about."""

    SCAN = "scan"
    PASSAGE = "passage"
    NO_PASSAGE = "no_passage"
    ABORTED = "aborted"
    INTERRUPTED = "interrupted"
    RESUMED = "resumed"
    FORCED = "forced"
    MODE = "mode"
    OPERATOR = "operator"
    FAULT = "fault"
    CLOCK = "clock"
    EVACUATION = "evacuation"
    FOLDED = "folded"


OUTCOMES = frozenset({Kind.PASSAGE, Kind.NO_PASSAGE, Kind.ABORTED, Kind.INTERRUPTED})
"""Records that close an admission; its presentation id names which."""


@dataclass(frozen=True, slots=True)
class Record:
    """A journal row before it has a number. Absent facts are None; times in seconds."""

    kind: Kind
    presentation: bytes | None = None
    """16 random bytes, one a showing."""
    at: float = 0.0
    """Unix seconds, UTC, as the gate's clock read."""
    uncertainty: float | None = None
    """± seconds; None: unknown."""
    clock_state: str = ""
    boot: bytes = b""
    """16 bytes naming the boot that `monotonic` counts from."""
    monotonic: float = 0.0
    lane: str | None = None
    event: str | None = None
    list: str | None = None
    medium: str | None = None
    format: str | None = None
    ticket_key: bytes | None = None
    counter: int | None = None
    direction: str | None = None
    verdict: str | None = None
    """`admitted` or `refused`; only of a scan."""
    reason: str | None = None
    claim: str | None = None
    """`granted`, `taken`, `unclaimed` or `none`."""
    list_serial: int | None = None
    detail: str = ""


FIELDS = tuple(field.name for field in fields(Record))
"""Column order of the journal and of the hash."""

in_order: Callable[[Record], tuple[Any, ...]] = attrgetter(*FIELDS)
"""The values of a record in the order of `FIELDS`."""

GENESIS = bytes(32)
"""`prev` of the first record."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A numbered, chained record."""

    seq: int
    record: Record
    prev: bytes
    hash: bytes


def chain_hash(seq: int, prev: bytes, record: Record) -> bytes:
    """BLAKE2b-256 over the deterministic CBOR array [seq, prev, each field in order]."""
    return blake2b(cbor2.dumps([seq, prev, *in_order(record)]), digest_size=32).digest()


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Plain JSON of an entry: bytes in hex, the rest as it is, absent fields left out."""
    body = {"seq": entry.seq, "prev": entry.prev.hex(), "hash": entry.hash.hex()}
    for name, value in asdict(entry.record).items():
        if value is not None:
            body[name] = value.hex() if isinstance(value, bytes) else value
    return body


_BYTES = frozenset({"presentation", "boot", "ticket_key"})
_TEXT = frozenset(
    {"clock_state", "lane", "event", "list", "medium", "format"}
    | {"direction", "verdict", "reason", "claim", "detail"}
)
_WHOLE = frozenset({"counter", "list_serial"})
_TIMES = frozenset({"at", "monotonic", "uncertainty"})


class RecordMalformed(ValueError):
    """JSON that is no journal entry."""


def entry_from_json(body: object) -> Entry:
    """Read what `entry_to_json` wrote; untrusted input.

    Raises:
        RecordMalformed: a field is missing, unknown, too long or of another type.
    """
    if not isinstance(body, dict):
        raise RecordMalformed("a record is a JSON object")
    rest = dict(body)
    try:
        seq, prev, digest = rest.pop("seq"), rest.pop("prev"), rest.pop("hash")
        if type(seq) is not int or not 1 <= seq < 2**53:
            raise RecordMalformed("seq: not a positive integer")
        values = {name: _value(name, value) for name, value in rest.items()}
        return Entry(seq, Record(**values), _digest(prev), _digest(digest))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise RecordMalformed(f"record: {error}") from error


def _digest(value: object) -> bytes:
    digest = bytes.fromhex(str(value))
    if len(digest) != 32:
        raise RecordMalformed("hash: not 32 bytes")
    return digest


def _value(name: str, value: object) -> Any:
    if name == "kind":
        return Kind(str(value))
    if name in _BYTES and isinstance(value, str) and len(value) <= 64:
        return bytes.fromhex(value)
    if name in _TEXT and isinstance(value, str) and len(value) <= 4096:
        value.encode()  # a lone surrogate has no hash
        return value
    if name in _WHOLE and type(value) is int and abs(value) < 2**63:
        return value
    if name in _TIMES and type(value) in (int, float) and math.isfinite(value):  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise RecordMalformed(f"{name}: unknown, too long or of another type")
