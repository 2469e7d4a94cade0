"""A gate as it is delivered: scanner, sync and screen as real processes, real sockets, real files.

The turnstile is simulated, with one person in front of each lane; time is the real one.

with RealGate(tmp_path, "north", event, event.url) as gate:
    gate.start()
    gate.present(event.code("T1"))["verdict"]
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import which
from typing import Any, Self

import segno

from cli.gate_client import GateClient, GateNotRunning
from config.read import read_config
from store.journal import read_journal, verify_chain
from store.records import Entry, Kind
from tests.rigs.central_rig import EVENT, ROOT, CentralRig
from tickets.ad1 import sign, to_qr_text
from tickets.cose import key_id, public_key_of
from tickets.errors import GateError
from tickets.key_files import Role, load_key
from tickets.keys import cti_of

Event = dict[str, Any]
READY_WITHIN = 40.0
WALKS = "0.3"
"""A person who walks through: slower than the one before leaves the sensor, which takes 0.2 s."""
PATIENCE = 20.0
"""Seconds after which a test gives up; nothing takes this long unless it is broken."""

CONFIG = """\
[gate]
name = "{name}"
event = "{event}"

[trust]
root_keys = {roots}

[server]
url = "{url}"
token = "{token}"

[screen]
port = {screen}
"""
LANE = """
[[lane]]
name = "{name}"
direction = "entry"
check_in_list = "main"
readers = {readers}
turnstile = "turnstile:sim?passage=0.3&home=0.1"
release_for = 0.5
settle = 0.8
"""


def code_of(central: CentralRig, ticket: str, seed: bytes | None = None) -> str:
    """The QR text of a ticket; with another issuer's `seed` a forged one."""
    secret = seed or load_key(central.keys, Role.ISSUER).secret
    cti = cti_of(central.central.event_secret, ticket)
    return to_qr_text(sign(secret, key_id(public_key_of(secret)), EVENT, cti, product=1))


