"""QR codes out of real pixels: what is read, in which order, and with how many looks."""

import io
import math
import random

import cv2
import numpy as np
import pytest
import segno
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from qr_pictures import TICKET, blurred, dim, frame, noisy, pixels, turned

from drivers import decoders, rescue
from drivers.canvas import on_canvas
from drivers.decoders import Symbol, decoder_named, zxing
from drivers.errors import DecoderMissing, FrameError
from drivers.qr import (
    GLANCE_EVERY,
    STILL_EVERY,
    STILL_ROUNDS,
    RotatingDecoder,
    read_codes,
    read_symbols,
)
from drivers.rescue import PASSES
from drivers.scene import Scene


@pytest.mark.parametrize(
    ("case", "image"),
    [
        ("clean", frame(pixels())),
        ("no frame around it", pixels()),
        ("one pixel a module", pixels(scale=1)),
        ("noise", noisy(frame(pixels()), 40)),
        ("blur", blurred(frame(pixels(scale=6)), 1.5)),
        ("turned by 30 degrees", turned(on_canvas(pixels(scale=6)), 30)),
        ("upside down", frame(pixels())[::-1, ::-1]),
        ("mirrored", frame(pixels())[:, ::-1]),
        ("light on dark", 255 - frame(pixels())),
        ("dim screen: 6 % contrast", noisy(dim(frame(pixels(scale=5)), 0.06), 1)),
        ("out of focus", blurred(frame(pixels(scale=6)), 3.0)),
        ("far away: 2 pixels a module", frame(pixels(scale=2))),
        ("colour", np.dstack([frame(pixels())] * 3)),
        ("blue paper", np.dstack([np.full((720, 1280), 255, np.uint8), *[frame(pixels())] * 2])),
        ("every second column of memory", np.repeat(frame(pixels()), 2, axis=1)[:, ::2]),
    ],
)
def test_code_is_read_from_a_still(case, image):
    assert read_codes(image) == [TICKET], case


def test_code_full_of_binary_noise_is_read_exactly():
    """Version 40-L holds 2953 bytes (ISO/IEC 18004, table 7): none of them may be guessed at."""
    payload = random.Random(1).randbytes(2953)
    assert read_codes(pixels(payload, scale=3, error="l", mode="byte")) == [payload]


def test_all_byte_values_survive():
    payload = bytes(range(256))
    assert read_codes(pixels(payload, mode="byte")) == [payload]


def test_micro_qr_code_is_no_ticket():
    """Its error correction is so weak that clutter reads as one."""
    out = io.BytesIO()
    segno.make_micro("12345").save(out, kind="png", scale=8, border=4)
    micro = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert zxingcpp.read_barcodes(frame(micro)), "the library itself reads it"
    assert read_codes(frame(micro)) == []


def test_larger_symbol_comes_first():
    near, far = pixels(b"near", scale=12), pixels(b"far away", scale=4)
    for image in (frame(near, far), frame(far, near)):
        assert read_codes(image) == [b"near", b"far away"]
        sizes = [symbol.size for symbol in read_symbols(image)]
        assert sizes[0] == pytest.approx(21 * 12, rel=0.05)


def test_same_payload_twice_in_view_is_given_once():
    assert read_codes(frame(pixels(), pixels())) == [TICKET]


@pytest.mark.parametrize("image", [frame(), np.zeros((720, 1280), np.uint8), noisy(frame(), 60)])
def test_nothing_in_view_is_no_error(image):
    assert read_codes(image) == []


@pytest.mark.parametrize(
    ("case", "bad"),
    [
        ("no array", b"bytes"),
        ("None", None),
        ("floats", np.zeros((9, 9))),
        ("16 bits", np.zeros((9, 9), np.uint16)),
        ("one row", np.zeros(9, np.uint8)),
        ("transparency", np.zeros((9, 9, 4), np.uint8)),
        ("a film", np.zeros((2, 9, 9, 3), np.uint8)),
        ("no pixels", np.zeros((0, 9), np.uint8)),
        ("no pixels in colour", np.zeros((9, 0, 3), np.uint8)),
        ("100 megapixels", np.broadcast_to(np.uint8(0), (10_000, 10_000))),
    ],
)
def test_what_is_no_frame_is_refused_by_name(case, bad):
    with pytest.raises(FrameError) as caught:
        read_codes(bad)
    assert caught.value.remedy, case


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 70), st.integers(1, 70))
        | st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3)),
    )
)
def test_no_pixels_crash_the_decoder(image):
    assert isinstance(read_codes(image), list)
    assert isinstance(RotatingDecoder().decode(image), list)


# --- the live camera


