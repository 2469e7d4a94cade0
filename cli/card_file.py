"""The file of made cards: the organiser's rows, each with the card that its ticket became."""

import csv
import io
import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tickets.csv_rows import MAX_LINE, BadRow, TicketRow, read_rows
from tickets.errors import GateError
from tickets.rows import Status

HEADER = ("id", "product", "entries", "valid_from", "valid_until", "status", "attention", "card")
_NAMES = {
    Status.CANCELLED: "cancelled",
    Status.BLOCKED: "blocked",
    Status.UNAPPROVED: "unapproved",
    Status.UNPAID: "unpaid",
}


class CardFileFault(GateError):
    """The file of made cards cannot be read or written."""


class CardFile:
    """Rows that are on disk as soon as their card is made: a stop in the middle loses none."""

    def __init__(self, path: Path) -> None:
        """Read the file, or begin it. Raises CardFileFault."""
        self.path = path
        self.made: dict[bytes, str] = {}
        """The id of each card's ticket, by UID."""
        try:
            if not path.exists():
                self._append(HEADER, os.O_CREAT | os.O_EXCL)
            self._read()
        except OSError as error:
            raise CardFileFault(
                f"{path} cannot be used: {error.strerror}", "Name a file that you can write"
            ) from error

    def add(self, row: TicketRow, uid: bytes) -> None:
        """Write one ticket with its card, durably. Raises CardFileFault."""
        cells = (
            *(row.id, str(row.product), str(row.entries)),
            *(_time(row.valid_from), _time(row.valid_until)),
            *(_status(row.status), str(int(bool(row.status & Status.ATTENTION))), uid.hex()),
        )
        try:
            self._append(cells)
        except OSError as error:
            raise CardFileFault(
                f"{self.path} cannot be written: {error.strerror}",
                f"Free space, and start again with --again: the card of ticket {row.id} is made",
            ) from error
        self.made[uid] = row.id

    def _append(self, cells: tuple[str, ...], flags: int = 0) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(cells)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | flags, 0o600)
        with os.fdopen(handle, "ab") as file:  # unlike os.write, a file writes all of it or raises
            file.write(text.getvalue().encode())
            file.flush()
            os.fsync(handle)

    def _read(self) -> None:
        with self.path.open("rb") as file:
            for row in read_rows(iter(partial(file.readline, MAX_LINE), b"")):
                if isinstance(row, BadRow) or row.card is None:
                    said = str(row) if isinstance(row, BadRow) else f"line {row.line}: no card"
                    raise CardFileFault(
                        f"{self.path} is no file of made cards ({said})",
                        "Name a new file, or correct that line",
                    )
                self.made[row.card] = row.id


def _time(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def _status(status: Status) -> str:
    return next((name for flag, name in _NAMES.items() if status & flag), "valid")
