"""Cards that prove themselves: made, asked, copied, torn away. Simulated chips, real messages."""

import json
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.nfc_424 import LRP, CardKeyDamaged, CardKeys, CardProver, ask
from drivers.nfc_card_424 import Memory, Ntag424, PocketCard
from drivers.nfc_cards import NdefCard, ntag
from drivers.nfc_errors import CardFault, Why
from drivers.nfc_make import CardRefused, State, look, make, state_of
from drivers.nfc_type4 import read_type4
from tests.rigs.nfc_rig import Bench
from tickets.cards import CardWord, Proof
from tickets.ndef import read_message, uri_of
from tickets.ntag424 import keys
from tickets.ntag424.layout import LIVE_ONLY, signed_url

UID = bytes.fromhex("04de5f1eacc040")
DESK = keys.desk_keys(bytes(range(32)))
SIGNED = signed_url("https://t.example/e")
RND, MORE, OK = bytes(16), b"\x91\xaf", b"\x91\x00"
COMMANDS = 18
"""That it takes to make a card: look at it, write, change five keys, have it prove itself."""


class InHand:
    """A card at a reader, without the radio; counts what it is asked."""

    def __init__(self, card, answer=None):
        self.card, self.uid, self.asked = card, card.uid, []
        self._answer = answer or card.apdu
        card.select()

    def apdu(self, command):
        if getattr(self.card, "power", None) == 0:
            self.card.power = None
            raise CardFault(Why.GONE, "The card left the field")
        self.asked.append(command)
        return self._answer(command)


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "cards.json"
    path.write_text(json.dumps({"event": "FEST", "card_key": DESK.gate.master.hex()}))
    return CardKeys(path, pytest.fail)


@pytest.fixture
def prover(kept):
    return CardProver(kept.get)


def made(layout=SIGNED, uid=UID):
    card = Ntag424(uid)
    make(InHand(card), DESK, layout)
    return card


def link_of(card):
    """What a reader finds written on the card now."""
    (record,) = read_message(read_type4(InHand(card).apdu))
    return uri_of(record)


# -- making --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [SIGNED, LIVE_ONLY])
def test_a_blank_card_becomes_one_of_the_event_and_keeps_no_factory_key(layout):
    card = Ntag424(UID)
    assert state_of(look(InHand(card)), DESK) is State.BLANK
    make(InHand(card), DESK, layout)
    assert state_of(look(InHand(card)), DESK) is State.MADE
    assert card.memory.keys == [DESK.of(number, UID).hex() for number in range(5)]
    assert card.memory.settings == layout.settings.hex()
    assert card.memory.failed == 0


@pytest.mark.parametrize("steps", range(COMMANDS + 1))
def test_a_card_torn_away_at_any_step_is_finished_when_it_is_held_again(steps):
    """And no key was ever tried that the card did not have."""
    card = Ntag424(UID)
    card.power = steps
    with pytest.raises(CardFault) if steps < COMMANDS else nullcontext():
        make(InHand(card), DESK, SIGNED)
    card.power = None
    assert state_of(look(InHand(card)), DESK) in (State.BLANK, State.HALF_MADE, State.MADE)
    make(InHand(card), DESK, SIGNED)
    assert card.memory.keys == [DESK.of(number, UID).hex() for number in range(5)]
    assert card.memory.failed == 0
    assert link_of(card).startswith(b"https://t.example/e?card=")


@pytest.mark.parametrize("steps", [11, 13, 15])
def test_a_half_made_card_may_be_finished_with_another_address(steps):
    card = Ntag424(UID)
    card.power = steps
    with pytest.raises(CardFault):
        make(InHand(card), DESK, SIGNED)
    card.power = None
    make(InHand(card), DESK, signed_url("https://other.example/longer/than/before"))
    assert link_of(card).startswith(b"https://other.example/longer/than/before?card=")


