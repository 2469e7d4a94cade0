"""A ticket is the same ticket however it is presented: one table of media and formats.

Real reader children at one lane of a real gate: a camera that sees pictures, an NFC reader (nfcpy's
stack over simulated cards), a hand scanner on a pseudo terminal, and the steward's keys.
"""

import contextlib
import json
import os
import socket
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from drivers.nfc_card_424 import PocketCard
from drivers.nfc_make import make
from store.records import Kind, Record
from tests.rigs.central_rig import EVENT, CentralRig, make_event
from tests.rigs.nfc_rig import ticket as external_record
from tests.rigs.real_gate import RealGate, code_of, until
from tickets.ad1 import sign, to_qr_text
from tickets.base45 import Base45Error, decode
from tickets.cose import key_id, public_key_of
from tickets.credential import Credential, Format
from tickets.key_files import Role, load_key
from tickets.keys import cti_of, ticket_key
from tickets.ntag424.keys import desk_keys
from tickets.ntag424.layout import LIVE_ONLY, signed_url
from tickets.typed import typed_code

pytestmark = [pytest.mark.heavy, pytest.mark.xdist_group("media")]

FORGER = b"\x66" * 32
EACH = 60
CSV = "id,product,entries,code,card\n" + "".join(
    f"S{n},1,1,,\nC{n},1,1,CODE-{n:04}-7QXW3RT9,\n" for n in range(EACH)
)
CHIPS = {b"live.json": LIVE_ONLY, b"signed.json": signed_url("https://t.example/e")}
POLICY: dict[str, object] = {"lists": {"main": {}}, "products": {"1": {"name": "Day ticket"}}}


class Hand:
    """A card on the desk where it is made."""

    def __init__(self, card: PocketCard) -> None:
        card.select()
        self.uid, self.apdu = card.uid, card.apdu


@dataclass
class Lane:
    """The lane and every way to present something at it."""

    central: CentralRig
    gate: RealGate
    field: socket.socket
    line: int
    cards: Iterator[int]
    used: Iterator[int]

    def show(self, code: bytes) -> None:
        """Hold a QR code to the camera."""
        self.gate.show(code.decode())

    def tap(self, code: bytes) -> None:
        """Hold a card to the reader; a signed ticket is binary there."""
        try:
            inside = decode(code[4:]) if code.startswith(b"AD1:") else code
        except Base45Error:  # what is no ticket goes onto a card as it is
            inside = code
        message = external_record(inside).hex()
        body = {"id": next(self.cards), "card": "ntag215", "ndef": message, "ms": 700}
        self.field.send(json.dumps(body).encode())

    def hold(self, name: bytes) -> None:
        """Hold a card that cannot be copied to the reader: it is asked, and answers."""
        body = {"id": next(self.cards), "card": "ntag424", "file": self.chip(name), "ms": 700}
        self.field.send(json.dumps(body).encode())

    def chip(self, name: bytes) -> str:
        """Where a card's memory is kept."""
        return str(self.gate.directory.parent / name.decode())

    def scan(self, code: bytes) -> None:
        """Pull the hand scanner's trigger."""
        os.write(self.line, b"]Q1" + code + b"\r\n")

    def type(self, code: bytes) -> None:
        """Type what is printed: of a signed ticket, the code under its picture."""
        self.gate.order(op="type", lane="entry", code=code.decode())

    def _verdict(self, act: Callable[[bytes], None], code: bytes, since: int) -> dict[str, Any]:
        """Present until it is looked at: what was in view a moment ago is the same showing."""
        for _ in range(8):
            act(code)
            with contextlib.suppress(AssertionError):
                return self.gate.wait(since, 2.5, kind="verdict", lane="entry")
        raise AssertionError(f"no verdict: {self.gate.events[since:]}")

    def presented(self, how: str, code: bytes, times: int = 1) -> tuple[dict[str, Any], Record]:
        """Present a code, so many times at once; the verdict's event, and its one record."""
        until(lambda: self.gate.status()["lanes"][0]["state"] == "locked", "a free lane")
        since, act = self.gate.mark(), getattr(self, how)

        def acts(code: bytes) -> None:
            for _ in range(times):
                act(code)

        verdict = self._verdict(acts, code, since)
        (entry,) = (
            entry for entry in self.gate.records(Kind.SCAN, presentation=verdict["presentation"])
        )
        if verdict["verdict"] == "admitted":
            self.gate.wait(since, kind="outcome", presentation=verdict["presentation"])
        return verdict, entry.record


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    base: Path = tmp_path_factory.mktemp("media")
    central = make_event(base, csv=None, policy=POLICY)
    keys = desk_keys(load_key(central.keys, Role.CARDS).secret)
    chips = ""
    for name, layout in CHIPS.items():
        card = PocketCard(base / name.decode())
        make(Hand(card), keys, layout)
        chips += f"{name.decode()},1,1,,{card.uid.hex()}\n"
    assert central.import_csv(CSV + chips) == []
    central.start()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(base / "nfc.sock"))
    listener.listen(1)
    scanner, line = os.openpty()
    tty.setraw(scanner)
    others = [f"nfc:sim:{base}/nfc.sock", f"wedge:serial:{os.ttyname(line)}?hold=0"]
    with RealGate(base, "north", central, central.url, more_readers=others) as gate:
        gate.start()
        gate.ready()
        field, _ = listener.accept()

        def seeing():
            return {r["state"] for r in gate.status()["lanes"][0]["readers"]} == {"ok"}

        until(seeing, "three readers that see")
        yield Lane(central, gate, field, scanner, count(1), count())
    central.kill()
    central.central.database.close()


