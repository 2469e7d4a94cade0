"""Codes that a pretix server needs: with a claim, and sealed for later."""

from pathlib import Path

import pytest
from nacl.signing import SigningKey

from admission.clock import FakeClock
from admission.direction import Direction
from scanner.claims import ClaimDesk
from scanner.showing import Showing
from scanner.unsent import CodeSealer
from store.outbox_secret import MOST_SEALED
from tests.rigs.gate_rig import GateRig, code, row
from tickets.credential import Credential, Flaw, Format, Rejection
from tickets.sealing import open_sealed

SEED = b"\x05" * 32
READER = bytes(SigningKey(SEED).verify_key)


def showing(credential: Credential | Rejection, **facts) -> Showing:
    return Showing("entry", Direction.ENTRY, "main", "qr", credential, b"K" * 16, **facts)


@pytest.mark.parametrize(
    ("case", "credential", "expected"),
    [
        ("plain", Credential(Format.OPAQUE, b"CODE-1"), b"CODE-1"),
        ("signed by pretix", Credential(Format.PRETIX_SIG1, b"==sig"), b"==sig"),
        ("no ticket at all", Rejection(Flaw.UNREADABLE), b"junk"),
        ("another issuer's", Credential(Format.AD1, b"c" * 16), None),
        ("a card", Credential(Format.NTAG424, b"u" * 7), None),
    ],
)
def test_which_code_a_server_of_codes_can_read(case, credential, expected):
    assert showing(credential, identity=b"junk").code == expected


@pytest.mark.parametrize(
    ("kind", "unlisted", "told"),
    [("pretix", True, True), ("pretix", False, True), ("admit", True, False)],
)
def test_a_claim_has_the_code_only_at_pretix(kind, unlisted, told):
    clock, sent = FakeClock(), []
    desk = ClaimDesk(clock, lambda message: sent.append(message) or True, 0.4, kind)
    for number in range(1, 9):
        clock.advance(2.0)
        desk.tick()
        desk.probed(number, True)
    desk.ask(showing(Credential(Format.OPAQUE, b"CODE-1"), unlisted=unlisted), 1000.0)
    [claim] = [message["claim"] for message in sent if "claim" in message]
    assert ("code" in claim) == told


def test_a_code_is_sealed_for_its_reader_alone():
    sealed = CodeSealer(lambda: READER).seal(b"CODE-1")
    assert sealed is not None
    assert b"CODE-1" not in sealed
    assert open_sealed(SEED, sealed) == b"CODE-1"


@pytest.mark.parametrize(
    ("case", "reader", "shown"),
    [
        ("nobody reads it", None, b"CODE-1"),
        ("nothing was shown", READER, b""),
        ("longer than any code", READER, b"x" * MOST_SEALED),
    ],
)
def test_no_code_is_kept_where_none_can_be(case, reader, shown):
    assert CodeSealer(lambda: reader).seal(shown) is None


def test_a_new_enrolment_has_another_reader():
    keys = [READER, bytes(SigningKey(b"\x06" * 32).verify_key)]
    sealer = CodeSealer(lambda: keys[0])
    sealer.seal(b"first")
    keys.pop(0)
    assert open_sealed(b"\x06" * 32, sealer.seal(b"second") or b"") == b"second"


def test_a_gate_elsewhere_keeps_no_code(tmp_path: Path):
    rig = GateRig(tmp_path, [row("A")])
    rig.show(code("A"))
    assert rig.journal.sealed(range(1, 20)) == {}


def test_a_scan_is_recorded_together_with_its_sealed_code(tmp_path: Path):
    rig = GateRig(tmp_path, [row("A")])
    rig.admissions._seal = CodeSealer(lambda: READER).seal
    rig.show(b"nobodys-ticket")
    [box] = rig.journal.sealed(range(1, 20)).values()
    assert open_sealed(SEED, box) == b"nobodys-ticket"
