"""From a key directory to a server: making the database, opening it, reading a policy file."""

import json
import time
import tomllib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from central.database import Database, create_database, get_meta, open_database, set_meta
from central.errors import CentralFault
from central.event import Central, event_of
from central.keysets import check_init, take_keyset
from central.schema import VERSION
from central.statements import publish_keyset
from tickets.bodies import Keyset
from tickets.key_files import Role, SecretKey, key_path, load_key
from tickets.ntag424.keys import desk_keys

MOST_POLICY = 1 << 18
"""Largest policy file in bytes."""


def initialise(
    url: str,
    keys: Path,
    now: Callable[[], float] = time.time,
    pretix: Sequence[bytes] | None = None,
) -> Central:
    """Make the database of the event in the key directory, and publish whose signatures count.

    Needs the root key, once: afterwards it can be taken off this computer. Doing it again for
    the same event publishes the keyset again, for another year.

    Args:
        pretix: 32-byte keys of the event's pretix, at most `MAX_PRETIX_KEYS`, whose signed codes
            are tickets from now on; None: those that were named the last time.
    Raises:
        KeyFault: a key is missing or not kept safe.
        CentralFault: the database cannot be made, or serves another event.
    """
    root, issuer = load_key(keys, Role.ROOT), load_key(keys, Role.ISSUER)
    database = create_database(url)
    with database.writing() as connection:
        _serve(connection, root.event)
        before = check_init(connection, root.event, root.kid)
        roots = dict(before.roots) if before else {root.kid: root.public}
        # For people to copy into admit.toml; whom a gate trusts is decided there.
        told = [b64encode(key).decode() for key in roots.values()]
        set_meta(connection, "root_keys", json.dumps(told))
        if pretix is not None:
            set_meta(connection, "pretix_keys", json.dumps([key.hex() for key in pretix]))
        named = json.loads(get_meta(connection, "pretix_keys") or "[]")
    central = _central(database, keys, now)
    listing = load_key(keys, Role.LIST)
    keyset = Keyset(  # those before go on: tickets that are out there stay good (docs/keys.md)
        roots=roots,
        threshold=1,
        issuers=_with(before.issuers if before else {}, issuer, *_wallet_key(keys, root.event)),
        lists=_with(before.lists if before else {}, listing),
        revoked=before.revoked if before else (),
        pretix=tuple(map(bytes.fromhex, named)),
    )
    publish_keyset(central, keyset, [(root.kid, root.secret)])
    return central


def initialise_with(
    url: str, keys: Path, wire: bytes, now: Callable[[], float] = time.time
) -> Central:
    """Make the database of the event in the key directory, with a keyset signed elsewhere.

    Raises:
        KeyFault: a key is missing or not kept safe.
        CentralFault: the database cannot be made, or serves another event.
        StatementRejected: gates would refuse the keyset.
    """
    event = load_key(keys, Role.EVENT).event
    database = create_database(url)
    with database.writing() as connection:
        _serve(connection, event)
    central = _central(database, keys, now)
    take_keyset(central, wire)
    return central


def _with(before: Mapping[bytes, bytes], *keys: SecretKey) -> dict[bytes, bytes]:
    return {**before, **{key.kid: key.public for key in keys}}


def _serve(connection: Connection, event: str) -> None:
    served = get_meta(connection, "event") or event
    if served != event:
        raise CentralFault(f"the database serves event {served}", "Use a new database")
    set_meta(connection, "schema", VERSION)
    set_meta(connection, "event", event)


def open_central(url: str, keys: Path, now: Callable[[], float] = time.time) -> Central:
    """Open a database with the list key, the event secret and that of its cards, if it has one.

    Raises:
        KeyFault: a key is missing or not kept safe.
        CentralFault: there is no database, or it serves another event than the keys.
    """
    return _central(open_database(url), keys, now)


def _central(database: Database, keys: Path, now: Callable[[], float]) -> Central:
    listing, secret = load_key(keys, Role.LIST), load_key(keys, Role.EVENT)
    with database.reading() as connection:
        event = event_of(connection)
    for key in (listing, secret):
        _check_event(key, event)
    wallet = [key.secret for key in _wallet_key(keys, event)]
    return Central(
        database,
        event,
        secret.secret,
        listing.secret,
        now,
        wallet_seed=wallet[0] if wallet else None,
        card_key=_card_key(keys, event),
    )


def _wallet_key(keys: Path, event: str) -> list[SecretKey]:
    """The key that signs tickets on phones; none: this event was made without one."""
    if not key_path(keys, Role.WALLET).exists():
        return []
    key = load_key(keys, Role.WALLET)
    _check_event(key, event)
    return [key]


def _card_key(keys: Path, event: str) -> bytes | None:
    """What gates need of the card key; None: this event was made without one."""
    if not key_path(keys, Role.CARDS).exists():
        return None
    key = load_key(keys, Role.CARDS)
    _check_event(key, event)
    return desk_keys(key.secret).gate.master


def _check_event(key: SecretKey, event: str) -> None:
    if key.event != event:
        raise CentralFault(
            f"the {key.role} key is of event {key.event}, the database serves {event}",
            "Name the key directory and the database of one event",
        )


def read_policy(path: Path) -> dict[str, object]:
    """The policy of a TOML or JSON file, as a statement's body. Times may be TOML date-times.

    Raises:
        CentralFault: it cannot be read or is neither.
    """
    try:
        data = path.read_bytes()
        if len(data) > MOST_POLICY:
            raise ValueError(f"more than {MOST_POLICY} bytes")
        text = data.decode("utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        if not isinstance(value, dict) or value.keys() - {"lists", "products"}:
            raise ValueError("it holds something else than lists and products")
        return {"lists": {}, "products": {}} | {name: _plain(part) for name, part in value.items()}
    except (OSError, ValueError, RecursionError) as error:
        raise CentralFault(
            f"the policy {path} cannot be read: {error}", "See docs/central.md for an example"
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value} has no zone; write for instance {value.isoformat()}+02:00")
        return int(value.timestamp())
    return value
