"""A CSV file from a browser: taken in within bounds, then imported in the background, one at a
time, with what has come of it so far.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from central.event import Central
from central.imports import import_tickets
from central.organiser import audit
from central.organiser.errors import FormRefused
from tickets.csv_rows import MAX_LINE, BadRow
from tickets.errors import GateError
from tickets.strength import weak_codes

MOST_BYTES = 512 << 20
"""Largest upload: some ten million tickets."""
UPLOAD_SECONDS = 900.0
"""How long an upload may take as a whole."""
PART_SECONDS = 30.0
"""How long a browser may send nothing."""
SHOWN = 200
"""Bad rows that are shown; the others are counted."""
_LOG = logging.getLogger("central")


@dataclass(frozen=True, slots=True)
class Import:
    """What has come of an import so far."""

    file: str
    person: str
    size: int
    """Bytes of the file."""
    read: int = 0
    """Bytes taken from it."""
    phase: str = "rows"
    """``rows``, then ``list`` (being signed and published), then ``done`` or ``failed``."""
    rows: int = 0
    """Rows read, good and bad."""
    listed: int = 0
    """Rows written to the new list."""
    good: int = 0
    bad: int = 0
    withdrawn: int = 0
    named: int = 0
    weak: int = 0
    weak_lines: tuple[int, ...] = ()
    serial: int = 0
    shown: tuple[BadRow, ...] = ()
    fault: GateError | None = None

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self.phase in ("rows", "list")

    @property
    def weakness(self) -> str:
        """What is to be said of codes that can be guessed; empty: there are none."""
        return weak_codes(self.weak, self.weak_lines) if self.weak else ""

    @property
    def percent(self) -> int:
        """How far the reading is."""
        return 100 * self.read // self.size if self.size else 100


class Importer:
    """One import at a time, in a thread of its own; any thread may look how far it is."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.latest: Import | None = None

    def start(self, file: BinaryIO, name: str, person: str) -> None:
        """Begin to import ``file``, which is closed at the end.

        Raises:
            FormRefused: another import is not done yet.
        """
        size = file.seek(0, 2)
        file.seek(0)
        with self._lock:
            if self.latest is not None and self.latest.running:
                raise FormRefused(
                    f"{self.latest.file} is still being imported", "Wait until it is done"
                )
            self.latest = Import(name, person, size)
        self._thread = threading.Thread(target=self._work, args=(file,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until no import is at work."""
        if self._thread is not None:
            self._thread.join()

    def _work(self, file: BinaryIO) -> None:
        begun = self.latest
        assert begun is not None
        try:
            with file, audit.recorded(self._central, begun.person, "import", begun.file):
                done = import_tickets(self._central, self._lines(file), self._bad, self._progress)
        except GateError as error:
            self._note(phase="failed", fault=error)
        except (SQLAlchemyError, OSError) as error:
            _LOG.error("import: %s", error)
            fault = GateError("the server cannot write", "Look at its disk and log; import again")
            self._note(phase="failed", fault=fault)
        except BaseException:  # ours: its traceback goes to the log, and the next import may begin
            fault = GateError("the server has a fault", "Read the server's log; import again")
            self._note(phase="failed", fault=fault)
            raise
        else:
            figures = {"good": done.good, "bad": done.bad, "withdrawn": done.withdrawn}
            weak = {"named": done.named, "weak": done.weak, "weak_lines": done.weak_lines}
            self._note(phase="done", serial=done.serial, **figures, **weak)

    def _lines(self, file: BinaryIO) -> Iterator[bytes]:
        read = 0
        for line in iter(partial(file.readline, MAX_LINE), b""):
            read += len(line)
            self._read = read
            yield line

    def _bad(self, row: BadRow) -> None:
        latest = self.latest
        assert latest is not None
        shown = (*latest.shown, row) if len(latest.shown) < SHOWN else latest.shown
        self._note(bad=latest.bad + 1, shown=shown)

    def _progress(self, what: str, rows: int) -> None:
        if what == "rows":
            self._note(rows=rows, read=self._read)
        else:
            self._note(phase="list", listed=rows)

    def _note(self, **facts: object) -> None:
        assert self.latest is not None
        self.latest = replace(self.latest, **facts)  # type: ignore[arg-type]


async def receive(request: Request) -> tuple[FormData, UploadFile]:
    """The form and the file of an upload; memory holds 1 MiB of it, a file without a name the rest.

    Raises:
        FormRefused: it is too large, too slow, of another shape, or has no file.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and len(announced) < 20 and int(announced) > MOST_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            parser = MultiPartParser(request.headers, _bounded(request), max_files=1, max_fields=5)
            form = await parser.parse()
    except (TimeoutError, ClientDisconnect) as error:
        raise FormRefused("the upload broke off", "Send the file again") from error
    except (MultiPartException, KeyError, ValueError) as error:
        raise FormRefused("the upload is no form with one file", "Choose a CSV file") from error
    except OSError as error:
        raise FormRefused(
            f"the server cannot keep the file: {error.strerror}", "Free space on its disk"
        ) from error
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise FormRefused("no file was chosen", "Choose a CSV file, then press Import")
    return form, file


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    taken, stream = 0, request.stream()
    while True:
        async with asyncio.timeout(PART_SECONDS):
            part = await anext(stream, None)
        if part is None:
            return
        taken += len(part)
        if taken > MOST_BYTES:
            raise _too_large()
        yield part


def _too_large() -> FormRefused:
    return FormRefused(
        f"the file is larger than {MOST_BYTES >> 20} MiB",
        "Import it on the server: admit central import FILE",
    )
