"""Fetching what the gate believes: statements, list bodies, redemptions elsewhere.

Each statement is verified on arrival, so that nothing forged fills the card; scanner verifies again
before it uses one. A list statement is stored after its file is in place, so that whoever reads the
statement finds the file.
"""

import logging
import tempfile
import threading
import zlib
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from store.listfile import ListDamaged, build_list, list_path, rows_hash, set_aside
from store.mirror import Conflict, Mirror, RedemptionElsewhere, StoredStatement
from sync.answers import ConflictRow, Redemption, WireStatement
from sync.backend import Backend
from sync.errors import ServerFault
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Keyset, ListHead, Type
from tickets.chain import follows
from tickets.errors import GateError
from tickets.keyring import Keyring
from tickets.statements import Statement, keyring_from, read_statement

log = logging.getLogger(__name__)
PERIOD = 10.0
"""Seconds between two polls: a cancellation acts within 30 s."""
_MOST_PAGES = 10_000


class ListRefused(ServerFault):
    """The body of a list is not what its statement signed; the list before stays in use."""

    def __init__(self, serial: int, what: str) -> None:
        super().__init__(
            f"the body of list {serial} is not the one that was signed: {what}",
            "Have the server publish the list again; check what stands between gate and server",
        )


class Puller:
    """Keeps mirror and list files at what the server has signed.

    Args:
        roots: Keyring with the roots of the configuration only.
        event: As in the configuration.
        directory: Where list files live.
    """

    def __init__(
        self, backend: Backend, mirror: Mirror, roots: Keyring, event: str, directory: Path
    ) -> None:
        self._backend, self._mirror = backend, mirror
        self._event, self._directory = event, directory
        self._roots = self._keyring = roots
        self._last: dict[Type, Statement] = {}
        self._known: set[bytes] = set()
        self._resync = threading.Event()
        self.fault: GateError | None = None
        """Why a statement of the last poll was refused; None: none was."""
        self._load()

    def _load(self) -> None:
        """Verify what is stored once more: the card may have changed it, or the roots are new."""
        for stored in self._mirror.statements():
            try:
                self._believe(read_statement(stored.wire, self._event, self._keyring))
            except GateError as error:  # it comes again from the server, or is no longer true
                log.warning("a stored %s is passed over: %s", stored.type, error)

    def check_lists(self) -> None:
        """Set the newest list file aside when it is damaged, and have it fetched again."""
        newest = self._last.get(Type.LIST)
        if newest is None or not isinstance(newest.body, ListHead):
            return
        path = list_path(self._directory, newest.serial)
        try:
            if rows_hash(path) == newest.body.hash:
                return
            log.error("%s does not hold the rows that were signed", path.name)
        except ListDamaged as error:
            log.error("%s", error)
        if path.exists():
            set_aside(path)
        self._fetch_list(newest)

    def resync(self) -> None:
        """Have the next poll ask for everything again; from any thread."""
        self._resync.set()

    def poll(self) -> None:
        """One round: new statements with their lists, then new redemptions and conflicts.

        Raises:
            ServerFault, ListNotWritten: this round ends; what was stored stays.
        """
        if self._resync.is_set():
            self._resync.clear()
            self._mirror.move("statements", 0)
            self._mirror.move("redemptions", 0)
            self._mirror.move("conflicts", 0)
        self._pull_statements()
        self._pull_redemptions()
        self._pull_conflicts()

    # Statements

    def _pull_statements(self) -> None:
        found, following = self._backend.statements(self._mirror.position("statements"))
        refused: GateError | None = None
        for wire in found:
            try:
                self._take(wire)
            except GateError as error:
                log.warning("%s %d: %s", wire.type, wire.serial, error)
                refused = refused or error
        self.fault = refused
        # Past a refused one the cursor does not go: it is asked for again, and the fault stays
        # visible. Those behind it were judged on their own, and are known by their digest.
        if refused is None:
            self._mirror.move("statements", following)

    def _take(self, wire: WireStatement) -> None:
        statement = read_statement(wire.wire, self._event, self._keyring)
        if statement.digest in self._known:  # all was asked for again
            return
        self._check_place(statement)
        if isinstance(statement.body, ListHead):
            self._fetch_list(statement)
        self._mirror.add_statement(
            StoredStatement(statement.type, statement.serial, statement.digest, wire.wire)
        )
        self._believe(statement)

    def _check_place(self, statement: Statement) -> None:
        newest = self._newest_rows()
        follows(
            newest if statement.type is Type.DELTA else self._last.get(statement.type), statement
        )
        # Lists share their sequence with the deltas: an older list would undo cancellations.
        if statement.type is Type.LIST and newest and statement.serial <= newest.serial:
            raise StatementRejected(
                Attack.ROLL_BACK, f"list {statement.serial} is not newer than {newest.serial}"
            )

    def _newest_rows(self) -> Statement | None:
        both = [s for t in (Type.LIST, Type.DELTA) if (s := self._last.get(t)) is not None]
        return max(both, key=lambda statement: statement.serial, default=None)

    def _believe(self, statement: Statement) -> None:
        self._last[statement.type] = statement
        self._known.add(statement.digest)
        if isinstance(statement.body, Keyset):
            self._keyring = keyring_from(self._roots, statement)

    # Lists

    def _fetch_list(self, statement: Statement) -> None:
        head = statement.body
        if not isinstance(head, ListHead):
            raise TypeError(f"a {statement.type} has no rows to fetch")
        with tempfile.TemporaryFile(dir=self._directory) as rows:
            sink = _Rows(statement.serial, head, rows)
            # gzip of random ids does not shrink below a half, nor ever grows by more than this.
            self._backend.rows(head.hash, sink.write, limit=head.size + head.size // 100 + 4096)
            sink.finish()
            rows.seek(0)
            build_list(self._directory, statement.serial, rows)

    # Redemptions elsewhere

    def _pull_redemptions(self) -> None:
        for _ in range(_MOST_PAGES):
            after = self._mirror.position("redemptions")
            page, following = self._backend.redemptions(after)
            if following <= after:
                return
            self._mirror.add_redemptions(list(_rows(page)), following)

    def _pull_conflicts(self) -> None:
        """Conflicts found after our upload was answered: another gate came on line later."""
        for _ in range(_MOST_PAGES):
            after = self._mirror.position("conflicts")
            page, following = self._backend.conflicts(after)
            if following <= after:
                return
            self._mirror.add_conflicts([(_conflict(row), row.stands) for row in page], following)


def _conflict(row: ConflictRow) -> Conflict:
    other = row.other
    return Conflict(
        row.presentation, other.presentation, other.ticket_key, other.list, other.gate, other.at
    )


class _Rows:
    """Unpacks a compressed list into a file, slice by slice: never more than was announced."""

    def __init__(self, serial: int, head: ListHead, file: BinaryIO) -> None:
        self._serial, self._head, self._file = serial, head, file
        self._stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._digest = blake2b(digest_size=32)
        self._size = 0

    def write(self, data: bytes) -> None:
        """One piece of the body as it comes."""
        while data:
            try:
                rows = self._stream.decompress(data, 1 << 20)
            except zlib.error as error:
                raise ListRefused(self._serial, str(error)) from error
            data = self._stream.unconsumed_tail
            self._size += len(rows)
            if self._size > self._head.size or self._stream.unused_data:
                raise ListRefused(self._serial, f"longer than {self._head.size} bytes")
            self._digest.update(rows)
            self._file.write(rows)

    def finish(self) -> None:
        """The body has ended: is it whole, and the one that was signed?"""
        if not self._stream.eof or self._size != self._head.size:
            raise ListRefused(self._serial, f"{self._size} of {self._head.size} bytes")
        if self._digest.digest() != self._head.hash:
            raise ListRefused(self._serial, "its hash is another")


def _rows(page: Iterable[Redemption]) -> Iterable[RedemptionElsewhere]:
    return (
        RedemptionElsewhere(
            row.presentation,
            row.ticket_key,
            row.list,
            row.direction,
            row.at,
            row.gate,
            row.device,
            row.epoch,
            row.stands,
        )
        for row in page
    )
