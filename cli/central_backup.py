"""`admit central backup`, `restore` and `restored`: copies of the server's database."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from central import setup
from central.organiser import audit
from central.organiser import backup as copies
from central.restored import go_on
from cli.central_options import DB, KEYS, Db, Keys

Copy = Annotated[Path, typer.Argument(help="The copy, such as central-0703.backup")]


def backup(file: Copy, db: Db = DB) -> None:
    """Copy the database while it is served; the copy is whole or not there."""
    size = copies.backup(db, file)
    print(f"{file}: {size} bytes, looked through")


def restore(file: Copy, db: Db = DB, keys: Keys = KEYS) -> None:
    """Put a copy back and make it fit for the gates; the database before is kept beside it."""
    before = copies.put_back(db, file, prepare=partial(_go_on, keys=keys))
    if before is not None:
        print(f"the database before is kept as {before}")
    _tell()


def restored(db: Db = DB, keys: Keys = KEYS) -> None:
    """After a copy was put back by other means (pg_restore): make it fit for the gates."""
    _go_on(db, keys)
    _tell()


def _go_on(db: str, keys: Path) -> None:
    central = setup.open_central(db, keys)
    try:
        with audit.recorded(central, audit.COMMAND_LINE, "restore", "database"):
            go_on(central)
    finally:
        central.database.close()


def _tell() -> None:
    print("restored; when the server runs, every gate sends its records once more.")
    print("Do again what was done since the copy: cancellations, imports, accounts.")
    print("Gates that were enrolled since the copy need a new token.")
