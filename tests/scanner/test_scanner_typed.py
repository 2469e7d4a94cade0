"""A torn ticket's code, typed by a steward, is the same ticket as its picture."""

import pytest

from admission.direction import Direction
from admission.rules import GatePolicy
from scanner.messages import Sighting
from store.records import Kind
from tests.rigs.gate_rig import EVENT_KEY, EVENT_SECRET, GateRig, code, key_of, row
from tickets.credential import Credential, Format
from tickets.keys import cti_of, ticket_key
from tickets.rows import Ticket
from tickets.typed import read_typed, typed_code

TYPED = typed_code(cti_of(EVENT_SECRET, "A-1"))
LOOKALIKE = "K7QF-9TRN-2W4X-8ZPB-3MHD-6VYC-1JGE"


def opaque(text):
    return Ticket(ticket_key(EVENT_KEY, Credential(Format.OPAQUE, text.encode())))


def typed(rig, text):
    """Type a code at the first lane; gives the record of the scan."""
    now = rig.clock.monotonic()
    rig.lane.handle(Sighting(text.encode(), "typed", float("inf"), now, Direction.ENTRY))
    rig.advance(4.0)
    return rig.records(Kind.SCAN)[-1]


def test_a_typed_code_is_recorded_as_the_ticket_of_the_picture(tmp_path):
    rig = GateRig(tmp_path, [row("A-1")])
    record = typed(rig, TYPED)
    assert (record.verdict, record.medium, record.format) == ("admitted", "typed", "ad1")
    assert record.ticket_key == key_of("A-1")


@pytest.mark.parametrize("first_typed", [True, False])
def test_code_and_picture_are_one_entry(tmp_path, first_typed):
    rig = GateRig(tmp_path, [row("A-1")])
    ways = [lambda: typed(rig, TYPED), lambda: rig.show(code("A-1"))]
    for way in ways if first_typed else reversed(ways):
        way()
        rig.advance(8.0)
    assert [r.verdict for r in rig.records(Kind.SCAN)] == ["admitted", "refused"]
    assert rig.records(Kind.SCAN)[-1].reason == "already_redeemed"


def test_a_typing_error_is_unreadable_and_names_no_ticket(tmp_path):
    rig = GateRig(tmp_path, [row("A-1")])
    record = typed(rig, TYPED[:-1] + ("0" if TYPED[-1] != "0" else "1"))
    assert (record.verdict, record.reason, record.ticket_key) == ("refused", "unreadable", None)
    verdict = next(event for event in rig.events if event["kind"] == "verdict")
    assert verdict["detail"].startswith("check the code")


def test_a_typed_code_is_unsigned_and_needs_the_list(tmp_path):
    """At this gate the signature of the picture suffices; the code under it has none."""
    rig = GateRig(tmp_path, policy=GatePolicy("north", list_required=False))
    assert typed(rig, TYPED).reason == "unknown"
    rig.show(code("A-1"))
    assert rig.records(Kind.SCAN)[-1].verdict == "admitted"


@pytest.mark.parametrize("text", ["XY-123", LOOKALIKE])
def test_a_code_of_the_list_is_taken_at_its_word(tmp_path, text):
    """Also one that could be meant as the code of another ticket."""
    rig = GateRig(tmp_path, [opaque(text)])
    record = typed(rig, text)
    assert (record.verdict, record.format) == ("admitted", "opaque")
    assert read_typed(LOOKALIKE) is not None


def test_in_a_picture_the_same_characters_are_no_such_code(tmp_path):
    rig = GateRig(tmp_path, [row("A-1")])
    typed(rig, TYPED)
    rig.advance(8.0)
    rig.show(TYPED.encode())
    assert [r.format for r in rig.records(Kind.SCAN)] == ["ad1", "opaque"]
    assert rig.records(Kind.SCAN)[-1].reason == "unknown"
