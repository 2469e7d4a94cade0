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
from central.organiser import accounts, overview
from central.organiser.audit import COMMAND_LINE, recorded
from central.organiser.backup import file_of
from cli.central_backup import backup, restore, restored
from cli.central_keyset import keyset as keyset_command
from cli.central_options import DB, KEYS, Db, Json, Keys
from cli.central_stick import import_records, stick
from cli.central_user import app as user_app
from cli.central_wallet import wallet
from cli.progress import shown_progress
from cli.requests import read_request
from tickets.ceremony import finished
from tickets.csv_rows import MAX_LINE, BadRow
from tickets.pretix_sig1 import key_from_valid_keys
from tickets.strength import weak_codes
from tickets.trust import MAX_PRETIX_KEYS

app = typer.Typer()


@app.callback(invoke_without_command=True)
def _central(context: typer.Context) -> None:
    """The reference server of the gate protocol."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        print(_next_step(DB, KEYS))


def _next_step(db: str, keys: Path) -> str:
    """What an organiser who is here for the first time does now."""
    if not keys.is_dir():
        return "Next: admit keys new --out keys --event NAME"
    file = file_of(db)
    if file is not None and not file.exists():
        return "Next: admit central init"
    try:
        central = setup.open_central(db, keys)
    except CentralFault as fault:
        return f"{fault.cause}\n{fault.remedy}"
    if accounts.count(central) == 0:
        return "Next: admit central user add NAME, so that somebody can log in to the pages"
    return "Next: admit central serve"


app.add_typer(user_app, name="user", help="Accounts for the organiser's pages")
for _command in (backup, restore, restored, stick, import_records, wallet):
    app.command()(_command)
app.command("keyset")(keyset_command)


@app.command()
def init(
    db: Db = DB,
    keys: Keys = KEYS,
    pretix_key: Annotated[
        list[str] | None,
        typer.Option(help="A value of valid_keys.pretix_sig1 in pretix' API, or none; repeatable"),
    ] = None,
    keyset: Annotated[
        Path | None, typer.Option(help="Signed elsewhere, see admit keys keyset: no root needed")
    ] = None,
) -> None:
    """Make the database and publish the event's keys, signed by the root key.

    Afterwards the root and issuer keys can be taken off this computer. With --pretix-key, codes
    that the event's pretix has signed are tickets too; the keys stay until others are named, or
    --pretix-key none.
    """
    if keyset is None:
        central = setup.initialise(db, keys, pretix=_pretix_keys(pretix_key))
    elif pretix_key:
        raise CentralFault(
            "a signed keyset takes no more keys", "Give --pretix-key to admit keys keyset"
        )
    else:
        central = setup.initialise_with(db, keys, finished(read_request(keyset)))
    print(f"event {central.event}: keys published; now: admit central policy, import, token, serve")


def _pretix_keys(texts: list[str] | None) -> list[bytes] | None:
    if not texts or texts == ["none"]:
        return [] if texts else None
    if len(texts) > MAX_PRETIX_KEYS:
        raise CentralFault(
            f"{len(texts)} keys of pretix", f"Name at most {MAX_PRETIX_KEYS}, those in use now"
        )
    return list(dict.fromkeys(map(key_from_valid_keys, texts)))


@app.command()
def serve(
    *,
    db: Db = DB,
    keys: Keys = KEYS,
    host: Annotated[str, typer.Option(help="Address to serve on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any free one")] = 8470,
    certificate: Annotated[Path | None, typer.Option(help="PEM, for HTTPS")] = None,
    key: Annotated[Path | None, typer.Option(help="PEM, of the certificate")] = None,
    behind_proxy: Annotated[bool, typer.Option(help="A proxy encrypts")] = False,
    demo_login: Annotated[
        bool, typer.Option(help="Print a link that logs in once; on this computer alone")
    ] = False,
) -> None:
    """Serve the gates. Plain HTTP on this computer only."""
    from central.__main__ import serve as run  # noqa: PLC0415  # a web server for no other command

    central = setup.open_central(db, keys)
    run(
        central,
        host,
        port,
        certificate=certificate,
        key=key,
        behind_proxy=behind_proxy,
        demo_login=demo_login,
    )


@app.command()
def policy(
    file: Annotated[Path, typer.Argument(help="TOML or JSON: lists and products")],
    db: Db = DB,
    keys: Keys = KEYS,
) -> None:
    """Sign and publish the check-in lists and products."""
    central, body = setup.open_central(db, keys), setup.read_policy(file)
    with recorded(central, COMMAND_LINE, "policy", file.name):
        serial = statements.publish_policy(central, body)
    print(f"policy {serial} published")


@app.command("import")
def import_(
    csv: Annotated[Path, typer.Argument(help="Tickets: id, product, entries, valid_from, …")],
    db: Db = DB,
    keys: Keys = KEYS,
    json_: Json = False,
) -> None:
    """Add or change tickets, then sign and publish the whole list.

    Bad rows are named by line and left out; the exit code is then 1.
    """
    central = setup.open_central(db, keys)
    try:
        with csv.open("rb") as file, recorded(central, COMMAND_LINE, "import", csv.name):
            lines = iter(partial(file.readline, MAX_LINE), b"")
            with shown_progress() as progress:
                report = partial(_report, as_json=json_)
                done = imports.import_tickets(central, lines, report, progress)
    except OSError as error:
        raise CentralFault(f"{csv} cannot be read: {error.strerror}", "Check the path") from error
    result = {"imported": done.good, "bad": done.bad, "withdrawn": done.withdrawn}
    result |= {"named": done.named, "weak": done.weak}
    if json_:
        print(json.dumps(result | {"list": done.serial}))
    else:
        left = f", {done.bad} bad rows left out" if done.bad else ""
        names = f", {done.named} with a sealed name" if done.named else ""
        print(f"{done.good} tickets imported{names}{left}; list {done.serial} published")
        if done.weak:
            print(weak_codes(done.weak, done.weak_lines), file=sys.stderr)
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
    db: Db = DB,
    keys: Keys = KEYS,
) -> None:
    """Cancel a ticket; gates in touch refuse it within seconds."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "cancel", ticket):
        changed = imports.cancel(central, ticket)
    print(f"{ticket} cancelled" if changed else f"{ticket} was cancelled before")


