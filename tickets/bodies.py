"""What the statements of an organiser say: one frozen class per type, read to an exact schema.

On the wire a body is a CBOR map with text keys, the field names of its class. Source:
docs/protocol.md, "Statements".
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from tickets.cbor import is_plain
from tickets.cose import KEY_BYTES, KID_BYTES, key_id
from tickets.keys import TICKET_KEY_BYTES
from tickets.names import NAME_ROW_BYTES
from tickets.rows import ROW_BYTES, MalformedRows, Ticket, unpack_all
from tickets.trust import MAX_PRETIX_KEYS

HASH_BYTES = 32
"""Length of a BLAKE2b-256 hash."""
MAX_SERIAL = 2**63 - 1
"""Largest serial: what an SQLite integer holds."""
MAX_KEYS = 256
"""Most keys of one role in a keyset, and most revoked ones."""
MAX_ROWS = 50_000_000
"""Most rows of a list: 1.5 GB, five times the largest we plan for."""
MAX_MILLISECONDS = 1000 * (2**32 - 1)
"""Latest server time: the year 2106, where list rows end too."""
NONCE_BYTES = 16
"""Length of the nonce a signed time answers."""


class BodyMalformed(ValueError):
    """A body does not have the schema of its type."""


class Type(StrEnum):
    """The types of statement."""

    KEYSET = "keyset"
    POLICY = "policy"
    LIST = "list"
    DELTA = "delta"
    NAMES = "names"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Keyset:
    """Whose signatures count from now on; each map is key id (8 bytes) -> 32-byte public key."""

    roots: Mapping[bytes, bytes]
    """The roots the organiser signs with from now on; at least one. See `tickets.keyring`."""
    threshold: int
    """How many of them must sign the next keyset."""
    issuers: Mapping[bytes, bytes]
    """Sign tickets."""
    lists: Mapping[bytes, bytes]
    """Sign policy, list, delta and time."""
    revoked: tuple[bytes, ...] = ()
    """Key ids of any role that count no more."""
    pretix: tuple[bytes, ...] = ()
    """32-byte keys of the event's pretix, whose signed codes are tickets. Not on the wire if none:
    gates that know nothing of them read such a keyset."""


@dataclass(frozen=True, slots=True)
class ListHead:
    """A full list, fetched apart by its hash."""

    rows: int
    size: int
    """Bytes of the uncompressed rows."""
    hash: bytes
    """BLAKE2b-256 of the uncompressed rows."""


@dataclass(frozen=True, slots=True)
class NamesHead:
    """Names of guests, each sealed under its ticket's code (`tickets.names`); fetched as a list."""

    rows: int
    size: int
    """Bytes of the uncompressed rows."""
    hash: bytes
    """BLAKE2b-256 of the uncompressed rows."""


@dataclass(frozen=True, slots=True)
class Delta:
    """Changes to a list since the statement named by `previous`."""

    base: int
    """Serial of the list that the whole chain of deltas builds on."""
    rows: bytes
    """New and changed rows, see `tickets.rows`."""
    removed: bytes
    """Concatenated 16-byte ticket keys, ascending."""

    def tickets(self) -> Iterator[Ticket]:
        """Yield the new and changed tickets."""
        return unpack_all(self.rows)

    def removed_keys(self) -> Iterator[bytes]:
        """Yield the keys of tickets that are on the list no more."""
        step = TICKET_KEY_BYTES
        return (self.removed[at : at + step] for at in range(0, len(self.removed), step))


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The time at the server, in answer to a nonce of 16 bytes."""

    nonce: bytes
    at: int
    """Unix time in milliseconds."""


Policy = Mapping[str, object]
"""The organiser's rules, plain; `admission.rules.policy_from_body` gives them their types."""
Body = Keyset | Policy | ListHead | NamesHead | Delta | ServerTime
"""What a statement can say."""

_TYPES: dict[type[object], Type] = {
    Keyset: Type.KEYSET,
    ListHead: Type.LIST,
    NamesHead: Type.NAMES,
    Delta: Type.DELTA,
    ServerTime: Type.TIME,
}


def type_of(body: Body) -> Type:
    """Return the statement type that carries ``body``."""
    return _TYPES.get(type(body), Type.POLICY)


def to_plain(body: Body) -> dict[str, object]:
    """Return the map that goes on the wire."""
    if isinstance(body, Mapping):
        return dict(body)
    plain = asdict(body)
    if isinstance(body, Keyset) and not body.pretix:
        del plain["pretix"]
    return plain


def read_body(kind: Type, plain: object) -> Body:
    """Return the typed body of type ``kind`` that the decoded map ``plain`` stands for.

    Raises:
        BodyMalformed: a field is missing, unknown, of another type or out of range.
    """
    if not isinstance(plain, Mapping):
        raise BodyMalformed("the body is no map")
    if kind is Type.POLICY:
        if not is_plain(plain):
            raise BodyMalformed("the policy holds something but plain values under text keys")
        return plain
    body_class, read = _READERS[kind]
    names = {f.name for f in fields(body_class)}
    if plain.keys() != names and plain.keys() != names - _OPTIONAL:
        raise BodyMalformed(f"the fields of a {kind} are {sorted(names)}")
    return read(plain)


