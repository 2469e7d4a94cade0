"""`admit doctor`: is this gate ready to open, and what is to be done if not?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import doctor_desk, doctor_gate, doctor_identity, doctor_live, doctor_system, thief
from cli.findings import Finding, Level, good
from cli.gate_client import GateClient, GateNotRunning
from config.read import read_config

CONFIG, STATE, RUN = Path("/etc/admit/admit.toml"), Path("/var/lib/admit"), Path("/run/admit")
_MARKS = {
    Level.GOOD: Text("good", "green"),
    Level.WARN: Text("look", "yellow"),
    Level.BAD: Text("BAD", "bold red"),
}


def doctor(
    *,
    config: Annotated[Path, typer.Option(help="The provisioning file")] = CONFIG,
    state: Annotated[Path, typer.Option(help="Directory for journal, lists and keys")] = STATE,
    run: Annotated[
        Path, typer.Option("--run", envvar="ADMIT_RUN", help="Directory of the gate's sockets")
    ] = RUN,
    live: Annotated[
        bool, typer.Option("--live", help="Try each reader: hold a ticket to it")
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=1, max=600, help="With --live: how long each reader is tried")
    ] = 20.0,
    as_thief: Annotated[
        Path | None,
        typer.Option(
            "--as-thief", help="A state directory or a card: what could a thief learn from it?"
        ),
    ] = None,
    codes: Annotated[
        Path | None, typer.Option(help="With --as-thief: ticket codes, one a line, to be searched")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object")] = False,
) -> None:
    """Look at everything a gate needs, and say for each fault what to do.

    A gate that runs is asked; of one that does not, each device is opened for a moment. Nothing is
    redeemed: with --live a running lane is in mode check meanwhile.

    With --as-thief it looks at that directory alone: it reads every byte there as whoever has
    stolen the card does, and says what that is good for.

    Exits with 0 when the gate can open, with 1 when something is bad.
    """
    if as_thief is not None:
        _rob(as_thief, codes, json_)
    found: list[Finding] = []
    console = Console()
    for finding in _findings(config, state, run, live=live, seconds=seconds, quiet=json_):
        found.append(finding)
        if not json_ and live:
            console.print(_line(finding))
    ready = all(finding.level is not Level.BAD for finding in found)
    if json_:
        print(json.dumps({"ready": ready, "findings": [f.as_json() for f in found]}))
    else:
        _show(console, found, ready)
    raise typer.Exit(0 if ready else 1)


def _rob(state: Path, codes: Path | None, as_json: bool) -> None:
    lent = tuple(codes.read_text("utf-8").split()) if codes else ()
    found = list(thief.findings(state, lent))
    safe = all(finding.level is not Level.BAD for finding in found)
    if as_json:
        print(json.dumps({"safe": safe, "findings": [f.as_json() for f in found]}))
    else:
        _table(Console(), found)
        print(
            "A thief learns no name and no code." if safe else "A thief learns too much: see above"
        )
    raise typer.Exit(0 if safe else 1)


def _findings(
    file: Path, state: Path, run: Path, *, live: bool, seconds: float, quiet: bool
) -> Iterator[Finding]:
    config = read_config(file)  # its own report of every problem says more than a line here
    yield good("configuration", f"{file}: gate {config.gate.name}, event {config.gate.event}")
    status = _status(run)
    if status is not None:
        yield good("processes", f"the gate runs (sockets in {run})")
        yield from doctor_gate.findings(status, config)
    else:
        yield good("processes", "the gate does not run: its devices are tried from here")
        yield from doctor_desk.findings(config, state)
    yield from doctor_identity.findings(config, state, status)
    yield from doctor_system.machine(config)
    yield from doctor_system.disk(_where_the_journal_is(state))
    if live:
        say = (lambda line: None) if quiet else (lambda line: print(line, flush=True))
        yield from doctor_live.Live(config, run, seconds, say).findings(status is not None)


def _status(run: Path) -> dict[str, object] | None:
    """What the running gate says; None when there is none."""
    try:
        with GateClient(run, "events") as gate:
            status: dict[str, object] = gate.ask(op="status")["status"]
            return status
    except GateNotRunning:
        return None


def _where_the_journal_is(state: Path) -> Path:
    return next((path for path in (state / "scanner", state) if path.is_dir()), state)


def _line(finding: Finding) -> Text:
    return Text.assemble(_MARKS[finding.level], f"  {finding.what}: {finding.found}")


def _show(console: Console, found: list[Finding], ready: bool) -> None:
    _table(console, found)
    count = sum(finding.level is Level.BAD for finding in found)
    console.print("This gate can open." if ready else f"Not ready: {count} to mend, first above.")


def _table(console: Console, found: list[Finding]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for finding in sorted(found, key=lambda f: list(Level).index(f.level), reverse=True):
        said = Text(finding.found)
        if finding.remedy:
            said.append(f"\n{finding.remedy}", "bold")
        table.add_row(_MARKS[finding.level], Text(finding.what), said)
    console.print(table)
