"""`admit`: finds the command, imports its module alone, and turns faults into two lines.

A new command is one line in `COMMANDS` and one module. Exit codes: 0 done, 1 a named fault
(cause and remedy on standard error), 2 wrong usage, 130 interrupted. Documented in docs/cli.md.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from config.memory import keep_off_disk
from tickets.errors import GateError


@dataclass(frozen=True, slots=True)
class Command:
    """One command or command group: where it lives and what `admit --help` says of it."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "demo": Command("playground.command", "demo", "A page to play on: tickets, a gate, a server"),
    "run": Command("cli.run", "run", "Run a gate from a provisioning file, on a desk"),
    "check": Command("cli.check", "check", "Check a provisioning file: every problem at once"),
    "schema": Command("cli.check", "schema", "Print the JSON Schema of the provisioning file"),
    "doctor": Command("cli.doctor", "doctor", "Ready to open? Every fault with its remedy"),
    "status": Command("cli.status", "status", "State of a running gate"),
    "events": Command("cli.status", "events", "Verdicts and state changes as they happen"),
    "lane": Command("cli.lane", "app", "A supervisor's orders to a lane of a running gate"),
    "journal": Command("cli.journal", "app", "List, verify or export the journal"),
    "read": Command("cli.read", "read", "What is in these pictures, and would it be admitted?"),
    "pretix": Command("cli.pretix", "app", "Enrolment at a pretix server: new token, forget it"),
    "keys": Command("cli.keys", "app", "Make signing keys"),
    "cards": Command("cli.cards", "app", "Make cards that cannot be copied, and look at one"),
    "issue": Command("cli.issue", "issue", "Sign tickets from a CSV file, as pictures and PDF"),
    "central": Command("cli.central", "app", "The reference server of the gate protocol"),
    "central-check": Command("cli.central_check", "check", "Does a server keep the gate protocol?"),
}


def build(wanted: str | None) -> typer.Typer:
    """The program with `wanted` loaded and every other command as its help line only.

    The rest is not imported: `admit --help` needs no camera library, and is quick.
    """
    app = typer.Typer(
        help="The open gate appliance for ticketed events.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for name, command in COMMANDS.items():
        if name == wanted:
            _attach(app, name, command)
        else:
            app.command(name, help=command.help)(_not_loaded)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `admit` with `arguments` (default: those of the process) and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    wanted = next((word for word in words if not word.startswith("-")), None)
    try:
        keep_off_disk()
        build(wanted if wanted in COMMANDS else None)(args=words, prog_name="admit")
    except GateError as error:
        print(error.cause, file=sys.stderr)
        print(error.remedy, file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # one that its command did not foresee is still no traceback
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"{where}{error.strerror or error}", file=sys.stderr)
        print("Check the path and its rights", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _attach(app: typer.Typer, name: str, command: Command) -> None:
    found = getattr(import_module(command.module), command.attribute)
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name, help=command.help)
    else:
        app.command(name, help=command.help)(found)


def _not_loaded() -> None:
    raise AssertionError("a command that was not asked for was called")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"admit {version('admit')}")
        raise typer.Exit


def _options(
    version_: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version"),
    ] = False,
) -> None:
    """The open gate appliance for ticketed events."""


if __name__ == "__main__":
    main()
