"""The tray of tickets: what a visitor may hold up, what each should meet, and whose turn it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tickets.ad1 import sign, to_qr_text
from tickets.cose import key_id, public_key_of
from tickets.credential import Credential, Format
from tickets.key_files import SecretKey
from tickets.keys import cti_of, event_key_of, ticket_key

EVENT = "DEMO"
FORGER = b"\x66" * 32
"""A seed that is no issuer's: its tickets look right and are not."""
GROUP = 4
"""People on a group ticket."""
MADE = 400
"""Guests with tickets at first, and added each time they run out."""
FEW = 60
"""Guests left at which more are added."""
NOTHING = "nothing"
"""Expected of what is no ticket, and of every ticket where none is looked at."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One place of the tray."""

    id: str
    label: str
    story: str
    expected: str
    product: int = 1
    entries: int = 1
    fresh: bool = False
    """Each guest who went in is followed by another."""
    lane: str = "entry"
    card: bool = True
    """Whether there is one on a card, too."""


_KINDS = (
    Kind("valid", "A guest's ticket", "Bought last week, never used.", "admitted", fresh=True),
    Kind("used", "A used ticket", "Somebody went in with it before.", "already_redeemed"),
    Kind("forged", "A forged ticket", "Looks right, signed by a stranger.", "forged"),
    Kind("cancelled", "A cancelled ticket", "The money was paid back.", "cancelled"),
    Kind("tomorrow", "Tomorrow's ticket", "The right event, a day early.", "too_early"),
    Kind(
        "wrong_gate", "A backstage ticket", "Real, but for another door.", "wrong_list", product=3
    ),
    Kind("other_event", "Another event's ticket", "For next month's show.", "wrong_event"),
    Kind(
        "group",
        "A ticket for four",
        "One code, four friends: each shows it.",
        "admitted",
        product=4,
        entries=GROUP,
        fresh=True,
    ),
    Kind(
        "concession",
        "A student's ticket",
        "Cheaper: the steward checks the pass.",
        "admitted",
        product=2,
        fresh=True,
    ),
    Kind(
        "photo",
        "A photo of a screen",
        "Stripes and all, a real code.",
        "admitted",
        fresh=True,
        card=False,
    ),
    Kind("noise", "No ticket at all", "A patterned scarf.", NOTHING, card=False),
    Kind(
        "leaving", "A guest goes home", "The last who came in.", "admitted", lane="exit", card=False
    ),
)
KINDS = {kind.id: kind for kind in _KINDS}
"""The tray, in its order."""
TEST = 10
"""Added to a product's number: the same as a test ticket, for lanes in training."""
PRODUCTS = {1: "Day ticket", 2: "Student", 3: "Backstage", 4: "Group of four"}
ATTENTION = {2: "concession: check the pass"}

POLICY: dict[str, object] = {
    "lists": {"main": {"products": [1, 2, 4, 11, 12, 14], "reentry_after_exit": True}},
    "products": {
        str(number + test): {
            "name": name,
            "test": bool(test),
            **({"attention": ATTENTION[number]} if number in ATTENTION else {}),
        }
        for test in (0, TEST)
        for number, name in PRODUCTS.items()
    },
}
"""The organiser's policy: 'backstage' is not on the list of the main entrance."""


@dataclass(slots=True)
class _Turns:
    """Whose turn it is, of real tickets or of test tickets."""

    number: dict[str, int] = field(default_factory=dict)
    """Of the next guest, by kind."""
    inside: list[str] = field(default_factory=list)
    shown: int = 0
    """How many of the group of this turn went in."""
    used: bool = False
    """Whether the used ticket is used already."""


