"""The admission core: reserved, decided and recorded in one step, whatever fails."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admission.decide import Claim, ClaimState, Decision
from admission.direction import Direction
from admission.errors import GateError
from admission.history import Standing
from admission.rules import CheckInList, GatePolicy, Product
from admission.verdict import Reason
from scanner.admissions import Admissions, NotReady
from scanner.books import Books
from scanner.questions import Question
from scanner.showing import Showing, Stamp
from store.journal import COUNTS, Journal, JournalUnavailable
from store.records import Kind
from tests.rigs.gate_rig import BOOT, EVENT, GateRig, code, key_of, row
from tickets.rows import Ticket

ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
FULL_CARD = JournalUnavailable("the card is full", "Free some space")
NO_LIST = NotReady("the list has not arrived", "Wait")
GRANTED = Claim(ClaimState.GRANTED)


class Core:
    """An admission core over a real journal, whose journal and books can be taken away."""

    def __init__(self, directory: Path, *tickets: Ticket, **rig: Any) -> None:
        self.rig = GateRig(directory, tickets, lanes=[], **rig)
        self.journal_fault: GateError | None = None
        self.books_fault: GateError | None = None
        self.admissions = self.restarted()

    def restarted(self) -> Admissions:
        """A new core over the same journal, as after a crash."""
        return Admissions(
            journal=self._journal,
            books=self._books,
            elsewhere=self.rig,
            clock=self.rig.clock,
            stamp=Stamp(self.rig.clock, EVENT, BOOT),
            policy=GatePolicy("north"),
        )

    def _journal(self) -> Journal:
        if self.journal_fault:
            raise self.journal_fault
        return self.rig.journal

    def _books(self) -> Books:
        if self.books_fault:
            raise self.books_fault
        return self.rig.current_books

    def showing(self, name: str, lane: str = "entry-1", **changes: Any) -> Showing:
        """One showing of the ticket `name`."""
        credential, key = self.rig.current_books.read(code(name))
        plain = Showing(lane, ENTRY, "main", "qr", credential, key)
        return replace(plain, **changes)

    def enter(self, name: str, lane: str = "entry-1", **changes: Any) -> Decision:
        """Show a ticket; whoever is admitted walks through."""
        showing = self.showing(name, lane, **changes)
        decision = self.admissions.begin(showing, claims=False)
        assert decision is not None
        if decision.verdict.admitted:
            self.admissions.close(showing, Kind.PASSAGE)
        return decision


@pytest.fixture
def core(tmp_path: Path) -> Core:
    """A gate with anna's and bert's single tickets."""
    return Core(tmp_path, row("anna"), row("bert"))


def begin(core: Core, name: str, lane: str = "entry-1", **changes: Any) -> tuple[Showing, Decision]:
    """A showing and what is recorded of it; no claim is due."""
    showing = core.showing(name, lane, **changes)
    decision = core.admissions.begin(showing, claims=False)
    assert decision is not None
    return showing, decision


# -- I2: one entry per entry right ---------------------------------------------------------------


@pytest.mark.parametrize("authority", [False, True])
def test_eight_threads_with_one_ticket_at_two_lanes_get_one_admission(
    tmp_path: Path, authority: bool
) -> None:
    """I2: fifty tickets, each shown eight times at once; with and without a claim in between."""
    names = [f"guest {number}" for number in range(50)]
    core = Core(tmp_path, *map(row, names))
    start = threading.Barrier(8)

    def present(name: str, worker: int) -> bool:
        showing = core.showing(name, f"entry-{worker % 2}")
        start.wait()
        decision = core.admissions.begin(showing, claims=authority)
        if decision is None:
            decision = core.admissions.conclude(showing, GRANTED)
        if decision.verdict.admitted:
            core.admissions.close(showing, Kind.PASSAGE)
        return decision.verdict.admitted

    with ThreadPoolExecutor(8) as pool:
        for name in names:
            assert sum(pool.map(present, [name] * 8, range(8))) == 1, name
    scans = core.rig.records(Kind.SCAN)
    assert len(scans) == 8 * len(names)
    assert sum(scan.verdict == "admitted" for scan in scans) == len(names)
    assert len(core.rig.records(Kind.PASSAGE)) == len(names)


def test_a_ticket_under_way_at_one_lane_is_refused_at_the_other(core: Core) -> None:
    """Named by the lane, so that the steward sees where it is; recorded like any refusal."""
    begin(core, "anna", "entry-1")
    _, second = begin(core, "anna", "entry-2")
    assert second.verdict.reason is Reason.TAKEN_ELSEWHERE
    assert second.verdict.detail == "in use at lane entry-1 right now"
    assert core.rig.scans()[-1] == ("refused", "taken_elsewhere")


def test_other_tickets_are_not_held_up_by_it(core: Core) -> None:
    """A reservation is of one ticket key."""
    begin(core, "anna", "entry-1")
    assert begin(core, "bert", "entry-2")[1].verdict.admitted


def test_an_exit_is_not_refused_for_an_entry_under_way(tmp_path: Path) -> None:
    """I11: one of a family leaves while another enters on the same ticket."""
    core = Core(tmp_path, row("family", entries=4))
    coming, _ = begin(core, "family", "entry-1")
    going, decision = begin(core, "family", "exit-1", direction=EXIT)
    assert decision.verdict.admitted
    core.admissions.close(going, Kind.PASSAGE)
    _, copy = begin(core, "family", "entry-2")
    assert copy.verdict.reason is Reason.TAKEN_ELSEWHERE, "the exit gave away the reservation"
    core.admissions.close(coming, Kind.PASSAGE)
    assert begin(core, "family", "entry-2")[1].verdict.admitted


def test_a_copy_does_not_enter_on_an_exit_not_yet_walked(tmp_path: Path) -> None:
    """Who turns round in the exit is still inside, and so would be the copy."""
    rules = [CheckInList("main", reentry_after_exit=True)]
    core = Core(tmp_path, row("anna"), lists=rules)
    core.enter("anna")
    leaving, _ = begin(core, "anna", "exit-1", direction=EXIT)
    core.admissions._let_go(leaving)  # even were it not reserved
    assert begin(core, "anna")[1].verdict.reason is Reason.ALREADY_REDEEMED
    core.admissions.close(leaving, Kind.PASSAGE)
    assert begin(core, "anna")[1].verdict.admitted


@pytest.mark.parametrize("kind", [Kind.PASSAGE, Kind.NO_PASSAGE, Kind.ABORTED])
def test_every_outcome_gives_the_reservation_back(core: Core, kind: Kind) -> None:
    """Afterwards the history decides: used, or free again."""
    showing, _ = begin(core, "anna")
    assert core.admissions.close(showing, kind)
    _, again = begin(core, "anna", "entry-2")
    assert again.verdict.reason is (Reason.ALREADY_REDEEMED if kind is Kind.PASSAGE else None)


def test_a_refusal_gives_the_reservation_back(core: Core) -> None:
    """A cancelled ticket that is valid again gets in at once."""
    core.rig.cancel("anna")
    assert begin(core, "anna")[1].verdict.reason is Reason.CANCELLED
    core.rig.rows[key_of("anna")] = row("anna")
    assert begin(core, "anna")[1].verdict.admitted


def test_codes_that_name_no_ticket_are_never_in_each_other_s_way(core: Core) -> None:
    """Two forged codes at two lanes are two refusals as forged."""
    for lane in ("entry-1", "entry-2"):
        bad, key = core.rig.current_books.read(code("anna")[:-6] + b"AAAAAA")
        _, decision = begin(core, "anna", lane, credential=bad, ticket_key=key)
        assert decision.verdict.reason is Reason.FORGED


# -- claims --------------------------------------------------------------------------------------


def test_a_locally_admitted_entry_waits_for_its_claim(core: Core) -> None:
    """Reserved and not recorded yet; the answer decides."""
    showing = core.showing("anna")
    assert core.admissions.begin(showing, claims=True) is None
    assert core.rig.scans() == []
    assert begin(core, "anna", "entry-2")[1].verdict.reason is Reason.TAKEN_ELSEWHERE
    decision = core.admissions.conclude(showing, GRANTED)
    assert decision.verdict.admitted
    assert core.rig.records(Kind.SCAN)[-1].claim == "granted"


def test_the_ticket_is_judged_again_when_the_answer_is_there(core: Core) -> None:
    """Cancelled while the authority was asked: no grant makes it valid."""
    showing = core.showing("anna")
    core.admissions.begin(showing, claims=True)
    core.rig.cancel("anna")
    assert core.admissions.conclude(showing, GRANTED).verdict.reason is Reason.CANCELLED


@pytest.mark.parametrize(
    ("case", "product", "changes"),
    [
        ("refused here anyway", Product(2), {"check_in_list": "main"}),
        ("on the way out", Product(1), {"direction": EXIT}),
        ("a staff pass", Product(1, staff=True), {}),
        ("no ticket at all", Product(1), {"ticket_key": None}),
    ],
)
def test_nobody_is_asked_about(
    tmp_path: Path, case: str, product: Product, changes: dict[str, Any]
) -> None:
    """A refusal needs no authority, nor do exits and staff."""
    only = frozenset({1}) if product.number == 2 else frozenset()
    core = Core(
        tmp_path,
        row("anna", product=product.number),
        products=[product],
        lists=[CheckInList("main", products=only)],
    )
    assert core.admissions.begin(core.showing("anna", **changes), claims=True) is not None, case


def test_a_check_that_is_cut_short_is_a_recorded_refusal(core: Core) -> None:
    """The lane was taken out of service meanwhile; the ticket is free again."""
    showing = core.showing("anna")
    core.admissions.begin(showing, claims=True)
    core.admissions.refuse(showing, Reason.OUT_OF_SERVICE, "lane became evacuation")
    assert core.rig.scans() == [("refused", "out_of_service")]
    assert begin(core, "anna", "entry-2")[1].verdict.admitted


# -- I1: no journal, no admission ----------------------------------------------------------------


def fault(core: Core, name: str, error: GateError | None) -> None:
    """Take the journal or the books away, or (None) give them back."""
    setattr(core, f"{name}_fault", error)


FAULTS = [("journal", FULL_CARD), ("books", NO_LIST)]


@pytest.mark.parametrize(("part", "error"), FAULTS)
@pytest.mark.parametrize("claims", [False, True])
def test_without_a_journal_or_books_nothing_is_decided(
    core: Core, part: str, error: GateError, claims: bool
) -> None:
    """The named error reaches the lane; the ticket is free for later."""
    fault(core, part, error)
    with pytest.raises(type(error)):
        core.admissions.begin(core.showing("anna"), claims=claims)
    fault(core, part, None)
    assert core.rig.scans() == []
    assert begin(core, "anna", "entry-2")[1].verdict.admitted


@pytest.mark.parametrize(("part", "error"), FAULTS)
def test_what_is_lost_while_the_authority_answers_leaves_no_reservation(
    core: Core, part: str, error: GateError
) -> None:
    """Granted, and not to be recorded: not admitted, and not stuck either."""
    showing = core.showing("anna")
    core.admissions.begin(showing, claims=True)
    fault(core, part, error)
    with pytest.raises(type(error)):
        core.admissions.conclude(showing, GRANTED)
    fault(core, part, None)
    assert begin(core, "anna", "entry-2")[1].verdict.admitted


@pytest.mark.parametrize(("part", "error"), FAULTS)
def test_a_check_cut_short_without_a_journal_leaves_no_reservation(
    core: Core, part: str, error: GateError
) -> None:
    """The lane is told; nothing was released, so nothing is owed."""
    showing = core.showing("anna")
    core.admissions.begin(showing, claims=True)
    fault(core, part, error)
    with pytest.raises(type(error)):
        core.admissions.refuse(showing, Reason.OUT_OF_SERVICE, "")
    fault(core, part, None)
    assert begin(core, "anna", "entry-2")[1].verdict.admitted


def test_a_commit_that_fails_admits_nobody(core: Core) -> None:
    """The decision was made and never got to disk: it is as if it had not been made."""
    core.rig.journal._db.execute("PRAGMA query_only=ON")  # what a read-only card does
    with pytest.raises(JournalUnavailable):
        core.admissions.begin(core.showing("anna"), claims=False)
    core.rig.journal._db.execute("PRAGMA query_only=OFF")
    assert core.rig.journal.uses(key_of("anna")) == []
    assert begin(core, "anna", "entry-2")[1].verdict.admitted


def test_a_lane_whose_list_is_not_in_the_rules_admits_nobody(core: Core) -> None:
    """NotReady says which list, and leaves nothing reserved."""
    with pytest.raises(NotReady, match="no check-in list 'vip'"):
        core.admissions.begin(core.showing("anna", check_in_list="vip"), claims=False)
    assert begin(core, "anna")[1].verdict.admitted


# -- I9: outcomes are owed until they are written ------------------------------------------------


def test_an_outcome_that_cannot_be_written_is_owed(core: Core) -> None:
    """And written first thing when it can be: before any other record."""
    showing, _ = begin(core, "anna")
    fault(core, "journal", FULL_CARD)
    assert not core.admissions.close(showing, Kind.NO_PASSAGE)
    assert not core.admissions.note(Kind.FORCED, lane="entry-1")
    fault(core, "journal", None)
    assert core.admissions.note(Kind.MODE, lane="entry-1", detail="normal")
    kinds = [entry.record.kind for entry in core.rig.journal.after(0, 99)]
    assert kinds[-3:] == [Kind.NO_PASSAGE, Kind.FORCED, Kind.MODE]


def test_until_it_is_written_the_entry_stands(core: Core) -> None:
    """Nobody gets in on an annulment that only memory knows; afterwards the ticket works."""
    showing, _ = begin(core, "anna")
    fault(core, "journal", FULL_CARD)
    core.admissions.close(showing, Kind.NO_PASSAGE)
    fault(core, "journal", None)
    assert begin(core, "anna")[1].verdict.reason is Reason.ALREADY_REDEEMED
    core.admissions.settle_debts()
    assert begin(core, "anna")[1].verdict.admitted


def test_debts_that_cannot_be_paid_stay(core: Core) -> None:
    """In their order, as long as it takes."""
    showing, _ = begin(core, "anna")
    fault(core, "journal", FULL_CARD)
    core.admissions.close(showing, Kind.PASSAGE)
    for _ in range(3):
        with pytest.raises(JournalUnavailable):
            core.admissions.settle_debts()
    fault(core, "journal", None)
    core.admissions.settle_debts()
    core.admissions.settle_debts()
    assert core.rig.outcomes() == [Kind.PASSAGE]


def test_lanes_that_pay_at_once_write_each_debt_once(core: Core) -> None:
    """Eight threads, two hundred records owed: none doubled, none lost."""
    fault(core, "journal", FULL_CARD)
    for number in range(200):
        core.admissions.note(Kind.FORCED, detail=str(number))
    fault(core, "journal", None)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: core.admissions.settle_debts(), range(8)):
            pass
    assert [r.detail for r in core.rig.records(Kind.FORCED)] == [str(n) for n in range(200)]


def test_a_gate_proves_that_it_works_by_a_record_and_its_books(core: Core) -> None:
    """Either missing, it has not."""
    for part, error in FAULTS:
        fault(core, part, error)
        with pytest.raises(type(error)):
            core.admissions.prove(Kind.FAULT, "main", detail="works again")
        fault(core, part, None)
    assert core.rig.records(Kind.FAULT) == []
    core.admissions.prove(Kind.FAULT, "main", detail="works again")
    assert len(core.rig.records(Kind.FAULT)) == 1


# -- annulments, crashes, looking ----------------------------------------------------------------


def question(showing: Showing) -> Question:
    """What the steward is asked about a showing."""
    return Question(
        presentation=showing.presentation,
        ticket_key=showing.ticket_key or b"",
        check_in_list=showing.check_in_list,
        direction=showing.direction,
        at=0.0,
    )


def test_the_steward_s_annulment_gives_the_entry_back(core: Core) -> None:
    """Recorded with who said so; the ticket works again."""
    showing, _ = begin(core, "anna")
    core.admissions.close(showing, Kind.NO_PASSAGE, f"{COUNTS}: steward asked")
    assert begin(core, "anna")[1].verdict.reason is Reason.ALREADY_REDEEMED
    core.admissions.annul(question(showing), "entry-1", "steward 7")
    assert core.rig.records(Kind.OPERATOR)[0].detail == "annul: nobody went through, says steward 7"
    assert begin(core, "anna")[1].verdict.admitted


def test_an_annulment_that_cannot_be_recorded_is_not_made(core: Core) -> None:
    """The steward is told and asks again."""
    showing, _ = begin(core, "anna")
    core.admissions.close(showing, Kind.PASSAGE)
    fault(core, "journal", FULL_CARD)
    with pytest.raises(JournalUnavailable):
        core.admissions.annul(question(showing), "entry-1", "steward")
    fault(core, "journal", None)
    assert begin(core, "anna")[1].verdict.reason is Reason.ALREADY_REDEEMED


def test_turn_backs_of_a_ticket_are_counted(core: Core) -> None:
    """The second one asks the steward."""
    showing, _ = begin(core, "anna")
    assert core.admissions.turned_back(showing) == 0
    core.admissions.close(showing, Kind.NO_PASSAGE)
    assert core.admissions.turned_back(showing) == 1
    assert core.admissions.turned_back(replace(showing, check_in_list="vip")) == 0
    assert core.admissions.turned_back(replace(showing, ticket_key=None)) == 0


def test_admissions_without_an_outcome_become_interrupted_at_start(core: Core) -> None:
    """Once each; those with an outcome, and refusals, are left alone."""
    begin(core, "anna")
    core.enter("bert")
    begin(core, "bert")
    again = core.restarted()
    assert [entry.record.ticket_key for entry in again.recover()] == [key_of("anna")]
    again.recover()
    assert len(core.rig.records(Kind.INTERRUPTED)) == 1
    assert core.restarted().recover() == []
    (use,) = core.rig.journal.uses(key_of("anna"))
    assert use.standing is Standing.INTERRUPTED


def test_a_journal_that_is_opened_anew_interrupts_nobody_of_this_run(core: Core) -> None:
    """Who is in an arm, and whose outcome is owed, is still known here: only a crash forgets."""
    walking, _ = begin(core, "anna")
    owed, _ = begin(core, "bert")
    fault(core, "journal", FULL_CARD)
    core.admissions.close(owed, Kind.NO_PASSAGE)
    core.rig.journal.close()
    core.rig.journal = Journal(core.rig.directory / "journal.db", EVENT)
    fault(core, "journal", None)
    assert core.admissions.close(walking, Kind.PASSAGE)
    assert core.rig.outcomes() == [Kind.NO_PASSAGE, Kind.PASSAGE]


def test_an_interrupted_entry_is_resumed_once(core: Core) -> None:
    """The new entry takes the old one's place, in one transaction; after that it is used."""
    begin(core, "anna")
    core.admissions = core.restarted()
    core.admissions.recover()
    assert core.enter("anna", resume_open=True).verdict.admitted
    assert [use.standing for use in core.rig.journal.uses(key_of("anna"))] == [
        Standing.RESUMED,
        Standing.PASSED,
    ]
    assert core.enter("anna", resume_open=True).verdict.reason is Reason.ALREADY_REDEEMED


