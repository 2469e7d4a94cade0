"""`admit run`: a whole gate on a desk, under one parent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.children import Child, keep_running
from config.models import AdmitConfig
from config.read import read_config
from tickets.errors import GateError


def gate_children(config: AdmitConfig, file: Path, state: Path, run: Path) -> list[Child]:
    """The processes of one gate, as the service manager would start them."""
    common = ["--config", str(file), "--run", str(run)]
    children = [
        Child(["scanner", *common, "--state", str(state)]),
        Child(["screen", *common]),
    ]
    if config.server.kind != "none":
        children.append(Child(["sync", *common, "--state", str(state)]))
    return children


def run(
    file: Annotated[Path, typer.Argument(help="The provisioning file, e.g. admit.toml")],
    state: Annotated[Path, typer.Option(help="Directory for journal, lists and keys")],
    run_directory: Annotated[
        Path | None, typer.Option("--run", help="Directory for sockets; default: STATE/run")
    ] = None,
) -> None:
    """Run scanner, sync and screen of one gate, and start again what ends. Ctrl-C ends all."""
    config = read_config(file)
    run_directory = run_directory or state / "run"
    for directory in (state / "sync", run_directory):
        with _named_faults(directory, "Name directories that this user may write to"):
            directory.mkdir(parents=True, exist_ok=True)
    print(f"steward page: http://{config.screen.host}:{config.screen.port}/steward")
    print(f"sockets: {run_directory}   (admit status --run {run_directory})")
    keep_running(gate_children(config, file, state, run_directory))


@contextmanager
def _named_faults(directory: Path, remedy: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # mkdir names the parent that is in the way, which may be another than was asked for.
        where = error.filename or directory
        raise GateError(f"{where} cannot be made: {error.strerror}", remedy) from error
