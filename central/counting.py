"""How often a ticket entered, by records and held claims, and whether it may once more.

The rules are those of the gate (`admission.history`), over the uses of all gates.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from admission.direction import Direction
from admission.history import Standing, Use
from admission.rules import AntiPassback, CheckInList, EventPolicy, Product
from admission.verdict import Reason
from central.event import rules_of
from central.questions import Question, Row
from central.schema import claim, redemption, ticket
from tickets.rows import Status

HELD = "held"
"""State of a claim whose record has not come."""
_BARRED = (
    (Status.REVOKED, Reason.REVOKED),
    (Status.CANCELLED, Reason.CANCELLED),
    (Status.BLOCKED, Reason.BLOCKED),
    (Status.UNAPPROVED, Reason.UNAPPROVED),
    (Status.UNPAID, Reason.UNPAID),
)


@dataclass(frozen=True, slots=True)
class Right:
    """What a ticket allows on a check-in list."""

    allowed: int
    """Entries; 0: any number."""
    product: Product
    rules: CheckInList

    @property
    def unlimited(self) -> bool:
        """Whether no number of uses can be too many: nothing needs to be counted."""
        passback = self.rules.anti_passback in (AntiPassback.HARD, AntiPassback.TIMED)
        return self.allowed == 0 and (self.product.staff or not passback)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an entry would be one too many: the use that stands against it."""

    use: Use
    passback: bool
    """Whether the guest is inside, rather than the entries spent."""


def right_of(
    connection: Connection,
    policy: EventPolicy | None,
    row: Row | None,
    check_in_list: str,
    *,
    unlisted: bool,
) -> Right | Reason:
    """What the ticket of this row, if it has one, allows on the list, or why it allows nothing.

    Before any ticket is imported the server knows none, and every signed ticket stands for one
    entry; afterwards a ticket that is not there is unknown, unless its gate asks for it as
    ``unlisted``: it has verified the signature and admits without a list.
    """
    rules = rules_of(policy, check_in_list)
    if row is None:
        if not unlisted and has_tickets(connection):
            return Reason.UNKNOWN
        return Right(1 if rules.entries is None else rules.entries, Product(0), rules)
    for status, reason in _BARRED:
        if row["flags"] & status:
            return reason
    return _right(policy, rules, row)


def right_regardless(policy: EventPolicy | None, row: Row | None, name: str) -> Right:
    """What a ticket of this row, if it has one, allows on the list called ``name``, its status
    aside: by what entries that happened are judged.
    """
    rules = rules_of(policy, name)
    if row is None:
        return Right(1 if rules.entries is None else rules.entries, Product(0), rules)
    return _right(policy, rules, row)


def _right(policy: EventPolicy | None, rules: CheckInList, row: Row) -> Right:
    product = policy.product(row["product"]) if policy else Product(row["product"])
    if product.staff:
        return Right(0, product, rules)
    return Right(row["entries"] if rules.entries is None else rules.entries, product, rules)


_TICKETS = select(ticket).where(ticket.c.key.in_(bindparam("keys", expanding=True)))
_ANY_TICKET = select(ticket.c.key).limit(1)
_STANDING = select(redemption).where(
    redemption.c.ticket_key.in_(bindparam("keys", expanding=True)), redemption.c.stands == 1
)
_HELD = select(claim).where(
    claim.c.ticket_key == bindparam("key"),
    claim.c.list == bindparam("list"),
    claim.c.state == HELD,
    claim.c.direction == Direction.ENTRY.value,
)


def tickets(keys: Collection[bytes]) -> Question:
    """Asks for the rows of those tickets that are known; `by_key` orders them."""
    return _TICKETS, {"keys": list(keys)}


def by_key(rows: Iterable[Row]) -> dict[bytes, Row]:
    """Tickets by their key."""
    return {bytes(row["key"]): row for row in rows}


