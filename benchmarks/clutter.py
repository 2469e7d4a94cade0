"""Backgrounds without a ticket: halls, lettering, stripes, tiles, what only looks like a code."""

from __future__ import annotations

import io
import random
import string
from collections.abc import Iterator

import numpy as np
import segno

from benchmarks.optics import HEIGHT, WIDTH, Grey, floats
from drivers.frames import Frame
from drivers.vision import cv2

WALLS = 48
"""Different pictures from which frames are cut; each frame is another cut, turn and size."""
_FULL = (2 * HEIGHT, 2 * WIDTH)


def hall(rng: np.random.Generator) -> Grey:
    """Light that falls off, a few large things in it, out of focus: what lies behind a ticket."""
    rows, columns = np.mgrid[0:HEIGHT:8, 0:WIDTH:8]
    waves = rng.uniform(150, 600, 4)
    light = 110 + 40 * np.sin(columns / waves[0] + waves[1]) + 25 * np.cos(rows / waves[2])
    scene = floats(cv2.resize(floats(light), (WIDTH, HEIGHT)))
    for _ in range(8):
        x, y = rng.integers(0, WIDTH), rng.integers(0, HEIGHT)
        w, h = rng.integers(40, 400, 2)
        scene[y : y + h, x : x + w] += rng.uniform(-60, 60)
    return floats(np.clip(cv2.GaussianBlur(scene, (0, 0), float(rng.uniform(2, 7))), 0, 255))


def wall(seed: int) -> Frame:
    """One large picture, 2560 x 1440, of sharp clutter."""
    dice, rng = random.Random(seed), np.random.default_rng(seed)
    scene = np.full(_FULL, dice.randrange(30, 226), np.uint8)
    for _ in range(dice.randrange(25, 60)):
        dice.choice(_THINGS)(scene, dice, rng)
    return scene


def frames(count: int, seed: int) -> Iterator[Frame]:
    """Cuts of the walls, 1280 x 720, turned, sized and noisy; none holds a code."""
    walls = [wall(seed * 1000 + number) for number in range(min(WALLS, max(1, count // 4)))]
    rng, dice = np.random.default_rng(seed), random.Random(seed)
    grain = np.asarray(rng.normal(0, 6, (HEIGHT + 64, WIDTH + 64)), dtype=np.int16)
    for number in range(count):
        turn, size = dice.uniform(0, 360), dice.uniform(0.5, 1.6)
        matrix = cv2.getRotationMatrix2D(
            (dice.uniform(700, 1860), dice.uniform(400, 1040)), turn, size
        )
        matrix[:, 2] += (WIDTH / 2 - _FULL[1] / 2, HEIGHT / 2 - _FULL[0] / 2)
        cut = cv2.warpAffine(
            walls[number % len(walls)], matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
        )
        top, left = dice.randrange(64), dice.randrange(64)
        noisy = cut.astype(np.int16) + grain[top : top + HEIGHT, left : left + WIDTH]
        yield np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)


def _place(dice: random.Random, size: int) -> tuple[int, int]:
    return dice.randrange(_FULL[1] - size), dice.randrange(_FULL[0] - size)


def _shape(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    x, y = _place(dice, 300)
    level, wide = dice.randrange(256), dice.choice([-1, 2, 9])
    if dice.random() < 0.5:
        cv2.circle(scene, (x, y), dice.randrange(10, 200), level, wide)
    else:
        cv2.rectangle(
            scene, (x, y), (x + dice.randrange(300), y + dice.randrange(300)), level, wide
        )


def _lettering(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    text = "".join(dice.choices(string.ascii_letters + string.digits + "  :./-", k=24))
    size, level = dice.uniform(0.6, 5), dice.choice([0, 20, 235, 255])
    cv2.putText(scene, text, _place(dice, 300), dice.randrange(8), size, level, round(size) + 1)


def _stripes(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    """As on shirts, blinds and price tags: bars of even or random width."""
    x, y = _place(dice, 400)
    widths = rng.integers(1, 9, 120) if dice.random() < 0.5 else np.full(60, dice.randrange(2, 12))
    row = np.repeat(np.resize([20, 235], len(widths)), widths)[:400].astype(np.uint8)
    patch = np.broadcast_to(row, (dice.randrange(30, 400), len(row)))
    patch = patch if dice.random() < 0.5 else patch.T
    scene[y : y + patch.shape[0], x : x + patch.shape[1]] = patch


def _tiles(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    """A random grid of black and white: a two-dimensional code of no kind we read."""
    cells, side = dice.randrange(9, 40), dice.randrange(3, 10)
    grid = rng.integers(0, 2, (cells, cells), dtype=np.uint8) * 235 + 10
    _paste(scene, np.kron(grid, np.ones((side, side), np.uint8)), dice)


def _checks(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    side = dice.randrange(4, 40)
    board = np.indices((16, 16)).sum(axis=0) % 2
    _paste(scene, np.kron(board * 220 + 15, np.ones((side, side))), dice)


def _eyes(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    """The three finder patterns of a QR code about noise: looked at, never to be read."""
    cells, side = 4 * dice.randrange(2, 8) + 17, dice.randrange(3, 9)
    grid = rng.integers(0, 2, (cells, cells), dtype=np.uint8)
    eye = np.pad(np.pad(np.zeros((3, 3), np.uint8), 1, constant_values=1), 1)
    for top, left in ((0, 0), (0, cells - 7), (cells - 7, 0)):
        grid[max(top - 1, 0) : top + 8, max(left - 1, 0) : left + 8] = 1
        grid[top : top + 7, left : left + 7] = eye
    grid = np.pad(grid, 4, constant_values=1)
    _paste(scene, np.kron(grid * 235 + 10, np.ones((side, side))), dice)


def _broken(scene: Frame, dice: random.Random, rng: np.random.Generator) -> None:
    """A real code with half of it torn away: beyond what its error correction can mend."""
    out = io.BytesIO()
    text = "".join(dice.choices(string.ascii_uppercase + string.digits, k=90))
    segno.make_qr(text, error="q").save(out, kind="png", scale=dice.randrange(3, 8), border=4)
    code = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE).copy()
    code[code.shape[0] // 3 :, code.shape[1] // 3 :] = dice.randrange(60, 200)
    _paste(scene, code, dice)


def _paste(scene: Frame, patch: object, dice: random.Random) -> None:
    image = np.asarray(patch, dtype=np.uint8)[: _FULL[0] // 2, : _FULL[1] // 2]
    x, y = _place(dice, max(image.shape))
    scene[y : y + image.shape[0], x : x + image.shape[1]] = image


_THINGS = (_shape, _shape, _lettering, _lettering, _stripes, _tiles, _checks, _eyes, _broken)
