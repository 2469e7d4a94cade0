"""`admit status` and `admit events`: what a running gate says of itself."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from admission.clock import clock_time
from cli.gate_client import GateClient

RUN = Path("/run/admit")
Run = Annotated[
    Path, typer.Option("--run", envvar="ADMIT_RUN", help="Directory of the gate's sockets")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line")]


def status(run: Run = RUN, json_: Json = False) -> None:
    """Print the state of a running gate. Exit code 0: ready; 1: no gate, or not ready."""
    with GateClient(run, "events") as gate:
        found = gate.ask(op="status")["status"]
    if json_:
        print(json.dumps(found))
    else:
        _show(found)
    if not found["ready"]:
        raise typer.Exit(1)


def events(
    run: Run = RUN,
    json_: Json = False,
    follow: Annotated[bool, typer.Option("--follow", help="Go on as they happen")] = False,
    after: Annotated[int, typer.Option(help="From this number on; 0: all that are kept")] = 0,
) -> None:
    """Print verdicts, state changes and faults: those kept, then with --follow as they happen."""
    with GateClient(run, "events") as gate:
        for event in gate.events(after, patience=None if follow else 0.3):
            print(json.dumps(event) if json_ else _line(event), flush=True)


def _line(event: dict[str, Any]) -> str:
    said = [event.get(name) for name in ("state", "mode", "verdict", "reason", "outcome")]
    said += [event.get(name) for name in ("claim", "detail", "attention", "cause", "remedy")]
    words = "  ".join(str(word) for word in said if word)
    where = event.get("lane", "gate")
    return f"{clock_time(event['at'])}  {where:<10}  {event['kind']:<9}  {words}"


def _show(found: dict[str, Any]) -> None:
    console = Console()
    console.print(
        f"gate [bold]{found['gate']}[/] event {found['event']}  clock {found['clock']['state']}  "
        f"list {found['list']['state']} ({found['list']['rows']} tickets)  "
        f"authority {found['authority']['state']}  "
        f"server {'online' if found['server'].get('online') else 'out of reach'}"
    )
    table = Table("lane", "state", "mode", "sensor", "entered", "left", "refused")
    for lane in found["lanes"]:
        columns = ("name", "state", "mode", "sensor", "entered", "left", "refused")
        table.add_row(*(str(lane[name]) for name in columns))
    console.print(table)
    for fault in found["faults"]:
        console.print(f"[red]{fault['where']}: {fault['cause']}[/]\n  {fault['remedy']}")
