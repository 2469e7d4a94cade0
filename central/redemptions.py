"""What records say of entries and exits: what stands, and what conflicts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, or_, select, update

from admission.direction import Direction
from admission.history import COUNTING
from admission.rules import EventPolicy
from central.claims import ANNULLED, SETTLED, settle
from central.counting import (
    Right,
    Tally,
    Uses,
    by_key,
    in_time,
    right_regardless,
    standing,
    standing_use,
    tickets,
)
from central.event import Central
from central.inserts import next_number, upsert, upsert_numbered
from central.questions import Row, ask
from central.schema import conflict, reading, redemption
from central.tokens import Caller
from central.wallet.moved import Names, moved, names_of
from store.records import Kind
from store.uses import standing_after
from tickets.ad1 import MAX_TIME
from tickets.cards import MAX_COUNTER
from tickets.credential import Format

HIGHEST: dict[str, int] = {Format.NTAG424: MAX_COUNTER, Format.AD2: MAX_TIME}
"""Highest number of what is shown, by format: of a card's messages, the time of a live code."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the records of one presentation add up to."""

    scan: dict[str, Any] | None
    """The scan as JSON, when it was admitted and redeems something."""
    stands: bool
    closed: bool
    """Whether its outcome is known, so that its claim is done with."""


def add_up(rows: list[dict[str, Any]]) -> Outcome:
    """Say what ``rows`` (records of one presentation as JSON, by seq) come to, in any order of
    arrival. Source: docs/protocol.md, "What counts as an entry at central".
    """
    scans = [row for row in rows if row["kind"] == Kind.SCAN]
    admitted = [row for row in scans if _redeems(row)]
    last = next((verdict for row in reversed(rows) if (verdict := _closing(row)) is not None), None)
    closed = last is not None or (bool(scans) and not admitted)
    return Outcome(admitted[0] if admitted else None, last is not False, closed)


def _redeems(row: dict[str, Any]) -> bool:
    directions = {way.value for way in Direction}
    whole = "ticket_key" in row and "list" in row and row.get("direction") in directions
    return row.get("verdict") == "admitted" and whole


def _closing(row: dict[str, Any]) -> bool | None:
    """Whether a record leaves the entry it names standing; None: it says nothing of it."""
    standing = standing_after(Kind(row["kind"]), str(row.get("detail", "")))
    return None if standing is None else standing in COUNTING


_NAMED: BindParameter[bytes] = bindparam("named", expanding=True)
_REDEMPTIONS = select(redemption).where(redemption.c.presentation.in_(_NAMED))
_CONFLICTS = select(conflict).where(conflict.c.ticket_key.in_(_NAMED))
Pair = tuple[bytes, str]
"""Ticket key and list; of a ticket that moved, the key that it had first."""


