"""Each reader tried by hand: hold a ticket to it, and see what it sees."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.doctor_desk import Watched
from cli.findings import Finding, bad, good, of_error
from cli.gate_client import GateClient
from cli.read import judge_without_keys, printable
from config.models import AdmitConfig, LaneConfig
from drivers.uri import DriverUri

ASK = {
    "camera": "Hold a ticket to the lens",
    "nfc": "Hold a card or a phone to the reader",
    "wedge": "Scan a ticket with the hand scanner",
}
MEDIA = {"camera": "qr", "nfc": "nfc", "wedge": "wedge"}
_SECRET_FROM = 12
"""Characters of a code that are shown; the rest of a ticket is as secret as the ticket."""


@dataclass(frozen=True, slots=True)
class Live:
    """Tries readers one after the other. `say` prints a line for the person who stands there."""

    config: AdmitConfig
    run: Path
    seconds: float
    say: Callable[[str], None]

    def findings(self, running: bool) -> Iterator[Finding]:
        """Try every reader: through the running gate, else by a child of our own."""
        for lane in self.config.lanes:
            uris = (*lane.readers, *lane.exit_readers)
            if not running:
                yield from (self._by_child(lane, uri) for uri in uris)
                continue
            before = self._mode(lane.name)
            if before == "evacuation":  # nothing but a supervisor may end it
                yield bad(f"lane {lane.name}", "in evacuation: not tried", "Try it when that ended")
                continue
            with self._checking(lane.name, before):
                yield from (self._by_gate(lane, uri) for uri in uris)

    def _by_child(self, lane: LaneConfig, uri: DriverUri) -> Finding:
        what = f"lane {lane.name}: {uri}"
        with Watched(uri) as watched:
            end = time.monotonic() + self.seconds
            self._ask(what, uri)
            while time.monotonic() < end and not watched.seen and watched.error is None:
                watched.step()
            if watched.seen:
                payload = watched.seen[0].payload
                judged = judge_without_keys(payload)
                return good(what, f"{judged.format or 'no ticket'}: {shortened(payload)}")
            if watched.error is not None:
                return of_error(what, watched.error)
        return self._nothing(what, uri)

    def _by_gate(self, lane: LaneConfig, uri: DriverUri) -> Finding:
        """The gate has the device; what it sees it tells as a verdict of a lane that checks."""
        what = f"lane {lane.name}: {uri}"
        medium = MEDIA[uri.kind]
        with GateClient(self.run, "events") as gate:
            end = time.monotonic() + self.seconds
            events = gate.events(-1, patience=self.seconds)
            self._ask(what, uri)
            for event in events:
                if (event["kind"], event.get("lane"), event.get("medium")) == (
                    "verdict",
                    lane.name,
                    medium,
                ):
                    reason = event["reason"] or event["verdict"]
                    return good(what, f"seen and judged: {reason}, ticket {event.get('ticket')}")
                if time.monotonic() > end:
                    break
        return self._nothing(what, uri)

    def _ask(self, what: str, uri: DriverUri) -> None:
        self.say(f"{what}\n  {ASK[uri.kind]} ({self.seconds:.0f} s)")

    def _nothing(self, what: str, uri: DriverUri) -> Finding:
        return bad(what, f"saw nothing in {self.seconds:.0f} s", _NOTHING[uri.kind])

    def _mode(self, lane: str) -> str:
        with GateClient(self.run, "events") as gate:
            lanes = gate.ask(op="status")["status"]["lanes"]
        return next(str(found["mode"]) for found in lanes if found["name"] == lane)

    @contextmanager
    def _checking(self, lane: str, before: str) -> Iterator[None]:
        """Have the lane judge without redeeming, and be afterwards as it was.

        A lane that somebody put into another mode meanwhile, or an evacuation, is left in that.
        """
        _set_mode(self.run, lane, before, "check")
        try:
            yield
        finally:
            if self._mode(lane) == "check":
                _set_mode(self.run, lane, "check", before)


def shortened(payload: bytes) -> str:
    """The beginning of a code: enough to know it again, not enough to copy it."""
    shown = printable(payload[:_SECRET_FROM])
    return f"{shown}… ({len(payload)} bytes)" if len(payload) > _SECRET_FROM else shown


def _set_mode(run: Path, lane: str, old: str, new: str) -> None:
    """Raises GateError: the lane is not in mode `old` any more, which stays then."""
    with GateClient(run, "control") as gate:
        gate.ask(op="mode", lane=lane, mode=new, **{"from": old})


_NOTHING = {
    "camera": "Hold it 10 to 25 cm away, flat, with light on it and none mirrored in it; clean the "
    "lens; see docs/readers.md",
    "nfc": "Hold it flat on the reader for a second; take it out of a purse with other cards; a "
    "phone must be switched on",
    "wedge": "See that it lights up and beeps; set it to QR codes and to this interface by its "
    "leaflet; see docs/readers.md",
}
