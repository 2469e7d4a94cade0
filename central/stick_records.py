"""Records that come back on a stick: taken as `POST /v1/records` takes them, each counted once."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from central.errors import CentralFault, ProtocolError
from central.event import Central
from central.records import MOST, take_batch
from central.schema import device
from central.tokens import Caller
from store.heads import Head, head_from_json, head_holds
from store.records import Kind
from store.stick import Stick, StickTorn
from store.stick_records import MOST_FILE, RecordsTorn, read_records
from tickets.errors import GateError

_FILE = re.compile(r"records/([0-9a-f]{16})-([0-9a-f]{16})-(\d{10})")
_ROOM = MOST - 50  # a batch grows by the `resumed` records that belong to its last scan


@dataclass(slots=True)
class Imported:
    """What came of an import."""

    results: Counter[str] = field(default_factory=Counter)
    """How many records were `stored`, `duplicate`, `parked` or `fork`."""
    conflicts: int = 0
    """Entries beyond what their tickets allow, as the answers name them."""
    faults: int = 0
    """Files that could not be taken."""


def import_records(
    central: Central, directory: Path, on_fault: Callable[[str, str], None]
) -> Imported:
    """Take every record on a stick; doing it twice does no harm, and what is good is always taken.

    Args:
        on_fault: Called with (cause, remedy) for each file that is left out.
    Raises:
        StickFault: there is no stick, or it went away; what was taken stays.
    """
    stick = Stick(directory)
    theirs = stick.index().event
    if theirs != central.event:
        raise CentralFault(
            f"the stick is of event {theirs[:40]!r}, this server serves {central.event!r}",
            "Name the database of that event with --db",
        )
    work = _Import(central, stick, on_fault)
    for (name, epoch), paths in _by_journal(stick).items():
        try:
            work.take(_gate(central, name), epoch, paths)
        except (CentralFault, ProtocolError) as error:
            work.left_out(error)
    return work.done


def _by_journal(stick: Stick) -> dict[tuple[str, str], list[str]]:
    """Files by (device, epoch), in the order of their first record."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in stick.names("records"):
        if match := _FILE.fullmatch(path):
            found.setdefault((match[1], match[2]), []).append(path)
    return found


def _gate(central: Central, name: str) -> Caller:
    """The gate that records are of."""
    with central.database.reading() as connection:
        query = select(device).where(device.c.device == name)
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise CentralFault(
            f"records of gate {name}, which is not enrolled here",
            f"Enrol it: admit central stick DIR --enrol {name}; then import once more",
        )
    if row["revoked"] is not None:
        raise CentralFault(
            f"records of gate {row['gate']} ({name}), which was withdrawn",
            "Look into how they came here; they are not taken",
        )
    return Caller(name, row["gate"], bytes(row["public_key"]))


class _Import:
    """One import on its way."""

    def __init__(
        self, central: Central, stick: Stick, on_fault: Callable[[str, str], None]
    ) -> None:
        self._central, self._stick, self._on_fault = central, stick, on_fault
        self.done = Imported()

    def left_out(self, fault: GateError) -> None:
        """Something is not taken, and why."""
        self.done.faults += 1
        self._on_fault(fault.cause, fault.remedy)

    def take(self, gate: Caller, epoch: str, paths: list[str]) -> None:
        """Take the files of one journal."""
        files = list(self._files(gate, epoch, paths))
        # Signed one after the other, whichever record a file begins with.
        heads = sorted((head for head, _ in files), key=lambda head: (head.seq, head.at))
        records = (record for _, held in files for record in held)
        for batch in _batches(records):
            name = bytes.fromhex(epoch)
            answers = take_batch(self._central, gate, name, heads, batch)["answers"]
            heads = []
            assert isinstance(answers, list)
            self.done.results.update(str(answer["result"]) for answer in answers)
            self.done.conflicts += sum("conflict" in answer for answer in answers)

    def _files(
        self, gate: Caller, epoch: str, paths: list[str]
    ) -> Iterator[tuple[Head, list[dict[str, Any]]]]:
        for path in paths:
            try:
                data = self._stick.read(path, MOST_FILE)
                body = read_records(path, data, gate.public_key)
                head = head_from_json(body["head"])
                if body["epoch"] != epoch or not head_holds(head, gate.device, gate.public_key):
                    raise RecordsTorn(path)
            except (RecordsTorn, StickTorn) as error:
                self.left_out(error)
                continue
            yield head, body["records"]


def _batches(records: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Batches of one call; none ends between a scan and the `resumed` that goes with it."""
    batch: list[dict[str, Any]] = []
    for entry in records:
        full = len(batch) >= MOST or (
            len(batch) >= _ROOM and entry.get("kind") != Kind.RESUMED.value
        )
        if full:
            yield batch
            batch = []
        batch.append(entry)
    if batch:
        yield batch
