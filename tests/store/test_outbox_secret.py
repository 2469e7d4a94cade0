"""Codes of unsent scans: sealed, in one transaction with their record, and gone without a trace."""

import os
from pathlib import Path

import pytest

from store.journal import Journal, verify_chain
from store.outbox_secret import MOST_SEALED
from store.records import Kind, Record
from tickets.sealing import OVERHEAD, NotSealedForUs, Sealer, open_sealed

EVENT = "FEST2026"


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "journal.db", EVENT)
    yield made
    made.close()


def scan(number: int) -> Record:
    return Record(kind=Kind.SCAN, at=1000.0 + number, verdict="admitted", detail="x" * 40)


def on_disk(directory: Path) -> bytes:
    """Every byte of every file, as a thief reads them: free pages and logs too."""
    return b"".join(path.read_bytes() for path in directory.iterdir() if path.is_file())


def test_a_code_is_kept_with_its_record_and_is_no_part_of_the_chain(journal):
    with journal.transaction():
        journal.append(scan(1), sealed=b"sealed one")
        journal.append(scan(2))
    assert journal.sealed([1, 2, 3]) == {1: b"sealed one"}
    assert verify_chain(iter(journal.after(0, 10))) == (2, "")


def test_a_record_that_was_not_written_leaves_no_code(journal):
    with pytest.raises(RuntimeError), journal.transaction():
        journal.append(scan(1), sealed=b"sealed one")
        raise RuntimeError
    assert journal.sealed([1]) == {}


def test_only_what_was_answered_for_is_forgotten(journal):
    with journal.transaction():
        for number in range(1, 7):
            journal.append(scan(number), sealed=f"sealed {number}".encode())
    assert journal.forget(2, {4, 6, 99}) == 4
    assert sorted(journal.sealed([1, 2, 3, 4, 5, 6])) == [3, 5]
    assert journal.forget(2, {4}) == 0


@pytest.mark.parametrize("checkpoints", ["never", "between", "often"])
def test_what_was_forgotten_is_in_no_byte_of_any_file(journal, tmp_path, checkpoints):
    """Not in a free page of the file, not in its log: whether the log was moved over or not."""
    codes = [os.urandom(120) for _ in range(300)]
    for number, code in enumerate(codes, 1):
        with journal.transaction():
            journal.append(scan(number), sealed=code)
        if checkpoints == "often" and number % 7 == 0:
            journal.checkpoint()
    if checkpoints != "never":
        journal.checkpoint()
    there = on_disk(tmp_path)
    assert all(code in there for code in codes)
    journal.forget(290, {292, 294})
    assert journal.scrub()
    left = on_disk(tmp_path)
    gone = [*codes[:290], codes[291], codes[293]]
    assert not any(code[at : at + 16] in left for code in gone for at in (0, 40, 104))
    assert all(code in left for code in (codes[290], codes[292], codes[299]))
    assert verify_chain(iter(journal.after(0, 1000))) == (300, "")


def test_a_reader_puts_the_emptying_of_the_log_off(journal):
    """Nobody waits for it: it is said, and tried again."""
    with journal.transaction():
        journal.append(scan(1), sealed=b"sealed one")
    journal._reader.execute("BEGIN")
    journal._reader.execute("SELECT count(*) FROM records").fetchone()
    with journal.transaction():
        journal.append(scan(2))
    assert not journal.scrub()
    journal._reader.execute("COMMIT")
    assert journal.scrub()


def test_a_journal_of_an_older_version_gets_the_table(tmp_path):
    journal = Journal(tmp_path / "journal.db", EVENT)
    journal._db.execute("DROP TABLE outbox_secret")
    journal.close()
    again = Journal(tmp_path / "journal.db", EVENT)
    again.record(scan(1))
    assert again.sealed([1]) == {}
    again.close()


def test_a_code_has_a_bound(journal):
    with pytest.raises(ValueError, match="more than"), journal.transaction():
        journal.append(scan(1), sealed=bytes(MOST_SEALED + 1))


SEED = bytes(range(32))


def test_what_is_sealed_opens_with_the_readers_seed_alone():
    from nacl.signing import SigningKey

    sealer = Sealer(bytes(SigningKey(SEED).verify_key))
    sealed = sealer.seal(b"pretix-code")
    assert len(sealed) == len(b"pretix-code") + OVERHEAD
    assert open_sealed(SEED, sealed) == b"pretix-code"
    for seed, changed in ((bytes(32), sealed), (SEED, sealed[:-1]), (SEED, b"")):
        with pytest.raises(NotSealedForUs):
            open_sealed(seed, changed)
    assert sealer.seal(b"pretix-code") != sealed


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32)])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(ValueError, match="Ed25519"):
        Sealer(key)
