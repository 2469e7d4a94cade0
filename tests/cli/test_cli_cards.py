"""`admit cards`: from blank cards to rows that central imports, whatever is held to the reader."""

import io
import json
import resource
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from cli.card_desk import Desk, HeldCard, NobodyCame
from cli.card_file import CardFile, CardFileFault
from cli.cards import Maker, app
from drivers.nfc_card_424 import Memory, Ntag424, PocketCard
from drivers.nfc_errors import CardFault, Why
from tests.rigs.nfc_rig import Visitor
from tickets.csv_rows import TicketRow, read_rows
from tickets.errors import GateError
from tickets.key_files import Role, load_key, new_key, save_key
from tickets.ntag424.keys import desk_keys
from tickets.ntag424.layout import LIVE_ONLY

URL = "https://t.example/e"


class Hand(Visitor):
    """Holds cards from a pocket to the reader."""

    def __init__(self, path):
        super().__init__(path)
        self.pocket = path.parent

    def show(self, name, ms=None):
        """Hold the card of that name, a new one if there is none; waits until it is seen."""
        self._number += 1
        body = {"id": self._number, "card": "ntag424", "file": str(self.pocket / f"{name}.json")}
        self._connected().send(json.dumps(body | ({"ms": ms} if ms else {})).encode())
        assert "error" not in self.told()

    def card(self, name):
        """The card of that name."""
        return PocketCard(self.pocket / f"{name}.json")