class Tray:
    """The tickets of one playground. Holds the issuer's key: this is its own event."""

    def __init__(self, issuer: SecretKey, event_secret: bytes) -> None:
        self.training = False
        """Whether the lanes are in training: then these are test tickets."""
        self.made = 0
        """Guests with tickets so far, of each kind."""
        self._issuer, self._event_secret = issuer, event_secret
        self._turns = {False: _Turns(), True: _Turns()}

    @property
    def few_left(self) -> bool:
        """Whether more guests are wanted."""
        numbers = [n for turns in self._turns.values() for n in turns.number.values()]
        return self.made - max(numbers, default=0) < FEW

    def forget_training(self) -> None:
        """The gate forgot what it wrote in training: it starts anew with every run."""
        numbers = self._turns[True].number
        self._turns[True] = _Turns({kind: number + 1 for kind, number in numbers.items()})

    def more_guests(self, now: datetime) -> Iterator[bytes]:
        """Lines of a CSV file (`tickets.csv_rows`) with further guests; the rest at first."""
        first, self.made = self.made, self.made + MADE
        yield b"id,product,entries,status,valid_from\n"
        for test in (False, True):
            for kind in (kind for kind in KINDS.values() if kind.fresh):
                for number in range(first, self.made):
                    yield self._line(kind, _name(kind.id, number, test), test)
            if not first:
                tomorrow = (now + timedelta(days=1)).isoformat(timespec="seconds")
                yield self._line(KINDS["used"], _name("used", 0, test), test)
                yield self._line(KINDS["leaving"], _name("leaving", 0, test), test)
                yield self._line(KINDS["wrong_gate"], _name("wrong_gate", 0, test), test)
                yield self._line(KINDS["cancelled"], _name("cancelled", 0, test), test, "cancelled")
                yield self._line(KINDS["tomorrow"], _name("tomorrow", 0, test), test, "", tomorrow)

    def _line(self, kind: Kind, name: str, test: bool, status: str = "", start: str = "") -> bytes:
        product = kind.product + TEST * test
        return f"{name},{product},{kind.entries},{status},{start}\n".encode()

    # -- what is shown -------------------------------------------------------------------------

    def name(self, kind: str) -> str:
        """The ticket whose turn it is, as the organiser's books name it."""
        turns = self._turns[self.training]
        if kind == "leaving" and turns.inside:
            return turns.inside[-1]
        return _name(kind, turns.number.get(kind, 0), self.training)

    def code(self, kind: str) -> str | None:
        """The text of its QR code; None: it has none."""
        return None if kind == "noise" else to_qr_text(self.signed(kind))

    def signed(self, kind: str) -> bytes:
        """The ticket itself, as a card carries it."""
        place = KINDS[kind]
        seed = FORGER if kind == "forged" else self._issuer.secret
        return sign(
            seed,
            key_id(public_key_of(seed)),
            "NEXTMONTH" if kind == "other_event" else EVENT,
            cti_of(self._event_secret, self.name(kind)),
            product=place.product + TEST * self.training,
            entries=place.entries,
        )

    def masked(self, kind: str) -> str | None:
        """How the gate's events name it: the end of its ticket key; None: it names no ticket."""
        if kind in ("forged", "other_event", "noise"):
            return None
        cti = cti_of(self._event_secret, self.name(kind))
        return ticket_key(event_key_of(self._event_secret), Credential(Format.AD1, cti)).hex()[-4:]

    def expected(self, kind: str, clock: str = "normal") -> str:
        """What it should meet at a lane that looks at tickets."""
        if kind == "used" and not self._turns[self.training].used:
            return "admitted"
        if kind == "tomorrow" and clock == "unknown":
            return "admitted"  # with a remark: no clock, no refusal by the clock
        return KINDS[kind].expected

    # -- what became of it ---------------------------------------------------------------------

    def refused(self, kind: str, name: str) -> None:
        """The gate refused it: of a guest's own ticket, the next guest's turn."""
        if KINDS[kind].fresh and name == self.name(kind):
            self._next(kind)

    def went_through(self, kind: str, name: str) -> None:
        """Somebody went through with it, or it counts as if."""
        turns = self._turns[self.training]
        if kind == "leaving":
            turns.inside = [guest for guest in turns.inside if guest != name]
        elif kind == "used":
            turns.used = True
        elif KINDS[kind].fresh and name == self.name(kind):
            self._went_in(kind, name)

    def _went_in(self, kind: str, name: str) -> None:
        turns = self._turns[self.training]
        if kind == "group":
            turns.shown += 1
            if turns.shown < GROUP:
                return
        else:
            turns.inside.append(name)
        self._next(kind)

    def _next(self, kind: str) -> None:
        turns = self._turns[self.training]
        turns.number[kind] = turns.number.get(kind, 0) + 1
        if kind == "group":
            turns.shown = 0


def _name(kind: str, number: int, test: bool) -> str:
    return f"{'test-' if test else ''}{kind}-{number}"
