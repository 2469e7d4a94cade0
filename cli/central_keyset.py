"""`admit central keyset`: publish a keyset that the roots have signed elsewhere, or save it."""

from pathlib import Path
from typing import Annotated

import typer

from central import setup
from central.errors import CentralFault
from central.keysets import keysets, take_keyset
from central.organiser.audit import COMMAND_LINE, recorded
from cli.central_options import DB, KEYS, Db, Keys
from cli.requests import read_request, write_request
from tickets.ceremony import finished, of_wire


def keyset(
    file: Annotated[Path | None, typer.Argument(help="Signed, see admit keys sign")] = None,
    db: Db = DB,
    keys: Keys = KEYS,
    save: Annotated[
        Path | None, typer.Option(help="Write the one in force here: admit keys keyset --after")
    ] = None,
) -> None:
    """Publish a keyset that the roots have signed; gates act on it within seconds.

    What an older list key has signed is signed and published anew.
    """
    central = setup.open_central(db, keys)
    if file is not None:
        with recorded(central, COMMAND_LINE, "keyset", file.name):
            done = take_keyset(central, finished(read_request(file)))
        print(f"{', '.join(done)} published" if done else "this keyset was published before")
        if {"policy", "list"} & {*done}:
            print("a server that still runs with the list key before: restart admit central serve")
    if save is not None:
        with central.database.reading() as connection:
            found = keysets(connection)
        if not found:
            raise CentralFault("there is no keyset yet", "Run first: admit central init")
        write_request(save, of_wire(found[-1], found[-2] if len(found) > 1 else b""))
        print(save)
    if file is None and save is None:
        raise CentralFault("nothing to do", "Name a signed keyset, or --save FILE")
