"""Fetching what the gate believes: statements, list bodies, redemptions elsewhere.

Each statement is verified on arrival, so that nothing forged fills the card; scanner verifies again
before it uses one. A list statement is stored after its file is in place, so that whoever reads the
statement finds the file.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from store.mirror import Conflict, Mirror, RedemptionElsewhere, StoredStatement
from sync.answers import ConflictRow, Redemption, WireStatement
from sync.backend import Source
from sync.lists import Lists
from sync.names import NameFiles
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Keyset, ListHead, Type
from tickets.chain import follows
from tickets.errors import GateError
from tickets.keyring import Keyring
from tickets.statements import Statement, digest_of, keyring_from, read_statement

log = logging.getLogger(__name__)
PERIOD = 10.0
"""Seconds between two polls: a cancellation acts within 30 s."""
_MOST_PAGES = 10_000


class Puller:
    """Keeps mirror and list files at what the server has signed.

    Args:
        roots: Keyring with the roots of the configuration only: the first anchor.
        event: As in the configuration.
        directory: Where list files live.
        monotonic: Seconds that never jump.
    """

    def __init__(
        self,
        backend: Source,
        mirror: Mirror,
        roots: Keyring,
        event: str,
        directory: Path,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend, self._mirror, self._event = backend, mirror, event
        self._monotonic = monotonic
        self._lists = Lists(backend, directory, monotonic)
        self._keyring = roots
        self._last: dict[Type, Statement] = {}
        self._known: set[bytes] = set()
        self._resync = threading.Event()
        self.fault: GateError | None = None
        """Why the last poll failed, or refused a statement or a list; None: it did not."""
        self.names: NameFiles | None = None
        """Guests' names; None: nobody looks after them."""
        self.completed: float | None = None
        """Monotonic seconds of the last poll after which all that is signed was here."""
        self._load()

    def _load(self) -> None:
        """Verify what is stored once more: the card may have changed it, or the roots are new."""
        for stored in self._mirror.statements():
            try:
                self._believe(read_statement(stored.wire, self._event, self._keyring))
            except GateError as error:  # it comes again from the server, or is no longer true
                log.warning("a stored %s is passed over: %s", stored.type, error)

    def suspect_lists(self) -> None:
        """Have the next poll look into the newest list's file; from any thread."""
        self._lists.suspect()

    def resync(self) -> None:
        """Have the next poll ask for everything again; from any thread."""
        self._resync.set()

    def poll(self) -> None:
        """One round: new statements with their lists, then new redemptions and conflicts.

        Raises:
            ServerFault, ListNotWritten, MirrorNotWritten: this round ends; what was stored stays.
        """
        try:
            refused = self._poll()
        except GateError as error:
            self.fault = error
            raise
        self.fault = refused

    def _poll(self) -> GateError | None:
        if self._resync.is_set():
            self._resync.clear()
            self._lists.try_again()
            self._mirror.move("statements", 0)
            self._mirror.move("redemptions", 0)
            self._mirror.move("conflicts", 0)
        self._lists.check(self._last.get(Type.LIST))
        refused = self._pull_statements() or self._missing_list()
        if refused is None:
            self.completed = self._monotonic()
        if self.names is not None:  # a list is as new without them
            refused = refused or self.names.keep(self._last.get(Type.NAMES))
        self._pull_redemptions()
        self._pull_conflicts()
        return refused

    # Statements

    def _pull_statements(self) -> GateError | None:
        """Take what is new; returns why one of them was refused, if one was."""
        found, following = self._backend.statements(self._mirror.position("statements"))
        refused: GateError | None = None
        foreign: GateError | None = None
        for wire in found:
            try:
                self._take(wire)
            except GateError as error:
                log.warning("%s %d: %s", wire.type, wire.serial, error)
                if wire.type == Type.KEYSET:
                    foreign = foreign or error
                else:
                    refused = refused or error
            else:  # keysets from before the pinned roots are history once one that holds follows
                foreign = None if wire.type == Type.KEYSET else foreign
        refused = refused or foreign
        # Past a refused one the cursor does not go: it is asked for again, and the fault stays
        # visible. Those behind it were judged on their own, and are known by their digest.
        if refused is None:
            self._mirror.move("statements", following)
        return refused

    def _missing_list(self) -> GateError | None:
        """Fetch the newest list anew while its file is not there; returns why it still is not."""
        try:
            self._lists.restore(self._last.get(Type.LIST))
        except GateError as error:
            log.warning("list: %s", error)
            return error
        return None

    def _take(self, wire: WireStatement) -> None:
        if digest_of(wire.wire) in self._known:  # all was asked for again
            return
        statement = read_statement(wire.wire, self._event, self._keyring)
        self._check_place(statement)
        if isinstance(statement.body, ListHead):
            self._lists.fetch(statement)
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
            self._keyring = keyring_from(self._keyring, statement)

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
            row.counter,
        )
        for row in page
    )