def test_a_card_of_another_event_is_left_as_it_is():
    """No key is tried on it: its own event's people would find it locked."""
    other = keys.desk_keys(bytes(32))
    assert other.gate.version != DESK.gate.version
    card = Ntag424(UID)
    make(InHand(card), other, SIGNED)
    before = list(card.memory.keys)
    hand = InHand(card)
    with pytest.raises(CardRefused, match="another event"):
        make(hand, DESK, SIGNED)
    assert card.memory.keys == before
    assert not [command for command in hand.asked if command[1] in (0x71, 0xC4, 0x5F)]


def test_a_card_that_lies_about_its_keys_is_asked_once_and_set_aside():
    card = Ntag424(UID, Memory(keys=["11" * 16] * 5))
    with pytest.raises(CardRefused, match="has another"):
        make(InHand(card), DESK, SIGNED)
    assert card.memory.failed == 1


def test_a_blank_card_in_lrp_mode_is_refused_by_name():
    card = Ntag424(UID)
    lrp = b"\x01" + RND + MORE
    hand = InHand(card, lambda command: lrp if command[1] == 0x71 else card.apdu(command))
    with pytest.raises(CardRefused, match="LRP mode"):
        make(hand, DESK, SIGNED)


def test_a_tag_of_another_kind_is_no_card():
    with pytest.raises(CardRefused, match="no NTAG 424"):
        make(InHand(NdefCard(UID, b"")), DESK, SIGNED)


@given(st.integers(0, 19), st.binary(max_size=64))
def test_a_card_that_answers_anything_at_any_step_is_named(step, nonsense):
    card = Ntag424(UID)
    left = [step]

    def answer(command):
        left[0] -= 1
        return nonsense if left[0] == -1 else card.apdu(command)

    hand = InHand(card, answer)
    try:
        make(hand, DESK, SIGNED)
    except CardRefused as error:
        assert error.cause
        assert error.remedy
    assert len(hand.asked) < 40


# -- the live challenge --------------------------------------------------------------------------


def test_a_card_of_the_event_proves_itself_live(prover):
    assert prover.challenge(InHand(made())) == CardWord(UID, Proof.LIVE)


def test_the_card_s_counter_is_not_moved_by_a_live_answer(prover):
    card = made()
    prover.challenge(InHand(card))
    assert card.memory.counter == 0


def test_a_card_with_a_wrong_key_is_forged(prover):
    """A copy of all that can be read of a card, without the keys that cannot."""
    copy = Ntag424(UID, Memory(keys=["22" * 16] * 5, versions=[DESK.gate.version] * 5))
    word = prover.challenge(InHand(copy))
    assert word.proof is Proof.FORGED
    assert "another key" in word.detail


def test_another_card_s_key_is_no_key_of_this_one(prover):
    """Diversified: who reads the keys out of one card has those of no other."""
    card = made()
    card.uid = bytes.fromhex("04de5f1eacc041")
    assert prover.challenge(InHand(card)).proof is Proof.FORGED


def test_a_recorded_conversation_does_not_work_again(prover):
    card, said = made(), []
    hand = InHand(card, lambda command: said.append(card.apdu(command)) or said[-1])
    assert prover.challenge(hand).proof is Proof.LIVE
    replay = iter(said)
    assert prover.challenge(InHand(card, lambda _: next(replay))).proof is Proof.FORGED


def test_a_card_of_no_or_other_keys_is_read_like_any_tag(prover):
    """And no challenge is spent on it."""
    for card in (Ntag424(UID), NdefCard(UID, b""), Ntag424(UID, Memory(versions=[9] * 5))):
        hand = InHand(card)
        assert prover.challenge(hand) is None
        assert not [command for command in hand.asked if command[1] == 0x71]


def test_a_random_uid_is_no_card_of_ours(prover):
    assert prover.challenge(InHand(Ntag424(b"\x08123"))) is None


def test_without_keys_no_card_is_asked(tmp_path):
    hand = InHand(made())
    assert CardProver(CardKeys(tmp_path / "none.json", pytest.fail).get).challenge(hand) is None
    assert (
        CardProver(CardKeys(tmp_path / "none.json", pytest.fail).get).link(UID, link_of(made()))
        is None
    )


