"""The gate's claims, annulments and uploads against a real pretix, each as `sync` makes it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import Any, NamedTuple

import pytest

from store.mirror import Intent, JournalFact
from store.records import GENESIS, Entry, Kind, Record, chain_hash, entry_to_json
from sync.backend import Claim, Granted, Refused, Taken, Unreachable
from sync.errors import ServerFault
from sync.settle import Settler
from tests.rigs.pretix_gate import PretixGate
from tests.rigs.pretix_plan import EventPlan
from tests.rigs.pretix_rig import Server, pretix
from tests.rigs.tcp_wire import Wire

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("pretix-claims")]

LIST = "door (evening)"
EPOCH = b"epoch..1"


class Codes:
    """The codes of scans, as scanner would lend them."""

    def __init__(self) -> None:
        self.known: dict[int, bytes] = {}

    def of(self, epoch: bytes, seqs: list[int]) -> dict[int, bytes]:
        return {seq: self.known[seq] for seq in seqs if seq in self.known}


class Door(NamedTuple):
    """A server on PostgreSQL, two gates, the first behind a wire."""

    server: Server
    event: EventPlan
    sold: list[Any]
    wire: Wire
    north: PretixGate
    south: PretixGate
    codes: Codes

    def code(self) -> str:
        """A ticket that nobody has shown; its neighbour of the same order stays valid."""
        self.sold.pop()
        return str(self.sold.pop()["secret"])

    def claim(self, gate: PretixGate, code: str, nonce: bytes, seconds: float = 5.0) -> Any:
        at = time()
        key = gate.key(code)
        gate.mirror.intend(Intent(nonce, key, LIST, "entry", at, "pretix", EPOCH))
        claim = Claim(nonce, key, LIST, "entry", at, code=code)
        return gate.server.authority().claim(claim, seconds)

    def push(self, code: str, nonce: bytes, **facts: Any) -> tuple[str, str]:
        """Upload one scan that counts; returns the answer's result and reason."""
        facts = {"verdict": "admitted", "list": LIST, "direction": "entry"} | facts
        record = Record(Kind.SCAN, nonce, at=time(), ticket_key=self.north.key(code), **facts)
        entry = Entry(1, record, GENESIS, chain_hash(1, GENESIS, record))
        self.codes.known = {1: code.encode()}
        said = self.north.server.push(EPOCH, [entry_to_json(entry)], (1, b""))
        return said.answers[0].result, said.answers[0].reason or ""

    def rows(self, nonce: bytes) -> list[Any]:
        """What the server has of a presentation."""
        name = nonce.hex()
        return [row for row in self.server.checkins("evening") if (row["nonce"] or "")[:32] == name]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with pretix("postgres") as server:
        event = server.seed("small").event("evening")
        sold = server.bulk("evening", event.items["standard"], 40, tickets_each=2)
        wire, codes = Wire(server.port), Codes()
        gates = [
            PretixGate(
                tmp_path_factory.mktemp(name),
                url,
                server.device(name).token,
                events=("evening",),
                lists=("door", "bar"),
                codes=codes,
            )
            for name, url in (("north", wire.url), ("south", server.url))
        ]
        for gate in gates:
            gate.poll()
        yield Door(server, event, sold, wire, *gates, codes)
        wire.close()


def n(number: int) -> bytes:
    return bytes([number]) * 16


def test_one_ticket_at_two_gates_at_once_is_one_entry(door: Door) -> None:
    code = door.code()
    with ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(door.claim, gate, code, n(number))
            for number, gate in ((1, door.north), (2, door.south))
        ]
        results = [each.result() for each in asked]
    assert sorted(type(result).__name__ for result in results) == ["Granted", "Taken"]
    assert next(r for r in results if isinstance(r, Taken)).gate  # which, a race may not tell
    rows = door.rows(n(1)) + door.rows(n(2))
    assert [row["successful"] for row in rows].count(True) == 1


