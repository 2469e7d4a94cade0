"""What a page of the server changes in pretix.db. Here codes become keyed hashes, and end.

Everything may come twice, and in any order: rows are put in their place, never added up.
"""

import sqlite3
from collections.abc import Callable, Iterable
from hashlib import blake2b

from sync.pretix import wire
from sync.pretix.errors import TooManyKinds
from sync.pretix.rowing import hang_on, settle
from sync.pretix.staging import Staging
from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.rows import Status

MOST_PRODUCTS = 0xFFFF
_PENDING, _PAID = "n", "p"
_Asks = dict[int, frozenset[int]]
BARCODE = "barcode"
"""The one type of medium whose identifier is what a gate's reader reads."""


class Intake:
    """Takes pages in, each in one transaction.

    Args:
        event_key: 32 bytes, of this gate alone.
        device: This device's number at the organizer: its check-ins are this gate's own.
        taken: Cursor of the feed up to which the mirror has read: pretix.db may be newer than it.
        claimed: Which presentation asked before its release: (list, direction, microseconds).
    """

    def __init__(
        self,
        staging: Staging,
        event_key: bytes,
        device: Callable[[], int],
        taken: Callable[[], int] = lambda: 0,
        claimed: Callable[[int, str, int], bytes | None] = lambda number, way, at: None,
    ) -> None:
        self._staging, self._event_key, self._device = staging, event_key, device
        self._taken, self._claimed = taken, claimed

    def key(self, code: str) -> bytes:
        """The ticket key of a code, signed or not."""
        return ticket_key(self._event_key, Credential(Format.OPAQUE, code.encode()))

    # -- orders --------------------------------------------------------------------------------

    def orders(self, event: str, orders: Iterable[wire.Order], asks: _Asks, fetch: int) -> None:
        """Take a page of orders in; a ticket that its order no longer has is gone.

        Args:
            asks: Items -> questions that are asked at the check-in.
            fetch: Number of the full download that this is part of, or of the last one.
        """
        with self._staging.transaction() as base:
            touched: set[bytes] = set()
            for order in orders:
                touched |= self._order(base, event, order, asks, fetch)
            settle(base, touched)

    def _order(
        self, base: sqlite3.Connection, event: str, order: wire.Order, asks: _Asks, fetch: int
    ) -> set[bytes]:
        owner = self._hash(order.code, b"admit-order")[:8]
        touched: set[bytes] = set()
        query = "SELECT id FROM position WHERE event = ? AND owner = ?"
        there = {row[0] for row in base.execute(query, (event, owner))}
        for gone in there - {position.id for position in order.positions}:
            touched |= _forget(base, gone)
        for position in order.positions:
            flags = _flags(order, position, asks)
            place = (event, owner, fetch)
            touched |= self._position(base, position, flags, place)
            self._check_ins(base, position)
        return touched

    def _position(
        self,
        base: sqlite3.Connection,
        position: wire.Position,
        flags: Status,
        place: tuple[str, bytes, int],
    ) -> set[bytes]:
        """`place`: its event, its order's hash, the full download that brings it."""
        event, owner, fetch = place
        key = self.key(position.secret)
        product = self._product(base, event, position)
        window = (wire.seconds(position.valid_from), wire.seconds(position.valid_until))
        new = (position.addon_to, key, product, int(flags), *window, owner, event)
        query = (
            "SELECT parent, key, product, flags, valid_from, valid_until, owner, event"
            " FROM position WHERE id = ?"
        )
        old = base.execute(query, (position.id,)).fetchone()
        if old == new:
            base.execute("UPDATE position SET round = ? WHERE id = ?", (fetch, position.id))
            return set()
        touched = {key, *hang_on(base, position.id)}
        base.execute(
            "INSERT OR REPLACE INTO position (parent, key, product, flags, valid_from,"
            " valid_until, owner, event, id, round) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*new, position.id, fetch),
        )
        if old is not None and old[1] != key:
            touched.add(old[1])
            self._swapped(base, position.id, old[1])
        return touched | set(hang_on(base, position.id))

    def _product(self, base: sqlite3.Connection, event: str, position: wire.Position) -> int:
        return product_number(
            base, event, position.item, position.variation or 0, position.subevent or 0
        )

    def _swapped(self, base: sqlite3.Connection, position: int, before: bytes) -> None:
        """A ticket has a new code: its uses go with it, under the new name."""
        base.execute("INSERT OR REPLACE INTO former VALUES (?, ?)", (before, position))
        query = "SELECT id FROM checkin WHERE position = ?"
        for (check_in,) in base.execute(query, (position,)).fetchall():
            self._say_again(base, check_in)

    # -- check-ins -----------------------------------------------------------------------------

    def _check_ins(self, base: sqlite3.Connection, position: wire.Position) -> None:
        query = "SELECT id, stands FROM checkin WHERE position = ?"
        there = dict(base.execute(query, (position.id,)).fetchall())
        for row in position.checkins:
            if there.pop(row.id, 0) != 1:
                self._check_in(base, position.id, row)
        for gone, stands in there.items():
            if stands:  # annulled at the server
                base.execute("UPDATE checkin SET stands = 0 WHERE id = ?", (gone,))
                self._say_again(base, gone)

    def _check_in(self, base: sqlite3.Connection, position: int, row: wire.CheckIn) -> None:
        at = microseconds(row.datetime.timestamp())
        presentation = self._ours(base, row, at) or self.name_of(row.id)
        base.execute(
            "INSERT OR REPLACE INTO checkin VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            (
                *(row.id, self._cursor(), position, row.list),
                *(row.type, at, row.device_id, presentation),
            ),
        )

    def _ours(self, base: sqlite3.Connection, row: wire.CheckIn, at: int) -> bytes | None:
        """The presentation that this gate sent as this check-in; None: it is another gate's."""
        if row.device_id != self._device():
            return None
        query = "SELECT presentation FROM upload WHERE list = ? AND direction = ? AND at = ?"
        found = base.execute(query, (row.list, row.type, at)).fetchone()
        return found[0] if found else self._claimed(row.list, row.type, at)

    def _say_again(self, base: sqlite3.Connection, check_in: int) -> None:
        query = "UPDATE checkin SET cursor = ? WHERE id = ?"
        base.execute(query, (self._cursor(), check_in))

    def _cursor(self) -> int:
        return self._staging.rise("feed", self._taken())

    # -- the rest ------------------------------------------------------------------------------

    def finish(self, event: str, fetch: int) -> None:
        """A full download is complete: what it did not bring is gone."""
        with self._staging.transaction() as base:
            query = "SELECT id FROM position WHERE event = ? AND round < ?"
            touched: set[bytes] = set()
            for (gone,) in base.execute(query, (event, fetch)).fetchall():
                touched |= _forget(base, gone)
            settle(base, touched)

    def secrets(self, event: str, rows: Iterable[tuple[str, Status, bool]]) -> None:
        """Take in codes that were taken back or blocked: (code, which, whether still)."""
        with self._staging.transaction() as base:
            touched = set()
            for code, kind, still in rows:
                values = (self.key(code), int(kind), event)
                if still:
                    base.execute("INSERT OR IGNORE INTO secret VALUES (?, ?, ?)", values)
                else:
                    query = "DELETE FROM secret WHERE key = ? AND kind = ? AND event = ?"
                    base.execute(query, values)
                touched.add(values[0])
            settle(base, touched)

    def media(self, rows: Iterable[wire.Medium]) -> None:
        """Take reusable media in; a reader reads those with a code, an inactive one opens nothing.

        Of every kind it counts which tickets have one: the organiser may let only the medium in.
        """
        with self._staging.transaction() as base:
            touched: set[bytes] = set()
            for row in rows:
                touched |= self._medium(base, row)
            settle(base, touched)

    def _medium(self, base: sqlite3.Connection, row: wire.Medium) -> set[bytes]:
        key = self.key(row.identifier)
        query = "SELECT key FROM medium WHERE id = ?"
        touched = {key, *(old for (old,) in base.execute(query, (row.id,)))}
        touched |= _bearers(base, row.id)
        base.execute("DELETE FROM medium WHERE id = ?", (row.id,))
        base.execute("DELETE FROM medium_position WHERE medium = ?", (row.id,))
        places = [(row.id, place, number) for place, number in enumerate(row.positions)]
        base.executemany("INSERT INTO medium_position VALUES (?, ?, ?)", places)
        if row.active and row.type == BARCODE:
            values = (row.id, key, wire.seconds(row.expires))
            base.execute("INSERT INTO medium VALUES (?, ?, ?)", values)
        return touched | _bearers(base, row.id)

    def drop_event(self, event: str) -> None:
        """Forget an event that is no longer chosen."""
        with self._staging.transaction() as base:
            touched: set[bytes] = set()
            for (gone,) in base.execute(
                "SELECT id FROM position WHERE event = ?", (event,)
            ).fetchall():
                touched |= _forget(base, gone)
            query = "SELECT key FROM secret WHERE event = ?"
            touched |= {key for (key,) in base.execute(query, (event,))}
            base.execute("DELETE FROM secret WHERE event = ?", (event,))
            base.execute("DELETE FROM catalog WHERE event = ?", (event,))
            base.execute("DELETE FROM note WHERE name LIKE ? || '/%'", (event,))
            settle(base, touched)

    def sent(self, presentation: bytes, check_in_list: int, direction: str, at: float) -> float:
        """Remember a check-in before it is uploaded: it will come back among the others.

        Returns:
            Its time: that of the first attempt, under which the server may have it already.
        """
        values = (presentation, check_in_list, direction, microseconds(at))
        with self._staging.transaction() as base:
            base.execute("INSERT OR IGNORE INTO upload VALUES (?, ?, ?, ?)", values)
        return self.was_sent(presentation) or at

    def was_sent(self, presentation: bytes) -> float | None:
        """Unix seconds of a check-in that was uploaded, or tried to; None: it never was."""
        query = "SELECT at FROM upload WHERE presentation = ?"
        with self._staging.transaction() as base:
            row = base.execute(query, (presentation,)).fetchone()
        return None if row is None else row[0] / 1_000_000

    def name_of(self, check_in: int) -> bytes:
        """What another device's check-in goes by here, in place of a presentation."""
        return self._hash(f"checkin {check_in}", b"admit-scan")

    def _hash(self, text: str, person: bytes) -> bytes:
        data = text.encode()
        return blake2b(data, digest_size=16, key=self._event_key, person=person).digest()


