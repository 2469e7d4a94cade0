"""`admit central stick` and `import-records`: an event whose gates have no network."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from central import setup
from central.organiser.audit import COMMAND_LINE, recorded
from central.stick import write_stick
from central.stick_records import import_records as take_records
from cli.central_options import DB, KEYS, Db, Json, Keys

Directory = Annotated[Path, typer.Argument(help="Where the stick is mounted")]


def stick(
    directory: Directory,
    enrol: Annotated[
        list[str] | None,
        typer.Option(help="Number of a gate that asks on the stick, as that gate shows it"),
    ] = None,
    db: Db = DB,
    keys: Keys = KEYS,
    json_: Json = False,
) -> None:
    """Put on a stick what gates without a network need: keys, policy, list, answers to records.

    With --enrol also the event key, sealed so that this one gate can open it.
    """
    central = setup.open_central(db, keys)
    with recorded(central, COMMAND_LINE, "stick", " ".join(enrol or ()) or "written"):
        done = write_stick(central, directory, enrol or ())
    if json_:
        said = {"statements": done.statements, "enrolled": done.enrolled, "waiting": done.waiting}
        print(json.dumps(said))
        return
    print(f"{directory}: {done.statements} statements and the list of {central.event}")
    for gate in done.enrolled:
        print(f"gate {gate} is enrolled once it has read the stick")
    for number, gate in done.waiting.items():
        print(f"gate {gate} asks to be enrolled; if it shows this number itself: --enrol {number}")
    print("The stick may be pulled out now")


def import_records(
    directory: Directory, db: Db = DB, keys: Keys = KEYS, json_: Json = False
) -> None:
    """Take the records that gates have put on a stick; twice does no harm.

    Files that cannot be taken are named and left out; the exit code is then 1.
    """
    central = setup.open_central(db, keys)

    def report(cause: str, remedy: str) -> None:
        if json_:
            print(json.dumps({"cause": cause, "remedy": remedy}))
        else:
            print(f"{cause}. {remedy}", file=sys.stderr)

    with recorded(central, COMMAND_LINE, "import records", str(directory)):
        done = take_records(central, directory, report)
    counts = {name: done.results[name] for name in ("stored", "duplicate", "parked", "fork")}
    if json_:
        print(json.dumps(counts | {"conflicts": done.conflicts, "left_out": done.faults}))
    else:
        print(", ".join(f"{number} {name}" for name, number in counts.items()))
        if done.conflicts:
            print("Tickets entered too often: see admit central conflicts")
        if done.results["fork"]:
            print("Records that contradict others of the same gate: see admit central alarms")
        if done.faults:
            print(f"{done.faults} files or gates left out")
        print("Run 'admit central stick' once more, and the gates will know what has arrived")
    if done.faults:
        raise typer.Exit(1)