def has_tickets(connection: Connection) -> bool:
    """Whether any ticket was imported."""
    return connection.execute(_ANY_TICKET).first() is not None


Uses = dict[bytes, Use]
"""Uses by presentation."""


def standing(keys: Collection[bytes]) -> Question:
    """Asks for the entries and exits that stand by the gates' records, as `standing_uses` reads."""
    return _STANDING, {"keys": list(keys)}


def standing_uses(rows: Iterable[Row]) -> defaultdict[tuple[bytes, str], Uses]:
    """Entries and exits that stand, by ticket key and list."""
    found: defaultdict[tuple[bytes, str], Uses] = defaultdict(dict)
    for row in rows:
        use = standing_use(row)
        found[bytes(row["ticket_key"]), use.check_in_list][use.presentation] = use
    return found


def standing_use(row: Row) -> Use:
    """One of those that `standing` asks for."""
    return _use(row, Standing.PASSED)


def held(ticket_key: bytes, check_in_list: str) -> Question:
    """Asks for the entries that gates hold claims for. A held exit gives nothing back."""
    return _HELD, {"key": ticket_key, "list": check_in_list}


def held_uses(rows: Iterable[Row]) -> Uses:
    """What `held` asks for."""
    return {bytes(row["presentation"]): _use(row, Standing.OPEN) for row in rows}


def _use(row: Row, standing: Standing) -> Use:
    return Use(
        presentation=bytes(row["presentation"]),
        direction=Direction(row["direction"]),
        check_in_list=row["list"],
        at=row["at"],
        where=row["gate"],
        standing=standing,
        here=False,
    )


def in_time(uses: Uses) -> list[Use]:
    """Uses in order of time; the presentation breaks ties, so that the order is always one."""
    return sorted(uses.values(), key=lambda use: (use.at, use.presentation))


class Tally:
    """Uses of one ticket on one list, counted in order of time; as `admission.history` counts.

    One gate's times are in order; two gates' clocks may differ by any amount. So an exit that found
    nobody inside is kept, and belongs to the next entry of another gate: that one came before it.
    """

    def __init__(self, right: Right) -> None:
        self._right = right
        self._spent = 0
        self._inside = 0
        self._entries: list[Use] = []
        self._early: list[Use] = []

    def add(self, use: Use) -> None:
        """Count one more use, not earlier than those before."""
        reentry = self._right.rules.reentry_after_exit
        if use.direction is Direction.ENTRY:
            exit_before = self._early_exit(use)
            if exit_before is not None:
                self._early.remove(exit_before)
            self._spent += exit_before is None or not reentry
            self._inside += exit_before is None
            self._entries.append(use)
        elif use.standing is Standing.OPEN:  # who is not through yet may still turn round
            return
        elif self._inside:
            self._inside -= 1
            self._spent -= reentry
        else:
            self._early.append(use)

    def has_left(self, entry: Use) -> bool:
        """Whether the exit of this entry was counted already, by a clock that is behind."""
        return self._early_exit(entry) is not None

    def _early_exit(self, entry: Use) -> Use | None:
        return next((left for left in self._early if left.where != entry.where), None)

    def objection(self, at: float) -> Objection | None:
        """Say what stands against one more entry at ``at``, if anything."""
        if not self._entries:
            return None
        last, allowed = self._entries[-1], self._right.allowed
        if allowed and self._spent >= allowed:
            return Objection(last, passback=False)
        return Objection(last, passback=True) if self._is_inside(at) else None

    def _is_inside(self, at: float) -> bool:
        rules, people = self._right.rules, self._right.product.people
        if self._right.product.staff:
            return False
        if rules.anti_passback is AntiPassback.HARD:
            return self._inside >= people
        if rules.anti_passback is AntiPassback.TIMED:
            # Either side of now: a clock that ran ahead must not keep a guest out for hours.
            span = 60 * rules.passback_minutes
            return sum(abs(at - use.at) < span for use in self._entries) >= people
        return False
