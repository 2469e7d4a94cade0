"""Cards at a lane: a reader's word is taken, a message counts once, here and after a restart."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from admission.decide import Claim, ClaimState
from admission.direction import Direction
from admission.history import Standing, Use
from admission.rules import GroupRule, Product
from drivers.messages import Heartbeat, MessageError, decode, encode
from drivers.messages import Sighting as ReaderSighting
from scanner.elsewhere import MirrorElsewhere
from scanner.lane import LaneSettings
from scanner.messages import Sighting
from scanner.readers import Reader, Readers
from store.mirror import Mirror, RedemptionElsewhere
from store.records import Kind
from tests.rigs.gate_rig import EVENT_KEY, GateRig
from tickets.cards import CardWord, Proof
from tickets.credential import Credential, Format
from tickets.keys import ticket_key
from tickets.rows import Ticket

UID = bytes.fromhex("04de5f1eacc040")
KEY = ticket_key(EVENT_KEY, Credential(Format.NTAG424, UID))
LIVE = CardWord(UID, Proof.LIVE)
FORGED = CardWord(UID, Proof.FORGED, detail="the card has another key")


def message(counter: int) -> CardWord:
    return CardWord(UID, Proof.MESSAGE, counter)


def gate(directory: Path, entries: int = 0, **settings: Any) -> GateRig:
    return GateRig(directory, [Ticket(KEY, entries=entries)], **settings)


def hold(rig: GateRig, word: CardWord, seconds: float = 0.5, lane: str | None = None) -> None:
    """Hold a card to a reader, which tells of it four times a second."""
    target = rig.lanes[lane] if lane else rig.lane
    for _ in range(max(1, round(seconds * 4))):
        at = rig.clock.monotonic()
        target.handle(Sighting(b"", "nfc", 0.0, at, Direction.ENTRY, word))
        rig.advance(0.25)


def tap(rig: GateRig, word: CardWord, lane: str | None = None) -> None:
    """Hold a card to a reader, take it away, go through if the way is free."""
    hold(rig, word, lane=lane)
    rig.advance(8.0)


def test_a_card_that_proved_itself_is_recorded_as_what_it_is(tmp_path: Path) -> None:
    """By nfc, in its own format, under the name of its ticket; its UID is nowhere."""
    rig = gate(tmp_path)
    tap(rig, LIVE)
    (scan,) = rig.records(Kind.SCAN)
    told = scan.verdict, scan.medium, scan.format, scan.ticket_key, scan.counter
    assert told == ("admitted", "nfc", "ntag424", KEY, None)
    assert UID not in (tmp_path / "journal.db").read_bytes()
    assert UID not in (tmp_path / "journal.db-wal").read_bytes()


def test_a_live_card_enters_as_often_as_its_ticket_says(tmp_path: Path) -> None:
    rig = gate(tmp_path, entries=2)
    for _ in range(3):
        tap(rig, LIVE)
    assert [reason for _, reason in rig.scans()] == [None, None, "already_redeemed"]


def test_a_card_with_a_wrong_key_is_forged(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    tap(rig, FORGED)
    assert rig.scans() == [("refused", "forged")]
    assert rig.releases() == 0


def test_a_card_in_another_mode_is_unreadable_with_its_reason(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    tap(rig, CardWord(UID, Proof.UNREADABLE, detail="the card is in LRP mode"))
    (scan,) = rig.records(Kind.SCAN)
    assert (scan.reason, scan.detail) == ("unreadable", "the card is in LRP mode")


def test_a_message_is_recorded_with_its_counter_and_works_once(tmp_path: Path) -> None:
    """The next one of the same card works again: it came from the card, not from a copy."""
    rig = gate(tmp_path)
    for counter in (5, 5, 4, 6):
        tap(rig, message(counter))
    assert [reason for _, reason in rig.scans()] == [None, "replayed", "replayed", None]
    assert [scan.counter for scan in rig.records(Kind.SCAN)] == [5, 5, 4, 6]


def test_a_refused_message_is_used_up_too(tmp_path: Path) -> None:
    """Whoever stood behind the guest and copied it must not come back with it later."""
    rig = gate(tmp_path)
    rig.rows[KEY] = Ticket(KEY, entries=0, valid_from=int(rig.clock.at) + 3600)
    tap(rig, message(5))
    rig.rows[KEY] = Ticket(KEY, entries=0)
    tap(rig, message(5))
    tap(rig, message(6))
    assert [reason for _, reason in rig.scans()] == ["too_early", "replayed", None]


def test_a_card_left_on_the_reader_is_not_called_a_replay_of_itself(tmp_path: Path) -> None:
    """A refused ticket is looked at again after 3 s in view; a message is not, it counts once."""
    rig = gate(tmp_path)
    rig.rows[KEY] = Ticket(KEY, entries=0, valid_from=int(rig.clock.at) + 3600)
    hold(rig, message(5), seconds=8)
    assert [reason for _, reason in rig.scans()] == ["too_early"]


def test_a_live_card_left_on_the_reader_is_looked_at_again(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    rig.rows[KEY] = Ticket(KEY, entries=0, valid_from=int(rig.clock.at) + 3600)
    hold(rig, LIVE, seconds=8)
    assert len(rig.scans()) >= 2


def test_the_counter_survives_a_restart(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    tap(rig, message(5))
    again = rig.crash()
    tap(again, message(5))
    tap(again, message(6))
    assert [reason for _, reason in again.scans()] == [None, "replayed", None]


def test_a_message_that_another_gate_has_seen_is_replayed_here(tmp_path: Path) -> None:
    """Also where nobody went through there: the message was shown."""
    rig = gate(tmp_path)
    for standing in (Standing.PASSED, Standing.ANNULLED):
        rig.elsewhere[KEY] = (
            Use(b"P" * 16, Direction.ENTRY, "main", 1.0, "south", standing, here=False, counter=9),
        )
        tap(rig, message(9))
    tap(rig, message(10))
    assert [reason for _, reason in rig.scans()] == ["replayed", "replayed", None]


def test_what_the_mirror_tells_of_counters_reaches_the_decision(tmp_path: Path) -> None:
    """But for this gate's own scans that come back: the journal knows those better."""
    told = RedemptionElsewhere(
        b"P" * 16, KEY, "main", "entry", 1.0, "south", "d2", b"epoch..2", stands=False, counter=9
    )
    own = replace(told, presentation=b"Q" * 16, device="d1", epoch=b"epoch..1", counter=70)
    Mirror(tmp_path / "mirror.db").add_redemptions([told, own], 2)
    elsewhere = MirrorElsewhere(
        tmp_path / "mirror.db", lambda: ("d1", b"epoch..1"), lambda name, error: None
    )
    assert [use.counter for use in elsewhere.uses(KEY)] == [9]


