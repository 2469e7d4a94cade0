"""Frame to payload, and a look at an empty frame: the product's decoder against bare zxing-cpp.

Both look at the same frames in turn within one run, so that the ratio holds on any machine. Target
(docs/performance.md): on a static empty scene at most 1.3 times bare zxing-cpp.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import segno
import zxingcpp

from drivers.decoders import QR
from drivers.frames import Frame
from drivers.qr import STILL_ROUNDS, RotatingDecoder
from drivers.vision import cv2

HEIGHT, WIDTH = 720, 1280
TICKET = "AD1:" + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 5
VARIANTS = 8
"""Different frames of each scene, by the noise of their sensor."""


def measure(rounds: int = 300) -> dict[str, object]:
    """Time both decoders on each scene, milliseconds of thread CPU time.

    Args:
        rounds: Frames that each decoder looks at, per scene.
    Returns:
        Per scene: ``{"bare": {p50, p95}, "product": {p50, p95}, "ratio": of the medians}``.
    """
    scenes = {
        "static_empty": [_noisy(_desk(), 3.0, seed) for seed in range(VARIANTS)],
        "with_code": [_noisy(_ticket(), 3.0, seed) for seed in range(VARIANTS)],
    }
    return {
        "frame": [HEIGHT, WIDTH],
        "rounds": rounds,
        "unit": "ms of CPU",
        "target": {"static_empty": 1.3},
        "scenes": {name: _compare(frames, rounds) for name, frames in scenes.items()},
    }


def _compare(frames: list[Frame], rounds: int) -> dict[str, object]:
    decoder = RotatingDecoder()
    for frame in frames * (STILL_ROUNDS // len(frames) + 1):  # then the scene counts as static
        decoder.decode(frame)
    bare: list[float] = []
    product: list[float] = []
    for number in range(rounds):
        frame = frames[number % len(frames)]
        turns = [(_bare, bare), (decoder.decode, product)]
        for look, times in turns if number % 2 else reversed(turns):
            times.append(_timed(look, frame))
    ratio = statistics.median(product) / statistics.median(bare)
    return {"bare": _summary(bare), "product": _summary(product), "ratio": round(ratio, 3)}


def _timed(look: Callable[[Frame], object], frame: Frame) -> float:
    started = time.thread_time()
    look(frame)
    return (time.thread_time() - started) * 1000


def _bare(frame: Frame) -> object:
    return zxingcpp.read_barcodes(frame, formats=QR)


def _summary(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=20)
    return {"p50": round(statistics.median(times), 3), "p95": round(cuts[18], 3)}


def _desk() -> Frame:
    """An empty scene with some texture: a soft gradient and a few edges, as of a counter."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    scene = 120 + 60 * np.sin(columns / 300) + 30 * np.cos(rows / 170)
    scene[500:] -= 40
    scene[:, 900:940] += 50
    return np.asarray(np.clip(scene, 0, 255), dtype=np.uint8)


def _ticket() -> Frame:
    out = io.BytesIO()
    segno.make_qr(TICKET, error="q", boost_error=False).save(out, kind="png", scale=5, border=4)
    code = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert code is not None
    scene = _desk()
    height, width = code.shape
    scene[100 : 100 + height, 400 : 400 + width] = code
    return scene


def _noisy(scene: Frame, sigma: float, seed: int) -> Frame:
    noise = np.random.default_rng(seed).normal(0, sigma, scene.shape)
    return np.asarray(np.clip(scene + noise, 0, 255), dtype=np.uint8)


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
    sys.stdout.write("\n")