@app.command()
def reinstate(
    ticket: Annotated[str, typer.Argument(help="Its id in the CSV")],
    db: Db = DB,
    keys: Keys = KEYS,
) -> None:
    """Take a cancellation back."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "reinstate", ticket):
        changed = imports.restore(central, ticket)
    print(f"{ticket} reinstated" if changed else f"{ticket} was not cancelled")


@app.command()
def token(
    gate: Annotated[str, typer.Option(help="Its name in admit.toml")],
    db: Db = DB,
    keys: Keys = KEYS,
    hours: Annotated[float, typer.Option(help="How long it may be used")] = 24.0,
) -> None:
    """Print a one-time token that enrols a gate."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "token", gate):
        print(enrolment.new_token(central, gate, hours * 3600))


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(help="See: admit central gates")],
    db: Db = DB,
    keys: Keys = KEYS,
) -> None:
    """Withdraw a gate, for instance a stolen one."""
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "revoke", device):
        enrolment.revoke(central, device)
    print(f"{device} withdrawn")


@app.command()
def tell(
    device: Annotated[str, typer.Argument(help="See: admit central gates")],
    do: Annotated[str, typer.Argument(help="resync, message, out_of_service or in_service")],
    *,
    text: Annotated[str | None, typer.Option(help="Shown to the steward")] = None,
    lane: Annotated[str | None, typer.Option(help="For out_of_service and in_service")] = None,
    db: Db = DB,
    keys: Keys = KEYS,
) -> None:
    """Tell a gate something at its next heartbeat. Nothing here releases or admits."""
    given = {"do": do, "text": text, "lane": lane}
    body = {name: value for name, value in given.items() if value is not None}
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, do, " ".join([device, *filter(None, (lane, text))])):
        heartbeats.tell(central, device, body)
    print(f"{device} will be told at its next heartbeat")


@app.command()
def who(db: Db = DB, keys: Keys = KEYS, json_: Json = False) -> None:
    """Entries and exits that stand, newest first."""
    _list(overview.every_entry, ("at", "direction", "id", "list", "gate"), db, keys, json_)


@app.command()
def gates(db: Db = DB, keys: Keys = KEYS, json_: Json = False) -> None:
    """Enrolled gates, their health and last contact."""
    _list(overview.gates, ("gate", "device", "last_contact", "revoked"), db, keys, json_)


@app.command()
def conflicts(db: Db = DB, keys: Keys = KEYS, json_: Json = False) -> None:
    """Tickets that entered more often than they may, with both entries."""
    _list(overview.conflicts, ("found", "ticket", "list", "other", "entry"), db, keys, json_)


@app.command()
def parked(db: Db = DB, keys: Keys = KEYS, json_: Json = False) -> None:
    """Records that could not be taken, and why."""
    _list(overview.parked_records, ("received", "gate", "seq", "reason"), db, keys, json_)


@app.command()
def alarms(
    db: Db = DB,
    keys: Keys = KEYS,
    json_: Json = False,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="With the signed heads and records behind each")
    ] = False,
) -> None:
    """Journals that fork, were rewritten or went back, clones of gates, and gaps."""
    _list(overview.alarms, ("raised", "name", "gate", "detail"), db, keys, json_)
    if evidence and not json_:
        for alarm in overview.alarms(setup.open_central(db, keys)):
            for piece in alarm["evidence"]:
                told = {"alarm": alarm["name"], "device": alarm["device"], **piece}
                print(json.dumps(told))


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
        return f"{_cell('gate', value['gate'])} {_cell('at', value['at'])}"
    # A gate's words: a control character would move the cursor, and so rewrite other lines.
    return "".join(one if one.isprintable() else "?" for one in str(value))
