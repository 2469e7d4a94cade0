"""Pushing: each record is answered for on its own; one that is not taken holds up no other."""

import json

import pytest

from store.mirror import Conflict, Intent, MirrorNotWritten, MirrorReader
from store.records import Kind
from sync import outbox
from sync.errors import ServerFault, ServerRefused, ServerUnreachable
from sync.link import Link, ScannerBabbles, ScannerGone
from sync.older import OlderJournals
from sync.outbox import OUTCOME_WAIT
from sync.page import Seen
from sync.push import JournalReader, Pusher
from tests.rigs.server import Mode
from tests.rigs.sync_scanner import SyncScanner

KEY = b"K" * 16


def presentation(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.fixture
def scanner(tmp_path):
    made = SyncScanner(tmp_path)
    yield made
    made.die()


class Bench:
    """Journal, reader and pusher, driven step by step."""

    def __init__(self, scanner, gate, mirror):
        self.now = 1000.0
        self.scanner, self.mirror = scanner, mirror
        self.reader = JournalReader(mirror, lambda: self.now)
        self.pusher = Pusher(gate, mirror, self.reader, lambda: self.now)

    def read(self):
        link = Link(self.scanner.path)
        self.reader.read_to_head(link)
        link.close()

    def push_all(self):
        self.read()
        while self.pusher.push():
            pass


@pytest.fixture
def bench(scanner, gate, mirror):
    return Bench(scanner, gate, mirror)


def test_every_record_arrives_once_and_is_acknowledged(scanner, server, bench):
    for number in range(250):
        scanner.admit(presentation(number), KEY, Kind.PASSAGE)
    bench.push_all()
    assert sorted(server.received) == list(range(1, 501))
    assert bench.reader.waiting == 0
    assert bench.mirror.position(f"records/{scanner.epoch.hex()}") == 500


def test_a_scan_goes_up_with_its_outcome(scanner, server, bench):
    scanner.admit(presentation(1), KEY)
    scanner.write(Kind.FAULT)
    bench.push_all()
    assert server.received == [2]
    scanner.write(Kind.PASSAGE, presentation(1))
    bench.push_all()
    assert server.received == [2, 1, 3]


def test_a_scan_without_outcome_does_not_wait_for_ever(scanner, server, bench):
    scanner.admit(presentation(1), KEY)
    bench.push_all()
    bench.now += OUTCOME_WAIT
    bench.push_all()
    assert server.received == [1]


def test_a_lost_answer_counts_a_record_once(scanner, server, bench):
    scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    server.answer_twice()
    with pytest.raises(ServerFault):
        bench.push_all()
    bench.push_all()
    assert server.received == [1, 2, 1, 2]
    assert len(server.records) == 2
    assert bench.reader.waiting == 0


@pytest.mark.parametrize("mode", [Mode.HTML, Mode.FAIL, Mode.HALF, Mode.SCHEMA, Mode.NOISE])
def test_no_answer_acknowledges_nothing(scanner, server, bench, mode):
    scanner.write(Kind.FAULT)
    server.mode, server.only = mode, "records"
    with pytest.raises(ServerFault):
        bench.push_all()
    assert bench.reader.waiting == 1
    server.mode = Mode.GOOD
    bench.push_all()
    assert server.received == [1]


def test_answers_for_records_that_were_not_sent_are_no_answers(scanner, server, bench):
    scanner.write(Kind.FAULT)
    server.verdicts[1] = {"seq": 77}
    with pytest.raises(ServerFault, match="were not sent"):
        bench.push_all()
    assert bench.reader.waiting == 1


def test_a_restart_goes_on_after_what_was_acknowledged(scanner, server, bench, gate, mirror):
    scanner.admit(presentation(1), KEY)
    scanner.write(Kind.FAULT)
    bench.push_all()
    scanner.write(Kind.PASSAGE, presentation(1))
    again = Bench(scanner, gate, mirror)
    again.push_all()
    assert server.received == [2, 1, 3]
    assert mirror.acknowledged(scanner.epoch) == set()


def test_a_parked_record_is_kept_with_its_reason_and_never_sent_again(
    scanner, server, bench, mirror
):
    scanner.write(Kind.FAULT)
    scanner.write(Kind.FAULT)
    server.verdicts[1] = {"result": "parked", "reason": "hash does not match"}
    bench.push_all()
    bench.push_all()
    (parked,) = mirror.parked()
    assert (parked.seq, parked.reason) == (1, "hash does not match")
    assert json.loads(parked.entry)["kind"] == "fault"
    assert server.received == [1, 2]


def test_a_full_disk_loses_no_answer(scanner, server, bench, mirror):
    """What could not be stored goes up again, though the batches after it are stored."""
    scanner.write(Kind.FAULT)
    scanner.write(Kind.FAULT)
    server.verdicts[1] = {"result": "parked", "reason": "hash does not match"}
    acknowledge = mirror.acknowledge

    def full(*_: object) -> None:
        raise MirrorNotWritten(mirror.path, "database or disk is full")

    mirror.acknowledge = full
    with pytest.raises(MirrorNotWritten):
        bench.push_all()
    assert bench.reader.waiting == 2
    mirror.acknowledge = acknowledge
    scanner.write(Kind.FAULT)
    bench.push_all()
    assert [row.seq for row in mirror.parked()] == [1]
    assert mirror.position(f"records/{scanner.epoch.hex()}") == 3


def test_a_fork_is_parked_as_an_alarm(scanner, server, bench, mirror):
    scanner.write(Kind.FAULT)
    server.verdicts[1] = {"result": "fork"}
    bench.push_all()
    assert mirror.parked()[0].reason.startswith("fork")


def test_a_conflict_is_kept_for_the_screen(scanner, server, bench, mirror):
    other = {"presentation": "0f" * 16, "ticket_key": KEY.hex(), "list": "main"}
    server.verdicts[1] = {"conflict": other | {"gate": "south", "at": 990.0}}
    scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    bench.push_all()
    expected = Conflict(presentation(1), b"\x0f" * 16, KEY, "main", "south", 990.0)
    assert MirrorReader(mirror.path).conflicts() == [expected]


def test_one_record_the_server_cannot_take_holds_up_no_other(scanner, server, bench, mirror):
    for _ in range(40):
        scanner.write(Kind.FAULT)
    server.poison = {7, 31}
    bench.push_all()
    assert sorted(server.received) == [n for n in range(1, 41) if n not in (7, 31)]
    assert [row.seq for row in mirror.parked()] == [7, 31]


def test_a_refusal_of_the_gate_itself_parks_nothing(scanner, server, bench, mirror):
    scanner.write(Kind.FAULT)
    server.mode = Mode.REFUSE_BEARER
    with pytest.raises(ServerRefused):
        bench.push_all()
    assert mirror.parked() == []
    assert bench.reader.waiting == 1


def test_a_new_journal_starts_from_its_first_record(scanner, server, bench, mirror):
    scanner.write(Kind.FAULT)
    bench.push_all()
    old = scanner.epoch
    scanner.restart(epoch=b"epoch..2")
    scanner.write(Kind.FAULT)
    scanner.write(Kind.FAULT)
    bench.push_all()
    assert server.received == [1, 1, 2]
    assert mirror.position(f"records/{old.hex()}") == 1
    assert mirror.position(f"records/{b'epoch..2'.hex()}") == 2


def test_offline_everything_waits_and_then_goes_up_once(scanner, server, bench):
    server.mode = Mode.HALF
    for number in range(300):
        scanner.admit(presentation(number), KEY, Kind.PASSAGE)
    with pytest.raises(ServerFault):
        bench.push_all()
    assert bench.reader.waiting == 600
    server.mode = Mode.GOOD
    bench.push_all()
    assert sorted(server.received) == list(range(1, 601))


@pytest.fixture
def small_window(monkeypatch):
    monkeypatch.setattr(outbox, "WINDOW", 10)


def test_offline_only_a_window_of_the_journal_is_held(scanner, server, bench, small_window):
    """The rest is read again from scanner, in order and once, as it goes up."""
    server.mode = Mode.HALF
    for number in range(150):
        scanner.admit(presentation(number), KEY, Kind.PASSAGE)
    with pytest.raises(ServerFault):
        bench.push_all()
    assert bench.reader.outbox.is_full
    assert bench.reader.outbox.read == 10
    assert bench.reader.waiting == 300
    server.mode = Mode.GOOD
    while bench.reader.waiting:
        bench.push_all()
    assert server.received == list(range(1, 301))


def test_claims_are_settled_by_what_lies_beyond_the_window(
    scanner, server, bench, mirror, small_window
):
    server.mode = Mode.HALF
    mirror.intend(Intent(presentation(99), KEY, "main", "entry", 1.0, "admit", scanner.epoch))
    for number in range(100):
        scanner.admit(presentation(number), KEY, Kind.NO_PASSAGE)
    bench.read()
    (intent,) = mirror.open_intents()
    assert (intent.verdict, intent.counts) == ("admitted", False)


def test_a_new_journal_is_read_though_the_old_one_did_not_fit(
    scanner, server, bench, mirror, small_window
):
    for _ in range(30):
        scanner.write(Kind.FAULT)
    bench.read()
    scanner.restart(epoch=b"epoch..2")
    scanner.write(Kind.FAULT)
    bench.push_all()
    assert bench.reader.epoch == b"epoch..2"
    assert server.received == [1]


def test_what_the_journal_says_of_a_claim_taken_up_later_is_noted_again(scanner, bench, mirror):
    scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    bench.read()
    bench.reader.note_again()
    mirror.intend(Intent(presentation(1), KEY, "main", "entry", 1.0, "admit", scanner.epoch))
    bench.read()
    (intent,) = mirror.open_intents()
    assert (intent.verdict, intent.counts) == ("admitted", True)


def test_a_server_that_is_down_is_named(scanner, server, bench):
    scanner.write(Kind.FAULT)
    server.go_offline()
    with pytest.raises(ServerUnreachable):
        bench.push_all()


def test_a_scanner_that_is_gone_is_named(scanner, bench):
    scanner.die()
    with pytest.raises(ScannerGone):
        bench.read()


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"records": [], "epoch": "zz", "head": 0, "hash": "00" * 32},
        {"records": [], "epoch": "00" * 8, "head": "9", "hash": "00" * 32},
        {"records": [7], "epoch": "00" * 8, "head": 1, "hash": "00" * 32},
        {"records": [], "epoch": "00" * 8, "head": 5, "hash": "00" * 32},
        {"records": [{"seq": 0}], "epoch": "00" * 8, "head": 5, "hash": "00" * 32},
        {"error": "JournalUnavailable", "cause": "disk full", "remedy": "free some"},
    ],
)
def test_a_scanner_that_babbles_is_named(scanner, bench, page):
    scanner._records = lambda after, limit: page
    with pytest.raises(ScannerBabbles):
        bench.read()


