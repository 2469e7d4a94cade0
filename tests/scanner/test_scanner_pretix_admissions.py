"""A pretix code on its way through the admission core: what is reserved, recorded and counted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from admission.clock import FakeClock
from admission.direction import Direction
from admission.rules import GatePolicy
from admission.verdict import Reason
from scanner.admissions import Admissions
from scanner.books import Books, NothingElsewhere
from scanner.showing import Showing, Stamp
from store.journal import Journal
from store.records import Kind, Record
from tests.rigs.gate_rig import BOOT
from tests.rigs.pretix_desk import CODES, Desk, at, key_of
from tickets.credential import Rejection

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT


class Core:
    """Admissions over a real journal and the desk's books."""

    def __init__(self, directory: Path) -> None:
        self.books: Books = Desk().books
        self.clock = FakeClock(at("2020-01-01 10:00"))
        self.journal = Journal(directory / "journal.db", "DEMO")
        self.admissions = Admissions(
            journal=lambda: self.journal,
            books=lambda: self.books,
            elsewhere=NothingElsewhere(),
            clock=self.clock,
            stamp=Stamp(self.clock, "DEMO", BOOT),
            policy=GatePolicy("north"),
        )

    def showing(self, name: str, on: str, direction: Direction = ENTRY) -> Showing:
        """A code in view."""
        shown, key = self.books.read(CODES[name])
        return Showing("north-1", direction, on, "qr", shown, key)

    def show(self, name: str, on: str, direction: Direction = ENTRY) -> str:
        """Shown, decided, and gone through if it may be."""
        showing = self.showing(name, on, direction)
        decision = self.admissions.begin(showing, claims=False)
        assert decision is not None
        if decision.verdict.admitted:
            self.admissions.close(showing, Kind.PASSAGE)
        return decision.verdict.reason or "ok"

    def last(self) -> Record:
        """The scan recorded last."""
        return [e.record for e in self.journal.after(0, 100) if e.record.kind is Kind.SCAN][-1]


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    core = Core(tmp_path)
    yield core
    core.journal.close()


def test_an_add_on_is_recorded_as_itself_by_whichever_code_it_came(core: Core) -> None:
    """So that the server hears of the right position, and both codes are one entry."""
    assert core.show("one-extra", "extra-match") == "ok"
    assert core.last().ticket_key == key_of(b"extra-of-one")
    assert core.show("extra-of-one", "extra-match") == "already_redeemed"
    assert core.show("one-extra", "all") == "ok"
    assert core.last().ticket_key == key_of(b"one-extra")


def test_a_medium_is_recorded_as_the_ticket_it_stands_for(core: Core) -> None:
    """And the ticket's own code is used then too."""
    core.clock.at = at("2025-12-01 10:00")
    assert core.show("band-expired", "all") == "ok"
    assert core.last().ticket_key == key_of(b"paid")
    assert core.show("paid", "all") == "already_redeemed"


def test_a_medium_that_is_over_is_no_ticket(core: Core) -> None:
    """Its row must never pass for one."""
    core.clock.at = at("2026-02-01 10:00")
    assert core.show("band-expired", "all") == "unknown"
    assert core.show("band-expired", "joint") == "unknown"


@pytest.mark.parametrize(("name", "on"), [("paid", "all"), ("of-other-event", "other")])
def test_a_scan_at_a_joint_list_is_recorded_on_that_of_the_ticket_s_event(
    core: Core, name: str, on: str
) -> None:
    """One entry, whichever of the names a lane goes by."""
    assert core.show(name, "joint") == "ok"
    assert core.last().list == on


def test_what_is_no_ticket_at_a_joint_list_is_refused_as_such(core: Core) -> None:
    """On the first of its lists, when it might be one; on the lane's own name, when it cannot."""
    assert core.show("never-sold", "joint") == "unknown"
    assert core.last().list == "all"
    noise = core.showing("never-sold", "joint")
    rejection, _ = core.books.read(b"\x00\x01")
    assert isinstance(rejection, Rejection)
    noise.credential, noise.ticket_key = rejection, None
    decision = core.admissions.begin(noise, claims=False)
    assert decision is not None
    assert decision.verdict.reason is Reason.UNREADABLE
    assert core.last().list == "joint"


def test_two_lanes_cannot_let_in_one_ticket_by_two_codes(core: Core) -> None:
    """The ticket is reserved, not the code."""
    first = core.showing("one-extra", "extra-match")
    decision = core.admissions.begin(first, claims=False)
    assert decision is not None
    assert decision.verdict.admitted
    assert core.show("extra-of-one", "extra-match") == "taken_elsewhere"


def test_an_ambiguous_code_is_let_out_and_recorded_as_the_ticket_itself(core: Core) -> None:
    """Nobody is kept in."""
    assert core.show("with-extras", "all-match") == "ambiguous"
    assert core.show("with-extras", "all-match", EXIT) == "ok"
    assert core.last().ticket_key == key_of(b"with-extras")
    assert core.last().detail == "exit with warning: ambiguous"


def test_a_preview_says_what_would_be_decided(core: Core) -> None:
    """By the same choice of ticket and list."""
    showing = core.showing("one-extra", "extra-match")
    assert core.admissions.preview(showing).verdict.admitted
    assert core.admissions.look(core.showing("with-extras", "all-match")).verdict.reason
