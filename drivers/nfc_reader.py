"""An NFC reader's process: polls, reads what it finds, opens the reader anew when it is lost.

One thread does it all, so that a reader that hangs falls silent and is ended by the parent. nfcpy's
`connect` is not used: it turns a lost reader, a signal and an unknown card into one value.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from drivers.errors import ReaderHung
from drivers.link import Link
from drivers.messages import HEARTBEAT_EVERY, Heartbeat, Notice, Recovered, Sighting, fault_of
from drivers.nfc_424 import CardKeyDamaged, CardKeys, CardProver
from drivers.nfc_errors import AGAIN, CardFault, NfcClaimed, NfcForbidden, NfcLost
from drivers.nfc_frontend import GuardedFrontend
from drivers.nfc_ladder import Ladder, Rung
from drivers.nfc_open import NfcPort
from drivers.nfc_presence import SIGHTED_EVERY, Presence
from drivers.nfc_tap import NoProver, Prover, Read, Tap
from drivers.pace import Pace, RealPace
from drivers.registry import nfc_port
from drivers.uri import DriverUri
from tickets.cards import CardWord
from tickets.errors import GateError

MEDIUM = "nfc"
HOLD_STILL, NO_TICKET = "hold_still", "no_ticket"
"""Notices to the guest; after the second, which is final, none more about a card."""
POLL_EVERY = 0.04
"""Seconds between two polls of an empty field; one takes 5 to 15 ms of the line."""
LOOK_EVERY = 0.2
"""Seconds between two looks at the other duties while the reader is away."""

log = logging.getLogger(__name__)


class NfcHung(ReaderHung):
    """The reader is plugged in and does not answer, whatever was tried; a new process may help."""


class NfcReader:
    """Sends sightings of cards, faults of the reader, and heartbeats."""

    def __init__(
        self,
        port: NfcPort,
        link: Link,
        prover: Prover,
        text: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self._port, self._link, self._prover, self._text = port, link, prover, text
        self._pace = pace or RealPace()
        self._frontend: GuardedFrontend | None = None
        self._ladder = Ladder()
        self._presence = Presence()
        self._lasting: GateError | None = None
        self._beat = float("-inf")
        self.counters: Counter[str] = Counter()

    def run(self) -> None:
        """Work until the parent is gone (ParentGone) or only a new process helps (NfcHung)."""
        while True:
            self.step()

    def step(self) -> None:
        """One poll, or one step towards having a reader again."""
        self._heartbeat()
        if self._frontend is None:
            self._open_when_due()
            return
        started = self._pace.now()
        try:
            self._look(self._frontend, started)
        except NfcLost as error:
            self._failed(error)
            return
        self._ladder.well()
        self._recovered()
        self._pace.wait(POLL_EVERY)

    # --- the field

    def _look(self, frontend: GuardedFrontend, now: float) -> None:
        target = frontend.poll()
        self.counters["polls"] += 1
        if target is None or not target.sdd_res:
            self._presence.empty(now)
            return
        card = self._presence.found(bytes(target.sdd_res), now)
        if now < card.due:
            return
        if card.payload is not None and card.is_known(now):
            card.due = now + SIGHTED_EVERY
            self._sight(card.payload, now)
            return
        self._tap(frontend, target, now)

    def _tap(self, frontend: GuardedFrontend, target: Any, now: float) -> None:
        self.counters["taps"] += 1
        try:
            payload = Tap(frontend, self._prover, self._text).read(target)
        except CardFault as fault:
            self._unread(fault, now)
            return
        self._sight(payload, now)
        self._presence.read(payload, self._pace.now())

    def _sight(self, read: Read, at: float) -> None:
        card = read if isinstance(read, CardWord) else None
        payload = read if isinstance(read, bytes) else b""
        self._link.sightings([Sighting(payload, MEDIUM, 0.0, at, card)])

    def _unread(self, fault: CardFault, at: float) -> None:
        self.counters[f"failed_{fault.why}"] += 1
        card = self._presence.card
        name = HOLD_STILL if fault.why in AGAIN else NO_TICKET
        if card is not None and card.told not in (name, NO_TICKET):
            card.told = name
            self._link.notice(Notice(name, fault.cause, fault.remedy, at))
        self._presence.failed(fault, self._pace.now())

    # --- the reader

    def _open_when_due(self) -> None:
        now = self._pace.now()
        rung = self._ladder.next(now)
        if rung is Rung.WAIT:
            self._pace.wait(min(LOOK_EVERY, self._ladder.due - now))
            return
        try:
            if rung is Rung.RESET:
                self.counters["resets"] += 1
                self._port.reset()
            self._frontend = self._port.open(self._pace.now)
        except GateError as error:
            self._failed(error)

    def _failed(self, error: GateError) -> None:
        """Count what went wrong; the ladder says what to do about it."""
        log.info("%s", error.cause)
        self.counters["reader_errors"] += 1
        if self._frontend is not None and self._ladder.stumbled():
            return  # one lost frame on a busy line is no lost reader: polled again at once
        if self._frontend is not None:
            self._port.let_go(self._frontend)
            self._frontend = None
            self.counters["reopens"] += 1
        self._report(error)
        if self._ladder.fell(self._pace.now()) and self._may_help(error):
            hung = NfcHung("The reader is plugged in, but does not answer", "It is started anew")
            self._link.fault(fault_of(hung, self._pace.now(), lasting=False))
            raise hung

    def _may_help(self, error: GateError) -> bool:
        """Whether a new process may: it could not open what is not there, taken or forbidden."""
        return self._port.there() and not isinstance(error, NfcClaimed | NfcForbidden)

    def _report(self, error: GateError) -> None:
        known = self._lasting
        if known is not None and str(known) == str(error):
            return  # the same at every attempt: said once
        self._recovered()
        self._lasting = error
        self._link.fault(fault_of(error, self._pace.now(), lasting=True))

    def _recovered(self) -> None:
        if self._lasting is not None:
            self._link.fault(Recovered(type(self._lasting).__name__, self._pace.now()))
            self._lasting = None

    def _heartbeat(self) -> None:
        now = self._pace.now()
        if now - self._beat < HEARTBEAT_EVERY - LOOK_EVERY:
            self._link.flush()
            return
        self._beat = now
        state = "ok" if self._lasting is None else "lost"
        polls = self.counters["polls"]
        self._link.heartbeat(
            Heartbeat(now, polls, state if polls or self._lasting else "starting", self.counters)
        )


def build(uri: DriverUri, link: Link, cards: Path | None = None) -> NfcReader:
    """Wire the parts for an NFC URI; ``cards``: where the key lies that cards are asked with."""
    # nfcpy tells each frame that fails; here such are counted, and a reader's faults named.
    logging.getLogger("nfc").setLevel(logging.CRITICAL)
    prover: Prover = NoProver()
    if cards is not None:
        prover = CardProver(CardKeys(cards, partial(_tell_of_key, link)).get)
    return NfcReader(nfc_port(uri), link, prover, uri.flag("text", False))


def _tell_of_key(link: Link, error: GateError | None) -> None:
    now = time.monotonic()
    told = fault_of(error, now, lasting=True) if error else Recovered(CardKeyDamaged.__name__, now)
    link.fault(told)
