"""What visitors hold before the camera can be read, however badly they hold it."""

import numpy as np
import pytest
import zxingcpp

from drivers.pictures import decode_picture
from playground.pictures import LOOKS, code_scene, degraded, noise_scene, photo_scene, png
from tests.rigs.gate_rig import code

TEXTS = [code(name).decode() for name in ("anna", "ben", "cleo")]


def read(scene: np.ndarray) -> list[str]:
    """The codes that a plain decoder finds in one frame."""
    return [found.text for found in zxingcpp.read_barcodes(scene)]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("text", TEXTS, ids=["anna", "ben", "cleo"])
def test_a_ticket_is_read_under_every_look(text: str, look: str) -> None:
    assert read(degraded(code_scene(text), look)) == [text]


@pytest.mark.parametrize("look", LOOKS)
def test_a_photo_of_a_screen_is_read_under_every_look(look: str) -> None:
    assert read(degraded(photo_scene(TEXTS[0]), look)) == [TEXTS[0]]


@pytest.mark.parametrize("look", LOOKS)
def test_a_patterned_scarf_is_no_ticket(look: str) -> None:
    assert read(degraded(noise_scene(), look)) == []


@pytest.mark.parametrize("look", [look for look in LOOKS if look != "none"])
def test_a_look_changes_the_pixels_themselves(look: str) -> None:
    """Nothing is drawn over the picture on the page alone."""
    scene = code_scene(TEXTS[0])
    changed = np.abs(degraded(scene, look).astype(int) - scene)
    assert (changed > 16).mean() > 0.01


@pytest.mark.parametrize("look", LOOKS)
def test_the_same_ticket_and_look_make_the_same_picture(look: str) -> None:
    first, second = (degraded(photo_scene(TEXTS[0]), look) for _ in range(2))
    assert (first == second).all()


def test_a_photo_is_full_of_stripes() -> None:
    """Along each row of an empty wall."""
    smooth, striped = (scene(TEXTS[0])[:20].std(axis=1) for scene in (code_scene, photo_scene))
    assert smooth.max() == 0
    assert striped.min() > 4


@pytest.mark.parametrize(
    ("size", "shape"), [(None, (720, 1280)), (64, (64, 64)), (720, (720, 720))]
)
def test_a_picture_for_the_page_is_a_png_of_that_size(
    size: int | None, shape: tuple[int, int]
) -> None:
    assert decode_picture(png(code_scene(TEXTS[0]), size)).shape == shape
