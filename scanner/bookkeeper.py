"""Keeps the books: reads new statements from the mirror, verifies each itself, swaps whole.

sync is not believed: every keyset, policy, delta and list is verified here again before use.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from admission.clock import Clock
from admission.errors import GateError
from admission.rules import PolicyMalformed
from scanner.admissions import NotReady
from scanner.books import Books
from scanner.elsewhere import Report
from scanner.freshness import RECENT, ListFrozen, expired, frozen, withdrawn
from scanner.identity import Identity
from scanner.kept import STATEMENTS, Kept, StateNotWritten, fingerprint
from scanner.list_age import ListAge
from scanner.list_files import ListFiles, RowsHasher
from scanner.statements import Chain, Statements
from store.listfile import ListFile
from store.mirror_reader import MirrorReader
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import ListHead, ServerTime
from tickets.keyring import Keyring
from tickets.statements import Statement, read_statement

log = logging.getLogger("admit.scanner.books")

POLL_EVERY = 0.5
"""Seconds between looks at the mirror: a cancellation acts at most this much later."""
CONFLICTS_EVERY = 2.0
MOST_CONFLICTS = 50
MOST_NEWS, LOOK_WITHIN = 4096, 5.0
"""Statements taken in one look, and seconds: whoever took over sync can write them without end."""
FIRST_WAIT = 2.0
"""Seconds a look may wait for a list to be hashed as long as there are no books at all."""


class Bookkeeper:
    """Builds `Books` from what sync fetched; one thread calls `poll`, any thread the rest."""

    def __init__(
        self,
        *,
        event: str,
        root_keys: tuple[bytes, ...],
        threshold: int,
        directory: Path,
        own: Path,
        clock: Clock,
        report: Report,
        kind: str = "admit",
    ) -> None:
        """`directory` is sync's state, which is only read; `own` is where the keeper writes.

        `kind`: of the server, see `Identity.read`.
        """
        self.identity: Identity | None = None
        self._no_identity = "the gate has only just started", "Wait a moment"
        self._event, self._directory, self._report = event, directory, report
        self._clock, self._kind = clock, kind
        self._mirror = MirrorReader(directory / "mirror.db")
        self._own = own
        self._trust_in(root_keys, threshold)
        self._recalled = False
        self._unsaved: list[tuple[Statement, bytes]] = []
        """Believed, but not yet kept on the card."""
        self._hasher = RowsHasher(clock.monotonic, memory=own / "lists.json")
        self._files = ListFiles(directory, own / "lists", self._hasher)
        self._cursor = 0
        self._books: Books | None = None
        self._age = ListAge(own / "contact.json", clock)
        self._in_force: Chain | None = None
        """The list of the books; not the newest while that one's file is not there or not whole."""
        self._conflicts: list[dict[str, object]] = []
        self._conflicts_at = float("-inf")

    def _trust_in(self, root_keys: tuple[bytes, ...], threshold: int) -> None:
        """Believe what these roots sign; without any, nothing until the enrolment names one."""
        self._statements = Statements(self._event, root_keys, threshold)
        trust = fingerprint(self._event, root_keys, threshold)
        self._kept = Kept(self._own / STATEMENTS, trust)

    def books(self) -> Books:
        """The newest books. Raises NotReady, saying what is missing."""
        if self._books is None:
            raise NotReady(*self._missing())
        return self._books

    @property
    def keyring(self) -> Keyring:
        """The keys believed now."""
        return self._statements.keyring

    @property
    def has_keys(self) -> bool:
        """Whether the organiser has said whose signatures count."""
        return self._statements.has_keys

    @property
    def busy(self) -> bool:
        """Whether a list is being verified: the next `poll` may know more without any news."""
        return self._hasher.busy

    def contacted(self, ago: float) -> None:
        """`ago` seconds before now, sync had all statements that the server has."""
        self._age.contacted(ago)

    def age(self) -> float | None:
        """Seconds since the list in force was last known to be current; None: there is none."""
        force, newest = self._in_force, self._statements.newest_chain
        if force is None or newest is None:
            return None
        missing = None if newest is force else newest.head.issued
        return self._age.seconds(force.newest.issued, missing, frozen=self._frozen(newest))

    def _frozen(self, newest: Chain) -> bool:
        confirms = self._kind == "admit"  # a stick is read once
        return confirms and frozen(newest.newest.issued, self._age.contact, self._clock)

    def conflicts(self) -> list[dict[str, object]]:
        """Entries of ours beyond what their tickets allow, as the server named them.

        As they were seconds ago: whoever asks, the sockets' thread among them, waits for no card.
        """
        return self._conflicts

    def server_time(self, wire: bytes, nonce: bytes) -> float:
        """Unix seconds in a signed time statement that answers `nonce`.

        Raises:
            StatementRejected: not signed by a list key, or for another nonce.
        """
        statement = read_statement(wire, self._event, self.keyring)
        if not isinstance(statement.body, ServerTime) or statement.body.nonce != nonce:
            raise StatementRejected(Attack.MIX_AND_MATCH, "it answers another question")
        return statement.body.at / 1000

    def poll(self) -> None:
        """Take in what is new, and swap the books if that changes them."""
        if self.identity is None:
            try:
                self.identity = self._identified()
            except NotReady as error:
                self._no_identity = error.cause, error.remedy
                return
        self._recall()
        news = self._read_mirror()
        if news or self._in_force is not self._statements.newest_chain:
            self._build(news)
        self._read_conflicts()
        self._look_back()
        self._save()

    def _identified(self) -> Identity:
        """Who this gate is. Raises NotReady."""
        identity = Identity.read(self._directory / "identity.json", self._event, self._kind)
        if self._kind == "pretix":  # enrolled anew there, all of it is new
            self._trust_in(identity.roots, 1)
        else:
            self._kept.pin(identity.event_key)
        return identity

    def _look_back(self) -> None:
        """Say what is old or doubtful of what is in force."""
        newest, contact = self._statements.newest_chain, self._age.contact
        held = newest is not None and contact is not None and contact < RECENT
        fault = newest and held and self._frozen(newest) and ListFrozen(newest.newest.issued)
        self._report("freeze", fault or None)
        self._report("expired", expired(self._statements, self._clock))
        self._report("withdrawn", withdrawn(self._statements))

    def _save(self) -> None:
        """Keep what the next run must know."""
        try:
            kept = bool(self._unsaved)
            if kept:
                oldest = self._statements.chains[0].head.serial if self._statements.chains else 0
                self._kept.save(self._unsaved, self._statements.marks, oldest)
                self._unsaved.clear()
            if self._age.save() or kept:
                self._report("state", None)
        except OSError as error:
            self._report("state", StateNotWritten(error))

    def _read_conflicts(self) -> None:
        now = self._clock.monotonic()
        if now - self._conflicts_at < CONFLICTS_EVERY:
            return
        self._conflicts_at = now
        self._conflicts = [
            {"ticket": row.ticket_key.hex()[-4:], "gate": row.gate, "list": row.list, "at": row.at}
            for row in self._mirror.conflicts()[:MOST_CONFLICTS]
        ]

    # -- statements ----------------------------------------------------------------------------

    def _recall(self) -> None:
        """Begin with what this gate itself has believed before, verified once more."""
        if self._recalled:
            return
        self._recalled = True
        wires, had = self._kept.load()
        for wire in wires:
            if error := self._take(wire, self._statements.recall):  # sync's copy may be better
                log.warning("a statement that was kept is passed over: %s", error.cause)
        if not self._kept.foreign:  # else they are written anew, under these roots
            self._unsaved.clear()
        self._statements.require(had)

    def _read_mirror(self) -> bool:
        """Take in what sync added; whether there was anything."""
        count, refused = 0, dict[str, GateError | None]()
        end = self._clock.monotonic() + LOOK_WITHIN
        while count < MOST_NEWS and (rows := self._mirror.statements(self._cursor)):
            count += len(rows)
            for cursor, kind, wire in rows:
                error = self._take(wire, self._statements.take)
                # By keys from before the pinned roots, or withdrawn since: history, once one of
                # those that replace each other follows that holds.
                replaced = kind in ("keyset", "policy", "names")
                refused[kind] = error or (None if replaced else refused.get(kind))
                self._cursor = cursor
            if self._clock.monotonic() > end:
                break
        if count:  # one that was refused stays shown until there is better news
            fault = next(filter(None, refused.values()), None)
            self._report("statement", fault or self._statements.rolled_back)
        return count > 0

    def _take(self, wire: bytes, take: Callable[[bytes], Statement | None]) -> GateError | None:
        """Believe a statement, or say why not."""
        try:
            statement = take(wire)
        except StatementRejected as error:
            return error
        except PolicyMalformed as error:
            remedy = "Have the organiser publish the rules again; the last ones stay in force"
            return GateError(str(error), remedy)
        if statement is not None:
            self._unsaved.append((statement, wire))
        return None

    # -- the books -----------------------------------------------------------------------------

    def _build(self, news: bool) -> None:
        if not self._statements.current:
            return  # older than what was believed before: what is in force stays
        usable = self._usable()
        if self.identity is None or self._statements.policy is None or usable is None:
            return
        chain, listed = usable
        if chain is self._in_force and not news:
            return  # still the older list, with nothing to add
        assert isinstance(chain.head.body, ListHead)
        self._books = Books(
            event_key=self.identity.event_key,
            trust=self.keyring.trust(self._event),
            policy=self._statements.policy,
            serial=chain.newest.serial,
            listed=listed.get,
            overlay=self._statements.overlay(chain),
            rows=chain.head.body.rows,
            age=self.age,
        )
        self._in_force = chain

    def _usable(self) -> tuple[Chain, ListFile] | None:
        """The newest list whose file is whole, with that file."""
        found, fault = None, None
        for chain in reversed(self._statements.chains):
            try:
                listed = self._open(chain)
            except GateError as error:
                fault = fault or error
                continue
            if listed is not None:
                found = chain, listed
                break
        self._report("list", fault)
        return found

    def _open(self, chain: Chain) -> ListFile | None:
        opened = self._files.opened(chain.head)
        if opened is not None or (self._hasher.busy and chain is not self._statements.newest_chain):
            return opened  # a newer one will be known soon: no other is begun meanwhile
        return self._files.open(chain.head, FIRST_WAIT if self._books is None else 0.0)

    def _missing(self) -> tuple[str, str]:
        if self.identity is None:
            return self._no_identity
        if not self._statements.current and (error := self._statements.rolled_back):
            return error.cause, error.remedy
        if self._hasher.busy:
            return "the ticket list is being checked", "Wait: a million tickets take a minute or so"
        if not self._statements.has_keys:
            return "the organiser's keys have not arrived", "Check the connection to the server"
        if self._statements.policy is None:
            return "the organiser's rules have not arrived", "Publish them on the server"
        return "the ticket list has not arrived", "Wait a moment, or check the server"
