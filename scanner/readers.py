"""The readers' parent: starts a child a reader, hears it, kills it when silent, starts it anew."""

import contextlib
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from admission.errors import GateError
from drivers.messages import Fault, Heartbeat, MessageError, Notice, Recovered, Sighting, decode

SILENT_AFTER = 2.0
"""Seconds without a word after which a child is killed."""
START_WITHIN = 15.0
"""Seconds a child may take for its first word: a Pi loads its libraries slowly."""
CLOSE_WITHIN = 2.0
AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a child is started again, by how often it failed in a row."""

OnSighting = Callable[[Sighting], None]
OnFault = Callable[[str, GateError | None], None]
OnNotice = Callable[[Notice], None]


def fault_name(number: int, name: str) -> str:
    """A reader's fault as the screen names it: "reader 1: picture error"; each has its own."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", name).lower()
    return f"reader {number}" if words == "reader" else f"reader {number}: {words}"


class ReaderSilent(GateError):
    """A reader child stopped answering, or ended."""


@dataclass(slots=True, eq=False)
class Reader:
    """One reader of a lane. `on_fault(name, error or None)` hears of faults and recoveries."""

    uri: str
    on_sighting: OnSighting
    on_fault: OnFault
    asks_cards: tuple[str, ...] = ()
    """Arguments of a child that asks cards; no other child is believed when it speaks of one."""
    on_notice: OnNotice = lambda _: None
    state: str = "starting"
    counters: Mapping[str, int] = field(default_factory=dict)
    """What it counted since its process began; empty for those that count nothing."""
    failures: int = 0
    faults: set[str] = field(default_factory=set)
    process: subprocess.Popen[bytes] | None = None
    dying: subprocess.Popen[bytes] | None = None
    """Killed, but not gone: its device still holds it in the kernel."""
    connection: socket.socket | None = None
    heard: float = 0.0
    spoke: bool = False
    start_at: float = 0.0


class Readers:
    """All reader children of the gate, served by one thread."""

    def __init__(self, readers: list[Reader], now: Callable[[], float] = time.monotonic) -> None:
        self.all = readers
        self._now = now
        self._selector = selectors.DefaultSelector()

    def serve(self, beat: Callable[[], None]) -> None:
        """Serve for ever; `beat` is called at every round."""
        while True:
            self.step(0.2)
            beat()

    def step(self, timeout: float) -> None:
        """Start what is due, hear what came, end what fell silent."""
        for reader in self.all:
            _bury(reader)
            # Never two on one device: the second would hang where the first does.
            if not (reader.process or reader.dying) and self._now() >= reader.start_at:
                self._start(reader)
        for key, _ in self._selector.select(timeout):
            self._hear(key.data)
        for reader in self.all:
            limit = SILENT_AFTER if reader.spoke else START_WITHIN
            if reader.process is not None and self._now() - reader.heard > limit:
                self._end(reader, f"reader {reader.uri} said nothing for {limit:.0f} s")

    def _start(self, reader: Reader) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        command = [sys.executable, "-P", "-m", "drivers.reader", reader.uri, *reader.asks_cards]
        with theirs:
            try:
                reader.process = subprocess.Popen(
                    [*command, "--fd", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                )
            except OSError as error:  # short of memory or of processes: later there may be some
                ours.close()
                self._failed(reader, f"reader {reader.uri} cannot be started: {error.strerror}")
                return
        reader.connection, reader.heard, reader.spoke = ours, self._now(), False
        self._selector.register(ours, selectors.EVENT_READ, reader)

    def _hear(self, reader: Reader) -> None:
        for _ in range(64):  # a chatty reader must not keep the others waiting
            if reader.connection is None:
                return
            try:
                data = reader.connection.recv(64 * 1024 + 1)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._end(reader, f"reader {reader.uri} ended")
                return
            self._understand(reader, data)

    def _understand(self, reader: Reader, data: bytes) -> None:
        try:
            message = decode(data)
        except MessageError as error:
            self._end(reader, error.cause)
            return
        reader.heard, reader.spoke = self._now(), True
        if isinstance(message, Sighting) and message.card and not reader.asks_cards:
            self._end(reader, f"reader {reader.uri} speaks of a card, and is no reader of cards")
        elif isinstance(message, Sighting):
            reader.on_sighting(message)
        elif isinstance(message, Heartbeat):
            self._alive(reader, message)
        elif isinstance(message, Fault):
            self._fault(reader, message)
        elif isinstance(message, Recovered):
            reader.faults.discard(message.name)
            reader.on_fault(message.name, None)
        elif isinstance(message, Notice):
            reader.on_notice(message)

    def _alive(self, reader: Reader, beat: Heartbeat) -> None:
        reader.state, reader.counters = beat.state, beat.counters
        if beat.frames > 0:
            reader.failures = 0
        if "reader" in reader.faults:
            reader.faults.discard("reader")
            reader.on_fault("reader", None)

    def _fault(self, reader: Reader, fault: Fault) -> None:
        reader.on_fault(fault.name, GateError(fault.cause, fault.remedy))
        if fault.lasting:
            reader.faults.add(fault.name)
        else:
            reader.on_fault(fault.name, None)

    def _end(self, reader: Reader, cause: str) -> None:
        """Kill the child, whatever state it is in; it holds nothing that could be lost."""
        if self._kill(reader):
            self._failed(reader, cause)

    def _kill(self, reader: Reader) -> bool:
        """Kill without waiting: a child that hangs in its device must not stop the others."""
        if reader.process is None or reader.connection is None:
            return False
        self._selector.unregister(reader.connection)
        reader.connection.close()
        reader.process.kill()
        reader.dying, reader.process, reader.connection = reader.process, None, None
        return True

    def _failed(self, reader: Reader, cause: str) -> None:
        pause = AGAIN_AFTER[min(reader.failures, len(AGAIN_AFTER) - 1)]
        reader.failures += 1
        reader.start_at, reader.state = self._now() + pause, "restarting"
        for name in reader.faults - {"reader"}:
            reader.on_fault(name, None)
        reader.faults = {"reader"}
        remedy = "It is started again by itself; if this stays, check cable and power"
        reader.on_fault("reader", ReaderSilent(cause, remedy))

    def close(self) -> None:
        """End all children; tests and `admit run` do."""
        for reader in self.all:
            self._kill(reader)
            if reader.dying is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel
                    reader.dying.wait(CLOSE_WITHIN)


def _bury(reader: Reader) -> None:
    if reader.dying is not None and reader.dying.poll() is not None:
        reader.dying = None
