"""A card in the field until the turnstile is released: the product and plain nfcpy, in one run.

Simulated: a PN532's firmware on a pseudo terminal, its line and its radio at their true speeds, no
latency of the chip itself: a lower bound, and a fair ratio. The same cards, with a signed ticket
each, are read by both over the same line; each time ends with the same gate's decision on disk.
"""

import contextlib
import logging
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import nfc.clf
import nfc.clf.pn532
import nfc.clf.transport
import nfc.tag

from benchmarks.figures import Figures
from benchmarks.gate import TimedGate, make_list
from benchmarks.tickets import EVENT, EVENT_SECRET, ISSUER, KID
from drivers.nfc_424 import CardProver
from drivers.nfc_card_424 import Ntag424
from drivers.nfc_cards import KINDS, Card
from drivers.nfc_errors import CardFault, NfcLost
from drivers.nfc_frontend import GuardedFrontend
from drivers.nfc_make import make
from drivers.nfc_open import TtyPort
from drivers.nfc_pn532_model import Pn532Model
from drivers.nfc_reader import POLL_EVERY
from drivers.nfc_tap import NoProver, Tap
from tickets.ad1 import sign
from tickets.cards import CardWord, Proof
from tickets.keys import cti_of
from tickets.ndef import find_ticket, read_message
from tickets.ntag424 import keys
from tickets.ntag424.layout import LIVE_ONLY

ROUNDS = 7
SPEEDS = (115_200, 921_600)
SIZES = {"ntag213": 0, "ntag215": 303, "ntag216": 803, "type4": 303}
"""Bytes of the message on each kind of card; 0: the ticket alone."""
LIVE = "ntag424"
"""Its card is asked to prove itself, which plain nfcpy cannot."""
UID = bytes.fromhex("04112233445566")
Read = Callable[[], bytes | None]
"""One poll: the ticket's bytes, or None while there is no card."""


def run(rounds: int = ROUNDS) -> Figures:
    """Measure every kind of card at both speeds; milliseconds."""
    logging.getLogger("nfc").setLevel(logging.CRITICAL)
    with TemporaryDirectory() as directory:
        return {
            "simulated": "PN532 on a pseudo terminal, cards, radio at 106 kbit/s; no chip latency",
            "polled_every_ms": 1000 * POLL_EVERY,
            **{str(speed): _at(speed, rounds, Path(directory)) for speed in SPEEDS},
        }


def _at(speed: int, rounds: int, directory: Path) -> Figures:
    figures: Figures = {}
    for number, (kind, size) in enumerate(SIZES.items()):
        at = directory / f"{speed}-{kind}"
        presented = range(2 * rounds)
        gate = TimedGate(at / "gate", make_list(at, number + 1, 1000, presented))
        try:
            cards = [KINDS[kind](UID, _message(n, size)) for n in presented]
            ours = _times(gate, speed, _ours, cards[:rounds])
            plain = _times(gate, speed, _plain, cards[rounds:])
        finally:
            gate.close()
        ratio = round(float(str(plain["median"])) / float(str(ours["median"])), 2)
        message = len(_message(0, size))
        figures[kind] = {"bytes": message, "admit": ours, "nfcpy": plain, "nfcpy_over_ours": ratio}
    figures[LIVE] = _live(speed, rounds, directory / f"{speed}-{LIVE}")
    return figures


def _live(speed: int, rounds: int, at: Path) -> Figures:
    """Cards that prove themselves by a live challenge; a signed ticket's decision stands in."""
    desk = keys.desk_keys(bytes(range(32)))
    card = Ntag424(UID)
    card.select()
    make(SimpleNamespace(uid=UID, apdu=card.apdu), desk, LIVE_ONLY)
    presented = range(rounds)
    gate = TimedGate(at / "gate", make_list(at, 1, 1000, presented))
    try:
        payloads = iter([_signed(number) for number in presented])

        def ours(frontend: GuardedFrontend) -> Read:
            tap = Tap(frontend, CardProver(lambda: desk.gate))

            def read() -> bytes | None:
                target = frontend.poll()
                word = tap.read(target) if target is not None else None
                proved = isinstance(word, CardWord) and word.proof is Proof.LIVE
                return next(payloads) if proved else None

            return read

        return {"admit": _times(gate, speed, ours, [card] * rounds)}
    finally:
        gate.close()


