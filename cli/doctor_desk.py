"""What can be found of a gate that does not run: its files, and each device opened for a moment."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from admission.errors import GateError
from cli import doctor_pretix
from cli.findings import Finding, bad, good, of_error, warn
from config.models import AdmitConfig, LaneConfig
from drivers.messages import Sighting
from drivers.registry import open_input, open_lights, open_turnstile
from drivers.scheduler import ThreadScheduler
from drivers.uri import DriverUri
from scanner.clock import kernel_error
from scanner.readers import Reader, Readers
from store.listfile import list_path, list_serials

READER_WITHIN = 20.0
"""Seconds a reader may take to show that it sees; a Pi loads its libraries slowly."""


def findings(config: AdmitConfig, state: Path) -> Iterator[Finding]:
    """Look at files, clock and devices. Devices are opened as a start would, and closed."""
    yield from files(config, state)
    yield _clock(kernel_error())
    for lane in config.lanes:
        yield from _metal(lane)
        for uri in (*lane.readers, *lane.exit_readers):
            yield reader(f"lane {lane.name}: {uri}", uri)


def files(
    config: AdmitConfig, state: Path, now: Callable[[], float] = time.time
) -> Iterator[Finding]:
    """Judge the gate's identity, its list and its journal by the files in the state directory."""
    try:
        yield from _identity(config, state / "sync")
        yield _list(state / "sync", config, now())
        journal = state / "scanner" / "journal.db"
        if journal.exists():
            yield good("journal", f"{journal.stat().st_size >> 10} KiB; admit journal verify")
        else:
            yield good("journal", "none yet: it is made at the first start")
    except OSError as error:
        yield bad(
            f"state in {state}",
            f"cannot be read: {error.strerror}",
            "Run this as root, or name the directory with --state",
        )


def _identity(config: AdmitConfig, directory: Path) -> Iterator[Finding]:
    if config.server.kind == "none":
        return
    if config.server.kind == "pretix":
        yield from doctor_pretix.findings(config, directory)
        return
    file = directory / "identity.json"
    if file.exists():
        yield _enrolled(file)
    elif config.server.token:
        yield warn(
            "enrolment", "not enrolled yet; the token is there", "Start it once with a network"
        )
    else:
        yield bad(
            "enrolment",
            "not enrolled, and no token in the configuration",
            "Make one at the server (admit central token) and put it into [server]",
        )


def _enrolled(file: Path) -> Finding:
    try:
        known = json.loads(file.read_text("utf-8"))
        said = f"enrolled for {known['event']} as device {known['device']}"
    except (ValueError, KeyError, TypeError):
        return bad(
            "enrolment",
            f"{file} is damaged",
            "Remove it, and enrol the gate anew with a new token (admit central token)",
        )
    return good("enrolment", said)


def _list(directory: Path, config: AdmitConfig, now: float) -> Finding:
    serials = list_serials(directory)
    if not serials:
        if config.policy.list_required:
            return bad("ticket list", "none yet", "Start the gate once where it reaches its server")
        return warn(
            "ticket list", "none", "Signed tickets are admitted without; nothing is revoked"
        )
    newest = list_path(directory, max(serials))
    age = now - newest.stat().st_mtime
    return good("ticket list", f"serial {max(serials)}, written {age / 3600:.1f} h ago")


def _clock(error: float | None) -> Finding:
    if error is not None:
        return good("clock", f"synchronised by the system, within {error:.3f} s")
    return warn(
        "clock",
        "not synchronised: windows of tickets are judged by the policy on_unknown_clock",
        "Let the gate reach a time server or its own server; see: timedatectl",
    )


def _metal(lane: LaneConfig) -> Iterator[Finding]:
    """Open what is not a reader, as a start does: locked and dark."""
    yield _opened(f"lane {lane.name}: {lane.turnstile}", lambda: _turnstile(lane.turnstile))
    if lane.lights is not None:
        lights = lane.lights
        yield _opened(f"lane {lane.name}: {lights}", lambda: open_lights(lights).close())
    for uri in (lane.passage_in, lane.passage_out, lane.home, lane.fault):
        if uri is not None:
            yield _opened(f"lane {lane.name}: {uri}", lambda uri=uri: open_input(uri).close())  # type: ignore[misc]


def _turnstile(uri: DriverUri) -> None:
    scheduler = ThreadScheduler()
    try:
        open_turnstile(uri, scheduler).close()
    finally:
        scheduler.close()


def _opened(what: str, attempt: Callable[[], None]) -> Finding:
    try:
        attempt()
    except GateError as error:
        return of_error(what, error)
    return good(what, "opens")


def reader(what: str, uri: DriverUri, within: float = READER_WITHIN) -> Finding:
    """Start the reader's child and wait until it sees, or says why not."""
    with Watched(uri) as watched:
        end = time.monotonic() + within
        while time.monotonic() < end and watched.error is None and watched.state != "ok":
            watched.step()
        if watched.error is not None:
            return of_error(what, watched.error)
        if watched.state != "ok":
            return bad(what, f"{watched.state} for {within:.0f} s", "Check its cable and its power")
        if watched.passing is not None:
            said = f"sees, though: {watched.passing.cause}"
            return warn(what, said, watched.passing.remedy)
        return good(what, "sees")


class Watched:
    """One reader child of our own; a context manager."""

    def __init__(self, uri: DriverUri) -> None:
        self.passing: GateError | None = None
        """The last word of what did not stop it."""
        self.seen: list[Sighting] = []
        self._faults: dict[str, GateError] = {}
        self._reader = Reader(str(uri), self.seen.append, self._on_fault)
        self._readers = Readers([self._reader])

    def __enter__(self) -> "Watched":
        return self

    def __exit__(self, *_: object) -> None:
        self._readers.close()

    @property
    def error(self) -> GateError | None:
        """What stops it now."""
        return next(iter(self._faults.values()), None)

    @property
    def state(self) -> str:
        """The last that it said of itself."""
        return self._reader.state

    def step(self) -> None:
        """Wait a moment for what it says."""
        self._readers.step(0.2)

    def _on_fault(self, name: str, error: GateError | None) -> None:
        if error is not None:
            self._faults[name] = error
        else:  # what passes is said and taken back at once
            self.passing = self._faults.pop(name, self.passing)
