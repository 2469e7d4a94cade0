"""`admit lane`: a supervisor's orders to a running lane, given on the gate itself."""

import re
from pathlib import Path
from typing import Annotated

import typer

from cli.gate_client import GateClient
from tickets.errors import GateError

app = typer.Typer(no_args_is_help=True)

Lane = Annotated[str, typer.Argument(help="Name of the lane")]
Run = Annotated[
    Path, typer.Option("--run", envvar="ADMIT_RUN", help="Directory of the gate's sockets")
]
_RUN = Path("/run/admit")


@app.callback()
def _lane() -> None:
    """A supervisor's orders to a lane. Root or the gate's own user only; each is recorded."""


@app.command()
def mode(
    lane: Lane,
    mode: Annotated[
        str, typer.Argument(help="normal, check, training, free_flow, locked or evacuation")
    ],
    run: Run = _RUN,
) -> None:
    """Change a lane's mode."""
    _order(run, op="mode", lane=lane, mode=mode)
    print(f"lane {lane}: {mode}")


@app.command()
def annul(
    lane: Lane,
    presentation: Annotated[
        str, typer.Argument(help="32 hex digits, as the open question on the steward page shows it")
    ],
    run: Run = _RUN,
) -> None:
    """Answer the open question: nobody went through, the ticket works again."""
    if not re.fullmatch("[0-9a-f]{32}", presentation):
        raise GateError(
            f"{presentation[:40]!r} is no presentation, which has 32 hex digits",
            "Copy it as the open question on the steward page shows it",
        )
    _order(run, op="annul", lane=lane, presentation=presentation)
    print(f"lane {lane}: entry annulled, the ticket works again")


@app.command("clear-sensor")
def clear_sensor(lane: Lane, run: Run = _RUN) -> None:
    """Say that the passage sensor works again."""
    _order(run, op="clear_sensor", lane=lane)
    print(f"lane {lane}: sensor trusted again")


@app.command("type")
def type_(
    lane: Lane,
    code: Annotated[str, typer.Argument(help="The code under the picture")],
    run: Run = _RUN,
) -> None:
    """Present a code by hand, for a torn ticket."""
    _order(run, op="type", lane=lane, code=code)
    print(f"lane {lane}: code presented, see the screen")


@app.command()
def person(
    lane: Lane,
    habit: Annotated[str, typer.Argument(help="Seconds, or never, late, forced, stuck")],
    run: Run = _RUN,
) -> None:
    """Set who stands at a simulated turnstile."""
    _order(run, op="person", lane=lane, person=habit)
    print(f"lane {lane}: person {habit}")


def _order(run: Path, **message: object) -> None:
    with GateClient(run, "control") as gate:
        gate.ask(**message)