@pytest.mark.parametrize(
    ("case", "first", "second", "proof", "told"),
    [
        ("LRP mode, by its challenge", b"\x01" + RND + MORE, b"", "unreadable", LRP),
        ("LRP mode, by its refusal", b"\x91\x9d", b"", "unreadable", LRP),
        ("made to wait", b"\x91\xad", b"", "unreadable", "wrong keys were tried"),
        ("no answer", b"", b"", "unreadable", "hold it still"),
        ("a short challenge", RND[1:] + MORE, b"", "unreadable", "hold it still"),
        ("a long challenge", RND * 6 + MORE, b"", "unreadable", "hold it still"),
        ("wrong RndA", RND + MORE, RND * 2 + OK, "forged", "another answer"),
        ("cut short", RND + MORE, RND + RND[1:] + OK, "forged", "31 bytes"),
        ("too long", RND + MORE, RND * 6 + OK, "forged", "96 bytes"),
        ("more and more", RND + MORE, RND + MORE, "unreadable", "91af"),
        ("nothing after", RND + MORE, b"", "unreadable", "0000"),
        ("broken off", RND + MORE, b"\x91\x1c", "unreadable", "911c"),
    ],
)
def test_a_hostile_card_ends_in_two_exchanges_with_a_named_reason(case, first, second, proof, told):
    answers = iter((first, second))
    hand = InHand(Ntag424(UID), lambda _: next(answers))
    word = ask(hand, keys.LIVE, DESK.gate.live(UID))
    assert word.proof == proof
    assert told in word.detail
    assert len(hand.asked) <= 2


@given(st.lists(st.binary(max_size=64), max_size=8))
def test_no_answers_break_the_challenge_or_are_believed(answers):
    said = iter(answers)
    word = ask(InHand(Ntag424(UID), lambda _: next(said, b"")), keys.LIVE, DESK.gate.live(UID))
    assert word.proof in (Proof.FORGED, Proof.UNREADABLE)


class Stubborn(Ntag424):
    """Keeps the reader from its second frame of the challenge on."""

    way = "wait"

    def block(self, frame):
        given = super().block(frame)
        if self._asked is None:
            return given
        endless = {"wait": b"\xf2\x3b", "chain": bytes([0x12 | frame[0] & 1]) + bytes(16)}
        return endless.get(self.way)


@pytest.mark.parametrize("way", ["wait", "chain", "silence"])
def test_a_card_that_keeps_the_reader_in_the_challenge_ends_in_the_tap_s_budget(prover, way):
    """Through nfcpy and the block protocol, on the reader's own time."""
    card = Stubborn(UID, Memory(versions=[DESK.gate.version] * 5))
    card.way = way
    bench = Bench(prover)
    started = bench.pace.now()
    with pytest.raises(CardFault) as fault:
        bench.read(card)
    assert bench.pace.now() - started <= 1.05
    assert fault.value.why in (Why.BUDGET, Why.PROTOCOL, Why.GONE)


def test_a_true_card_proves_itself_through_the_whole_stack(prover):
    assert Bench(prover).read(made()) == CardWord(UID, Proof.LIVE)


def test_a_copied_message_is_judged_through_the_whole_stack(prover):
    """On a tag of another kind, with the UID of the card it was read from."""
    message = read_type4(InHand(made()).apdu)
    assert Bench(prover).read(NdefCard(UID, message)) == CardWord(UID, Proof.MESSAGE, 1)
    assert Bench(prover).read(ntag("ntag213", UID, message)) == CardWord(UID, Proof.MESSAGE, 1)
    assert Bench(prover).read(NdefCard(b"\x08123", message)).proof is Proof.FORGED


# -- messages ------------------------------------------------------------------------------------


def test_each_reading_of_a_card_is_another_message_with_the_next_counter(prover):
    card = made()
    links = [link_of(card) for _ in range(3)]
    assert len(set(links)) == 3
    words = [prover.link(UID, link) for link in links]
    assert words == [CardWord(UID, Proof.MESSAGE, counter) for counter in (1, 2, 3)]


