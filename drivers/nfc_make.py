"""Makes NTAG 424 DNA cards: from the factory's keys to an event's, in an order that may be torn.

What a card says of itself in plain (versions of its keys, settings of its file) tells how far it
is; the key that changes the others is changed last. So a card that is pulled away at any step is
finished when it is held again, and none is ever locked out. A key is tried on a card only where the
card says that it holds it, and once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from drivers.nfc_424 import Asked, Random, ask, no_challenge, version_of
from tickets.cards import UID_BYTES, Proof
from tickets.errors import GateError
from tickets.ntag424 import commands
from tickets.ntag424.aes import BLOCK
from tickets.ntag424.commands import Answer
from tickets.ntag424.ev2 import Challenge, NoProof, Session
from tickets.ntag424.keys import ADMIN, FACTORY_KEY, FACTORY_VERSION, LIVE, DeskKeys
from tickets.ntag424.layout import Layout

KEYS = 5
_OPEN = b"\x00\xe0\xee"
"""Settings of the factory: anybody may write the file."""


class State(StrEnum):
    """How far a card is."""

    BLANK = "blank"
    HALF_MADE = "half made"
    MADE = "made"
    OTHER = "of other keys"
    NO_CARD = "no NTAG 424 DNA"


class CardRefused(GateError):
    """A card that cannot be made, or that answered as none does."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a card says of itself in plain."""

    versions: tuple[int, ...]
    settings: bytes
    """Of its file, as ChangeFileSettings takes them."""


def look(card: Asked) -> Looked | None:
    """Ask a card how far it is; None: it is no NTAG 424 DNA. Raises as the card's `apdu`."""
    if len(card.uid) != UID_BYTES:
        return None
    if commands.answer(card.apdu(commands.SELECT)).status != commands.ISO_OK:
        return None
    versions = [version_of(card.apdu, number) for number in range(KEYS)]
    told = commands.answer(card.apdu(commands.FILE_SETTINGS))
    if None in versions or told.status != commands.OK or len(told.data) < 7:
        return None
    settings = told.data[1:4] + told.data[7:]  # between: the file's size
    return Looked(tuple(v for v in versions if v is not None), settings)


def state_of(looked: Looked | None, keys: DeskKeys) -> State:
    """Say how far a card is on its way to being one of this event's."""
    if looked is None:
        return State.NO_CARD
    ours, known = keys.gate.version, {keys.gate.version, FACTORY_VERSION}
    if not set(looked.versions) <= known:
        return State.OTHER
    if looked.versions[ADMIN] == ours:
        return State.MADE if set(looked.versions) == {ours} else State.OTHER
    fresh = set(looked.versions) == {FACTORY_VERSION} and looked.settings == _OPEN
    return State.BLANK if fresh else State.HALF_MADE


def make(card: Asked, keys: DeskKeys, layout: Layout, random: Random = os.urandom) -> None:
    """Make a blank or half-made card one of this event's, and have it prove so.

    Raises:
        CardRefused: it is of another event or maker, or did not do as it was told.
        CardFault, BudgetSpent, NfcLost: it was pulled away: hold it again, and call this again.
    """
    looked = look(card)
    state = state_of(looked, keys)
    if looked is None or state in (State.NO_CARD, State.OTHER):
        raise CardRefused(f"This is {_WHAT[state]}", "Take a fresh NTAG 424 DNA card")
    if state is not State.MADE:
        _fill(card, looked, keys, layout, random)
    word = ask(card, LIVE, keys.of(LIVE, card.uid), random)
    if word.proof is not Proof.LIVE:
        raise CardRefused(f"The card does not prove itself: {word.detail}", "Set it aside")


_WHAT = {
    State.NO_CARD: "no NTAG 424 DNA card",
    State.OTHER: "a card of another event or maker; its keys are not known here",
}


def _fill(card: Asked, looked: Looked, keys: DeskKeys, layout: Layout, random: Random) -> None:
    _write(card, looked, layout, random)
    session = _session(card, random)
    _done(session, card.apdu(commands.change_settings(session, layout.settings)), "its file")
    for number in (n for n in range(KEYS) if n != ADMIN):
        if looked.versions[number] == FACTORY_VERSION:
            _change(card, session, number, keys)
    _change(card, session, ADMIN, keys)


def _write(card: Asked, looked: Looked, layout: Layout, random: Random) -> None:
    """Write the file before its settings: they make the places that the card fills in."""
    if looked.settings != _OPEN:  # half made, perhaps with another address
        session = _session(card, random)
        _done(session, card.apdu(commands.change_settings(session, _OPEN)), "its file")
        card.apdu(commands.SELECT)  # ends the session: what follows is told in plain
    written = commands.answer(card.apdu(commands.write_plain(layout.file)))
    if written.status != commands.OK:
        raise _refused(written, "its file")


def _session(card: Asked, random: Random) -> Session:
    """Open a session under the factory's key, which the card says it has."""
    first = commands.answer(card.apdu(commands.authenticate(ADMIN)))
    if first.status != commands.MORE or len(first.data) != BLOCK:
        raise CardRefused(f"No session: {no_challenge(first)}", "Take another card")
    challenge = Challenge.met(FACTORY_KEY, first.data, random(BLOCK))
    second = commands.answer(card.apdu(commands.reply(challenge.reply)))
    if second.status != commands.OK:
        raise _refused(second, "a session")
    try:
        return challenge.session(second.data)
    except NoProof as error:
        raise CardRefused(f"The card gave {error}", "Set it aside: it is no true card") from error


def _change(card: Asked, session: Session, number: int, keys: DeskKeys) -> None:
    new = keys.of(number, card.uid)
    command = commands.change_key(session, number, FACTORY_KEY, new, keys.gate.version)
    answer = card.apdu(command)
    if number == ADMIN:  # the session ended with its key: there is no code to this answer
        if commands.answer(answer).status != commands.OK:
            raise _refused(commands.answer(answer), "its keys")
        return
    _done(session, answer, "its keys")


def _done(session: Session, raw: bytes, what: str) -> None:
    answer = commands.answer(raw)
    if answer.status != commands.OK:
        raise _refused(answer, what)
    try:
        session.answered(answer.data)
    except NoProof as error:
        raise CardRefused(f"The card gave {error}", "Set it aside: it is no true card") from error


def _refused(answer: Answer, what: str) -> CardRefused:
    if answer.status == commands.WRONG_KEY:
        return CardRefused(
            "The card says it has the factory's key, and has another",
            "Set it aside: trying further keys would lock it",
        )
    return CardRefused(
        f"The card refused {what} ({answer.status:04x})", "Hold it still and try once more"
    )
