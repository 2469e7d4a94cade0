"""Asks NTAG 424 DNA cards to prove themselves, with the event's keys. Lives in a reader's process.

First the live challenge, which no copy can answer. Where the card holds keys of another kind, it is
read like any tag; a signed message on it is judged here too, and told with its counter.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from drivers.nfc_type4 import Apdu
from tickets.cards import UID_BYTES, CardWord, Proof
from tickets.errors import GateError
from tickets.ntag424 import commands, sun
from tickets.ntag424.aes import BLOCK
from tickets.ntag424.commands import Answer
from tickets.ntag424.ev2 import Challenge, NoProof
from tickets.ntag424.keys import LIVE, GateKeys, gate_keys

MOST_FILE = 4096
LRP = "the card is in LRP mode, which is not spoken here: it takes a card in AES mode"
_LRP_CHALLENGE = BLOCK + 1

Random = Callable[[int], bytes]


class CardKeyDamaged(GateError):
    """The key of the event's cards is there, and cannot be read: cards count for nothing."""

    def __init__(self, name: str, error: Exception) -> None:
        said = getattr(error, "strerror", None) or type(error).__name__
        super().__init__(
            f"This gate cannot read the key of the event's cards ({name}: {said})",
            "Enrol the gate again with a new token; until then send guests with cards elsewhere",
        )


class Asked(Protocol):
    """An activated card."""

    @property
    def uid(self) -> bytes:
        """As it was found in the field; some cards make one up each time."""
        ...

    def apdu(self, command: bytes) -> bytes:
        """Give a command; returns the answer with its status word."""
        ...


class CardKeys:
    """The keys of the event's cards, from the file that sync keeps; read when first needed."""

    def __init__(self, path: Path, report: Callable[[GateError | None], None]) -> None:
        """``report`` hears once of a file that cannot be read, and (None) when it can again."""
        self._path, self._report = path, report
        self._kept: GateKeys | None = None
        self._made = 0
        self._told = ""

    def get(self) -> GateKeys | None:
        """The keys, or None: the event has no cards, or the gate is not enrolled yet."""
        fault = None
        try:
            made = self._path.stat().st_mtime_ns
            if made != self._made:
                self._kept, self._made = self._read(), made
        except FileNotFoundError:
            self._kept, self._made = None, 0
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            self._kept, self._made = None, 0
            fault = CardKeyDamaged(self._path.name, error)
        self._tell(fault)
        return self._kept

    def _read(self) -> GateKeys:
        body = json.loads(self._path.read_bytes()[:MOST_FILE])
        return gate_keys(bytes.fromhex(body["card_key"]))

    def _tell(self, fault: GateError | None) -> None:
        said = str(fault or "")
        if said != self._told:
            self._told = said
            self._report(fault)


class CardProver:
    """What a reader asks of a card beyond its message (`drivers.nfc_tap.Prover`)."""

    def __init__(self, keys: Callable[[], GateKeys | None], random: Random = os.urandom) -> None:
        """``keys`` gives those of the event; None: there are none."""
        self._keys, self._random = keys, random

    def challenge(self, card: Asked) -> CardWord | None:
        """Have a card of this event prove itself live; None: it is none, or there are no keys.

        Raises:
            CardFault, BudgetSpent, NfcLost: as the card's `apdu`.
        """
        keys = self._keys()
        if keys is None or len(card.uid) != UID_BYTES or not _is_ours(card.apdu, keys):
            return None
        return ask(card, LIVE, keys.live(card.uid), self._random)

    def link(self, uid: bytes, uri: bytes) -> CardWord | None:
        """Judge a message in a card's link; None: it carries none, or there are no keys."""
        keys, message = self._keys(), sun.find(uri)
        if keys is None or message is None:
            return None
        try:
            reading = sun.read(message, keys.meta, keys.sun)
        except sun.OtherCipher:
            return CardWord(uid, Proof.UNREADABLE, detail=LRP)
        except NoProof as error:
            return CardWord(uid, Proof.FORGED, detail=f"a card's message that is none: {error}")
        if reading.uid != uid:
            return CardWord(uid, Proof.FORGED, detail="a message of another card")
        return CardWord(uid, Proof.MESSAGE, reading.counter)


def _is_ours(apdu: Apdu, keys: GateKeys) -> bool:
    """Whether the card says that it holds this event's keys: on no other is one tried, as failed
    attempts can lock a card, and it may be somebody's.
    """
    selected = commands.answer(apdu(commands.SELECT))
    if selected.status != commands.ISO_OK:
        return False
    return version_of(apdu, LIVE) == keys.version


def version_of(apdu: Apdu, number: int) -> int | None:
    """The version of a key, as the card says in plain; None: no such chip."""
    answer = commands.answer(apdu(commands.key_version(number)))
    return answer.data[0] if answer.status == commands.OK and len(answer.data) == 1 else None


def ask(card: Asked, number: int, key: bytes, random: Random = os.urandom) -> CardWord:
    """Give the card one challenge under one key, once."""
    first = commands.answer(card.apdu(commands.authenticate(number)))
    if first.status != commands.MORE or len(first.data) != BLOCK:
        return CardWord(card.uid, Proof.UNREADABLE, detail=no_challenge(first))
    challenge = Challenge.met(key, first.data, random(BLOCK))
    second = commands.answer(card.apdu(commands.reply(challenge.reply)))
    if second.status == commands.WRONG_KEY:
        return CardWord(card.uid, Proof.FORGED, detail="the card has another key")
    if second.status != commands.OK:
        return CardWord(card.uid, Proof.UNREADABLE, detail=_odd(second))
    try:
        challenge.session(second.data)
    except NoProof as error:
        return CardWord(card.uid, Proof.FORGED, detail=f"the card gave {error}")
    return CardWord(card.uid, Proof.LIVE)


def no_challenge(answer: Answer) -> str:
    """Why a card gave no challenge."""
    if len(answer.data) == _LRP_CHALLENGE or answer.status == commands.NOT_ALLOWED:
        return LRP
    if answer.status == commands.WAIT:
        return "the card wants to be left alone for a while: wrong keys were tried on it"
    return _odd(answer)


def _odd(answer: Answer) -> str:
    return f"the card broke off ({answer.status:04x}, {len(answer.data)} bytes): hold it still"
