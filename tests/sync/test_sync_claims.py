"""Claims: intent on disk first, then the request; scanner hears something within its budget."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

from store.mirror import Mirror, MirrorNotWritten
from sync.admit import _claim_body
from sync.backend import Claim, ClaimResult, Granted, Refused, Taken, Unreachable
from sync.claims import MOST_AT_ONCE, ClaimDesk
from sync.link import ScannerBabbles, ScannerGone
from tests.rigs.server import Mode

P = b"P" * 16
KEY = b"K" * 16


def claim(presentation: bytes = P, budget: float = 5.0, **changes: Any) -> dict[str, Any]:
    asked = {"presentation": presentation.hex(), "ticket_key": KEY.hex(), "list": "main"}
    return asked | {"direction": "entry", "at": 1000.0, "budget": budget} | changes


class Authority:
    """Answers as the test says, in the thread that asks."""

    kind = "admit"

    def __init__(self, answer: Callable[[Claim], ClaimResult]) -> None:
        self.answer = answer
        self.budgets: list[float] = []

    def claim(self, claim: Claim, seconds: float) -> ClaimResult:
        self.budgets.append(seconds)
        return self.answer(claim)

    def annul(self, presentation: bytes) -> None:
        raise NotImplementedError

    def open_claims(self) -> list[Any]:
        raise NotImplementedError

    def probe(self, seconds: float) -> bool:
        return self.answer(Claim(P, KEY, "", "", 0.0)) == Granted()


class Desk:
    """A claim desk whose messages to scanner come out of a queue."""

    def __init__(self, authority: Any, mirror: Mirror) -> None:
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        self.noted = threading.Event()
        self._answered = mirror.answered
        mirror.answered = self._note
        self.desk = ClaimDesk(authority, mirror, self.said.put, lambda: b"epoch..1")

    def answer(self) -> dict[str, Any]:
        return self.said.get(timeout=10)

    def _note(self, presentation: bytes, result: str) -> None:
        self._answered(presentation, result)
        self.noted.set()


def result_of(mirror: Mirror) -> str | None:
    (found,) = mirror.open_intents()
    return found.result


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Granted(), {"result": "granted"}),
        (Taken("south", 999.0), {"result": "taken", "gate": "south", "at": 999.0}),
        (Refused("cancelled"), {"result": "refused", "reason": "cancelled"}),
        (Unreachable(), {"result": "unreachable"}),
    ],
)
def test_the_authoritys_answer_reaches_scanner(mirror, result, said):
    desk = Desk(Authority(lambda _: result), mirror)
    desk.desk.claim(claim())
    assert desk.answer() == {"answer": {"presentation": P.hex()} | said}
    assert desk.noted.wait(10)
    assert result_of(mirror) == said["result"]


def test_the_intent_is_on_disk_before_the_request_leaves(mirror):
    seen: list[Any] = []

    def look(_: Claim) -> ClaimResult:
        with sqlite3.connect(f"file:{mirror.path}?mode=ro", uri=True) as base:
            seen.extend(base.execute("SELECT presentation, result, epoch FROM intent"))
        return Granted()

    desk = Desk(Authority(look), mirror)
    desk.desk.claim(claim())
    desk.answer()
    assert seen == [(P, None, b"epoch..1")]


def test_the_request_has_what_is_left_of_the_budget(mirror):
    authority = Authority(lambda _: Granted())
    desk = Desk(authority, mirror)
    desk.desk.claim(claim(budget=0.4))
    desk.answer()
    assert 0 < authority.budgets[0] < 0.4


def test_a_hanging_authority_is_unreachable_and_its_late_answer_is_noted(mirror):
    late = threading.Event()

    def hang(_: Claim) -> ClaimResult:
        late.wait(10)
        return Granted()

    desk = Desk(Authority(hang), mirror)
    desk.desk.claim(claim(budget=0.05))
    assert desk.answer()["answer"]["result"] == "unreachable"
    late.set()
    assert desk.noted.wait(10)
    assert result_of(mirror) == "granted", "and settled by the journal"
    assert desk.said.empty(), "one answer a claim"


def test_claims_that_hang_do_not_pile_up(mirror):
    late = threading.Event()

    def hang(_: Claim) -> ClaimResult:
        late.wait(10)
        return Granted()

    desk = Desk(Authority(hang), mirror)
    for number in range(MOST_AT_ONCE):
        desk.desk.claim(claim(number.to_bytes(16, "big")))
    desk.desk.claim(claim(b"Q" * 16))
    assert desk.answer()["answer"] == {"presentation": (b"Q" * 16).hex(), "result": "unreachable"}
    assert mirror.how_closed(b"Q" * 16) is None, "nothing has left"
    late.set()
    for _ in range(MOST_AT_ONCE):
        desk.answer()


def test_without_an_authority_every_claim_is_unreachable(mirror):
    desk = Desk(None, mirror)
    desk.desk.claim(claim())
    assert desk.answer()["answer"]["result"] == "unreachable"
    desk.desk.probe(3)
    assert desk.answer() == {"probed": 3, "ok": False}


def test_an_intent_that_took_the_whole_budget_sends_nothing(mirror):
    now = [0.0]
    intend = mirror.intend

    def slow(intent: Any) -> None:
        intend(intent)
        now[0] += 5.0

    mirror.intend = slow
    authority = Authority(lambda _: Granted())
    said: queue.Queue[dict[str, Any]] = queue.Queue()
    ClaimDesk(authority, mirror, said.put, monotonic=lambda: now[0]).claim(claim(budget=1.0))
    assert said.get(timeout=10)["answer"]["result"] == "unreachable"
    assert authority.budgets == []
    assert mirror.how_closed(P) == "not_held"


def test_a_guest_does_not_wait_until_the_answer_is_on_disk(mirror):
    card = threading.Event()
    mirror.answered = lambda *_: card.wait(10)
    desk = Desk(Authority(lambda _: Granted()), mirror)
    desk.desk.claim(claim(budget=5.0))
    assert desk.said.get(timeout=4)["answer"]["result"] == "granted"
    card.set()


def test_a_grant_that_cannot_be_noted_is_a_grant(mirror):
    def full(*_: object) -> None:
        raise MirrorNotWritten(mirror.path, "database or disk is full")

    mirror.answered = full
    desk = Desk(Authority(lambda _: Granted()), mirror)
    desk.desk.claim(claim())
    assert desk.answer()["answer"]["result"] == "granted"


def test_a_full_disk_sends_nothing(mirror):
    def full(_: Any) -> None:
        raise MirrorNotWritten(mirror.path, "database or disk is full")

    mirror.intend = full
    authority = Authority(lambda _: Granted())
    desk = Desk(authority, mirror)
    desk.desk.claim(claim())
    assert desk.answer()["answer"]["result"] == "unreachable"
    assert authority.budgets == []


def test_an_answer_that_finds_no_scanner_is_no_failure(mirror):
    done = threading.Event()

    def gone(_: dict[str, Any]) -> None:
        done.set()
        raise ScannerGone(mirror.path, "it was killed")

    ClaimDesk(Authority(lambda _: Granted()), mirror, gone).claim(claim())
    assert done.wait(10)


@pytest.mark.parametrize(
    "changes",
    [
        {"presentation": "xx"},
        {"at": None},
        {"unlisted": 1},
        {"unlisted": None},
        {"budget": 0},
        {"budget": "nan"},
        {"budget": 1e9},
    ],
)
def test_a_claim_that_is_none_is_named(mirror, changes):
    with pytest.raises(ScannerBabbles):
        Desk(None, mirror).desk.claim(claim() | changes)


@pytest.mark.parametrize("unlisted", [{}, {"unlisted": True}, {"unlisted": False}])
def test_whether_a_ticket_is_on_no_list_is_passed_on(mirror, unlisted):
    asked: list[Claim] = []
    desk = Desk(Authority(lambda c: asked.append(c) or Granted()), mirror)
    desk.desk.claim(claim() | unlisted)
    desk.answer()
    assert [c.unlisted for c in asked] == [unlisted.get("unlisted", False)]
    sent = "unlisted" in _claim_body(asked[0])
    assert sent == asked[0].unlisted, "left out where it says nothing"


def test_what_a_claim_is_instead_of_is_passed_on(mirror):
    asked: list[Claim] = []
    desk = Desk(Authority(lambda c: asked.append(c) or Granted()), mirror)
    desk.desk.claim(claim() | {"instead_of": "07" * 16})
    desk.answer()
    assert _claim_body(asked[0])["instead_of"] == "07" * 16


@pytest.mark.parametrize("alive", [True, False])
def test_a_probe_is_answered_with_its_number(mirror, alive):
    desk = Desk(Authority(lambda _: Granted() if alive else Unreachable()), mirror)
    desk.desk.probe(7)
    assert desk.answer() == {"probed": 7, "ok": alive}


def test_an_annulment_that_overtook_its_claim_wins(server, gate):
    gate.annul(P)
    assert gate.claim(Claim(P, KEY, "main", "entry", 1.0), 5.0) == Refused("annulled")
    assert gate.open_claims() == []


def test_a_claim_asked_twice_is_the_same_claim(server, gate):
    asked = Claim(P, KEY, "main", "entry", 1.0)
    server.answer_twice()
    assert gate.claim(asked, 5.0) == Unreachable()
    assert gate.claim(asked, 5.0) == Granted()
    other = Claim(b"Q" * 16, KEY, "main", "entry", 1.0)
    assert gate.claim(other, 5.0) == Taken("south", 999.0)
    assert [open_.presentation for open_ in gate.open_claims()] == [P]


def test_a_grant_for_another_presentation_is_no_grant(server, gate):
    server.mode = Mode.LIES
    assert gate.claim(Claim(P, KEY, "main", "entry", 1.0), 5.0) == Unreachable()
