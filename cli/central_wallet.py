"""`admit central wallet`: the links by which guests put their tickets on their phones."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated

import typer

from central import setup
from central.errors import CentralFault
from central.organiser.audit import COMMAND_LINE, recorded
from central.wallet.links import Settings, make_links
from cli.central_options import DB, KEYS, Db, Keys


def wallet(
    out: Annotated[Path, typer.Argument(help="CSV file to write: id, link")],
    url: Annotated[str, typer.Option(help="Where guests reach the server: https://…")],
    doors: Annotated[str, typer.Option(help="When the doors open: 2026-11-18T18:00+01:00")],
    *,
    title: Annotated[str, typer.Option(help="Name of the event for guests")] = "",
    db: Db = DB,
    keys: Keys = KEYS,
) -> None:
    """Write a link for each ticket that is signed: who opens it can put the ticket on a phone.

    A link is as secret as the ticket. Made again, it is the same link; DOORS and TITLE are those of
    the last time. From DOORS on no ticket moves any more.
    """
    central = setup.open_central(db, keys)
    settings = Settings(_time(doors), title[:64])
    with recorded(central, COMMAND_LINE, "wallet", out.name), _private(out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "link"))
        made = 0
        for row in make_links(central, url, settings):
            writer.writerow(row)
            made += 1
    print(f"{made} links in {out}, each as secret as its ticket; send each to its guest alone")


def _time(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise _no_time(text) from error
    if at.tzinfo is None:
        raise _no_time(text)
    return at.timestamp()


def _no_time(text: str) -> CentralFault:
    return CentralFault(
        f"{text[:40]!r} is no time with a zone", "Write it such as 2026-11-18T18:00+01:00"
    )


@contextmanager
def _private(path: Path) -> Iterator[IO[str]]:
    """A new file that its owner alone can read: whoever has a link has the ticket."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    except FileExistsError as error:
        raise CentralFault(
            f"{path} exists already", "Name another file, or remove it: the links are the same"
        ) from error
    except OSError as error:
        raise CentralFault(
            f"{path} cannot be written: {error.strerror}", "Check the directory and its free space"
        ) from error
