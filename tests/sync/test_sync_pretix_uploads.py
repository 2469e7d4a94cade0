"""Records of a gate at pretix: each scan once, with its outcome, or parked with a reason."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from store.mirror import Intent
from store.outbox_secret import MOST_SEALED
from store.records import GENESIS, Entry, Kind, Record, chain_hash, entry_to_json
from sync.errors import ServerFault
from sync.link import MOST_MESSAGE
from sync.outbox import LONGEST, PUT_OFF, Outbox
from sync.pretix.checkins import moment, printable
from sync.pretix.codes import MOST
from sync.pretix.errors import TooManyRequests
from tests.rigs.fake_pretix import EVENT, FakePretix
from tests.rigs.pretix_gate import PretixGate

EPOCH = b"epoch..1"
AT = 1_795_000_000.25
MINUTE = 60.0


class Shelf:
    """Codes of scans, as scanner would lend them."""

    def __init__(self) -> None:
        self.codes: dict[int, bytes] = {}
        self.asked: list[list[int]] = []

    def of(self, epoch: bytes, seqs: list[int]) -> dict[int, bytes]:
        self.asked.append(list(seqs))
        return {seq: self.codes[seq] for seq in seqs if seq in self.codes}


class Bench:
    """A gate with one ticket, `s1`, and a journal that grows by `write`."""

    def __init__(self, directory: Path, server: FakePretix) -> None:
        self.server, self.shelf = server, Shelf()
        self.order = server.order("A", server.position("s1"))
        self.gate = PretixGate(directory, server.url, server.token, codes=self.shelf)
        self.gate.poll()
        self.entries: list[Entry] = []

    @property
    def ticket(self) -> dict[str, Any]:
        return self.order["positions"][0]

    def write(self, kind: Kind, presentation: bytes | None = None, **facts: Any) -> Entry:
        facts = {"at": AT, "list": "main (demo)", "direction": "entry"} | facts
        if kind is Kind.SCAN:
            facts = {"ticket_key": self.gate.key("s1"), "verdict": "admitted"} | facts
        prev = self.entries[-1].hash if self.entries else GENESIS
        seq = len(self.entries) + 1
        record = Record(kind, presentation, **facts)
        self.entries.append(Entry(seq, record, prev, chain_hash(seq, prev, record)))
        return self.entries[-1]

    def enter(self, presentation: bytes, **facts: Any) -> None:
        self.write(Kind.SCAN, presentation, **facts)
        self.write(Kind.PASSAGE, presentation, at=facts.get("at", AT) + 1)

    def push(self, *entries: Entry) -> list[tuple[int, str]]:
        rows = [entry_to_json(entry) for entry in entries or self.entries]
        self.said = self.gate.server.push(EPOCH, rows, (0, b""))
        return [(answer.seq, answer.result) for answer in self.said.answers]

    def asked(self) -> list[str]:
        return [call for call, _ in self.server.scans.asked]


@pytest.fixture
def server() -> Iterator[FakePretix]:
    made = FakePretix()
    yield made
    made.stop()


@pytest.fixture
def bench(server: FakePretix, tmp_path: Path) -> Bench:
    return Bench(tmp_path, server)


def p(number: int) -> bytes:
    return bytes([number]) * 16


def test_an_entry_goes_up_by_position_forced_with_its_own_time_and_nonce(bench):
    bench.enter(p(1))
    assert bench.push() == [(1, "stored"), (2, "stored")]
    [(call, body)] = bench.server.scans.asked
    assert (call, body["name"], body["list"]) == ("redeem", bench.ticket["id"], 1)
    assert (body["force"], body["questions_supported"]) == (True, False)
    assert (body["nonce"], datetime.fromisoformat(body["datetime"]).timestamp()) == (
        p(1).hex(),
        AT,
    )
    assert bench.shelf.asked == []


def test_the_same_records_twice_are_one_check_in(bench):
    """As after kill -9 between the answer and its note."""
    bench.enter(p(1))
    bench.push()
    bench.push()
    assert len(bench.ticket["checkins"]) == 1


def test_an_answer_that_was_lost_is_asked_for_again(bench):
    bench.enter(p(1))
    bench.server.lose_answers = 1
    with pytest.raises(ServerFault):
        bench.push()
    assert bench.push() == [(1, "stored"), (2, "stored")]
    assert len(bench.ticket["checkins"]) == 1


@pytest.mark.parametrize(
    ("kind", "detail", "entries"),
    [
        (Kind.PASSAGE, "", 1),
        (Kind.INTERRUPTED, "", 1),
        (Kind.NO_PASSAGE, "", 0),
        (Kind.NO_PASSAGE, "counts: sensor suspect", 1),
        (Kind.ABORTED, "evacuation", 0),
    ],
)
def test_what_does_not_count_is_no_check_in(bench, kind, detail, entries):
    bench.write(Kind.SCAN, p(1))
    bench.write(kind, p(1), detail=detail)
    assert bench.push() == [(1, "stored"), (2, "stored")]
    assert len(bench.ticket["checkins"]) == entries


def test_entries_and_exits_of_a_list_for_many_all_go_up_in_order(bench):
    bench.server.events[EVENT]["checkinlists"][0]["allow_multiple_entries"] = True
    bench.enter(p(1), at=AT)
    bench.enter(p(2), at=AT + 5, direction="exit")
    bench.enter(p(3), at=AT + 9)
    bench.push()
    assert [row["type"] for row in bench.ticket["checkins"]] == ["entry", "exit", "entry"]
    assert all(answer.conflict is None for answer in bench.said.answers)


def test_own_check_ins_that_come_back_are_known_as_our_own(bench):
    """A ticket for several entries would count each twice else."""
    bench.enter(p(1))
    bench.push()
    bench.gate.poll(seldom=False)
    assert [use.presentation for use in bench.gate.uses("s1")] == [p(1)]


def test_a_claim_that_comes_back_before_its_record_went_up_is_our_own_too(bench):
    key = bench.gate.key("s1")
    bench.gate.mirror.intend(Intent(p(1), key, "main (demo)", "entry", AT, "pretix"))
    bench.server.check_in(bench.order, device_id=7, datetime=moment(AT), list=1)
    bench.gate.poll(seldom=False)
    assert [use.presentation for use in bench.gate.uses("s1")] == [p(1)]


def test_an_upload_has_the_time_of_its_claim(bench):
    """The check-in may be there by the claim already, and comes back under that time."""
    key = bench.gate.key("s1")
    bench.gate.mirror.intend(Intent(p(1), key, "main (demo)", "entry", AT - 0.5, "pretix"))
    bench.enter(p(1))
    bench.push()
    assert bench.server.scans.asked[0][1]["datetime"] == moment(AT - 0.5)


def test_a_double_entry_tells_where_and_when_the_other_was(bench):
    bench.server.check_in(bench.order, device_id=9, list=1)
    bench.enter(p(1))
    bench.push()
    conflict = bench.said.answers[0].conflict
    assert (conflict.gate, conflict.list) == ("device 9", "main (demo)")


def test_an_entry_after_an_exit_is_no_double(bench):
    bench.server.check_in(bench.order, device_id=9, list=1)
    bench.server.check_in(bench.order, device_id=9, list=1, type="exit")
    bench.enter(p(1))
    bench.push()
    assert bench.said.answers[0].conflict is None


def test_a_ticket_whose_position_is_gone_goes_up_by_its_code(bench):
    """Partly cancelled orders: the position is not found any more, its old code still is."""
    bench.server.order("A", bench.server.position("s1"))
    bench.enter(p(1))
    bench.shelf.codes[1] = b"s1"
    assert bench.push() == [(1, "stored"), (2, "stored")]
    assert [body["name"] for _, body in bench.server.scans.asked][1] == "s1"


def test_the_longest_codes_of_one_question_fit_into_one_message():
    """A stranger's large codes, shown while the link is down, would hold up all scans for ever."""
    codes = {str(2**40 + seq): bytes(MOST_SEALED).hex() for seq in range(MOST)}
    assert len(json.dumps({"sealed": codes})) <= MOST_MESSAGE


