"""Full lists: the rows of all tickets, streamed into a compressed body that gates fetch by hash."""

import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from central.database import get_meta
from central.errors import CentralFault, ProtocolError
from central.event import Central
from central.inserts import next_number
from central.schema import counter, list_body, list_chunk, ticket
from central.statements import chain_size, check_signer, publish, publish_changes, ticket_of
from tickets.bodies import ListHead
from tickets.rows import ROW_BYTES, pack

CHUNK = 1 << 20
"""Bytes of one piece of a body."""
MOST_CHANGES = 1000
"""More changed rows, or deltas, than this make a new list."""
FEW_CHANGES = 50
"""Fewer than this never do, however short the list."""
CONFIRM_EVERY = 300
"""Seconds after which a list is confirmed as current: a gate can tell it from a frozen one."""
_READ = 10_000


def publish_list(central: Central, on_rows: Callable[[int], None] = lambda _: None) -> int:
    """Publish a new full list of all tickets; return its serial. Memory does not grow with it.

    Args:
        on_rows: Called again and again with how many rows are written.
    Raises:
        CentralFault: a newer list was published meanwhile, or gates believe this server no more.
    """
    with central.database.writing() as connection:
        check_signer(connection, central)  # before a body is made in vain
        number = next_number(connection, "body")
        connection.execute(insert(list_body), {"number": number, "bytes": 0})
    head, revision, size = _write_body(central, number, on_rows)
    with central.database.writing() as connection:
        finished = update(list_body).where(list_body.c.number == number)
        if connection.execute(finished.values(hash=head.hash, bytes=size)).rowcount != 1:
            raise _overtaken()
        serial = publish(connection, central, head, revision=revision, rows=head.rows)
        _drop_old(connection)
        publish_changes(connection, central)  # what changed while the body was being made
    return serial


def _write_body(
    central: Central, number: int, on_rows: Callable[[int], None]
) -> tuple[ListHead, int, int]:
    """Write the body from one snapshot; return its head, its ticket revision, its gzip length."""
    with central.database.reading() as snapshot:
        query = select(counter.c.value).where(counter.c.name == "revision")
        revision = snapshot.execute(query).scalar() or 0
        packed = _packed(snapshot)
        rows, digest, size = write_pieces(central, number, packed, on_rows)
    return ListHead(rows, rows * ROW_BYTES, digest), revision, size


def write_pieces(
    central: Central,
    number: int,
    packed: Iterable[tuple[int, bytes]],
    on_rows: Callable[[int], None] = lambda _: None,
) -> tuple[int, bytes, int]:
    """Keep a body; return its rows, the BLAKE2b-256 of what was packed, its gzip length.

    Args:
        packed: (how many rows, their bytes), some thousands at a time.
    Raises:
        CentralFault: another process dropped it meanwhile.
    """
    rows, size, digest = 0, 0, blake2b(digest_size=32)
    for place, (raw_rows, data) in enumerate(_compressed(packed, digest.update)):
        rows, size = rows + raw_rows, size + len(data)
        _keep(central, {"number": number, "place": place, "data": data})
        on_rows(rows)
    return rows, digest.digest(), size


def _keep(central: Central, piece: dict[str, object]) -> None:
    try:
        with central.database.writing() as connection:
            connection.execute(insert(list_chunk), piece)
    except IntegrityError as error:  # `_drop_old` of another process took the body away
        raise _overtaken() from error


def _overtaken() -> CentralFault:
    return CentralFault("a newer list was published meanwhile", "Nothing to do")


def _packed(snapshot: Connection) -> Iterator[tuple[int, bytes]]:
    query = select(ticket).order_by(ticket.c.key).execution_options(yield_per=_READ)
    for part in snapshot.execute(query).mappings().partitions():
        yield len(part), b"".join(pack(ticket_of(row)) for row in part)


def _compressed(
    packed: Iterable[tuple[int, bytes]], hashed: Callable[[bytes], None]
) -> Iterator[tuple[int, bytes]]:
    """Yield (rows gone in, bytes come out) pieces of about `CHUNK` bytes; the last flushes."""
    packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)  # 16: gzip
    waiting, rows = bytearray(), 0
    for more, raw in packed:
        hashed(raw)
        waiting += packer.compress(raw)
        rows += more
        if len(waiting) >= CHUNK:
            yield rows, bytes(waiting)
            waiting, rows = bytearray(), 0
    yield rows, bytes(waiting) + packer.flush()


def _drop_old(connection: Connection) -> None:
    """Keep the last two bodies: a gate may just be fetching the one before."""
    apart = bodies_of_names(connection)
    done = select(list_body.c.number).where(
        list_body.c.hash.is_not(None), list_body.c.number.not_in(apart)
    )
    kept = connection.execute(done.order_by(list_body.c.number.desc()).limit(2)).scalars().all()
    # Also pieces that a crash left behind; a body in the making has a higher number.
    for table in (list_chunk, list_body):
        old = table.c.number < max(kept)
        connection.execute(delete(table).where(old, table.c.number.not_in([*kept, *apart])))


def bodies_of_names(connection: Connection) -> list[int]:
    """Numbers of the bodies that hold names and are still wanted, oldest first."""
    return list(json.loads(get_meta(connection, "bodies_of_names") or "[]"))


def body_of(central: Central, digest: bytes) -> tuple[int, int]:
    """(number, length) of the body with this hash.

    Raises:
        ProtocolError: 404 `list_gone`.
    """
    query = select(list_body.c.number, list_body.c.bytes).where(list_body.c.hash == digest)
    query = query.order_by(list_body.c.number.desc()).limit(1)
    with central.database.reading() as connection:
        found = connection.execute(query).one_or_none()
    if found is None:
        raise ProtocolError(
            404, "list_gone", "this list was replaced", "Read the statements again and fetch anew"
        )
    return found.number, found.bytes


def pieces(central: Central, number: int) -> Iterator[bytes]:
    """Yield the gzip stream of a body, one piece in memory at a time.

    Raises:
        ProtocolError: 404 `list_gone`: it was dropped while it was read.
    """
    with central.database.reading() as connection:
        query = select(func.max(list_chunk.c.place)).where(list_chunk.c.number == number)
        last = connection.execute(query).scalar_one()
    for place in range(-1 if last is None else last + 1):
        with central.database.reading() as connection:
            query = select(list_chunk.c.data).where(list_chunk.c.number == number)
            data = connection.execute(query.where(list_chunk.c.place == place)).scalar()
        if data is None:
            raise ProtocolError(404, "list_gone", "this list was replaced", "Fetch it anew")
        yield data


def refresh(central: Central) -> str:
    """Publish what is due: a full list after many changes, else changes, else a confirmation.

    Returns:
        ``list``, ``delta`` or an empty text when nothing was due.
    """
    with central.database.reading() as connection:
        size = chain_size(connection)
    if size is None:
        return ""
    rows, deltas, changed, issued = size
    if max(changed, deltas) > MOST_CHANGES or changed > max(FEW_CHANGES, rows // 10):
        publish_list(central)
        return "list"
    with central.database.writing() as connection:
        if publish_changes(connection, central, central.now() - issued >= CONFIRM_EVERY):
            return "delta"
    return ""
