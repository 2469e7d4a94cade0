"""What a gate's camera sees when nobody is there, and when something is wrong with it.

Drawn from fixed seeds; every scene is a few frames that differ by their noise, at night with the
noise of a high gain. `measure` says what the reader's eyesight makes of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from benchmarks.clutter import hall, wall
from benchmarks.optics import HEIGHT, WIDTH, Grey, defocused, floats, posed, sensor
from drivers.eyesight import Eyesight
from drivers.frames import Frame

VARIANTS = 6
SEEDS = 12
LOOKS = 20

Draw = Callable[[np.random.Generator], tuple[Grey, float]]
"""dice -> (scene without noise, noise at white)"""


def _lit(rng: np.random.Generator) -> tuple[Grey, float]:
    return hall(rng), 4.0


def _counter(rng: np.random.Generator) -> tuple[Grey, float]:
    """A counter in focus, with notices on it."""
    seed = int(rng.integers(0, 2**31))
    return defocused(floats(wall(seed)[:HEIGHT, :WIDTH]), 0.8), 4.0


def _dusk(rng: np.random.Generator) -> tuple[Grey, float]:
    """The same counter with a third of the light."""
    return floats(0.35 * _counter(rng)[0]), 12.0


def _night(rng: np.random.Generator) -> tuple[Grey, float]:
    """Street light from afar: a tenth of the day's contrast, much noise."""
    return floats(12 + 0.1 * hall(rng)), 14.0


def _dark_hall(rng: np.random.Generator) -> tuple[Grey, float]:
    """Black but for the sign above an exit, small and dim, and what it lights."""
    scene = np.full((HEIGHT, WIDTH), 3, np.float32) + 0.02 * hall(rng)
    x, y = int(rng.integers(100, WIDTH - 100)), int(rng.integers(60, HEIGHT - 60))
    scene[y : y + 14, x : x + 36] += rng.uniform(25, 80)
    return defocused(floats(scene), 6.0), 8.0


def _dark_blank(rng: np.random.Generator) -> tuple[Grey, float]:
    """A night without any light, under a high gain: a wall, a door frame, hardly there."""
    scene = np.full((HEIGHT, WIDTH), 9, np.float32)
    scene[:, int(rng.integers(300, 900)) :] += 5
    return defocused(scene, 5.0), 14.0


def _dim_screen(rng: np.random.Generator) -> tuple[Grey, float]:
    """A telephone at a hand's breadth: its code is a blur, its edges are soft."""
    screen = np.full((620, 420), 46, np.float32)
    screen[120:500, 40:380] = 38 + 16 * np.kron(
        rng.integers(0, 2, (19, 17)), np.ones((20, 20))
    ).astype(np.float32)
    scene = posed(
        np.full((HEIGHT, WIDTH), 8, np.float32), screen, module=1.6, of=1, turn=rng.normal(0, 10)
    )
    return defocused(scene, 18.0), 6.0


def _blank_wall(rng: np.random.Generator) -> tuple[Grey, float]:
    """A wall in even light, a socket in it: a dull view, and a whole one."""
    scene = np.full((HEIGHT, WIDTH), 170, np.float32)
    x, y = int(rng.integers(100, WIDTH - 200)), int(rng.integers(60, HEIGHT - 160))
    scene[y : y + 90, x : x + 90] -= 14
    return defocused(scene, 6.0), 4.0


def _cap(rng: np.random.Generator) -> tuple[Grey, float]:
    return np.full((HEIGHT, WIDTH), 2, np.float32), 4.0


def _hand(rng: np.random.Generator) -> tuple[Grey, float]:
    """A hand laid on the lens by day: light glows through it, brighter to one side."""
    across, down = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    a, b, c = rng.uniform(-30, 30), rng.uniform(-20, 20), rng.uniform(0, 25)
    return floats(60 + a * across + b * down - c * (across**2 + down**2)), 6.0


def _sticker(rng: np.random.Generator) -> tuple[Grey, float]:
    """Tape over the lens: white, and hardly darker at the rim."""
    across, down = np.meshgrid(np.linspace(-1, 1, WIDTH), np.linspace(-1, 1, HEIGHT))
    return floats(rng.uniform(90, 190) - 12 * (across**2 + down**2)), 4.0


def _cloth(rng: np.random.Generator) -> tuple[Grey, float]:
    """A scarf over the lens: its folds are out of any focus."""
    folds = np.kron(rng.uniform(20, 60, (3, 5)), np.ones((240, 256))).astype(np.float32)
    return defocused(floats(folds), 160.0), 8.0


def fogged(scene: Grey, sigma: float) -> Grey:
    """The same scene through breath, grease or a lens that was turned."""
    return defocused(scene, sigma)


WELL: Mapping[str, Draw] = MappingProxyType(
    {
        "hall, out of focus": _lit,
        "counter, in focus": _counter,
        "counter at dusk": _dusk,
        "empty scene at night": _night,
        "dark hall, exit sign": _dark_hall,
        "dark, door frame": _dark_blank,
        "dim screen close to the lens": _dim_screen,
        "blank wall": _blank_wall,
    }
)
"""Nothing is wrong: no alarm."""
COVERS: Mapping[str, Draw] = MappingProxyType(
    {"lens cap": _cap, "hand on the lens": _hand, "tape": _sticker, "scarf": _cloth}
)
"""The lens is covered."""


def frames(draw: Draw, seed: int, variants: int = VARIANTS, blur: float = 0.0) -> list[Frame]:
    """A scene, ``variants`` times with other noise."""
    rng = np.random.default_rng(seed)
    scene, noise = draw(rng)
    return [sensor(fogged(scene, blur), noise, rng, jpeg=85) for _ in range(variants)]


def measure(seeds: int = SEEDS) -> dict[str, object]:
    """Level, detail and sharpness of every scene: least and most over so many seeds."""
    found: dict[str, object] = {}
    for name, draw in {**WELL, **COVERS}.items():
        found[name] = _range([_seen(frames(draw, seed)) for seed in range(seeds)])
    sharp = [_seen(frames(_counter, seed))[2] for seed in range(seeds)]
    for sigma in (2.0, 4.0, 8.0):
        blurred = [_seen(frames(_counter, seed, blur=sigma))[2] for seed in range(seeds)]
        left = [now / before for now, before in zip(blurred, sharp, strict=True)]
        share = [round(min(left), 2), round(max(left), 2)]
        found[f"counter through a blur of {sigma:g} px"] = {"share of its sharpness": share}
    return found


def _seen(views: list[Frame]) -> tuple[float, float, float]:
    eyes = Eyesight()
    for number in range(LOOKS):
        sight = eyes.look(views[number % len(views)])
    return sight.level, sight.detail, sight.sharpness or 0.0


def _range(seen: list[tuple[float, float, float]]) -> dict[str, list[float]]:
    names = ("level", "detail", "sharpness")
    columns = zip(names, zip(*seen, strict=True), strict=True)
    return {name: [round(min(values), 2), round(max(values), 2)] for name, values in columns}
