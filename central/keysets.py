"""Keysets that came signed from elsewhere: taken if gates would take them, with what follows.

The server has no root key. What it publishes next must be signed by a list key that gates believe,
so a keyset without the server's own is refused, and what an older key signed is published anew.
"""

import json
from base64 import b64encode

from sqlalchemy import Connection, insert, select

from central.database import get_meta, set_meta
from central.errors import CentralFault
from central.event import Central
from central.inserts import next_number
from central.lists import publish_list
from central.schema import statement
from central.statements import publish
from tickets.bodies import Keyset, Type
from tickets.ceremony import keyset_in
from tickets.chain import follows
from tickets.cose import KID_BYTES, split_first
from tickets.keyring import Keyring
from tickets.statements import Statement, keyring_from, read_statement, read_unsigned

LIST_KEY = "the keyset does not name the list key of this server"


def keysets(connection: Connection) -> list[bytes]:
    """The wire bytes of every keyset published, oldest first."""
    query = select(statement.c.wire).where(statement.c.type == Type.KEYSET.value)
    return [
        bytes(wire) for wire in connection.execute(query.order_by(statement.c.cursor)).scalars()
    ]


def keyring_of(wires: list[bytes], event: str) -> tuple[Keyring | None, Statement | None]:
    """What gates believe that have seen these keysets, and the last of them.

    Raises:
        StatementRejected: one does not follow from those before it.
    """
    ring, last = None, None
    for wire in wires:
        # The first vouches for itself here; a gate holds it against its own configuration.
        ring = ring or Keyring({}, 1).with_keyset(keyset_in(wire))
        new = read_statement(wire, event, ring)
        follows(last, new)
        ring, last = keyring_from(ring, new), new
    return ring, last


def take_keyset(central: Central, wire: bytes) -> list[str]:
    """Publish a signed keyset; then whatever its keys do not vouch for any more.

    Given again, as after a crash, it finishes what is missing.

    Returns:
        What was published: ``keyset`` and perhaps ``policy``, ``names`` and ``list``.
    Raises:
        StatementRejected: gates would refuse it.
        CentralFault: this server could not publish anything under it.
    """
    with central.database.writing() as connection:
        before, last = keyring_of(keysets(connection), central.event)
        anchor = before or Keyring({}, 1).with_keyset(keyset_in(wire))
        new = read_statement(wire, central.event, anchor)
        follows(last, new)
        ring = keyring_from(anchor, new)
        if central.signer[0] not in ring.signing_lists():
            raise CentralFault(
                LIST_KEY,
                "Make it with --keys of this server; to change the key: docs/keys.md, list key",
            )
        done = []
        if last is None or new.digest != last.digest:
            _keep(connection, new, wire)
            _tell_roots(connection, ring)
            done = ["keyset"]
        done += _policy_anew(connection, central, ring) + _names_anew(connection, central, ring)
    return done + _list_anew(central, ring)


def _keep(connection: Connection, new: Statement, wire: bytes) -> None:
    row = {"type": new.type.value, "serial": new.serial, "wire": wire, "issued": new.issued}
    row |= {"cursor": next_number(connection, "statement"), "digest": new.digest}
    connection.execute(insert(statement), row | {"revision": 0, "rows": 0})


def _tell_roots(connection: Connection, ring: Keyring) -> None:
    """For people to copy into admit.toml; whom a gate trusts is decided there."""
    told = [b64encode(key).decode() for key in ring.roots.values()]
    set_meta(connection, "root_keys", json.dumps(told))
    set_meta(connection, "root_threshold", str(ring.threshold))


def _policy_anew(connection: Connection, central: Central, ring: Keyring) -> list[str]:
    text = get_meta(connection, "policy")
    if text is None or _vouched(connection, ring, Type.POLICY):
        return []
    publish(connection, central, json.loads(text))
    return ["policy"]


def _names_anew(connection: Connection, central: Central, ring: Keyring) -> list[str]:
    if _vouched(connection, ring, Type.NAMES):
        return []
    wire, rows = _newest(connection, Type.NAMES) or (b"", 0)
    body = read_unsigned(split_first(wire, 1)[0].payload).body
    publish(connection, central, body, rows=rows)
    return ["names"]


def _list_anew(central: Central, ring: Keyring) -> list[str]:
    with central.database.reading() as connection:
        if _vouched(connection, ring, Type.LIST):
            return []
    publish_list(central)
    return ["list"]


def _vouched(connection: Connection, ring: Keyring, kind: Type) -> bool:
    """Whether the newest statement of a type, if there is one, is by a key that counts."""
    found = _newest(connection, kind)
    if found is None:
        return True
    return split_first(found[0], 1)[0].protected[-KID_BYTES:] in ring.signing_lists()


def _newest(connection: Connection, kind: Type) -> tuple[bytes, int] | None:
    """Wire bytes and rows of the newest statement of a type."""
    query = select(statement.c.wire, statement.c.rows).where(statement.c.type == kind.value)
    row = connection.execute(query.order_by(statement.c.cursor.desc()).limit(1)).one_or_none()
    return None if row is None else (bytes(row.wire), int(row.rows))


def check_init(connection: Connection, event: str, root: bytes) -> Keyset | None:
    """The keyset that one root may replace on its own; None: there is none yet.

    Raises:
        CentralFault: others hold the event's roots.
    """
    ring, last = keyring_of(keysets(connection), event)
    if ring is None or last is None:
        return None
    if ring.threshold > 1 or root not in ring.signing_roots():
        raise CentralFault(
            f"the event's keyset is signed by {ring.threshold} of {len(ring.roots)} roots, and "
            "this root key cannot sign it alone",
            "Make a request instead: admit keys keyset; see docs/keys.md",
        )
    assert isinstance(last.body, Keyset)
    return last.body
