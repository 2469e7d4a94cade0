"""journal.db: on disk when it says so, only ever longer, and no word of it changed unseen."""

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admission.direction import Direction
from admission.history import Standing
from store.journal import ANNUL, COUNTS, Journal, JournalUnavailable, read_journal, verify_chain
from store.journal_file import BUSY_FOR
from store.records import GENESIS, Kind, Record

EVENT = "FEST2026"
KEY = b"K" * 16


def record(number: int = 1, kind: Kind = Kind.SCAN, **changes: Any) -> Record:
    """A record of the presentation `number`, admitted if it is a scan."""
    about: dict[str, Any] = {"verdict": "admitted"} if kind is Kind.SCAN else {}
    about |= {"presentation": number.to_bytes(16, "big"), "at": 1000.0 + number, "lane": "1"}
    about |= {"list": "main", "direction": "entry", "ticket_key": KEY}
    return Record(kind, **(about | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Journal:
    return Journal(path, EVENT)


def others_view(path: Path) -> list[int]:
    """The record numbers that another process's connection reads now."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return [seq for (seq,) in db.execute("SELECT seq FROM records ORDER BY seq")]


def write_past_the_triggers(path: Path, statement: str, *values: object) -> None:
    """What a thief with the card and a database tool does."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(statement, values)


# -- durable -------------------------------------------------------------------------------------


def test_a_record_is_there_for_others_when_its_transaction_returns(path, journal):
    """I1: not before COMMIT, and always after it."""
    with journal.transaction():
        journal.append(record())
        assert others_view(path) == []
    assert others_view(path) == [1]


def test_a_commit_waits_for_the_disk(journal):
    """synchronous=FULL in a write-ahead log: every commit is flushed before it returns."""
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_transaction_that_fails_leaves_nothing(path, journal):
    """The chain goes on from the last record that is on disk."""
    journal.record(record(1))
    with pytest.raises(ZeroDivisionError), journal.transaction():
        journal.append(record(2))
        _ = 1 / 0
    journal.record(record(3))
    journal.close()
    entries = list(read_journal(path))
    assert [entry.record.presentation for entry in entries] == [
        record(1).presentation,
        record(3).presentation,
    ]
    assert verify_chain(entries) == (2, "")


def test_the_head_is_told_only_when_it_can_be_read(journal):
    """The upload asks for records up to the head it was told."""
    with journal.transaction():
        journal.append(record())
        assert journal.seq == 0
        assert journal.after(0, 10) == []
    assert journal.seq == 1
    assert [entry.seq for entry in journal.after(0, 10)] == [1]


def test_two_records_of_one_transaction_come_together_or_not_at_all(path, journal):
    """A resumed entry is a scan and its `resumed`, never one without the other."""
    with journal.transaction():
        journal.append(record(2))
        journal.append(record(1, Kind.RESUMED))
        assert others_view(path) == []
    assert others_view(path) == [1, 2]


def test_lanes_that_record_at_once_make_one_chain(path, journal):
    """Eight threads, no number twice, no gap."""
    threads = [
        threading.Thread(target=lambda n=n: [journal.record(record(n * 20 + i)) for i in range(20)])
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert verify_chain(read_journal(path)) == (160, "")


def test_a_journal_goes_on_where_it_was_left(path, journal):
    """Number, hash, time and epoch are those of before."""
    journal.record(record())
    journal.close()
    again = Journal(path, EVENT)
    assert (again.seq, again.head, again.last_at, again.epoch) == (
        journal.seq,
        journal.head,
        1001.0,
        journal.epoch,
    )


def test_no_guest_waits_for_a_checkpoint(path, journal):
    """A rush of some hundred admissions grows the log alone; the file waits for an idle moment."""
    before = path.stat().st_size
    with journal.transaction():
        for number in range(400):
            journal.append(record(number, detail="x" * 20_000))
    journal.record(record())
    assert path.stat().st_size == before
    journal.checkpoint()
    assert path.stat().st_size > before + 400 * 20_000


def test_a_journal_that_was_moved_away_holds_all_its_records(path, journal):
    """The organiser takes the one file along: what was still in the log goes into it."""
    for number in range(5):
        journal.record(record(number))
    moved = path.rename(path.with_name("evidence.db"))
    journal.retire()
    path.with_name("journal.db-wal").unlink()
    assert [entry.seq for entry in read_journal(moved)] == [1, 2, 3, 4, 5]


def test_a_checkpoint_changes_no_record(path, journal):
    """It only moves records from the log into the file."""
    for number in range(5):
        journal.record(record(number))
    journal.checkpoint()
    journal.record(record(6))
    assert [entry.seq for entry in journal.after(0, 10)] == [1, 2, 3, 4, 5, 6]
    assert others_view(path) == [1, 2, 3, 4, 5, 6]


# -- append-only ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET verdict = 'refused'",
        "UPDATE records SET seq = seq + 1",
        "DELETE FROM records",
        "REPLACE INTO records SELECT * FROM records",
    ],
)
def test_no_record_is_changed_or_deleted(path, journal, statement):
    """By triggers in the file itself, so that a tool does not do it by mistake either."""
    journal.record(record())
    before = journal.after(0, 10)
    with closing(sqlite3.connect(path)) as db, pytest.raises(sqlite3.IntegrityError):
        db.execute("PRAGMA recursive_triggers=ON")
        db.execute(statement)
    assert journal.after(0, 10) == before


# -- chained -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "statement", "held", "wrong"),
    [
        ("changed", "UPDATE records SET verdict='refused' WHERE seq=3", 2, "record 3 was changed"),
        ("its time", "UPDATE records SET at=at-60 WHERE seq=3", 2, "record 3 was changed"),
        ("its hash too", "UPDATE records SET hash=prev WHERE seq=3", 2, "record 3 was changed"),
        ("removed", "DELETE FROM records WHERE seq=3", 2, "record 4 does not follow"),
        ("the first removed", "DELETE FROM records WHERE seq=1", 0, "record 2 does not follow"),
        (
            "reordered",
            "UPDATE records SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3)",
            0,
            "does not follow",
        ),
    ],
)
def test_the_chain_finds_what_was_done(path, case, statement, held, wrong):
    """And says how many records hold before it."""
    journal = Journal(path, EVENT)
    for number in range(1, 6):
        journal.record(record(number))
    journal.close()
    assert verify_chain(read_journal(path)) == (5, "")
    write_past_the_triggers(path, statement)
    count, found = verify_chain(read_journal(path))
    assert (count, wrong in found) == (held, True), (case, found)