def test_a_gap_is_told_and_refuses_nobody(tmp_path: Path) -> None:
    rig = gate(tmp_path)
    tap(rig, message(5))
    tap(rig, message(500))
    assert rig.scans()[-1] == ("admitted", None)
    assert "read elsewhere" in rig.records(Kind.SCAN)[-1].detail


def test_a_copy_shown_at_another_lane_meanwhile_does_not_spoil_the_first(tmp_path: Path) -> None:
    """While the first is claimed, the copy is refused, and leaves no counter behind."""
    lanes = (LaneSettings("left", "main"), LaneSettings("right", "main"))
    rig = gate(tmp_path, lanes=lanes, authority="admit")
    rig.central.result = Claim(ClaimState.GRANTED)
    rig.central.delay = 0.3
    at = rig.clock.monotonic()
    rig.lanes["left"].handle(Sighting(b"", "nfc", 0.0, at, Direction.ENTRY, message(5)))
    rig.lanes["right"].handle(Sighting(b"", "nfc", 0.0, at, Direction.ENTRY, message(5)))
    rig.advance(8.0)
    tap(rig, message(5), lane="right")
    told = [(scan.lane, scan.reason, scan.counter) for scan in rig.records(Kind.SCAN)]
    assert told == [
        ("right", "taken_elsewhere", None),
        ("left", None, 5),
        ("right", "replayed", 5),
    ]


