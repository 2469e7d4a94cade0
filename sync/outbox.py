"""What is still to go up, in order: pure bookkeeping over the journal's entries.

A scan that was admitted waits for its outcome and goes up together with it; others overtake it. A
`resumed` goes with the scan it speaks of: alone it would take the interrupted entry away before the
new one is known, and in between the ticket would count as unused. The acknowledgement of each
record is its own. Only a window of the journal is held: no evening offline fills the memory.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from store.records import OUTCOMES, Kind

BATCH = 500
"""Records of one request at most. Source: docs/protocol.md."""
WINDOW = 8 * BATCH
"""Records held at most; the rest stays in the journal until there is room."""
OUTCOME_WAIT = 45.0
"""Seconds a scan waits for its outcome. The longest release and settling end long before; a scan
that gets none (a lane that only checks) must not wait for ever."""
PUT_OFF = 30.0
"""Seconds a record waits that the server failed at for itself; twice as long each time after."""
LONGEST = 300.0
"""Seconds that it waits at most."""
_OUTCOMES = frozenset(kind.value for kind in OUTCOMES)


@dataclass(slots=True)
class _Item:
    seq: int
    text: str
    presentation: str | None
    waits_until: float
    """Monotonic seconds; 0: does not wait."""
    put_off: int = 0
    """How often the server failed at it."""


class Outbox:
    """The unacknowledged records of one journal epoch.

    Args:
        epoch: 8 bytes.
        position: Every record up to this seq is acknowledged.
        acknowledged: Seqs beyond it that are acknowledged too.
    """

    def __init__(self, epoch: bytes, position: int, acknowledged: Iterable[int] = ()) -> None:
        self.epoch = epoch
        self.read = position
        """Last seq taken in."""
        self._acknowledged = set(acknowledged)
        self._items: dict[int, _Item] = {}
        self._scans: dict[str | None, int] = {}
        """Presentation of a scan that waits -> its seq."""
        self._followers: dict[int, list[int]] = {}
        """Seq of a scan -> seqs of its `resumed` and its outcome, while they are to go with it."""

    def add(self, entries: Iterable[dict[str, Any]], now: float) -> None:
        """Take in entries as the journal gives them, ascending; `now` in monotonic seconds.

        Those beyond the window are left: read on after `read` once there is room.
        """
        for entry in entries:
            if entry["seq"] <= self.read:
                continue
            if self.is_full:
                return
            self.read = entry["seq"]
            self._add(entry, now)

    def _add(self, entry: dict[str, Any], now: float) -> None:
        seq, scan = entry["seq"], self._scan_before(entry)
        if seq in self._acknowledged:
            self._acknowledged.discard(seq)
            return
        presentation, waits = entry.get("presentation"), _awaits_outcome(entry)
        until = now + OUTCOME_WAIT if waits else 0.0
        self._items[seq] = _Item(seq, json.dumps(entry), presentation, until)
        if waits and presentation is not None:
            self._scans[presentation] = seq
        if scan in self._items:
            self._followers.setdefault(scan, []).append(seq)

    def _scan_before(self, entry: dict[str, Any]) -> int | None:
        """Seq of the scan that the entry goes up with, if that one is still to go."""
        if entry.get("kind") == Kind.RESUMED.value:
            return self._scans.get(_resumed_by(entry))
        if entry.get("kind") not in _OUTCOMES:
            return None
        scan = self._scans.pop(entry.get("presentation"), None)
        if scan in self._items:  # known even when the outcome went up before it
            self._items[scan].waits_until = 0.0
        return scan

    def batch(self, now: float) -> list[dict[str, Any]]:
        """The next records to send, at most 500: a scan is followed by its outcome."""
        chosen: list[int] = []
        for group in self._groups(now):
            if len(chosen) + len(group) > BATCH:
                break
            chosen += group
        return [json.loads(self._items[seq].text) for seq in chosen]

    def _groups(self, now: float) -> Iterator[list[int]]:
        led = {follower for followers in self._followers.values() for follower in followers}
        late: dict[str | None, int] = {
            item.presentation: seq
            for seq, item in reversed(self._items.items())  # the first of a presentation counts
            if item.put_off and item.presentation
        }
        for seq, item in self._items.items():  # ascending: so they came in
            if item.waits_until > now or seq in led:
                continue
            group = [seq, *self._followers.get(seq, ())]
            # What ends an entry takes nothing back before that entry is there.
            if all(late.get(self._items[each].presentation, seq) == seq for each in group):
                yield group

    def put_off(self, seqs: Iterable[int], now: float) -> None:
        """Let others pass records that the server failed at; `now` in monotonic seconds."""
        for item in (self._items[seq] for seq in seqs if seq in self._items):
            item.waits_until = now + min(LONGEST, PUT_OFF * 2.0 ** min(item.put_off, 16))
            item.put_off += 1

    def done(self, seqs: Iterable[int]) -> int:
        """Forget acknowledged records; returns the new position: all up to it are done."""
        for seq in seqs:
            item = self._items.pop(seq, None)
            self._followers.pop(seq, None)
            if item and item.presentation and self._scans.get(item.presentation) == seq:
                del self._scans[item.presentation]
        for followers in self._followers.values():
            followers[:] = [seq for seq in followers if seq in self._items]
        return self.position

    @property
    def position(self) -> int:
        """Every record up to this seq is acknowledged."""
        return self.position_without(())

    def position_without(self, seqs: Iterable[int]) -> int:
        """The position once `seqs` are done too."""
        done = set(seqs)
        return next((seq for seq in self._items if seq not in done), self.read + 1) - 1

    @property
    def is_full(self) -> bool:
        """Whether the window has no room."""
        return len(self._items) >= WINDOW

    def waiting(self, head: int) -> int:
        """How many records of a journal of `head` records are not acknowledged."""
        return len(self._items) + max(0, head - self.read)


def _awaits_outcome(entry: dict[str, Any]) -> bool:
    return entry.get("kind") == Kind.SCAN.value and entry.get("verdict") == "admitted"


def _resumed_by(entry: dict[str, Any]) -> str:
    """Presentation in hex of the new scan that a `resumed` speaks of. Source: docs/protocol.md."""
    return str(entry.get("detail", "")).removeprefix("by ")