def test_what_nothing_names_is_parked_with_the_reason_and_holds_up_none(bench):
    bench.enter(p(1), ticket_key=bench.gate.key("never sold"))
    bench.enter(p(2))
    assert bench.push() == [(1, "parked"), (2, "stored"), (3, "stored"), (4, "stored")]
    assert "does not know the ticket" in bench.said.answers[0].reason
    assert len(bench.ticket["checkins"]) == 1


def test_a_record_on_a_list_that_never_was_is_parked(bench):
    bench.enter(p(1), list="elsewhere (demo)")
    assert bench.push()[0] == (1, "parked")
    assert "no check-in list" in bench.said.answers[0].reason


def test_a_refused_scan_is_reported_with_the_fields_that_are_read(bench):
    facts = {"verdict": "refused", "reason": "already_redeemed", "detail": "entered at 18:02"}
    bench.write(Kind.SCAN, p(1), **facts)
    bench.shelf.codes[1] = b"s1"
    assert bench.push() == [(1, "stored")]
    [body] = bench.server.scans.failed
    assert body["error_reason"] == "already_redeemed"
    assert body["error_explanation"] == "already_redeemed: entered at 18:02"
    assert (body["raw_barcode"], body["position"], body["raw_item"]) == (
        "s1",
        bench.ticket["id"],
        11,
    )


