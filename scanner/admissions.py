"""The admission core of a gate: reserve, gather facts, decide and record in one transaction.

All lanes share one. It is the only caller of `decide`, and the only writer of scans and
outcomes; nothing is released before `conclude` has returned.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from admission.clock import Clock
from admission.decide import Claim, Decision, Facts, decide
from admission.direction import Direction
from admission.errors import GateError
from admission.history import Use, merge, turned_back
from admission.rules import CheckInList, GatePolicy, Product
from admission.verdict import Reason, refused
from scanner.books import Books, Elsewhere
from scanner.outcomes import FREE_FLOW
from scanner.questions import Question
from scanner.showing import Showing, Stamp
from store.failpoints import failpoint
from store.journal import ANNUL, Journal, JournalUnavailable
from store.records import Entry, Kind, Record
from tickets.rows import Status

_MEDIUM = int(Status.MEDIUM)
RESUME_WITHIN = 120.0
"""Seconds after a lane is ready again in which an interrupted admission may be resumed."""


Seal = Callable[[bytes], bytes | None]


class NotReady(GateError):
    """The gate has no keys, list or rules yet."""


class Admissions:
    """Decides and records for every lane of the gate. Thread-safe."""

    def __init__(
        self,
        *,
        journal: Callable[[], Journal],
        books: Callable[[], Books],
        elsewhere: Elsewhere,
        clock: Clock,
        stamp: Stamp,
        policy: GatePolicy,
        training: bool = False,
        seal: Seal = lambda code: None,
        recovered: Callable[[Journal], None] = lambda journal: None,
    ) -> None:
        """`journal` and `books` raise `JournalUnavailable` and `NotReady` while there is none.

        `training`: only test tickets count here, and nothing is uploaded. `seal`: for a server that
        knows a ticket by its code alone, the code for the outbox; None: none is kept. `recovered`
        is called whenever a newly opened journal has been settled.
        """
        self._open_journal, self._books, self._elsewhere = journal, books, elsewhere
        self._clock, self._stamp, self._policy = clock, stamp, policy
        self._is_training, self._seal, self._on_recovered = training, seal, recovered
        self._recovered: Journal | None = None
        """The journal whose interrupted admissions are settled; another is recovered first."""
        self._recovering = threading.RLock()
        self.interrupted: list[Entry] = []
        """Admissions that an earlier run left without an outcome."""
        self.passages: list[tuple[str, str, str | None, int]] = []
        """(lane, direction, list, number) of people who went through before this run."""
        self._reserved: dict[bytes, Showing] = {}
        self._on_the_way: dict[bytes, Showing] = {}
        """Admitted, outcome not yet known; by presentation."""
        self._lock = threading.Lock()
        self._owed: deque[Record] = deque()
        self._settling = threading.Lock()
        self.inside: Counter[str] = Counter()
        """People inside by check-in list, as far as this gate saw."""

    @property
    def books(self) -> Books:
        """What the gate believes now. Raises NotReady."""
        return self._books()

    # -- the way of one showing ----------------------------------------------------------------

    def begin(self, showing: Showing, claims: bool) -> Decision | None:
        """Decide and record a showing, unless an authority must be asked first.

        Args:
            claims: entries are claimed at an authority.
        Returns:
            The recorded decision; None: reserved and locally admitted, a claim is due.
        Raises:
            JournalUnavailable, NotReady: nothing was recorded and nothing may be released.
        """
        self._choose(showing)
        rival = self._reserve(showing)
        if rival and showing.direction is Direction.ENTRY:  # an exit is never refused
            verdict = refused(Reason.TAKEN_ELSEWHERE, f"in use at lane {rival.lane} right now")
            showing.counted = False  # or it would make a replay of the showing that goes on
            return self._record(showing, Claim(), Decision(verdict), self._books().serial)
        try:
            failpoint("reserved")
            if claims and self._claim_is_due(showing):
                return None
            return self.conclude(showing, Claim())
        except BaseException:
            self._let_go(showing)
            raise

    def conclude(self, showing: Showing, claim: Claim) -> Decision:
        """Decide with the claim's answer, and record, in one transaction."""
        try:
            books = self._books()
            facts = self._facts(showing, books, claim)
            journal = self._journal()
            with journal.transaction():
                decision = decide(self._with_own_uses(facts, showing, journal))
                self._append(journal, showing, claim, decision, books.serial)
                if decision.verdict.admitted:
                    with self._lock:
                        self._on_the_way[showing.presentation] = showing
        except BaseException:
            self._let_go(showing)
            raise
        failpoint("committed")
        if not decision.verdict.admitted:
            self._let_go(showing)
        return decision

    def preview(self, showing: Showing) -> Decision:
        """Say what would be decided now; records nothing, reserves nothing."""
        self._choose(showing)
        facts = self._facts(showing, self._books(), Claim())
        return decide(self._with_own_uses(facts, showing, self._journal()))

    def look(self, showing: Showing) -> Decision:
        """Say what would be decided, record it as `checked`, redeem nothing (lane mode check)."""
        self._choose(showing)
        books = self._books()
        journal = self._journal()
        facts = self._facts(showing, books, Claim())
        with journal.transaction():
            decision = decide(self._with_own_uses(facts, showing, journal))
            verdict = decision.verdict
            reason = verdict.reason.value if verdict.reason else None
            journal.append(
                self._stamp.record(
                    Kind.SCAN,
                    showing,
                    counter=showing.number,
                    verdict="checked",
                    reason=reason,
                    claim="none",
                )
            )
        return decision

    def refuse(self, showing: Showing, reason: Reason, detail: str) -> None:
        """Record a showing whose check was cut short; its claim is annulled by the upload."""
        try:
            decision = Decision(refused(reason, detail))
            self._record(showing, Claim(), decision, self._books().serial)
        finally:
            self._let_go(showing)

    def close(self, showing: Showing, kind: Kind, detail: str = "") -> bool:
        """Record the outcome of an admission and give its ticket free.

        Returns:
            False when the journal cannot be written now: the outcome is owed, and written first
            thing when it can be again.
        """
        record = self._stamp.record(kind, showing, detail=detail)
        try:
            return self._write(record)
        finally:
            failpoint("outcome-recorded")
            self._let_go(showing, passed=kind is Kind.PASSAGE and detail != FREE_FLOW)

    # -- other records -------------------------------------------------------------------------

    def note(self, kind: Kind, **facts: object) -> bool:
        """Record something that is not a showing: forced, mode, fault, clock, folded."""
        return self._write(self._stamp.record(kind, None, **facts))

    def walked_through(self, check_in_list: str, direction: Direction) -> None:
        """Someone went through a lane that is held open."""
        with self._lock:
            self._count(check_in_list, direction)

    def prove(self, kind: Kind, check_in_list: str, **facts: object) -> None:
        """Show that the gate can work, by writing a record and reading the books.

        Raises:
            JournalUnavailable, NotReady: it still cannot.
        """
        self._rules(self._books(), check_in_list)
        self._journal().record(self._stamp.record(kind, None, **facts))

    def open_questions(self, lane: str) -> list[Question]:
        """Entries of a lane that nobody was seen to use and no steward has answered for."""
        return [
            Question(
                presentation=record.presentation or b"",
                ticket_key=record.ticket_key or b"",
                check_in_list=record.list or "",
                direction=Direction(record.direction or Direction.ENTRY),
                at=record.at,
            )
            for record in (entry.record for entry in self._journal().questions())
            if record.lane == lane
        ]

    def annul(self, question: Question, lane: str, who: str) -> None:
        """The steward says that nobody went through after all.

        Raises:
            JournalUnavailable: it is not recorded.
        """
        self._journal().record(
            self._stamp.record(
                Kind.OPERATOR,
                presentation=question.presentation,
                ticket_key=question.ticket_key,
                lane=lane,
                list=question.check_in_list,
                direction=question.direction.value,
                detail=f"{ANNUL}: nobody went through, says {who}",
            )
        )

    def settle_debts(self) -> None:
        """Write the outcomes owed since the journal was last out of reach.

        Raises:
            JournalUnavailable: still out of reach.
        """
        with self._settling:  # two lanes at it would write one twice and drop the next
            while self._owed:
                self._journal().record(self._owed[0])
                self._owed.popleft()

    def recover(self) -> list[Entry]:
        """Settle what the last run left open; returns the admissions it interrupted.

        Raises:
            JournalUnavailable: it cannot be opened; it is recovered at its first use then.
        """
        self._journal()
        return self.interrupted

    def product(self, showing: Showing) -> Product:
        """The product of the ticket shown. Raises NotReady."""
        books = self._books()
        ticket = books.ticket(showing.ticket_key) if showing.ticket_key else None
        return books.product(showing.credential, ticket)

    def turned_back(self, showing: Showing) -> int:
        """How often this ticket's entry was annulled here already without asking anybody."""
        if showing.ticket_key is None:
            return 0
        return turned_back(self._journal().uses(showing.ticket_key), showing.check_in_list)

    # -- inside --------------------------------------------------------------------------------

    def _journal(self) -> Journal:
        """The journal, recovered: no decision is made on one with admissions left open."""
        journal = self._open_journal()
        if journal is not self._recovered:
            with self._recovering:
                if journal is not self._recovered:
                    self._recover(journal)
                    self._recovered = journal
        return journal

    def _recover(self, journal: Journal) -> None:
        """Admissions without an outcome become `interrupted`, but for those of this very run."""
        with self._lock:
            ours = set(self._on_the_way) | {record.presentation for record in self._owed}
        lost = [e for e in journal.interrupted() if e.record.presentation not in ours]
        with journal.transaction():
            for entry in lost:
                journal.append(self._stamp.record(Kind.INTERRUPTED, None, **_as_interrupted(entry)))
        self.interrupted = lost
        if self._recovered is None:  # a later journal of this run knows less than we have counted
            self._count_before(journal)
        self._on_recovered(journal)

    def _count_before(self, journal: Journal) -> None:
        self.passages = journal.passages()
        inside: Counter[str] = Counter()
        for _, direction, check_in_list, number in self.passages:
            inside[check_in_list or ""] += number if direction == Direction.ENTRY else -number
        self.inside = +inside  # more left than entered: nobody is inside, not fewer

    def _reserve(self, showing: Showing) -> Showing | None:
        """Reserve the ticket; the showing that has it already, if there is one."""
        if showing.ticket_key is None:
            return None
        with self._lock:
            return_value = self._reserved.setdefault(showing.ticket_key, showing)
        return None if return_value is showing else return_value

    def _let_go(self, showing: Showing, passed: bool = False) -> None:
        with self._lock:
            self._on_the_way.pop(showing.presentation, None)
            if passed:
                self._count(showing.check_in_list, showing.direction)
            if showing.ticket_key and self._reserved.get(showing.ticket_key) is showing:
                del self._reserved[showing.ticket_key]

    def _count(self, check_in_list: str, direction: Direction) -> None:
        way = 1 if direction is Direction.ENTRY else -1
        self.inside[check_in_list] = max(0, self.inside[check_in_list] + way)

    def _claim_is_due(self, showing: Showing) -> bool:
        if showing.direction is Direction.EXIT or showing.ticket_key is None:
            return False
        facts = self._facts(showing, self._books(), Claim())
        if facts.product.staff:
            return False
        showing.unlisted = facts.ticket is None
        decision = decide(self._with_own_uses(facts, showing, self._journal()))
        return decision.verdict.admitted and decision.resumes is None

    def _choose(self, showing: Showing) -> None:
        """Settle which ticket the code stands for, and on which list it is judged and counted."""
        if showing.chosen or showing.ticket_key is None:
            return
        books, key = self._books(), showing.ticket_key
        if not books.policy.events:  # only at a pretix server has a code several tickets
            return
        at = self._clock.reading().at
        chosen = books.choose(showing.credential, key, showing.check_in_list, at)
        if chosen is None:
            return  # `_rules` says that the list is missing
        choice, showing.by_medium = chosen
        showing.ticket_key, showing.ambiguous = choice.candidate.key, choice.ambiguous
        showing.check_in_list, showing.chosen = choice.check_in_list.name, True

    def _facts(self, showing: Showing, books: Books, claim: Claim) -> Facts:
        rules = self._rules(books, showing.check_in_list)
        ticket = books.ticket(showing.ticket_key) if showing.ticket_key else None
        if ticket is not None and int(ticket.flags) & _MEDIUM:
            ticket = None  # it stands for no ticket that this gate knows
        product = books.product(showing.credential, ticket)
        elsewhere = self._elsewhere.uses(showing.ticket_key) if showing.ticket_key else ()
        return Facts(
            credential=showing.credential,
            ticket=ticket,
            product=product,
            uses=elsewhere,
            check_in_list=rules,
            direction=showing.direction,
            reading=self._clock.reading(),
            policy=self._policy,
            claim=claim,
            list_age=books.age(),
            resume_open=showing.resume_open,
            training=self._is_training,
            follows=showing.continuation,
            event=books.event(product),
            ambiguous=showing.ambiguous,
            by_medium=showing.by_medium,
        )

    @staticmethod
    def _rules(books: Books, name: str) -> CheckInList:
        rules = books.check_in_list(name)
        if rules is None:
            raise NotReady(
                f"the organiser's rules have no check-in list '{name}'",
                "Correct check_in_list of the lane, or have the organiser publish that list",
            )
        return rules

    def _with_own_uses(self, facts: Facts, showing: Showing, journal: Journal) -> Facts:
        if showing.ticket_key is None:
            return facts
        return replace(
            facts,
            uses=merge(journal.uses(showing.ticket_key), facts.uses),
            counter=_highest(showing, showing.ticket_key, facts.uses, journal),
            inside_now=self._inside_soon(showing.check_in_list),
        )

    def _inside_soon(self, check_in_list: str) -> int:
        """People inside, with those who are let in at any lane right now."""
        with self._lock:
            coming = sum(
                other.check_in_list == check_in_list and other.direction is Direction.ENTRY
                for other in self._on_the_way.values()
            )
            return self.inside[check_in_list] + coming

    def _record(self, showing: Showing, claim: Claim, decision: Decision, serial: int) -> Decision:
        journal = self._journal()
        with journal.transaction():
            self._append(journal, showing, claim, decision, serial)
        return decision

    def _append(
        self, journal: Journal, showing: Showing, claim: Claim, decision: Decision, serial: int
    ) -> None:
        failpoint("before-append")
        verdict = decision.verdict
        # Let out with a drawing of another hour: it uses up none of this one.
        stale = decision.overruled is Reason.STALE_CODE
        journal.append(
            self._stamp.record(
                Kind.SCAN,
                showing,
                counter=showing.counter if stale else showing.number,
                verdict="admitted" if verdict.admitted else "refused",
                reason=verdict.reason.value if verdict.reason else None,
                claim=claim.state.value,
                list_serial=serial,
                detail=verdict.attention or verdict.detail,
            ),
            self._seal(showing.code or b""),
        )
        if decision.resumes:
            journal.append(
                self._stamp.record(
                    Kind.RESUMED,
                    showing,
                    presentation=decision.resumes,
                    detail=f"by {showing.presentation.hex()}",
                )
            )

    def _write(self, record: Record) -> bool:
        try:
            self.settle_debts()
            self._journal().record(record)
        except JournalUnavailable:
            self._owed.append(record)
            return False
        return True


def _highest(
    showing: Showing, ticket_key: bytes, elsewhere: Sequence[Use], journal: Journal
) -> int | None:
    """The highest counter of this card's messages that was shown before this showing."""
    if showing.counter is None or showing.continuation:  # who follows in a group shows nothing
        return None
    seen = [use.counter for use in elsewhere if use.counter is not None]
    here = journal.highest_counter(ticket_key)
    return max(seen if here is None else [*seen, here], default=None)


def _as_interrupted(entry: Entry) -> dict[str, object]:
    """The facts of a scan that its `interrupted` record repeats."""
    names = ("presentation", "lane", "list", "medium", "format", "ticket_key", "direction")
    facts: dict[str, object] = {name: getattr(entry.record, name) for name in names}
    return facts | {"detail": "the gate stopped before the outcome was known"}