def _keyset(plain: Mapping[str, object]) -> Keyset:
    roots, issuers, lists = (_keys(plain, name) for name in ("roots", "issuers", "lists"))
    # One key in two roles would let who signs tickets sign the list of them, or the reverse.
    if len(roots.keys() | issuers.keys() | lists.keys()) != len(roots) + len(issuers) + len(lists):
        raise BodyMalformed("one key has two roles")
    revoked = plain["revoked"]
    if not (isinstance(revoked, list) and len(revoked) <= MAX_KEYS):
        raise BodyMalformed(f"revoked is not a list of at most {MAX_KEYS} key ids")
    if not all(type(kid) is bytes and len(kid) == KID_BYTES for kid in revoked):
        raise BodyMalformed("a revoked key id is not 8 bytes")
    threshold = integer(plain, "threshold", 1, len(roots))
    pretix = _pretix_keys(plain, {*roots.values(), *issuers.values(), *lists.values()})
    return Keyset(roots, threshold, issuers, lists, tuple(revoked), pretix)


def _pretix_keys(plain: Mapping[str, object], others: Set[bytes]) -> tuple[bytes, ...]:
    keys = plain.get("pretix", [])
    if not (isinstance(keys, list) and len(keys) <= MAX_PRETIX_KEYS):
        raise BodyMalformed(f"pretix is not a list of at most {MAX_PRETIX_KEYS} keys")
    if not all(type(key) is bytes and len(key) == KEY_BYTES for key in keys):
        raise BodyMalformed("a key of pretix is not 32 bytes")
    if len({*keys}) != len(keys) or not others.isdisjoint(keys):
        raise BodyMalformed("one key is there twice or has two roles")
    return tuple(keys)


def _keys(plain: Mapping[str, object], name: str) -> dict[bytes, bytes]:
    keys = plain[name]
    if not (isinstance(keys, Mapping) and len(keys) <= MAX_KEYS):
        raise BodyMalformed(f"{name} is not a map of at most {MAX_KEYS} keys")
    for kid, key in keys.items():
        if not (type(key) is bytes and len(key) == KEY_BYTES and kid == key_id(key)):
            raise BodyMalformed(f"{name} holds a key that is not 32 bytes under its own id")
    return dict(keys)


def _list_head(plain: Mapping[str, object]) -> ListHead:
    rows = integer(plain, "rows", 0, MAX_ROWS)
    size = integer(plain, "size", rows * ROW_BYTES, rows * ROW_BYTES)
    return ListHead(rows, size, octets(plain, "hash", HASH_BYTES))


def _names_head(plain: Mapping[str, object]) -> NamesHead:
    rows = integer(plain, "rows", 0, MAX_ROWS)
    size = integer(plain, "size", rows * NAME_ROW_BYTES, rows * NAME_ROW_BYTES)
    return NamesHead(rows, size, octets(plain, "hash", HASH_BYTES))


def _delta(plain: Mapping[str, object]) -> Delta:
    base = integer(plain, "base", 1, MAX_SERIAL)
    delta = Delta(base, octets(plain, "rows"), octets(plain, "removed"))
    if len(delta.removed) % TICKET_KEY_BYTES:
        raise BodyMalformed("removed ends in the middle of a ticket key")
    try:
        kept = {ticket.key for ticket in delta.tickets()}
    except MalformedRows as error:
        raise BodyMalformed(error.cause) from error
    last = b""
    for key in delta.removed_keys():
        if key <= last or key in kept:
            raise BodyMalformed(f"removed key {key.hex()} does not rise, or is a row too")
        last = key
    return delta


def _time(plain: Mapping[str, object]) -> ServerTime:
    return ServerTime(
        octets(plain, "nonce", NONCE_BYTES), integer(plain, "at", 0, MAX_MILLISECONDS)
    )


def integer(plain: Mapping[str, object], name: str, low: int, high: int) -> int:
    """Return the whole number ``name`` of ``plain`` if within ``low..high``, else raise."""
    value = plain[name]
    if type(value) is not int or not low <= value <= high:  # type: true and 1.0 are not 1
        raise BodyMalformed(f"{name} is not a whole number of {low} to {high}")
    return value


def octets(plain: Mapping[str, object], name: str, *sizes: int) -> bytes:
    """Return the bytes ``name`` of ``plain`` if of one of ``sizes`` (none: any), else raise."""
    value = plain[name]
    if type(value) is not bytes or (sizes and len(value) not in sizes):
        raise BodyMalformed(f"{name} is not bytes of the right length")
    return value


_OPTIONAL = {"pretix"}
_Typed = Keyset | ListHead | NamesHead | Delta | ServerTime
_READERS: Mapping[Type, tuple[type[_Typed], Callable[[Mapping[str, object]], Body]]] = {
    Type.KEYSET: (Keyset, _keyset),
    Type.LIST: (ListHead, _list_head),
    Type.NAMES: (NamesHead, _names_head),
    Type.DELTA: (Delta, _delta),
    Type.TIME: (ServerTime, _time),
}
