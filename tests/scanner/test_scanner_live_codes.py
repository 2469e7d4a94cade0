"""Live codes at a lane: used up by an entry that stands, here, after a restart and at other gates;
one showing although the phone redraws."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from admission.direction import Direction
from admission.history import Standing
from admission.rules import GatePolicy, GroupRule, Product
from scanner.elsewhere import MirrorElsewhere
from scanner.lane import LaneSettings
from store.mirror import Mirror, RedemptionElsewhere
from store.records import Kind
from tests.rigs.gate_rig import EVENT, EVENT_SECRET, ISSUER, KID, GateRig, key_of, row
from tickets import ad1, ad2
from tickets.cose import public_key_of
from tickets.keys import cti_of
from tickets.rows import Status

PHONE = hashlib.sha256(b"phone").digest()
REDRAWN = 3
"""Seconds between two drawings of the page."""
TICKET = ad1.sign(
    bytes(ISSUER), KID, EVENT, cti_of(EVENT_SECRET, "G"), holder_key=public_key_of(PHONE)
)


def gate(directory: Path, entries: int = 4, **settings: Any) -> GateRig:
    return GateRig(directory, [row("G", entries=entries, flags=Status.BOUND)], **settings)


def drawn(rig: GateRig, ago: float = 0.0) -> bytes:
    """What the phone shows, or has shown."""
    return ad2.to_qr_text(ad2.sign(PHONE, TICKET, int(rig.clock.at - ago))).encode()


def present(rig: GateRig, code: bytes) -> str | None:
    """Hold up a code, take it away, go through if the way is free; why not, if it was refused."""
    rig.show(code, 0.5)
    rig.advance(4.0)
    return rig.scans()[-1][1]


def test_a_drawing_enters_once_and_the_next_one_is_a_new_code(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    first = drawn(rig)
    assert [present(rig, first), present(rig, first), present(rig, drawn(rig))] == [
        None,
        "replayed",
        None,
    ]
    scans = rig.records(Kind.SCAN)
    assert [scan.format for scan in scans] == ["ad2"] * 3
    assert scans[0].counter == scans[1].counter == int(scans[0].at)
    assert scans[0].ticket_key == key_of("G")


def test_a_drawing_stays_used_across_a_restart(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    code = drawn(rig)
    assert present(rig, code) is None
    again = rig.crash()
    assert present(again, code) == "replayed"


def test_who_turned_back_shows_the_same_drawing_again(tmp_path: Path) -> None:
    rig = gate(tmp_path, person="never")
    code = drawn(rig)
    assert present(rig, code) is None
    rig.advance(6.0)
    assert rig.outcomes() == [Kind.NO_PASSAGE]
    rig.person("0.4")
    assert present(rig, code) is None
    rig.advance(1.0)
    assert present(rig, code) == "replayed"


def test_an_older_drawing_than_the_one_that_entered_is_a_copy(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    older, newer = drawn(rig, ago=2), drawn(rig)
    assert [present(rig, newer), present(rig, older)] == [None, "replayed"]


def test_a_refused_drawing_is_not_used_up(tmp_path: Path) -> None:
    """A screenshot at the wrong time must not cost the guest whose phone drew it."""
    rig = gate(tmp_path, policy=GatePolicy("north"))
    ahead = drawn(rig, ago=-60)
    assert present(rig, ahead) == "stale_code"
    rig.advance(40.0)
    assert present(rig, ahead) is None


def test_a_phone_that_redraws_is_one_showing(tmp_path: Path) -> None:
    """Held up for nine seconds: one record, one entry."""
    rig = gate(tmp_path)
    for _ in range(3):
        rig.show(drawn(rig), REDRAWN)
    rig.advance(4.0)
    assert rig.scans() == [("admitted", None)]


def test_a_stale_code_is_looked_at_again_when_the_phone_redraws(tmp_path: Path) -> None:
    """The phone slept with an old drawing on its screen; nobody has to lower it."""
    rig = gate(tmp_path)
    rig.show(drawn(rig, ago=50), REDRAWN)
    rig.show(drawn(rig), 1.0)
    assert [reason for _, reason in rig.scans()] == ["stale_code", None]


def test_a_group_that_shows_once_walks_in_however_long_it_takes(tmp_path: Path) -> None:
    together = Product(1, group=GroupRule.ONE_SHOWS_ALL, people=4)
    rig = gate(tmp_path, products=[together], person="5")
    rig.show(drawn(rig), 0.5)
    rig.advance(60.0)
    assert rig.outcomes() == [Kind.PASSAGE] * 4
    assert [verdict for verdict, _ in rig.scans()] == ["admitted"] * 4


def test_the_paper_from_before_is_refused_and_told_why(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    plain = ad1.to_qr_text(TICKET).encode()
    assert present(rig, plain) == "stale_code"
    (event,) = [event for event in rig.events if event["kind"] == "verdict"]
    assert "live ticket" in event["next_step"]


@pytest.mark.parametrize("stands", [True, False])
def test_what_was_shown_at_another_gate_is_a_copy_here(tmp_path: Path, stands: bool) -> None:
    """As soon as sync has heard of it, whatever became of the entry there."""
    rig = gate(tmp_path)
    code = drawn(rig)
    use = RedemptionElsewhere(
        presentation=bytes(16),
        ticket_key=key_of("G"),
        list="main",
        direction="entry",
        at=rig.clock.at,
        gate="south",
        device="0" * 16,
        epoch=bytes(8),
        stands=stands,
        counter=int(rig.clock.at),
    )
    mirror = Mirror(tmp_path / "mirror.db")
    mirror.add_redemptions([use], 1)
    elsewhere = MirrorElsewhere(tmp_path / "mirror.db", lambda: ("me", bytes(8)), lambda *_: None)
    rig.elsewhere[key_of("G")] = elsewhere.uses(key_of("G"))
    assert rig.elsewhere[key_of("G")][0].standing is (
        Standing.PASSED if stands else Standing.ANNULLED
    )
    assert present(rig, code) == "replayed"
    assert present(rig, drawn(rig)) is None


def test_a_phone_that_left_with_a_wrong_clock_comes_in_again_once_it_is_right(
    tmp_path: Path,
) -> None:
    """Let out with a warning: a drawing of tomorrow has used up none of today's."""
    rig = gate(tmp_path, lanes=[LaneSettings("both", "main", direction="both")])
    assert present(rig, drawn(rig)) is None
    rig.show(drawn(rig, ago=-3600), 0.5, direction=Direction.EXIT)
    rig.advance(8.0)
    left = rig.records(Kind.SCAN)[-1]
    assert (left.direction, left.detail) == ("exit", "exit with warning: stale_code")
    assert present(rig, drawn(rig)) is None