def signed(lane: Lane, number: int, seed: bytes | None = None, event: str = EVENT) -> bytes:
    secret = seed or load_key(lane.central.keys, Role.ISSUER).secret
    cti = cti_of(lane.central.central.event_secret, f"S{number}")
    return to_qr_text(sign(secret, key_id(public_key_of(secret)), event, cti, product=1)).encode()


def opaque(lane: Lane, number: int) -> bytes:
    return f"CODE-{number:04}-7QXW3RT9".encode()


def under_the_picture(lane: Lane, number: int) -> bytes:
    return typed_code(cti_of(lane.central.central.event_secret, f"S{number}")).encode()


READ = ("tap", "show", "scan")
MEDIUM = {"tap": "nfc", "show": "qr", "scan": "wedge", "type": "typed"}
HOW = MEDIUM | {"hold": "nfc"}
VALID = [
    *((how, Format.AD1, signed) for how in READ),
    # A signed ticket has no text a person could type: what is typed is the code under its picture.
    ("type", Format.AD1, under_the_picture),
    *((how, Format.OPAQUE, opaque) for how in (*READ, "type")),
    # A card that answers is nothing that could be shown, scanned or typed.
    *(("hold", Format.NTAG424, name) for name in CHIPS),
]


@pytest.mark.parametrize(
    ("how", "format_", "code_of_it"), VALID, ids=lambda v: getattr(v, "__name__", v)
)
def test_a_valid_ticket_makes_the_same_record_by_every_medium(lane, how, format_, code_of_it):
    number = next(lane.used)
    code = code_of_it if isinstance(code_of_it, bytes) else code_of_it(lane, number)
    verdict, record = lane.presented(how, code)
    key = lane.central.central.event_key
    secret = (
        code
        if format_ is Format.OPAQUE
        else cti_of(lane.central.central.event_secret, f"S{number}")
    )
    if format_ is Format.NTAG424:
        secret = PocketCard(Path(lane.chip(code))).uid
    assert (verdict["verdict"], verdict["reason"], verdict["claim"]) == (
        "admitted",
        None,
        "granted",
    )
    of_the_moment = ("presentation", "at", "uncertainty", "clock_state", "boot", "monotonic")
    expected = Record(
        kind=Kind.SCAN,
        lane="entry",
        event=EVENT,
        list="main",
        medium=HOW[how],
        format=format_,
        ticket_key=ticket_key(key, Credential(format_, secret)),
        direction="entry",
        verdict="admitted",
        claim="granted",
        list_serial=record.list_serial,
    )
    moment = {name: getattr(record, name) for name in of_the_moment}
    assert record == replace(expected, **moment)


@pytest.mark.parametrize("first", MEDIUM)
def test_a_ticket_used_by_one_medium_is_used_by_all(lane, first):
    number = next(lane.used)
    codes = {how: signed(lane, number) for how in READ} | {"type": under_the_picture(lane, number)}
    used = lane.presented(first, codes[first])[1].ticket_key
    for how, medium in MEDIUM.items():
        if how == first:
            continue
        verdict, record = lane.presented(how, codes[how])
        assert (verdict["verdict"], verdict["reason"]) == ("refused", "already_redeemed")
        assert (record.ticket_key, record.medium) == (used, medium)


@pytest.mark.parametrize("how", READ)
@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("forged", lambda lane: signed(lane, next(lane.used), seed=FORGER)),
        ("wrong_event", lambda lane: signed(lane, next(lane.used), event="OTHER")),
        ("unknown", lambda lane: b"CODE-NOBODY-HAS-THIS"),
        ("unreadable", lambda lane: b"AD1:NOT%A/TICKET:AT*ALL"),
    ],
    ids=["forged", "wrong event", "unknown", "unreadable"],
)
def test_what_is_no_ticket_is_refused_for_the_same_reason_by_every_medium(lane, how, reason, make):
    verdict, record = lane.presented(how, make(lane))
    assert (verdict["verdict"], verdict["reason"]) == ("refused", reason)
    assert (record.reason, record.medium, record.ticket_key is None) == (
        reason,
        MEDIUM[how],
        reason != "unknown",
    )


def test_a_mistyped_code_is_refused_as_unreadable_and_names_no_ticket(lane):
    code = under_the_picture(lane, next(lane.used))
    wrong = code[:-1] + (b"0" if code[-1:] != b"0" else b"1")  # one slip is always found
    verdict, record = lane.presented("type", wrong)
    assert (verdict["reason"], record.ticket_key) == ("unreadable", None)
    assert "check the code" in verdict["detail"]


@pytest.mark.parametrize("how", MEDIUM)
def test_a_code_looked_at_for_long_is_one_presentation(lane, how):
    """However often a medium sights it: one verdict, one record. Lens and field see it for most of
    a second; a trigger is pulled, and a key pressed, by an impatient hand.
    """
    number = next(lane.used)
    code = under_the_picture(lane, number) if how == "type" else signed(lane, number)
    _, record = lane.presented(how, code, times=3 if how in ("scan", "type") else 1)
    same = [e for e in lane.gate.records(Kind.SCAN) if e.record.ticket_key == record.ticket_key]
    assert len(same) == 1


def test_the_code_of_the_rig_is_the_ticket_of_the_list(lane):
    """The table above would hold of nothing else."""
    assert signed(lane, 0).decode() == code_of(lane.central, "S0")
