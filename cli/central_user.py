"""`admit central user`: who may log in to the organiser's pages."""

import json
from typing import Annotated

import segno
import typer

from central import setup
from central.organiser import accounts, login
from central.organiser.accounts import Credentials, Role
from central.organiser.audit import COMMAND_LINE, recorded
from cli.central_options import DB, KEYS, Db, Json, Keys

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="What the person logs in as")]


@app.command()
def add(
    name: Name,
    viewer: Annotated[bool, typer.Option("--viewer", help="May look, not change")] = False,
    db: Db = DB,
    keys: Keys = KEYS,
    json_: Json = False,
) -> None:
    """Make an account: prints the QR code of its second factor and a one-time secret."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "user add", name):
        made = accounts.add(central, name, Role.VIEWER if viewer else Role.ORGANISER)
    _tell(made, json_)


@app.command()
def reset(name: Name, db: Db = DB, keys: Keys = KEYS, json_: Json = False) -> None:
    """Lost phone or password: log the person out everywhere and begin anew."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "user reset", name):
        made = accounts.reset(central, name)
    _tell(made, json_)


@app.command()
def remove(name: Name, db: Db = DB, keys: Keys = KEYS) -> None:
    """Delete an account; what it did stays in the log."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "user remove", name):
        accounts.remove(central, name)
    print(f"{name} removed")


@app.command("list")
def list_(db: Db = DB, keys: Keys = KEYS, json_: Json = False) -> None:
    """Names, roles, and whether a password was chosen."""
    found = accounts.listing(setup.open_central(db, keys))
    for row in found:
        if json_:
            print(json.dumps(row))
        else:
            print(f"{row['name']}  {row['role']}  password {row['password']}")
    if not found and not json_:
        print("none; make one with: admit central user add NAME")


@app.command()
def unlock(db: Db = DB, keys: Keys = KEYS) -> None:
    """Forget failed logins: everybody may try again at once."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "user unlock", "everybody"):
        login.unlock(central)
    print("failed logins forgotten")


def _tell(made: Credentials, as_json: bool) -> None:
    if as_json:
        told = {"name": made.name, "otpauth": made.address, "one_time": made.one_time}
        print(json.dumps(told))
        return
    print(f"1. Scan this with an authenticator app ({made.secret} to type it):\n")
    segno.make(made.address, error="m").terminal(compact=True)
    print("\n2. Open the organiser's pages, choose 'The first time?', and type")
    print(f"   name             {made.name}")
    print(f"   one-time secret  {made.one_time}   (good once, for 24 hours)")
    print("   and the code that the app shows. Then choose a password.")
