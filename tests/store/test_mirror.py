"""mirror.db: one writer that is only ever killed, readers that never wait and never raise."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import pytest

from store import mirror as mirror_module
from store.mirror import (
    Conflict,
    Elsewhere,
    Intent,
    JournalFact,
    Mirror,
    MirrorDamaged,
    MirrorReader,
    MirrorUnreadable,
    Parked,
    RedemptionElsewhere,
    StoredStatement,
)
from tickets.statements import MAX_WIRE

KEY = b"K" * 16
EPOCH = b"epoch..1"
ROOT = Path(mirror_module.__file__).parents[1]


def redemption(**changes: object) -> RedemptionElsewhere:
    base = RedemptionElsewhere(
        b"P" * 16, KEY, "main", "entry", 1000.5, "north", "d1", EPOCH, stands=True
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def statement(kind: str, serial: int) -> StoredStatement:
    wire = f"{kind} {serial}".encode()
    return StoredStatement(kind, serial, blake2b(wire, digest_size=32).digest(), wire)


def intent(number: int = 1) -> Intent:
    return Intent(number.to_bytes(16, "big"), KEY, "main", "entry", 1000.0, "admit", EPOCH)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mirror.db"


def test_redemptions_come_back_as_they_were_stored(path):
    writer, reader = Mirror(path), MirrorReader(path)
    writer.add_redemptions([redemption(), redemption(presentation=b"Q" * 16, gate="south")], 7)
    rows = reader.redemptions(KEY).rows
    assert {row.gate for row in rows} == {"north", "south"}
    assert redemption() in rows
    assert reader.redemptions(b"X" * 16) == Elsewhere()
    assert writer.position("redemptions") == 7


def test_a_later_row_of_the_same_presentation_replaces_the_earlier(path):
    writer, reader = Mirror(path), MirrorReader(path)
    writer.add_redemptions([redemption()], 1)
    writer.add_redemptions([redemption(stands=False)], 2)
    assert reader.redemptions(KEY).rows == (redemption(stands=False),)


def test_of_more_uses_than_are_read_the_newest_are(path):
    """With them the highest counter of a card that is used for weeks: a copy would enter else."""
    writer, reader = Mirror(path), MirrorReader(path, budget=9.0)
    uses = [
        redemption(presentation=number.to_bytes(16, "big"), at=float(number), counter=number)
        for number in range(1001)
    ]
    writer.add_redemptions(uses, 1)
    counters = {row.counter for row in reader.redemptions(KEY).rows}
    assert counters == set(range(1, 1001))


def test_statements_are_read_after_a_cursor(path):
    writer, reader = Mirror(path), MirrorReader(path)
    for kind, serial in (("keyset", 1), ("policy", 1), ("list", 1), ("delta", 2)):
        assert writer.add_statement(statement(kind, serial))
    assert not writer.add_statement(statement("delta", 2)), "the same again is no news"
    seen = reader.statements(0)
    assert [kind for _, kind, _ in seen] == ["keyset", "policy", "list", "delta"]
    assert reader.statements(seen[2][0]) == seen[3:]
    assert reader.statements(0, limit=1) == seen[:1]


def test_what_a_newer_statement_replaces_is_dropped_but_all_keysets_and_two_lists_stay(path):
    """Each keyset says by whose signatures the next one counts."""
    writer = Mirror(path)
    for kind, serial in [
        *(("keyset", 1), ("list", 1), ("delta", 2), ("list", 3), ("delta", 4)),
        *(("keyset", 2), ("policy", 1), ("policy", 2), ("list", 5)),
    ]:
        writer.add_statement(statement(kind, serial))
    assert [(row.type, row.serial) for row in writer.statements()] == [
        *(("keyset", 1), ("list", 3), ("delta", 4), ("keyset", 2)),
        *(("policy", 2), ("list", 5)),
    ]


def test_an_intent_gathers_answer_and_journal_until_it_is_closed(path):
    writer = Mirror(path)
    writer.intend(intent())
    writer.intend(replace(intent(), list="other"))
    assert writer.open_intents() == [intent()], "the first intent stays"
    writer.answered(intent().presentation, "granted")
    writer.note([JournalFact(intent().presentation, verdict="admitted")])
    writer.note([JournalFact(intent().presentation, outcome="no_passage", counts=False)])
    assert writer.open_intents() == [
        replace(intent(), result="granted", verdict="admitted", outcome="no_passage", counts=False)
    ]
    writer.close_intent(intent().presentation, "annulled")
    assert writer.open_intents() == []
    assert writer.how_closed(intent().presentation) == "annulled"
    assert writer.how_closed(b"never intended..") is None


def test_an_entry_taken_back_later_opens_its_settled_intent_again(path):
    writer = Mirror(path)
    writer.intend(intent())
    writer.note([JournalFact(intent().presentation, "admitted", "passage", True)])
    writer.close_intent(intent().presentation, "stands")
    writer.note([JournalFact(intent().presentation, None, "passage", True)])
    assert writer.open_intents() == []
    writer.note([JournalFact(intent().presentation, None, "no_passage", False)])
    assert [found.counts for found in writer.open_intents()] == [False]


def test_acknowledgements_beyond_the_position_are_kept_and_fold_into_it(path):
    writer = Mirror(path)
    name = f"records/{EPOCH.hex()}"
    writer.acknowledge(EPOCH, [1, 2, 5], up_to=2)
    assert (writer.position(name), writer.acknowledged(EPOCH)) == (2, {5})
    writer.acknowledge(EPOCH, [3, 4], up_to=5)
    assert (writer.position(name), writer.acknowledged(EPOCH)) == (5, set())
    assert writer.acknowledged(b"another.") == set()


def test_parked_records_and_conflicts_are_kept_with_the_batch(path):
    writer, reader = Mirror(path), MirrorReader(path)
    parked = Parked(EPOCH, 4, "hash does not match", "{}")
    conflict = Conflict(b"P" * 16, b"Q" * 16, KEY, "main", "south", 990.0)
    writer.acknowledge(EPOCH, [4], 4, [parked], [conflict])
    assert writer.parked() == [parked]
    assert writer.parked_count() == 1
    assert reader.conflicts() == [conflict]


def test_an_absent_mirror_is_an_empty_stale_answer_with_its_fault(path):
    reader = MirrorReader(path)
    assert reader.redemptions(KEY) == Elsewhere((), stale=True)
    assert isinstance(reader.fault, MirrorUnreadable)
    assert reader.statements(0) == []
    Mirror(path).add_redemptions([redemption()], 1)
    assert reader.redemptions(KEY) == Elsewhere((redemption(),))
    assert reader.fault is None


def test_a_locked_mirror_gives_the_last_known_answer_marked_stale(path):
    writer, reader = Mirror(path), MirrorReader(path)
    writer.add_redemptions([redemption()], 1)
    reader.redemptions(KEY)
    reader.close()
    writer._base.close()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("PRAGMA locking_mode=EXCLUSIVE")
    blocker.execute("BEGIN EXCLUSIVE")
    assert reader.redemptions(KEY) == Elsewhere((redemption(),), stale=True)
    assert isinstance(reader.fault, MirrorUnreadable)
    blocker.execute("COMMIT")
    blocker.close()


def test_a_read_beyond_its_budget_is_cut_off(path):
    """The clock jumps at each look, so the first check of the running query is over budget."""
    writer = Mirror(path)
    rows = [redemption(presentation=n.to_bytes(16, "big")) for n in range(900)]
    writer.add_redemptions(rows, 1)
    time = iter(range(10_000))
    reader = MirrorReader(path, monotonic=lambda: float(next(time)))
    assert reader.redemptions(KEY) == Elsewhere((), stale=True)
    assert "interrupted" in reader.fault.cause


def test_a_busy_reader_is_not_waited_for(path):
    writer, reader = Mirror(path), MirrorReader(path)
    writer.add_redemptions([redemption()], 1)
    reader.redemptions(KEY)
    with reader._lock:  # as another thread's long read would hold it
        assert reader.redemptions(KEY) == Elsewhere((redemption(),), stale=True)


def test_a_damaged_mirror_is_named_kept_and_rebuilt(path):
    writer = Mirror(path)
    writer.add_redemptions([redemption()], 1)
    writer.add_statement(statement("keyset", 1))
    reader = MirrorReader(path)
    assert len(reader.statements(0)) == 1
    path.write_bytes(b"noise" * 5000)
    path.with_name("mirror.db-wal").unlink()
    reader.close()
    assert reader.redemptions(KEY).stale
    assert isinstance(reader.fault, MirrorDamaged)
    again = Mirror(path)
    assert isinstance(again.rebuilt, MirrorDamaged)
    assert path.with_name("mirror.db.damaged").read_bytes().startswith(b"noise")
    assert reader.redemptions(KEY) == Elsewhere(())
    assert again.add_statement(statement("keyset", 1))
    assert [wire for _, _, wire in reader.statements(1)] == [b"keyset 1"], "counts anew"


def test_a_mirror_of_another_version_is_set_aside(path):
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version=99")
    base.close()
    assert "another version" in Mirror(path).rebuilt.cause


@pytest.mark.parametrize("rest", ["'y', NULL", "1, 'many'", "1, 1.5"])
def test_rows_a_hacked_writer_shaped_otherwise_are_damage_not_a_crash(path, rest):
    base = sqlite3.connect(path)
    base.execute(
        "CREATE TABLE redemption (presentation, ticket_key, list, direction, at, gate, device,"
        " epoch, stands, counter)"
    )
    row = "zeroblob(16), ?, 'main', 'entry', 1.0, 'south', 'd', zeroblob(8)"
    base.execute(f"INSERT INTO redemption VALUES ({row}, {rest})", (KEY,))
    base.commit()
    reader = MirrorReader(path)
    assert reader.redemptions(KEY).stale
    assert isinstance(reader.fault, MirrorDamaged)


def test_the_counter_of_a_card_s_message_comes_back_as_it_was_told(path):
    writer, reader = Mirror(path), MirrorReader(path)
    rows = [redemption(presentation=bytes([n]) * 16, counter=n or None) for n in range(3)]
    writer.add_redemptions(rows, 9)
    assert sorted((row.counter or 0) for row in reader.redemptions(KEY).rows) == [0, 1, 2]


def test_a_mirror_of_the_version_before_is_kept_and_learns_of_counters(path):
    """What it knows stays: an intent that is forgotten is a claim that nobody settles."""
    first = Mirror(path)
    first.add_redemptions([redemption()], 9)
    first._base.executescript(
        "ALTER TABLE redemption DROP COLUMN counter; DROP INDEX intent_at;"
        " ALTER TABLE intent DROP COLUMN ended; PRAGMA user_version=1"
    )
    again = Mirror(path)
    assert again.rebuilt is None
    again.add_redemptions([redemption(presentation=bytes(16), counter=7)], 10)
    assert {row.counter for row in MirrorReader(path).redemptions(KEY).rows} == {None, 7}


def test_a_refused_page_leaves_neither_rows_nor_cursor(path):
    writer = Mirror(path)
    with pytest.raises(sqlite3.IntegrityError):
        writer.add_redemptions([redemption(), redemption(list=None)], 9)
    assert writer.position("redemptions") == 0
    assert MirrorReader(path).redemptions(KEY) == Elsewhere(())


def test_a_mirror_that_cannot_be_opened_is_a_named_error(tmp_path):
    with pytest.raises(MirrorUnreadable):
        Mirror(tmp_path / "absent" / "mirror.db")


WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from store.mirror import Mirror, RedemptionElsewhere
mirror = Mirror(Path(sys.argv[1]))
mirror.add_redemptions([RedemptionElsewhere(
    b"P" * 16, b"K" * 16, "main", "entry", 1000.5, "north", "d1", b"epoch..1", True)], 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
READ = """
import os, sys
from pathlib import Path
from store.mirror import MirrorReader
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65533)
reader = MirrorReader(Path(sys.argv[1]))
found = reader.redemptions(b"K" * 16)
print(len(found.rows), found.stale, reader.fault)
"""


def python(script: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.heavy  # needs root, to become another user
@pytest.mark.parametrize("writer", ["killed", "running"])
def test_another_user_reads_what_a_killed_writer_left(writer):
    """The reader may neither write the files nor create any beside them."""
    import tempfile

    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        path = directory / "mirror.db"
        assert python(WRITE_AND_DIE, path).returncode == -signal.SIGKILL
        running = Mirror(path) if writer == "running" else None
        for file in directory.iterdir():
            file.chmod(0o644)
        assert python(READ, path).stdout.strip() == "1 False None"
        del running


def test_settled_intents_are_forgotten_but_the_newest_and_those_that_are_open(path):
    writer = Mirror(path)
    for number in range(10):
        made = replace(intent(), presentation=number.to_bytes(16, "big"), at=float(number))
        writer.intend(made)
        if number != 0:
            writer.close_intent(made.presentation, "stands")
    writer.forget_intents(keep=3)
    kept = [n for n in range(10) if writer.how_closed(n.to_bytes(16, "big")) is not None]
    assert kept == [0, 7, 8, 9]
    writer.forget_intents(keep=3)
    assert writer.how_closed((7).to_bytes(16, "big")) == "stands"


def test_rows_too_large_to_be_true_are_not_read(tmp_path: Path) -> None:
    """Whoever took over sync could else fill the memory of the lanes' process."""
    path = tmp_path / "mirror.db"
    writer, reader = Mirror(path), MirrorReader(path)
    writer.add_conflicts([(Conflict(b"p", b"o", b"k", "main", "g" * (1 << 20), 1.0), True)], 1)
    assert reader.conflicts() == []
    assert isinstance(reader.fault, MirrorDamaged)
    wire = bytes(MAX_WIRE)
    writer.add_statement(StoredStatement("delta", 1, b"d" * 32, wire))
    assert [found for _, _, found in reader.statements(0)] == [wire]
    writer.add_statement(StoredStatement("delta", 2, b"e" * 32, bytes(2 * MAX_WIRE)))
    assert reader.statements(0) == []


def test_a_pipe_in_the_place_of_the_mirror_holds_no_lane(tmp_path: Path) -> None:
    """Opening one waits until somebody writes to it."""
    os.mkfifo(tmp_path / "mirror.db")
    reader = MirrorReader(tmp_path / "mirror.db")
    assert reader.redemptions(bytes(16)).stale
    assert "no plain file" in str(reader.fault)