def test_a_restored_server_gets_every_record_once_more(scanner, server, bench):
    """It has lost what it acknowledged since its copy: all goes up again, and counts once there."""
    for number in range(3):
        scanner.admit(presentation(number), KEY, Kind.PASSAGE)
    bench.push_all()
    server.received.clear()
    bench.reader.send_again()
    bench.push_all()
    assert sorted(server.received) == [1, 2, 3, 4, 5, 6]
    assert bench.reader.waiting == 0
    assert bench.mirror.position(f"records/{scanner.epoch.hex()}") == 6


def test_the_same_word_repeated_sends_them_once_more_alone(scanner, server, bench):
    """A command comes with every heartbeat for a minute; a later one counts again."""
    scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    bench.push_all()
    for seconds, times in ((0, 2), (15, 2), (75, 2), (1, 3)):
        bench.now += seconds
        bench.reader.send_again()
        bench.push_all()
        assert server.received.count(1) == times


def test_an_ended_journal_still_goes_up(scanner, server, bench, gate, mirror):
    """With the head of its own; what was acknowledged of it does not go again."""
    older = OlderJournals(gate, mirror)
    scanner.write(Kind.FAULT)
    bench.push_all()
    scanner.write(Kind.FAULT)
    ended = scanner.epoch
    scanner.begin_anew()
    scanner.write(Kind.FAULT)
    bench.push_all()
    link = Link(scanner.path)
    older.read(link, bench.reader.older)
    assert older.waiting == 1
    while older.push():
        pass
    older.read(link, bench.reader.older)
    link.close()
    assert server.received == [1, 1, 2]
    assert set(server.records) == {(ended.hex(), 1), (ended.hex(), 2), (scanner.epoch.hex(), 1)}
    assert older.waiting == 0


