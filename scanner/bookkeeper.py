"""Keeps the books: reads new statements from the mirror, verifies each itself, swaps whole.

sync is not believed: every keyset, policy, delta and list is verified here again before use, a
list file by a child process, so that no lane waits for a million rows being hashed.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from admission.direction import Direction
from admission.errors import GateError
from admission.history import Standing, Use
from admission.rules import EventPolicy, PolicyMalformed, policy_from_body
from scanner.admissions import NotReady
from scanner.books import Books
from store.listfile import ListDamaged, ListFile, list_path
from store.mirror_reader import MirrorReader, RedemptionElsewhere
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Delta, Keyset, ListHead, ServerTime, Type
from tickets.chain import follows
from tickets.keyring import Keyring, pinned
from tickets.rows import Ticket
from tickets.statements import Statement, keyring_from, read_statement

POLL_EVERY = 0.5
"""Seconds between looks at the mirror: a cancellation acts at most this much later."""
MAX_IDENTITY = 64 * 1024

Report = Callable[[str, GateError | None], None]
"""report(name, error): a fault of the gate, or None when it is over."""


class Identity:
    """Who this gate is to the server, as sync saved it when it was enrolled."""

    def __init__(self, path: Path, event: str) -> None:
        """Read the file. Raises NotReady: not enrolled yet, damaged, or another event's."""
        try:
            body = json.loads(path.read_bytes()[:MAX_IDENTITY])
            self.device = str(body["device"])
            self.event_key = bytes.fromhex(body["event_key"])
            found = str(body["event"])
            if len(self.event_key) != 32:
                raise ValueError(f"an event key of {len(self.event_key)} bytes")
        except FileNotFoundError:
            raise NotReady(
                "the gate is not enrolled yet", "Check the server's address and the token"
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotReady(
                f"the gate's identity cannot be read: {error}", "Enrol the gate again"
            ) from error
        if found != event:
            raise NotReady(
                f"the gate is enrolled for event {found[:20]}, not {event}",
                "Correct [gate] event, or enrol the gate again with a new token",
            )


class Bookkeeper:
    """Builds `Books` from what sync fetched; one thread calls `poll`, any thread `books`."""

    def __init__(
        self,
        *,
        event: str,
        root_keys: tuple[bytes, ...],
        threshold: int,
        directory: Path,
        report: Report,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`directory` is sync's state; it is only read."""
        self.identity: Identity | None = None
        self._no_identity = "the gate has only just started", "Wait a moment"
        self._event, self._directory, self._report, self._now = event, directory, report, now
        self._mirror = MirrorReader(directory / "mirror.db")
        self._keyring: Keyring = pinned(root_keys, threshold)
        self._latest: dict[Type, Statement] = {}
        self._deltas: list[Statement] = []
        self._policy: EventPolicy | None = None
        self._cursor = 0
        self._file: tuple[bytes, ListFile] | None = None
        self._books: Books | None = None
        self._current_at: float | None = None
        self._waiting = True
        """Whether the books lag behind the statements: a list file is not there or not whole."""
        self._lock = threading.Lock()

    def books(self) -> Books:
        """The newest books. Raises NotReady, saying what is missing."""
        if self._books is None:
            raise NotReady(*self._missing())
        return self._books

    @property
    def keyring(self) -> Keyring:
        """The keys believed now."""
        return self._keyring

    def contacted(self, at: float) -> None:
        """sync asked the server and has all its statements, at `at` monotonic seconds."""
        self._current_at = at

    def age(self) -> float | None:
        """Seconds since the list was last known to be current; None: not since the start."""
        return None if self._current_at is None else max(0.0, self._now() - self._current_at)

    def conflicts(self) -> list[dict[str, object]]:
        """Entries of ours beyond what their tickets allow, as the server named them."""
        with self._lock:
            rows = self._mirror.conflicts()
        return [
            {"ticket": row.ticket_key.hex()[-4:], "gate": row.gate, "list": row.list, "at": row.at}
            for row in rows[:50]
        ]

    def server_time(self, wire: bytes, nonce: bytes) -> float:
        """Unix seconds in a signed time statement that answers `nonce`.

        Raises:
            StatementRejected: not signed by a list key, or for another nonce.
        """
        statement = read_statement(wire, self._event, self._keyring)
        if not isinstance(statement.body, ServerTime) or statement.body.nonce != nonce:
            raise StatementRejected(Attack.MIX_AND_MATCH, "it answers another question")
        return statement.body.at / 1000

    def poll(self) -> None:
        """Take in what is new, and swap the books if that changes them."""
        if self.identity is None:
            try:
                self.identity = Identity(self._directory / "identity.json", self._event)
            except NotReady as error:
                self._no_identity = error.cause, error.remedy
                return
        news = False
        while rows := self._new_statements():
            news = True
            for cursor, _, wire in rows:
                self._take(wire)
                self._cursor = cursor
        if news or self._waiting:
            self._build()

    def _new_statements(self) -> list[tuple[int, str, bytes]]:
        with self._lock:
            return self._mirror.statements(self._cursor)

    # -- one statement -------------------------------------------------------------------------

    def _take(self, wire: bytes) -> None:
        try:
            statement = read_statement(wire, self._event, self._keyring)
            self._apply(statement)
        except StatementRejected as error:
            self._report("statement", error)
        except PolicyMalformed as error:
            remedy = "Have the organiser publish the rules again; the last ones stay in force"
            self._report("statement", GateError(str(error), remedy))

    def _apply(self, statement: Statement) -> None:
        body = statement.body
        if isinstance(body, Delta):
            if statement.digest in (delta.digest for delta in self._deltas):
                return  # sync had to fetch everything again
            before = self._deltas[-1] if self._deltas else self._latest.get(Type.LIST)
            follows(before, statement)
            self._deltas.append(statement)
            return
        before = self._latest.get(statement.type)
        follows(before, statement)
        if before is not None and before.digest == statement.digest:
            return
        if isinstance(body, Keyset):
            self._keyring = keyring_from(self._keyring, statement)
        elif isinstance(body, ListHead):
            self._deltas = []
        elif not isinstance(body, ServerTime):
            self._policy = policy_from_body(body)
        self._latest[statement.type] = statement

    # -- the books -----------------------------------------------------------------------------

    def _build(self) -> None:
        self._waiting = True
        head = self._latest.get(Type.LIST)
        if head is None or self._policy is None or self.identity is None:
            return
        listed = self._verified_file(head)
        if listed is None:
            return
        overlay: dict[bytes, Ticket | None] = {}
        for delta in self._deltas:
            assert isinstance(delta.body, Delta)
            overlay.update((ticket.key, ticket) for ticket in delta.body.tickets())
            overlay.update((key, None) for key in delta.body.removed_keys())
        newest = self._deltas[-1] if self._deltas else head
        assert isinstance(head.body, ListHead)
        self._books = Books(
            event_key=self.identity.event_key,
            trust=self._keyring.trust(self._event),
            policy=self._policy,
            serial=newest.serial,
            listed=listed.get,
            overlay=overlay,
            rows=head.body.rows,
            age=self.age,
        )
        self._waiting = False
        self._report("statement", None)

    def _verified_file(self, head: Statement) -> ListFile | None:
        """The file of the list `head`, opened; its rows are hashed by a child first."""
        if self._file is not None and self._file[0] == head.digest:
            return self._file[1]
        path = list_path(self._directory, head.serial)
        assert isinstance(head.body, ListHead)
        if not path.exists():  # sync is still building it
            return None
        if _hash_in_child(path) != head.body.hash:
            self._report("list", ListDamaged(path, "its rows are not what the organiser signed"))
            return None
        try:
            opened = ListFile(path)
        except GateError as error:
            self._report("list", error)
            return None
        self._report("list", None)
        self._file = (head.digest, opened)
        return opened

    def _missing(self) -> tuple[str, str]:
        if self.identity is None:
            return self._no_identity
        if Type.KEYSET not in self._latest:
            return "the organiser's keys have not arrived", "Check the connection to the server"
        if self._policy is None:
            return "the organiser's rules have not arrived", "Publish them on the server"
        return "the ticket list has not arrived", "Wait a moment, or check the server"


def _hash_in_child(path: Path) -> bytes:
    """BLAKE2b-256 over the rows of a list file, computed at low priority beside the lanes."""
    command = ["nice", "-n", "19", sys.executable, "-P", "-m", "store.listfile", "hash", str(path)]
    done = subprocess.run(command, capture_output=True, check=False)
    return bytes.fromhex(done.stdout.decode("ascii").strip()) if done.returncode == 0 else b""


class MirrorElsewhere:
    """Uses at other gates, from the mirror; each thread reads through its own connection."""

    def __init__(self, path: Path, own: Callable[[], tuple[str, bytes]], report: Report) -> None:
        """`own` tells (device, journal epoch): our scans come back from the server, and the
        journal knows them better. `report` hears when answers are stale.
        """
        self._path, self._own, self._report = path, own, report
        self._readers = threading.local()

    def uses(self, ticket_key: bytes) -> tuple[Use, ...]:
        """Entries and exits at other gates that this one has heard of; at most 20 ms."""
        if not hasattr(self._readers, "mirror"):
            self._readers.mirror = MirrorReader(self._path)
            self._readers.stale = False
        own = self._own()
        found = self._readers.mirror.redemptions(ticket_key)
        if found.stale or self._readers.stale:
            self._readers.stale = found.stale
            self._report("mirror", self._readers.mirror.fault if found.stale else None)
        return tuple(
            _use(row)
            for row in found.rows
            if (row.device, row.epoch) != own and row.direction in _DIRECTIONS
        )


_DIRECTIONS = frozenset(direction.value for direction in Direction)


def _use(row: RedemptionElsewhere) -> Use:
    return Use(
        presentation=row.presentation,
        direction=Direction(row.direction),
        check_in_list=row.list,
        at=row.at,
        where=row.gate,
        standing=Standing.PASSED if row.stands else Standing.ANNULLED,
        here=False,
    )
