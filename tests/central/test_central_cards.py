"""Cards at central: their key goes to enrolled gates, their counters to all of them."""

import os

import pytest

from central.errors import CentralFault
from central.setup import open_central
from store.records import Kind
from tests.rigs.central_rig import CentralRig, Device, reopen
from tickets.cards import MAX_COUNTER
from tickets.key_files import Role, key_path, load_key, new_key, save_key
from tickets.ntag424.keys import desk_keys

CARD = {"format": "ntag424", "medium": "nfc"}


def counters(gate: Device) -> list[int | None]:
    """What the feed of redemptions says of counters, in its order."""
    rows = gate.get("/v1/redemptions").json()["redemptions"]
    return [row.get("counter") for row in rows]


def test_a_gate_gets_the_part_of_the_card_key_that_gates_need(
    rig: CentralRig, north: Device
) -> None:
    """Not the part that changes cards."""
    desk = desk_keys(load_key(rig.keys, Role.CARDS).secret)
    answer = north.enrolled.json()
    assert answer["card_key"] == desk.gate.master.hex()
    assert desk.master.hex() not in str(answer)


def test_an_event_without_a_card_key_enrols_gates_as_before(rig: CentralRig, north: Device) -> None:
    key_path(rig.keys, Role.CARDS).unlink()
    assert reopen(rig).central.card_key is None


def test_a_card_key_of_another_event_is_refused(rig: CentralRig) -> None:
    key_path(rig.keys, Role.CARDS).unlink()
    save_key(new_key(Role.CARDS, "OTHER"), rig.keys)
    with pytest.raises(CentralFault, match="the cards key is of event OTHER"):
        open_central(rig.db, rig.keys)


def test_the_counter_of_a_shown_message_reaches_the_other_gates(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """Also of an entry that was annulled: its message was shown all the same."""
    shown, turned_back, paper = (os.urandom(16) for _ in range(3))
    north.upload(
        north.scan(shown, rig.key("A1"), counter=7, **CARD),
        north.scan(turned_back, rig.key("A2"), counter=0, **CARD),
        north.outcome(turned_back, Kind.NO_PASSAGE),
        north.scan(paper, rig.key("A3"), format="ad1"),
    )
    assert sorted(counters(south), key=str) == [0, 7, None]


@pytest.mark.parametrize("counter", [-1, MAX_COUNTER + 1, 2**62])
def test_a_counter_that_no_card_has_is_told_to_nobody(
    rig: CentralRig, north: Device, south: Device, counter: int
) -> None:
    """One gate's strange record must not stop the others' feeds."""
    north.upload(north.scan(os.urandom(16), rig.key("A1"), counter=counter, **CARD))
    assert counters(south) == [None]


def test_when_a_live_code_was_drawn_reaches_the_other_gates(
    rig: CentralRig, north: Device, south: Device
) -> None:
    """Also of an entry that was annulled: the same drawing is a copy at every other gate."""
    shown, turned_back, strange = (os.urandom(16) for _ in range(3))
    north.upload(
        north.scan(shown, rig.key("A1"), counter=1_795_000_000, format="ad2"),
        north.scan(turned_back, rig.key("A2"), counter=1_795_000_001, format="ad2"),
        north.outcome(turned_back, Kind.NO_PASSAGE),
        north.scan(strange, rig.key("A3"), counter=2**32, format="ad2"),
    )
    assert sorted(counters(south), key=str) == [1_795_000_000, 1_795_000_001, None]


def test_a_counter_of_anything_but_a_card_is_told_to_nobody(
    rig: CentralRig, north: Device, south: Device
) -> None:
    north.upload(north.scan(os.urandom(16), rig.key("A1"), counter=3, format="ad1"))
    assert counters(south) == [None]
