"""What must hold of a journal and of what its gate said, however often the gate was killed."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from admission.history import Standing
from store.journal import Journal, read_journal, verify_chain
from store.records import Entry, Kind
from tests.rigs.admission_core import entries_of
from tests.rigs.gate_rig import EVENT, key_of

Lines = list[list[str]]
"""The words of each line one life said, in order."""


@dataclass
class Tally:
    """Counts over all lives audited."""

    lives: int = 0
    ready: int = 0
    released: int = 0
    walked: int = 0
    records: int = 0
    interrupted: int = 0
    resumed: int = 0
    welcomed: int = 0
    """Guests of interrupted admissions who came back in the next life and were let in."""
    lost: list[str] = field(default_factory=list)
    """What was acknowledged and is not in the journal."""
    double: list[str] = field(default_factory=list)
    """Entries beyond what the ticket and its one `resumed` allow."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, n) + getattr(other, n) for n in self.__dataclass_fields__))


def lines_of(text: str) -> Lines:
    """The words of each whole line; the last may have been cut short."""
    return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]


def audit(journal: Path, lives: Iterable[Lines]) -> Tally:
    """Compare a journal with what the lives that wrote it said.

    Fails with the ticket's name where a rule is broken; losses and double entries are counted.
    """
    entries, said = list(read_journal(journal)), list(lives)
    assert verify_chain(entries) == (len(entries), "")
    tally = Tally(len(said), sum(["ready"] in lines for lines in said), records=len(entries))
    _acknowledged(entries, said, tally)
    _resumed(entries, tally)
    _entries(journal, entries, said, tally)
    for lines in said:
        _welcomed(lines, tally)
    return tally


def _acknowledged(entries: list[Entry], said: list[Lines], tally: Tally) -> None:
    """Every release has its committed scan, every outcome told is recorded (I1, I9)."""
    admitted = Counter(e.record.ticket_key for e in entries if e.record.verdict == "admitted")
    released = _count("released", said)
    for name, number in released.items():
        if number > admitted[key_of(name)]:
            tally.lost.append(f"released {name} {number} times")
    records = {(e.record.kind.value, (e.record.presentation or b"").hex()) for e in entries}
    for words in (words for lines in said for words in lines if words[0] == "outcome"):
        _, kind, name, presentation = words
        if (kind, presentation) not in records:
            tally.lost.append(f"{kind} of {name}")
    tally.released += released.total()


def _resumed(entries: list[Entry], tally: Tally) -> None:
    """A `resumed` names an interrupted admission, each once."""
    interrupted = [e.record for e in entries if e.record.kind is Kind.INTERRUPTED]
    resumed = [e.record for e in entries if e.record.kind is Kind.RESUMED]
    assert {r.presentation for r in resumed} <= {r.presentation for r in interrupted}
    assert max(Counter(r.presentation for r in interrupted).values(), default=0) <= 1
    assert max(Counter(r.ticket_key for r in resumed).values(), default=0) <= 1
    tally.interrupted += len(interrupted)
    tally.resumed += len(resumed)


def _entries(journal: Path, entries: list[Entry], said: list[Lines], tally: Tally) -> None:
    """I2 and I3: nobody entered too often, and nobody's entry stands who did not go in."""
    walked = _count("walked", said)
    guessed = {e.record.presentation for e in entries if e.record.detail.startswith(_GUESSES)}
    opened = Journal(journal, EVENT)
    for name in {words[2] for lines in said for words in lines if words[0] == "shown"}:
        uses = opened.uses(key_of(name))
        standing = sum(use.counts for use in uses)
        resumed = sum(use.standing is Standing.RESUMED for use in uses)
        if standing > entries_of(name) or walked[name] > entries_of(name) + resumed:
            tally.double.append(f"{name}: {standing} stand, {walked[name]} walked")
        known = all(u.standing in {Standing.PASSED, Standing.ANNULLED} for u in uses)
        if known and not guessed & {use.presentation for use in uses}:
            assert standing == walked[name], f"{name}: {standing} stand, {walked[name]} walked"
    opened.close()
    tally.walked += walked.total()


_GUESSES = ("assumed", "counts")
"""How the details of outcomes begin that no passage stands behind."""


def _welcomed(lines: Lines, tally: Tally) -> None:
    """The guest of an interrupted admission is let in at once, if the life was long enough."""
    guests = [number for number, words in enumerate(lines) if words[0] in {"back", "welcomed"}]
    for start, end in pairwise(guests):
        _, name, may = lines[start]
        released = sum(words == ["released", name] for words in lines[start:end])
        assert released == 1 if may == "may" else released <= 1, f"{name} came back"
        tally.welcomed += may == "may"


def _count(word: str, said: list[Lines]) -> Counter[str]:
    return Counter(words[1] for lines in said for words in lines if words[0] == word)
