"""The organiser's statements as this gate believes them: each verified here, in its place.

Pure of I/O. What is refused changes nothing: what was believed before stays in force.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from admission.rules import EventPolicy, policy_from_body
from tickets.attacks import Attack, StatementRejected
from tickets.bodies import Delta, Keyset, ListHead, Type
from tickets.chain import follows
from tickets.keyring import Keyring, pinned
from tickets.rows import Ticket
from tickets.statements import Statement, digest_of, keyring_from, read_statement

KEPT_LISTS = 2
"""The newest list, and the one before it: in force until the newest one's file is whole."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Which statement of a sequence is meant."""

    serial: int
    digest: bytes


def sequence_of(statement: Statement) -> str:
    """Statements of one sequence have rising serials; list and delta share one, `rows`."""
    return "rows" if statement.type in (Type.LIST, Type.DELTA) else statement.type.value


@dataclass(slots=True, eq=False)
class Chain:
    """A full list and the deltas that were published since."""

    head: Statement
    deltas: list[Statement] = field(default_factory=list)

    @property
    def newest(self) -> Statement:
        """The last of the chain."""
        return self.deltas[-1] if self.deltas else self.head


class Statements:
    """Takes statements in one by one."""

    def __init__(self, event: str, root_keys: tuple[bytes, ...], threshold: int) -> None:
        """`root_keys`: 32 bytes each, pinned in the configuration; `threshold` must sign.

        They are the first anchor: a keyset that they sign may name other roots. Without any,
        nobody is believed.
        """
        self.keyring: Keyring = pinned(root_keys, threshold) if root_keys else Keyring({}, 1)
        self.policy: EventPolicy | None = None
        self.chains: list[Chain] = []
        """At most `KEPT_LISTS`, oldest first."""
        self.marks: dict[str, Mark] = {}
        """The newest statement by sequence."""
        self._event = event
        self._latest: dict[Type, Statement] = {}
        self._known: dict[bytes, tuple[str, Mark]] = {}
        """Sequence and mark of what was believed, by digest."""
        self._lists_ever: dict[bytes, bytes] = {}
        """List keys that any keyset has named, those withdrawn since among them."""
        self._had: dict[str, Mark] = {}
        self._older: dict[str, StatementRejected] = {}

    @property
    def has_keys(self) -> bool:
        """Whether the organiser has said whose signatures count."""
        return Type.KEYSET in self._latest

    @property
    def newest_chain(self) -> Chain | None:
        """The newest list, with its deltas; None before the first."""
        return self.chains[-1] if self.chains else None

    def take(self, wire: bytes) -> Statement | None:
        """Believe the statement in `wire`; None: it is the newest already, or an older one.

        Older ones are met whenever all is read from its start: see `rolled_back`.

        Raises:
            StatementRejected: forged, out of place, or of another event.
            PolicyMalformed: signed, but no rules that this version knows.
        """
        return self._take(wire, self.keyring)

    def recall(self, wire: bytes) -> Statement | None:
        """As `take`, of what this gate has believed before and kept where nobody else writes.

        What was applied stays in force, also when the list key that signed it was withdrawn since.
        """
        return self._take(wire, self.keyring.with_lists(self._lists_ever))

    @property
    def withdrawn(self) -> list[Type]:
        """Of what is in force: the types whose signer counts no more. Old, till it is replaced."""
        lists = self.keyring.signing_lists()
        heads = {Type.POLICY: self._latest.get(Type.POLICY)}
        heads[Type.LIST] = self.newest_chain.head if self.newest_chain else None
        return [t for t, s in heads.items() if s is not None and s.signers.isdisjoint(lists)]

    @property
    def newest(self) -> list[Statement]:
        """The newest keyset, policy, and list or delta; those that are there."""
        found = [self._latest.get(Type.KEYSET), self._latest.get(Type.POLICY), self._newest_rows()]
        return [statement for statement in found if statement is not None]

    def _take(self, wire: bytes, keyring: Keyring) -> Statement | None:
        if known := self._known.get(digest_of(wire) or b""):
            self._met(*known)
            return None
        new = read_statement(wire, self._event, keyring)
        sequence, mark = sequence_of(new), Mark(new.serial, new.digest)
        try:
            self._check_place(new)
        except StatementRejected as error:
            if error.attack is not Attack.ROLL_BACK:
                raise
            self._older[sequence] = error  # history too, unless nothing newer comes behind it
            return None
        self._believe(new)
        self.marks[sequence] = mark
        self._known[new.digest] = sequence, mark
        self._older.pop(sequence, None)
        return new

    def _met(self, sequence: str, mark: Mark) -> None:
        """What was believed before is there again."""
        now = self.marks[sequence]
        if mark == now:
            self._older.pop(sequence, None)  # what came before it was history
            return
        what = f"{sequence} {mark.serial} is not newer than {now.serial}"
        self._older[sequence] = StatementRejected(Attack.ROLL_BACK, what)

    def require(self, had: Mapping[str, Mark]) -> None:
        """Believe nothing as current that is older than what this gate has `had` before."""
        self._had = dict(had)

    @property
    def rolled_back(self) -> StatementRejected | None:
        """The last word of a sequence is older than one believed before: it is not followed."""
        for sequence, had in self._had.items():
            now = self.marks.get(sequence)
            if now is not None and (now.serial < had.serial or _forked(now, had)):
                what = f"{sequence} {now.serial} is not newer than {had.serial}, believed before"
                return StatementRejected(Attack.ROLL_BACK, what)
        return next(iter(self._older.values()), None)

    @property
    def current(self) -> bool:
        """Whether nothing believed now is older than what was believed before."""
        return all(
            (now := self.marks.get(sequence)) is not None
            and now.serial >= had.serial
            and not _forked(now, had)
            for sequence, had in self._had.items()
        )

    def overlay(self, base: Chain) -> dict[bytes, Ticket | None]:
        """What was said of tickets since the list `base`, by ticket key; None: removed.

        Deltas of a newer list count too: a cancellation acts even while its own list is not there.
        """
        overlay: dict[bytes, Ticket | None] = {}
        chains = self.chains[self.chains.index(base) :]
        for delta in (delta for chain in chains for delta in chain.deltas):
            assert isinstance(delta.body, Delta)
            overlay.update((ticket.key, ticket) for ticket in delta.body.tickets())
            overlay.update((key, None) for key in delta.body.removed_keys())
        return overlay

    def _newest_rows(self) -> Statement | None:
        return self.newest_chain.newest if self.newest_chain else None

    def _check_place(self, new: Statement) -> None:
        if new.type is Type.TIME:
            raise StatementRejected(
                Attack.MIX_AND_MATCH, "a time answers a question, and is no news"
            )
        rows = self._newest_rows()
        follows(rows if new.type is Type.DELTA else self._latest.get(new.type), new)
        # Lists share their sequence with the deltas: an older list would undo cancellations.
        if new.type is Type.LIST and rows is not None and new.serial <= rows.serial:
            raise StatementRejected(
                Attack.ROLL_BACK, f"list {new.serial} is not newer than {rows.type} {rows.serial}"
            )

    def _believe(self, new: Statement) -> None:
        if isinstance(new.body, Keyset):
            self.keyring = keyring_from(self.keyring, new)
            self._lists_ever.update(self.keyring.lists)
        elif isinstance(new.body, ListHead):
            self.chains = [*self.chains, Chain(new)][-KEPT_LISTS:]
        elif isinstance(new.body, Delta):
            self.chains[-1].deltas.append(new)
        elif isinstance(new.body, Mapping):
            self.policy = policy_from_body(new.body)
        self._latest[new.type] = new


def _forked(now: Mark, had: Mark) -> bool:
    return now.serial == had.serial and now.digest != had.digest
