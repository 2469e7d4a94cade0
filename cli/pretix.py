"""`admit pretix`: this gate's enrolment at a pretix server. The gate's sync must not be running."""

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from config.read import read_config
from store.mirror_reader import parked_records
from store.ownership import take_ownership
from store.withdrawn import wipe
from sync.http import Http
from sync.pretix.api import Pretix
from sync.pretix.enrolment import Badge, load
from sync.pretix.errors import PretixIdentityMissing
from tickets.errors import GateError

app = typer.Typer(no_args_is_help=True)
State = Annotated[Path, typer.Option(help="The gate's state directory")]
_STATE = Path("/var/lib/admit")
_OURS = ("pretix", "identity.json", "list-")


@app.callback()
def _pretix() -> None:
    """This gate's enrolment at a pretix server."""


@app.command()
def roll(
    config: Annotated[Path, typer.Argument(help="The provisioning file")], state: State = _STATE
) -> None:
    """Exchange the device's token, e.g. after the card was out of your hands: the old one dies."""
    read = read_config(config)
    with _owned(state) as directory:
        enrolment = load(directory)
        if enrolment is None:
            raise PretixIdentityMissing
        badge = Badge(directory, enrolment)
        server = read.server
        http = Http(server.url or enrolment.url, server.ca_file, pins=server.pin)
        badge.roll(Pretix(http, badge.token, rolled=badge.rolling))
    print("The device has a new token; the old one works no more.")


@app.command()
def forget(state: State = _STATE) -> None:
    """Delete the enrolment, and the tickets with it; the journal stays. Then enrol anew."""
    with _owned(state) as directory:
        wipe(directory, lambda name: not name.startswith(_OURS))
    print("Forgotten. Enrol the gate with the code of a new device of pretix.")


@app.command()
def parked(state: State = _STATE) -> None:
    """List scans that pretix judged and did not take, each with the reason. Changes nothing."""
    rows = [
        (json.loads(row.entry), row.reason) for row in parked_records(state / "sync" / "mirror.db")
    ]
    for entry, reason in rows:
        at = datetime.fromtimestamp(float(entry.get("at", 0.0)), UTC)
        what = f"{entry.get('verdict') or entry.get('kind')} at {entry.get('list')}"
        print(f"{at:%Y-%m-%d %H:%M:%S} UTC  lane {entry.get('lane')}  {what}: {reason}")
    print(f"{len(rows)} scan(s) parked.")


@contextmanager
def _owned(state: Path) -> Iterator[Path]:
    """sync's directory, while no sync runs on it; for its own user, who must read what we write."""
    directory = state / "sync"
    handle = take_ownership(directory, "sync")
    try:
        owner = directory.stat().st_uid
        if owner != os.geteuid():
            name = pwd.getpwuid(owner).pw_name
            raise GateError(
                f"the enrolment belongs to user {name}", f"Run this as that user: sudo -u {name}"
            )
        yield directory
    finally:
        os.close(handle)