def test_a_group_shown_once_by_card_enters_whole(tmp_path: Path) -> None:
    """Who follows shows nothing: the one message is theirs too."""
    products = [Product(1, "Family", group=GroupRule.ONE_SHOWS_ALL)]
    rig = gate(tmp_path, entries=3, products=products)
    hold(rig, message(5))
    rig.advance(20.0)
    assert [reason for _, reason in rig.scans()] == [None, None, None]


def test_in_check_mode_a_message_is_used_up_and_redeems_nothing(tmp_path: Path) -> None:
    rig = gate(tmp_path, entries=1)
    rig.lane.set_mode("check", "test")
    tap(rig, message(5))
    rig.lane.set_mode("normal", "test")
    tap(rig, message(5))
    tap(rig, message(6))
    verdicts = [(scan.verdict, scan.reason) for scan in rig.records(Kind.SCAN)]
    assert verdicts == [("checked", None), ("refused", "replayed"), ("admitted", None)]


# -- the reader's word ---------------------------------------------------------------------------


@pytest.mark.parametrize("word", [LIVE, FORGED, message(0), message(2**24 - 1)])
def test_a_reader_s_word_arrives_as_it_was_given(word: CardWord) -> None:
    sighting = ReaderSighting(b"", "nfc", 0.0, 1.0, word)
    assert decode(encode(sighting)) == sighting


@pytest.mark.parametrize(
    "card",
    [
        "7",
        "null",
        "[]",
        '{"uid": "04", "proof": "live", "detail": ""}',
        '{"uid": "04de5f1eacc040", "proof": "sure", "detail": ""}',
        '{"uid": "04de5f1eacc040", "proof": "message", "detail": "", "counter": true}',
        '{"uid": "04de5f1eacc040", "proof": "message", "detail": "", "counter": 1e3}',
        '{"uid": "zz", "proof": "forged", "detail": ""}',
        '{"uid": "", "proof": "forged"}',
    ],
)
def test_a_word_that_no_reader_gives_ends_the_reader(card: str) -> None:
    plain = encode(ReaderSighting(b"", "nfc", 0.0, 1.0)).decode()
    raw = plain.removesuffix("}") + f', "card": {card}}}'
    with pytest.raises(MessageError):
        decode(raw.encode())


def test_a_code_and_a_card_in_one_are_neither() -> None:
    with pytest.raises(MessageError):
        decode(encode(ReaderSighting(b"AD1:X", "nfc", 0.0, 1.0, LIVE)))


@pytest.mark.parametrize(("asks", "believed"), [((), False), (("--cards", "x"), True)])
def test_only_a_reader_of_cards_is_believed_when_it_speaks_of_one(
    asks: tuple[str, ...], believed: bool
) -> None:
    """A camera's child that a picture has taken over cannot say that a card proved itself."""
    heard: list[object] = []
    faults: list[str] = []
    uri = "camera:files:/none"
    reader = Reader(uri, heard.append, lambda name, error: faults.append(str(error)), asks)
    readers = Readers([reader])
    readers._understand(reader, encode(Heartbeat(1.0, 1, "ok")))
    readers._understand(reader, encode(ReaderSighting(b"", "nfc", 0.0, 1.0, LIVE)))
    assert bool(heard) is believed


def test_what_a_picture_says_is_never_a_card_s_word(tmp_path: Path) -> None:
    """No bytes of a code make a credential of a card."""
    rig = gate(tmp_path)
    for payload in (UID, b"ntag424", encode(ReaderSighting(b"", "nfc", 0.0, 1.0, LIVE))):
        rig.show(payload)
        rig.advance(4.0)
    assert {scan.format for scan in rig.records(Kind.SCAN)} <= {None, "opaque"}
    assert rig.releases() == 0