def test_a_resumed_entry_needs_no_claim(core: Core) -> None:
    """The authority has it already, under the interrupted presentation."""
    begin(core, "anna")
    core.admissions = core.restarted()
    core.admissions.recover()
    decision = core.admissions.begin(core.showing("anna", resume_open=True), claims=True)
    assert decision is not None and decision.verdict.admitted


@pytest.mark.parametrize("how", ["look", "preview"])
def test_looking_redeems_and_reserves_nothing(core: Core, how: str) -> None:
    """Lane mode check, and the command line's question."""
    say: Callable[[Showing], Decision] = getattr(core.admissions, how)
    assert say(core.showing("anna")).verdict.admitted
    assert core.rig.journal.uses(key_of("anna")) == []
    assert begin(core, "anna")[1].verdict.admitted
    assert say(core.showing("anna")).verdict.reason is Reason.ALREADY_REDEEMED


# -- how many are inside -------------------------------------------------------------------------


def limited(directory: Path, capacity: int, guests: int) -> Core:
    """A gate to an area for so many people."""
    rules = [CheckInList("main", capacity=capacity)]
    return Core(directory, *[row(f"guest {n}") for n in range(guests)], lists=rules)


def test_a_full_area_admits_the_next_when_someone_has_left(tmp_path: Path) -> None:
    """Passages count, in and out."""
    core = limited(tmp_path, 1, 2)
    assert core.enter("guest 0").verdict.admitted
    assert core.enter("guest 1").verdict.reason is Reason.FULL
    core.enter("guest 0", "exit-1", direction=EXIT)
    assert core.enter("guest 1").verdict.admitted