def product_number(
    base: sqlite3.Connection, event: str, item: int, variation: int, subevent: int
) -> int:
    """The number that rows and rules call a kind of ticket by; the same for ever.

    Raises:
        TooManyKinds: a row has no room for more.
    """
    kind = (event, item, variation, subevent)
    query = "SELECT number FROM product WHERE (event, item, variation, subevent) = (?, ?, ?, ?)"
    if (found := base.execute(query, kind).fetchone()) is not None:
        return int(found[0])
    made = base.execute(
        "INSERT INTO product (event, item, variation, subevent) VALUES (?, ?, ?, ?)"
        " RETURNING number",
        kind,
    ).fetchone()
    if made[0] > MOST_PRODUCTS:
        raise TooManyKinds("kinds of ticket")
    return int(made[0])


def _bearers(base: sqlite3.Connection, medium: int) -> set[bytes]:
    """Codes of the tickets that a medium stands for."""
    query = (
        "SELECT position.key FROM medium_position JOIN position"
        " ON position.id = medium_position.position WHERE medium = ?"
    )
    return {key for (key,) in base.execute(query, (medium,))}


def _forget(base: sqlite3.Connection, position: int) -> set[bytes]:
    """Take a ticket out; returns the codes whose rows that may change."""
    touched = set(hang_on(base, position))
    query = "SELECT key FROM position WHERE id = ?"
    touched |= {key for (key,) in base.execute(query, (position,))}
    base.execute("DELETE FROM position WHERE id = ?", (position,))
    return touched


def _flags(order: wire.Order, position: wire.Position, asks: _Asks) -> Status:
    pending = order.status == _PENDING
    answered = {answer.question for answer in position.answers}
    held = {
        Status.CANCELLED: position.canceled or order.status not in (_PENDING, _PAID),
        Status.BLOCKED: bool(position.blocked),
        Status.UNAPPROVED: pending and order.require_approval,
        Status.UNPAID: pending and not order.valid_if_pending,
        Status.ATTENTION: order.checkin_attention or bool(order.checkin_text),
        Status.NEEDS_ANSWERS: not asks.get(position.item, frozenset()) <= answered,
    }
    return Status(sum(flag for flag, holds in held.items() if holds))


def microseconds(at: float) -> int:
    """A time as the server keeps it."""
    return round(at * 1_000_000)