@pytest.fixture
def keys(tmp_path):
    save_key(new_key(Role.CARDS, "FEST26"), tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def hand(tmp_path):
    made = Hand(tmp_path / "s")
    yield made
    made.close()


@contextmanager
def playing(work):
    """Have the person at the reader do their part meanwhile; what they met comes out."""
    met = []

    def part():
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            met.append(error)

    thread = threading.Thread(target=part, daemon=True)
    thread.start()
    yield
    thread.join(10)
    assert not met, met


def until(check, within=10.0):
    end = time.monotonic() + within
    while not check():
        assert time.monotonic() < end
        time.sleep(0.005)


def command(tmp_path, hand, keys, *words):
    """`admit cards new` over tickets.csv, or `read`."""
    options = ["--reader", hand.uri, "--keys", str(keys), "--wait", "5"]
    if words[:1] == ("new",):
        options += ["--out", str(tmp_path / "made.csv")]
        words = ("new", str(tmp_path / "tickets.csv"), *words[1:])
    return CliRunner().invoke(app, [*words, *options], catch_exceptions=True)


def rows(tmp_path):
    return list(read_rows(io.BytesIO((tmp_path / "made.csv").read_bytes())))


def made_ids(tmp_path):
    path = tmp_path / "made.csv"
    return [row.id for row in rows(tmp_path)] if path.exists() else []


def test_each_ticket_becomes_a_card_with_the_rights_it_was_sold_with(tmp_path, hand, keys):
    (tmp_path / "tickets.csv").write_text(
        "id,product,entries,valid_until,attention,name\nT1,7,0,2026-07-03T18:00:00+02:00,1,Ada\nT2,,,,,\n"
    )

    def person():
        for name in ("T1", "T2"):
            hand.show(name)
            until(lambda name=name: name in made_ids(tmp_path))
            hand.hold(None)

    with playing(person):
        result = command(tmp_path, hand, keys, "new", "--url", URL)
    assert result.exit_code == 0, result.output
    first, second = rows(tmp_path)
    assert (first.id, first.product, first.entries, first.valid_until) == ("T1", 7, 0, 1783094400)
    assert first.card == hand.card("T1").uid
    assert (second.id, second.product, second.entries) == ("T2", 1, 1)
    desk = desk_keys(load_key(keys, Role.CARDS).secret)
    for name in ("T1", "T2"):
        card = hand.card(name)
        assert card.memory.keys == [desk.of(number, card.uid).hex() for number in range(5)]
    assert "Ada" not in (tmp_path / "made.csv").read_text()


class Pile:
    """A desk at which cards are held one after the other, each for a number of commands."""

    def __init__(self, *cards):
        self.cards, self.taken = list(cards), []

    def card(self):
        card, steps = self.cards.pop(0)
        card.select()

        def apdu(command):
            nonlocal steps
            steps -= 1
            if steps < 0:
                raise CardFault(Why.GONE, "The card left the field")
            return card.apdu(command)

        return HeldCard(card.uid, apdu)

    def gone(self, uid):
        self.taken.append(uid)


def chip(number, **memory):
    return Ntag424(bytes([4, 0, 0, 0, 0, 0, number]), Memory(**memory))


STILL = 100


def making(tmp_path, keys, *cards, again=False):
    """Make ticket T1 of the first good card of a pile; its UID."""
    desk = desk_keys(load_key(keys, Role.CARDS).secret)
    maker = Maker(Pile(*cards), desk, LIVE_ONLY, CardFile(tmp_path / "made.csv"), again)
    return maker.make(TicketRow(2, "T1"))


def test_a_card_pulled_away_is_finished_when_it_is_held_again(tmp_path, keys, capsys):
    card = chip(1)
    torn = [(card, steps) for steps in range(12)]
    assert making(tmp_path, keys, *torn, (card, STILL)) == card.uid
    assert card.memory.failed == 0
    assert capsys.readouterr().err.count("Hold the card still") == 1
    assert made_ids(tmp_path) == ["T1"]


def test_a_card_is_never_two_tickets(tmp_path, keys, capsys):
    CardFile(tmp_path / "made.csv").add(TicketRow(2, "T0"), chip(1).uid)
    assert making(tmp_path, keys, (chip(1), STILL), (chip(2), STILL)) == chip(2).uid
    assert "that of ticket T0" in capsys.readouterr().err


def test_a_stranger_s_card_is_left_alone_and_one_that_lies_is_asked_once(tmp_path, keys, capsys):
    """Guessing further would lock it."""
    other = chip(1, versions=[1 + desk_version(keys) % 255] * 5)
    liar = chip(2, keys=["77" * 16] * 5)
    pile = [(other, STILL), (other, STILL), (liar, STILL), (liar, STILL), (chip(3), STILL)]
    assert making(tmp_path, keys, *pile) == chip(3).uid
    assert (other.memory.failed, liar.memory.failed) == (0, 1)
    told = capsys.readouterr().err
    assert "another event" in told
    assert "was set aside" in told


def test_a_card_made_before_is_taken_only_when_that_is_meant(tmp_path, keys, capsys):
    """It may be the ticket of somebody in another file."""
    card = chip(1)
    making(tmp_path, keys, (card, STILL))
    (tmp_path / "made.csv").unlink()
    assert making(tmp_path, keys, (card, STILL), (chip(2), STILL)) == chip(2).uid
    assert "made before" in capsys.readouterr().err
    (tmp_path / "made.csv").unlink()
    assert making(tmp_path, keys, (card, STILL), again=True) == card.uid


def desk_version(keys):
    return desk_keys(load_key(keys, Role.CARDS).secret).gate.version


def test_started_again_it_goes_on_where_it_was_stopped(tmp_path, hand, keys):
    (tmp_path / "tickets.csv").write_text("id\nT1\nT2\n")
    CardFile(tmp_path / "made.csv")
    with (tmp_path / "made.csv").open("a") as file:
        file.write("T1,1,1,,,valid,0,04000000000001\n")

    def person():
        hand.show("T2")
        until(lambda: made_ids(tmp_path) == ["T1", "T2"])
        hand.hold(None)

    with playing(person):
        result = command(tmp_path, hand, keys, "new")
    assert result.exit_code == 0, result.output


def test_bad_rows_are_named_before_the_first_card(tmp_path, hand, keys):
    (tmp_path / "tickets.csv").write_text("id,code,card\nA,XY12,\nB,,04000000000001\n,,\n")
    result = command(tmp_path, hand, keys, "new")
    assert result.exit_code == 1
    assert "line 2: ticket 'A' has a code already" in result.output
    assert "line 3: ticket 'B' has a card already" in result.output


def test_when_nobody_comes_it_says_so_and_ends(hand):
    with playing(lambda: hand.hold(None)), pytest.raises(NobodyCame):
        Desk(hand.uri, 0.1).card()


@pytest.mark.parametrize(
    "text", ["x", "id,card\nA,zz\n", "id\nA\n", "id,card\nA,04000000000001\nA,0"]
)
def test_a_file_that_is_none_of_made_cards_is_not_added_to(tmp_path, text):
    (tmp_path / "made.csv").write_text(text)
    with pytest.raises(GateError):
        CardFile(tmp_path / "made.csv")
    assert (tmp_path / "made.csv").read_text() == text


def test_a_directory_in_the_file_s_place_is_named(tmp_path):
    with pytest.raises(CardFileFault):
        CardFile(tmp_path)


def test_a_row_that_does_not_fit_the_disk_is_no_card_of_the_file(tmp_path):
    """A full disk takes the first bytes of a row, and says nothing until the next."""
    file = CardFile(tmp_path / "made.csv")
    size = (tmp_path / "made.csv").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, before[1]))
    try:
        with pytest.raises(CardFileFault, match="cannot be written"):
            file.add(TicketRow(2, "T1"), chip(1).uid)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert file.made == {}


