"""`admit central`: the reference server of the gate protocol, and the organiser's work on it."""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from central import enrolment, heartbeats, imports, setup, statements
from central.errors import CentralFault
from central.event import Central
from central.organiser import overview
from tickets.csv_rows import MAX_LINE, BadRow

app = typer.Typer(no_args_is_help=True)

Db = Annotated[
    str, typer.Option("--db", envvar="ADMIT_CENTRAL_DB", help="Such as sqlite:///central.db")
]
Keys = Annotated[
    Path,
    typer.Option("--keys", envvar="ADMIT_CENTRAL_KEYS", help="The directory of 'admit keys new'"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line")]
_DB = "sqlite:///central.db"
_KEYS = Path("keys")


@app.callback()
def _central() -> None:
    """The reference server of the gate protocol."""


@app.command()
def init(db: Db = _DB, keys: Keys = _KEYS) -> None:
    """Make the database and publish the event's keys, signed by the root key.

    Afterwards the root and issuer keys can be taken off this computer.
    """
    central = setup.initialise(db, keys)
    print(f"event {central.event}: keys published; now: admit central policy, import, token, serve")


@app.command()
def serve(
    *,
    db: Db = _DB,
    keys: Keys = _KEYS,
    host: Annotated[str, typer.Option(help="Address to serve on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one")] = 8470,
    certificate: Annotated[Path | None, typer.Option(help="PEM, for HTTPS")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM, of the certificate")] = None,
    behind_proxy: Annotated[bool, typer.Option(help="A proxy encrypts")] = False,
) -> None:
    """Serve the gates. Plain HTTP on this computer only."""
    from central.__main__ import serve as run  # noqa: PLC0415  # a web server for no other command

    central = setup.open_central(db, keys)
    run(central, host, port, certificate=certificate, key=key, behind_proxy=behind_proxy)


@app.command()
def policy(
    file: Annotated[Path, typer.Argument(help="TOML or JSON: lists and products")],
    db: Db = _DB,
    keys: Keys = _KEYS,
) -> None:
    """Sign and publish the check-in lists and products."""
    serial = statements.publish_policy(setup.open_central(db, keys), setup.read_policy(file))
    print(f"policy {serial} published")


@app.command("import")
def import_(
    csv: Annotated[Path, typer.Argument(help="Tickets: id, product, entries, valid_from, …")],
    db: Db = _DB,
    keys: Keys = _KEYS,
    json_: Json = False,
) -> None:
    """Add or change tickets, then sign and publish the whole list.

    Bad rows are named by line and left out; the exit code is then 1.
    """
    central = setup.open_central(db, keys)
    try:
        with csv.open("rb") as file:
            lines = iter(partial(file.readline, MAX_LINE), b"")
            done = imports.import_tickets(central, lines, partial(_report, as_json=json_))
    except OSError as error:
        raise CentralFault(f"{csv} cannot be read: {error.strerror}", "Check the path") from error
    result = {"imported": done.good, "bad": done.bad, "withdrawn": done.withdrawn}
    if json_:
        print(json.dumps(result | {"list": done.serial}))
    else:
        left = f", {done.bad} bad rows left out" if done.bad else ""
        print(f"{done.good} tickets imported{left}; list {done.serial} published")
    if done.bad:
        raise typer.Exit(1)


def _report(row: BadRow, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"line": row.line, "cause": row.cause, "remedy": row.remedy}))
    else:
        print(row, file=sys.stderr)


@app.command()
def cancel(
    ticket: Annotated[str, typer.Argument(help="Its id in the CSV")],
    db: Db = _DB,
    keys: Keys = _KEYS,
) -> None:
    """Cancel a ticket; gates in touch refuse it within seconds."""
    changed = imports.cancel(setup.open_central(db, keys), ticket)
    print(f"{ticket} cancelled" if changed else f"{ticket} was cancelled before")


@app.command()
def restore(
    ticket: Annotated[str, typer.Argument(help="Its id in the CSV")],
    db: Db = _DB,
    keys: Keys = _KEYS,
) -> None:
    """Take a cancellation back."""
    changed = imports.restore(setup.open_central(db, keys), ticket)
    print(f"{ticket} restored" if changed else f"{ticket} was not cancelled")


@app.command()
def token(
    gate: Annotated[str, typer.Option(help="Its name in admit.toml")],
    db: Db = _DB,
    keys: Keys = _KEYS,
    hours: Annotated[float, typer.Option(help="How long it may be used")] = 24.0,
) -> None:
    """Print a one-time token that enrols a gate."""
    print(enrolment.new_token(setup.open_central(db, keys), gate, hours * 3600))


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(help="See: admit central gates")],
    db: Db = _DB,
    keys: Keys = _KEYS,
) -> None:
    """Withdraw a gate, for instance a stolen one."""
    enrolment.revoke(setup.open_central(db, keys), device)
    print(f"{device} withdrawn")


@app.command()
def tell(
    device: Annotated[str, typer.Argument(help="See: admit central gates")],
    do: Annotated[str, typer.Argument(help="resync, message, out_of_service or in_service")],
    *,
    text: Annotated[str | None, typer.Option(help="Shown to the steward")] = None,
    lane: Annotated[str | None, typer.Option(help="For out_of_service and in_service")] = None,
    db: Db = _DB,
    keys: Keys = _KEYS,
) -> None:
    """Tell a gate something at its next heartbeat. Nothing here releases or admits."""
    given = {"do": do, "text": text, "lane": lane}
    body = {name: value for name, value in given.items() if value is not None}
    heartbeats.tell(setup.open_central(db, keys), device, body)
    print(f"{device} will be told at its next heartbeat")


@app.command()
def who(db: Db = _DB, keys: Keys = _KEYS, json_: Json = False) -> None:
    """Entries and exits that stand, newest first."""
    _list(overview.entries, ("at", "direction", "id", "list", "gate"), db, keys, json_)


@app.command()
def gates(db: Db = _DB, keys: Keys = _KEYS, json_: Json = False) -> None:
    """Enrolled gates, their health and last contact."""
    _list(overview.gates, ("gate", "device", "last_contact", "revoked"), db, keys, json_)


@app.command()
def conflicts(db: Db = _DB, keys: Keys = _KEYS, json_: Json = False) -> None:
    """Tickets that entered more often than they may, with both entries."""
    _list(overview.conflicts, ("found", "ticket", "list", "other", "entry"), db, keys, json_)


@app.command()
def parked(db: Db = _DB, keys: Keys = _KEYS, json_: Json = False) -> None:
    """Records that could not be taken, and why."""
    _list(overview.parked_records, ("received", "gate", "seq", "reason"), db, keys, json_)


@app.command()
def alarms(db: Db = _DB, keys: Keys = _KEYS, json_: Json = False) -> None:
    """Forks, broken chains and gaps in what gates have sent."""
    _list(overview.alarms, ("raised", "name", "gate", "detail"), db, keys, json_)


def _list(
    find: Callable[[Central], Iterable[dict[str, Any]]],
    columns: tuple[str, ...],
    db: str,
    keys: Path,
    as_json: bool,
) -> None:
    empty = True
    for row in find(setup.open_central(db, keys)):
        empty = False
        if as_json:
            print(json.dumps(row))
        else:
            print("  ".join(_cell(name, row[name]) for name in columns))
    if empty and not as_json:
        print("none")


_TIMES = frozenset({"at", "found", "raised", "received", "last_contact", "revoked"})


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in _TIMES:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S}Z"
    if isinstance(value, dict):
        return f"{value['gate']} {_cell('at', value['at'])}"
    return str(value)