def test_a_chain_can_be_verified_from_the_head_a_server_knows(journal):
    """Records that are missing at the end show only against that head."""
    for number in range(1, 6):
        journal.record(record(number))
    entries = journal.after(0, 10)
    assert verify_chain(entries[2:], after=entries[1].hash) == (3, "")
    assert verify_chain(entries[:3]) == (3, "")
    assert verify_chain(entries[3:], after=GENESIS)[0] == 0


# -- what a ticket did ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "detail", "standing", "turned_back"),
    [
        pytest.param(None, "", Standing.OPEN, False, id="no outcome yet"),
        pytest.param(Kind.PASSAGE, "", Standing.PASSED, False, id="went through"),
        pytest.param(Kind.NO_PASSAGE, "", Standing.ANNULLED, True, id="nobody went through"),
        pytest.param(
            Kind.NO_PASSAGE, f"{COUNTS}: asked", Standing.PASSED, True, id="steward asked"
        ),
        pytest.param(
            Kind.NO_PASSAGE, "group: gone", Standing.ANNULLED, False, id="rest of a group"
        ),
        pytest.param(
            Kind.ABORTED, "lane became evacuation", Standing.ANNULLED, False, id="evacuated"
        ),
        pytest.param(
            Kind.ABORTED, f"{COUNTS}: sensor", Standing.PASSED, False, id="aborted, counts"
        ),
        pytest.param(Kind.INTERRUPTED, "", Standing.INTERRUPTED, False, id="the gate died"),
        pytest.param(Kind.RESUMED, "", Standing.RESUMED, False, id="let in once more"),
        pytest.param(
            Kind.OPERATOR,
            f"{ANNUL}: says steward",
            Standing.ANNULLED,
            False,
            id="the steward annuls",
        ),
        pytest.param(Kind.OPERATOR, "looked at it", Standing.OPEN, False, id="the steward notes"),
        pytest.param(Kind.FAULT, "", Standing.OPEN, False, id="a fault meanwhile"),
    ],
)
def test_an_outcome_decides_whether_an_entry_stands(
    journal, outcome, detail, standing, turned_back
):
    """Each kind of outcome, and the words that turn it round."""
    journal.record(record())
    if outcome is not None:
        journal.record(record(1, outcome, detail=detail))
    (use,) = journal.uses(KEY)
    assert (use.standing, use.turned_back) == (standing, turned_back)
    assert (use.where, use.check_in_list, use.direction) == ("1", "main", Direction.ENTRY)