def _times(
    gate: TimedGate,
    speed: int,
    reader: Callable[[Any], Read],
    cards: Sequence[Card],
) -> Figures:
    """Field-on to release of some tickets, each on a card of its own."""
    model, dice = Pn532Model(), Random(speed)
    port = TtyPort(f"{model.path}:pn532", speed)
    frontend = _opened(port)
    try:
        read = reader(frontend)
        taken = [_tap(gate, model, read, card, dice) for card in cards]
    finally:
        port.let_go(frontend)
        model.unplug()
    spent = [seconds for seconds, _ in taken]
    return {
        "median": round(1000 * statistics.median(spent), 1),
        "least": round(1000 * min(spent), 1),
        "most": round(1000 * max(spent), 1),
        "failed_polls": sum(failed for _, failed in taken),
    }


def _tap(
    gate: TimedGate,
    model: Pn532Model,
    read: Read,
    card: Card,
    dice: Random,
) -> tuple[float, int]:
    """Hold a card to the polling reader at a moment it does not choose; seconds, failed polls."""
    field_on = 0.0
    failed = 0

    def hold() -> None:
        nonlocal field_on
        model.field.place(card)
        field_on = time.monotonic()

    timer = threading.Timer(dice.uniform(0.01, 0.1), hold)
    timer.start()
    while True:
        try:
            payload = read()
        except (OSError, NfcLost, CardFault):  # the chip was late, on a busy computer
            failed, payload = failed + 1, None
        if payload is not None:
            break
        time.sleep(POLL_EVERY)
    seen = time.monotonic() - field_on
    model.field.place(None)
    decided = gate.admit(payload).seconds
    gate.walk()
    return seen + decided, failed


def _ours(frontend: GuardedFrontend) -> Read:
    tap = Tap(frontend, NoProver())

    def read() -> bytes | None:
        target = frontend.poll()
        payload = tap.read(target) if target is not None else None
        return payload if isinstance(payload, bytes) else None

    return read


def _plain(frontend: GuardedFrontend) -> Read:
    """An unchanged frontend over an unchanged device, and nfcpy's own activation and reading."""
    # nfcpy imports it for two cards that are not among these; it is not installed.
    sys.modules.setdefault("pyDes", SimpleNamespace(triple_des=None, CBC=None))  # type: ignore[arg-type]
    chipset = nfc.clf.pn532.Chipset(frontend.device.chipset.transport, logging.getLogger("nfc"))
    plain = nfc.clf.ContactlessFrontend()
    plain.device = nfc.clf.pn532.Device(chipset, logging.getLogger("nfc"))

    def read() -> bytes | None:
        target = plain.sense(nfc.clf.RemoteTarget("106A"))
        tag = nfc.tag.activate(plain, target) if target is not None else None
        if tag is None or tag.ndef is None:
            return None
        records = read_message(bytes(tag.ndef.octets))
        ticket = find_ticket(records) if isinstance(records, tuple) else None
        return ticket.payload if ticket else None

    return read


def _opened(port: TtyPort) -> GuardedFrontend:
    for _ in range(4):
        with contextlib.suppress(NfcLost):
            return port.open(time.monotonic)
    return port.open(time.monotonic)


def _signed(number: int) -> bytes:
    return sign(bytes(ISSUER), KID, EVENT, cti_of(EVENT_SECRET, f"T{number}"))


def _message(number: int, size: int) -> bytes:
    """A signed ticket in an external record; up to `size` bytes with another record behind it."""
    ticket = _signed(number)
    alone = _record(4, b"a.example:tkt", ticket, last=not size)
    return alone + _record(2, b"text/plain", bytes(size - len(alone) - 20)) if size else alone


def _record(tnf: int, kind: bytes, payload: bytes, last: bool = True) -> bytes:
    begin = 0 if tnf == 2 else 0x80
    short = len(payload) < 256
    length = bytes([len(payload)]) if short else len(payload).to_bytes(4, "big")
    flags = tnf | begin | (0x40 if last else 0) | (0x10 if short else 0)
    return bytes([flags, len(kind)]) + length + kind + payload


def table(figures: Mapping[str, Any]) -> str:
    """The figures as rows of a Markdown table."""
    rows = ["| card | message | " + " | ".join(f"ours, {s} | nfcpy, {s}" for s in SPEEDS) + " |"]
    rows.append("|---" * (2 + 2 * len(SPEEDS)) + "|")
    for kind in (*SIZES, LIVE):
        size = figures[str(SPEEDS[0])][kind].get("bytes")
        cells = [kind, f"{size} B" if size else "live challenge"]
        for speed in SPEEDS:
            of_kind = figures[str(speed)][kind]
            cells += [_cell(of_kind[who]) if who in of_kind else "-" for who in ("admit", "nfcpy")]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(times: Mapping[str, float]) -> str:
    return f"{times['median']:.0f} ({times['least']:.0f}-{times['most']:.0f})"


if __name__ == "__main__":
    sys.stdout.write(table(run()) + "\n")
