"""The attendee screen shows what the lane does, never more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admission.lane_table import State
from admission.verdict import Reason
from screen.faces import HOLD, NO, YES, Face, Shown, face_of
from screen.messages import Event, LaneTold
from screen.words import FACES, LANGUAGES, LOST, SOUND, words

MODES = ["normal", "check", "training", "free_flow", "locked"]


def verdict(**changes):
    return Event(**({"seq": 1, "kind": "verdict", "verdict": "admitted"} | changes))


REFUSED = {"verdict": "refused", "reason": "unpaid"}


@pytest.mark.parametrize(
    ("case", "lane", "told", "later", "face"),
    [
        ("nobody there", {"state": "locked"}, None, 0, Face.IDLE),
        ("an exit", {"state": "locked", "direction": "exit"}, None, 0, Face.IDLE_EXIT),
        ("asking others", {"state": "checking"}, None, 0, Face.CHECKING),
        ("released", {"state": "released"}, {}, 0, Face.ADMITTED),
        ("released for long", {"state": "released"}, {}, 60, Face.ADMITTED),
        ("released to go", {"state": "released"}, {"direction": "exit"}, 0, Face.GOODBYE),
        ("locked after green", {"state": "locked"}, {}, 0, Face.IDLE),
        ("last one in", {"state": "settling"}, {}, 0, Face.WAITING),
        ("refused", {"state": "locked"}, REFUSED, 0, Face.REFUSED),
        ("refused, gone", {"state": "locked"}, REFUSED, HOLD, Face.IDLE),
        ("refused, next one", {"state": "checking"}, REFUSED, 1, Face.CHECKING),
        ("check mode", {"state": "locked", "mode": "check"}, {}, 0, Face.VALID),
        ("closed", {"state": "shut"}, None, 0, Face.CLOSED),
        ("fault", {"state": "out_of_service"}, REFUSED, 0, Face.CLOSED),
        ("free flow", {"state": "free"}, REFUSED, 0, Face.FREE_FLOW),
        ("evacuation", {"state": "evacuation"}, REFUSED, 0, Face.EVACUATION),
        ("a newer gate's state", {"state": "levitating"}, {}, 0, Face.WAITING),
    ],
)
def test_face(case, lane, told, later, face):
    shown = None if told is None else Shown(verdict(**told), 100.0)
    assert face_of(LaneTold(name="entry-1", **lane), shown, 100.0 + later) is face


@given(
    state=st.sampled_from([*State]) | st.text(max_size=12),
    mode=st.sampled_from(MODES) | st.text(max_size=12),
    admitted=st.booleans(),
    later=st.floats(0, 100),
)
def test_green_only_while_released_or_checked_valid(state, mode, admitted, later):
    """Nothing but an open lane or a valid ticket in check mode is ever green."""
    told = verdict() if admitted else verdict(**REFUSED)
    face = face_of(LaneTold(name="a", state=state, mode=mode), Shown(told, 0.0), later)
    if face in YES:
        assert state == "released" or (state == "locked" and mode == "check" and admitted)
    if face in NO:
        assert not admitted and later < HOLD


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_face_has_words_in_every_language(language):
    assert set(FACES[language]) == set(Face)
    assert all(word and hint for word, hint in FACES[language].values())
    assert LOST[language] and SOUND[language]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_has_a_word_that_can_be_read_at_two_metres(reason, language):
    word, hint = words("refused", reason, language)
    assert len(word) <= 22
    assert max(len(part) for part in word.split()) <= 14
    assert hint == FACES[language]["refused"][1]


def test_yes_and_no_are_told_apart_by_word_alone():
    for language in LANGUAGES:
        yes = {FACES[language][face][0] for face in YES}
        no = {words("refused", reason, language)[0] for reason in [*Reason, ""]}
        assert not yes & no


def test_a_reason_of_a_newer_gate_has_the_general_word():
    assert words("refused", "moon_phase", "en") == FACES["en"]["refused"]