def test_what_the_server_refused_itself_is_not_reported_again(bench):
    key = bench.gate.key("s1")
    bench.gate.mirror.intend(Intent(p(1), key, "main (demo)", "entry", AT, "pretix"))
    bench.gate.mirror.answered(p(1), "taken")
    bench.write(Kind.SCAN, p(1), verdict="refused", reason="taken_elsewhere")
    assert bench.push() == [(1, "stored")]
    assert bench.asked() == []


def test_a_report_has_another_nonce_than_its_claim(bench):
    """pretix annuls by nonce, and nothing of which it finds two."""
    bench.write(Kind.SCAN, p(1), verdict="refused", reason="unknown", ticket_key=None)
    bench.push()
    assert bench.server.scans.failed[0]["nonce"] != p(1).hex()


@pytest.mark.parametrize(
    ("code", "told"),
    [(b"ABC-1", "ABC-1"), (b"\xff\x00", "binary:/wA="), (b"a\nb", "binary:YQpi"), (b"", "binary:")],
)
def test_unprintable_codes_are_told_in_base64(code, told):
    assert printable(code) == told


@pytest.mark.parametrize("at", [0.0, -1e12, 1e11, 253402300800.0])
def test_every_time_of_a_record_can_be_told(at):
    assert datetime.fromisoformat(moment(at)).tzinfo is UTC


def test_an_entry_that_turns_out_to_be_none_is_annulled_with_its_own_time(bench):
    bench.enter(p(1))
    bench.push()
    late = bench.write(
        Kind.OPERATOR, p(1), detail="annul: nobody went through, says B", at=AT + 10 * MINUTE
    )
    assert bench.push(late) == [(3, "stored")]
    assert bench.server.scans.asked[-1][1]["datetime"] == moment(AT + 10 * MINUTE)
    assert bench.ticket["checkins"] == []


def test_an_entry_whose_claim_never_left_is_taken_back_as_any_other(bench):
    """The gate's disk took the whole budget; its policy admitted, and that was uploaded."""
    key = bench.gate.key("s1")
    bench.gate.mirror.intend(Intent(p(1), key, "main (demo)", "entry", AT, "pretix"))
    bench.gate.mirror.close_intent(p(1), "not_held")
    bench.enter(p(1))
    bench.push()
    bench.push(bench.write(Kind.OPERATOR, p(1), detail="annul: says B", at=AT + MINUTE))
    assert bench.ticket["checkins"] == []


def test_after_fifteen_minutes_it_is_for_a_person_and_says_so(bench):
    bench.enter(p(1))
    bench.push()
    late = bench.write(Kind.OPERATOR, p(1), detail="annul: says B", at=AT + 16 * MINUTE)
    assert bench.push(late) == [(3, "parked")]
    assert "nobody went through" in bench.said.answers[0].reason
    assert "15 minutes" in bench.said.answers[0].reason


def test_an_interrupted_entry_that_is_resumed_is_one_entry(bench):
    """The guest whom the crash caught is let in again: the first check-in gives way."""
    bench.write(Kind.SCAN, p(1))
    bench.write(Kind.INTERRUPTED, p(1))
    bench.push()
    first = len(bench.entries)
    bench.write(Kind.SCAN, p(2), at=AT + 30)
    bench.write(Kind.RESUMED, p(1), detail=f"by {p(2).hex()}", at=AT + 30)
    bench.write(Kind.PASSAGE, p(2), at=AT + 31)
    bench.push(*bench.entries[first:])
    [row] = bench.ticket["checkins"]
    assert bench.server.scans.nonces[row["id"]] == (p(2).hex(), False)


@pytest.mark.parametrize(
    ("outcome", "answers"),
    [(Kind.PASSAGE, ["stored"] * 3), (Kind.NO_PASSAGE, ["parked", "stored", "stored"])],
)
def test_a_check_in_that_cannot_give_way_any_more_stands_for_the_resumed_entry(
    bench, outcome, answers
):
    """The gate was without power for an hour; pretix annuls for fifteen minutes."""
    bench.write(Kind.SCAN, p(1))
    bench.write(Kind.INTERRUPTED, p(1))
    bench.push()
    bench.write(Kind.SCAN, p(2), at=AT + 3600)
    bench.write(Kind.RESUMED, p(1), detail=f"by {p(2).hex()}", at=AT + 3600)
    bench.write(outcome, p(2), at=AT + 3601)
    assert [result for _, result in bench.push(*bench.entries[2:])] == answers
    [row] = bench.ticket["checkins"]
    assert bench.server.scans.nonces[row["id"]] == (p(1).hex(), False)


