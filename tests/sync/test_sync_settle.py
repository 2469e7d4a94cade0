"""Settling: no claim is held without a standing entry, and no standing entry is annulled."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from store.mirror import Intent, JournalFact, Mirror
from store.records import Entry, Kind, Record
from sync.answers import OpenClaim
from sync.backend import Claim, ClaimResult, Granted, Refused, Unreachable
from sync.errors import ServerRefused, ServerSlow
from sync.settle import GRACE, Action, Settler, fact_of, settle

EPOCH = b"epoch..1"
P = b"P" * 16


def intent(**facts) -> Intent:
    return Intent(P, b"K" * 16, "main", "entry", 1000.0, "admit", EPOCH, **facts)


@pytest.mark.parametrize(
    ("case", "facts", "caught_up", "age", "done"),
    [
        ("entered", {"verdict": "admitted", "counts": True}, True, 9.0, "stands"),
        ("entered unclaimed", {"verdict": "admitted", "counts": True, "result": "unreachable"},
         False, 0.0, "stands"),
        ("nobody went through", {"verdict": "admitted", "counts": False}, False, 0.0, "annul"),
        ("still at the turnstile", {"verdict": "admitted"}, True, 99.0, None),
        ("entered, its scan is long up", {"counts": True}, True, 99.0, "stands"),
        ("refused here", {"verdict": "refused", "result": "granted"}, False, 0.0, "annul"),
        ("refused there", {"verdict": "refused", "result": "taken"}, False, 0.0, "not_held"),
        ("taken elsewhere", {"result": "taken"}, False, 0.0, "not_held"),
        ("never acted on", {"result": "granted"}, True, GRACE, "annul"),
        ("answer lost, never acted on", {}, True, GRACE, "annul"),
        ("too young to tell", {}, True, GRACE - 0.1, None),
        ("its commit hangs in a slow card, and counts", {"result": "granted"}, True, 10.0, None),
        ("journal not read to its head", {}, False, 99.0, None),
    ],
)  # fmt: skip
def test_an_intent_is_settled_by_the_journal(case, facts, caught_up, age, done):
    actions = settle([intent(**facts)], caught_up, EPOCH, lambda _: age)
    assert actions == ([Action(P, done)] if done else []), case


def test_an_intent_of_a_journal_that_cannot_be_read_any_more_is_kept():
    assert settle([intent()], True, b"epoch..2", lambda _: 99.0) == []


@pytest.mark.parametrize(
    ("kind", "detail", "counts"),
    [
        (Kind.PASSAGE, "", True),
        (Kind.INTERRUPTED, "", True),
        (Kind.NO_PASSAGE, "", False),
        (Kind.NO_PASSAGE, "counts: sensor suspect", True),
        (Kind.ABORTED, "evacuation", False),
        (Kind.ABORTED, "counts", True),
        (Kind.OPERATOR, "annul: nobody there", False),
    ],
)
def test_what_counts_as_an_entry(kind, detail, counts):
    """Source: docs/protocol.md, "What counts as an entry at central"."""
    entry = Entry(1, Record(kind, P, detail=detail), bytes(32), bytes(32))
    assert fact_of(entry) == JournalFact(P, outcome=kind.value, counts=counts)


def test_records_without_a_presentation_or_an_outcome_say_nothing():
    assert fact_of(Entry(1, Record(Kind.PASSAGE), bytes(32), bytes(32))) is None
    for kind in (Kind.FAULT, Kind.OPERATOR, Kind.RESUMED):
        assert fact_of(Entry(1, Record(kind, P), bytes(32), bytes(32))) is None


class Register:
    """An authority as the protocol describes it: one holder, tombstones, a link that fails."""

    kind = "admit"

    def __init__(self) -> None:
        self.holder: bytes | None = None
        self.tombstones: set[bytes] = set()
        self.underway: list[Claim] = []
        """Requests that have left the gate and not arrived."""
        self.annulled_standing: list[bytes] = []
        self.standing: set[bytes] = set()
        self.up = True

    def arrive(self, claim: Claim) -> ClaimResult:
        if claim.presentation in self.tombstones:
            return Refused("annulled")
        if self.holder not in (None, claim.presentation):
            return Refused("taken")
        self.holder = claim.presentation
        return Granted()

    def claim(self, claim: Claim, seconds: float) -> ClaimResult:
        return self.arrive(claim)

    def annul(self, presentation: bytes) -> None:
        if not self.up:
            raise ServerSlow("register", 1.0)
        if presentation in self.standing:
            self.annulled_standing.append(presentation)
        self.tombstones.add(presentation)
        if self.holder == presentation:
            self.holder = None

    def open_claims(self) -> list[OpenClaim]:
        if not self.up:
            raise ServerSlow("register", 1.0)
        if self.holder is None or self.holder in self.standing:
            return []
        claim = {"presentation": self.holder.hex(), "ticket_key": "4b" * 16, "list": "main"}
        return [OpenClaim.model_validate(claim | {"at": 1.0})]

    def probe(self, seconds: float) -> bool:
        return self.up


class Claims(RuleBasedStateMachine):
    """One ticket shown again and again; every order of request, answer, crash and annulment."""

    @initialize()
    def begin(self):
        self.directory = tempfile.TemporaryDirectory()
        self.mirror = Mirror(Path(self.directory.name) / "mirror.db")
        self.register = Register()
        self.now = 1000.0
        self.count = 0
        self.pending: bytes | None = None
        """Presentation at the turnstile: recorded, no outcome yet."""
        self.asked: bytes | None = None
        """Presentation whose claim was asked and that has no record yet."""
        self.asked_at = 0.0
        self.journal: list[JournalFact] = []
        self.read = 0
        self.settler = self._settler()

    def _settler(self) -> Settler:
        return Settler(self.register, self.mirror, lambda: self.now)

    def _claim(self) -> Claim:
        return Claim(self.asked, b"K" * 16, "main", "entry", self.now)

    @precondition(lambda self: self.asked is None and self.pending is None)
    @rule(way=st.sampled_from(["answered", "late", "lost", "crash before it left"]))
    def show(self, way):
        """sync commits the intent, then the request leaves - or a crash comes first."""
        self.count += 1
        self.asked, self.asked_at = self.count.to_bytes(16, "big"), self.now
        claim = self._claim()
        self.mirror.intend(
            Intent(claim.presentation, b"K" * 16, "main", "entry", 1.0, "admit", EPOCH)
        )
        if way == "answered":
            name = type(self.register.arrive(claim)).__name__.lower()
            self.mirror.answered(claim.presentation, name)
        elif way == "late":
            self.register.underway.append(claim)
            self.mirror.answered(claim.presentation, type(Unreachable()).__name__.lower())
        elif way == "lost":
            self.register.arrive(claim)

    @precondition(lambda self: self.register.underway)
    @rule()
    def a_late_request_arrives(self):
        self.register.arrive(self.register.underway.pop(0))

    @precondition(lambda self: self.asked is not None and self.now - self.asked_at < GRACE)
    @rule(verdict=st.sampled_from(["admitted", "admitted", "refused", None]))
    def record(self, verdict):
        """scanner commits its decision, or crashes; that it does so in time is its part."""
        if verdict is None:
            self.asked = None
            return
        self.journal.append(JournalFact(self.asked, verdict=verdict))
        self.pending = self.asked if verdict == "admitted" else None
        if verdict == "admitted":
            assert self.asked not in self.register.tombstones, "annulled before it was recorded"
            self.register.standing.add(self.asked)  # until an outcome says otherwise
        self.asked = None

    @precondition(lambda self: self.pending is not None)
    @rule(counts=st.booleans())
    def outcome(self, counts):
        self.journal.append(JournalFact(self.pending, outcome="x", counts=counts))
        if not counts:
            self.register.standing.discard(self.pending)
        self.pending = None

    @rule()
    def sync_works(self):
        self.sync_reads_the_journal()
        self.sync_settles()

    @rule()
    def sync_reads_the_journal(self):
        self.mirror.note(self.journal[self.read :])
        self.read = len(self.journal)
        self.settler.judge(True, EPOCH, self.now)

    def sync_settles(self):
        try:
            self.settler.work()
            if self.settler.to_compare:
                self.settler.compare(EPOCH, self._note_again)
        except ServerSlow:
            self.settler.to_compare = True

    def _note_again(self):
        self.read = 0

    @rule()
    def sync_is_killed(self):
        """Its memory is gone; the mirror stays."""
        self.settler = self._settler()

    @rule()
    def the_link_comes_or_goes(self):
        self.register.up = not self.register.up

    @rule(seconds=st.sampled_from([0.4, GRACE]))
    def time_passes(self, seconds):
        self.now += seconds
        if self.asked is not None and self.now - self.asked_at >= GRACE:
            self.asked = None

    @invariant()
    def no_standing_entry_is_annulled(self):
        if hasattr(self, "register"):
            assert self.register.annulled_standing == []

    def teardown(self):
        """Once all is quiet, nothing is held that does not stand."""
        if not hasattr(self, "register"):
            return
        self.register.up = True
        while self.register.underway:
            self.register.arrive(self.register.underway.pop(0))
        for _ in range(3):
            self.now += GRACE
            self.asked = None
            self.sync_reads_the_journal()
            self.sync_settles()
        held = self.register.holder
        assert held is None or held in self.register.standing
        self.directory.cleanup()


Claims.TestCase.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
TestEveryInterleaving = Claims.TestCase


def test_a_mirror_that_was_lost_takes_its_claims_up_again(mirror):
    """One claim the journal knows stands, one it does not know is given back."""
    register, now, again = Register(), [1000.0], []
    settler = Settler(register, mirror, lambda: now[0])
    register.holder = P
    settler.compare(EPOCH, lambda: again.append(mirror.how_closed(P)))
    assert again == [None], "the journal is read again for it, asked before it is an intent"
    mirror.note([JournalFact(P, "admitted", "passage", True)])
    settler.judge(True, EPOCH, now[0])
    assert mirror.how_closed(P) == "stands"
    register.holder = b"Q" * 16
    settler.compare(EPOCH, lambda: None)
    settler.judge(True, EPOCH, now[0])
    settler.work()
    assert register.holder == b"Q" * 16, "too young to tell"
    now[0] += GRACE
    settler.judge(True, EPOCH, now[0])
    settler.work()
    assert register.holder is None


def test_an_annulment_is_repeated_until_it_is_acknowledged(mirror):
    register = Register()
    mirror.intend(intent())
    mirror.note([JournalFact(P, "admitted", "no_passage", False)])
    settler = Settler(register, mirror, lambda: 1000.0)
    settler.judge(True, EPOCH, 1000.0)
    register.up = False
    with pytest.raises(ServerSlow):
        settler.work()
    assert mirror.how_closed(P) == ""
    register.up = True
    settler.work()
    assert mirror.how_closed(P) == "annulled"
    assert register.tombstones == {P}


class Picky(Register):
    """An authority that refuses to give back the claims of some presentations."""

    def __init__(self, refused: dict[bytes, tuple[int, str]]) -> None:
        super().__init__()
        self.refused = refused

    def annul(self, presentation: bytes) -> None:
        if (refusal := self.refused.get(presentation)) is not None:
            raise ServerRefused("register", *refusal)
        super().annul(presentation)


def turned_back(mirror: Mirror, *presentations: bytes) -> None:
    """Claims whose guests did not go through."""
    for presentation in presentations:
        mirror.intend(replace(intent(), presentation=presentation))
        mirror.note([JournalFact(presentation, "admitted", "no_passage", False)])


def test_a_claim_of_another_device_holds_up_no_other(mirror):
    """A gate that was enrolled again cannot give back what its old identity holds."""
    register = Picky({b"A" * 16: (403, "claim_of_another_device"), b"B" * 16: (404, "not_found")})
    turned_back(mirror, b"A" * 16, b"B" * 16, P)
    settler = Settler(register, mirror, lambda: 1000.0)
    settler.judge(True, EPOCH, 1000.0)
    settler.work()
    assert register.tombstones == {P}
    assert [mirror.how_closed(b * 16) for b in (b"A", b"B", b"P")] == [
        "not_ours", "not_ours", "annulled"
    ]  # fmt: skip


def test_a_claim_that_the_server_fails_at_holds_up_no_other_for_long(mirror):
    register = Picky({b"A" * 16: (500, "")})
    turned_back(mirror, b"A" * 16, P)
    settler = Settler(register, mirror, lambda: 1000.0)
    settler.judge(True, EPOCH, 1000.0)
    for _ in range(2):
        with pytest.raises(ServerRefused):
            settler.work()
    assert register.tombstones == {P}
    assert mirror.how_closed(b"A" * 16) == ""


@pytest.mark.parametrize(
    "refusal",
    [(401, "bearer_expired"), (429, "busy"), (503, "busy"), (500, ""), (403, "device_revoked")],
)
def test_a_refusal_of_the_moment_leaves_the_claim_to_be_given_back(mirror, refusal):
    register = Picky({P: refusal})
    turned_back(mirror, P)
    settler = Settler(register, mirror, lambda: 1000.0)
    settler.judge(True, EPOCH, 1000.0)
    with pytest.raises(ServerRefused):
        settler.work()
    assert mirror.how_closed(P) == ""
    register.refused.clear()
    settler.work()
    assert mirror.how_closed(P) == "annulled"


def test_a_steward_who_says_that_nobody_went_through_frees_a_ticket_that_counted(mirror):
    register = Register()
    mirror.intend(intent())
    mirror.note([JournalFact(P, "admitted", "no_passage", True)])
    settler = Settler(register, mirror, lambda: 1000.0)
    settler.judge(True, EPOCH, 1000.0)
    assert mirror.how_closed(P) == "stands"
    record = Record(Kind.OPERATOR, P, detail="annul: nobody went through")
    mirror.note([fact_of(Entry(9, record, bytes(32), bytes(32)))])
    settler.judge(True, EPOCH, 1000.0)
    settler.work()
    assert register.tombstones == {P}