def test_an_annulled_question_no_longer_counts(journal):
    """Steward asked, steward says nobody went in."""
    journal.record(record())
    journal.record(record(1, Kind.NO_PASSAGE, detail=f"{COUNTS}: asked"))
    journal.record(record(1, Kind.OPERATOR, detail=f"{ANNUL}: nobody"))
    (use,) = journal.uses(KEY)
    assert not use.counts
    assert use.turned_back


def test_refused_and_checked_scans_are_no_uses(journal):
    """A ticket shown a thousand times costs no more than one shown once."""
    journal.record(record(1, verdict="refused"))
    journal.record(record(2, verdict="checked"))
    journal.record(record(3, ticket_key=b"other ticket key"))
    assert journal.uses(KEY) == []


def test_an_outcome_without_its_scan_is_no_use(journal):
    """Passages in free flow name no presentation that was shown."""
    journal.record(record(1, Kind.PASSAGE))
    assert journal.uses(KEY) == []


def test_interrupted_are_the_admissions_without_an_outcome(journal):
    """Refusals need none; `resumed` of another presentation is none of its own."""
    for number, outcome in enumerate([Kind.PASSAGE, Kind.NO_PASSAGE, Kind.ABORTED], 1):
        journal.record(record(number))
        journal.record(record(number, outcome))
    journal.record(record(4, verdict="refused"))
    journal.record(record(5))
    journal.record(record(6, Kind.PASSAGE, presentation=None))
    assert [entry.record.presentation for entry in journal.interrupted()] == [
        record(5).presentation
    ]
    journal.record(record(5, Kind.INTERRUPTED))
    assert journal.interrupted() == []


def test_passages_are_told_by_lane_way_and_list(journal):
    """What the counts on the steward page start from."""
    for number in range(3):
        journal.record(record(number, Kind.PASSAGE))
    journal.record(record(4, Kind.PASSAGE, direction="exit", list=None))
    assert sorted(journal.passages(), key=str) == [
        ("1", "entry", "main", 3),
        ("1", "exit", None, 1),
    ]


# -- out of reach --------------------------------------------------------------------------------


def test_a_full_disk_is_named_and_nothing_is_half_written(path, journal):
    """And what comes after it is chained as if nothing had been tried."""
    journal.record(record(1))
    ((used,),) = journal._db.execute("PRAGMA page_count").fetchall()
    journal._db.execute(f"PRAGMA max_page_count={used}")
    with pytest.raises(JournalUnavailable, match="full") as caught:
        for number in range(2, 500):
            journal.record(record(number, detail="x" * 900))
    assert caught.value.remedy.startswith("Free space")
    head = journal.seq
    assert others_view(path) == list(range(1, head + 1))
    journal._db.execute("PRAGMA max_page_count=1000000")
    journal.record(record(501))
    journal.close()
    assert verify_chain(read_journal(path)) == (head + 1, "")


def test_a_lane_does_not_wait_long_for_a_lock_nobody_should_hold(path, journal):
    """A tool that holds the journal open is named as what it is; the record is not half there."""
    assert BUSY_FOR <= 1.0
    journal._db.execute("PRAGMA busy_timeout=1")
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable) as caught:
            journal.record(record())
        assert "Another program" in caught.value.remedy
        tool.execute("ROLLBACK")
    journal.record(record())
    assert others_view(path) == [1]


def test_a_record_that_cannot_be_stored_is_named(journal):
    """SQLite keeps NaN as NULL, which the table refuses."""
    with pytest.raises(JournalUnavailable):
        journal.record(replace(record(), at=float("nan")))
    assert journal.seq == 0


# -- a card's counter ----------------------------------------------------------------------------


def test_the_highest_counter_of_a_card_is_kept_across_restarts(path, journal):
    """Of refused and checked showings too: what was shown once must not work again."""
    for number, verdict in enumerate(("admitted", "refused", "checked")):
        journal.record(record(number, verdict=verdict, counter=5 + number, format="ntag424"))
    journal.record(record(9, ticket_key=b"L" * 16, counter=99))
    journal.record(record(10, Kind.FOLDED, ticket_key=None, counter=500))
    journal.close()
    again = Journal(path, EVENT)
    assert again.highest_counter(KEY) == 7
    assert again.highest_counter(b"?" * 16) is None


def test_a_journal_made_before_there_were_cards_learns_to_find_their_counters(path, journal):
    journal.record(record(counter=5))
    journal.close()
    write_past_the_triggers(path, "DROP INDEX counters")
    again = Journal(path, EVENT)
    assert again.highest_counter(KEY) == 5
    plan = again._db.execute(
        "EXPLAIN QUERY PLAN SELECT max(counter) FROM records WHERE ticket_key = ? "
        "AND counter IS NOT NULL",
        [KEY],
    ).fetchall()
    assert "counters" in str(plan)
