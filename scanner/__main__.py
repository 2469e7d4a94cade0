"""The lane process: ``python -P -m scanner --config FILE --state DIR --run DIR``.

Read this file first: it puts every part of a gate in its place. Crash-only: there is no stop
path, a kill is how it ends, and what it left behind is settled at the next start.
"""

import argparse
import gc
import logging
import os
import random
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from admission.direction import Direction
from admission.errors import GateError
from config.memory import keep_off_disk
from config.models import AdmitConfig, LaneConfig
from config.notify import notify
from config.read import read_config
from drivers.messages import Notice
from drivers.messages import Sighting as ReaderSighting
from drivers.scheduler import ThreadScheduler
from scanner.admissions import Admissions
from scanner.beats import Beats
from scanner.bookkeeper import POLL_EVERY, Bookkeeper
from scanner.books import NothingElsewhere
from scanner.claims import ClaimDesk
from scanner.clock import SystemClock, boot_id
from scanner.control_door import ControlDoor
from scanner.devices import (
    has_passage_sensor,
    open_lane_lights,
    open_lane_turnstile,
    watch_inputs,
)
from scanner.elsewhere import MirrorElsewhere
from scanner.events import EventLog
from scanner.events_door import EventsDoor, feed
from scanner.fire import watch_fire
from scanner.gate import Gate
from scanner.guests import Guests
from scanner.housekeeping import Housekeeper
from scanner.journal_keeper import JournalKeeper
from scanner.lane import Lane, LaneSettings
from scanner.lane_thread import LaneThread
from scanner.messages import DeviceFault, Sighting
from scanner.readers import Reader, Readers, fault_name
from scanner.setup_code import SetupDesk
from scanner.showing import Stamp
from scanner.simulated_clock import SimulatedClock
from scanner.sockets import Server
from scanner.sync_door import SyncDoor
from scanner.unsent import CodeSealer, Unsent
from scanner.withdrawal import end_when_withdrawn, wipe_when_withdrawn
from store.journal import Journal, JournalUnavailable
from store.ownership import take_ownership
from store.records import Kind

log = logging.getLogger("admit.scanner")

HEARTBEAT_EVERY = 15.0
STUCK_AFTER = 4.0
"""Seconds without a sign of life of a lane's thread after which the watchdog is not fed."""


# The parts know one another in a ring: a lambda names the part that is made later (PLW0108).