def far_away(module):
    """A symbol of so many pixels a module, as the lens and the sensor's cells average it."""
    scale = module / 16
    small = cv2.resize(pixels(scale=16), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return frame(small)


class Eyes:
    """A decoder that writes down at what it looked, and sees only what it is told to."""

    def __init__(self, sees=lambda look: False):
        self.looks, self.sees = [], sees

    def __call__(self, image, invert):
        self.looks.append((image.shape, invert))
        return [Symbol(b"x", image.shape[0] / 10)] if self.sees(len(self.looks)) else []


def test_frame_with_a_code_is_looked_at_once():
    eyes = Eyes(lambda look: True)
    assert RotatingDecoder(eyes).decode(frame()) == [Symbol(b"x", 72.0)]
    assert eyes.looks == [((720, 1280), True)]


def test_miss_gets_one_rescue_pass_a_frame_in_turn():
    """Each frame differs, as from a moving hand: the passes go round and round."""
    decoder = RotatingDecoder(eyes := Eyes(), budget=math.inf)
    for number in range(2 * len(PASSES)):
        decoder.decode(noisy(frame()[:200, :300], 60, seed=number))
    heights = [shape[0] for shape, _ in eyes.looks]
    assert heights == [200, 200, 200, 400, 200, 400] * 2
    assert all(invert for _, invert in eyes.looks)  # telephones in dark mode are shown dim, too


def looks_at_a_still_scene(frames):
    decoder = RotatingDecoder(eyes := Eyes(), budget=math.inf)
    views = [noisy(frame()[:90, :160], 5, seed) for seed in range(3)]
    for number in range(frames):
        decoder.decode(views[number % 3])  # a sensor's own noise is no change
    return len(eyes.looks) - frames


def test_rescue_becomes_rare_on_a_scene_that_does_not_change():
    assert looks_at_a_still_scene(STILL_EVERY) == len(PASSES)
    assert looks_at_a_still_scene(STILL_EVERY * 3 + 1) == len(PASSES) + 3


def test_rescue_ends_on_a_scene_that_does_not_change_for_long():
    most = len(PASSES) + STILL_ROUNDS // STILL_EVERY
    assert looks_at_a_still_scene(STILL_ROUNDS + 99) < most


def asleep(eyes):
    """A decoder that has looked at one still scene until no pass is tried on it any more."""
    decoder = RotatingDecoder(eyes, budget=math.inf)
    for _ in range(STILL_ROUNDS + 1):
        decoder.decode(frame()[:90, :160])
    return decoder


def test_scene_that_stood_still_for_long_is_compared_only_now_and_then(monkeypatch):
    decoder = asleep(Eyes())
    compared = []
    monkeypatch.setattr(Scene, "changed", lambda self, image: bool(compared.append(image)))
    for _ in range(100):
        decoder.decode(frame()[:90, :160])
    assert len(compared) == 100 // GLANCE_EVERY


@pytest.mark.parametrize("frames", range(GLANCE_EVERY))
def test_ticket_that_enters_after_a_long_pause_is_rescued_within_two_frames(frames):
    decoder = asleep(eyes := Eyes())
    for _ in range(frames):
        decoder.decode(frame()[:90, :160])
    before = len(eyes.looks)
    for number in range(GLANCE_EVERY):
        decoder.decode(noisy(frame()[:90, :160], 60, seed=number))
    assert len(eyes.looks) > before + GLANCE_EVERY


def test_rescue_resumes_when_a_ticket_enters():
    decoder = RotatingDecoder(eyes := Eyes())
    for _ in range(10):
        decoder.decode(frame())
    before = len(eyes.looks)
    decoder.decode(frame(pixels()))
    assert len(eyes.looks) == before + 2


def test_ticket_that_enters_little_by_little_counts_as_a_change():
    """Each frame is held against the first of the scene, not against the one before."""
    scene, view = Scene(), frame()
    assert scene.changed(view)
    changes = 0
    for row in range(0, 400, 2):
        view[row : row + 2, 400:700] = 0
        changes += scene.changed(view)
    assert changes > 5


def test_frame_too_large_to_be_enlarged_is_looked_at_as_it_is(monkeypatch):
    """Four times the memory of a large frame is more than a small board should be asked for."""
    monkeypatch.setattr(rescue, "ENLARGED_PIXELS", 200 * 300 - 1)
    assert [p.change(frame()[:200, :300]).shape for p in PASSES] == [(200, 300)] * len(PASSES)
    assert max(p.change(frame()[:200, :299]).shape for p in PASSES) == (400, 598)


def test_rescue_is_left_out_when_the_plain_pass_took_too_long():
    ticks = iter(range(100))
    decoder = RotatingDecoder(eyes := Eyes(), budget=0.5, timer=lambda: float(next(ticks)))
    decoder.decode(frame())
    assert len(eyes.looks) == 1


class Machine:
    """A decoder on a clock of its own: a look takes a hundredth of a second a line."""

    def __init__(self):
        self.now, self.heights = 0.0, []

    def __call__(self, image, invert):
        self.now += image.shape[0] / 100
        self.heights.append(image.shape[0])
        return []


def test_rescue_pass_that_is_too_dear_for_the_budget_is_passed_over_and_tried_again_in_time():
    machine = Machine()  # 100 lines: 1 s plain, then 1, 2 and 2 s
    decoder = RotatingDecoder(machine, budget=2.6, timer=lambda: machine.now)
    rescues = []
    for number in range(24):
        machine.heights.clear()
        decoder.decode(noisy(frame()[:100, :100], 60, seed=number))
        rescues += machine.heights[1:]
    assert rescues[:6] == [100, 200, 200, 100, 100, 100]
    assert rescues.count(200) > 2
    assert len(rescues) == 24


def test_frame_for_which_no_rescue_pass_is_cheap_enough_gets_none():
    machine = Machine()
    decoder = RotatingDecoder(machine, budget=1.5, timer=lambda: machine.now)
    for number in range(len(PASSES) + 1):
        machine.heights.clear()
        decoder.decode(noisy(frame()[:100, :100], 60, seed=number))
    assert machine.heights == [100]


def test_rescue_can_be_switched_off():
    decoder = RotatingDecoder(eyes := Eyes(), rescue=False)
    decoder.decode(frame())
    assert len(eyes.looks) == 1


def test_size_of_an_enlarged_look_is_given_in_pixels_of_the_frame():
    decoder = RotatingDecoder(Eyes(lambda look: look == 4), budget=math.inf)
    decoder.decode(noisy(frame(), 60, seed=1))
    assert decoder.decode(noisy(frame(), 60, seed=2)) == [Symbol(b"x", 72.0)]


@pytest.mark.parametrize(
    ("case", "image"),
    [
        ("dim screen", dim(frame(pixels(scale=5)), 0.05)),
        ("dim screen in dark mode", dim(255 - frame(pixels(scale=5)), 0.05)),
        ("out of focus", blurred(frame(pixels(scale=6)), 3.0)),
        ("far away: 1.4 pixels a module", far_away(1.4)),
    ],
)
def test_live_camera_reads_within_one_round_what_a_plain_look_misses(case, image):
    decoder = RotatingDecoder(budget=math.inf)
    assert zxing(image, True) == [], "the case must be one that needs rescue"
    found = [decoder.decode(noisy(image, 0.5, seed)) for seed in range(len(PASSES))]
    assert [Symbol(TICKET, s[0].size) for s in found if s][:1] != [], case


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("flatten", noisy(dim(frame(pixels(scale=5)), 0.03), 2)),
        ("refocus", blurred(frame(pixels(scale=6)), 3.9)),
        ("enlarge", blurred(far_away(1.9), 0.8)),
    ],
)
def test_each_rescue_pass_reads_what_no_other_look_does(name, image):
    """Else it would be a frame lost for the two others."""
    image = noisy(image, 0.5, 1)
    assert zxing(image, True) == []
    assert [p.name for p in PASSES if zxing(p.change(image), True)] == [name]