def test_a_swapped_code_is_refused_before_anybody_has_downloaded_that(door: Door) -> None:
    code = door.code()
    new = door.server.change(code, "swap")
    assert door.claim(door.south, code, n(3)) == Refused("revoked")
    assert door.claim(door.south, new, n(4)) == Unreachable() or door.rows(n(4))


@pytest.mark.parametrize(("number", "entered"), [(5, True), (6, False)])
def test_an_answer_that_came_too_late_is_settled_by_the_journal(
    door: Door, number: int, entered: bool
) -> None:
    """Stored at the server, unheard here: an entry stands once, no entry leaves nothing."""
    code, nonce = door.code(), n(number)
    door.wire.delay = 0.8
    assert door.claim(door.north, code, nonce, seconds=0.4) == Unreachable()
    door.wire.delay = 0.0
    if entered:
        assert door.push(code, nonce) == ("stored", "")
    door.north.mirror.note([JournalFact(nonce, "admitted", "passage", entered)])
    door.north.now += 100.0
    authority = door.north.server.authority()
    door.north.now += 100.0
    settler = Settler(authority, door.north.mirror, door.north._monotonic)
    settler.judge(True, EPOCH, door.north.now)
    settler.work()
    assert [row["successful"] for row in door.rows(nonce)] == [entered]


def test_an_upload_is_one_row_however_often_the_wire_breaks(door: Door) -> None:
    code, nonce = door.code(), n(7)
    for _ in range(2):
        door.wire.cut()
        with pytest.raises(ServerFault):
            door.push(code, nonce)
        door.wire.mend()
    assert door.push(code, nonce) == ("stored", "")
    assert door.push(code, nonce) == ("stored", "")
    assert len(door.rows(nonce)) == 1


def test_an_entry_of_a_ticket_that_was_cancelled_since_is_stored(door: Door) -> None:
    """Its position is gone, its old code is not."""
    code, nonce = door.code(), n(8)
    door.server.change(code, "cancel")
    door.north.poll(seldom=False)
    assert door.push(code, nonce) == ("stored", "")
    assert [row["successful"] for row in door.rows(nonce)] == [True]


@pytest.mark.parametrize("known", [True, False])
def test_a_refused_scan_is_told_with_its_reason_and_item(door: Door, known: bool) -> None:
    code, nonce = (door.code(), n(9)) if known else ("nobodysticket", n(10))
    reason = "already_redeemed" if known else "unknown"
    assert door.push(code, nonce, verdict="refused", reason=reason) == ("stored", "")
    [row] = door.rows(nonce)
    assert row["reason"] == ("already_redeemed" if known else "invalid")
    assert row["raw_item"] == (door.event.items["standard"] if known else 0)


def test_what_pretix_cannot_judge_is_parked_in_its_words(door: Door) -> None:
    soon = {"isAfter": [{"var": "now"}, {"buildTime": ["custom", "soon"]}, None]}
    door.server.set_list(door.event.list("bar"), rules=soon)
    result, reason = door.push(door.code(), n(11), list="bar (evening)")
    door.server.set_list(door.event.list("bar"), rules={})
    assert result == "parked"
    assert "does not take the check-in" in reason


def test_several_entries_that_come_back_are_not_counted_twice(door: Door) -> None:
    code = door.code()
    for number in (12, 13):
        assert door.push(code, n(number), list="bar (evening)") == ("stored", "")
    door.north.poll(seldom=False)
    uses = [use.presentation for use in door.north.uses(code)]
    assert sorted(uses) == [n(12), n(13)]


def test_a_granted_claim_and_its_upload_are_one_row(door: Door) -> None:
    code, nonce = door.code(), n(14)
    assert door.claim(door.north, code, nonce) == Granted()
    assert door.push(code, nonce) == ("stored", "")
    [row] = door.rows(nonce)
    assert (row["successful"], row["forced"]) == (True, False)