class Parts:
    """The parts of one gate, wired."""

    def __init__(self, config: AdmitConfig, state: Path, run: Path) -> None:
        self.config, self.state, self.run = config, state, run
        own = state / "scanner"
        for directory in (own, run):
            directory.mkdir(parents=True, exist_ok=True)
        self.lock = take_ownership(own)
        for leftover in own.glob("training.db*"):
            leftover.unlink()
        self.clock = self._clock()
        self.scheduler = ThreadScheduler()
        boot = boot_id()
        start = os.urandom(4).hex()  # events are numbered anew at each start
        self.journal = self._journal(own / "journal.db")
        self.events = EventLog(self.clock, start, lambda: self.server.wake())  # noqa: PLW0108
        self.books = Bookkeeper(
            event=config.gate.event,
            root_keys=config.trust.root_keys,
            threshold=config.trust.threshold,
            directory=state / "sync",
            own=own,
            clock=self.clock,
            report=lambda name, error: self.gate.report(name, error),  # noqa: PLW0108
            kind=config.server.kind,
        )
        self.stamp = stamp = Stamp(self.clock, config.gate.event, boot)
        elsewhere = MirrorElsewhere(
            state / "sync" / "mirror.db",
            self._own_scans,
            report=lambda name, error: self.gate.report(name, error),  # noqa: PLW0108
        )
        self._restored = False
        self.admissions = Admissions(
            journal=self.journal.journal,
            books=self.books.books,
            elsewhere=elsewhere,
            clock=self.clock,
            stamp=stamp,
            policy=config.gate_policy,
            seal=CodeSealer(lambda: self._code_reader(config.server.kind)).seal,
            recovered=self._restore,
        )
        self.training = Admissions(
            journal=self._journal(own / "training.db").journal,
            books=self.books.books,
            elsewhere=NothingElsewhere(),
            clock=self.clock,
            stamp=stamp,
            policy=config.gate_policy,
            training=True,
        )
        self.claims = ClaimDesk(
            self.clock,
            lambda message: self.server.to_sync(message),  # noqa: PLW0108
            config.server.claim_budget,
            config.server.authority,
        )
        self.guests = Guests(
            state / "sync",
            config.screen.names,
            self.books.books,
            lambda message: self.server.to_stewards(message),  # noqa: PLW0108
        )
        self.setup = SetupDesk(
            lambda: config.server.kind == "pretix" and self.books.identity is None,
            lambda message: self.server.to_sync(message),  # noqa: PLW0108
            self.clock.monotonic,
        )
        self.lanes = [self._lane(lane) for lane in config.lanes]
        self.unsent = Unsent(self.journal)
        self.gate = Gate(
            name=config.gate.name,
            event=config.gate.event,
            policy=config.gate_policy,
            lanes={lane.lane.settings.name: lane for lane in self.lanes},
            books=self.books,
            journal=self.journal,
            unsent=self.unsent,
            claims=self.claims,
            clock=self.clock,
            events=self.events,
            start=start,
        )
        self.gate.fire = watch_fire(config.gate.fire, self.lanes, self.gate.report)
        self.sync = SyncDoor(self.gate, lambda message: self.server.to_sync(message))  # noqa: PLW0108
        self.control = ControlDoor(self.gate)
        self.server = Server(
            run,
            {
                "events": EventsDoor(self.gate).answer,
                "sync": self.sync.answer,
                "control": self.control.answer,
            },
        )
        self.house = Housekeeper(
            status=self.gate.status,
            path=run / "status.json",
            journal=self.journal,
            clock=self.clock,
            note=lambda detail: self.admissions.note(Kind.CLOCK, detail=detail),
            unsent=self.unsent,
            report=self.gate.report,
        )
        self.beats = Beats()
        self.readers = Readers([reader for lane in self.lanes for reader in lane.readers])

    def stuck(self) -> list[str]:
        """The threads that gave no sign of life for too long."""
        now = self.clock.monotonic()
        lanes = [thread.name for thread in self.lanes if now - thread.alive_at >= STUCK_AFTER]
        return lanes + self.beats.silent()

    def _clock(self) -> SystemClock:
        trust, file = self.config.clock.trust_system, self.config.clock.simulated
        if file is not None:
            return SimulatedClock(
                Path(file), trust_system=trust, last_record=lambda: self.journal.last_at
            )
        return SystemClock(trust_system=trust, last_record=lambda: self.journal.last_at)

    def _journal(self, path: Path) -> JournalKeeper:
        return JournalKeeper(
            path,
            self.config.gate.event,
            self.clock.monotonic,
            lambda detail: self.stamp.record(Kind.FAULT, None, detail=detail),
        )

    def _code_reader(self, kind: str) -> bytes | None:
        """Whom codes of unsent scans are sealed for: at pretix the gate's notary, else nobody."""
        identity = self.books.identity if kind == "pretix" else None
        return identity.roots[0] if identity is not None and identity.roots else None

    def _restore(self, journal: Journal) -> None:
        """The journal is open and settled, at the start or late: go on from where it ends."""
        self.clock.floor(journal.last_at)
        if self._restored:
            return
        self._restored = True
        for lane, direction, _, number in self.admissions.passages:
            for thread in self.lanes:
                if thread.lane.settings.name == lane:
                    thread.lane.tally.before(Direction(direction), number)

    def _own_scans(self) -> tuple[str, bytes]:
        identity = self.books.identity
        return (identity.device if identity else ""), self.journal.journal().epoch

    def _lane(self, config: LaneConfig) -> LaneThread:
        pending: list[object] = []
        thread: LaneThread | None = None

        def put(message: object) -> None:
            (thread.queue.put if thread else pending.append)(message)  # type: ignore[arg-type]

        turnstile = open_lane_turnstile(config, self.scheduler, put)
        lane = Lane(
            LaneSettings(
                name=config.name,
                check_in_list=config.check_in_list,
                release_for=config.release_for,
                settle=config.settle,
                sensor_fitted=has_passage_sensor(config),
                mode=config.mode,
                direction=config.direction,
            ),
            turnstile=turnstile,
            lights=open_lane_lights(config, put),
            admissions=self.admissions,
            training=self.training,
            claims=self.claims,
            clock=self.clock,
            publish=self.events.publish,
            introduce=self.guests.introduce,
        )
        cards = self.state / "sync" / "cards.json"

        def shown(message: object) -> None:
            if not (isinstance(message, Sighting) and self.setup.takes(message.payload)):
                put(message)

        readers = _lane_readers(config, lane, shown, self.events.publish, cards)
        thread = LaneThread(lane, self.clock, turnstile, readers)
        thread.inputs = watch_inputs(config, put)
        for message in pending:
            thread.queue.put(message)  # type: ignore[arg-type]
        return thread