@pytest.mark.parametrize("status", [500, 403])
def test_a_record_that_the_server_fails_at_waits_and_holds_up_none(bench, status):
    """403: its event was taken away; 500: a fault of the server's own."""
    other = bench.server.order("B", bench.server.position("s2"))
    bench.gate.poll(seldom=False)
    bench.server.refuse[f"positions/{bench.ticket['id']}/"] = (status, {"detail": "no"})
    bench.enter(p(1))
    bench.enter(p(2), ticket_key=bench.gate.key("s2"))
    assert bench.push() == [(3, "stored"), (4, "stored")]
    assert len(other["positions"][0]["checkins"]) == 1
    assert bench.push(*bench.entries[:2]) == []
    assert bench.said.later == [1]


@pytest.mark.parametrize("status", [403, 404, 405, 406, 413, 500, 501])
def test_however_many_codes_a_firewall_dislikes_the_others_go_up(bench, status):
    """A stranger shows what looks like an attack on a data base; its report never arrives."""
    for number in range(20):
        bench.write(Kind.SCAN, p(number), verdict="refused", reason="unknown", ticket_key=None)
    bench.enter(p(30))
    bench.server.refuse["failed_checkins"] = (status, None)
    box = Outbox(EPOCH, 0)
    box.add([entry_to_json(entry) for entry in bench.entries], now=0.0)
    for _ in range(8):
        said = bench.gate.server.push(EPOCH, box.batch(now=1.0), (0, b""))
        box.put_off(said.later, now=1.0)
        box.done(answer.seq for answer in said.answers)
    assert len(bench.ticket["checkins"]) == 1
    assert box.waiting(22) == 20


def test_what_ends_an_entry_goes_up_after_it_however_long_that_is_put_off(bench):
    """Before it, there would be nothing to take back, and then the entry would stand."""
    bench.enter(p(1))
    bench.write(Kind.OPERATOR, p(1), detail="annul: says B", at=AT + MINUTE)
    bench.server.refuse["redeem"] = (500, {"detail": "no"})
    box = Outbox(EPOCH, 0)
    box.add([entry_to_json(entry) for entry in bench.entries], now=0.0)
    for now in (0.0, 1.0, PUT_OFF, PUT_OFF + LONGEST, PUT_OFF + LONGEST):
        said = bench.gate.server.push(EPOCH, box.batch(now), (0, b""))
        box.put_off(said.later, now)
        box.done(answer.seq for answer in said.answers)
        if now == PUT_OFF:
            bench.server.refuse.clear()
    assert box.waiting(3) == 0
    assert bench.ticket["checkins"] == []


def test_a_server_that_is_away_stops_the_round_and_keeps_what_was_told(bench):
    bench.enter(p(1))
    bench.enter(p(2), at=AT + 5)
    bench.server.cut_at = 2
    assert bench.push() == [(1, "stored"), (2, "stored")]
    with pytest.raises(ServerFault):
        bench.push(*bench.entries[2:])


def test_a_server_that_has_enough_is_left_alone(bench):
    bench.enter(p(1))
    bench.server.refuse["redeem"] = (429, {"detail": "slow down"})
    bench.server.retry_after = "30"
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            bench.push()
    assert sum("redeem" in path for path in bench.server.asked) == 1


@pytest.mark.parametrize("said", [None, [], {"message": "no Route matched"}])
def test_a_page_that_is_not_of_pretix_parks_nothing(bench, said):
    """A proxy's own 404 says nothing of the ticket."""
    bench.enter(p(1))
    bench.server.refuse["redeem"] = (404, said)
    assert bench.push() == []
    bench.server.refuse.clear()
    assert bench.push() == [(1, "stored"), (2, "stored")]


def test_records_that_are_no_scans_stay_here(bench):
    for kind in (Kind.FAULT, Kind.MODE, Kind.CLOCK, Kind.FOLDED):
        bench.write(kind)
    assert [result for _, result in bench.push()] == ["stored"] * 4
    assert bench.asked() == []


def test_one_round_makes_no_more_calls_than_leave_a_sign_of_life(bench):
    bench.server.events[EVENT]["checkinlists"][0]["allow_multiple_entries"] = True
    for number in range(30):
        bench.enter(p(number), at=AT + number)
    assert len(bench.push()) == 50