def test_a_card_that_was_made_without_an_address_has_no_message_to_be_copied():
    with pytest.raises(CardFault) as none:
        link_of(made(LIVE_ONLY))
    assert none.value.why is Why.NO_NDEF


@pytest.mark.parametrize(
    ("case", "uid", "change", "told"),
    [
        ("shown by another card or a phone", b"\x08abc", lambda link: link, "another card"),
        ("a changed code", UID, lambda link: link[:-16] + bytes(8).hex().encode(), "code"),
        ("another event's", UID, lambda link: link_of_other(), "another key"),
    ],
)  # fmt: skip
def test_a_message_that_is_not_this_card_s_is_forged(prover, case, uid, change, told):
    word = prover.link(uid, change(link_of(made())))
    assert word.proof is Proof.FORGED
    assert told in word.detail


def link_of_other():
    card = Ntag424(UID)
    make(InHand(card), keys.desk_keys(bytes(32)), SIGNED)
    return link_of(card)


def test_a_message_in_lrp_mode_is_refused_by_name(prover):
    word = prover.link(UID, b"https://t.example/?card=" + b"ab" * 24 + b"&mac=" + b"cd" * 8)
    assert (word.proof, word.detail) == (Proof.UNREADABLE, LRP)


def test_an_ordinary_link_is_none_of_ours(prover):
    assert prover.link(UID, b"https://t.example/?t=AD1:ABC") is None


@pytest.mark.parametrize("commands", range(COMMANDS - 3))
def test_a_half_made_card_shows_the_address_it_is_finished_with(commands):
    """Also where the one it was begun with is as long, and the settings so the same."""
    card = Ntag424(UID)
    card.power = commands
    with pytest.raises(CardFault):
        make(InHand(card), DESK, signed_url("https://a.example/e"))
    make(InHand(card), DESK, signed_url("https://b.example/e"))
    assert link_of(card).startswith(b"https://b.example/e?card=")


# -- the keys ------------------------------------------------------------------------------------


def test_keys_that_arrive_later_are_found_without_a_restart(tmp_path):
    path = tmp_path / "cards.json"
    found = CardKeys(path, pytest.fail)
    assert found.get() is None
    path.write_text(json.dumps({"card_key": DESK.gate.master.hex()}))
    assert found.get() == DESK.gate


@pytest.mark.parametrize("text", ["", "{", "[]", '{"card_key": 7}', '{"card_key": "ab"}', "{}"])
def test_a_damaged_key_file_is_a_fault_told_once(tmp_path, text):
    path = tmp_path / "cards.json"
    path.write_text(text)
    told = []
    found = CardKeys(path, told.append)
    assert found.get() is None
    assert found.get() is None
    assert [error.remedy[:5] for error in told] == ["Enrol"]


def test_a_key_file_that_was_mended_ends_the_fault(tmp_path):
    path = tmp_path / "cards.json"
    path.write_text("{")
    told = []
    found = CardKeys(path, told.append)
    assert found.get() is None
    path.write_text(json.dumps({"card_key": DESK.gate.master.hex()}))
    assert (found.get(), told[1:]) == (DESK.gate, [None])


def test_a_key_file_out_of_reach_is_a_fault_and_ends_no_reader(tmp_path):
    (tmp_path / "sync").write_text("no directory")
    told = []
    assert CardKeys(tmp_path / "sync" / "cards.json", told.append).get() is None
    assert [type(error) for error in told] == [CardKeyDamaged]


# -- the simulated card's pocket -----------------------------------------------------------------


def test_a_card_in_a_file_is_the_same_card_at_every_reader(tmp_path, prover):
    path = tmp_path / "guest.json"
    make(InHand(PocketCard(path)), DESK, SIGNED)
    first, second = link_of(PocketCard(path)), link_of(PocketCard(path))
    uid = PocketCard(path).uid
    assert [prover.link(uid, link).counter for link in (first, second)] == [1, 2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"uid": "xy"}', '{"uid": "04", "what": 1}'])
def test_a_file_that_holds_no_card_is_refused(tmp_path, text):
    path = tmp_path / "guest.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="holds no card"):
        PocketCard(path)