class Books:
    """What one upload changes: judged as a whole from what is known, then kept by few statements.

    Args:
        now: Unix seconds; when conflicts are found.
    """

    def __init__(
        self, central: Central, connection: Connection, caller: Caller, epoch: bytes, now: float
    ) -> None:
        self._central, self._connection, self._caller = central, connection, caller
        self._epoch, self._now = epoch, now
        self._names: Names = {}
        self._ended: dict[bytes, bool] = {}
        """Presentations whose outcome is known, and whether they stand."""
        self._changed: dict[bytes, dict[str, Any]] = {}
        """Rows of the redemptions that are new or other than before, by presentation."""
        self._counters: dict[bytes, int] = {}
        self._found: dict[bytes, tuple[Pair, bytes]] = {}
        """Conflicts to tell: the entry too many -> its ticket and list, the entry before."""
        self._over: list[bytes] = []
        """Conflicts that are none any more."""
        self.in_conflict: set[bytes] = set()
        """Presentations of this upload that are part of a standing conflict."""

    @property
    def quiet(self) -> bool:
        """Whether no conflict has anything to do with this."""
        return not (self._found or self._over or self.in_conflict)

    def judge(
        self,
        bodies: dict[bytes, list[dict[str, Any]]],
        policy: EventPolicy | None,
        tickets_known: dict[bytes, Row],
        moved_rows: Iterable[Row],
    ) -> None:
        """Compare the records of presentations (as JSON, by seq) with what is kept so far.

        Args:
            tickets_known: The rows of their tickets, as far as they were asked for.
            moved_rows: Which of those tickets moved: the answer to `moved`.
        """
        outcomes = {presentation: add_up(records) for presentation, records in bodies.items()}
        self._ended = {p: o.scan is not None and o.stands for p, o in outcomes.items() if o.closed}
        told = {p: o for p, o in outcomes.items() if o.scan and _is_known(o)}
        if not told:
            return
        rows = {p: self._row(p, o.scan, o.stands) for p, o in told.items() if o.scan}
        shown = {row["ticket_key"] for row in rows.values()}
        self._names = names_of(self._central, moved_rows)
        tickets_known |= self._later(shown - tickets_known.keys())
        rights = {
            self._pair(row): right_regardless(
                policy, tickets_known.get(row["ticket_key"]), row["list"]
            )
            for row in rows.values()
        }
        # A staff pass has no end of uses; they are not looked at.
        counted = self._all({key for (key, _), right in rights.items() if not right.unlimited})
        keys = self._all(shown)
        asked = [
            (_REDEMPTIONS, {"named": list(rows)}),
            (_CONFLICTS, {"named": list(keys)}),
            standing(counted),
        ]
        before, conflicts, uses = ask(self._connection, asked, keys)
        self._compare(rows, before)
        self._count(told)
        self._find(rights, conflicts, self._uses(uses))
        self.in_conflict &= bodies.keys()

    def _later(self, keys: Collection[bytes]) -> dict[bytes, Row]:
        """Tickets whose scan came in an upload before this one."""
        if not keys:
            return {}
        found, moved_rows = ask(self._connection, [tickets(keys), moved(keys)])
        self._names |= names_of(self._central, moved_rows)
        return by_key(found)

    def _pair(self, row: Row) -> Pair:
        key = bytes(row["ticket_key"])
        return self._names.get(key, (key,))[0], row["list"]

    def _all(self, keys: Iterable[bytes]) -> set[bytes]:
        """All names of the tickets of these."""
        return {name for key in keys for name in self._names.get(key, (key,))}

    def _row(self, presentation: bytes, scan: dict[str, Any], stands: bool) -> dict[str, Any]:
        return {
            "presentation": presentation,
            "ticket_key": bytes.fromhex(scan["ticket_key"]),
            "list": scan["list"],
            "direction": scan["direction"],
            "at": scan["at"],
            "gate": self._caller.gate,
            "device": self._caller.device,
            "epoch": self._epoch,
            "stands": int(stands),
        }

    def _compare(self, rows: dict[bytes, dict[str, Any]], before: Iterable[Row]) -> None:
        known = {bytes(row["presentation"]): row["stands"] for row in before}
        self._changed = {p: row for p, row in rows.items() if known.get(p) != row["stands"]}

    def _count(self, told: dict[bytes, Outcome]) -> None:
        counters = {
            presentation: _counter(told[presentation].scan) for presentation in self._changed
        }
        self._counters = {p: counter for p, counter in counters.items() if counter is not None}

    def _uses(self, rows: Iterable[Row]) -> dict[Pair, Uses]:
        """All uses that stand once this upload is kept."""
        before = [row for row in rows if bytes(row["presentation"]) not in self._changed]
        found: dict[Pair, Uses] = {}
        for row in [*before, *(r for r in self._changed.values() if r["stands"])]:
            use = standing_use(row)
            found.setdefault(self._pair(row), {})[use.presentation] = use
        return found

    def _find(self, rights: dict[Pair, Right], rows: Iterable[Row], uses: dict[Pair, Uses]) -> None:
        known: dict[Pair, dict[bytes, Row]] = {}
        for row in rows:
            of_pair = known.setdefault(self._pair(row), {})
            of_pair[bytes(row["presentation"])] = row
        for pair, right in rights.items():
            found = {} if right.unlimited else _too_many(right, uses.get(pair, {}))
            self._note(pair, known.pop(pair, {}), found)
        for of_pair in known.values():  # of the same tickets, on other lists
            self._in_conflict(
                {p: bytes(row["other"]) for p, row in of_pair.items() if row["stands"]}
            )

    def _note(self, pair: Pair, known: dict[bytes, Row], found: dict[bytes, bytes]) -> None:
        self._in_conflict(found)
        for presentation, other in found.items():
            if not _is_told(known.get(presentation), other):
                self._found[presentation] = pair, other
        gone = known.keys() - found.keys()
        self._over += [presentation for presentation in gone if known[presentation]["stands"]]

    def _in_conflict(self, found: dict[bytes, bytes]) -> None:
        self.in_conflict |= found.keys() | set(found.values())

    def keep(self) -> None:
        """Write what was judged; each change with a number of its own."""
        for state, stands in ((SETTLED, True), (ANNULLED, False)):
            named = [p for p, standing_ in self._ended.items() if standing_ is stands]
            settle(self._connection, self._caller, named, state)
        if self._counters:
            counted = [{"presentation": p, "counter": n} for p, n in self._counters.items()]
            upsert(self._connection, reading, counted, ["presentation"])
        if self._changed:
            rows = list(self._changed.values())
            upsert_numbered(self._connection, redemption, rows, "presentation", "redemption")
        for presentation, (pair, other) in self._found.items():
            self._tell(presentation, pair, other)
        for presentation in self._over:
            change = update(conflict).where(conflict.c.presentation == presentation)
            number = next_number(self._connection, "conflict")
            self._connection.execute(change.values(stands=0, cursor=number))

    def _tell(self, presentation: bytes, pair: Pair, other: bytes) -> None:
        row: dict[str, Any] = {"presentation": presentation, "other": other}
        row |= {"ticket_key": pair[0], "list": pair[1]}
        row |= {"cursor": next_number(self._connection, "conflict"), "stands": 1}
        upsert(self._connection, conflict, [row | {"found": self._now}], ["presentation"])


