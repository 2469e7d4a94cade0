"""`admit issue`: a CSV file of tickets becomes pictures and PDF pages, for phones and for paper."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cli.paper.codes import code_text, typed_text
from cli.paper.pdf import Paper
from cli.paper.press import Make, Press, Style
from cli.paper.words import Language
from tickets.csv_rows import MAX_LINE, BadRow, TicketRow, read_rows
from tickets.errors import GateError
from tickets.key_files import KeyFault, Role, SecretKey, load_key
from tickets.strength import WeakCodes, weak_codes

_NAMED = 5
"""Lines that are named one by one."""
_STEP = 10
"""Tickets between two moves of the bar."""


class IssueFault(GateError):
    """The CSV file cannot be read, the tickets cannot be written, or an option makes no sense."""


def issue(
    csv: Annotated[Path, typer.Argument(help="Tickets: id, name, product, entries, ...")],
    out: Annotated[Path, typer.Option(help="Directory for the tickets, made if missing")],
    keys: Annotated[Path, typer.Option(help="Directory that 'admit keys new' has made")],
    *,
    make: Annotated[
        list[Make] | None,
        typer.Option(help="png, pdf: one for each; book: one PDF for all. Default: png and pdf"),
    ] = None,
    title: Annotated[str, typer.Option(help="Name of the event on the tickets")] = "",
    note: Annotated[str, typer.Option(help="A line below it: place, doors")] = "",
    language: Annotated[Language, typer.Option(help="Of the other words")] = Language.EN,
    paper: Annotated[Paper, typer.Option(help="Of a book; a4: four a page, to cut")] = Paper.A6,
    timezone: Annotated[str, typer.Option(help="Of printed times: Europe/Berlin")] = "UTC",
    json_: Annotated[bool, typer.Option("--json", help="One JSON object per row")] = False,
) -> None:
    """Sign a ticket for each row of CSV and write it to OUT as a picture, a PDF, or a book.

    Bad rows are named by line and left out; the exit code is then 1. The same row makes the same
    ticket again. With --json, the text of each code is in the output: as secret as the ticket.
    """
    issuer, event_secret = _load(keys)
    style = Style(title or issuer.event, note, language, paper, _zone(timezone))
    press = Press(out, frozenset(make or (Make.PNG, Make.PDF)), style)
    good = bad = cards = 0
    weak = WeakCodes()
    with _named_faults(csv, out):
        out.mkdir(parents=True, exist_ok=True)
        with csv.open("rb") as file, _progress(csv, hidden=json_) as show:
            for row in read_rows(iter(partial(file.readline, MAX_LINE), b"")):
                if isinstance(row, BadRow):
                    bad += 1
                    _report_bad(row, json_)
                elif row.card is not None:  # a card is its own ticket: paper would be another
                    cards += 1
                else:
                    good += 1
                    weak.meet(row.line, row.credential(event_secret))
                    text, typed = (
                        code_text(row, issuer, event_secret),
                        typed_text(row, event_secret),
                    )
                    _report(row, text, typed, press.print(row, text, typed), json_)
                show(good, file)
            books = press.finish()
    left_out = {"bad rows": bad, "cards": cards}
    if weak.count and json_:
        print(json.dumps({"weak": weak.count, "lines": weak.lines}))
    elif weak.count:
        print(weak_codes(weak.count, weak.lines), file=sys.stderr)
    _conclude(press, good, left_out, books, json_)
    if bad:
        raise typer.Exit(1)


def _load(directory: Path) -> tuple[SecretKey, bytes]:
    issuer, event = load_key(directory, Role.ISSUER), load_key(directory, Role.EVENT)
    if issuer.event != event.event:
        raise KeyFault(
            f"issuer key of {issuer.event!r} and event.toml of {event.event!r} lie in {directory}",
            "Keep the keys of each event in a directory of their own",
        )
    return issuer, event.secret


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise IssueFault(
            f"there is no time zone {name[:40]!r} here", "Write a name such as Europe/Berlin"
        ) from error


class _Shown:
    """Moves the bar by the bytes read: how many rows there are, only the last one tells."""

    def __init__(self, progress: Progress, size: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=size or None, tickets=0)

    def __call__(self, tickets: int, file: BinaryIO) -> None:
        if tickets % _STEP == 0:
            done = file.tell() if file.seekable() else 0
            self._progress.update(self._task, completed=done, tickets=tickets)


@contextmanager
def _progress(csv: Path, hidden: bool) -> Iterator[_Shown]:
    console = Console(stderr=True)
    columns = (BarColumn(), TextColumn("{task.fields[tickets]} tickets"), TimeRemainingColumn())
    quiet = hidden or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        yield _Shown(progress, csv.stat().st_size)


def _report(row: TicketRow, text: str, typed: str, files: list[Path], as_json: bool) -> None:
    if as_json:
        named = [str(path) for path in files]
        shown = {"line": row.line, "id": row.id, "files": named, "text": text, "typed": typed}
        print(json.dumps(shown, ensure_ascii=False))


def _report_bad(row: BadRow, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"line": row.line, "cause": row.cause, "remedy": row.remedy}))
    else:
        print(row, file=sys.stderr)


def _conclude(
    press: Press, good: int, left_out: dict[str, int], books: list[Path], as_json: bool
) -> None:
    if press.unnamed:
        lines = ", ".join(map(str, press.unnamed[:_NAMED]))
        more = f" and {len(press.unnamed) - _NAMED} more" if len(press.unnamed) > _NAMED else ""
        print(
            f"line {lines}{more}: the font cannot write the name; the ticket is made without it",
            file=sys.stderr,
        )
    if as_json:
        if books:
            print(json.dumps({"books": [str(path) for path in books]}))
        return
    others = "".join(f", {number} {what} left out" for what, number in left_out.items() if number)
    print(f"{good} tickets in {press.out}{others}")
    if len(books) > 1:
        print(f"The book has {len(books)} files of at most 1000 tickets each")


@contextmanager
def _named_faults(csv: Path, out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or out
        raise IssueFault(
            f"{where}: {error.strerror or error}",
            f"Check that {csv} can be read and that {out} has room and can be written to",
        ) from error