def test_who_is_in_an_arm_takes_a_place(tmp_path: Path) -> None:
    """Eight lanes at once do not admit eight to the last place; who turns back frees it."""
    core = limited(tmp_path, 3, 8)

    def present(number: int) -> Showing | None:
        showing, decision = begin(core, f"guest {number}", f"entry-{number}")
        return showing if decision.verdict.admitted else None

    with ThreadPoolExecutor(8) as pool:
        admitted = [showing for showing in pool.map(present, range(8)) if showing]
    assert len(admitted) == 3
    core.admissions.close(admitted[0], Kind.NO_PASSAGE)
    names = [f"guest {n}" for n in range(8)]
    others = [n for n in names if key_of(n) not in {s.ticket_key for s in admitted}]
    assert core.enter(others[0]).verdict.admitted
    assert core.enter(others[1]).verdict.reason is Reason.FULL


def test_people_inside_are_known_again_after_a_restart(tmp_path: Path) -> None:
    """From the journal's passages; never fewer than none."""
    core = limited(tmp_path, 2, 3)
    core.enter("guest 0")
    core.enter("guest 1")
    core.admissions = core.restarted()
    core.admissions.recover()
    assert core.enter("guest 2").verdict.reason is Reason.FULL
    for _ in range(3):
        core.enter("guest 0", "exit-1", direction=EXIT)
    core.admissions = core.restarted()
    core.admissions.recover()
    assert core.admissions.inside["main"] == 0