# -- read back -----------------------------------------------------------------------------------


def reading(tmp_path, hand, keys, show, *words):
    with playing(show):
        result = command(tmp_path, hand, keys, "read", "--json", *words)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def made_card(tmp_path, hand, keys, name="T1"):
    (tmp_path / "tickets.csv").write_text(f"id\n{name}\n")

    def person():
        hand.show(name)
        until(lambda: made_ids(tmp_path) == [name])
        hand.hold(None)

    with playing(person):
        assert command(tmp_path, hand, keys, "new", "--url", URL).exit_code == 0
    hand.forget()


def test_a_made_card_is_read_back_with_its_ticket_and_its_message(tmp_path, hand, keys):
    made_card(tmp_path, hand, keys)
    tickets = ("--tickets", str(tmp_path / "made.csv"))
    found = reading(tmp_path, hand, keys, lambda: hand.show("T1"), *tickets)
    assert (found["state"], found["live"], found["ticket"]) == ("made", "live", "T1")
    assert found["message"]["counter"] == 1


@pytest.mark.parametrize("case", ["blank", "half made", "of other keys", "made"])
def test_how_far_a_card_is_and_whether_it_is_true_is_told(tmp_path, hand, keys, case):
    """The made one is a copy of all but the keys."""
    ours = desk_version(keys)
    versions = {"half made": [0, ours, 0, 0, 0], "of other keys": [0, 1 + ours % 255, 0, 0, 0]}
    card = PocketCard(tmp_path / "x.json")
    card.memory = Memory(versions=versions.get(case, [ours if case == "made" else 0] * 5))
    card.keep()
    found = reading(tmp_path, hand, keys, lambda: hand.show("x"))
    forged = "forged" if case in ("made", "half made") else None
    assert (found["state"], found["live"]) == (case, forged)


def test_a_tag_of_another_kind_is_told(tmp_path, hand, keys):
    found = reading(tmp_path, hand, keys, lambda: hand.hold("ntag213"))
    assert found["state"] == "no NTAG 424 DNA"


def test_a_card_that_cannot_be_read_is_told_why_before_the_next(hand, keys, tmp_path, monkeypatch):
    pile = Pile((chip(1), 0), (chip(2), STILL))
    monkeypatch.setattr("cli.cards.Desk", lambda reader, wait: pile)
    result = command(tmp_path, hand, keys, "read")
    assert "The card left the field. Hold the card still" in result.output
    assert "state          blank" in result.output


def test_the_words_for_a_person_say_what_counts(tmp_path, hand, keys):
    made_card(tmp_path, hand, keys)
    with playing(lambda: hand.show("T1")):
        result = command(tmp_path, hand, keys, "read")
    assert "proves itself  yes" in result.output
    assert "message        true, number 1" in result.output
    assert hand.card("T1").uid.hex() not in result.output
