"""Frozen, black, covered, blurred and unplugged cameras told apart, and no alarm where all is well.

The scenes are drawn (benchmarks/lenses.py); no camera took part.
"""

import functools
from itertools import cycle

import numpy as np
import pytest

from benchmarks import lenses
from benchmarks.optics import sensor
from drivers import camera_sim
from drivers.decoders import Symbol
from drivers.eyesight import Eyesight, Sight
from drivers.watch import (
    BLACK_AFTER,
    BLURRED_AFTER,
    COVERED_AFTER,
    FROZEN_AFTER,
    HARD_CODES,
    SHARPENING,
    SILENT_AFTER,
    START_WITHIN,
    PictureState,
    PictureWatch,
)

STEP = 1.0
LONG = 2 * max(COVERED_AFTER, BLURRED_AFTER)


@functools.cache
def scene(name, seed=3, blur=0.0):
    """Three frames of a scene that differ by their noise."""
    draw = {**lenses.WELL, **lenses.COVERS}[name]
    return lenses.frames(draw, seed, variants=3, blur=blur)


class Lane:
    """A camera that is watched, on a clock moved by hand."""

    def __init__(self, plain=False, live=True):
        self.now, self.live = 100.0, live
        self.watch = PictureWatch(self.now, plain)

    def sees(self, views, seconds):
        """Show frames for so long; returns the states, each once, in order."""
        turn, states = cycle(views), []
        for _ in range(int(seconds / STEP)):
            self.now += STEP
            if (view := next(turn)) is not None:
                self.watch.saw(view, self.now)
            state = self.watch.state(self.now, self.live)
            states += [] if states[-1:] == [state] else [state]
        return states


@pytest.mark.parametrize("name", list(lenses.WELL))
def test_nothing_is_wrong_with_a_quiet_lane(name):
    assert Lane().sees(scene(name), LONG) == [PictureState.OK]


def test_simulated_camera_without_a_visitor_is_well():
    noise = np.random.default_rng(1).integers(0, 6, (3, 720, 1280), np.uint8)
    assert Lane().sees([camera_sim.wall() + grain for grain in noise], LONG) == [PictureState.OK]


@pytest.mark.parametrize(
    ("name", "state", "after"),
    [
        ("lens cap", PictureState.BLACK, BLACK_AFTER),
        ("hand on the lens", PictureState.COVERED, COVERED_AFTER),
        ("tape", PictureState.COVERED, COVERED_AFTER),
        ("scarf", PictureState.COVERED, COVERED_AFTER),
    ],
)
def test_covered_lens_is_told_when_it_lasts_and_its_end_at_once(name, state, after):
    lane = Lane()
    assert lane.sees(scene("counter, in focus"), 10) == [PictureState.OK]
    assert lane.sees(scene(name), after - 2) == [PictureState.OK]
    assert lane.sees(scene(name), 10) == [PictureState.OK, state]
    assert lane.sees(scene("counter, in focus"), 2)[-1] == PictureState.OK


def test_covers_measure_far_from_what_is_well():
    """The limit stands between them with room on both sides: docs/readers.md has the figures."""
    detail = {name: lenses._seen(scene(name))[1] for name in {**lenses.WELL, **lenses.COVERS}}
    assert max(detail[name] for name in lenses.COVERS) < 2.3
    assert min(detail[name] for name in lenses.WELL) > 4


@pytest.mark.parametrize("live", [True, False])
def test_same_frame_for_ever_is_a_frozen_sensor_but_a_file_may_repeat(live):
    lane = Lane(live=live)
    states = lane.sees(scene("counter, in focus")[:1], FROZEN_AFTER + 5)
    assert states == ([PictureState.OK, PictureState.FROZEN] if live else [PictureState.OK])


def test_frame_that_differs_in_one_pixel_is_not_frozen():
    one = scene("counter, in focus")[0]
    other = one.copy()
    other[1, 1] ^= 1
    assert Lane().sees([one, other], FROZEN_AFTER * 2) == [PictureState.OK]


def test_dark_frames_flattened_by_jpeg_are_no_frozen_camera():
    """Compression may make the dark parts of frames equal; light in a corner never stays equal."""
    dark = np.full((720, 1280), 2, np.float32)
    dark[300:340, 600:700] = 60
    rng = np.random.default_rng(1)
    views = [sensor(dark, 6, rng, jpeg=70) for _ in range(3)]
    assert Lane().sees(views, FROZEN_AFTER * 3) == [PictureState.OK]


def test_lens_cap_is_black_not_frozen():
    assert Lane().sees([np.zeros((720, 1280), np.uint8)], LONG)[-1] == PictureState.BLACK


