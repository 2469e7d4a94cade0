"""`admit journal`: what was recorded, and whether it still is what was recorded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from admission.clock import clock_time
from cli.gate_client import GateClient, GateNotRunning
from store.journal import read_journal, verify_chain
from store.ownership import has_owner, take_ownership
from store.purge import purge as purge_journal
from store.records import Entry, RecordMalformed, entry_from_json, entry_to_json
from tickets.errors import GateError

app = typer.Typer(no_args_is_help=True)

Run = Annotated[
    Path, typer.Option("--run", envvar="ADMIT_RUN", help="Directory of the gate's sockets")
]
State = Annotated[
    Path, typer.Option("--state", envvar="ADMIT_STATE", help="The gate's state directory")
]
File = Annotated[
    Path | None, typer.Option("--file", help="A journal file that no gate has open, e.g. a copy")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line")]
_RUN, _STATE = Path("/run/admit"), Path("/var/lib/admit")


@app.callback()
def _journal() -> None:
    """List, verify or export the journal. A running gate is asked; its file is left alone."""


@app.command("list")
def list_(
    file: File = None,
    run: Run = _RUN,
    state: State = _STATE,
    json_: Json = False,
    last: Annotated[int, typer.Option(min=0, help="Only the last records; 0: all")] = 0,
) -> None:
    """Print the records, oldest first."""
    entries = list(_entries(file, run, state))
    for entry in entries[-last:]:
        print(json.dumps(entry_to_json(entry)) if json_ else _line(entry))


@app.command()
def verify(file: File = None, run: Run = _RUN, state: State = _STATE, json_: Json = False) -> None:
    """Walk the hash chain. Exit code 0: whole; 1: broken, and where."""
    count, wrong = verify_chain(_entries(file, run, state))
    if json_:
        print(json.dumps({"records": count, "wrong": wrong or None}))
    else:
        print(wrong or f"{count} records, chain whole")
    if wrong:
        raise typer.Exit(1)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write, one JSON object a line")],
    file: File = None,
    run: Run = _RUN,
    state: State = _STATE,
) -> None:
    """Write all records to a new file, as they are uploaded.

    Of a damaged journal, all before the damage; the exit code is 1 then.
    """
    count = 0
    try:
        with out.open("x", encoding="utf-8") as target:
            for entry in _entries(file, run, state):
                target.write(json.dumps(entry_to_json(entry)) + "\n")
                count += 1
    except OSError as error:
        raise GateError(
            f"{out} cannot be written: {error.strerror}",
            "Name a new file in a directory that exists; an export overwrites nothing",
        ) from error
    except GateError as error:
        if not count:
            out.unlink()
            raise
        saved = f"{error.cause}; the {count} records before it are in {out}"
        raise GateError(saved, error.remedy) from error
    print(f"{count} records in {out}")


@app.command()
def purge(state: State = _STATE) -> None:
    """Delete the journal of a stopped gate once the server has every record of it.

    Exit code 1: a scanner is running, or records are not acknowledged; then nothing is deleted.
    """
    take_ownership(state / "scanner")
    own = state / "scanner"
    every = [*sorted(own.glob("journal-[0-9]*-*.db")), own / "journal.db"]  # ended ones first
    count = sum(purge_journal(path, state / "sync" / "mirror.db") for path in every)
    print(f"{count} records, all at the server: deleted")


def _entries(file: Path | None, run: Path, state: Path) -> Iterator[Entry]:
    """From the file given, else from the running gate, else from the stopped gate's file."""
    if file is not None:
        yield from read_journal(file)
        return
    try:
        gate = GateClient(run, "sync")
    except GateNotRunning as error:
        if has_owner(state / "scanner"):
            raise GateError(
                f"a gate is running on {state}, but its sockets are not in {run}",
                "Give --run as the gate was started; its journal is never read behind its back",
            ) from error
        yield from read_journal(state / "scanner" / "journal.db")
        return
    with gate:
        yield from _asked(gate)


def _asked(gate: GateClient) -> Iterator[Entry]:
    seq = 0
    try:
        while records := gate.ask(op="records", after=seq, limit=500)["records"]:
            for body in records:
                yield entry_from_json(body)
            seq = records[-1]["seq"]
    except (RecordMalformed, KeyError, TypeError) as error:
        raise GateError(
            f"the gate's answer is no record: {error}", "Are gate and 'admit' of one version?"
        ) from error


def _line(entry: Entry) -> str:
    record = entry.record
    facts = (record.verdict, record.reason, record.claim, record.direction, record.detail)
    ticket = f"…{record.ticket_key.hex()[-4:]}" if record.ticket_key else ""
    words = "  ".join(str(fact) for fact in facts if fact)
    where = f"{clock_time(record.at)}  {record.lane or 'gate':<10}"
    return f"{entry.seq:>6}  {where}  {record.kind:<11}  {ticket:<5}  {words}"