def _is_known(outcome: Outcome) -> bool:
    """An exit gives an entry back, so it waits until the guest is known to be through."""
    scan = outcome.scan
    return scan is not None and (outcome.closed or scan["direction"] == Direction.ENTRY)


def _counter(scan: dict[str, Any] | None) -> int | None:
    """What tells the code that was shown from later ones: see `HIGHEST`. One that no card can have
    would stop every gate that reads it.
    """
    highest = HIGHEST.get(scan["format"]) if scan and "format" in scan else None
    counter = scan.get("counter") if scan and highest is not None else None
    return counter if type(counter) is int and 0 <= counter <= (highest or 0) else None


def _too_many(right: Right, uses: Uses) -> dict[bytes, bytes]:
    """Each entry beyond what the ticket allows, with the entry that stands against it."""
    tally, found = Tally(right), {}
    for use in in_time(uses):
        is_new = use.direction is Direction.ENTRY and not tally.has_left(use)
        if is_new and (against := tally.objection(use.at)):
            found[use.presentation] = against.use.presentation
        tally.add(use)
    return found


def _is_told(known: Row | None, other: bytes) -> bool:
    return known is not None and bool(known["stands"]) and bytes(known["other"]) == other


def conflict_of(connection: Connection, presentation: bytes) -> dict[str, object]:
    """The newest conflict of an entry that is in one, as told to the gate that made the entry."""
    either = or_(conflict.c.presentation == presentation, conflict.c.other == presentation)
    query = select(conflict).where(conflict.c.stands == 1, either)
    row = connection.execute(query.order_by(conflict.c.cursor.desc())).mappings().first()
    assert row is not None
    first, second = bytes(row["presentation"]), bytes(row["other"])
    theirs = redemption.c.presentation == (second if first == presentation else first)
    other = connection.execute(select(redemption).where(theirs)).mappings().one()
    return {
        "presentation": bytes(other["presentation"]).hex(),
        "ticket_key": bytes(other["ticket_key"]).hex(),
        "list": other["list"],
        "gate": other["gate"],
        "at": other["at"],
    }
