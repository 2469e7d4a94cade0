"""The camera's acceptance set in small: counts of what is read from fixed seeds, never a time."""

import math

import pytest

from benchmarks import bench_camera, clutter, lenses, scenes
from benchmarks.readers import render
from drivers.decoders import zxing
from drivers.qr import STILL_ROUNDS, RotatingDecoder

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]
SEED, EACH, LEAST = 12, 1, 0.75
"""One of each kind, from the hardest quarter."""
BACKGROUNDS = 100


@pytest.fixture(scope="module")
def tallies():
    """Product and bare zxing-cpp over the same presentations, without a limit of time."""
    product, plain = bench_camera.Tally(), bench_camera.Tally()
    for shown in scenes.presentations(SEED, EACH, least=LEAST):
        decoder = RotatingDecoder(budget=math.inf)
        product.take(shown, lambda frame, decoder=decoder: payloads(decoder.decode(frame)))
        plain.take(shown, bench_camera.bare)
    return product, plain


def payloads(symbols):
    return bench_camera.payloads(symbols)


def test_nothing_is_read_wrongly(tallies):
    product, _ = tallies
    assert product.wrong == 0


def test_product_reads_all_that_bare_zxing_reads_and_more(tallies):
    product, plain = tallies
    assert product.shown == plain.shown == EACH * len(scenes.KINDS)
    assert all(product.kinds[kind][0] >= plain.kinds[kind][0] for kind in scenes.KINDS)
    assert product.read >= plain.read + 2
    assert product.frames_read > plain.frames_read + 10


def test_same_seed_draws_the_same_frames():
    one, two = (next(scenes.presentations(SEED, 1, frames=2)) for _ in range(2))
    assert one.truth == two.truth
    assert all((a == b).all() for a, b in zip(one.frames, two.frames, strict=True))


def test_clutter_holds_no_code():
    """Torn codes, finder patterns about noise, tiles, stripes, lettering: never a payload."""
    decoder = RotatingDecoder(budget=math.inf)
    read = [decoder.decode(frame) for frame in clutter.frames(BACKGROUNDS, SEED)]
    assert [symbols for symbols in read if symbols] == []


def test_empty_scene_costs_one_look_a_frame_once_it_stood_still():
    looks = []

    def counting(image, invert):
        looks.append(image.shape)
        return zxing(image[:16, :16], invert)

    decoder = RotatingDecoder(counting, budget=math.inf)
    frames = lenses.frames(lenses.WELL["empty scene at night"], SEED)
    for number in range(STILL_ROUNDS):
        decoder.decode(frames[number % len(frames)])
    looks.clear()
    for number in range(100):
        decoder.decode(frames[number % len(frames)])
    assert len(looks) == 100


def test_page_gets_the_figures_between_its_marks():
    figures = {
        "at": "now",
        "machine": {"cores": 2, "processor": "x", "load_average": [0]},
        "camera": {"eyesight": lenses.measure(seeds=1)},
    }
    page = "a\n<!-- eyesight figures -->\nold\n<!-- end of eyesight figures -->\nz\n"
    told = render(page, figures)
    assert told.startswith("a\n") and told.endswith("\nz\n") and "old" not in told
    assert "| lens cap | 2.0" in told