def until(check: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
    """What `check` returns as soon as that is true. Fails after `within` seconds."""
    end = time.monotonic() + within
    while not (found := check()):
        assert time.monotonic() < end, f"not within {within:.0f} s: {what}"
        time.sleep(0.03)
    return found


class RealGate:
    """One gate in a directory of its own."""

    wrapper: tuple[str, ...] = ()
    """Words before every process, such as `unshare --net`."""

    def __init__(
        self,
        directory: Path,
        name: str,
        central: CentralRig,
        url: str,
        *,
        lanes: Iterable[str] = ("entry",),
        readers: int = 1,
        more_readers: Iterable[str] = (),
        screen: int = 8099,
    ) -> None:
        self.directory, self.name = directory / name, name
        self.run, self.state = self.directory / "run", self.directory / "state"
        self.lanes = tuple(lanes)
        self.events: list[Event] = []
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._heard = threading.Condition()
        self._closed = False
        for path in (self.run, self.state / "sync"):
            path.mkdir(parents=True)
        text = CONFIG.format(
            name=name,
            event=EVENT,
            roots=json.dumps(central.root_keys),
            url=url,
            token=central.enrol_token(name),
            screen=screen,
        )
        for lane in self.lanes:
            uris = [*self._readers(lane, readers), *more_readers]
            text += LANE.format(name=lane, readers=json.dumps(uris))
        self.config = self.directory / "admit.toml"
        self.config.write_text(text)
        read_config(self.config)

    def _readers(self, lane: str, number: int) -> list[str]:
        for folder in (self.camera(lane, n) for n in range(1, number + 1)):
            folder.mkdir()
        names = [self.camera(lane, n) for n in range(1, number + 1)]
        return [f"camera:files:{name}?hold=0.5&blank=0.3" for name in names]

    def camera(self, lane: str, number: int = 1) -> Path:
        """The directory whose pictures a reader of a lane sees."""
        return self.directory / f"camera-{lane}-{number}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for part in list(self.parts):
            self.kill(part)

    # -- processes -----------------------------------------------------------------------------

    def start(self, *parts: str) -> None:
        """Start parts of the gate; scanner and sync unless named."""
        # The kernel's word for "parent" is the thread that starts: call this from the main one.
        for part in parts or ("scanner", "sync"):
            words = ["--config", str(self.config), "--run", str(self.run)]
            words += [] if part == "screen" else ["--state", str(self.state)]
            guard = ["setpriv", "--pdeathsig", "KILL"] if which("setpriv") else []
            with (self.directory / f"{part}.log").open("ab") as log:
                self.parts[part] = subprocess.Popen(
                    [*guard, *self.wrapper, sys.executable, "-P", "-m", part, *words],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | {"PYTHONPATH": str(ROOT)},
                )

    def kill(self, part: str) -> None:
        """End a part as a power cut would."""
        process = self.parts.pop(part)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

    def signal(self, part: str, number: signal.Signals) -> None:
        """Send a signal to a part."""
        self.parts[part].send_signal(number)

    def children(self, part: str = "scanner") -> list[int]:
        """Process ids of a part's children: scanner's are its readers, in order of start."""
        pid = self.parts[part].pid
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return sorted(int(child) for file in tasks for child in file.read_text().split())

    def open_files(self, part: str) -> dict[str, int]:
        """Path -> flags of open(2) of what a part has open; the widest if it is open twice."""
        found: dict[str, int] = {}
        process = Path(f"/proc/{self.parts[part].pid}")
        for link in (process / "fd").iterdir():
            try:
                path = str(link.readlink())
                told = (process / "fdinfo" / link.name).read_text()
            except FileNotFoundError:  # closed meanwhile
                continue
            flags = int(told.split("flags:")[1].split()[0], 8)
            found[path] = max(found.get(path, 0), flags & os.O_ACCMODE)
        return found

    def log(self, part: str) -> str:
        """What a part wrote."""
        return (self.directory / f"{part}.log").read_text(errors="replace")

    def revive(self) -> None:
        """Start what does not run, let go on what was stopped."""
        for part in ("scanner", "sync"):
            if part in self.parts and self.parts[part].poll() is None:
                self.signal(part, signal.SIGCONT)
            else:
                self.start(part)

    def mend(self) -> None:
        """Every part running, every person walking through, the authority in."""
        self.revive()
        self.ready()
        for lane in self.lanes:
            self.order(op="mode", lane=lane, mode="normal")
            self.order(op="person", lane=lane, person=WALKS)
            self.order(op="clear_sensor", lane=lane)

    def ready(self, authority: str | None = "in") -> Event:
        """Wait until the gate can admit, with its authority `in` (None: however it is)."""

        def look() -> Event | None:
            scanner = self.parts.get("scanner")
            assert scanner is None or scanner.poll() is None, self.log("scanner")[-2000:]
            try:
                status = self.status()
            except GateError:
                return None
            asked = status["authority"]["state"]
            return status if status["ready"] and authority in (None, asked) else None

        found: Event = until(look, f"{self.name} ready", READY_WITHIN)
        return found

    # -- sockets -------------------------------------------------------------------------------

    def status(self) -> Event:
        """What the gate says of itself."""
        with GateClient(self.run, "events") as client:
            status: Event = client.ask(op="status")["status"]
            return status

    def order(self, **message: object) -> Event:
        """Give an order at control.sock. Raises GateError: refused."""
        with GateClient(self.run, "control") as client:
            return client.ask(**message)

    def faults(self) -> dict[str, str]:
        """Name -> cause of the faults shown now."""
        return {fault["name"]: fault["cause"] for fault in self.status()["faults"]}

    def fault(self, name: str) -> str:
        """Wait until a fault is shown and return its cause; the gate may still be starting."""

        def look() -> str | None:
            try:
                return self.faults().get(name)
            except GateNotRunning:
                return None

        found: str = until(look, f"fault {name} of {self.name}")
        return found

    def _listen(self) -> None:
        """Collect every event for ever, across restarts of scanner."""
        heard = (0, 0)
        while not self._closed:
            scanner = self.parts.get("scanner")
            pid = scanner.pid if scanner else 0
            try:
                with GateClient(self.run, "events") as client:
                    for event in client.events(heard[1] if heard[0] == pid else 0, patience=1.0):
                        heard = pid, event["seq"]
                        with self._heard:
                            self.events.append(event)
                            self._heard.notify_all()
                        if self._closed:
                            return
            except (GateNotRunning, ConnectionError):
                time.sleep(0.05)

    def mark(self) -> int:
        """The place in `events` that `wait` may look from."""
        return len(self.events)

    def wait(self, since: int = 0, within: float = PATIENCE, **facts: object) -> Event:
        """The first event since a mark that has these facts; waits for it."""

        def look() -> Event | None:
            for event in self.events[since:]:
                if all(event.get(name) == value for name, value in facts.items()):
                    return event
            return None

        with self._heard:
            assert self._heard.wait_for(look, within), f"no {facts} in {self.events[since:]}"
        return look() or {}

    # -- tickets -------------------------------------------------------------------------------

    def present(self, code: str, lane: str | None = None) -> Event:
        """Type a code at a lane and return the verdict on it; a busy lane is asked again."""
        lane = lane or self.lanes[0]
        since, end = self.mark(), time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.order(op="type", lane=lane, code=code)
            try:
                return self.wait(since, 1.8, kind="verdict", lane=lane)
            except AssertionError:  # not looked at while the lane was busy: it is gone by now
                continue
        raise AssertionError(f"no verdict at {lane}: {self.events[since:]}")

    def enter(self, code: str, lane: str | None = None) -> Event:
        """Present a code and wait for the outcome; returns that."""
        since, verdict = self.mark(), self.present(code, lane)
        assert verdict["verdict"] == "admitted", verdict
        return self.wait(since, kind="outcome", presentation=verdict["presentation"])

    def show(self, code: str | bytes, lane: str | None = None, number: int = 1) -> None:
        """Put a picture of a code (or any bytes as a PNG file) before a reader."""
        folder = self.camera(lane or self.lanes[0], number)
        name = f"{time.monotonic_ns()}.png"
        if isinstance(code, bytes):
            (folder / f".{name}").write_bytes(code)
        else:
            segno.make(code, error="q", boost_error=False).save(
                str(folder / f".{name}"), scale=5, border=4, kind="png"
            )
        (folder / f".{name}").rename(folder / name)

    # -- the journal ---------------------------------------------------------------------------

    def journal(self) -> list[Entry]:
        """What is in the journal, read from outside through a connection of its own."""
        return list(read_journal(self.state / "scanner" / "journal.db"))

    def records(self, *kinds: Kind, presentation: str | None = None) -> list[Entry]:
        """Records of some kinds (all when none is named), of one presentation if given."""
        wanted = None if presentation is None else bytes.fromhex(presentation)
        return [
            entry
            for entry in self.journal()
            if (not kinds or entry.record.kind in kinds)
            and wanted in (None, entry.record.presentation)
        ]

    def chain_holds(self) -> bool:
        """Whether every record follows the one before it."""
        count, wrong = verify_chain(iter(self.journal()))
        return wrong == "" and count > 0
