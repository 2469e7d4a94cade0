"""Keys of a scanner become the text it meant, in each layout it may be set to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.wedge_keys import _LAYOUTS, _PAD, LAYOUTS, Keyboard, text_of

SHIFT, ALT, ALTGR, CAPS, ENTER = 42, 56, 100, 58, 28
TICKET = "AD1:6BF+70$*%./ -Z9"


def typed(text: str, layout: str) -> list[tuple[int, bool]]:
    """The key events of a scanner that is set to ``layout``."""
    keys = _LAYOUTS[layout]
    events: list[tuple[int, bool]] = []
    for character in text:
        tables = (keys.plain, None), (keys.shifted, SHIFT), (keys.third, ALTGR)
        held, code = next(
            (held, code)
            for table, held in tables
            for code, meant in table.items()
            if meant == character and code not in _PAD  # scanners use the rows of keys
        )
        press = [(code, True), (code, False)]
        events += [(held, True), *press, (held, False)] if held else press
    return events


def read(events: list[tuple[int, bool]], layout: str) -> str:
    keyboard = Keyboard()
    for code, down in events:
        assert not keyboard.key(code, down)
    assert keyboard.key(ENTER, True)
    return text_of(keyboard.take(), layout)


ASCII = [chr(code) for code in range(32, 127)]
DEAD = {"us": "", "de": "^`", "fr": "^`"}
"""Characters that need a dead key there; no ticket has them."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_printable_character_is_typed_and_read_back(layout):
    text = "".join(c for c in ASCII if c not in DEAD[layout])
    assert read(typed(text, layout), layout) == text


@given(st.sampled_from(LAYOUTS), st.text("".join(ASCII[:58]), min_size=1))
def test_any_text_comes_through_in_its_layout(layout, text):
    assert read(typed(text, layout), layout) == text


@pytest.mark.parametrize(
    ("scanner", "gate", "seen"),
    [("us", "de", "AD1Ö"), ("de", "us", "AD1>"), ("fr", "us", "QD!."), ("us", "fr", "QD&M")],
)
def test_the_wrong_layout_mangles_a_ticket_as_everyone_knows_it(scanner, gate, seen):
    assert read(typed("AD1:", scanner), gate) == seen


def test_caps_lock_turns_letters_round_and_nothing_else():
    events = [(CAPS, True), (CAPS, False), *typed("ab1-", "us")]
    assert read(events, "us") == "AB1-"
    assert read([(CAPS, True), (CAPS, False), *typed("AB!", "us")], "us") == "ab!"


def test_alt_and_a_number_is_that_character_in_every_layout():
    """What leaflets call universal or ALT mode: 65 on the number pad is an A."""
    pad = {"6": 77, "5": 76}
    events = [(ALT, True), *[(pad[d], down) for d in "65" for down in (True, False)], (ALT, False)]
    assert {read(events, layout) for layout in LAYOUTS} == {"A"}


def test_an_enter_without_text_ends_nothing():
    assert not Keyboard().key(ENTER, True)


def test_after_a_reset_nothing_is_held_or_begun():
    keyboard = Keyboard()
    keyboard.key(SHIFT, True)
    keyboard.key(30, True)
    keyboard.reset()
    keyboard.key(30, True)
    assert text_of(keyboard.take(), "us") == "a"


@given(st.lists(st.tuples(st.integers(0, 767), st.booleans()), max_size=60))
def test_no_keys_break_it(events):
    keyboard = Keyboard()
    for code, down in events:
        if keyboard.key(code, down):
            keyboard.take()
    for layout in LAYOUTS:
        assert isinstance(text_of(keyboard.presses, layout), str)