def test_an_ended_journal_decides_on_claims_that_are_taken_up_again(scanner, gate, bench, mirror):
    """The mirror was lost: the guest who went in before the journal ended must keep the claim."""
    older = OlderJournals(gate, mirror)
    scanner.admit(presentation(1), KEY, Kind.PASSAGE)
    scanner.begin_anew()
    bench.read()
    link = Link(scanner.path)
    older.read(link, bench.reader.older)
    older.note_again()
    mirror.intend(Intent(presentation(1), KEY, "main", "entry", 1.0, "admit", scanner.epoch))
    older.read(link, bench.reader.older)
    link.close()
    (intent,) = mirror.open_intents()
    assert (intent.verdict, intent.counts) == ("admitted", True)


def test_scanner_hears_what_the_server_holds_of_its_journal(scanner, server, bench):
    """A fork: the record of this number is another there."""
    seen = []
    bench.reader.on_seen = seen.append
    entry = scanner.write(Kind.FAULT)
    server.verdicts[1] = {"result": "fork", "hash": "ab" * 32}
    bench.push_all()
    assert seen == [Seen(scanner.epoch, entry.seq, b"\xab" * 32)]


def test_a_journal_shorter_than_what_was_acknowledged_is_told_and_sent_anew(
    scanner, server, bench, gate, mirror
):
    """The journal alone was put back: what was written since has numbers that are done with."""
    for _ in range(3):
        scanner.write(Kind.FAULT)
    bench.push_all()
    del scanner.entries[1:]
    scanner.write(Kind.MODE)
    again, seen = Bench(scanner, gate, mirror), []
    again.reader.on_seen = seen.append
    again.push_all()
    again.read()
    assert seen[-1] == Seen(scanner.epoch, 3, b"")
    assert server.received == [1, 2, 3, 1, 2]


def test_a_head_that_the_gate_never_signed_is_no_answer(scanner, server, bench):
    """Nobody makes a gate end its journal by a word that is not its own."""
    head = {"epoch": scanner.epoch.hex(), "seq": 9, "hash": "ab" * 32, "at": 1}
    server.known = head | {"signature": "A" * 86 + "=="}
    scanner.write(Kind.FAULT)
    with pytest.raises(ServerFault, match="never signed"):
        bench.push_all()


def test_records_that_the_server_lost_go_up_again(scanner, server, bench):
    """It says which have not come; they were answered for once."""
    scanner.write(Kind.FAULT)
    bench.push_all()
    server.missing = [[1, 1]]
    scanner.write(Kind.FAULT)
    bench.push_all()
    server.missing = []
    bench.push_all()
    assert server.received == [1, 2, 1, 2]
