"""The socket of the simulated reader: what a visitor may ask for, and how nothing else hurts."""

import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.nfc_cards import KINDS
from drivers.nfc_cards_hostile import HOSTILE
from drivers.nfc_frontend import GuardedFrontend, NfcLost
from drivers.nfc_sim import SimulatedReader
from drivers.nfc_tap import NoProver, Tap
from drivers.nfc_visitor import VisitorField
from drivers.pace import FakePace
from tests.rigs.nfc_rig import ticket


class Visit:
    """Both ends of the socket, and a reader that looks."""

    def __init__(self):
        self.visitor, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.visitor.setblocking(False)
        self.pace = FakePace()
        self.field = VisitorField(theirs, self.pace.now)
        self.frontend = GuardedFrontend(SimulatedReader(self.field, self.pace), self.pace.now)

    def say(self, **body):
        self.visitor.send(json.dumps(body).encode())

    def told(self):
        try:
            return json.loads(self.visitor.recv(9999))
        except BlockingIOError:
            return None


@pytest.fixture
def visit():
    return Visit()


@pytest.mark.parametrize("kind", list(KINDS | HOSTILE))
def test_every_kind_of_card_can_be_held_to_it(visit, kind):
    visit.say(id=7, card=kind, ndef=ticket(b"x").hex())
    assert visit.frontend.poll() is not None
    assert visit.told() == {"id": 7, "at": visit.pace.now()}
    visit.frontend.poll()
    assert visit.told() is None


def test_a_card_leaves_after_its_time_or_when_it_is_taken_away(visit):
    visit.say(id=1, card="ntag213", ms=500)
    assert visit.frontend.poll()
    visit.pace.wait(0.6)
    assert not visit.frontend.poll()
    visit.say(card="ntag213")
    assert visit.frontend.poll()
    visit.say(card=None)
    assert not visit.frontend.poll()


def test_the_message_on_the_card_is_what_was_sent(visit):
    visit.say(card="type4", ndef=ticket(b"from afar").hex(), uid="04010203")
    target = visit.frontend.poll()
    assert bytes(target.sdd_res).hex() == "04010203"
    assert Tap(visit.frontend, NoProver()).read(target) == b"from afar"


def test_a_visitor_who_leaves_unplugs_the_reader(visit):
    visit.visitor.close()
    with pytest.raises(NfcLost):
        for _ in range(2):
            visit.frontend.poll()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"id": 3}, "'card' is missing"),
        ({"id": 3, "card": "credit"}, "one of ntag213"),
        ({"id": 3, "card": ["ntag213"]}, "one of ntag213"),
        ({"id": 3, "card": "ntag213", "ndef": "xyz"}, "hexadecimal"),
        ({"id": 3, "card": "ntag213", "ndef": 5}, "hexadecimal"),
        ({"id": 3, "card": "ntag213", "ndef": "00" * 150}, "does not fit"),
        ({"id": 3, "card": "type4", "ndef": "00" * 1200}, "does not fit"),
        ({"id": 3, "card": "ntag213", "uid": "0102"}, "4 or 7"),
        ({"id": 3, "card": "ntag213", "ms": -1}, "milliseconds"),
        ({"id": 3, "card": "ntag213", "ms": True}, "milliseconds"),
    ],
)
def test_what_cannot_be_is_refused_in_words(visit, body, error):
    visit.say(**body)
    assert not visit.frontend.poll()
    told = visit.told()
    assert told["id"] == 3
    assert error in told["error"]


@given(
    st.binary(max_size=300)
    | st.dictionaries(
        st.sampled_from(["id", "card", "ndef", "uid", "ms"]),
        st.none()
        | st.booleans()
        | st.floats()
        | st.integers()
        | st.sampled_from(["", "00", "ntag213", "type4", "past_end"])
        | st.lists(st.integers(), max_size=2),
    ).map(lambda body: json.dumps(body).encode())
)
def test_no_message_crashes_the_reader(data):
    visit = Visit()
    if data:
        visit.visitor.send(data)
        visit.frontend.poll()