def test_scene_that_lost_its_edges_is_blurred_until_they_are_back():
    lane = Lane()
    assert lane.sees(scene("counter, in focus"), 20) == [PictureState.OK]
    fogged = scene("counter, in focus", blur=5.0)
    assert lane.sees(fogged, BLURRED_AFTER + 20) == [PictureState.OK, PictureState.BLURRED]
    assert lane.sees(scene("counter, in focus"), 20) == [PictureState.BLURRED, PictureState.OK]


def test_sharp_things_that_stood_before_it_make_no_blur_of_what_lies_behind_the_focus():
    """A crate on the counter for a minute; or a camera that was turned to look elsewhere."""
    lane = Lane()
    lane.sees(scene("counter, in focus"), 20)
    assert lane.sees(scene("hall, out of focus"), LONG) == [PictureState.OK]


def test_half_of_its_edges_is_no_alarm_and_no_end_of_one():
    """Between the two limits a scene stays what it was: no fault that comes and goes."""
    half = scene("counter, in focus", blur=2.0)
    lane = Lane()
    lane.sees(scene("counter, in focus"), 20)
    assert lane.sees(half, LONG) == [PictureState.OK]
    lane.sees(scene("counter, in focus", blur=5.0), BLURRED_AFTER + 20)
    assert lane.sees(half, LONG) == [PictureState.BLURRED]


def test_picture_is_judged_once_a_second_however_many_frames_come(monkeypatch):
    """A look costs as much as a decoding: at 30 frames a second it must stay a thirtieth."""
    looks, watch = [], PictureWatch(0.0)
    monkeypatch.setattr(
        Eyesight, "look", lambda self, frame: looks.append(0) or Sight(99, 99, None, frame)
    )
    for number in range(90):
        watch.saw(scene("counter, in focus")[number % 3], number / 30)
    assert len(looks) == 3


def test_passers_by_do_not_hide_that_a_scene_is_blurred():
    lane = Lane()
    lane.sees(scene("counter, in focus"), 20)
    lane.sees(scene("counter, in focus", blur=5.0), BLURRED_AFTER + 20)
    passing = scene("counter, in focus", blur=5.0) + scene("hall, out of focus")
    assert lane.sees(passing, 10) == [PictureState.BLURRED]


def test_nightfall_is_no_blur():
    lane = Lane()
    lane.sees(scene("counter, in focus"), 20)
    assert lane.sees(scene("counter at dusk"), LONG) == [PictureState.OK]
    assert lane.sees(scene("empty scene at night"), LONG) == [PictureState.OK]


def test_what_lies_behind_the_focus_is_no_blur():
    """A lens set to 15 cm shows the hall behind as a blur, by day and with more noise at night."""
    lane = Lane()
    lane.sees(scene("empty scene at night"), LONG)
    assert lane.sees(scene("hall, out of focus"), LONG) == [PictureState.OK]


def sharpened(number):
    return Symbol(b"ticket %d" % number, 100.0, SHARPENING)


def test_codes_that_need_sharpening_tell_a_blurred_lens():
    lane, view = Lane(), scene("hall, out of focus")
    for number in range(HARD_CODES):
        assert lane.sees(view, 2) == [PictureState.OK]
        lane.watch.read([sharpened(number)], lane.now)
    assert lane.sees(view, 2) == [PictureState.BLURRED]
    lane.watch.read([Symbol(b"another", 100.0)], lane.now)
    assert lane.sees(view, 2) == [PictureState.OK]


def test_one_hard_ticket_shown_for_long_is_no_blurred_lens():
    lane, view = Lane(), scene("hall, out of focus")
    for _ in range(50):
        lane.watch.read([sharpened(1)], lane.now)
    assert lane.sees(view, 2) == [PictureState.OK]


def test_view_that_is_plain_by_nature_is_never_called_covered():
    assert Lane(plain=True).sees(scene("tape"), LONG) == [PictureState.OK]
    assert Lane(plain=True).sees(scene("lens cap"), LONG) == [PictureState.OK]


def test_code_that_is_read_proves_the_lens_free():
    lane = Lane()
    for _ in range(4):
        assert lane.sees(scene("tape"), COVERED_AFTER - 2) == [PictureState.OK]
        lane.watch.read([Symbol(b"x", 100.0)], lane.now)


def test_camera_without_frames_is_starting_then_silent():
    lane = Lane()
    assert lane.sees([None], START_WITHIN + 2) == [PictureState.STARTING, PictureState.NO_PICTURE]
    assert lane.sees(scene("tape"), 2) == [PictureState.OK]
    assert lane.sees([None], SILENT_AFTER + 2) == [PictureState.OK, PictureState.NO_PICTURE]


def test_camera_that_was_away_for_long_is_judged_anew():
    lane = Lane()
    lane.sees(scene("counter, in focus"), 10)
    lane.sees([None], 10 * LONG)
    assert lane.sees(scene("tape"), COVERED_AFTER - 2) == [PictureState.OK]