def _lane_readers(
    config: LaneConfig,
    lane: Lane,
    put: Callable[[object], None],
    publish: Callable[..., None],
    cards: Path,
) -> list[Reader]:
    """`cards`: where readers of cards find the key that they ask them with."""

    def noticed(notice: Notice) -> None:
        told = {"name": notice.name, "cause": notice.cause, "remedy": notice.remedy}
        publish("notice", lane=lane.settings.name, **told)

    first = lane.settings.first_direction
    sides = [(uri, first) for uri in config.readers]
    sides += [(uri, first.opposite) for uri in config.exit_readers]
    readers = []
    for number, (uri, direction) in enumerate(sides, 1):

        def sighted(seen: ReaderSighting, direction=direction) -> None:  # type: ignore[no-untyped-def]
            put(Sighting(seen.payload, seen.medium, seen.size, seen.at, direction, seen.card))

        def faulty(name: str, error: GateError | None, number: int = number) -> None:
            put(DeviceFault(fault_name(number, name), error))

        asks = ("--cards", str(cards)) if uri.kind == "nfc" else ()
        readers.append(Reader(str(uri), sighted, faulty, asks, noticed))
    return readers


def recover(parts: Parts) -> None:
    """Settle what the last run left behind; without a journal it is settled when there is one."""
    try:
        lost = parts.admissions.recover()
    except JournalUnavailable as error:
        log.error("%s %s", error.cause, error.remedy)
        return
    if lost:
        log.warning("%d admissions were interrupted by the last stop", len(lost))


def keep_books(parts: Parts) -> None:
    """The bookkeeper's thread."""
    pause = threading.Event()
    while True:
        parts.books.poll()
        end_when_withdrawn(parts.state, parts.lanes, parts.books)
        parts.beats.beat("books")
        pause.wait(POLL_EVERY)


def keep_house(parts: Parts) -> None:
    """The thread for all that may wait for the card, and for which nobody waits."""
    pause = threading.Event()
    while True:
        parts.house.round()
        parts.beats.beat("housekeeping")
        pause.wait(1.0)


def watch(parts: Parts) -> None:
    """The main thread: probes, heartbeat, watchdog; ten times a second, and never at the card."""
    pause = threading.Event()
    beat_at = 0.0
    warned: list[str] = []
    while True:
        now = parts.clock.monotonic()
        parts.claims.tick()
        parts.control.expire()
        if now >= beat_at and parts.config.server.kind not in ("file", "none"):
            parts.sync.beat()
            beat_at = now + HEARTBEAT_EVERY * random.uniform(0.8, 1.2)
        stuck = parts.stuck()
        if not stuck:
            notify("WATCHDOG=1")
        elif stuck != warned:
            log.critical("no sign of life: %s", ", ".join(stuck))
        warned = stuck
        pause.wait(0.1)


def _die(args: threading.ExceptHookArgs) -> None:
    """A thread that ends ends the gate: the service manager starts it whole."""
    log.critical("thread %s ended", args.thread and args.thread.name, exc_info=args.exc_value)
    logging.shutdown()
    os._exit(70)


def run(config: AdmitConfig, state: Path, run_directory: Path) -> None:
    """Run the gate for ever."""
    wipe_when_withdrawn(state)
    parts = Parts(config, state, run_directory)
    parts.books.poll()
    recover(parts)
    gc.freeze()  # what was imported lives for ever: no collection has to look at it again
    threads = [
        threading.Thread(
            target=parts.server.serve,
            args=(partial(feed, parts.gate), partial(parts.beats.beat, "sockets")),
            name="sockets",
        ),
        threading.Thread(
            target=parts.readers.serve, args=(partial(parts.beats.beat, "readers"),), name="readers"
        ),
        threading.Thread(target=keep_books, args=(parts,), name="books"),
        threading.Thread(
            target=parts.guests.serve, args=(partial(parts.beats.beat, "guests"),), name="guests"
        ),
        threading.Thread(target=keep_house, args=(parts,), name="housekeeping"),
    ]
    for thread in [*threads, *parts.lanes]:
        thread.daemon = True
        thread.start()
    notify("READY=1")
    log.info("gate %s is ready: %d lanes", config.gate.name, len(parts.lanes))
    watch(parts)


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -P -m scanner", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--state", type=Path, default=Path("/var/lib/admit"))
    parser.add_argument("--run", type=Path, default=Path("/run/admit"))
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    sys.setswitchinterval(0.0005)
    threading.excepthook = _die
    try:
        keep_off_disk()
        run(read_config(given.config), given.state, given.run)
    except GateError as error:
        sys.stderr.write(f"{error.cause}\n{error.remedy}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