# --- the second opinion


def test_pyzbar_without_its_library_is_a_named_error(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyzbar", None)
    with pytest.raises(DecoderMissing, match="pyzbar") as caught:
        decoder_named("pyzbar")
    assert "libzbar0" in caught.value.remedy


def test_zxing_is_the_default_and_loads_no_zbar():
    assert decoder_named("zxing") is zxing


def test_pyzbar_reads_dark_and_light_codes(monkeypatch):
    """With libzbar0 the real library is asked, elsewhere one that sees as it does."""
    try:
        decoder = decoder_named("pyzbar")
    except DecoderMissing:
        monkeypatch.setattr(decoders, "_pyzbar", FakeZbar)
        decoder = decoder_named("pyzbar")
    for image in (frame(pixels()), 255 - frame(pixels())):
        assert TICKET in [symbol.payload for symbol in decoder(image, True)]


class FakeZbar:
    """pyzbar's interface: dark on light only, results with data and a rectangle."""

    class ZBarSymbol:
        QRCODE = 64

    def decode(self, image, symbols):
        assert symbols == [64]
        if image[0, 0] < 128:
            return []
        return [_ZbarResult(s) for s in zxing(image, False)]


class _ZbarResult:
    def __init__(self, symbol):
        self.data = symbol.payload
        self.rect = type("Rect", (), {"width": symbol.size, "height": symbol.size})
