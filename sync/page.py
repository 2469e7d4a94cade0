"""One page of a journal, as scanner gives it. Source: docs/ipc.md, `records`."""

from dataclasses import dataclass
from typing import Any

from sync.link import Link, ScannerBabbles

_SECONDS = 5.0
MOST_OLDER = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one journal, and where it stands."""

    records: list[dict[str, Any]]
    epoch: bytes
    """8 bytes: which journal."""
    head: int
    """Number of its last record."""
    hash: bytes
    """32 bytes: that record's hash; zeros while the journal is empty."""
    older: tuple[bytes, ...] = ()
    """Epochs of this gate's journals before the present one, oldest first."""

    @property
    def tip(self) -> tuple[int, bytes]:
        """Where the journal stands."""
        return self.head, self.hash


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody outside holds of a journal: scanner compares it with what is on its card."""

    epoch: bytes
    seq: int
    hash: bytes
    """32 bytes, of the record with this number; empty: not known."""

    def told(self) -> dict[str, Any]:
        """The message to scanner."""
        body = {"epoch": self.epoch.hex(), "seq": self.seq, "hash": self.hash.hex()}
        return {"seen": body}


def ask_page(link: Link, after: int, limit: int, of: bytes | None = None) -> Page:
    """Ask scanner for at most ``limit`` records after ``after``.

    Args:
        of: Epoch of an older journal; None: the present one.
    Raises:
        ScannerGone, ScannerBabbles.
    """
    asked = {"op": "records", "after": after, "limit": limit}
    return page_of(link.ask(asked if of is None else asked | {"epoch": of.hex()}, _SECONDS))


def page_of(told: dict[str, Any]) -> Page:
    """Read scanner's answer. Raises ScannerBabbles."""
    try:
        older = tuple(bytes.fromhex(epoch) for epoch in told.get("older", [])[:MOST_OLDER])
        epoch, digest = bytes.fromhex(told["epoch"]), bytes.fromhex(told["hash"])
        page = Page(told["records"], epoch, told["head"], digest, older)
    except (KeyError, TypeError, ValueError) as error:
        raise ScannerBabbles(error) from error
    records = page.records
    if not (isinstance(records, list) and type(page.head) is int and len(page.hash) == 32):
        raise ScannerBabbles("a page of records of another shape")
    if any(len(each) != 8 for each in (epoch, *older)):
        raise ScannerBabbles("an epoch that is not 8 bytes")
    if not all(isinstance(r, dict) and isinstance(r.get("seq"), int) for r in records):
        raise ScannerBabbles("a record without a seq")
    return page
